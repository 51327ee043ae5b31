"""Prediction and generation by a finished run, its parameters frozen."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmcli.config.graph import Graph, build_graph
from mmcli.config.reader import Config, load_config
from mmcli.data.dataset import Datasets, absent, load_arrays
from mmcli.data.memory import ArrayData, given_arrays
from mmcli.data.rows import sparse
from mmcli.data.units import Units, in_data_units
from mmcli.errors import ConfigError, DataError, ModuleTypeError, UsageError
from mmcli.runs.layout import CONFIG, META
from mmcli.runs.writer import RunDirectory
from mmcli.util.text import listed, shown, suggestion
from mmcli.workflows.learned_run import LearnedRun
from mmcli.workflows.plugins import recorded_plugins
from mmcli.workflows.relocation import recorded_by, relocated

if TYPE_CHECKING:
    from mmcli.engine.exported import PredictorProgram
    from mmcli.engine.predictor import PredictedBatch, Predictor

Watch: TypeAlias = Callable[[int, int], None]  # called with the number of items done, and of all

UNLIKELY = 1e-6  # probability of all other classes together, where an item's class is given


class Prediction(NamedTuple):
    """Classes of N items by a module.

    Attributes:
        classes: (N,) int64, by the labels they were matched to in training, or as found where there were none.
        probabilities: (N, K) float32, P(class | the senses below the module).
        names: (K,) int64, the class that each column of `probabilities` stands for.
        texts: K, the names of these classes: that of their label, or unmatched-K where they have none.
    """

    classes: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    names: NDArray[np.int64]
    texts: tuple[str, ...]


def load_run(
    path: str | Path,
    *,
    data: Mapping[str, ArrayLike] | None = None,
    data_root: str | Path | None = None,
    trust_code: bool = False,
    notify: Callable[[str], None] | None = None,
) -> "TrainedRun":
    """Load a finished run from its directory.

    >>> import numpy as np
    >>> from mmcli import load_run
    >>> run = load_run("runs/tiny-s0-001")
    >>> images, words = np.zeros((2, 12)), np.ones((2, 12))
    >>> predicted = run.predict(images=images, words=words)
    >>> sorted(predicted), predicted["mlda"].classes.shape, predicted["mlda"].probabilities.shape
    (['gmm', 'mlda'], (2,), (2, 3))
    >>> run.predict(words=words)["gmm"].classes.shape  # one sense is enough
    (2,)
    >>> run.generate("images", words=words).shape
    (2, 12)
    >>> run.generate("images", of_class=0, num_items=5, seed=1).shape
    (5, 12)

    Args:
        path: of the run directory.
        data: the arrays in memory that the run learned from, by name; only its confusion tables need them.
        data_root: folder to search for data files of the run that were moved, by the end of each path and its SHA-256.
        trust_code: whether module types that the run's config names by import path, package.module:SPEC, are
            imported, which runs their code.
        notify: receives a line for each module type that now comes from another package or version.

    Raises:
        ModuleTypeError: a module type of the run cannot be used here.
        UsageError: no finished run there, no folder `data_root`, or the run learned from no array of that name.
        DataError: an array is not the one that the run learned from.
        DamagedRunError: files of the run are missing or unreadable.
    """
    run = RunDirectory.open(Path(path))
    root = None if data_root is None else Path(data_root)
    config, graph = read_graph(run, root, trust_code=trust_code)
    arrays = given_arrays(data)
    _refuse_other_arrays(run, config, arrays)
    loaded = TrainedRun(run, config, graph, data_root=root, arrays=arrays)
    if notify is not None:
        for line in loaded.plugin_changes:
            notify(line)
    return loaded


def _refuse_other_arrays(run: RunDirectory, config: Config, arrays: Mapping[str, ArrayData]) -> None:
    """Raise UsageError or DataError where arrays in memory are not those that a run learned from."""
    learned = {name: source.array for name, source in config.data.items() if source.array is not None}
    for name, given in arrays.items():
        where = f'data["{shown(name, 60)}"]'
        if name not in learned:
            hint = suggestion(name, learned) or f"; it learned from {listed(learned) or 'files alone'}"
            raise UsageError(f"{where}: {run.place} learned from no array of this name{hint}")
        if given.sha256 != learned[name]:
            raise DataError(f"{where}: not the array that {run.place} learned from (SHA-256 differs); give that one")


def read_graph(run: RunDirectory, data_root: Path | None = None, *, trust_code: bool = False) -> tuple[Config, Graph]:
    """Read the config of a run, with its data files below `data_root` where they exist, and its graph.

    Numbers of classes that the config leaves open are in the graph as they were found.

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
    if graph.left_open:
        numbers = run.num_classes()
        if numbers.keys() == set(graph.left_open):
            graph = graph.with_numbers(numbers)
        elif run.is_finished:
            raise run.damaged(META, "the numbers of classes that were found are not those of the config's modules")
    return relocated(config, recorded, data_root), graph


