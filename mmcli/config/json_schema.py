"""JSON Schema of configs, for editors: made from the models of the entries and the specs of module types.

Draft 7, which the language servers of editors know best. A config that it accepts can still be refused by
`mmcli check`: references between entries, the graph and the data are beyond a schema.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import CoreSchema

from mmcli.config.entries import MAX_NAME, Array, File, Learner, Observation, SearchEntry, Top
from mmcli.modules.registry import IMPORT_PATH
from mmcli.modules.spec import InputSpec, ModuleSpec, Options

DRAFT = "http://json-schema.org/draft-07/schema#"

_NAMES = {"pattern": f"^[A-Za-z0-9_-]{{1,{MAX_NAME}}}$"}


def config_schema(specs: Mapping[str, ModuleSpec]) -> dict[str, Any]:
    """JSON Schema of a config whose modules are of these types, or of one named by its import path.

    Args:
        specs: module types by the name that a config uses.
    """
    models: list[type[Options]] = [Top, SearchEntry, File, Array, *(_links(spec) for spec in specs.values())]
    models += [spec.options for spec in specs.values()]
    unique = list(dict.fromkeys(models))
    keys, shared = models_json_schema(
        [(model, "validation") for model in unique],
        ref_template="#/definitions/{model}",
        schema_generator=_LenientGenerator,
    )
    definitions = shared["$defs"]
    # Where two packages have options of one name, pydantic gives each a name of its own.
    names = {model: str(keys[model, "validation"]["$ref"]).rpartition("/")[2] for model in unique}
    written = {model: definitions.pop(name) for model, name in names.items()}
    top, search, file, array = (_plain(written[model]) for model in (Top, SearchEntry, File, Array))
    modules = {name: _module(spec, written) for name, spec in specs.items()}
    source = {"if": {"required": ["array"]}, "then": array, "else": file}
    part_of_source = _part([file, array])
    required = top.pop("required")
    for section in ("data", "test", "modules"):
        del top["properties"][section]["type"]
    top["properties"]["search"] |= search
    return {
        "$schema": DRAFT,
        "title": "mmcli config",
        **top,
        "if": {"required": ["extends"], "properties": {"extends": {"type": "string"}}},
        "then": _sections(["object", "null"], part_of_source, _part([_any_type(modules), *modules.values()])),
        "else": {"required": required, **_sections(["object"], source, _any_module(modules))},
        "definitions": {name: _plain(shared) for name, shared in definitions.items()},
    }


class _LenientGenerator(GenerateJsonSchema):
    """Generator that accepts any value where the options of a package have a type that JSON has not."""

    def handle_invalid_for_json_schema(self, schema: CoreSchema, error_info: str) -> JsonSchemaValue:
        """Give the schema that accepts every value."""
        try:
            return super().handle_invalid_for_json_schema(schema, error_info)
        except PydanticInvalidForJsonSchema:
            return {}


def _links(spec: ModuleSpec) -> type[Options]:
    return Observation if spec.is_source else Learner


def _sections(types: list[str], source: Mapping[str, Any], module: Mapping[str, Any]) -> dict[str, Any]:
    """Schema of `data`, `test` and `modules`, from that of an entry."""
    entries = {"data": source, "test": source, "modules": module}
    return {
        "properties": {
            section: {"type": types, "propertyNames": _NAMES, "additionalProperties": entry}
            for section, entry in entries.items()
        }
    }


def _any_type(types: Iterable[str]) -> dict[str, Any]:
    """An object with a module type: one of these, or an import path."""
    path = {"type": "string", "pattern": f"^{IMPORT_PATH.pattern}$"}
    named = {"anyOf": [{"enum": list(types)}, path], "description": "type of the module; `mmcli modules` lists them"}
    return {"type": "object", "properties": {"type": named}}


def _any_module(modules: Mapping[str, Any]) -> dict[str, Any]:
    """Entry of `modules`: its type chooses the other keys, so that an error concerns those of that type alone."""
    return {
        **_any_type(modules),
        "required": ["type"],
        "allOf": [
            {"if": {"required": ["type"], "properties": {"type": {"const": name}}}, "then": module}
            for name, module in modules.items()
        ],
    }


def _part(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Part of an entry in a config that extends another: any keys of these entries, or null, which removes it."""
    choices: dict[str, list[Any]] = {}
    for key, schema in (item for entry in entries for item in entry["properties"].items()):
        if schema not in choices.setdefault(key, []):
            choices[key].append(schema)
    properties = {key: schemas[0] if len(schemas) == 1 else {"anyOf": schemas} for key, schemas in choices.items()}
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def _module(spec: ModuleSpec, written: Mapping[type[Options], Mapping[str, Any]]) -> dict[str, Any]:
    """Entry of a type: the keys that link it to others, and its options."""
    links, options = _plain(written[_links(spec)]), _plain(written[spec.options])
    properties = {key: value for key, value in links["properties"].items() if key not in _unused(spec)}
    properties["type"] = {"const": spec.name, "description": spec.summary}
    if "inputs" in properties:
        properties["inputs"] |= _limits(spec.inputs)
    if "targets" in properties:
        properties["targets"] |= {"minItems": len(spec.targets), "maxItems": len(spec.targets)}
    required = links["required"] + (["targets"] if spec.targets else []) + options.get("required", [])
    return {
        "type": "object",
        "description": spec.summary,
        "properties": {**properties, **options.get("properties", {})},
        "required": required,
        "additionalProperties": False,
    }


def _unused(spec: ModuleSpec) -> set[str]:
    """Keys of a learner that mean nothing to a type."""
    unused = {"sequence": spec.items != "sequence", "targets": not spec.targets, "labels": spec.classes is None}
    return {key for key, is_unused in unused.items() if is_unused}


def _limits(inputs: InputSpec) -> dict[str, int]:
    """Fewest and most inputs."""
    return {"minItems": inputs.minimum} | ({} if inputs.maximum is None else {"maxItems": inputs.maximum})


def _plain(schema: Any) -> Any:
    """Schema without what is meant for other readers: pydantic's titles, and formats that no validator knows."""
    if isinstance(schema, list):
        return [_plain(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: value
        for key, value in schema.items()
        if not (key in ("title", "format") and isinstance(value, str))  # a property may have such a name
    }
    return {key: _plain(value) for key, value in kept.items()}
