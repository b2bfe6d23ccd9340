r"""One group or two: e-values of a split.

Null hypothesis: along every direction the points have one mode, and beyond `tail_start` spreads their density falls at
least as fast as distance to the power of minus `tail_exponent`. Noise, heavy tails, skewness, strain and slopes of
brightness fulfil it. A second motif does not: between it and the first the density has a valley.

For a proposed group the discriminant direction is learned on all folds but one. The points of that fold are projected, so
that the first group has its median at 0 and the proposed one at 1. Pairs of a stretch on the way (the valley) and one around
1 (the peak) are weighted by the other folds. Under the null hypothesis a point that lies in either lies in the peak with a
probability of at most

.. math:: q_0 = \int_{peak} g / \int_{peak \cup valley} g

with g the slowest density that the null hypothesis allows. Let :math:`q_1` be learned on the other folds, p points lie in
the peak and v in the valley. Then :math:`(q_1/q_0)^p ((1-q_1)/(1-q_0))^v` has an expectation of at most 1 under the null
hypothesis: it is an e-value, and exceeds :math:`1/\alpha` with a probability of at most :math:`\alpha` (Markov). The same
is computed for the peak around 0, as either peak may be the only one; the one that is less likely counts. E-values of several
random partitions into folds are averaged, which keeps them e-values (Vovk and Wang, Annals of Statistics 49 (2021) 1736).
See Wasserman, Ramdas and Balakrishnan, PNAS 117 (2020) 16880, for tests that learn the alternative on other points.

Where the scatter of a motif is known from more frequent ones, "one Gaussian of that scatter" is a second null hypothesis
(`known_scatter_evidence`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.common import robust_spread
from hyperspy_motifs.threads import for_each

from ._constants import CONSTANTS
from ._mixture import axes_of
from ._proposals import held_out_groups, logistic

# Stretches in units of the distance of the two medians: centre and half width of the peak, start and end of the valley.
_PEAK_CENTRES, _PEAK_HALVES = (0.9, 1.0, 1.15), (0.08, 0.15, 0.3)
_VALLEY_STARTS, _VALLEY_ENDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8), (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_WINDOWS = np.array(
    [
        (start, end, centre, half)
        for centre in _PEAK_CENTRES
        for half in _PEAK_HALVES
        for start in _VALLEY_STARTS
        for end in _VALLEY_ENDS
        if end - start > 0.05 and end <= centre - half + 1e-9
    ]
)
_START, _END, _CENTRE, _HALF = _WINDOWS.T
_CELLS = 100  # all ends of stretches are ends of cells of a hundredth
_ENDS = np.rint(_CELLS * np.array([_START, _END, _CENTRE - _HALF, _CENTRE + _HALF, -_HALF, _HALF])).astype(
    int
)
_FIRST, _LAST = int(_ENDS.min()), int(_ENDS.max())
_BLOCK = 16  # candidates whose stretches are computed together, so that they stay in the cache of a processor
_GAUSS = 1 / np.sqrt(2 * np.pi)
_TENTH = 1.2816  # spreads of a Gaussian from the median to the quantile 0.9


@dataclass(frozen=True)
class Evidence:
    """Evidence for two groups.

    Attributes
    ----------
    weights : ndarray, shape (c, n_folds)
        Logarithms of the e-values of the other folds, by which the candidates are weighted.
    least : ndarray, shape (c, n_folds)
        Logarithms of the e-values of the folds, on the side that speaks less for two groups.
    each : ndarray, shape (c,)
        Logarithm of the e-value of every candidate alone.
    """

    weights: NDArray[np.float64]
    least: NDArray[np.float64]
    each: NDArray[np.float64]

    @classmethod
    def of(cls, parts: list[Evidence]) -> Evidence:
        """Return the evidence of the candidates of several parts."""
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))

    @property
    def joint(self) -> float:
        """Logarithm of the e-value of all candidates together, weighted for every fold by the other folds."""
        # The best candidate alone would often be the best by chance, and nothing would be left of its evidence on the own fold.
        joint = _log_sum(self.weights + self.least, axis=0) - _log_sum(self.weights, axis=0)
        return float(joint.sum())


@dataclass(frozen=True)
class FrequentMotifs:
    """Motifs that are so much more frequent than a group that they show the scatter of a motif.

    Attributes
    ----------
    means : ndarray, shape (g, d)
    residuals : ndarray, shape (m, d)
        Features of their atoms about the means.
    """

    means: NDArray[np.float64]
    residuals: NDArray[np.float64]

    def projected(self, X: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return the points (n, k) along the directions from these motifs to their mean, and the scatter (k, k) there.

        The mean of a group says nothing of the scatter of its points, so that these directions are not chosen by it.
        """
        directions = np.linalg.qr((self.means - X.mean(axis=0)).T)[0]
        known = _scatter(self.residuals @ directions)
        return None if known is None else ((X - X.mean(axis=0)) @ directions, known)


