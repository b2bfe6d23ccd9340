"""How far two groups lie apart, measured on points that did not choose the direction."""

from __future__ import annotations

import heapq
from functools import cached_property

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hyperspy_motifs.compilation import INNER, OUTER
from hyperspy_motifs.threads import over_rows

_RIDGE = 0.2  # of the noise: features are in units of it
_PRIOR = 6.0  # points' worth of common spread lent to every half, so that six points do not invent their own
_CANDIDATES = 8
_PAIRS = 64  # that are worth a task of a thread
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
        self._half = half
        self._parts = [[group] for group in range(n_groups)]  # first groups that are in each

    @cached_property
    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Points in the order of their first group and half, and where each of these starts.

        What is asked of a pair must not cost a walk through all points.
        """
        key = 2 * self._first + self._half
        starts = np.zeros(2 * len(self._parts) + 1, dtype=np.int64)
        starts[1:] = np.cumsum(np.bincount(key, minlength=2 * len(self._parts)))
        return _argsort(key), starts

    def _members(self, group: int, side: int) -> NDArray[np.int64]:
        """Points of one half of a group."""
        order, starts = self._places
        slices = [order[starts[2 * part + side] : starts[2 * part + side + 1]] for part in self._parts[group]]
        return slices[0] if len(slices) == 1 else np.concatenate(slices)

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
        over_rows(
            _separate, len(pairs), self.count, self.total, self.square, self.common, pairs, out, least=_PAIRS
        )
        return out

    def projections(self, a: int, b: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the members of groups a and b along the direction learned on the other halves.

        In units of the spread, with the mean of a at zero and that of b at their separation in both halves.
        """
        parts_a: list[NDArray[np.float64]] = []
        parts_b: list[NDArray[np.float64]] = []
        directions, places = _directions(self.count, self.total, self.square, self.common, a, b)
        origins, ends, spreads = places.T
        lengths = ends - origins
        distance = float((lengths / spreads).mean())
        for side, direction in enumerate(directions):
            other = 1 - side
            for group, parts in ((a, parts_a), (b, parts_b)):
                along = self.points[self._members(group, other)] @ direction
                parts.append((along - origins[side]) * (distance / lengths[side]))
        return np.concatenate(parts_a), np.concatenate(parts_b)

    def merge(self, a: int, b: int) -> None:
        """Give the points of group b to group a; b is empty then."""
        for array in (self.count, self.total, self.square):
            array[a] += array[b]
            array[b] = 0
        self._group[self._group == b] = a
        self._parts[a] += self._parts[b]
        self._parts[b] = []

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
    half[order[_argsort(labels[order])]] = np.arange(len(labels)) % 2
    return half


def _argsort(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order of numbers from 0 on, equal ones as they come; short ones are sorted faster."""
    return np.argsort(numbers.astype(np.uint16) if numbers.max() < 2**16 else numbers, kind="stable")


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
    pairs = pairs[pairs[:, 0] < pairs[:, 1]].astype(np.int64)
    numbers = np.unique(pairs[:, 0] * n + pairs[:, 1])
    return list(zip((numbers // n).tolist(), (numbers % n).tolist(), strict=True))


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
    """Solve a positive definite system in place by Cholesky, with the upper triangle, row by row.

    A call of LAPACK costs seconds of compilation and no less time.
    """
    n = np.uint32(len(vector))
    for j in range(n):
        scale = 1 / np.sqrt(max(matrix[j, j], _LEAST_PIVOT))
        for k in range(j, n):
            matrix[j, k] *= scale
        vector[j] *= scale
        for i in range(j + np.uint32(1), n):
            factor = matrix[j, i]
            for k in range(i, n):
                matrix[i, k] -= factor * matrix[j, k]
            vector[i] -= factor * vector[j]
    for i in range(len(vector) - 1, -1, -1):
        for k in range(i + 1, len(vector)):
            vector[i] -= matrix[i, k] * vector[k]
        vector[i] /= matrix[i, i]


@numba.njit(cache=True, **INNER)
def _dot(a, b):  # type: ignore[no-untyped-def]
    total = 0.0
    for p in range(len(a)):
        total += a[p] * b[p]
    return total


@numba.njit(cache=True, **INNER)
def _quadratic_form(matrix, vector, room):  # type: ignore[no-untyped-def]
    n = np.uint32(len(vector))
    room[:] = 0
    for p in range(n):
        factor = vector[p]
        for q in range(n):
            room[q] += factor * matrix[p, q]
    return _dot(room, vector)


@numba.njit(cache=True, **INNER)
def _learn(count, total, square, common, a, b, side, pooled, room, direction):  # type: ignore[no-untyped-def]
    """Fill the best direction from one half; return where the other halves of a and b lie on it, and their spread.

    The covariance of each half has a prior, the common one. That of few points says little in many dimensions: the common
    one stands in.
    """
    d = np.uint32(len(direction))
    n_a, n_b = count[a, side], count[b, side]
    total_a, total_b, square_a, square_b = total[a, side], total[b, side], square[a, side], square[b, side]
    own = (n_a + n_b) / (n_a + n_b + 2.0 * len(direction))
    weight_a = own * n_a / ((n_a + n_b) * (n_a + _PRIOR))
    weight_b = own * n_b / ((n_a + n_b) * (n_b + _PRIOR))
    weight = 1 - own + _PRIOR * (weight_a + weight_b)
    for p in range(d):
        direction[p] = total_b[p] / n_b - total_a[p] / n_a
        mean_a, mean_b = total_a[p] / n_a, total_b[p] / n_b
        for q in range(d):
            pooled[p, q] = (
                weight * common[p, q]
                + weight_a * (square_a[p, q] - mean_a * total_a[q])
                + weight_b * (square_b[p, q] - mean_b * total_b[q])
            )
    _solve(pooled, direction)
    other = 1 - side
    variance, prior = 0.0, _PRIOR * _quadratic_form(common, direction, room)
    for group in (a, b):
        n, along = count[group, other], _dot(direction, total[group, other])
        whole = _quadratic_form(square[group, other], direction, room) + prior
        variance += 0.5 * (whole - along * along / n) / (n + _PRIOR)
    origin = _dot(direction, total[a, other]) / count[a, other]
    end = _dot(direction, total[b, other]) / count[b, other]
    return origin, end, np.sqrt(max(variance, 0.0) + 1e-300)


@numba.njit(cache=True, **OUTER)
def _directions(count, total, square, common, a, b):  # type: ignore[no-untyped-def]
    """Best directions from both halves (2, d), and where the others of a and b lie on them, and their spread (2, 3)."""
    d = total.shape[2]
    directions, places = np.empty((2, d)), np.empty((2, 3))
    pooled, room = np.empty((d, d)), np.empty(d)
    for side in range(2):
        places[side] = _learn(count, total, square, common, a, b, side, pooled, room, directions[side])
    return directions, places


@numba.njit(cache=True, **OUTER)
def _separate(first, last, count, total, square, common, pairs, out):  # type: ignore[no-untyped-def]
    """Separations of pairs of groups; that of a group without points in one half is zero."""
    d = total.shape[2]
    pooled, room, direction = np.empty((d, d)), np.empty(d), np.empty(d)
    for m in range(first, last):
        a, b = pairs[m, 0], pairs[m, 1]
        out[m] = 0.0
        if min(count[a, 0], count[a, 1], count[b, 0], count[b, 1]) < 1:
            continue
        for side in range(2):
            origin, end, spread = _learn(count, total, square, common, a, b, side, pooled, room, direction)
            out[m] += 0.5 * (end - origin) / spread
