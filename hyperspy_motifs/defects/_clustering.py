"""Whether defects are clustered: their pair distances against those of defects placed at random on the sites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

# Distances in nearest-neighbour distances up to which pairs are counted, and their number.
_REACH = 12.0
_N_DISTANCES = 24


@dataclass(frozen=True)
class Clustering:
    """Pairs of defects by distance, against chance.

    Attributes
    ----------
    distances : ndarray of shape (d,)
        Upper limits of the distances, in the units of the positions.
    observed : ndarray of shape (d,)
        Number of pairs up to each distance (Ripley's K without its constant factor).
    expected, lower, upper : ndarray of shape (d,)
        Mean by chance, and the global envelope: by chance, the whole curve lies inside with a probability of 95 %.
    p_value : float
        Of the global envelope test.
    kind : {"random", "clustered", "dispersed", "mixed", "too few"}
        What the curve shows where it leaves the envelope.
    """

    distances: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    p_value: float
    kind: str

    def __repr__(self) -> str:
        return f"<Clustering: {self.kind}, p = {self.p_value:.3g}>"


def compare_with_chance(
    defects: np.ndarray,
    sites: np.ndarray,
    spacing: float,
    *,
    n_permutations: int = 999,
    random_state: int = 0,
) -> Clustering:
    """Test whether defects are clustered among the sites on which they could be.

    The number of pairs up to each distance is compared with that of as many defects on sites drawn at random without
    replacement. So the lattice and the border of the image act on both in the same way, and no border correction is needed.
    The test is over all distances at once: the largest studentised deviation from the mean (the global envelope test of
    Myllymäki et al. [1]_).

    Parameters
    ----------
    defects : ndarray of shape (k, 2)
        Some of the sites.
    sites : ndarray of shape (n, 2)
    spacing : float
        Nearest-neighbour distance of the sites.
    n_permutations : int, optional
    random_state : int, optional

    Returns
    -------
    Clustering
        "too few" below four defects, whose pairs show nothing.

    References
    ----------
    .. [1] M. Myllymäki et al., "Global envelope tests for spatial processes", J. R. Stat. Soc. B 79, 381 (2017).
    """
    extent = float(np.ptp(sites, axis=0).min()) if len(sites) else 0.0
    distances = np.linspace(
        1.05 * spacing, max(min(_REACH * spacing, 0.5 * extent), 1.1 * spacing), _N_DISTANCES
    )
    unknown = np.full(len(distances), np.nan)
    if len(defects) < 4 or len(sites) < 2 * len(defects):
        return Clustering(distances, unknown, unknown, unknown, unknown, 1.0, "too few")
    rng = np.random.default_rng(random_state)
    observed = _pairs(defects, distances)
    chance = np.array(
        [
            _pairs(sites[rng.choice(len(sites), len(defects), replace=False)], distances)
            for _ in range(n_permutations)
        ]
    )
    every = np.vstack([observed, chance])
    mean, scatter = every.mean(axis=0), np.maximum(every.std(axis=0), 0.5)
    largest = np.abs((every - mean) / scatter).max(axis=1)
    p_value = float(np.mean(largest >= largest[0]))
    limit = float(np.quantile(largest, 0.95))
    lower, upper = np.maximum(mean - limit * scatter, 0.0), mean + limit * scatter
    kind = "random"
    if p_value <= 0.05:
        more, less = (observed > upper).any(), (observed < lower).any()
        kind = "mixed" if more and less else "clustered" if more else "dispersed"
    return Clustering(distances, observed, mean, lower, upper, p_value, kind)


def _pairs(points: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Number of pairs of points up to each distance."""
    tree = cKDTree(points)
    return (tree.count_neighbors(tree, distances) - len(points)) / 2
