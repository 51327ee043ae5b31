"""Check of a config by pydantic, with its errors in plain words. The options of a type come from its spec."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mmcli.config.entries import MAX_NAME, NAME_CHARACTERS, Array, File, Learner, Observation, Rows, SearchEntry, Top
from mmcli.config.graph import find_problems
from mmcli.config.model import Config, DataSource, Keys, ModuleConfig, Places, Search
from mmcli.config.paths import expanded
from mmcli.config.problems import Problems, choices_of, described, got
from mmcli.modules.registry import UnknownTypeError, UnusableTypeError, find_spec, type_names
from mmcli.modules.spec import ModuleSpec, Options
from mmcli.util.text import closest, listed, suggestion

_AnyOptions = TypeVar("_AnyOptions", bound=Options)


class Checker:
    """Converts plain values to a Config; continues after a problem, to find the others."""

    def __init__(
        self, problems: Problems, places: Places, *, is_resolved: bool = False, trust_code: bool = False
    ) -> None:
        self._problems = problems
        self._places = places
        self._is_resolved = is_resolved  # written by mmcli: its paths hold no variables
        self._trust_code = trust_code  # whether a type may be named by its import path
        self._meant: set[Keys] = set()  # paths of keys that were misspelled, and so are not missing

    def config(self, path: Path, root: Mapping[str, Any]) -> Config:
        """Build the config; valid only if `problems` stays empty."""
        top = self._read(Top, root, (), Top.model_fields)
        # Where `data` is not a mapping, no name can be reported as unknown.
        names = top.data if isinstance(root.get("data", {}), dict) else None
        modules = {name: self._module(name, raw, names) for name, raw in getattr(top, "modules", {}).items()}
        data = {name: self._source("data", name, raw, path.parent, top.data) for name, raw in top.data.items()}
        test = {name: self._source("test", name, raw, path.parent, top.test) for name, raw in top.test.items()}
        search = self._read(SearchEntry, top.search, ("search",), SearchEntry.model_fields)
        for name in test:
            if names is not None and name not in names:
                self._add(("test", name), _no_data(name, names), at_key=True)
        sequences = {module.sequence for module in modules.values() if module is not None}
        for source in data.values():
            for key in ("known", "missing"):
                if source.name in sequences and getattr(source, key) is not None:
                    self._add(("data", source.name, key), "every row is of a sequence; remove it")
        for keys, text in find_problems(modules, getattr(top, "messages", "cavity")):
            self._add(keys, text)
        return Config(
            path=path,
            seed=top.seed,
            rounds=top.rounds,
            messages=top.messages,
            search=Search(search.starts, search.rounds),
            checkpoint_every=top.checkpoint_every,
            data=data,
            test=test,
            modules={name: module for name, module in modules.items() if module is not None},
            places=self._places,
        )

    def _source(self, section: str, name: str, raw: Any, folder: Path, names: Mapping[str, Any]) -> DataSource:
        """Read an entry of `data` or `test`."""
        keys: Keys = (section, name)
        values = self._entry(keys, raw, "file")
        if values is not None and "array" in values:
            array = self._read(Array, values, keys, Array.model_fields)
            self._refuse_unknown_mask(array, keys, names)
            return DataSource(name, Path(name), None, array.known, array.missing, array=getattr(array, "array", ""))
        source, written = File.model_construct(), ""
        if values is not None:
            file = values.get("file")
            text = {"file": file.encode(errors="backslashreplace").decode()} if isinstance(file, str) else {}
            source = self._read(File, {**values, **text}, keys, File.model_fields)  # pydantic's text is UTF-8
            written = file if hasattr(source, "file") and isinstance(file, str) else ""
        self._refuse_unknown_mask(source, keys, names)
        where = (*keys, "file")
        start = self._places.of(where).folder or folder
        try:
            path = start / written if self._is_resolved else expanded(written, start)
        except ValueError as error:
            self._add(where, str(error))
            path = start / written
        file = Path(os.path.realpath(path))
        return DataSource(name, file, source.key, source.known, source.missing, source.header)

    def _refuse_unknown_mask(self, rows: Rows, keys: Keys, names: Mapping[str, Any]) -> None:
        if rows.known is not None and rows.known not in names:
            self._add((*keys, "known"), _no_data(rows.known, names))

    def _module(self, name: str, raw: Any, data: Mapping[str, Any] | None) -> ModuleConfig | None:
        """Read an entry of `modules`; None if its type or its inputs cannot be read."""
        keys: Keys = ("modules", name)
        values = self._entry(keys, raw, "type")
        if values is None:
            return None
        spec = self._spec(values, keys)
        if spec is None:
            return None
        option_model = spec.options
        link_model: type[Learner] | type[Observation] = Observation if spec.is_source else Learner
        own = {key: value for key, value in values.items() if key in option_model.model_fields}
        rest = {key: value for key, value in values.items() if key not in own}
        unused = {"sequence": spec.items != "sequence", "targets": not spec.targets}
        known = [key for key in link_model.model_fields if not unused.get(key)]
        links = self._read(link_model, rest, keys, [*known, *option_model.model_fields])
        options = self._read(option_model, own, keys, option_model.model_fields)
        labels, shows = getattr(links, "labels", None), getattr(links, "data", None)
        sequence, targets = getattr(links, "sequence", None), getattr(links, "targets", ())
        for field, reference in (("labels", labels), ("data", shows), ("sequence", sequence)):
            if reference is not None and data is not None and reference not in data:
                self._add((*keys, field), _no_data(reference, data))
        inputs = getattr(links, "inputs", None if link_model is Learner else ())
        if inputs is None:
            return None
        return ModuleConfig(name, values["type"], inputs, labels, shows, options, spec, sequence, targets)

    def _entry(self, keys: Keys, raw: Any, needs: str) -> Mapping[str, Any] | None:
        """Values of an entry of `data` or `modules`, its name checked; None if it is no mapping."""
        name = str(keys[-1])
        if not 1 <= len(name) <= MAX_NAME or not NAME_CHARACTERS.issuperset(name):
            self._add(keys, f"a name has 1 to {MAX_NAME} letters, digits, _ and -; rename it", at_key=True)
        if isinstance(raw, dict):
            return raw
        self._add(keys, f"must be a mapping with the key {needs} (got {got(raw)})")
        return None

    def _spec(self, values: Mapping[str, Any], keys: Keys) -> ModuleSpec | None:
        """The type of a module; None if there is no such type, or it cannot be used."""
        name, where = values.get("type"), (*keys, "type")
        if "type" not in values:
            self._add(where, f"missing; it must be one of {listed(type_names())}", at_key=True)
            return None
        if not isinstance(name, str):
            self._add(where, f"must be one of {listed(type_names())} (got {got(name)})")
            return None
        try:
            return find_spec(name, trust_code=self._trust_code)
        except UnknownTypeError:
            hint = suggestion(name, type_names())
            text = f"no type {got(name)}{hint}" if hint else f"must be one of {listed(type_names())} (got {got(name)})"
        except UnusableTypeError as error:
            text = f"type {got(name)} cannot be used: {error}"
        self._problems.add(self._places.of(where), where, text, is_of_type=True)
        return None

    def _read(
        self, model: type[_AnyOptions], values: Mapping[str, Any], keys: Keys, known: Iterable[str]
    ) -> _AnyOptions:
        """Read values as a model. Where some are wrong, add their problems and leave the fields out.

        Args:
            model: class of the result.
            values: by key, as written.
            keys: path of the values in the config.
            known: valid keys, for suggestions.
        """
        try:
            return model.model_validate(values)
        except ValidationError as error:
            faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
        properties = model.model_json_schema()["properties"]
        for fault in faults:
            self._add_fault(fault, keys, properties, known)
        wrong = {fault["loc"][0] for fault in faults if fault["loc"]}
        return model.model_construct(**{key: value for key, value in values.items() if key not in wrong})

    def _add(self, keys: Keys, text: str, at_key: bool = False) -> None:
        """Add a problem at the place of a value, or of its key."""
        self._problems.add(self._places.of(keys, at_key), keys, text)

    def _add_fault(self, fault: ErrorDetails, keys: Keys, properties: Mapping[str, Any], known: Iterable[str]) -> None:
        """Add an error of pydantic in plain words."""
        field = str(fault["loc"][0]) if fault["loc"] else ""
        choices = choices_of(properties.get(field, {}))
        if fault["type"] in ("union_tag_invalid", "union_tag_not_found"):
            self._add_choice(fault, (*keys, field, "type"), choices)
            return
        # Of a mapping whose `type` chooses the other keys, pydantic names the type in the path.
        if len(fault["loc"]) > 2 and (choice := choices.get(str(fault["loc"][1]))) is not None:
            inside = cast("ErrorDetails", {**fault, "loc": fault["loc"][2:]})
            self._add_fault(inside, (*keys, field), choice["properties"], choice["properties"])
            return
        # Of a value that may be of several kinds, pydantic names the kind in the path.
        has_kinds = len(properties.get(field, {}).get("anyOf", ())) > 1
        path = tuple(part for part in fault["loc"] if part == field or isinstance(part, int) or not has_kinds)
        where = (*keys, *path)
        if fault["type"] == "extra_forbidden":
            hint = suggestion(field, known) or f"; the keys here are {listed(known)}"
            self._add(where, f"unknown key{hint}", at_key=True)
            self._meant.add((*keys, closest(field, known) or field))
        elif fault["type"] == "missing":
            if where not in self._meant:
                self._add(where, f"missing; it must be {described(properties[field])}", at_key=True)
        elif fault["type"] == "value_error":  # raised by a validator of the options
            self._add(where, str(fault["ctx"]["error"]))
        else:
            self._add(where, _mismatch(fault["input"], _entry_schema(properties[field], len(path) - 1)))

    def _add_choice(self, fault: ErrorDetails, where: Keys, choices: Iterable[str]) -> None:
        """Add an error of a mapping without one of the types that it may have."""
        text = f"must be one of {listed(choices)}"
        if "type" not in fault["input"]:
            self._add(where, f"missing; it {text}", at_key=True)
        else:
            found = fault["input"]["type"]
            hint = suggestion(found, choices) if isinstance(found, str) else ""
            self._add(where, f"{text} (got {got(found)}){hint}")


def _no_data(name: str, names: Iterable[str]) -> str:
    """Problem of an unknown name of data."""
    return f"no data {got(name)}{suggestion(name, names) or f'; there are {listed(names)}'}"


def _entry_schema(schema: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
    """JSON schema of the entries of a list, `depth` lists deep, without the null of an optional value."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if depth:
        choices = [choice for choice in choices if "items" in choice]
    schema = choices[0] if len(choices) == 1 else {"anyOf": choices} if choices else schema
    return _entry_schema(schema["items"], depth - 1) if depth else schema


def _mismatch(value: Any, schema: Mapping[str, Any]) -> str:
    """Problem of an invalid value: what is expected, what was found, and the closest valid one."""
    hint = ""
    if isinstance(value, str):
        hint = suggestion(value, schema.get("enum", ()))
    kinds = {choice.get("type") for choice in (schema, *schema.get("anyOf", ()))}
    if "array" in kinds and isinstance(value, str | int | float):
        hint = f"; write [{got(value)}]"
    return f"must be {described(schema)} (got {got(value)}){hint}"
