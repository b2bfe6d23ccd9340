"""How far two groups lie apart, measured on points that did not choose the direction."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

_RIDGE = 0.2  # of the noise: features are in units of it
_PRIOR = 6.0  # points' worth of common spread lent to every half, so that six points do not invent their own
_CANDIDATES = 8
_LEAST_PIVOT = 1e-9  # of a covariance that has lost its ridge to rounding


class HalfSums:
    """Counts, sums and squares of two halves of every group: all that the separation needs.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Features in units of their noise.
    labels : ndarray of int, shape (n,)
        Groups 0..n_groups-1, none empty.
    random_state : int
        Of the halves.
    common : ndarray, shape (d, d), optional
        Covariance within groups; default: pooled from these.
    """

    def __init__(
        self,
        X: NDArray[np.floating],
        labels: NDArray[np.integer],
        random_state: int = 0,
        common: NDArray[np.float64] | None = None,
    ) -> None:
        self.points = np.ascontiguousarray(X, dtype=np.float64)
        numbers = np.asarray(labels, dtype=np.int64)
        n_groups = int(numbers.max()) + 1
        half = split_in_halves(numbers, random_state)
        self.count, self.total, self.square = _sums(self.points, numbers, half, n_groups)
        self.common = _common(self.count, self.total, self.square) if common is None else common
        self._first = numbers
        self._group = np.arange(n_groups)  # where the points of each group have gone
        # Points of each half of each group: what is asked of a pair must not cost a walk through all points.
        order = np.argsort(2 * numbers + half, kind="stable")
        ends = np.cumsum(np.bincount(2 * numbers + half, minlength=2 * n_groups))[:-1]
        self._members = np.split(order, ends)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Group of every point, shape (n,)."""
        return self._group[self._first]

    @property
    def groups(self) -> NDArray[np.int64]:
        """Groups that are left."""
        return np.unique(self._group)

    def separation(self, a: int, b: int) -> float:
        """Return the separation of two groups along the direction that parts them best, in units of their spread."""
        return float(_separation(self.count, self.total, self.square, self.common, min(a, b), max(a, b)))

    def matrix(self) -> NDArray[np.float64]:
        """Return the separations of all pairs, infinite on the diagonal, shape (n_groups, n_groups)."""
        candidates = ~np.eye(len(self.count), dtype=bool)
        return _separations(self.count, self.total, self.square, self.common, candidates)

    def projections(self, a: int, b: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the members of groups a and b along the direction learned on the other halves.

        In units of the spread, with the mean of a at zero and that of b at their separation in both halves.
        """
        parts_a: list[NDArray[np.float64]] = []
        parts_b: list[NDArray[np.float64]] = []
        for side in (0, 1):
            direction, origin, _ = _direction(self.count, self.total, self.square, self.common, a, b, side)
            other = 1 - side
            length = direction @ self.total[b, other] / self.count[b, other] - origin
            for group, parts in ((a, parts_a), (b, parts_b)):
                parts.append((self.points[self._members[2 * group + other]] @ direction - origin) / length)
        distance = self.separation(a, b)
        return np.concatenate(parts_a) * distance, np.concatenate(parts_b) * distance

    def merge(self, a: int, b: int) -> None:
        """Give the points of group b to group a; b is empty then."""
        for array in (self.count, self.total, self.square):
            array[a] += array[b]
            array[b] = 0
        self._take_in(a, b)

    def _take_in(self, a: int, b: int) -> None:
        self._group[self._group == b] = a
        for side in (0, 1):
            own, other = 2 * a + side, 2 * b + side
            self._members[own] = np.concatenate([self._members[own], self._members[other]])
            self._members[other] = self._members[other][:0]

    def agglomerate(self, threshold: float) -> list[tuple[int, int, float]]:
        """Merge the least separated pair of near groups until all are `threshold` apart.

        Returns
        -------
        list of (kept group, merged group, separation)
        """
        candidates = _near(self.total.sum(axis=1) / self.count.sum(axis=1)[:, None])
        merges, values = _agglomerate(self.count, self.total, self.square, self.common, candidates, threshold)
        for kept, merged in merges:
            self._take_in(int(kept), int(merged))
        return [(int(a), int(b), float(v)) for (a, b), v in zip(merges, values, strict=True)]


def split_in_halves(labels: NDArray[np.int64], random_state: int) -> NDArray[np.int64]:
    """Return 0 or 1 for every point: random halves of every group."""
    half = np.empty(len(labels), dtype=np.int64)
    order = np.random.default_rng(random_state).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    half[order] = np.arange(len(labels)) % 2
    return half


def common_covariance(points: NDArray[np.float64], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the covariance within groups, pooled, with a ridge of a fifth of the noise, shape (d, d)."""
    numbers = np.asarray(labels, dtype=np.int64)
    nothing = np.zeros(len(numbers), dtype=np.int64)
    return _common(
        *_sums(np.ascontiguousarray(points, dtype=np.float64), numbers, nothing, int(numbers.max()) + 1)
    )


def _common(
    count: NDArray[np.float64], total: NDArray[np.float64], square: NDArray[np.float64]
) -> NDArray[np.float64]:
    number, sums = count.sum(axis=1), total.sum(axis=1)
    free = max(number.sum() - np.count_nonzero(number), 1)
    outer = np.einsum("gp,gq->pq", sums / np.maximum(number, 1)[:, None], sums)
    return (square.sum(axis=(0, 1)) - outer) / free + _RIDGE * np.eye(total.shape[2])


def _near(means: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark the pairs of groups of which one is among the eight nearest of the other."""
    n = len(means)
    k = min(_CANDIDATES, n - 1)
    near = np.zeros((n, n), dtype=bool)
    if k > 0:
        nearest = cKDTree(means).query(means, k=k + 1)[1]
        near[np.arange(n)[:, None], nearest] = True
        np.fill_diagonal(near, False)
    return near | near.T


@numba.njit(cache=True, error_model="numpy")
def _sums(points, labels, half, n_groups):  # type: ignore[no-untyped-def]
    d = points.shape[1]
    count = np.zeros((n_groups, 2))
    total = np.zeros((n_groups, 2, d))
    square = np.zeros((n_groups, 2, d, d))
    for i in range(len(points)):
        g, h = labels[i], half[i]
        count[g, h] += 1
        for p in range(d):
            total[g, h, p] += points[i, p]
            for q in range(d):
                square[g, h, p, q] += points[i, p] * points[i, q]
    return count, total, square


@numba.njit(cache=True, error_model="numpy")
def _solve(matrix, vector):  # type: ignore[no-untyped-def]
    """Solve a positive definite system in place by Cholesky: a call of LAPACK costs seconds of compilation and no less time."""
    n = len(vector)
    for i in range(n):
        for j in range(i + 1):
            value = matrix[i, j]
            for k in range(j):
                value -= matrix[i, k] * matrix[j, k]
            if i == j:
                matrix[i, i] = np.sqrt(max(value, _LEAST_PIVOT))
            else:
                matrix[i, j] = value / matrix[j, j]
    for i in range(n):
        for k in range(i):
            vector[i] -= matrix[i, k] * vector[k]
        vector[i] /= matrix[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            vector[i] -= matrix[k, i] * vector[k]
        vector[i] /= matrix[i, i]


@numba.njit(cache=True, error_model="numpy")
def _add_covariance(count, total, square, common, a, side, weight, out):  # type: ignore[no-untyped-def]
    """Add `weight` times the covariance of one half of a group, with its prior, to the lower triangle of `out`."""
    n = count[a, side]
    factor = weight / (n + _PRIOR)
    for p in range(len(out)):
        mean = total[a, side, p] / n
        for q in range(p + 1):
            out[p, q] += factor * (square[a, side, p, q] - mean * total[a, side, q] + _PRIOR * common[p, q])


@numba.njit(cache=True, error_model="numpy")
def _variance_along(direction, total, square, common, count, a, side):  # type: ignore[no-untyped-def]
    """Variance of one half of a group along a direction, with its prior."""
    n = count[a, side]
    along = whole = 0.0
    for p in range(len(direction)):
        along += direction[p] * total[a, side, p]
        for q in range(len(direction)):
            whole += direction[p] * direction[q] * (square[a, side, p, q] + _PRIOR * common[p, q])
    return (whole - along * along / n) / (n + _PRIOR)


@numba.njit(cache=True, error_model="numpy")
def _direction(count, total, square, common, a, b, side):  # type: ignore[no-untyped-def]
    """Best direction from one half; where a's other half lies on it, and the spread of the other halves."""
    d = total.shape[2]
    n_a, n_b = count[a, side], count[b, side]
    # A covariance of few points says little in many dimensions: the common one stands in.
    own = (n_a + n_b) / (n_a + n_b + 2.0 * d)
    pooled, direction = np.empty((d, d)), np.empty(d)
    for p in range(d):
        direction[p] = total[b, side, p] / n_b - total[a, side, p] / n_a
        for q in range(p + 1):
            pooled[p, q] = (1 - own) * common[p, q]
    _add_covariance(count, total, square, common, a, side, own * n_a / (n_a + n_b), pooled)
    _add_covariance(count, total, square, common, b, side, own * n_b / (n_a + n_b), pooled)
    _solve(pooled, direction)
    other = 1 - side
    variance = 0.5 * (
        _variance_along(direction, total, square, common, count, a, other)
        + _variance_along(direction, total, square, common, count, b, other)
    )
    origin = 0.0
    for p in range(d):
        origin += direction[p] * total[a, other, p]
    return direction, origin / count[a, other], np.sqrt(max(variance, 0.0) + 1e-300)


@numba.njit(cache=True, error_model="numpy")
def _separation(count, total, square, common, a, b):  # type: ignore[no-untyped-def]
    for side in range(2):
        if count[a, side] < 1 or count[b, side] < 1:
            return 0.0
    result = 0.0
    for side in range(2):
        direction, origin, spread = _direction(count, total, square, common, a, b, side)
        other = 1 - side
        place = 0.0
        for p in range(len(direction)):
            place += direction[p] * total[b, other, p]
        result += 0.5 * (place / count[b, other] - origin) / spread
    return result


@numba.njit(cache=True, error_model="numpy")
def _separations(count, total, square, common, candidates):  # type: ignore[no-untyped-def]
    n = len(count)
    out = np.full((n, n), np.inf)
    for a in range(n):
        for b in range(a + 1, n):
            if candidates[a, b]:
                out[a, b] = out[b, a] = _separation(count, total, square, common, a, b)
    return out


@numba.njit(cache=True, error_model="numpy")
def _agglomerate(count, total, square, common, candidates, threshold):  # type: ignore[no-untyped-def]
    n = len(count)
    separations = _separations(count, total, square, common, candidates)
    nearest = np.empty(n, dtype=np.int64)
    for a in range(n):
        nearest[a] = np.argmin(separations[a])
    merges, values = np.empty((n, 2), dtype=np.int64), np.empty(n)
    done = 0
    for _ in range(n - 1):
        a = -1
        value = threshold
        for c in range(n):
            if separations[c, nearest[c]] < value:
                a, value = c, separations[c, nearest[c]]
        if a < 0:
            break
        b = nearest[a]
        a, b = min(a, b), max(a, b)
        merges[done, 0], merges[done, 1], values[done] = a, b, value
        done += 1
        for side in range(2):
            count[a, side] += count[b, side]
            count[b, side] = 0
            for p in range(total.shape[2]):
                total[a, side, p] += total[b, side, p]
                for q in range(total.shape[2]):
                    square[a, side, p, q] += square[b, side, p, q]
        for c in range(n):
            separations[b, c] = separations[c, b] = np.inf
            if candidates[b, c] and c != a:
                candidates[a, c] = candidates[c, a] = True
            candidates[b, c] = candidates[c, b] = False
        for c in range(n):
            if candidates[a, c]:
                separations[a, c] = separations[c, a] = _separation(
                    count, total, square, common, min(a, c), max(a, c)
                )
        for c in range(n):
            if c == a or candidates[a, c] or nearest[c] == b:
                nearest[c] = np.argmin(separations[c])
    return merges[:done], values[:done]
