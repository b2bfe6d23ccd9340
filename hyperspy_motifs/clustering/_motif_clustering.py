"""Motifs of one set of features, as a scikit-learn clusterer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from hyperspy_motifs.relaxation import ForceRelaxedLayout, nearest_neighbours
from hyperspy_motifs.threads import one_blas_thread

from ._constants import CONSTANTS, check_alpha
from ._mixture import MotifMixture, axes_of
from ._motif_tree import by_frequency, merging_order
from ._partition import PartitionOptions, partition
from ._proposals import density_clusters


class MotifClustering(ClusterMixin, BaseEstimator):
    """Groups that differ significantly.

    The density clusters of the force-relaxed layout of the points, and halves of their principal axes, propose splits. Each
    is tested by an e-value (see `split_evidence`); what is not significant is one group. Every point gets a group.

    Parameters
    ----------
    n_clusters : int, optional
        Merge the least separated groups until so many are left; default: what differs significantly.
    alpha : float, default 0.01
        Probability that a group is invented where there is one.
    min_cluster_size : int, default 5
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
        That the point belongs to the group and is no outlier.
    layout_ : ndarray, shape (n, 2)
    joins_ : ndarray, shape (k - 1, 3)
        How the groups merge when fewer are wanted: label that stays, label that joins it, separation.

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
        alpha: float = CONSTANTS.alpha,
        min_cluster_size: int = 5,
        noise: float | ArrayLike | None = None,
        n_neighbors: int = 12,
        random_state: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.alpha = alpha
        self.min_cluster_size = min_cluster_size
        self.noise = noise
        self.n_neighbors = n_neighbors
        self.random_state = random_state

    @one_blas_thread()
    def fit(self, X: ArrayLike, y: Any = None) -> MotifClustering:
        """Cluster the points `X` (n, d); at least two."""
        check_alpha(self.alpha)
        points = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2).astype(
            np.float64
        )
        seed, n = int(self.random_state), len(points)
        self.noise_ = (
            noise_of_neighbours(points) if self.noise is None else np.asarray(self.noise, dtype=float)
        )
        units = points / self.noise_
        components = axes_of(units).apply(units)
        self.layout_ = ForceRelaxedLayout(self.n_neighbors, random_state=seed).fit_transform(components)
        clusters = density_clusters(self.layout_, int(self.min_cluster_size))
        nothing = np.zeros(n, dtype=np.int32)
        options = PartitionOptions(float(self.alpha), 1, int(self.min_cluster_size), False, seed)
        (mixture,), _ = partition(units, np.ones(n, dtype=bool), clusters, nothing, options)
        groups = mixture.classify(units)[0]
        if self.n_clusters is not None:
            size = np.bincount(groups, minlength=mixture.n_motifs)
            merges = merging_order(mixture.separations(), size)
            for stays, joined, _ in merges[: max(mixture.n_motifs - int(self.n_clusters), 0)]:
                groups[groups == joined] = stays
        self._mixture = MotifMixture.fit(units, by_frequency(groups))
        self.labels_, self.probabilities_, _ = self._mixture.classify(units)
        size = np.bincount(self.labels_, minlength=self._mixture.n_motifs)
        self.joins_ = np.array(merging_order(self._mixture.separations(), size)).reshape(-1, 3)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Return the groups of new points (q, d)."""
        return self._classified(X)[0]

    def predict_probabilities(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability (q,) that each new point (q, d) belongs to its group and is no outlier."""
        return self._classified(X)[1]

    def outlier_score(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return 0 to 1 for new points (q, d): 1 minus the p-value of a point of its group."""
        return np.asarray(1 - self._classified(X)[2])

    def _classified(self, X: ArrayLike) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
        check_is_fitted(self)
        points = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self._mixture.classify(points.astype(np.float64) / self.noise_)


def noise_of_neighbours(points: NDArray[np.float64], k: int = 5) -> NDArray[np.float64]:
    """Return the noise (d,) of features: robust spread of the differences to the mean of the `k` nearest neighbours."""
    k = min(k, len(points) - 1)
    spread = points.std(axis=0)
    floor = np.where(spread > 0, 1e-6 * spread, 1.0)
    indices, _ = nearest_neighbours(points / np.where(spread > 0, spread, 1.0), k)
    difference = points - points[indices].mean(axis=1)
    return np.maximum(1.4826 * np.median(np.abs(difference), axis=0) / np.sqrt(1 + 1 / k), floor)