def fold_numbers(n: int, random_state: int, number: int) -> tuple[NDArray[np.int64], int]:
    """Return the fold of each of `n` points, and how many folds there are, for one of several random partitions."""
    k = n if n < CONSTANTS.few else CONSTANTS.folds
    return np.random.default_rng([random_state, number]).permutation(n) % k, k


def n_partitions(n: int) -> int:
    """Return how many random partitions of `n` points into folds differ, ``CONSTANTS.splits`` at most."""
    return 1 if n < CONSTANTS.few else CONSTANTS.splits


def tried_dimensions(n_points: int, n_axes: int) -> list[int]:
    """Return the numbers of axes in which groups of `n_points` points are sought."""
    c = CONSTANTS
    return sorted({min(k, n_axes) for k in (c.few_dimensions if n_points < c.few else c.dimensions)})


@dataclass(frozen=True)
class FoldedPoints:
    """Points about their mean, by the folds that they are in.

    Attributes
    ----------
    points : ndarray, shape (n, k)
    fold : ndarray of int, shape (n,)
    members : list of ndarray of int
        Numbers of the points of each fold.
    parts : list of ndarray, shape (m, k)
        The points of each fold.
    sums : ndarray, shape (n_folds, k)
    """

    points: NDArray[np.float64]
    fold: NDArray[np.int64]
    members: list[NDArray[np.int64]]
    parts: list[NDArray[np.float64]]
    sums: NDArray[np.float64]

    @classmethod
    def of(cls, points: NDArray[np.float64], fold: NDArray[np.int64], n_folds: int) -> FoldedPoints:
        """Divide points (n, k) by their folds (n,)."""
        points = points - points.mean(axis=0)
        members = [np.flatnonzero(fold == number) for number in range(n_folds)]
        parts = [points[held] for held in members]
        return cls(points, fold, members, parts, np.array([part.sum(axis=0) for part in parts]))

    def along(self, k: int) -> FoldedPoints:
        """Return the points along the first `k` axes."""
        parts = [part[:, :k] for part in self.parts]
        return FoldedPoints(self.points[:, :k], self.fold, self.members, parts, self.sums[:, :k])

    @cached_property
    def squares(self) -> NDArray[np.float64]:
        """Sums (n_folds, k, k) of the outer products of the points of each fold."""
        return np.array([part.T @ part for part in self.parts])


