"""One motif or two: the test against noise and drift."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._separation import HalfSums, numbered_anew

_PIECES = 0.7  # of the threshold: pieces of one cloud are joined by a single split into halves
_VALLEY = 7.0  # 2.6 standard deviations
# So many spreads apart groups of so many points have a valley between them: all of 3764 such pairs of simulated lattices,
# monolayers, boundaries, oxides, perovskites, bilayers and tilings had; of nearer ones 297 of 1920 had not, and of groups
# of fewer points 165 of 1560.
_FAR, _FEW = 10.0, 12
# Points. The groups were proposed by all points, held-out ones among them: the fewer there are, the more that flatters. Of
# 3,000 clouds of 30 to 100 points of noise, a third with a slope of brightness and a third with columns displaced at random,
# 118 were parted without it, most of them at 3.5 to 4.3 spreads, and 8 with it.
_FLATTERY = 15.0
_SPLITS = 4
_SIZE_WEIGHT = 0.25


def _windows() -> NDArray[np.float64]:
    """Where stretches between two medians start, and then where they end, in parts of the distance."""
    centres, halves = np.linspace(0.2, 0.8, 25)[:, None], np.linspace(0.06, 0.38, 9)[None, :]
    inside = (centres - halves > 1e-9) & (centres + halves < 1 - 1e-9)
    return np.concatenate([(centres - halves)[inside], (centres + halves)[inside]])


_EDGES = _windows()
_WINDOWS = len(_EDGES) // 2


def density_gap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    r"""Return how surely there is a valley between two groups on a line.

    The density of points (of both) within one spread of the median of the rarer group is compared with that
    of every stretch between the two medians. With counts p and v on lengths :math:`l_p` and :math:`l_v`, the
    likelihood ratio of two rates against one is :math:`2 (p \ln(p/\mu l_p) + v \ln(v/\mu l_v))`, :math:`\mu =
    (p + v)/(l_p + l_v)`; the largest over the stretches that are emptier than the peak is returned. A
    continuum, however it is cut, has no valley; nor has a tail.

    Parameters
    ----------
    a, b : ndarray, shape (n_a,), (n_b,)
        Positions of the points of the two groups on the line, in units of their spread.

    Returns
    -------
    float
        About the square of a number of standard deviations.
    """
    if len(a) > len(b):
        a, b = b, a
    a, b = np.sort(a), np.sort(b)
    start, stop = _quantile(a, 0.5), _quantile(b, 0.5)
    sign, distance = (1.0 if stop >= start else -1.0), abs(stop - start)
    reach = max(1.0, 0.74 * (_quantile(a, 0.75) - _quantile(a, 0.25)))
    reach = min(reach, 0.25 * distance)
    # Nothing is asked of what lies beyond the two medians, but for the peak round the first.
    a, b = ((x - start if sign > 0 else (start - x)[::-1]) for x in (a, b))
    peak = float(
        sum(int(x.searchsorted(reach, "right")) - int(x.searchsorted(-reach, "left")) for x in (a, b))
    )
    edges = _EDGES * distance
    before = a.searchsorted(edges) + b.searchsorted(edges)
    count = (before[_WINDOWS:] - before[:_WINDOWS]).astype(float)
    length = edges[_WINDOWS:] - edges[:_WINDOWS]
    rate = (peak + count) / (2 * reach + length)
    deeper = count / np.maximum(length, 1e-12) < peak / (2 * reach)
    if not deeper.any():
        return 0.0
    count, length, rate = count[deeper], length[deeper], rate[deeper]
    ratio = peak * np.log(peak / (2 * reach * rate)) + count * np.log(
        np.maximum(count, 1e-9) / (rate * length)
    )
    return float(2 * ratio.max())


def _quantile(ordered: NDArray[np.float64], share: float) -> float:
    """Linear interpolation in a sorted array: NumPy's own spends more on its checks than valleys take in all."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    step = place - below
    low, high = float(ordered[below]), float(ordered[above])
    return high - (high - low) * (1 - step) if step >= 0.5 else low + (high - low) * step


