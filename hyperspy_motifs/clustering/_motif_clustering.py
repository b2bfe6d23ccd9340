"""Motifs of one set of features, as a scikit-learn clusterer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from hyperspy_motifs.relaxation import ForceRelaxedLayout, nearest_neighbours

from ._classifier import GaussianClasses
from ._features import Axes
from ._merging import merging_order
from ._parting import part
from ._tree import by_frequency


class MotifClustering(ClusterMixin, BaseEstimator):
    """Groups that differ by more than noise.

    The force-relaxed layout of the points, its density clusters at the finest granularity, merged by a test
    against noise: two groups are one motif unless a direction learned on half of each parts the other halves,
    with a valley between them. Every point gets a motif.

    Parameters
    ----------
    n_clusters : int, optional
        Merge the least separated motifs until so many are left; default: what differs by more than noise.
    min_cluster_size : int, default 5
    threshold : float, default 3.5
        Separation, in units of the spread within groups, below which two groups are one.
    noise : float or array_like of shape (d,), optional
        Standard deviation of each feature by noise. Default: estimated from the differences of points to the
        mean of their five nearest neighbours.
    n_neighbors : int, default 12
        Of the layout.
    random_state : int, default 0

    Attributes
    ----------
    labels_ : ndarray of int32, shape (n,)
        0 is the most frequent.
    probabilities_ : ndarray, shape (n,)
    layout_ : ndarray, shape (n, 2)
    joins_ : ndarray, shape (k - 1, 3)
        How the motifs join when fewer are wanted: label that stays, label that joins it, separation.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_motifs.clustering import MotifClustering
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(0, 1, (300, 6)), rng.normal(6, 1, (12, 6))])
    >>> np.bincount(MotifClustering().fit_predict(X)).tolist()
    [300, 12]
    """

    def __init__(
        self,
        n_clusters: int | None = None,
        *,
        min_cluster_size: int = 5,
        threshold: float = 3.5,
        noise: float | ArrayLike | None = None,
        n_neighbors: int = 12,
        random_state: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.min_cluster_size = min_cluster_size
        self.threshold = threshold
        self.noise = noise
        self.n_neighbors = n_neighbors
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> MotifClustering:
        """Cluster the points `X` (n, d); at least two."""
        points = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2).astype(
            np.float64
        )
        seed = int(self.random_state)
        self.noise_ = (
            noise_of_neighbours(points) if self.noise is None else np.asarray(self.noise, dtype=float)
        )
        units = points / self.noise_
        self._axes = Axes.fit(units)
        components = self._axes.apply(units)
        self.layout_ = ForceRelaxedLayout(self.n_neighbors, random_state=seed).fit_transform(components)
        groups = part(components, self.layout_, self.threshold, self.min_cluster_size, seed)
        joins = merging_order(components, groups, seed)
        if self.n_clusters is not None:
            n_joins = max(int(groups.max()) + 1 - int(self.n_clusters), 0)
            for stays, joined, _ in joins[:n_joins]:
                groups[groups == joined] = stays
            groups = np.unique(groups, return_inverse=True)[1].astype(np.int32)
        labels = by_frequency(groups)
        self.joins_ = np.array(merging_order(components, labels, seed)).reshape(-1, 3)
        self._classes = GaussianClasses.fit(components, labels)
        self.labels_ = labels
        self.probabilities_ = self._classes.predict_proba(components)[np.arange(len(labels)), labels]
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Return the motifs of new points (q, d)."""
        return np.asarray(self._classes_of(X)[0].argmax(axis=1), dtype=np.int32)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probabilities (q, k) of the motifs of new points (q, d)."""
        return self._classes_of(X)[0]

    def outlier_score(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return 0 to 1 for new points (q, d): near 1 a point is like none of the motifs."""
        return self._classes_of(X)[1]

    def _classes_of(self, X: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        check_is_fitted(self)
        points = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        components = self._axes.apply(points.astype(np.float64) / self.noise_)
        return self._classes.predict_proba(components), self._classes.outlier_score(components)


def noise_of_neighbours(points: NDArray[np.float64], k: int = 5) -> NDArray[np.float64]:
    """Return the noise (d,) of features: robust spread of the differences to the mean of the `k` nearest neighbours."""
    k = min(k, len(points) - 1)
    spread = points.std(axis=0)
    floor = np.where(spread > 0, 1e-6 * spread, 1.0)
    indices, _ = nearest_neighbours(points / np.where(spread > 0, spread, 1.0), k)
    difference = points - points[indices].mean(axis=1)
    return np.maximum(1.4826 * np.median(np.abs(difference), axis=0) / np.sqrt(1 + 1 / k), floor)
