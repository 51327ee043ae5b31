"""Results of a finished run: classes, history, parameters, units and labels."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmcli.config.graph import Graph
from mmcli.config.model import Config
from mmcli.data.dataset import Datasets, load_sources
from mmcli.data.labels import Labels, LabelSet
from mmcli.data.memory import ArrayData
from mmcli.data.selection import Sources
from mmcli.data.units import Units, stored_units
from mmcli.errors import DataError, UsageError
from mmcli.runs.history import HistoryLine
from mmcli.runs.writer import RunDirectory
from mmcli.util.text import listed, shown, suggestion
from mmcli.workflows.plugins import plugin_changes
from mmcli.workflows.relocation import recorded_by, refuse_changed, refuse_missing


class LearnedRun:
    """A run directory with its graph. Senses go by the names of the config's `data`."""

    def __init__(
        self,
        directory: RunDirectory,
        config: Config,
        graph: Graph,
        data_root: Path | None = None,
        arrays: Mapping[str, ArrayData] | None = None,
    ) -> None:
        self.directory = directory
        self.data_root = data_root
        self.arrays = arrays or {}  # in memory, that the run learned from
        self.config = config
        self.graph = graph
        self.num_learned, columns = directory.learned_from()
        observations = [name for name, node in graph.nodes.items() if not node.parents]
        if columns.keys() != set(observations):
            raise directory.damaged("meta.json", "its columns are not those of the config's observations")
        self.widths = {name: columns[name] for name in observations}
        self.classifiers = {
            name: node.spec.classes for name, node in graph.nodes.items() if node.spec.classes is not None
        }

    def __repr__(self) -> str:
        """Path, size and the last ACC of each module."""
        last = {line.module: line.acc for line in self.directory.history() if line.acc is not None}
        measures = ", ".join(f"{name} ACC {acc:.3f}" for name, acc in last.items())
        return (
            f"<{type(self).__name__} {self.directory.place}: {self.num_learned:,} items{measures and '; '}{measures}>"
        )

    def _repr_html_(self) -> str:
        """Graph, measures and confusion tables for a notebook, as HTML that needs no network and no script."""
        from mmcli.report.summary import summary_html  # imports matplotlib

        labels, problem = self._own_labels()
        lines = self.directory.history()
        history = {name: [line for line in lines if line.module == name] for name in self.graph.learners}
        classes = {name: (self.classes[name], labels[name]) for name in labels}
        return summary_html(repr(self).strip("<>"), self.graph, self.widths, history, classes, problem)

    @cached_property
    def classes(self) -> dict[str, NDArray[np.int64]]:
        """(N,) class of each item that was learned from, by module: as its matched label, where there are labels.

        Raises:
            DamagedRunError: a file is not what training wrote.
        """
        return {
            name: self.directory.classes(self.graph.folder(name), reports.classes, self.num_learned)
            for name, reports in self.classifiers.items()
        }

    @cached_property
    def history(self) -> dict[str, dict[str, NDArray[Any]]]:
        """Arrays (R,) over the rounds, by module: round, acc, ari, nmi, bound, seconds, compile_seconds, own_acc, ...

        Measures own_* are of the classes by a module's own inputs alone, without its children's messages. NaN where a
        module has no labels, or no objective. Bounds are in the unit of the module's objective.
        """
        lines = self.directory.history()
        fields = [field for field in HistoryLine._fields if field != "module"]
        history: dict[str, dict[str, NDArray[Any]]] = {}
        for name in self.graph.learners:
            of_module = [line for line in lines if line.module == name]
            history[name] = {
                field: np.array(
                    [getattr(line, field) for line in of_module], np.int64 if field == "round" else np.float64
                )
                for field in fields
            }
        return history

    @cached_property
    def search(self) -> Mapping[str, Any] | None:
        """Content of search.json, with rounds as whole numbers: scores of starts and rounds, and the starts' agreement.

        None where nothing was searched.

        Raises:
            DamagedRunError: the file is not what training wrote.
        """
        record = self.directory.search()
        return None if record is None else record._asdict()

    @cached_property
    def params(self) -> dict[str, dict[str, NDArray[Any]]]:
        """Arrays of each module's params.npz, by module; of an observation in standard units its centre and scale.

        Raises:
            DamagedRunError: a file is not what training wrote.
        """
        folders = {name: self.graph.folder(name) for name in self.graph.nodes}
        return {
            name: self.directory.params(folder) for name, folder in folders.items() if self.directory.has_params(folder)
        }

    @property
    def plugin_changes(self) -> list[str]:
        """A line for each module type that now comes from another package or version than the run learned with."""
        return plugin_changes(self.directory.meta(), self.config)

    @cached_property
    def senses(self) -> dict[str, str]:
        """The observation module of each sense."""
        return {str(self.graph.nodes[name].config.data): name for name in self.graph.senses}

    def load(self, chosen: Sources) -> Datasets:
        """Read and check data that a command chose; observations stay in their files.

        Raises:
            DataError: data are missing, do not fit, or are not those that the run learned from where they ought to be.
        """
        recorded = recorded_by(self.directory)
        sources, places, section = chosen
        refuse_missing(sources, places, section, self.graph, recorded, self.data_root)
        datasets = load_sources(sources, places, section, self.graph, self.widths, self.units, arrays=self.arrays)
        if section == "data":
            own = {name: source for name, source in sources.items() if not places.of((section, name)).on_command_line}
            refuse_changed(self.directory, recorded, own, datasets)
        return datasets

    def _own_labels(self) -> tuple[dict[str, Labels], str]:
        """Labels that measured each module in training; none, and the reason, where they are not available."""
        named = {name: module.labels for name, module in self.config.modules.items() if module.labels is not None}
        sources = {name: self.config.data[name] for name in named.values()}
        masks = {
            source.known: self.config.data[source.known] for source in sources.values() if source.known is not None
        }
        try:
            datasets = self.load(Sources({**masks, **sources}, self.config.places, "data"))
        except DataError as error:
            return {}, str(error).splitlines()[0]
        return dict(datasets.labels), ""

    @cached_property
    def units(self) -> dict[str, Units]:
        """Units of the observations in standard units; none in a run that is older than they are.

        Raises:
            DamagedRunError: a file is not as training wrote it.
        """
        units = {}
        for name, width in self.widths.items():
            folder = self.graph.folder(name)
            if self.directory.has_params(folder):
                try:
                    units[name] = stored_units(self.directory.params(folder), width)
                except ValueError as error:
                    raise self.directory.damaged(f"{folder}/params.npz", str(error)) from None
        return units

    def names(self, module: str) -> NDArray[np.int64]:
        """(K,) the label that training matched each class of a module to; 0 to K - 1 where it has no labels."""
        num_classes = self.graph.output_port(module, self.widths).columns
        return self.directory.class_names(self.graph.folder(module), num_classes)

    def labels(self, module: str) -> LabelSet:
        """The labels that training matched the classes of a module to; the classes themselves where there were none."""
        name = self.config.modules[module].labels
        kept = None if name is None else self.directory.labels(name)
        return LabelSet(tuple(np.sort(self.names(module)).tolist()), {}) if kept is None else kept

    def texts(self, module: str) -> tuple[str, ...]:
        """Names of the K classes of a module, as text."""
        return tuple(map(self.labels(module).class_text, self.names(module).tolist()))

    def class_names(self) -> dict[int, str]:
        """Classes of the last module that finds some, which are those that `generate` takes, by ascending number."""
        name = self._last_classifier()
        return dict(sorted(zip(self.names(name).tolist(), self.texts(name), strict=True)))

    def class_number(self, asked: int | str) -> int:
        """The number of a class, from its number or name.

        Raises:
            UsageError: there is no such class.
        """
        every = self.class_names()
        by_text = {text: number for number, text in reversed(every.items())}  # a label named unmatched-K comes first
        if not self.labels(self._last_classifier()).names:
            by_text = {str(number): number for number in every} | by_text
        number = by_text.get(asked) if isinstance(asked, str) else int(asked)
        if number is None or number not in every:
            held = listed(every.values())
            raise UsageError(f"no class {shown(str(asked), 60)}; {self._last_classifier()} has {held}")
        return number

    def _last_classifier(self) -> str:
        if not self.classifiers:
            raise UsageError("no module of this run finds classes")
        return list(self.classifiers)[-1]

    def refuse_unknown(self, sense: str) -> None:
        """Raise UsageError where no sense has that name."""
        if sense not in self.senses:
            hint = suggestion(sense, self.senses) or f"; there are {listed(self.senses)}"
            raise UsageError(f"no sense {sense}{hint}")