class _Judges:
    """Several splits into halves, averaged: one split of six points is a lottery."""

    def __init__(
        self,
        X: NDArray[np.floating],
        labels: NDArray[np.integer],
        random_state: int,
        common: NDArray[np.float64] | None,
    ) -> None:
        self.splits = [HalfSums(X, labels, random_state + k, common) for k in range(_SPLITS)]

    @property
    def labels(self) -> NDArray[np.int64]:
        return self.splits[0].labels

    @property
    def groups(self) -> NDArray[np.int64]:
        return self.splits[0].groups

    def matrix(self) -> NDArray[np.float64]:
        return np.mean([split.matrix() for split in self.splits], axis=0)

    def separations(self, a: int, others: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.mean([split.separations(a, others) for split in self.splits], axis=0)

    def sees_valley(self, a: int, b: int, separation: float = 0.0) -> bool:
        """Whether the valley is sure enough, in the mean over the splits; none is negative, so the first may tell."""
        if separation >= _FAR and min(self.splits[0].count[[a, b]].sum(axis=1)) >= _FEW:
            return True
        seen: list[float] = []
        for split in self.splits:
            seen.append(density_gap(*split.projections(a, b)))
            if sum(seen) >= _SPLITS * _VALLEY:
                return True
        return float(np.mean(seen)) >= _VALLEY

    def merge(self, a: int, b: int) -> None:
        for split in self.splits:
            split.merge(a, b)


def merge_alike(
    X: NDArray[np.floating],
    labels: NDArray[np.integer],
    threshold: float,
    random_state: int = 0,
    common: NDArray[np.float64] | None = None,
) -> NDArray[np.int32]:
    """Merge groups until every two of them are two motifs.

    Two groups are two motifs if they lie at least `threshold` spreads apart, a little more where all points are few, and
    there is a valley between them, on points that did not choose the direction.

    Returns
    -------
    ndarray of int32, shape (n,)
        Groups 0..
    """
    sums = HalfSums(X, labels, random_state, common)
    sums.agglomerate(_PIECES * threshold)
    compact = numbered_anew(sums.labels)
    if len(sums.groups) == 1:
        return compact
    judges = _Judges(X, compact, random_state, sums.common)
    separations = judges.matrix()
    judged = np.zeros_like(separations, dtype=bool)
    needed = threshold * (1 + _FLATTERY / len(compact))
    for _ in range(len(separations) ** 2):
        open_ = np.where(judged, np.inf, separations)
        a, b = sorted(divmod(int(open_.argmin()), len(open_)))
        if not np.isfinite(open_[a, b]):
            break
        if open_[a, b] >= needed and judges.sees_valley(a, b, float(open_[a, b])):
            judged[a, b] = judged[b, a] = True
            continue
        judges.merge(a, b)
        separations[b, :] = separations[:, b] = np.inf
        judged[a, :] = judged[:, a] = False
        others = judges.groups
        others = others[others != a]
        separations[a, others] = separations[others, a] = judges.separations(a, others)
    return numbered_anew(judges.labels)


def merging_order(
    X: NDArray[np.floating], labels: NDArray[np.integer], random_state: int = 0
) -> list[tuple[int, int, float]]:
    r"""Return (kept group, merged group, separation) of every merge, down to one group.

    The pair of least :math:`s\, h^{1/4}` merges first, s its separation and h the harmonic mean of the sizes: a
    handful of odd atoms does not outlast a frequent site, and a rare species that differs strongly still does.
    """
    sums = HalfSums(X, labels, random_state)
    merges: list[tuple[int, int, float]] = []
    separations = sums.matrix()
    for _ in range(len(separations) - 1):
        size = np.maximum(sums.count.sum(axis=1), 1e-9)
        weight = (2 * np.outer(size, size) / np.add.outer(size, size)) ** _SIZE_WEIGHT
        a, b = sorted(divmod(int((separations * weight).argmin()), len(separations)))
        merges.append((a, b, float(separations[a, b])))
        sums.merge(a, b)
        separations[b, :] = separations[:, b] = np.inf
        others = sums.groups
        others = others[others != a]
        separations[a, others] = separations[others, a] = sums.separations(a, others)
    return merges
