"""Candidates for a split: clusters of the layout and halves of principal axes, refined by mixtures of two Gaussians."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import cKDTree

from hyperspy_motifs.threads import MANY

from ._constants import CONSTANTS, MIN_MOTIF_SIZE

_REFINED = 3  # candidates of every number of axes that are refined
_HALVED = 3  # leading axes whose halves are always refined
_MEDIANS = 10  # leading axes whose halves are candidates
_TAILED = 5  # leading axes whose two tails are candidates
_TAIL = 0.02  # share of the points in a tail
_STEPS = 40  # of the refinement of a candidate
_LINKS = 12  # neighbours in the layout that a point is linked to


def parts_of_axes(points: NDArray[np.float64]) -> list[list[NDArray[np.bool_]]]:
    """Return the points (n, k) beyond the median, and those in either tail, for each of the leading axes."""
    parts = []
    for axis, x in enumerate(points.T[:_MEDIANS]):
        parts.append([x > np.median(x)])
        if axis < _TAILED:
            low, high = np.quantile(x, (_TAIL, 1 - _TAIL))
            parts[-1] += [x < low, x > high]
    return parts


def first_candidates(
    points: NDArray[np.float64],
    clusters: NDArray[np.integer],
    parts: list[list[NDArray[np.bool_]]],
    min_size: int,
) -> NDArray[np.bool_]:
    """Return candidate groups, shape (c, n).

    Parameters
    ----------
    points : ndarray, shape (n, k)
        Principal components.
    clusters : ndarray of int, shape (n,)
        Density clusters of the layout, negative for points between them.
    parts : list of list of ndarray of bool, shape (n,)
        From `parts_of_axes`, of the same axes.
    min_size : int
        Points of the smallest candidate.
    """
    n = len(points)
    names, count = np.unique(clusters[clusters >= 0], return_counts=True)
    names = names[(count >= min_size) & (count <= n - min_size)]
    most = max(min(CONSTANTS.candidates, CONSTANTS.tested_at_once // n), 8)
    if len(names) > most:
        # Those whose mean is least likely by chance (Hotelling).
        scaled = points / np.sqrt(points.var(axis=0) + CONSTANTS.ridge)
        place = np.searchsorted(names, clusters)
        place[~np.isin(clusters, names)] = len(names)
        sums = np.array([np.bincount(place, along, minlength=len(names) + 1)[:-1] for along in scaled.T])
        unusual = (sums**2).sum(axis=0) / np.bincount(place, minlength=len(names) + 1)[:-1]
        names = names[np.argsort(-unusual, kind="stable")[:most]]
    out = [clusters == name for name in names]
    for of_axis in parts:
        out += of_axis
    allowed = [group for group in out if min_size <= group.sum() <= n - min_size]
    return np.array(allowed, dtype=bool).reshape(-1, n)


def refined_starts(candidates: NDArray[np.bool_], evidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the numbers of the candidates (c, n) to refine: those of most `evidence` (c,), and the halves of leading axes."""
    n = candidates.shape[1]
    halves = np.flatnonzero(np.abs(candidates.sum(axis=1) - n / 2) <= 1)[:_HALVED]
    best = np.argsort(-evidence, kind="stable")[:_REFINED]
    return np.array(list(dict.fromkeys([*best.tolist(), *halves.tolist()])), dtype=np.int64)


