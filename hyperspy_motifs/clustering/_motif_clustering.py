"""Motifs of one set of features, as a scikit-learn clusterer, and their reproducibility and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.validation import check_is_fitted, validate_data

from hyperspy_motifs.common import robust_spread
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
    def fit(self, X: ArrayLike, y: object = None) -> MotifClustering:
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
    return np.maximum(robust_spread(difference, axis=0) / np.sqrt(1 + 1 / k), floor)


@dataclass(frozen=True)
class Stability:
    """Similarity of the motifs of several runs.

    Attributes
    ----------
    agreement : (s, s) ndarray
        Adjusted Rand index of every pair of the s runs: 1 for identical partitions of the atoms, 0 for chance agreement.
    motifs : (k,) ndarray
        Value of each motif, 0 to 1: its overlap with the most similar motif of each run, averaged over the runs. The
        overlap is the Jaccard index (atoms in both over atoms in either). 1: every run has exactly this motif. NaN: the
        motif has no atoms.
    atoms : (n,) ndarray
        Value of each atom, 0 to 1: fraction of the runs in which the atom lies in the most similar motif.
    n_motifs : (s,) int ndarray
        Number of motifs of each run.
    labels : (s, n) int ndarray
        Labels of each run.
    """

    agreement: NDArray[np.float64]
    motifs: NDArray[np.float64]
    atoms: NDArray[np.float64]
    n_motifs: NDArray[np.int64]
    labels: NDArray[np.int64] = field(repr=False)

    @property
    def mean_agreement(self) -> float:
        """Mean adjusted Rand index over all pairs of different runs."""
        first, second = np.triu_indices(len(self.agreement), 1)
        return float(self.agreement[first, second].mean())


def estimate_stability(labels: ArrayLike, runs: ArrayLike) -> Stability:
    """Compare motifs with those of other runs on the same atoms; the numbering of the motifs does not matter.

    Parameters
    ----------
    labels : (n,) array_like of int
        Motif of each atom, from 0.
    runs : (s, n) array_like of int
        Labels of at least two other runs, from 0.

    Returns
    -------
    Stability

    Raises
    ------
    ValueError
        If the shapes do not match, there are no atoms, or there are fewer than two runs.

    Notes
    -----
    Adjusted Rand index: Hubert and Arabie, Journal of Classification 2 (1985) 193. Overlap of each cluster with the
    most similar cluster: Hennig, Computational Statistics and Data Analysis 52 (2007) 258.
    """
    own, others = np.asarray(labels, dtype=np.int64), np.asarray(runs, dtype=np.int64)
    if own.ndim != 1 or others.ndim != 2 or others.shape[1] != own.size or len(others) < 2 or not own.size:
        raise ValueError(
            f"Labels of shape {own.shape} and runs of shape {others.shape} do not belong together: (n,) and (s, n) with "
            "n of one or more and s of two or more are expected."
        )
    n_runs, size = len(others), np.bincount(own)
    agreement = np.eye(n_runs)
    for i in range(n_runs):
        for j in range(i):
            agreement[i, j] = agreement[j, i] = adjusted_rand_score(others[i], others[j])
    overlap = np.zeros(len(size))
    again = np.zeros(len(own))
    for run in others:
        counts = np.bincount(run)
        both = coo_array((np.ones(len(own)), (own, run)), shape=(len(size), len(counts))).toarray()
        jaccard = both / np.maximum(size[:, None] + counts - both, 1)
        overlap += jaccard.max(axis=1)
        again += run == jaccard.argmax(axis=1)[own]
    return Stability(
        agreement=agreement,
        motifs=np.where(size > 0, overlap / n_runs, np.nan),
        atoms=again / n_runs,
        n_motifs=np.array([len(np.unique(run)) for run in others]),
        labels=others,
    )


def motif_name(motif: int, names: Sequence[str] | None = None) -> str:
    """The name of a motif within a sentence: the one it was given, else "motif" and its number.

    Parameters
    ----------
    motif : int
    names : sequence of str, optional
        Name of each motif; the number stands for one without a name.

    Returns
    -------
    str

    Examples
    --------
    >>> motif_name(1, ["Mo", "Se"]), motif_name(1, ["Mo", "1"]), motif_name(1)
    ('Se', 'motif 1', 'motif 1')
    """
    name = str(names[motif]) if names is not None and 0 <= motif < len(names) else str(motif)
    return f"motif {motif}" if name == str(motif) else name