class TrainedRun(LearnedRun):
    """A trained graph that predicts classes and generates senses; `load_run` and `train` give one."""

    @cached_property
    def _predictor(self) -> "Predictor":
        from mmcli.engine.predictor import Predictor  # imports jax

        predictor = Predictor(self.graph, self.widths, self.config.messages)
        for name, node in self.graph.nodes.items():
            if node.parents:
                folder = self.graph.folder(name)
                try:
                    predictor.restore(name, self.directory.params(folder), self.num_learned)
                except ValueError as error:
                    raise self.directory.damaged(f"{folder}/params.npz", str(error)) from None
        return predictor

    def predict_batches(
        self,
        datasets: Datasets,
        evidence: Mapping[str, NDArray[np.float32]] | None = None,
        *,
        senses: Collection[str] = (),
        seed: int | None = None,
        watch: Watch | None = None,
    ) -> "Iterator[PredictedBatch]":
        """Outputs of every module, batch by batch; classes are numbered as found.

        Items are in the units of the data; a sense that is expected from standard units is in those. `evidence`, log
        probabilities (N, K) of the classes of a module, `senses` and `seed` as for `Predictor.predict`.

        The call itself, before the first batch, starts the device and restores all modules.

        Raises:
            UsageError: there is no device of the kind that is asked for.
            DamagedRunError: parameters are missing, or not as training wrote them.
        """
        batches = self._predictor.predict(datasets.given, evidence, senses=senses, seed=seed)

        def finished() -> "Iterator[PredictedBatch]":
            num_done = 0
            for batch in batches:
                found = {name: in_data_units(self.graph, name, of, self.units) for name, of in batch.items.items()}
                yield batch._replace(items=found)
                num_done += batch.num_items
                if watch is not None:
                    watch(num_done, datasets.num_items)

        return finished()

    def program(self, num_items: int) -> "PredictorProgram":
        """Make the function of `engine.exported`: rows of all senses -> class probabilities of every module.

        Args:
            num_items: of a batch.

        Raises:
            DamagedRunError: parameters are missing, or not as training wrote them.
        """
        senses = {module: sense for sense, module in self.senses.items()}
        probabilities = {name: reports.probabilities for name, reports in self.classifiers.items()}
        return self._predictor.program(senses, self.units, probabilities, num_items)

    def predict(self, **senses: ArrayLike) -> dict[str, Prediction]:
        """Predict classes and their probabilities, by module that finds classes.

        Args:
            **senses: (N, width) arrays or scipy.sparse matrices by name, one or more; a row of NaN is missing. Besides,
                (N,) the number of each row's sequence, where a module of the config names it.

        Raises:
            DataError: an array does not fit, or an item has no sense at all.
            UsageError: a name is unknown, or there is none.
        """
        batches = [
            {name: [batch.items[name][stem] for stem in stems] for name, stems in self.classifiers.items()}
            for batch in self.predict_batches(self._observed(senses))
        ]
        predictions = {}
        for name in self.classifiers:
            classes, probabilities = map(np.concatenate, zip(*(batch[name] for batch in batches), strict=True))
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
        """Generate a sense, (N, width), from other senses or of a class.

        In the units of the data: float64 where the run learned from standard units, else float32. Counts come as
        shares of an item's words, a row sums to 1.

        Args:
            to: name of the sense.
            of_class: a class of the last module that finds classes, by the number or the name of its label.
            num_items: how many of that class.
            seed: draw class and latent variable; None takes the expectation, the same for equal items.
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
        return self.make(to, self._observed(senses), seed=seed)

    def make(
        self,
        to: str,
        datasets: Datasets,
        evidence: Mapping[str, NDArray[np.float32]] | None = None,
        *,
        seed: int | None,
        watch: Watch | None = None,
    ) -> NDArray[np.floating[Any]]:
        """Generate a sense from datasets without it, and `evidence` on classes (see `predict_batches`)."""
        self.refuse_too_many(to, datasets.num_items)
        module = self.senses[to]
        units = self._units_made(module, is_drawn=seed is not None)
        made = np.empty((datasets.num_items, self.widths[module]), np.float32 if units is None else np.float64)
        rest = made
        for batch in self.predict_batches(datasets, evidence, senses=[module], seed=seed, watch=watch):
            rows_made = batch.senses[module]
            if units is not None:
                rows_made = units.restored(rows_made)
            rest[: len(rows_made)] = rows_made
            rest = rest[len(rows_made) :]
        return made

    def _units_made(self, module: str, *, is_drawn: bool) -> Units | None:
        """Units that an observation is generated in; None where they are the data's."""
        children = self.graph.nodes[module].children
        source = children[-1 if is_drawn else 0]  # expectations come from the first child, draws from the last
        return self.units.get(module) if self.graph.nodes[source].is_standard(module) else None

    def make_classes(self, to: str, classes: NDArray[np.int64], *, seed: int | None) -> NDArray[np.floating[Any]]:
        """Generate a sense, one item for each of the `classes` (N,), which are keys of `class_names`."""
        shapes = {name: (len(classes), width) for name, width in self.widths.items()}
        observations = {name: absent(self.graph, name, shape) for name, shape in shapes.items()}
        known = {name: np.zeros(len(classes), bool) for name in self.widths}
        starts = dict.fromkeys(self.graph.sequences, np.ones(len(classes), bool))  # each item by itself
        nothing = Datasets(observations, known, {}, len(classes), {}, self.units, starts=starts)
        return self.make(to, nothing, self._evidence(classes), seed=seed)

    def refuse_too_many(self, sense: str, num_items: int) -> None:
        """Raise UsageError where so many rows of a sense are too many to make at a time, or it is unknown."""
        self.refuse_unknown(sense)
        width = self.widths[self.senses[sense]]
        size = sparse.dense_bytes((num_items, width))
        if size > sparse.MAX_DENSE:
            rows = f"{num_items} rows of {width} columns"
            raise UsageError(f"{sense}: {rows} would fill {size / 1e9:.1f} GB; make fewer at a time")

    def _evidence(self, classes: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """Log probabilities (N, K) that all but fix the class of each item."""
        name = self._last_classifier()
        names = self.names(name)
        others = UNLIKELY / max(len(names) - 1, 1)
        probabilities = np.where(names == classes[:, None], 1 - UNLIKELY, others)
        return {name: np.log(probabilities).astype(np.float32)}

    def _observed(self, senses: Mapping[str, ArrayLike]) -> Datasets:
        sequences = {name for name in self.graph.sequences.values() if name is not None}
        for name in senses.keys() - sequences:
            self.refuse_unknown(name)
        if not senses.keys() - sequences:
            raise UsageError(f"no sense is given; give one of {listed(self.senses)}")
        arrays = {
            name: sparse.as_csr(array) if hasattr(array, "tocsr") else np.asarray(array)
            for name, array in senses.items()
        }
        return load_arrays(arrays, self.graph, self.widths, self.units)