def mixtures_of_two(
    points: NDArray[np.float64], groups: NDArray[np.bool_], fold: NDArray[np.int64], n_folds: int
) -> NDArray[np.bool_]:
    """Return the rarer groups of mixtures of two Gaussians of one covariance, for each fold fitted to the points of the others.

    They are fitted to evenly spaced points where there are many. A mixture of which one group empties is left as it was.

    Parameters
    ----------
    points : ndarray, shape (n, k)
    groups : ndarray of bool, shape (c, n)
        One group of each mixture at its start.
    fold : ndarray of int, shape (n,)
    n_folds : int

    Returns
    -------
    ndarray of bool, shape (c, n_folds, n)
        Of all points, those of the fold included.
    """
    (n, k), c = points.shape, len(groups)
    some = slice(None, None, max(n // CONSTANTS.mixture_points, 1))
    fitted = points[some]
    learned = (fold[some] != np.arange(n_folds)[:, None]).astype(np.float64)  # (n_folds, m)
    size, total = learned.sum(axis=1), learned @ fitted
    middle = total / size[:, None]
    # With the total covariance instead of that within the groups the direction has the same sense, but is shorter by a factor
    # (Sherman and Morrison).
    covariance = np.array([(fitted * used[:, None]).T @ fitted for used in learned]) / size[:, None, None]
    covariance += CONSTANTS.ridge * np.eye(k) - middle[:, :, None] * middle[:, None]
    inverse = np.linalg.inv(covariance)
    of = np.tile(np.arange(n_folds), c)  # the fold of each row
    start = np.repeat(groups[:, some].astype(np.float64), n_folds, axis=0) * learned[of]
    directions, offsets = np.zeros((len(of), k)), np.zeros(len(of))
    going, weight = np.arange(len(of)), start
    for _ in range(_STEPS):
        n_a, m = weight.sum(axis=1), size[of[going]]
        full = np.minimum(n_a, m - n_a) >= 2
        directions[going[~full]] = np.nan
        going, weight, n_a, m = going[full], weight[full], n_a[full], m[full]
        if not len(going):
            break
        n_b, sums = m - n_a, weight @ fitted
        a, b = sums / n_a[:, None], (total[of[going]] - sums) / n_b[:, None]
        direction = ((a - b)[:, None] @ inverse[of[going]])[:, 0]
        shortened = n_a * n_b / m**2 * ((a - b) * direction).sum(axis=1)
        direction /= (1 - shortened)[:, None]
        directions[going] = direction
        offsets[going] = np.log(n_a / n_b) - 0.5 * ((a + b) * direction).sum(axis=1)
        new = logistic(direction @ fitted.T + offsets[going, None])
        new *= learned[of[going]]
        moving = np.abs(new - weight).max(axis=1) >= 1e-3
        going, weight = going[moving], new[moving]
    kept = np.isfinite(directions).all(axis=1)
    out = np.repeat(groups, n_folds, axis=0)
    inside = directions[kept] @ points.T + offsets[kept, None] > 0
    # The two components have no order: that on the side of the start is the group, in every fold.
    start_size = start.sum(axis=1)
    towards = start @ fitted / np.maximum(start_size, 1)[:, None] - middle[of]
    out[kept] = inside == ((directions * towards).sum(axis=1)[kept, None] > 0)
    out = out.reshape(c, n_folds, n)
    frequent = 2 * held_out_groups(out, fold).sum(axis=1) > n
    return np.where(frequent[:, None, None], ~out, out)


def held_out_groups(groups: NDArray[np.bool_], fold: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return groups (c, n) in which each point is where the groups (c, n_folds, n) that were learned without it put it."""
    return groups[:, fold, np.arange(len(fold))]


def cut_between(positions: NDArray[np.float64], group: NDArray[np.bool_], min_size: int) -> NDArray[np.bool_]:
    """Return `group` with its border moved to where two Gaussians of one spread on a line are equally likely."""
    weight, n = group.astype(np.float64), len(positions)
    for _ in range(_STEPS // 2):
        n_a, n_b = weight.sum(), n - weight.sum()
        if min(n_a, n_b) < min_size:
            return group
        a, b = weight @ positions / n_a, (1 - weight) @ positions / n_b
        variance = (weight @ (positions - a) ** 2 + (1 - weight) @ (positions - b) ** 2) / n + 1e-9
        score = (a - b) * (positions - 0.5 * (a + b)) / variance + np.log(n_a / n_b)
        new = logistic(score)
        settled = np.abs(new - weight).max() < 1e-3
        weight = new
        if settled:
            break
    inside = weight > 0.5
    return inside if min_size <= inside.sum() <= n - min_size else group


def logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logistic function of values, which are limited to 50 either way."""
    out = np.clip(x, -50, 50)
    np.exp(np.negative(out, out=out), out=out)
    return np.asarray(1 / (1 + out))


def density_clusters(
    layout: NDArray[np.floating], min_motif_size: int = MIN_MOTIF_SIZE, prominence: float = 1.3
) -> NDArray[np.int32]:
    r"""Return the leaves of the density tree of a layout.

    Points are merged in the order of their mutual reachability distance :math:`\max(c_i, c_j, d_{ij})`, where c is
    the distance to the `min_motif_size`-th neighbour (Campello, Moulavi and Sander, 2013). A branch is a cluster if
    it has at least `min_motif_size` points and its smallest distance is `prominence` times smaller than the distance
    at which it meets another such branch. Branches that meet with less prominence form one cluster. Links connect
    each point with its twelve nearest neighbours, so the run time grows as n log n.

    Parameters
    ----------
    layout : ndarray, shape (n, d)
    min_motif_size : int
        Number of points of the smallest cluster.
    prominence : float
        Ratio of distances, at least 1. A value of 1 keeps every fluctuation.

    Returns
    -------
    ndarray of int32, shape (n,)
        Cluster of each point, from 0, or -1 for points between clusters.
    """
    n = len(layout)
    if n <= max(min_motif_size, 2):
        return np.zeros(n, dtype=np.int32)
    k = min(max(_LINKS, min_motif_size) + 1, n)
    # Several threads are used only for many points. Each point is queried independently.
    workers = int(numba.get_num_threads()) if n > MANY else 1
    distances, indices = cKDTree(layout).query(layout, k=k, workers=workers)
    core = distances[:, min(min_motif_size, k - 1)]
    # Links of equal length stay in the order of their points.
    sequence = np.argsort(indices[:, 1:], axis=1)
    columns = np.take_along_axis(indices[:, 1:], sequence, axis=1)
    lengths = np.take_along_axis(distances[:, 1:], sequence, axis=1)
    lengths = np.maximum(np.maximum(core[:, None], core[columns]), lengths).ravel()
    rows, columns = np.repeat(np.arange(n, dtype=np.int64), k - 1), columns.ravel()
    order = np.argsort(lengths, kind="stable")
    seeds = _leaves(rows[order], columns[order], lengths[order], core, min_motif_size, prominence)
    labels = np.full(n, -1, dtype=np.int32)
    found, numbers = np.unique(seeds[seeds >= 0], return_inverse=True)
    labels[seeds >= 0] = numbers
    return labels if len(found) else np.zeros(n, dtype=np.int32)


def _leaves(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    lengths: NDArray[np.float64],
    core: NDArray[np.float64],
    min_motif_size: int,
    prominence: float,
) -> NDArray[np.int64]:
    """Apply single linkage to sorted links. A component is young (too small), a leaf, or closed (has finished leaves)."""
    n = len(core)
    # Links between parts of one component change nothing. By rank, all links differ, and the tree is unique.
    ranks = csr_array((np.arange(1.0, len(rows) + 1), (rows, columns)), shape=(n, n))
    tree = np.sort(minimum_spanning_tree(ranks).data).astype(np.int64) - 1
    parent, members = list(range(n)), [[i] for i in range(n)]
    birth, closed = core.tolist(), [False] * n  # innermost distance of the component
    leaf_of = np.full(n, -1)
    for a, b, length in zip(rows[tree].tolist(), columns[tree].tolist(), lengths[tree].tolist(), strict=True):
        while (up := parent[a]) != a:
            parent[a] = a = parent[up]
        while (up := parent[b]) != b:
            parent[b] = b = parent[up]
        size_a, size_b = len(members[a]), len(members[b])
        if size_a < size_b or (size_a == size_b and b < a):
            a, b, size_b = b, a, size_a
        # One that is too small never stands.
        if closed[b] or (size_b >= min_motif_size and birth[b] * prominence <= length):
            if closed[a] or birth[a] * prominence <= length:
                for c in (a, b):
                    if not closed[c]:
                        leaf_of[members[c]] = c
                closed[a] = True
            else:
                closed[a] = closed[b]
        parent[b] = a
        birth[a] = min(birth[a], birth[b])
        members[a] += members[b]
        members[b] = []
    for c in range(n):
        if not closed[c] and len(members[c]) >= min_motif_size:
            leaf_of[members[c]] = c
    return leaf_of
