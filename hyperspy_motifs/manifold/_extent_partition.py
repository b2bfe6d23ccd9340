"""Cut a cloud of points into parts of like extent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEPS = 100


def partition_by_extent(points: NDArray[np.float64], k: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Cut a cloud of points into parts of like extent, the same way every time.

    Lloyd's algorithm (k-means) from the point furthest from the middle and, one after another, those furthest from all taken
    so far (Gonzalez, Theor. Comput. Sci. 38 (1985) 293): no random number has a part in it. On diffusion coordinates it
    is the partition that disturbs the diffusion least (Lafon and Lee, IEEE Trans. Pattern Anal. 28 (2006) 1393).

    Parameters
    ----------
    points : ndarray, shape (n, d)
    k : int
        At most n.

    Returns
    -------
    labels : ndarray of int32, shape (n,)
    squares : ndarray, shape (n, k)
        Squared distances to the middles of the parts.
    """
    points = points - points.mean(axis=0)
    norm = (points**2).sum(axis=1)
    seeds = [int(norm.argmax())]
    nearest = _squares(points, norm, points[seeds])[:, 0]
    while len(seeds) < k:
        seeds.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _squares(points, norm, points[seeds[-1:]])[:, 0])
    middles = points[seeds]
    labels = np.full(len(points), -1)
    for _ in range(_STEPS):
        squares = _squares(points, norm, middles)
        now = squares.argmin(axis=1)
        if np.array_equal(now, labels):
            break
        labels = now
        count = np.bincount(labels, minlength=k)
        sums = np.zeros_like(middles)
        np.add.at(sums, labels, points)
        middles = np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], middles)
    return np.unique(labels, return_inverse=True)[1].astype(np.int32), squares[:, np.unique(labels)]


def partition_of_min_size(
    points: NDArray[np.float64], k: int, least: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """As `partition_by_extent`, of `least` points or more each.

    A few odd points far from all others would be parts of their own. The rest is cut without them, and they join the
    part with the nearest middle.
    """
    rest = np.arange(len(points))
    while True:
        labels, squares = partition_by_extent(points[rest], min(k, max(len(rest) // least, 1)))
        count = np.bincount(labels)
        if count.min() >= least or len(count) == 1:
            break
        rest = rest[(count >= least)[labels]]
    if len(rest) == len(points):
        return labels, squares
    middles = np.zeros((len(count), points.shape[1]))
    np.add.at(middles, labels, points[rest])
    middles /= count[:, None]
    squares = _squares(points, (points**2).sum(axis=1), middles)
    out = squares.argmin(axis=1).astype(np.int32)
    out[rest] = labels
    return out, squares


def _squares(
    points: NDArray[np.float64], norm: NDArray[np.float64], middles: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.maximum(norm[:, None] - 2 * points @ middles.T + (middles**2).sum(axis=1), 0)
