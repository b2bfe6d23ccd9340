"""Distances between neighbouring columns."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree


def nearest_neighbour_distance(positions: np.ndarray) -> float:
    """Return the typical distance of first neighbours, in the unit of `positions`.

    This is the median of the nearest-neighbour distances. It is the bond length if all columns have the same
    bonds, and one of the bond lengths of the structure if they have several.

    Parameters
    ----------
    positions : array_like of shape (n, 2)

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If there are fewer than two positions.

    Examples
    --------
    >>> nearest_neighbour_distance([[0, 0], [0, 2], [2, 2], [2, 0]])
    2.0
    """
    points = np.asarray(positions, float)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
        raise ValueError(f"positions must be an array of shape (n, 2) with n >= 2, not {points.shape}")
    distances = cKDTree(points).query(points, k=2)[0][:, 1]
    positive = distances[distances > 0]
    if not len(positive):
        raise ValueError("all positions coincide: the distance between neighbours is undefined")
    return float(np.median(positive))


def neighbour_table(positions: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the neighbours within `reach` of each position, as CSR arrays ``(starts, indices)``, indices ascending."""
    n = len(positions)
    pairs = cKDTree(positions).query_pairs(reach, output_type="ndarray")
    # One number per pair, in the order of the table.
    keys = np.sort(np.concatenate([pairs[:, 0] * n + pairs[:, 1], pairs[:, 1] * n + pairs[:, 0]]))
    first = keys // max(n, 1)
    counts = np.bincount(first, minlength=n)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), (keys - first * n).astype(np.int64)


def nearest_in_table(positions: np.ndarray, starts: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return the distance from each position to its nearest neighbour in a table; infinite if it has none."""
    out = np.full(len(positions), np.inf)
    some = np.flatnonzero(np.diff(starts))
    if len(some):
        apart = positions[indices] - np.repeat(positions, np.diff(starts), axis=0)
        out[some] = np.sqrt(np.minimum.reduceat((apart**2).sum(axis=1), starts[some]))
    return out


def subset_of_table(
    starts: np.ndarray, indices: np.ndarray, which: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the table of neighbours among the positions in the mask `which`, with indices relabelled sequentially."""
    first = np.repeat(np.arange(len(which)), np.diff(starts))
    kept = which[first] & which[indices]
    counts = np.bincount(first[kept], minlength=len(which))[which]
    numbers = np.cumsum(which) - 1
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), numbers[indices[kept]].astype(np.int64)


def drop_close(positions: np.ndarray, heights: np.ndarray, distance: float) -> np.ndarray:
    """Return a mask that removes, highest first, every position closer than `distance` to one that is kept."""
    keep = np.ones(len(positions), bool)
    if len(positions) < 2:
        return keep
    pairs = cKDTree(positions).query_pairs(distance, output_type="ndarray")
    rank = np.empty(len(positions), int)
    rank[np.argsort(-heights, kind="stable")] = np.arange(len(positions))
    low_first = rank[pairs[:, 0]] < rank[pairs[:, 1]]
    higher = np.where(low_first, pairs[:, 0], pairs[:, 1])
    lower = np.where(low_first, pairs[:, 1], pairs[:, 0])
    for k in np.lexsort((rank[lower], rank[higher])):
        if keep[higher[k]]:
            keep[lower[k]] = False
    return keep
