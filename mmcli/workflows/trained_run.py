"""A finished run as an object: what its graph says of other items, and what it can make of one sense from others."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmcli.config.graph import Graph, build_graph
from mmcli.config.reader import Config, load_config
from mmcli.data.dataset import Datasets, absent, load_arrays, load_sources
from mmcli.data.labels import LabelSet
from mmcli.data.rows import sparse
from mmcli.data.units import Units, in_data_units, stored_units
from mmcli.errors import ConfigError, ModuleTypeError, UsageError
from mmcli.runs.reader import CONFIG
from mmcli.runs.writer import RunDirectory
from mmcli.util.text import listed, shown, suggestion
from mmcli.workflows.plugins import plugin_changes, recorded_plugins
from mmcli.workflows.relocation import recorded_by, refuse_changed, refuse_missing, relocated

if TYPE_CHECKING:
    from mmcli.data.selection import Sources
    from mmcli.engine.recognizer import Recognition, Recognizer

Watch: TypeAlias = Callable[[int, int], None]  # told how many items of how many are done

SURE = 1e-6  # what a class that an item is told not to be of keeps


class Prediction(NamedTuple):
    """What a module says of N items.

    Attributes:
        classes: (N,) int64, by the labels they were matched to in training, or as found where there were none.
        probabilities: (N, K) float32, P(class | the senses below the module).
        names: (K,) int64, the class that each column of `probabilities` stands for.
        texts: K, what these classes are called: by the name of their label, or unmatched-K where they have none.
    """

    classes: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    names: NDArray[np.int64]
    texts: tuple[str, ...]


def load_run(path: str | Path, *, data_root: str | Path | None = None, trust_code: bool = False) -> "TrainedRun":
    """The run in a directory that `mmcli train` made.

    >>> import numpy as np
    >>> from mmcli import load_run
    >>> run = load_run("runs/tiny-s0-001")
    >>> images, words = np.zeros((2, 12)), np.ones((2, 12))
    >>> said = run.predict(images=images, words=words)
    >>> sorted(said), said["mlda"].classes.shape, said["mlda"].probabilities.shape
    (['gmm', 'mlda'], (2,), (2, 3))
    >>> run.predict(words=words)["gmm"].classes.shape  # one sense is enough
    (2,)
    >>> run.generate("images", words=words).shape
    (2, 12)
    >>> run.generate("images", of_class=0, num_items=5, seed=1).shape
    (5, 12)

    Args:
        path: of the run directory.
        data_root: where the data files of the run are if they were moved: below it, the end of each path is looked
            for, and the SHA-256 compared.
        trust_code: whether module types that the run's config names by import path, package.module:SPEC, are
            imported, which runs their code.

    Raises:
        ModuleTypeError: a module type of the run cannot be used here.
        UsageError: no finished run there, or no folder `data_root`.
        DamagedRunError: it is one, but files of it are missing or unreadable.
    """
    run = RunDirectory.open(Path(path))
    root = None if data_root is None else Path(data_root)
    return TrainedRun(run, *read_graph(run, root, trust_code=trust_code), data_root=root)


def read_graph(run: RunDirectory, data_root: Path | None = None, *, trust_code: bool = False) -> tuple[Config, Graph]:
    """The config of a run, its data files below `data_root` where they are there, and its graph.

    Raises:
        ModuleTypeError: a module type of the run cannot be used here.
        UsageError: `data_root` is no folder.
        DamagedRunError: the config is missing or unreadable.
    """
    try:
        config = load_config(run.config, is_resolved=True, trust_code=trust_code)
        graph = build_graph(config)
        recorded = recorded_by(run) if data_root is not None else {}
    except ModuleTypeError as error:
        learned_with = sorted(set(map(str, recorded_plugins(run.meta()).values())))
        hint = f"; the run learned with {listed(learned_with)}" if learned_with else ""
        raise ModuleTypeError([problem + hint for problem in error.problems]) from None
    except ConfigError as error:
        raise run.damaged(CONFIG, error.problems[0]) from None
    return relocated(config, recorded, data_root), graph


class TrainedRun:
    """A trained graph. Senses go by the names of the config's `data`; get one from `load_run`."""

    def __init__(self, directory: RunDirectory, config: Config, graph: Graph, data_root: Path | None = None) -> None:
        self.directory = directory
        self.data_root = data_root
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

    @property
    def plugin_changes(self) -> list[str]:
        """A line for each module type that now comes from another package or version than the run learned with."""
        return plugin_changes(self.directory.meta(), self.config)

    @cached_property
    def senses(self) -> dict[str, str]:
        """The observation that shows each sense."""
        return {str(node.config.data): name for name, node in self.graph.nodes.items() if not node.parents}

    def load(self, chosen: "Sources") -> Datasets:
        """Read and check the data that a command asked about, observations left in their files.

        Raises:
            DataError: data are missing, do not fit, or are not what the run learned from where they ought to be.
        """
        recorded = recorded_by(self.directory)
        sources, places, section = chosen
        refuse_missing(sources, places, section, self.graph, recorded, self.data_root)
        datasets = load_sources(sources, places, section, self.graph, self.widths, self.units)
        if section == "data":
            own = {name: source for name, source in sources.items() if not places.of((section, name)).on_command_line}
            refuse_changed(self.directory, recorded, own, datasets)
        return datasets

    @cached_property
    def units(self) -> dict[str, Units]:
        """Units of the observations that are in standard units; of a run older than those none is."""
        units = {}
        for name, width in self.widths.items():
            folder = self.graph.folder(name)
            if self.directory.has_params(folder):
                try:
                    units[name] = stored_units(self.directory.params(folder), width)
                except ValueError as error:
                    raise self.directory.damaged(f"{folder}/params.npz", str(error)) from None
        return units

    @cached_property
    def _recognizer(self) -> "Recognizer":
        from mmcli.engine.recognizer import Recognizer  # imports jax

        recognizer = Recognizer(self.graph, self.widths, self.config.messages)
        for name, node in self.graph.nodes.items():
            if node.parents:
                folder = self.graph.folder(name)
                try:
                    recognizer.restore(name, self.directory.params(folder), self.num_learned)
                except ValueError as error:
                    raise self.directory.damaged(f"{folder}/params.npz", str(error)) from None
        return recognizer

    def names(self, module: str) -> NDArray[np.int64]:
        """(K,) the label that training matched each class of a module to; 0 to K - 1 where it named no labels."""
        num_classes = self.graph.output_port(module, self.widths).columns
        return self.directory.class_names(self.graph.folder(module), num_classes)

    def labels(self, module: str) -> LabelSet:
        """The labels that training matched the classes of a module to; the classes themselves where there were none."""
        name = self.config.modules[module].labels
        kept = None if name is None else self.directory.labels(name)
        return LabelSet(tuple(np.sort(self.names(module)).tolist()), {}) if kept is None else kept

    def texts(self, module: str) -> tuple[str, ...]:
        """What each of the K classes of a module is called."""
        return tuple(map(self.labels(module).class_text, self.names(module).tolist()))

    def recognize(
        self,
        datasets: Datasets,
        told: Mapping[str, NDArray[np.float32]] | None = None,
        *,
        senses: Collection[str] = (),
        seed: int | None = None,
        watch: Watch | None = None,
    ) -> "Iterator[Recognition]":
        """What every module says of items, batch by batch, in the order in which classes were found.

        Items are in the units of the data; what an observation with units is expected to be is in standard units.
        `told`, `senses` and `seed` as for `Recognizer.recognize`.
        """
        num_done = 0
        perceived = datasets.observations, datasets.known, told
        for batch in self._recognizer.recognize(*perceived, senses=senses, seed=seed):
            items = {name: in_data_units(self.graph, name, found, self.units) for name, found in batch.items.items()}
            yield batch._replace(items=items)
            num_done += batch.num_items
            if watch is not None:
                watch(num_done, datasets.num_items)

    def predict(self, **senses: ArrayLike) -> dict[str, Prediction]:
        """Classes and their probabilities, by module that finds classes.

        Args:
            **senses: (N, width) arrays by name, or matrices of scipy.sparse, those that there are; a row of NaN is a
                missing one.

        Raises:
            DataError: an array does not fit, or an item has no sense at all.
            UsageError: a name is unknown, or there is none.
        """
        said = [
            {name: [batch.items[name][stem] for stem in stems] for name, stems in self.classifiers.items()}
            for batch in self.recognize(self._perceived(senses))
        ]
        predictions = {}
        for name in self.classifiers:
            classes, probabilities = map(np.concatenate, zip(*(batch[name] for batch in said), strict=True))
            names = self.names(name)
            predictions[name] = Prediction(names[classes], probabilities, names, self.texts(name))
        return predictions

    def generate(
        self,
        to: str,
        *,
        of_class: int | str | None = None,
        num_items: int = 1,
        seed: int | None = None,
        **senses: ArrayLike,
    ) -> NDArray[np.floating[Any]]:
        """What a sense could have been, (N, width): from other senses, or of a class.

        In the units of the data: float64 where the run learned from standard units, else float32. Counts come as
        shares of an item's words, a row sums to 1.

        Args:
            to: name of the sense.
            of_class: the class, by the number or the name of the label it was matched to, as the last module that
                finds classes knows it.
            num_items: how many of that class.
            seed: draw class and latent variable; None takes what is expected, the same for equal items.
            **senses: as for `predict`, without `to`; not together with `of_class`.

        Raises:
            DataError: an array does not fit, or an item has no sense at all.
            UsageError: a name or a class is unknown, or there is neither a sense nor a class.
        """
        self.refuse_unknown(to)
        if (of_class is None) == (not senses):
            raise UsageError("a sense is made from other senses or of a class; give one of the two")
        if of_class is not None:
            return self.make_classes(to, np.full(num_items, self.class_number(of_class)), seed=seed)
        if to in senses:
            raise UsageError(f"{to} is to be made, so it cannot be given; leave it out")
        return self.make(to, self._perceived(senses), seed=seed)

    def make(
        self,
        to: str,
        datasets: Datasets,
        told: Mapping[str, NDArray[np.float32]] | None = None,
        *,
        seed: int | None,
        watch: Watch | None = None,
    ) -> NDArray[np.floating[Any]]:
        """As `generate`, from datasets without the sense and what is `told` of classes (see `Recognizer.recognize`)."""
        self.refuse_too_many(to, datasets.num_items)
        module = self.senses[to]
        units = self._units_made(module, is_drawn=seed is not None)
        made = np.empty((datasets.num_items, self.widths[module]), np.float32 if units is None else np.float64)
        rest = made
        for batch in self.recognize(datasets, told, senses=[module], seed=seed, watch=watch):
            rows_made = batch.senses[module]
            if units is not None:
                rows_made = units.restored(rows_made)
            rest[: len(rows_made)] = rows_made
            rest = rest[len(rows_made) :]
        return made

    def _units_made(self, module: str, *, is_drawn: bool) -> Units | None:
        """Units that an observation is made in; None where they are the data's."""
        children = self.graph.nodes[module].children
        source = children[-1 if is_drawn else 0]  # what is expected comes from the first, what is drawn from the last
        return self.units.get(module) if self.graph.nodes[source].is_standard(module) else None

    def make_classes(self, to: str, classes: NDArray[np.int64], *, seed: int | None) -> NDArray[np.floating[Any]]:
        """As `generate`, an item of each of the `classes` (N,), all of them keys of `class_names`."""
        shapes = {name: (len(classes), width) for name, width in self.widths.items()}
        observations = {name: absent(self.graph, name, shape) for name, shape in shapes.items()}
        known = {name: np.zeros(len(classes), bool) for name in self.widths}
        nothing = Datasets(observations, known, {}, len(classes), {}, self.units)
        return self.make(to, nothing, self._told(classes), seed=seed)

    def refuse_too_many(self, sense: str, num_items: int) -> None:
        """Raise UsageError where so many rows of a sense are too many to make at a time, or it is unknown."""
        self.refuse_unknown(sense)
        width = self.widths[self.senses[sense]]
        size = sparse.dense_bytes((num_items, width))
        if size > sparse.MAX_DENSE:
            rows = f"{num_items} rows of {width} columns"
            raise UsageError(f"{sense}: {rows} would fill {size / 1e9:.1f} GB; make fewer at a time")

    def refuse_unknown(self, sense: str) -> None:
        """Raise UsageError where no sense goes by that name."""
        if sense not in self.senses:
            hint = suggestion(sense, self.senses) or f"; there are {listed(self.senses)}"
            raise UsageError(f"no sense {sense}{hint}")

    def class_names(self) -> dict[int, str]:
        """The classes that `generate` makes, by ascending number: of the last module that finds some."""
        name = self._last_classifier()
        return dict(sorted(zip(self.names(name).tolist(), self.texts(name), strict=True)))

    def class_number(self, asked: int | str) -> int:
        """The number of a class that was asked for by number or by name.

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

    def _told(self, classes: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """Log probabilities (N, K) that say of which class each item is."""
        name = self._last_classifier()
        names = self.names(name)
        probabilities = np.where(names == classes[:, None], 1 - SURE, SURE / max(len(names) - 1, 1))
        return {name: np.log(probabilities).astype(np.float32)}

    def _perceived(self, senses: Mapping[str, ArrayLike]) -> Datasets:
        for name in senses:
            self.refuse_unknown(name)
        if not senses:
            raise UsageError(f"no sense is given; give one of {listed(self.senses)}")
        arrays = {
            name: sparse.as_csr(array) if hasattr(array, "tocsr") else np.asarray(array)
            for name, array in senses.items()
        }
        return load_arrays(arrays, self.graph, self.widths, self.units)
