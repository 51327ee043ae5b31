"""A config for any data set: the kinds of its views decide the graph, a config for the pairs the settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from suite_sets import LABELS, Kind

from mmcli.config.reader import dump_config, load_config, plain_config
from mmcli.ingest.proposal import CHAINS_ALONE

Modules: TypeAlias = dict[str, dict[str, Any]]  # by name, as under `modules` of a config

RECOMMENDED = "recommended"
ALL_KINDS = "mnist_arabic_tuned.yaml"
# Config with the settings of a method, by the kinds of a set's views; a set of other kinds is left out by the method.
TEMPLATES: dict[str, dict[frozenset[Kind], str]] = {
    RECOMMENDED: {
        frozenset({Kind.PIXELS, Kind.HAC}): ALL_KINDS,
        frozenset({Kind.PIXELS}): ALL_KINDS,
        frozenset({Kind.COUNTS}): ALL_KINDS,
        frozenset({Kind.FEATURES}): ALL_KINDS,
    },
    "mnist_arabic": {frozenset({Kind.PIXELS, Kind.HAC}): "mnist_arabic.yaml"},
    "serket_compat": {frozenset({Kind.PIXELS, Kind.HAC}): "serket_compat.yaml"},
}
AUTO = "auto"
LINKS = frozenset({"type", "data", "inputs", "labels"})  # what is no setting of a module


def template(method: str, kinds: Mapping[str, Kind], folder: Path) -> Path | None:
    """Config in `folder` that has the settings of a method for views of such kinds; None if the method has none."""
    name = TEMPLATES[method].get(frozenset(kinds.values()))
    return folder / name if name else None


def config_text(data: Path, kinds: Mapping[str, Kind], num_classes: int, settings: Path) -> str:
    """Config of a set, every default filled in.

    Args:
        data: an .npz with an array for each view, by its name, and labels.
        kinds: kind of each view.
        num_classes: of every module that finds classes.
        settings: a config; its first module of a type has the settings of all modules of that type.

    Raises:
        ConfigError: `settings` has a fault, or its settings do not fit the graph.
        ValueError: `settings` has no module of a type that the views need.
    """
    plain = plain_config(load_config(settings))
    modules = graph(kinds)
    for module in modules.values():
        module.update(options(module, modules, plain["modules"], settings))
        if "num_classes" in module:
            module.update(num_classes=num_classes, labels=LABELS)
    arrays = {name: {"file": str(data.resolve()), "key": name} for name in (*kinds, LABELS)}
    kept = {key: value for key, value in plain.items() if key != "test"}
    return dump_config(load_config(kept | {"data": arrays, "modules": modules}))


def graph(kinds: Mapping[str, Kind]) -> Modules:
    """Modules over the views, without settings but for chains, in the order of updates.

    One gmm has all features and a vae for each view of pixels as its inputs; an mlda joins it and all counts, unless
    there are none.
    """
    modules: Modules = {name: {"type": "observation", "data": name} for name in kinds}
    counts = [name for name, kind in kinds.items() if kind in (Kind.HAC, Kind.COUNTS)]
    points = [name for name in kinds if name not in counts]
    for place, name in enumerate(points):
        if kinds[name] is Kind.PIXELS:
            points[place] = f"vae_{name}" if len(points) > 1 else "vae"
            modules[points[place]] = {"type": "vae", "inputs": [name]}
    if points:
        modules["gmm"] = {"type": "gmm", "inputs": points} | ({} if counts else {"chains": CHAINS_ALONE})
    if counts:
        modules["mlda"] = {"type": "mlda", "inputs": [*counts, *(["gmm"] if points else [])]}
    return modules


def options(module: dict[str, Any], modules: Modules, templates: Modules, settings: Path) -> dict[str, Any]:
    """Options of a module of `modules`: those of the first of its type in `templates`, a weight an input as there.

    Raises:
        ValueError: `templates` have no module of the type.
    """
    like = next((like for like in templates.values() if like["type"] == module["type"]), None)
    if like is None:
        raise ValueError(f"{settings}: no module of type {module['type']}; add one, it has the settings of that type")
    found = {key: value for key, value in like.items() if key not in LINKS | module.keys()}
    if isinstance(found.get("weights"), list):
        like_types = [templates[name]["type"] for name in like["inputs"]]
        types = [modules[name]["type"] for name in module["inputs"]]
        weights = dict(zip(like_types, found["weights"], strict=True))
        # Weights put one kind of input in relation to another; inputs of other kinds are weighed by the data.
        found["weights"] = [weights[name] for name in types] if set(types) == set(like_types) else AUTO
    return found
