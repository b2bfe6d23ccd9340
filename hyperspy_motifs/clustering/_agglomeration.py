"""Compiled: the least separated pair of near groups is merged until all are apart."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.compilation import INNER, OUTER

from ._directions import learn


@numba.njit(cache=True, **INNER)
def _doubled(values):  # type: ignore[no-untyped-def]
    """The same with as much room again; what NumPy has for that takes seconds to compile."""
    wide = np.empty(2 * len(values), dtype=values.dtype)
    for k in range(len(values)):
        wide[k] = values[k]
    return wide


@numba.njit(cache=True, **INNER)
def _before(values, numbers, i, j):  # type: ignore[no-untyped-def]
    """Whether measurement i comes out of the queue before j: by separation, then by the pair, so that there is one order."""
    return values[i] < values[j] or (values[i] == values[j] and numbers[i] < numbers[j])


@numba.njit(cache=True, **INNER)
def _push(queue, length, item, values, numbers):  # type: ignore[no-untyped-def]
    place = length
    while place > 0:
        above = (place - 1) // 2
        if not _before(values, numbers, item, queue[above]):
            break
        queue[place] = queue[above]
        place = above
    queue[place] = item


@numba.njit(cache=True, **INNER)
def _pop(queue, length, values, numbers):  # type: ignore[no-untyped-def]
    """Return the first of the queue and close the gap."""
    first, item = queue[0], queue[length - 1]
    length -= 1
    place = 0
    while 2 * place + 1 < length:
        below = 2 * place + 1
        if below + 1 < length and _before(values, numbers, queue[below + 1], queue[below]):
            below += 1
        if not _before(values, numbers, queue[below], item):
            break
        queue[place] = queue[below]
        place = below
    queue[place] = item
    return first


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
def _agglomerate(count, total, square, common, near, separations, threshold, lists, size, merges, values):  # type: ignore[no-untyped-def]
    """See `agglomerate_near`; `lists` are the neighbours of each group one after the other, `size` how many it has."""
    n, d = len(count), total.shape[2]
    start = np.zeros(n, dtype=np.int64)
    for g in range(1, n):
        start[g] = start[g - 1] + size[g - 1]
    used = 2 * len(near)
    pooled, room, direction = np.empty((d, d)), np.empty(d), np.empty(d)
    # Measurements: the pair as one number, its separation, and how often each of the two had changed before. Those of groups
    # that have changed since are passed over.
    room_for = 4 * len(near) + 16
    numbers, found = np.empty(room_for, dtype=np.int64), np.empty(room_for)
    age_a, age_b = np.empty(room_for, dtype=np.int64), np.empty(room_for, dtype=np.int64)
    queue = np.empty(room_for, dtype=np.int64)
    age, stays, seen = np.zeros(n, dtype=np.int64), np.arange(n), np.full(n, -1, dtype=np.int64)
    length = n_found = n_merges = 0
    for m in range(len(near)):
        if separations[m] < threshold:
            numbers[n_found], found[n_found] = near[m, 0] * n + near[m, 1], separations[m]
            age_a[n_found] = age_b[n_found] = 0
            _push(queue, length, n_found, found, numbers)
            n_found += 1
            length += 1
    while length > 0:
        item = _pop(queue, length, found, numbers)
        length -= 1
        a, b = numbers[item] // n, numbers[item] % n
        if age_a[item] != age[a] or age_b[item] != age[b]:
            continue
        merges[n_merges, 0], merges[n_merges, 1], values[n_merges] = a, b, found[item]
        n_merges += 1
        _move(count, total, square, a, b)
        stays[b] = a
        age[a] += 1
        age[b] = -1
        while used + size[a] + size[b] > len(lists):
            lists = _doubled(lists)
        place = used
        for group in (a, b):
            for p in range(start[group], start[group] + size[group]):
                c = lists[p]
                while stays[c] != c:
                    c = stays[c]
                if c != a and seen[c] != n_merges:
                    seen[c] = n_merges
                    lists[used] = c
                    used += 1
        start[a], size[a] = place, used - place
        for p in range(place, used):
            first, second = min(a, lists[p]), max(a, lists[p])
            value = 0.0
            if min(count[first, 0], count[first, 1], count[second, 0], count[second, 1]) >= 1:
                for side in range(2):
                    origin, end, spread = learn(
                        count, total, square, common, first, second, side, pooled, room, direction
                    )
                    value += 0.5 * (end - origin) / spread
            if value >= threshold:
                continue
            if n_found == len(found):
                numbers, found, queue = _doubled(numbers), _doubled(found), _doubled(queue)
                age_a, age_b = _doubled(age_a), _doubled(age_b)
            numbers[n_found], found[n_found] = first * n + second, value
            age_a[n_found], age_b[n_found] = age[first], age[second]
            _push(queue, length, n_found, found, numbers)
            n_found += 1
            length += 1
    return n_merges


def agglomerate_near(
    count: NDArray[np.float64],
    total: NDArray[np.float64],
    square: NDArray[np.float64],
    common: NDArray[np.float64],
    near: NDArray[np.int64],
    separations: NDArray[np.float64],
    threshold: float,
) -> list[tuple[int, int, float]]:
    """Merge the least separated pair of near groups, in place, until all are `threshold` apart.

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
    lists = np.empty(2 * len(both) + n, dtype=np.int64)
    lists[: len(both)] = both[np.argsort(both[:, 0], kind="stable"), 1]
    pairs, values = np.empty((n, 2), dtype=np.int64), np.empty(n)
    size = np.bincount(both[:, 0], minlength=n)
    n_merges = _agglomerate(
        count, total, square, common, near, separations, threshold, lists, size, pairs, values
    )
    return [(int(a), int(b), float(value)) for (a, b), value in zip(pairs[:n_merges], values, strict=False)]