def held_out_positions(
    folded: FoldedPoints, groups: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the positions of points along discriminants that were learned without them.

    Parameters
    ----------
    folded : FoldedPoints
    groups : ndarray of bool, shape (c, n) or (c, n_folds, n)
        Candidate groups; those of each fold, if they were learned on the other folds.

    Returns
    -------
    positions : ndarray, shape (c', n)
        The median of the rest at 0, that of the candidate at 1.
    kept : ndarray of int, shape (c',)
        Candidates that a direction separates from the rest.
    spreads : ndarray, shape (c',)
        Spread of the rest and of the candidate on their sides towards larger positions. A cut through one group leaves a narrow
        rest beside a wide tail: both sides together show the scatter of one group.
    """
    points, fold, members, parts = folded.points, folded.fold, folded.members, folded.parts
    (n, k), n_folds = points.shape, len(members)
    # Sums over all points but those of a fold are the sums over all minus those over the fold.
    squares, sums = folded.squares, folded.sums
    all_squares, all_sums = squares.sum(axis=0), sums.sum(axis=0)
    own_groups = groups if groups.ndim == 2 else held_out_groups(groups, fold)
    if groups.ndim == 2:
        own = [groups[:, held] for held in members]
        counts = np.array([np.count_nonzero(group, axis=1) for group in own])
        totals = np.array([group.astype(np.float64) @ part for group, part in zip(own, parts, strict=True)])
        counts, totals = counts.sum(axis=0) - counts, totals.sum(axis=0) - totals
    else:
        own = [groups[:, number] & (fold != number) for number in range(n_folds)]
        counts = np.array([np.count_nonzero(group, axis=1) for group in own])
        totals = np.array([group.astype(np.float64) @ points for group in own])
    along, known = np.empty((len(groups), n)), np.ones(len(groups), dtype=bool)
    for number, (held, n_in) in enumerate(zip(members, counts, strict=True)):
        n_learned = n - len(held)
        n_out = n_learned - n_in
        middle = (all_sums - sums[number]) / max(n_learned, 1)
        square = all_squares - squares[number] - n_learned * np.outer(middle, middle)
        covariance = square / max(n_learned - 1, 1) + CONSTANTS.ridge * np.eye(k)
        total = totals[number] - n_in[:, None] * middle
        mean_in, mean_out = total / np.maximum(n_in, 1)[:, None], -total / np.maximum(n_out, 1)[:, None]
        # With the total covariance instead of that within groups the direction is the same (Sherman and Morrison).
        directions = np.linalg.solve(covariance, (mean_in - mean_out).T)
        known &= (n_in >= 1) & (n_out >= 1)
        apart = np.einsum("ck,kc->c", mean_in - mean_out, directions)
        along[:, held] = ((parts[number] - middle) @ directions / np.maximum(apart, 1e-12)).T
    kept, spreads = [], []
    for number, (line, group, size) in enumerate(
        zip(along, own_groups, np.count_nonzero(own_groups, axis=1).tolist(), strict=True)
    ):
        if not known[number] or not 0 < size < n:
            continue
        middle, upper = np.array([_median_and_upper(line[~group]), _median_and_upper(line[group])]).T
        unit = middle[1] - middle[0]
        if unit > 1e-9:
            line -= middle[0]
            line /= unit
            kept.append(number)
            rest, candidate = np.maximum((upper - middle) / unit / _TENTH, 1e-6) ** 2
            spreads.append(np.sqrt(((n - size) * rest + size * candidate) / n))
    if len(kept) < len(along):
        along = along[kept]
    return along, np.array(kept, dtype=np.int64), np.array(spreads)


def _median_and_upper(values: NDArray[np.float64]) -> tuple[float, float]:
    """Median and quantile 0.9 of finite values. The checks of `numpy.median` would dominate the run time."""
    half, upper = len(values) // 2, int(0.9 * (len(values) - 1))
    lower = half if len(values) % 2 else half - 1
    ordered = np.partition(values, (lower, half, upper))
    return float(0.5 * (ordered[lower] + ordered[half])), float(ordered[upper])


def valley_evidence(
    positions: NDArray[np.float64],
    spreads: NDArray[np.float64],
    fold: NDArray[np.int64],
    n_folds: int,
    tail_exponent: float = CONSTANTS.tail_exponent,
) -> Evidence:
    """Return the evidence that the density has a valley between 0 and 1; see the module.

    Parameters
    ----------
    positions : ndarray, shape (c, n)
    spreads : ndarray, shape (c,)
        From `held_out_positions`.
    fold : ndarray of int, shape (n,)
    n_folds : int
    tail_exponent : float
        Of the slowest density of one group, beyond ``CONSTANTS.tail_start`` spreads.

    Returns
    -------
    Evidence
    """
    blocks = [slice(first, first + _BLOCK) for first in range(0, len(positions), _BLOCK)]
    return Evidence.of(
        [
            _of_candidates(positions[b], spreads[b], fold, n_folds, tail_exponent)
            for b in blocks or [slice(None)]
        ]
    )


def _of_candidates(
    positions: NDArray[np.float64],
    spreads: NDArray[np.float64],
    fold: NDArray[np.int64],
    n_folds: int,
    tail_exponent: float,
) -> Evidence:
    c, n_cells = len(positions), _LAST - _FIRST + 2
    scaled = _CELLS * positions
    np.ceil(np.clip(scaled, _FIRST, _LAST + 1, out=scaled), out=scaled)
    cells = scaled.astype(np.int64)
    cells += (np.arange(c)[:, None] * n_folds + fold) * n_cells - _FIRST
    below = np.bincount(cells.ravel(), minlength=c * n_folds * n_cells).reshape(c, n_folds, n_cells)
    below = below.cumsum(axis=2).astype(np.float64)
    start, end, left, right, host_left, host_right = (below.take(at, axis=2) for at in _ENDS - _FIRST)
    valley, peak, host = (
        np.asarray(v, dtype=np.float64) for v in (end - start, right - left, host_right - host_left)
    )
    bound = CONSTANTS.tail_start * spreads[:, None]
    in_valley, in_peak = (
        _slowest_mass(_START, _END, bound, tail_exponent),
        _slowest_mass(_CENTRE - _HALF, _CENTRE + _HALF, bound, tail_exponent),
    )
    q_peak = (in_peak / (in_peak + in_valley))[:, None, :]
    q_host = np.broadcast_to(2 * _HALF / (2 * _HALF + _END - _START), valley.shape)
    others_valley = valley.sum(axis=1, keepdims=True) - valley
    learned_peak, own_peak = _log_e(peak, valley, others_valley, q_peak)
    learned_host, own_host = _log_e(host, valley, others_valley, q_host)
    # Stretches are weighted by their e-values of the other folds, as candidates are.
    weight = np.minimum(learned_peak, learned_host)
    total = _log_sum(weight, axis=2)
    own = np.array([_log_sum(weight + value, axis=2) - total for value in (own_peak, own_host)])
    # The one mode may be on the side of the peak for one candidate and on that of the host for another: the side that all
    # folds together speak against least.
    side = own.sum(axis=2).argmin(axis=0)
    least = own[side, np.arange(c)]
    return Evidence(total, least, own.sum(axis=2).min(axis=0))


def _log_sum(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Logarithm of the sum of exponentials. The checks of `scipy.special.logsumexp` take as long as the sum."""
    highest = values.max(axis=axis, keepdims=True)
    return np.asarray(np.log(np.exp(values - highest).sum(axis=axis)) + highest.squeeze(axis))


def _log_e(
    peak: NDArray[np.float64],
    valley: NDArray[np.float64],
    others_valley: NDArray[np.float64],
    q_0: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logarithms of the e-values of the other folds, which choose, and of the own fold, which counts."""
    others = peak.sum(axis=1, keepdims=True) - peak
    # The estimate of Krichevsky and Trofimov (1981) for the share in the peak.
    q_1 = np.maximum((others + 0.5) / (others + others_valley + 1), q_0)
    gain, loss = np.log(q_1 / q_0), np.log((1 - q_1) / (1 - q_0))
    return others * gain + others_valley * loss, peak * gain + valley * loss


def _slowest_mass(
    low: NDArray[np.float64], high: NDArray[np.float64], bound: NDArray[np.float64], p: float
) -> NDArray[np.float64]:
    """Integral from `low` to `high` of the slowest density under the null hypothesis: level to `bound`, then a power."""

    def integral(y: NDArray[np.float64]) -> NDArray[np.float64]:
        ratio = np.maximum(y / bound, 1)
        tail = np.log(ratio) if p == 1 else (1 - ratio ** (1 - p)) / (p - 1)
        return np.where(y < bound, y, bound * (1 + tail))

    return integral(high) - integral(low)


def known_scatter_evidence(
    points: NDArray[np.float64],
    covariance: NDArray[np.float64],
    group: NDArray[np.bool_],
    fold: NDArray[np.int64],
    n_folds: int,
) -> tuple[float, NDArray[np.bool_]]:
    r"""Return the logarithm of the e-value of two Gaussians of a known scatter against one, and the points of one of the two.

    The two means and the share are learned on the other folds. The null hypothesis takes the best mean for all points:
    the ratio of the likelihoods is an e-value (Wasserman, Ramdas and Balakrishnan 2020). Both hypotheses have a broad
    component, so that single outliers decide nothing.

    Parameters
    ----------
    points : ndarray, shape (n, k)
    covariance : ndarray, shape (k, k)
        Scatter of a motif, noise included.
    group : ndarray of bool, shape (n,)
        One of the two groups.
    fold : ndarray of int, shape (n,)
    n_folds : int

    Returns
    -------
    evidence : float
    first : ndarray of bool, shape (n,)
        Points that are more likely of the Gaussian that was `group` at the start, as the first fold has them.
    """
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), points.T).T
    share_out, broad = CONSTANTS.outlier_share, CONSTANTS.outlier_share / 20
    learned = (fold != np.arange(n_folds)[:, None]).astype(np.float64)  # (n_folds, n)
    weight, n_learned = learned * group, learned.sum(axis=1)
    for step in range(6):
        n_a = weight.sum(axis=1)
        n_b = n_learned - n_a
        if min(n_a.min(), n_b.min()) < (1.5 if step else 2):
            return -np.inf, group
        a, b = weight @ whitened / n_a[:, None], (learned - weight) @ whitened / n_b[:, None]
        share = np.clip(n_a / n_learned, 0.02, 0.98)
        if step < 5:
            score = (a - b) @ whitened.T - 0.5 * ((a + b) * (a - b)).sum(axis=1)[:, None]
            weight = learned * logistic(score + np.log(share / (1 - share))[:, None])
    distance = np.linalg.norm(a - b, axis=1)
    if distance.min() < 1e-6:
        return -np.inf, group
    y = ((whitened - 0.5 * (a + b)[fold]) * ((a - b) / distance[:, None])[fold]).sum(axis=1)
    share, half = share[fold], distance[fold] / 2
    first, second = share * _normal(y - half), (1 - share) * _normal(y + half)
    total = float(np.log((1 - share_out) * (first + second) + broad).sum())
    grid = np.linspace(np.quantile(y, 0.05), np.quantile(y, 0.95), 81)
    one = np.log((1 - share_out) * _normal(y[:, None] - grid) + broad).sum(axis=0).max()
    # A start that cuts across both groups may lead to either order of the two, and to another one in another fold.
    turned = ((a - b) @ (a - b)[0] < 0)[fold]
    return total - float(one), np.asarray((first > second) != turned)


def split_evidence(
    X: NDArray[np.float64],
    group: NDArray[np.bool_],
    random_state: int = 0,
    frequent: FrequentMotifs | None = None,
    tail_exponent: float = CONSTANTS.tail_exponent,
) -> float:
    """Return the logarithm of the e-value that `group` and the rest of the points are two motifs.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Features in units of their noise.
    group : ndarray of bool, shape (n,)
    random_state : int
        Of the folds.
    frequent : FrequentMotifs, optional
        More frequent motifs, where they show the scatter of a motif.
    tail_exponent : float
        See `valley_evidence`.

    Returns
    -------
    float
        At least ``log(1 / alpha)`` where one motif is rejected at the level alpha.
    """
    P = axes_of(X).apply(X)
    known = None if frequent is None else frequent.projected(X)
    partitions = [fold_numbers(len(X), random_state, number) for number in range(n_partitions(len(X)))]
    folded = for_each(lambda partition: FoldedPoints.of(P, *partition), partitions, len(X))

    def tested(number: int, k: int) -> float:
        fold, n_folds = partitions[number]
        if k == 0:
            return known_scatter_evidence(*known, group, fold, n_folds)[0] if known is not None else -np.inf
        positions, kept, spreads = held_out_positions(folded[number].along(k), group[None])
        if not len(kept):  # no direction separates the group
            return -np.inf
        return float(valley_evidence(positions, spreads, fold, n_folds, tail_exponent).each[0])

    dimensions = [*tried_dimensions(len(X), P.shape[1]), *([] if known is None else [0])]
    tests = [(number, k) for number in range(len(partitions)) for k in dimensions]
    return log_mean(for_each(lambda test: tested(*test), tests, len(X)))


def log_mean(logarithms: list[float]) -> float:
    """Return the logarithm of the mean of e-values, given their logarithms."""
    values = np.asarray(logarithms, dtype=np.float64)
    largest = float(values.max())
    return largest + float(np.log(np.exp(values - largest).mean())) if np.isfinite(largest) else -np.inf


def _normal(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return _GAUSS * np.exp(-0.5 * x * x)


def _scatter(residuals: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the covariance (k, k) of residuals (n, k) with a ridge; points beyond four robust spreads are left out.

    None where too few points are left.
    """
    k = residuals.shape[1]
    spread = robust_spread(residuals, axis=0)
    inside = (np.abs(residuals) < 4 * np.maximum(spread, np.sqrt(CONSTANTS.ridge))).all(axis=1)
    if inside.sum() <= k + 2:
        return None
    return np.atleast_2d(np.cov(residuals[inside].T)) + CONSTANTS.ridge * np.eye(k)
