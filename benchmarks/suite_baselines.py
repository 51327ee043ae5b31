"""Baselines of scikit-learn on the views of a set: K given, no label used.

N items, D columns of a view, K classes.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler, normalize
from suite_sets import DataSet, Kind

ALL_VIEWS = "all"
KMEANS = "k-means"
WORD_COMPONENTS = 100  # of a view of words
MIXTURE_COMPONENTS = 30  # of all views together

Clusterer: TypeAlias = Callable[[np.ndarray, int, int], np.ndarray]  # points (N, D), K, seed -> classes (N,)


class Baseline(NamedTuple):
    """A method, and the points that it clusters."""

    method: str
    views: str  # name of a view, or ALL_VIEWS
    points: np.ndarray  # (N, D)
    cluster: Clusterer


def baselines(items: DataSet, kinds: Mapping[str, Kind]) -> list[Baseline]:
    """Baselines of a set, in the order of a table."""
    views = {name: represent(view, kinds[name]) for name, view in items.views.items()}
    together = side_by_side(views.values())
    found = [Baseline(f"{KMEANS}, one view", name, view, kmeans) for name, view in views.items() if len(views) > 1]
    found.append(Baseline(KMEANS, ALL_VIEWS, together, kmeans))
    if set(kinds.values()) == {Kind.COUNTS}:
        of_unit_length = side_by_side(map(normalize, views.values()))
        found.append(Baseline(f"{KMEANS}, rows of unit length", ALL_VIEWS, of_unit_length, kmeans))
    components = principal_components(together, MIXTURE_COMPONENTS)
    found.append(Baseline("Gaussian mixture", ALL_VIEWS, components, mixture))
    if [*kinds.values()] == [Kind.FEATURES]:
        (table,) = items.views.values()
        found.append(Baseline("Gaussian mixture, values as they come", ALL_VIEWS, table, plain_mixture))
    found.append(Baseline("spectral", ALL_VIEWS, together, spectral))
    return found


def represent(view: np.ndarray, kind: Kind) -> np.ndarray:
    """Points (N, D) of a view (N, D'): words by tf-idf and principal components, HAC by square root of the shares."""
    values = view.astype(np.float64)
    match kind:
        case Kind.PIXELS:
            return values
        case Kind.HAC:
            return np.sqrt(normalize(values, norm="l1"))
        case Kind.FEATURES:
            return StandardScaler().fit_transform(values)
        case Kind.COUNTS:
            weighted = TfidfTransformer(sublinear_tf=True).fit_transform(values).toarray()
            return principal_components(weighted, WORD_COMPONENTS)


def principal_components(points: np.ndarray, count: int) -> np.ndarray:
    """The first `count` principal components of points (N, D), or as many as there are."""
    return PCA(min(count, *points.shape), random_state=0).fit_transform(points)


def side_by_side(views: Iterable[np.ndarray]) -> np.ndarray:
    """Views side by side, each scaled so that the mean square length of its rows is 1."""
    return np.concatenate([view / np.sqrt(np.mean(np.sum(view**2, axis=1))) for view in views], axis=1)


def kmeans(points: np.ndarray, num_classes: int, seed: int) -> np.ndarray:
    """Best of ten starts of k-means."""
    return KMeans(num_classes, n_init=10, random_state=seed).fit_predict(points)


def mixture(points: np.ndarray, num_classes: int, seed: int) -> np.ndarray:
    """Best of five starts of a Gaussian mixture, full covariances."""
    # A thousandth of the mean variance of a component: without it, small sets give singular classes.
    reg_covar = 1e-3 * np.mean(points.var(axis=0))
    return GaussianMixture(num_classes, n_init=5, reg_covar=reg_covar, random_state=seed).fit_predict(points)


def plain_mixture(points: np.ndarray, num_classes: int, seed: int) -> np.ndarray:
    """Best of ten starts of a Gaussian mixture as scikit-learn has it."""
    return GaussianMixture(num_classes, n_init=10, random_state=seed).fit_predict(points)


def spectral(points: np.ndarray, num_classes: int, seed: int) -> np.ndarray:
    """Spectral clustering of the graph of ten nearest neighbours."""
    clusterer = SpectralClustering(num_classes, affinity="nearest_neighbors", random_state=seed)
    return clusterer.fit_predict(points)
