"""What a config may hold, by pydantic; its faults in plain words. The options of a type come from its spec."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from mmcli.config.graph import find_problems
from mmcli.config.model import Config, DataSource, Keys, ModuleConfig, Places
from mmcli.config.problems import Problems, described, got
from mmcli.modules.registry import UnknownTypeError, UnusableTypeError, find_spec, type_names
from mmcli.modules.spec import ModuleSpec, Options, PositiveInt
from mmcli.util.text import closest, listed, shown, suggestion

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_MAX_NAME = 64  # a folder of a run directory is called after it

_VARIABLE = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})")  # $NAME or ${NAME}

_Path = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$", json_schema_extra={"format": "path"})]
_Name = Annotated[str, Field(min_length=1, json_schema_extra={"format": "name"})]
_AnyOptions = TypeVar("_AnyOptions", bound=Options)


class _Top(Options):
    seed: int = Field(0, ge=0, le=2**32 - 1)
    rounds: PositiveInt = 5
    messages: Literal["cavity", "serket"] = "cavity"
    checkpoint_every: PositiveInt = 1
    data: dict[str, Any] = Field(default_factory=dict)
    test: dict[str, Any] = Field(default_factory=dict)
    modules: dict[str, Any] = Field(min_length=1)


class _Source(Options):
    file: _Path
    key: _Name | None = None
    known: _Name | None = None
    missing: Literal["nan"] | None = None
    header: bool | None = None


class _Observation(Options):
    type: _Name
    data: _Name


class _Learner(Options):
    type: _Name
    inputs: tuple[_Name, ...] = Field(min_length=1)
    labels: _Name | None = None


class Checker:
    """Plain values -> Config. Goes on after a problem with what is left, to find the others."""

    def __init__(
        self, problems: Problems, places: Places, *, is_resolved: bool = False, trust_code: bool = False
    ) -> None:
        self._problems = problems
        self._places = places
        self._is_resolved = is_resolved  # written by mmcli: no path in it holds a variable
        self._trust_code = trust_code  # whether a type may be named by its import path
        self._meant: set[Keys] = set()  # paths of keys that were misspelled, and so are not missing

    def config(self, path: Path, root: Mapping[str, Any]) -> Config:
        """The config; to be used only if `problems` stayed empty."""
        top = self._read(_Top, root, (), _Top.model_fields)
        # Where `data` is no mapping, no name in it can be called unknown.
        names = top.data if isinstance(root.get("data", {}), dict) else None
        modules = {name: self._module(name, raw, names) for name, raw in getattr(top, "modules", {}).items()}
        data = {name: self._source("data", name, raw, path.parent, top.data) for name, raw in top.data.items()}
        test = {name: self._source("test", name, raw, path.parent, top.test) for name, raw in top.test.items()}
        for name in test:
            if names is not None and name not in names:
                self._add(("test", name), _no_data(name, names), at_key=True)
        for keys, text in find_problems(modules):
            self._add(keys, text)
        return Config(
            path=path,
            seed=top.seed,
            rounds=top.rounds,
            messages=top.messages,
            checkpoint_every=top.checkpoint_every,
            data=data,
            test=test,
            modules={name: module for name, module in modules.items() if module is not None},
            places=self._places,
        )

    def _source(self, section: str, name: str, raw: Any, folder: Path, names: Mapping[str, Any]) -> DataSource:
        keys: Keys = (section, name)
        values = self._entry(keys, raw, "file")
        empty = _Source.model_construct()
        source, written = empty, ""
        if values is not None:
            file = values.get("file")
            text = {"file": file.encode(errors="backslashreplace").decode()} if isinstance(file, str) else {}
            source = self._read(_Source, {**values, **text}, keys, _Source.model_fields)  # pydantic's text is UTF-8
            written = file if hasattr(source, "file") and isinstance(file, str) else ""
        if source.known is not None and source.known not in names:
            self._add((*keys, "known"), _no_data(source.known, names))
        file = Path(os.path.realpath(self._unfolded(folder, written, keys)))
        return DataSource(name, file, source.key, source.known, source.missing, source.header)

    def _unfolded(self, folder: Path, written: str, keys: Keys) -> Path:
        """A path with ~ and $NAME put in, as a shell would; one that is there as it was written stays so."""
        literal = folder / written
        if os.path.lexists(literal) or self._is_resolved:
            return literal
        names = [name.strip("${}") for name in _VARIABLE.findall(written)]
        unknown = next((name for name in names if name not in os.environ), None)
        if unknown is not None:
            self._add((*keys, "file"), f"no environment variable {unknown}; set it, or write the path out")
            return literal
        path = Path(_VARIABLE.sub(lambda name: os.environ[name[0].strip("${}")], written))
        try:
            return folder / path.expanduser()
        except RuntimeError:  # nobody of that name, or no home at all
            self._add((*keys, "file"), f"no home folder {shown(path.parts[0], 60)}; write the path out")
            return literal

    def _module(self, name: str, raw: Any, data: Mapping[str, Any] | None) -> ModuleConfig | None:
        """None if its type or its inputs cannot be read."""
        keys: Keys = ("modules", name)
        values = self._entry(keys, raw, "type")
        if values is None:
            return None
        spec = self._spec(values, keys)
        if spec is None:
            return None
        option_model = spec.options
        link_model: type[_Learner] | type[_Observation] = _Observation if spec.is_source else _Learner
        own = {key: value for key, value in values.items() if key in option_model.model_fields}
        rest = {key: value for key, value in values.items() if key not in own}
        links = self._read(link_model, rest, keys, [*link_model.model_fields, *option_model.model_fields])
        options = self._read(option_model, own, keys, option_model.model_fields)
        labels, shows = getattr(links, "labels", None), getattr(links, "data", None)
        for field, reference in (("labels", labels), ("data", shows)):
            if reference is not None and data is not None and reference not in data:
                self._add((*keys, field), _no_data(reference, data))
        inputs = getattr(links, "inputs", None if link_model is _Learner else ())
        return None if inputs is None else ModuleConfig(name, values["type"], inputs, labels, shows, options, spec)

    def _entry(self, keys: Keys, raw: Any, needs: str) -> Mapping[str, Any] | None:
        """The values of an entry of `data` or `modules`, None if it is no mapping; its name is checked."""
        name = str(keys[-1])
        if not 1 <= len(name) <= _MAX_NAME or not _NAME_CHARACTERS.issuperset(name):
            self._add(keys, f"a name has 1 to {_MAX_NAME} letters, digits, _ and -; rename it", at_key=True)
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
        """Values as a model. Where some are wrong, their problems are added and their fields left out.

        Args:
            model: what they have to be.
            values: by key, as written.
            keys: path of the values in the config.
            known: every key that may stand there, for suggestions.
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
        self._problems.add(self._places.of(keys, at_key), keys, text)

    def _add_fault(self, fault: ErrorDetails, keys: Keys, properties: Mapping[str, Any], known: Iterable[str]) -> None:
        """Say in plain words what pydantic found."""
        where = (*keys, *fault["loc"])
        field = str(fault["loc"][0]) if fault["loc"] else ""
        if fault["type"] == "extra_forbidden":
            hint = suggestion(field, known) or f"; the keys here are {listed(known)}"
            self._add(where, f"unknown key{hint}", at_key=True)
            self._meant.add((*keys, closest(field, known) or field))
        elif fault["type"] == "missing":
            if where not in self._meant:
                self._add(where, f"missing; it must be {described(properties[field])}", at_key=True)
        elif fault["type"] == "value_error":  # raised by a check of the options' own
            self._add(where, str(fault["ctx"]["error"]))
        else:
            self._add(where, _mismatch(fault["input"], _entry_schema(properties[field], len(fault["loc"]) - 1)))


def _no_data(name: str, names: Iterable[str]) -> str:
    return f"no data {got(name)}{suggestion(name, names) or f'; there are {listed(names)}'}"


def _entry_schema(schema: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
    """The JSON schema of the entries of a list, `depth` lists deep, without the null that stands for left out."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    schema = choices[0] if len(choices) == 1 else schema
    return _entry_schema(schema["items"], depth - 1) if depth else schema


def _mismatch(value: Any, schema: Mapping[str, Any]) -> str:
    """What a value must be, what it is, and the nearest right one where there is one."""
    hint = ""
    if isinstance(value, str):
        hint = suggestion(value, schema.get("enum", ()))
    if schema.get("type") == "array" and isinstance(value, str | int | float):
        hint = f"; write [{got(value)}]"
    return f"must be {described(schema)} (got {got(value)}){hint}"
