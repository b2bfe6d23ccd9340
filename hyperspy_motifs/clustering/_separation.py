"""How far two groups lie apart, measured on points that did not choose the direction."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hyperspy_motifs.threads import over_rows

from ._agglomeration import agglomerate_near
from ._directions import add_up, best_directions

_RIDGE = 0.2  # of the noise: features are in units of it
_CANDIDATES = 8
_PAIRS = 64  # that are worth a task of a thread


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
        return np.flatnonzero(np.bincount(self._group))

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
        origins, ends, spreads = np.moveaxis(self._directions(pairs)[1], 2, 0)
        return np.asarray((0.5 * (ends - origins) / spreads).sum(axis=1))

    def _directions(self, pairs: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Best directions of pairs from each half (p, 2, d), and what lies where on them (p, 2, 3)."""
        directions = np.empty((len(pairs), 2, self.points.shape[1]))
        places = np.empty((len(pairs), 2, 3))
        over_rows(
            best_directions, len(pairs), self.count, self.total, self.square, self.common, pairs, directions, places,
            least=_PAIRS,
        )  # fmt: skip
        return directions, places

    def projections(self, a: int, b: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the members of groups a and b along the direction learned on the other halves.

        In units of the spread, with the mean of a at zero and that of b at their separation in both halves.
        """
        parts_a: list[NDArray[np.float64]] = []
        parts_b: list[NDArray[np.float64]] = []
        directions, places = (found[0] for found in self._directions(np.array([[a, b]])))
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
        self._take_in(a, b)

    def _take_in(self, a: int, b: int) -> None:
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
        merges = agglomerate_near(
            self.count, self.total, self.square, self.common, near, self._separations(near), threshold
        )
        for a, b, _ in merges:
            self._take_in(a, b)
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
    return spread_within(points, labels)[2]


def spread_within(
    points: NDArray[np.float64], labels: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return points (g,) and mean (g, d) of each group, none empty, and their `common_covariance` (d, d)."""
    numbers = np.asarray(labels, dtype=np.int64)
    nothing = np.zeros(len(numbers), dtype=np.int64)
    count, total, square = _sums(
        np.ascontiguousarray(points, dtype=np.float64), numbers, nothing, int(numbers.max()) + 1
    )
    return count[:, 0], total[:, 0] / count[:, :1], _common(count, total, square)


def _common(
    count: NDArray[np.float64], total: NDArray[np.float64], square: NDArray[np.float64]
) -> NDArray[np.float64]:
    number, sums = count.sum(axis=1), total.sum(axis=1)
    free = max(number.sum() - np.count_nonzero(number), 1)
    outer = np.einsum("gp,gq->pq", sums / np.maximum(number, 1)[:, None], sums)
    return (square.sum(axis=(0, 1)) - outer) / free + _RIDGE * np.eye(total.shape[2])


def _near(means: NDArray[np.float64]) -> NDArray[np.int64]:
    """Pairs (a, b), a < b, shape (p, 2), of groups of which one is among the eight nearest of the other."""
    n = len(means)
    k = min(_CANDIDATES, n - 1)
    if k < 1:
        return np.empty((0, 2), dtype=np.int64)
    nearest = cKDTree(means).query(means, k=k + 1)[1]
    pairs = np.sort(np.column_stack([np.repeat(np.arange(n), k + 1), nearest.ravel()]), axis=1)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]].astype(np.int64)
    numbers = np.unique(pairs[:, 0] * n + pairs[:, 1])
    return np.column_stack([numbers // n, numbers % n])


def _sums(
    points: NDArray[np.float64], labels: NDArray[np.int64], half: NDArray[np.int64], n_groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Count (g, 2), sums (g, 2, d) and sums of products (g, 2, d, d) of the halves of groups."""
    d = points.shape[1]
    count, total, square = np.zeros((n_groups, 2)), np.zeros((n_groups, 2, d)), np.zeros((n_groups, 2, d, d))
    add_up(points, labels, half, count, total, square)
    return count, total, square


def numbered_anew(labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """Number labels from 0 on without gaps, in their order: ``np.unique`` sorts them all to do so."""
    there = np.bincount(labels) > 0
    return (np.cumsum(there) - 1)[labels].astype(np.int32)
