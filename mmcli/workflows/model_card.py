"""The card of a model that is handed on, in Markdown: its data, figures, versions and licence."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import yaml

from mmcli.util.text import listed, shown
from mmcli.workflows.figures import OBJECTIVE, latest_figures
from mmcli.workflows.learned_run import LearnedRun

UNKNOWN = "unknown"  # licence that is not given, as model hubs write it
_MEASURES = ("acc", "ari", "nmi")


def model_card(run: LearnedRun, name: str, licence: str | None, description: str | None) -> str:
    """Card of a finished run.

    Args:
        run: to be handed on.
        name: of the file.
        licence: of the model, such as MIT; None where it is not given.
        description: a paragraph in Markdown; None is one made of the graph.

    Raises:
        DamagedRunError: a file is not as training wrote it.
    """
    meta = run.directory.meta()
    header = {"license": licence or UNKNOWN, "library_name": "mmcli", "tags": ["multimodal", "unsupervised"]}
    senses = ", ".join(run.senses)
    types = ", ".join(run.graph.nodes[module].type for module in run.graph.learners)
    summary = f"A model of {senses} ({types}), which learned from {run.num_learned:,} items without labels."
    sections = {
        "Use": _use(name, list(run.senses)),
        "Model": _table(("module", "type", "inputs", "classes"), _modules(run)),
        "Data": _table(("sense", "module", "columns", "file", "SHA-256"), _data(run)) + _labels(run),
        "Figures": _figures(run),
        "Origin": _table(("", ""), _origin(run, meta)),
        "Licence": f"Of the model: {licence or 'not given'}. The data that it learned from have their own.",
    }
    parts = [f"---\n{yaml.safe_dump(header, sort_keys=False, allow_unicode=True)}---", f"# {_cell(name)}"]
    parts.append(description or summary)
    parts += [f"## {heading}\n\n{text}" for heading, text in sections.items()]
    return "\n\n".join(parts) + "\n"


def _use(name: str, senses: Sequence[str]) -> str:
    lines = [
        f"mmcli evaluate {name} --data new.npz -o results    # classes of other items, by the arrays {listed(senses)}",
        f"mmcli generate {name} --to {senses[0]} -o made.npz    # a sense of each class",
        f'mmcli.load_run("{name}").predict({senses[0]}=...)    # in Python',
        f"unzip {name} -d run    # the run directory, for all other commands",
    ]
    return "\n".join(f"    {line}" for line in lines)


def _modules(run: LearnedRun) -> Iterator[tuple[str, ...]]:
    for name in run.graph.learners:
        node = run.graph.nodes[name]
        found = sorted(zip(run.names(name).tolist(), run.texts(name), strict=True)) if name in run.classifiers else []
        yield name, node.type, ", ".join(node.parents), listed(text for _, text in found) if found else ""


def _data(run: LearnedRun) -> Iterator[tuple[str, ...]]:
    digests = run.directory.data_digests()
    for module, width in run.widths.items():
        source = run.config.data[str(run.config.modules[module].data)]
        file = "in memory" if source.array is not None else PurePath(source.file).name
        yield source.name, module, str(width), file, str(source.array or digests.get(str(source.file), ""))


def _labels(run: LearnedRun) -> str:
    """Sentence on the labels that measured; empty where there are none."""
    names = sorted({str(module.labels) for module in run.config.modules.values() if module.labels is not None})
    kept = {name: labels for name in names if (labels := run.directory.labels(name)) is not None}
    return "".join(
        f"\n\nThe labels {_cell(name)} only measured: {listed(map(labels.text, labels.numbers))}."
        for name, labels in kept.items()
    )


def _figures(run: LearnedRun) -> str:
    header = ("module", *(measure.upper() for measure in _MEASURES), OBJECTIVE)
    figures = latest_figures(run.directory.history())
    rows = [
        (module, *(_figure(values.get(measure), ".4f") for measure in _MEASURES), _figure(values.get(OBJECTIVE), ".6g"))
        for module, values in figures.items()
    ]
    learned = f"Of the {run.num_learned:,} items that it learned from:\n\n{_table(header, rows)}"
    return f"{learned}\n\nACC is the share of items whose class, matched to the labels one to one, is their label."


def _origin(run: LearnedRun, meta: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "seed", str(run.config.seed)
    yield "rounds", str(run.config.rounds)
    for key in ("started", "ended", "device", "threads", "command", "git", "versions", "packages", "plugins"):
        if meta.get(key):
            value = meta[key]
            yield key, value if isinstance(value, str) else json.dumps(value).strip("{}").replace('"', "")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    """Text as one line of a table."""
    return shown(text).replace("|", "\\|")


def _figure(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"
