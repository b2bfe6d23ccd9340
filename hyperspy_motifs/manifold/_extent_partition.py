"""Partitions of a point cloud into groups of similar extent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ITERATIONS = 100


def partition_by_extent(points: NDArray[np.float64], k: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Partition a cloud of points into groups of similar extent, without random numbers.

    Lloyd's algorithm (k-means). The first seed is the point furthest from the mean; each further seed is the point furthest
    from all seeds so far (Gonzalez, Theor. Comput. Sci. 38 (1985) 293). On diffusion coordinates this partition
    disturbs the diffusion least (Lafon and Lee, IEEE Trans. Pattern Anal. 28 (2006) 1393).

    Parameters
    ----------
    points : ndarray, shape (n, d)
    k : int
        Number of groups, at most n.

    Returns
    -------
    labels : ndarray of int32, shape (n,)
        Groups 0, 1, ...; fewer than `k` where points coincide.
    squares : ndarray of float64, shape (n, k)
        Squared distances to the means of the groups.
    """
    points = points - points.mean(axis=0)
    norm = (points**2).sum(axis=1)
    seeds = [int(norm.argmax())]
    nearest = _squares(points, norm, points[seeds])[:, 0]
    while len(seeds) < k:
        seeds.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _squares(points, norm, points[seeds[-1:]])[:, 0])
    means = points[seeds]
    labels = np.full(len(points), -1)
    for _ in range(_ITERATIONS):
        squares = _squares(points, norm, means)
        assigned = squares.argmin(axis=1)
        if np.array_equal(assigned, labels):
            break
        labels = assigned
        count = np.bincount(labels, minlength=k)
        sums = np.zeros_like(means)
        np.add.at(sums, labels, points)
        means = np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], means)
    return np.unique(labels, return_inverse=True)[1].astype(np.int32), squares[:, np.unique(labels)]


def partition_of_min_size(
    points: NDArray[np.float64], k: int, min_size: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Partition a cloud of points into groups of similar extent with at least `min_size` points each.

    A few points far from all others would form groups of their own. `partition_by_extent` is applied to the rest,
    and these points then join the group with the nearest mean.

    Parameters
    ----------
    points : ndarray, shape (n, d)
    k : int
        Largest number of groups.
    min_size : int
        Fewest points of a group.

    Returns
    -------
    labels : ndarray of int32, shape (n,)
        Groups 0, 1, ...
    squares : ndarray of float64, shape (n, groups)
        Squared distances to the means of the groups.
    """
    rest = np.arange(len(points))
    while True:
        labels, squares = partition_by_extent(points[rest], min(k, max(len(rest) // min_size, 1)))
        count = np.bincount(labels)
        if count.min() >= min_size or len(count) == 1:
            break
        rest = rest[(count >= min_size)[labels]]
    if len(rest) == len(points):
        return labels, squares
    means = np.zeros((len(count), points.shape[1]))
    np.add.at(means, labels, points[rest])
    means /= count[:, None]
    squares = _squares(points, (points**2).sum(axis=1), means)
    out = squares.argmin(axis=1).astype(np.int32)
    out[rest] = labels
    return out, squares


def _squares(
    points: NDArray[np.float64], norm: NDArray[np.float64], means: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.maximum(norm[:, None] - 2 * points @ means.T + (means**2).sum(axis=1), 0)
