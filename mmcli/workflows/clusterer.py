"""A multimodal model as an estimator of scikit-learn."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from mmcli.config.model import Config
from mmcli.config.reader import plain_config
from mmcli.errors import MmcliError, UsageError
from mmcli.util.text import listed
from mmcli.workflows.api import train
from mmcli.workflows.check import check
from mmcli.workflows.pack import pack
from mmcli.workflows.trained_run import TrainedRun, load_run

ALONE = "X"  # name of the sense where all columns are one
CLASS_WEIGHT = 20  # words that a mixture's judgement on an item counts for, as in what `mmcli init --from` proposes
ROUNDS = 5  # of a model of several senses; that of one gets no messages back


class MultimodalClusterer(ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin, BaseEstimator):
    """Clusters of items that several senses share, without labels.

    The columns of X are the senses, one beside the other. A fitted estimator is pickled with its model.

    >>> import numpy as np
    >>> from mmcli import MultimodalClusterer
    >>> kinds = np.repeat([0, 1], 20)
    >>> senses = [np.random.default_rng(seed).normal(10.0 * kinds[:, None], 1.0, (40, 2)) for seed in (0, 1)]
    >>> model = MultimodalClusterer(2, columns={"touch": 2, "smell": 2}).fit(np.hstack(senses))
    >>> model.predict_proba(np.hstack(senses)[:3]).shape
    (3, 2)

    Args:
        n_clusters: of the default model.
        columns: number of columns of each sense by its name, in their order; None is one sense, X.
        config: a model, as a path of a YAML file or a mapping: its observations read data by the names of the senses.
            None is a mixture of Gaussians for each sense, and of several an MLDA that joins them.
        random_state: the seed; a generator, or None, draws one.
        threads: CPU threads; None takes all cores. A process keeps its first number.

    Attributes:
        labels_: (N,) cluster of each item that was learned from, 0 to K - 1, by the last module of the config that
            finds classes.
        cluster_names_: K, the name of the label that each cluster was matched to where a run had labels; else its
            number.
        n_features_in_: columns of X.
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        columns: Mapping[str, int] | None = None,
        config: str | Path | Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = 0,
        threads: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.columns = columns
        self.config = config
        self.random_state = random_state
        self.threads = threads

    @classmethod
    def from_run(cls, run_dir: str | Path) -> Self:
        """Make the fitted estimator of a finished run, which no longer needs the run directory.

        The columns of X are the senses in the order of the run's config, in the units of its data. `fit` learns anew,
        by the modules and settings of that config, without its labels.

        >>> from mmcli import MultimodalClusterer
        >>> model = MultimodalClusterer.from_run("runs/tiny-s0-001")
        >>> model.columns
        {'images': 12, 'words': 12}

        Args:
            run_dir: of the run, or the file of a packed one.

        Raises:
            UsageError: no finished run there, no module of it finds classes, or one is of sequences.
            DamagedRunError: files of the run are missing or unreadable.
        """
        path = Path(run_dir)
        run = load_run(path)
        if run.graph.sequences:
            what = f"{listed(run.graph.sequences)}: a module of sequences"
            raise UsageError(f"{what}; the items of an estimator are independent: leave it out of the config")
        if not run.classifiers:
            raise UsageError(f"{run.directory.place}: no module finds classes; add a gmm or an mlda")
        columns = {sense: run.widths[module] for sense, module in run.senses.items()}
        last = list(run.classifiers)[-1]
        names = run.names(last).tolist()
        model = cls(len(names), columns=columns, config=_unlabelled(run.config), random_state=run.config.seed)
        model._packed, model._run = path.read_bytes() if path.is_file() else _packed(path), run
        model.n_features_in_ = sum(columns.values())
        model._n_features_out = sum(len(run.names(name)) for name in run.classifiers)
        model.labels_ = np.array([names.index(label) for label in run.classes[last]], np.int64)
        model.cluster_names_ = run.texts(last)
        return model

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn from X (N, D); y is ignored.

        Raises:
            ValueError: X, the columns and the config do not fit together.
        """
        items = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31 - 1)
        config = self._default_config() if self.config is None else self.config
        data = self._senses(items)
        with tempfile.TemporaryDirectory(prefix="mmcli-") as folder:
            try:
                nodes = check(config, data=data).graph.nodes.values()
                if all(node.spec.classes is None for node in nodes):
                    raise ValueError("config: no module finds classes; add a gmm or an mlda")
                run = train(
                    config,
                    data=data,
                    seed=int(seed),
                    output=Path(folder, "run"),
                    threads=self.threads,
                    progress=False,
                )
                self._packed = _packed(run.directory.path)
            except MmcliError as error:
                raise ValueError(str(error)) from error
        self._run = _loaded(self._packed)
        self._n_features_out = sum(found.shape[1] for found in self._probabilities(items).values())
        self.cluster_names_ = self._run.texts(list(self._run.classifiers)[-1])
        self.labels_ = self.predict(X)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Cluster of each item (N,), 0 to K - 1."""
        classes: NDArray[np.int64] = self.predict_proba(X).argmax(axis=1)
        return classes

    def predict_proba(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Probability of each cluster (N, K), by the last module that finds classes."""
        items = self._checked(X)
        return list(self._probabilities(items).values())[-1]

    def transform(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Probabilities of the classes of every module that finds some, side by side, in the order of the config."""
        items = self._checked(X)
        return np.hstack(list(self._probabilities(items).values()))

    def __getstate__(self) -> dict[str, Any]:
        """State without the loaded model, which is made again from its bytes."""
        return {name: value for name, value in super().__getstate__().items() if name != "_run"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state, and the model from its bytes."""
        super().__setstate__(state)
        if "_packed" in state:
            self._run = _loaded(self._packed)

    def _checked(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        check_is_fitted(self)
        items: NDArray[np.floating[Any]] = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return items

    def _probabilities(self, items: NDArray[np.floating[Any]]) -> dict[str, NDArray[np.floating[Any]]]:
        """Probabilities (N, K) by module, in the type of the items; each row sums to 1."""
        found = {name: made.probabilities.astype(items.dtype) for name, made in self._predicted(items).items()}
        return {name: rows / rows.sum(axis=1, keepdims=True) for name, rows in found.items()}

    def _predicted(self, items: NDArray[np.floating[Any]]) -> dict[str, Any]:
        """Predictions by module.

        Raises:
            ValueError: the model cannot take the items.
        """
        try:
            return dict(self._run.predict(**self._senses(items)))
        except MmcliError as error:
            raise ValueError(str(error)) from error

    def _senses(self, items: NDArray[np.floating[Any]]) -> dict[str, NDArray[np.floating[Any]]]:
        """Columns of each sense.

        Raises:
            ValueError: there are more or fewer.
        """
        widths = {ALONE: items.shape[1]} if self.columns is None else dict(self.columns)
        if sum(widths.values()) != items.shape[1]:
            raise ValueError(f"columns: {sum(widths.values())} in all where X has {items.shape[1]}")
        ends = np.cumsum(list(widths.values()))
        return {name: items[:, end - widths[name] : end] for name, end in zip(widths, ends, strict=True)}

    def _default_config(self) -> dict[str, Any]:
        """A mixture for each sense, and an MLDA over several."""
        names = [ALONE] if self.columns is None else list(self.columns)
        modules: dict[str, Any] = {f"sense_{name}": {"type": "observation", "data": name} for name in names}
        for name in names:
            modules[f"gmm_{name}"] = {"type": "gmm", "inputs": [f"sense_{name}"], "num_classes": self.n_clusters}
        if len(names) > 1:
            inputs = [f"gmm_{name}" for name in names]
            weights = [CLASS_WEIGHT] * len(names)
            modules["mlda"] = {"type": "mlda", "inputs": inputs, "num_classes": self.n_clusters, "weights": weights}
        return {"rounds": 1 if len(names) == 1 else ROUNDS, "modules": modules}


def _unlabelled(config: Config) -> dict[str, Any]:
    """Plain values of a config without its data, and without the labels that measured its modules."""
    plain = plain_config(config)
    modules = {
        name: {key: value for key, value in module.items() if key != "labels"}
        for name, module in plain["modules"].items()
    }
    return {key: value for key, value in plain.items() if key not in ("data", "test")} | {"modules": modules}


def _packed(path: Path) -> bytes:
    """Bytes of a packed run."""
    with tempfile.TemporaryDirectory(prefix="mmcli-") as folder:
        return pack(path, Path(folder, "run.zip")).read_bytes()


def _loaded(packed: bytes) -> TrainedRun:
    """Load a model from the bytes of a packed run."""
    with tempfile.NamedTemporaryFile(prefix="mmcli-", suffix=".zip") as file:
        file.write(packed)
        file.flush()
        return load_run(file.name)
