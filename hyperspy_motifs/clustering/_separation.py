"""How far two groups lie apart, measured on points that did not choose the direction."""

from __future__ import annotations

import heapq

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hyperspy_motifs.compilation import INNER, OUTER

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
        return float(self.separations(a, np.array([b]))[0])

    def separations(self, a: int, others: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the separation of a group from each of the others."""
        return self._separations(np.column_stack([np.minimum(a, others), np.maximum(a, others)]))

    def matrix(self) -> NDArray[np.float64]:
        """Return the separations of all pairs, infinite on the diagonal, shape (n_groups, n_groups)."""
        a, b = np.triu_indices(len(self.count), 1)
        out = np.full((len(self.count), len(self.count)), np.inf)
        out[a, b] = out[b, a] = self._separations(np.column_stack([a, b]))
        return out

    def _separations(self, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
        """Separations of pairs (a, b) with a < b, shape (n_pairs, 2)."""
        out = np.empty(len(pairs))
        _separate(self.count, self.total, self.square, self.common, pairs, out)
        return out

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
        near = _near(self.total.sum(axis=1) / self.count.sum(axis=1)[:, None])
        neighbours: list[set[int]] = [set() for _ in self.count]
        newest: dict[tuple[int, int], float] = {}
        queue: list[tuple[float, tuple[int, int]]] = []

        def measure(pairs: list[tuple[int, int]]) -> None:
            for pair, value in zip(
                pairs, self._separations(np.array(pairs, dtype=np.int64).reshape(-1, 2)).tolist(), strict=True
            ):
                newest[pair] = value
                if value < threshold:
                    heapq.heappush(queue, (value, pair))

        for a, b in near:
            neighbours[a].add(b)
            neighbours[b].add(a)
        measure(near)
        merges: list[tuple[int, int, float]] = []
        while queue:
            value, (a, b) = heapq.heappop(queue)
            if newest.get((a, b)) != value:
                continue  # one of the two has changed since
            merges.append((a, b, value))
            self.merge(a, b)
            for c in neighbours[b]:
                del newest[min(b, c), max(b, c)]
                neighbours[c].discard(b)
                if c != a:
                    neighbours[c].add(a)
                    neighbours[a].add(c)
            neighbours[b].clear()
            measure([(min(a, c), max(a, c)) for c in sorted(neighbours[a])])
        return merges


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


def _near(means: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs (a, b), a < b, of groups of which one is among the eight nearest of the other."""
    n = len(means)
    k = min(_CANDIDATES, n - 1)
    if k < 1:
        return []
    nearest = cKDTree(means).query(means, k=k + 1)[1]
    pairs = np.sort(np.column_stack([np.repeat(np.arange(n), k + 1), nearest.ravel()]), axis=1)
    return [(int(a), int(b)) for a, b in np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)]


def _sums(
    points: NDArray[np.float64], labels: NDArray[np.int64], half: NDArray[np.int64], n_groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Count (g, 2), sums (g, 2, d) and sums of products (g, 2, d, d) of the halves of groups."""
    d = points.shape[1]
    count, total, square = np.zeros((n_groups, 2)), np.zeros((n_groups, 2, d)), np.zeros((n_groups, 2, d, d))
    _add_up(points, labels, half, count, total, square)
    return count, total, square


@numba.njit(cache=True, **OUTER)
def _add_up(points, labels, half, count, total, square):  # type: ignore[no-untyped-def]
    d = points.shape[1]
    for i in range(len(points)):
        g, h = labels[i], half[i]
        count[g, h] += 1
        for p in range(d):
            total[g, h, p] += points[i, p]
            for q in range(d):
                square[g, h, p, q] += points[i, p] * points[i, q]


@numba.njit(cache=True, **INNER)
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


@numba.njit(cache=True, **INNER)
def _add_covariance(count, total, square, common, a, side, weight, out):  # type: ignore[no-untyped-def]
    """Add `weight` times the covariance of one half of a group, with its prior, to the lower triangle of `out`."""
    n = count[a, side]
    factor = weight / (n + _PRIOR)
    for p in range(len(out)):
        mean = total[a, side, p] / n
        for q in range(p + 1):
            out[p, q] += factor * (square[a, side, p, q] - mean * total[a, side, q] + _PRIOR * common[p, q])


@numba.njit(cache=True, **INNER)
def _variance_along(direction, total, square, common, count, a, side):  # type: ignore[no-untyped-def]
    """Variance of one half of a group along a direction, with its prior."""
    n = count[a, side]
    along = whole = 0.0
    for p in range(len(direction)):
        along += direction[p] * total[a, side, p]
        for q in range(len(direction)):
            whole += direction[p] * direction[q] * (square[a, side, p, q] + _PRIOR * common[p, q])
    return (whole - along * along / n) / (n + _PRIOR)


@numba.njit(cache=True, **OUTER)
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
    for group in (a, b):
        weight = own * count[group, side] / (n_a + n_b)
        _add_covariance(count, total, square, common, group, side, weight, pooled)
    _solve(pooled, direction)
    other = 1 - side
    variance = origin = 0.0
    for group in (a, b):
        variance += 0.5 * _variance_along(direction, total, square, common, count, group, other)
    for p in range(d):
        origin += direction[p] * total[a, other, p]
    return direction, origin / count[a, other], np.sqrt(max(variance, 0.0) + 1e-300)


@numba.njit(cache=True, **OUTER)
def _separate(count, total, square, common, pairs, out):  # type: ignore[no-untyped-def]
    """Separations of pairs of groups; that of a group without points in one half is zero."""
    for m in range(len(pairs)):
        a, b = pairs[m, 0], pairs[m, 1]
        out[m] = 0.0
        if min(count[a, 0], count[a, 1], count[b, 0], count[b, 1]) < 1:
            continue
        for side in range(2):
            direction, origin, spread = _direction(count, total, square, common, a, b, side)
            other = 1 - side
            place = 0.0
            for p in range(len(direction)):
                place += direction[p] * total[b, other, p]
            out[m] += 0.5 * (place / count[b, other] - origin) / spread
