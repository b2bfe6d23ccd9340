"""One motif or two: the test against noise."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

_SHRINKAGE = 0.5
_PRIOR = 6.0  # points' worth of common spread lent to every half, so that six points do not invent their own


class HalfSums:
    """Counts, sums and scatter of two halves of every group: all that the test needs.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Features in units of their noise.
    labels : ndarray of int, shape (n,)
        Groups 0..n_groups-1; negative points are left out.
    random_state : int
        Of the halves.
    """

    def __init__(self, X: NDArray[np.floating], labels: NDArray[np.integer], random_state: int = 0) -> None:
        points = np.asarray(X, dtype=np.float64)
        n_groups = int(labels.max()) + 1
        half = np.empty(len(points), dtype=np.int64)
        order = np.random.default_rng(random_state).permutation(len(points))
        order = order[np.argsort(labels[order], kind="stable")]
        half[order] = np.arange(len(points)) % 2
        d = points.shape[1]
        self.count = np.zeros((n_groups, 2))
        self.total = np.zeros((n_groups, 2, d))
        self.square = np.zeros((n_groups, 2, d, d))
        for group in range(n_groups):
            for side in (0, 1):
                chosen = points[(labels == group) & (half == side)]
                self.count[group, side] = len(chosen)
                self.total[group, side] = chosen.sum(axis=0)
                self.square[group, side] = chosen.T @ chosen
        self.common = common_covariance(points, labels)

    def merge(self, a: int, b: int) -> None:
        """Add group b to group a and empty b."""
        for array in (self.count, self.total, self.square):
            array[a] += array[b]
            array[b] = 0

    def separation(self, a: int, b: int) -> float:
        """Return the separation of two groups along the direction that parts them best, in units of their spread."""
        return float(_separation(self.count, self.total, self.square, self.common, a, b))

    def matrix(self, candidates: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Return the separations of all (or the marked) pairs, infinite elsewhere, shape (n_groups, n_groups)."""
        n_groups = len(self.count)
        mask = np.ones((n_groups, n_groups), dtype=bool) if candidates is None else candidates
        return _all_separations(self.count, self.total, self.square, self.common, mask)


def common_covariance(points: NDArray[np.float64], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the covariance within groups, pooled, floored by unit noise, shape (d, d)."""
    inside = labels >= 0
    n_groups = int(labels.max()) + 1
    count = np.bincount(labels[inside], minlength=n_groups).astype(float)
    means = np.zeros((n_groups, points.shape[1]))
    np.add.at(means, labels[inside], points[inside])
    means /= np.maximum(count, 1)[:, None]
    centred = points[inside] - means[labels[inside]]
    free = max(len(centred) - n_groups, 1)
    return centred.T @ centred / free


@numba.njit(cache=True)
def _half(count, total, square, common, a, side):  # type: ignore[no-untyped-def]
    """Mean and covariance of one half of a group, the covariance with a prior."""
    n = count[a, side]
    mean = total[a, side] / n
    scatter = square[a, side] - n * np.outer(mean, mean)
    return mean, (scatter + _PRIOR * common) / (n + _PRIOR)


@numba.njit(cache=True)
def _separation(count, total, square, common, a, b):  # type: ignore[no-untyped-def]
    d = total.shape[2]
    result = 0.0
    for side in (0, 1):
        other = 1 - side
        if min(count[a, 0], count[a, 1], count[b, 0], count[b, 1]) < 1:
            return 0.0
        mean_a, cov_a = _half(count, total, square, common, a, side)
        mean_b, cov_b = _half(count, total, square, common, b, side)
        weight_a = count[a, side] / (count[a, side] + count[b, side])
        pooled = weight_a * cov_a + (1 - weight_a) * cov_b
        ridge = 0.0
        for i in range(d):
            ridge += pooled[i, i] / d
        pooled *= 1 - _SHRINKAGE
        for i in range(d):
            pooled[i, i] += _SHRINKAGE * ridge
        direction = np.linalg.solve(pooled, mean_a - mean_b)
        test_a, spread_a = _half(count, total, square, common, a, other)
        test_b, spread_b = _half(count, total, square, common, b, other)
        variance = 0.5 * (direction @ (spread_a @ direction) + direction @ (spread_b @ direction))
        result += 0.5 * (direction @ (test_a - test_b)) / np.sqrt(variance + 1e-300)
    return result


@numba.njit(cache=True, parallel=True)
def _all_separations(count, total, square, common, mask):  # type: ignore[no-untyped-def]
    n = len(count)
    out = np.full((n, n), np.inf)
    for row in numba.prange(n):
        a = np.int64(row)
        for b in range(n):
            if b != a and mask[a, b]:
                out[a, b] = _separation(count, total, square, common, min(a, b), max(a, b))
    return out


def merge_by_noise(
    X: NDArray[np.floating], labels: NDArray[np.integer], threshold: float, random_state: int = 0
) -> tuple[NDArray[np.int32], list[tuple[int, int, float]]]:
    """Merge the pair of least separation again and again, until every pair differs by more than `threshold`.

    Returns
    -------
    labels : ndarray of int32, shape (n,)
        Groups after merging (negative stays negative), numbered 0.. in the order of the old ones.
    merges : list of (kept group, merged group, separation)
    """
    sums = HalfSums(X, labels, random_state)
    n_groups = len(sums.count)
    separations = sums.matrix()
    parent = np.arange(n_groups)
    merges: list[tuple[int, int, float]] = []
    while n_groups > 1:
        flat = int(separations.argmin())
        a, b = sorted(divmod(flat, len(separations)))
        value = float(separations[a, b])
        if not value < threshold:
            break
        sums.merge(a, b)
        parent[parent == b] = a
        merges.append((a, b, value))
        separations[b, :] = separations[:, b] = np.inf
        mask = np.zeros_like(separations, dtype=bool)
        alive = np.isin(np.arange(len(parent)), parent)
        mask[a, alive] = True
        mask[a, a] = False
        row = sums.matrix(mask)[a]
        separations[a, :] = separations[:, a] = row
        separations[a, a] = np.inf
        n_groups -= 1
    _, compact = np.unique(parent, return_inverse=True)
    merged = np.where(labels >= 0, compact[np.maximum(labels, 0)], -1).astype(np.int32)
    return merged, merges
