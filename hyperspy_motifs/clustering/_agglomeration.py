"""The least separated pair of near groups is merged until all are apart."""

from __future__ import annotations

import heapq

import numba
import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.compilation import INNER, OUTER

from ._directions import learn


def agglomerate_near(
    count: NDArray[np.float64],
    total: NDArray[np.float64],
    square: NDArray[np.float64],
    common: NDArray[np.float64],
    near: NDArray[np.int64],
    separations: NDArray[np.float64],
    threshold: float,
) -> list[tuple[int, int, float]]:
    """Merge groups, in place, until all near ones are `threshold` apart.

    Parameters
    ----------
    count : (g, 2) array
        Points of the halves of groups.
    total : (g, 2, d) array
    square : (g, 2, d, d) array
    common : (d, d) array
    near : (p, 2) int64 array
        Pairs (a, b), a < b, that are neighbours; what was near to one of two that merge is near to both.
    separations : (p,) array
        Of these pairs.
    threshold : float

    Returns
    -------
    list of (kept group, merged group, separation)
    """
    n = len(count)
    both = np.concatenate([near, near[:, ::-1]])
    ends = np.cumsum(np.bincount(both[:, 0], minlength=n))
    neighbours = np.split(both[np.argsort(both[:, 0], kind="stable"), 1], ends[:-1])
    # How often each has changed: what was measured before is passed over.
    age = [0] * n
    queue = [
        (value, a, b, 0, 0)
        for (a, b), value in zip(near.tolist(), separations.tolist(), strict=True)
        if value < threshold
    ]
    heapq.heapify(queue)
    stays, seen = np.arange(n), np.full(n, -1)
    others, values = np.empty(n, dtype=np.int64), np.empty(n)
    merges: list[tuple[int, int, float]] = []
    while queue:
        value, a, b, age_a, age_b = heapq.heappop(queue)
        if (age_a, age_b) != (age[a], age[b]):
            continue
        merges.append((a, b, value))
        age[a] += 1
        age[b] = -1
        k = _merge(
            count, total, square, common, a, b, neighbours[a], neighbours[b], stays, seen, others, values
        )
        neighbours[a], neighbours[b] = others[:k].copy(), others[:0]
        for c, apart in zip(others[:k].tolist(), values[:k].tolist(), strict=True):
            if apart < threshold:
                first, second = (a, c) if a < c else (c, a)
                heapq.heappush(queue, (apart, first, second, age[first], age[second]))
    return merges


@numba.njit(cache=True, **INNER)
def _move(count, total, square, a, b):  # type: ignore[no-untyped-def]
    """Give the sums of group b to group a."""
    d = total.shape[2]
    for side in range(2):
        count[a, side] += count[b, side]
        count[b, side] = 0
        for p in range(d):
            total[a, side, p] += total[b, side, p]
            total[b, side, p] = 0
            for q in range(d):
                square[a, side, p, q] += square[b, side, p, q]
                square[b, side, p, q] = 0


@numba.njit(cache=True, **OUTER)
def _merge(count, total, square, common, a, b, near_a, near_b, stays, seen, others, values):  # type: ignore[no-untyped-def]
    """Merge b into a; fill in the neighbours of both and how far each lies apart, and return how many these are.

    `stays` (g,) says where the points of each group have gone, `seen` (g,) which merge asked for each last.
    """
    d = total.shape[2]
    _move(count, total, square, a, b)
    stays[b] = a
    k = 0
    for side in range(2):
        for c in near_a if side == 0 else near_b:
            while stays[c] != c:
                c = stays[c]
            # b can be merged once only: it names the merge.
            if c != a and seen[c] != b:
                seen[c] = b
                others[k] = c
                k += 1
    pooled, room, direction = np.empty((d, d)), np.empty(d), np.empty(d)
    for m in range(k):
        first, second = min(a, others[m]), max(a, others[m])
        values[m] = 0
        if min(count[first, 0], count[first, 1], count[second, 0], count[second, 1]) >= 1:
            for side in range(2):
                origin, end, spread = learn(
                    count, total, square, common, first, second, side, pooled, room, direction
                )
                values[m] += 0.5 * (end - origin) / spread
    return k
