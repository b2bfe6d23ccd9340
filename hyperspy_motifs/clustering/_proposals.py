"""Candidates for a split: clusters of the layout and halves of principal axes, refined by mixtures of two Gaussians."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._constants import CONSTANTS

_REFINED = 3  # candidates of every number of axes that are refined
_HALVED = 3  # leading axes whose halves are always refined
_MEDIANS = 10  # leading axes whose halves are candidates
_TAILED = 5  # leading axes whose two tails are candidates
_TAIL = 0.02
_STEPS = 40


def first_candidates(
    points: NDArray[np.float64], clusters: NDArray[np.integer], min_size: int
) -> NDArray[np.bool_]:
    """Return candidate groups, shape (c, n).

    Parameters
    ----------
    points : ndarray, shape (n, k)
        Principal components.
    clusters : ndarray of int, shape (n,)
        Density clusters of the layout, negative for points between them.
    min_size : int
        Points of the smallest candidate.
    """
    n, k = points.shape
    out = []
    names, count = np.unique(clusters[clusters >= 0], return_counts=True)
    names = names[(count >= min_size) & (count <= n - min_size)]
    most = max(min(CONSTANTS.candidates, CONSTANTS.tested_at_once // n), 8)
    if len(names) > most:
        # Those whose mean is least likely by chance (Hotelling).
        scaled = points / np.sqrt(points.var(axis=0) + CONSTANTS.ridge)
        place = np.searchsorted(names, clusters)
        place[~np.isin(clusters, names)] = len(names)
        sums = np.zeros((len(names) + 1, k))
        np.add.at(sums, place, scaled)
        size = np.bincount(place, minlength=len(names) + 1)
        unusual = (sums**2).sum(axis=1)[:-1] / np.maximum(size[:-1], 1)
        names = names[np.argsort(-unusual, kind="stable")[:most]]
    out += [clusters == name for name in names]
    for axis in range(min(k, _MEDIANS)):
        x = points[:, axis]
        out.append(x > np.median(x))
        if axis < _TAILED:
            low, high = np.quantile(x, (_TAIL, 1 - _TAIL))
            out += [x < low, x > high]
    allowed = [group for group in out if min_size <= group.sum() <= n - min_size]
    return np.array(allowed, dtype=bool).reshape(-1, n)


def refined_candidates(
    points: NDArray[np.float64],
    candidates: NDArray[np.bool_],
    positions: NDArray[np.float64],
    evidence: NDArray[np.float64],
    min_size: int,
) -> NDArray[np.bool_]:
    """Return further candidates, shape (c, n): those of most evidence and the halves of leading axes, refined.

    Parameters
    ----------
    points : ndarray, shape (n, k)
    candidates : ndarray of bool, shape (c', n)
    positions : ndarray, shape (c', n)
        Along the discriminant of each.
    evidence : ndarray, shape (c',)
    min_size : int
    """
    n = len(points)
    halves = np.flatnonzero(np.abs(candidates.sum(axis=1) - n / 2) <= 1)[:_HALVED]
    chosen = dict.fromkeys([*np.argsort(-evidence, kind="stable")[:_REFINED].tolist(), *halves.tolist()])
    numbers = np.array(list(chosen), dtype=np.int64)
    mixed = mixtures_of_two(points, candidates[numbers])
    out = np.stack([positions[numbers] > 0.5, mixed], axis=1).reshape(-1, n)
    sizes = out.sum(axis=1)
    return out[(min_size <= sizes) & (sizes <= n - min_size)]


def mixtures_of_two(points: NDArray[np.float64], groups: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the rarer of the two groups of a mixture of Gaussians of one covariance, started from each of `groups`.

    It is fitted to evenly spaced points where there are many. A mixture of which one group empties is left as it was.

    Parameters
    ----------
    points : ndarray, shape (n, k)
    groups : ndarray of bool, shape (c, n)

    Returns
    -------
    ndarray of bool, shape (c, n)
    """
    n, k = points.shape
    some = slice(None, None, max(n // CONSTANTS.mixture_points, 1))
    fitted, weights = points[some], groups[:, some].astype(np.float64)
    square, total, m = fitted.T @ fitted, fitted.sum(axis=0), len(fitted)
    square = square / m + CONSTANTS.ridge * np.eye(k)
    out = groups.copy()
    directions, offsets = np.zeros((len(groups), k)), np.zeros(len(groups))
    going = np.arange(len(groups))
    for _ in range(_STEPS):
        weight = weights[going]
        n_a = weight.sum(axis=1)
        full = np.minimum(n_a, m - n_a) >= 2
        directions[going[~full]] = np.nan
        going, weight, n_a = going[full], weight[full], n_a[full]
        if not len(going):
            break
        n_b, sums = m - n_a, weight @ fitted
        a, b = sums / n_a[:, None], (total - sums) / n_b[:, None]
        between = (
            n_a[:, None, None] * a[:, :, None] * a[:, None] + n_b[:, None, None] * b[:, :, None] * b[:, None]
        )
        direction = np.linalg.solve(square - between / m, (a - b)[..., None])[..., 0]
        directions[going] = direction
        offsets[going] = np.log(n_a / n_b) - 0.5 * ((a + b) * direction).sum(axis=1)
        new = 1 / (1 + np.exp(-np.clip(direction @ fitted.T + offsets[going, None], -50, 50)))
        weights[going] = new
        going = going[np.abs(new - weight).max(axis=1) >= 1e-3]
    kept = np.isfinite(directions).all(axis=1)
    inside = directions[kept] @ points.T + offsets[kept, None] > 0
    out[kept] = np.where(2 * inside.sum(axis=1, keepdims=True) <= n, inside, ~inside)
    return out


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
        new = 1 / (1 + np.exp(-np.clip(score, -50, 50)))
        settled = np.abs(new - weight).max() < 1e-3
        weight = new
        if settled:
            break
    inside = weight > 0.5
    return inside if min_size <= inside.sum() <= n - min_size else group
