"""Bonds that cross."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


def crossing_pairs(points: NDArray[np.floating], bonds: NDArray[np.integer]) -> NDArray[np.int64]:
    """Pairs of bonds that cross in their inner parts, shape (c, 2)."""
    if len(bonds) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    p, q = points[bonds[:, 0]], points[bonds[:, 1]]
    half = 0.5 * np.linalg.norm(p - q, axis=1)
    # The midpoints of two crossing bonds are closer than the sum of their half lengths. The rare long bonds are
    # tested separately, so that the search among the others stays local.
    long = half > 2.5 * np.median(half)
    tree = cKDTree(0.5 * (p + q))
    pairs = tree.query_pairs(2 * float(half[~long].max()), output_type="ndarray")
    parts = [pairs[~long[pairs].any(axis=1)]]
    for k in np.flatnonzero(long):
        other = np.asarray(
            tree.query_ball_point(0.5 * (p[k] + q[k]), half[k] + float(half.max())), dtype=np.int64
        )
        other = other[~long[other] | (other > k)]
        parts.append(np.column_stack([np.full(len(other), k), other]))
    pairs = np.concatenate(parts).astype(np.int64)
    a, b = bonds[pairs[:, 0]], bonds[pairs[:, 1]]
    apart = (a[:, :, None] != b[:, None, :]).all(axis=(1, 2))
    pairs, a, b = pairs[apart], a[apart], b[apart]

    def side(
        start: NDArray[np.integer], end: NDArray[np.integer], other: NDArray[np.integer]
    ) -> NDArray[np.floating]:
        u, v = points[end] - points[start], points[other] - points[start]
        return u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]

    crosses = (side(a[:, 0], a[:, 1], b[:, 0]) * side(a[:, 0], a[:, 1], b[:, 1]) < 0) & (
        side(b[:, 0], b[:, 1], a[:, 0]) * side(b[:, 0], b[:, 1], a[:, 1]) < 0
    )
    return pairs[crosses]


def without_crossings(points: NDArray[np.floating], bonds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bonds that remain after removal of the longer of two crossing ones (of equal ones that of higher index).

    The longest crossing bond is removed first, so that no bond is removed for a crossing that no longer exists.
    """
    pairs = crossing_pairs(points, bonds)
    if len(pairs) == 0:
        return bonds
    length = np.linalg.norm(points[bonds[:, 0]] - points[bonds[:, 1]], axis=1)
    keep = np.ones(len(bonds), dtype=bool)
    rank = np.empty(len(bonds), dtype=np.int64)
    rank[np.lexsort((np.arange(len(bonds)), length))] = np.arange(len(bonds))
    worse = np.where(rank[pairs[:, 0]] > rank[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
    better = pairs.sum(axis=1) - worse
    for k in np.argsort(-rank[worse], kind="stable"):
        if keep[worse[k]] and keep[better[k]]:
            keep[worse[k]] = False
    return bonds[keep]
