"""Divide points into motifs, one test of a split after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.threads import for_each
from hyperspy_motifs.zernike import PrincipalAxes

from ._constants import CONSTANTS, MIN_MOTIF_SIZE
from ._mixture import MotifMixture, axes_of, separations_of, settled_labels
from ._proposals import (
    cut_between,
    first_candidates,
    held_out_groups,
    mixtures_of_two,
    parts_of_axes,
    refined_starts,
)
from ._split_test import (
    Evidence,
    FoldedPoints,
    FrequentMotifs,
    fold_numbers,
    held_out_positions,
    known_scatter_evidence,
    log_mean,
    n_partitions,
    split_evidence,
    tried_dimensions,
    valley_evidence,
)

_HOPELESS = -1.0  # logarithm of the first e-value below which no further partition into folds is tried
_KEPT = 12  # candidates of most evidence that are tested on further partitions into folds
_KNOWN_TESTED = 4  # candidates that are tested against a known scatter
_FEWEST_SPLIT = 2 * MIN_MOTIF_SIZE


@dataclass(frozen=True)
class PartitionOptions:
    """How points are divided.

    Attributes
    ----------
    alpha : float
        Probability that a motif is invented.
    n_radii : int
        Radii that share it.
    min_size : int
        Points of the smallest motif.
    known_scatter : bool
        Whether motifs have one scatter, so that the frequent ones show that of the rare ones. At the smallest radius: at
        larger ones strain adds to it.
    random_state : int
    tail_exponent : float
        See `valley_evidence`.
    frequent : int
        Points that the larger part of a split has at least.
    """

    alpha: float
    n_radii: int
    min_size: int
    known_scatter: bool
    random_state: int
    tail_exponent: float = CONSTANTS.tail_exponent
    frequent: int = 0

    def threshold(self, n_groups: int) -> float:
        """Logarithm of the e-value that a split needs where `n_groups` groups are tested at one of the radii."""
        return float(np.log(self.n_radii * n_groups / self.alpha))


def divide(
    X: NDArray[np.float64],
    clusters: NDArray[np.integer],
    groups: NDArray[np.integer],
    options: PartitionOptions,
    noise: NDArray[np.floating] | None = None,
) -> tuple[NDArray[np.int32], float]:
    """Divide each group of points until no split is significant.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Features in units of their noise.
    clusters : ndarray of int, shape (n,)
        Density clusters of the layout: candidates. Negative for points between them.
    groups : ndarray of int, shape (n,)
        Groups 0.. to be divided.
    options : PartitionOptions
    noise : ndarray, shape (n,), optional
        Variance of the noise of each point, relative to any: that of bright columns is larger.

    Returns
    -------
    labels : ndarray of int32, shape (n,)
        Motifs 0.., those of each group together.
    evidence : float
        Sum of the logarithms of the e-values of the splits.
    """
    labels, total = np.zeros(len(X), dtype=np.int32), 0.0
    pending = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    done: list[NDArray[np.int64]] = []
    while pending:
        pending.sort(key=len)
        members = pending.pop()
        rest = np.ones(len(members), dtype=bool)
        if len(members) >= max(_FEWEST_SPLIT, 2 * options.min_size, options.frequent):
            larger = (
                [m for m in done + pending if len(m) >= CONSTANTS.rarity * len(members)]
                if options.known_scatter
                else []
            )
            needed = options.threshold(len(pending) + len(done) + 1)
            known = _frequent(X, larger, members, noise)
            for evidence, group in best_splits(X[members], clusters[members], known, options, needed):
                if evidence < needed or (rest & ~group).sum() < options.frequent:
                    break
                total += evidence
                pending.append(members[group])
                rest &= ~group
        (done if rest.all() else pending).append(members[rest])
    done.sort(key=lambda m: (groups[m[0]], -len(m), m[0]))
    for number, members in enumerate(done):
        labels[members] = number
    return labels, total


def best_splits(
    X: NDArray[np.float64],
    clusters: NDArray[np.integer],
    frequent: FrequentMotifs | None,
    options: PartitionOptions,
    needed: float = 0.0,
) -> Iterator[tuple[float, NDArray[np.bool_]]]:
    """Yield groups that share no point, each with the logarithm of the e-value that it and the points that are left are two.

    Without a candidate this is one empty group with the evidence minus infinity.

    One search for candidates serves for all. The first group is that of most evidence, and its e-value is that of all
    candidates together. Then each candidate is tested among the points that are left, at their positions along its direction,
    which was learned without them. Its e-value is divided by the number of candidates: this is at most the mean of their
    e-values, which is an e-value. The probability of a false group is thus bounded over all candidates together, as in a new
    search. This goes on while the groups together are rare (``CONSTANTS.rarity``), so that they do not turn the directions. A
    mixture, which may be another one in every fold, has no such direction.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    clusters : ndarray of int, shape (n,)
    frequent : FrequentMotifs or None
        More frequent motifs, where they show the scatter of a motif.
    options : PartitionOptions
    needed : float
        Evidence of every group but the first, at least.

    Yields
    ------
    evidence : float
    group : ndarray of bool, shape (n,)
        The rarer of the two, of `options.min_size` points at least; empty and the last one if the first is smaller.
    """
    n = len(X)
    P = axes_of(X).apply(X)
    halves = parts_of_axes(P)
    candidates = [
        _Candidate(group, k)
        for k in tried_dimensions(n, P.shape[1])
        for group in first_candidates(P[:, :k], clusters, halves[:k], 2 if n < CONSTANTS.few else 3)
    ]
    folded: dict[int, FoldedPoints] = {}
    candidates, positions, groups, spreads, found = _held_out(P, candidates, options, 0, folded)
    if not candidates:
        yield -np.inf, np.zeros(n, dtype=bool)
        return
    refined = []
    for k in sorted({c.k for c in candidates}):
        alike = np.flatnonzero([c.k == k for c in candidates])
        for number in alike[refined_starts(groups[alike], found.each[alike])].tolist():
            refined += [_Candidate(positions[number] > 0.5, k), _Candidate(groups[number], k, mixture=True)]
    refined, more_positions, more_groups, more_spreads, more = _held_out(P, refined, options, 0, folded)
    folded = {}
    found = Evidence.of([found, more])
    candidates += refined
    positions, groups = np.concatenate([positions, more_positions]), np.concatenate([groups, more_groups])
    spreads = np.concatenate([spreads, more_spreads])
    order = np.argsort(-found.each, kind="stable")
    values = [found.joint]
    for number in range(1, n_partitions(n)) if found.joint >= _HOPELESS else ():
        kept, *_, evidence = _held_out(P, [candidates[c] for c in order[:_KEPT]], options, number, {})
        values.append(evidence.joint if kept else -np.inf)
    total = log_mean(values)
    group = cut_between(positions[order[0]], groups[order[0]], 2)
    known = None if frequent is None else frequent.projected(X)
    if known is not None:
        total, other = _with_known_scatter(*known, groups[order[:_KNOWN_TESTED]], total, options)
        group = group if other is None else other
    if min(group.sum(), n - group.sum()) < options.min_size:
        yield -np.inf, np.zeros(n, dtype=bool)
        return
    taken = group if 2 * group.sum() <= n else ~group
    yield total, taken
    fold, n_folds = fold_numbers(n, options.random_state, 0)
    for number in order[found.each[order] >= needed].tolist():
        left = np.flatnonzero(~taken)
        if len(left) < CONSTANTS.rarity * (n - len(left)):
            return
        if candidates[number].mixture:
            continue
        along, spread = positions[number, left], spreads[[number]]
        again = valley_evidence(along[None], spread, fold[left], n_folds, options.tail_exponent)
        own_evidence = float(again.each[0] - np.log(len(candidates)))
        if own_evidence >= needed:
            own = cut_between(along, groups[number, left], options.min_size)
            own = own if 2 * own.sum() <= len(left) else ~own
            if own.sum() >= options.min_size:
                group = np.zeros(n, dtype=bool)
                group[left[own]] = True
                taken = taken | group
                yield own_evidence, group


@dataclass(frozen=True)
class _Candidate:
    """A candidate group.

    Attributes
    ----------
    group : ndarray of bool, shape (n,)
    k : int
        Principal axes in which it is sought.
    mixture : bool
        Whether the group is the start of a mixture of two Gaussians, of which one component is the candidate.
    """

    group: NDArray[np.bool_]
    k: int
    mixture: bool = False


def _held_out(
    P: NDArray[np.float64],
    candidates: list[_Candidate],
    options: PartitionOptions,
    number: int,
    folded: dict[int, FoldedPoints],
) -> tuple[list[_Candidate], NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64], Evidence]:
    """Return the candidates (c) that a direction separates, positions (c, n), groups (c, n), spreads (c,) and evidence.

    Directions, and the mixtures, are learned without the fold that a point is in, for the partition into folds of a `number`.
    What is computed of the points alone is kept in `folded`, by the number of axes.
    """
    n = len(P)
    fold, n_folds = fold_numbers(n, options.random_state, number)

    def learned(
        kind: tuple[int, bool],
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
        k, mixture = kind
        found = np.array([c.group for c in candidates if (c.k, c.mixture) == kind])
        groups = mixtures_of_two(P[:, :k], found, fold, n_folds) if mixture else found
        if mixture:
            found = held_out_groups(groups, fold)
        places, numbers, spreads = held_out_positions(folded[k], groups)
        return places, numbers, found[numbers], spreads

    kinds = sorted({(c.k, c.mixture) for c in candidates})
    missing = sorted({k for k, _ in kinds} - folded.keys())
    if missing:
        points = FoldedPoints.of(P, fold, n_folds)
        folded.update((k, points.along(k)) for k in missing)
    kept: list[_Candidate] = []
    positions, groups, spreads = [np.zeros((0, n))], [np.zeros((0, n), dtype=bool)], [np.zeros(0)]
    for kind, (places, numbers, own_groups, own_spreads) in zip(
        kinds, for_each(learned, kinds, n), strict=True
    ):
        own = [c for c in candidates if (c.k, c.mixture) == kind]
        kept += [own[c] for c in numbers.tolist()]
        positions.append(places)
        groups.append(own_groups)
        spreads.append(own_spreads)
    along = np.concatenate(positions)
    spread = np.concatenate(spreads)
    evidence = valley_evidence(along, spread, fold, n_folds, options.tail_exponent)
    return kept, along, np.concatenate(groups), spread, evidence


def _with_known_scatter(
    points: NDArray[np.float64],
    covariance: NDArray[np.float64],
    groups: NDArray[np.bool_],
    evidence: float,
    options: PartitionOptions,
) -> tuple[float, NDArray[np.bool_] | None]:
    """Evidence with that against a known scatter; the group if that is the stronger one."""
    # In units of the known scatter two motifs lengthen the cloud along the line between them.
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), points.T).T
    along = PrincipalAxes.fit(whitened, whitened.shape[1]).apply(whitened)
    each, found = [], []
    for candidate in (*groups, *(along > np.median(along, axis=0)).T):
        tested = []
        for partition in range(n_partitions(len(points))):
            fold, n_folds = fold_numbers(len(points), options.random_state, partition)
            tested.append(known_scatter_evidence(points, covariance, candidate, fold, n_folds))
        values = [value for value, _ in tested]
        each.append(log_mean(values))
        found.append(tested[int(np.argmax(values))][1])
    best = int(np.argmax(each))
    return log_mean([evidence, log_mean(each)]), found[best] if each[best] > evidence else None


def merge_insignificant(
    X: NDArray[np.float64],
    labels: NDArray[np.integer],
    options: PartitionOptions,
    noise: NDArray[np.floating] | None = None,
) -> NDArray[np.int32]:
    """Merge motifs with the nearest more frequent one until all differ significantly.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    labels : ndarray of int, shape (n,)
        Motifs 0..
    options : PartitionOptions
    noise : ndarray, shape (n,), optional
        See `divide`.

    Returns
    -------
    ndarray of int32, shape (n,)
    """
    merged = np.array(labels, dtype=np.int32)
    significant: set[tuple[int, int, int, int]] = set()
    while merged.max() > 0:
        apart, size = separations_of(X, merged), np.bincount(merged)
        members = [np.flatnonzero(merged == name) for name in range(len(size))]
        worst, pair = np.inf, (0, 0)
        for name in np.lexsort((-np.arange(len(size)), size))[:-1].tolist():
            larger = [o for o in range(len(size)) if (size[o], -o) > (size[name], -name)]
            near = min(larger, key=lambda o: float(apart[name, o]))
            key = (int(members[name][0]), int(members[near][0]), int(size[name]), int(size[near]))
            if key in significant:
                continue
            value = -np.inf
            if size[name] >= options.min_size:
                both = np.concatenate([members[name], members[near]])
                frequent = (
                    [m for m in members if len(m) >= CONSTANTS.rarity * len(both)]
                    if options.known_scatter
                    else []
                )
                own = np.arange(len(both)) < size[name]
                value = split_evidence(
                    X[both],
                    own,
                    options.random_state,
                    _frequent(X, frequent, both, noise),
                    options.tail_exponent,
                )
            if value >= np.log(1 / options.alpha):
                significant.add(key)
            elif value < worst or pair == (0, 0):
                worst, pair = value, (name, near)
        if pair == (0, 0):
            break
        merged[merged == pair[0]] = pair[1]
        merged = np.unique(merged, return_inverse=True)[1].astype(np.int32)
    return merged


def partition(
    X: NDArray[np.float64],
    sound: NDArray[np.bool_],
    clusters: NDArray[np.integer],
    groups: NDArray[np.integer],
    options: PartitionOptions,
    noise: NDArray[np.floating] | None = None,
) -> tuple[list[MotifMixture], float]:
    """Find the motifs of each group, as mixtures that classify all points.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Features in units of their noise.
    sound : ndarray of bool, shape (n,)
        Points that may found motifs.
    clusters, groups : ndarray of int, shape (n,)
    options : PartitionOptions
    noise : ndarray, shape (n,), optional
        See `divide`.

    Returns
    -------
    mixtures : list of MotifMixture
        One for each group 0..
    evidence : float
        Sum of the logarithms of the e-values of the splits.
    """
    inside = np.flatnonzero(sound)
    labels, evidence = np.full(len(X), -1, dtype=np.int32), 0.0
    if len(inside):
        own_noise = None if noise is None else noise[inside]
        labels[inside], evidence = divide(X[inside], clusters[inside], groups[inside], options, own_noise)
    mixtures = []
    for group in range(int(groups.max()) + 1):
        members = np.flatnonzero((groups == group) & sound)
        if not len(members):
            members = np.flatnonzero(groups == group)
            own = np.zeros(len(members), dtype=np.int32)
        else:
            own = np.unique(labels[members], return_inverse=True)[1].astype(np.int32)
        if own.max() > 0:
            own = settled_labels(X[members], own)
            own = merge_insignificant(X[members], own, options, None if noise is None else noise[members])
        mixtures.append(MotifMixture.fit(X[members], own, options.known_scatter))
    return mixtures, evidence


def _frequent(
    X: NDArray[np.float64],
    groups: list[NDArray[np.int64]],
    members: NDArray[np.int64],
    noise: NDArray[np.floating] | None,
) -> FrequentMotifs | None:
    """Motifs with the features of their points, as though these had the noise of `members` if that is larger."""
    if not groups:
        return None
    means = np.array([X[m].mean(axis=0) for m in groups])
    apart = np.concatenate([X[m] - mean for m, mean in zip(groups, means, strict=True)])
    if noise is None:
        return FrequentMotifs(means, apart)
    ratio = float(np.mean(noise[members]) / np.mean(noise[np.concatenate(groups)]))
    return FrequentMotifs(means, apart * np.sqrt(max(ratio, 1.0)))
