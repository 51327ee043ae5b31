"""A finished run as an object: what its graph says of other items, and what it can make of one sense from others."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmcli import sparse
from mmcli.config import Config, load_config
from mmcli.datasets import Datasets, absent, load_arrays
from mmcli.errors import ConfigError, DataError, UsageError
from mmcli.graph import Graph, build_graph
from mmcli.modules import MODULES, Kind
from mmcli.run_files import CONFIG
from mmcli.store import RunDirectory
from mmcli.wording import listed, suggestion

if TYPE_CHECKING:
    from mmcli.recognition import Recognition, Recognizer

Watch: TypeAlias = Callable[[int, int], None]  # told how many items of how many are done

SURE = 1e-6  # what a class that an item is told not to be of keeps


class Prediction(NamedTuple):
    """What a module says of N items.

    Attributes:
        classes: (N,) int64, by the labels they were matched to in training, or as found where there were none.
        probabilities: (N, K) float32, P(class | the senses below the module).
        names: (K,) int64, the class that each column of `probabilities` stands for.
    """

    classes: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    names: NDArray[np.int64]


def load_run(path: str | Path) -> "TrainedRun":
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

    Raises:
        UsageError: no finished run there.
        DamagedRunError: it is one, but files of it are missing or unreadable.
    """
    run = RunDirectory.open(Path(path))
    return TrainedRun(run, *read_graph(run))


def read_graph(run: RunDirectory) -> tuple[Config, Graph]:
    """The config of a run and its graph.

    Raises:
        DamagedRunError: the config is missing or unreadable.
    """
    try:
        config = load_config(run.config)
        return config, build_graph(config)
    except ConfigError as error:
        raise run.damaged(CONFIG, error.problems[0]) from None


def refuse_changed_data(run: RunDirectory, learned_from: Mapping[str, Any], datasets: Datasets) -> None:
    """Raise DataError where datasets are not those that a run learned from, SHA-256 by path."""
    for file, digest in datasets.digests.items():
        if learned_from.get(file) != digest:
            raise DataError(f"{file}: not the file that {run.path} learned from (SHA-256 differs); bring it back")


class TrainedRun:
    """A trained graph. Senses go by the names of the config's `data`; get one from `load_run`."""

    def __init__(self, directory: RunDirectory, config: Config, graph: Graph) -> None:
        self.directory = directory
        self.config = config
        self.graph = graph
        self.num_learned, columns = directory.learned_from()
        observations = [name for name, node in graph.nodes.items() if not node.parents]
        if columns.keys() != set(observations):
            raise directory.damaged("meta.json", "its columns are not those of the config's observations")
        self.widths = {name: columns[name] for name in observations}
        self.classifiers = {
            name: width(node.config.options)
            for name, node in graph.nodes.items()
            if Kind.CATEGORICAL in MODULES[node.type].sends and (width := MODULES[node.type].width) is not None
        }

    @cached_property
    def senses(self) -> dict[str, str]:
        """The observation that shows each sense."""
        return {str(node.config.data): name for name, node in self.graph.nodes.items() if not node.parents}

    @cached_property
    def _recognizer(self) -> "Recognizer":
        from mmcli.recognition import Recognizer  # imports jax

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
        return self.directory.class_names(self.graph.folder(module), self.classifiers[module])

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

        `told`, `senses` and `seed` as for `Recognizer.recognize`.
        """
        num_done = 0
        perceived = datasets.observations, datasets.known, told
        for batch in self._recognizer.recognize(*perceived, senses=senses, seed=seed):
            yield batch
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
            {name: (batch.items[name]["class"], batch.items[name]["Pdz"]) for name in self.classifiers}
            for batch in self.recognize(self._perceived(senses))
        ]
        predictions = {}
        for name in self.classifiers:
            classes, probabilities = map(np.concatenate, zip(*(batch[name] for batch in said), strict=True))
            names = self.names(name)
            predictions[name] = Prediction(names[classes], probabilities, names)
        return predictions

    def generate(
        self,
        to: str,
        *,
        of_class: int | None = None,
        num_items: int = 1,
        seed: int | None = None,
        **senses: ArrayLike,
    ) -> NDArray[np.float32]:
        """What a sense could have been, (N, width): from other senses, or of a class.

        Counts come as shares of an item's words, a row sums to 1.

        Args:
            to: name of the sense.
            of_class: the class, by the label it was matched to, as the last module that finds classes knows it.
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
            return self.make_classes(to, np.full(num_items, of_class), seed=seed)
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
    ) -> NDArray[np.float32]:
        """As `generate`, from datasets without the sense and what is `told` of classes (see `Recognizer.recognize`)."""
        self.refuse_too_many(to, datasets.num_items)
        module = self.senses[to]
        made = np.empty((datasets.num_items, self.widths[module]), np.float32)
        rest = made
        for batch in self.recognize(datasets, told, senses=[module], seed=seed, watch=watch):
            rows_made = batch.senses[module]
            rest[: len(rows_made)] = rows_made
            rest = rest[len(rows_made) :]
        return made

    def make_classes(self, to: str, classes: NDArray[np.int64], *, seed: int | None) -> NDArray[np.float32]:
        """As `generate`, an item of each of the `classes` (N,)."""
        shapes = {name: (len(classes), width) for name, width in self.widths.items()}
        observations = {name: absent(self.graph, name, shape) for name, shape in shapes.items()}
        known = {name: np.zeros(len(classes), bool) for name in self.widths}
        nothing = Datasets(observations, known, {}, len(classes), {})
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

    def class_names(self) -> NDArray[np.int64]:
        """(K,) the classes that `generate` makes, ascending: those of the last module that finds classes."""
        return np.sort(self.names(self._last_classifier()))

    def _last_classifier(self) -> str:
        if not self.classifiers:
            raise UsageError("no module of this run finds classes")
        return list(self.classifiers)[-1]

    def _told(self, classes: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """Log probabilities (N, K) that say of which class each item is."""
        name = self._last_classifier()
        names = self.names(name)
        if unknown := np.setdiff1d(classes, names).tolist():
            raise UsageError(f"no class {unknown[0]}; {name} has {listed(map(str, sorted(names.tolist())))}")
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
        return load_arrays(arrays, self.graph, self.widths)
