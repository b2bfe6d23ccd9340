"""k nearest neighbours, the same for any number of threads."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.neighbors import NearestNeighbors

from hyperspy_motifs.compilation import OUTER
from hyperspy_motifs.threads import over_rows

from ._forest import forest_neighbours

_BRUTE_FORCE_UP_TO = 20_000
_SPARE = 8  # candidates beyond k: BLAS rounds differently for other thread counts


def nearest_neighbours(
    X: ArrayLike, k: int, *, metric: str = "euclidean", method: str = "auto", random_state: int = 0
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the `k` nearest other points of every point.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Points.
    k : int
        Number of neighbours; at most n - 1.
    metric : str, default "euclidean"
        "euclidean", "correlation" and "cosine" are fast; any other metric of scikit-learn works up to
        moderate n. Correlation forgets the amplitude of a patch, hence its Z-contrast.
    method : {"auto", "exact", "forest"}
        "exact" is brute force by matrix products; "forest" finds candidates in a few trees of random splits
        and improves them by neighbours of neighbours: its time grows as n log n. "auto" is exact up to
        20,000 points.
    random_state : int
        Of the forest.

    Returns
    -------
    indices : ndarray of int32, shape (n, k)
        Nearest first; the point itself is not among them.
    distances : ndarray of float32, shape (n, k)

    Raises
    ------
    ValueError
        If `k` is not between 1 and n - 1, or a name is unknown.

    Notes
    -----
    Brute force ranks by ``|b|^2 - 2 a.b`` in single precision, keeps eight candidates too many and measures
    these again, so that rounding (which depends on the threads of BLAS) does not decide.
    """
    points = np.asarray(X, dtype=np.float32)
    n = len(points)
    if not 1 <= k < n:
        raise ValueError(f"k={k} neighbours of {n} points: k must lie between 1 and {n - 1}.")
    if not np.isfinite(points).all():
        raise ValueError("Points hold NaN or infinite values: leave these points out first.")
    if method not in ("auto", "exact", "forest"):
        raise ValueError(f"method={method!r} is unknown; use 'auto', 'exact' or 'forest'.")
    if metric in ("correlation", "cosine"):
        if metric == "correlation":
            points = points - points.mean(axis=1, keepdims=True)
        norm = np.linalg.norm(points, axis=1, keepdims=True)
        points = (points / np.where(norm > 0, norm, 1)).astype(np.float32)
    elif metric != "euclidean":
        search = NearestNeighbors(n_neighbors=k, metric=metric).fit(points)
        distances, indices = search.kneighbors()
        return indices.astype(np.int32), distances.astype(np.float32)
    else:
        points = points - points.mean(axis=0)
    points = np.ascontiguousarray(points)
    if method == "forest" or (method == "auto" and n > _BRUTE_FORCE_UP_TO):
        indices, squares = forest_neighbours(points, k, random_state)
    else:
        indices, squares = _brute_force(points, points, k, True)
    if metric == "euclidean":
        return indices, np.sqrt(squares)
    return indices, (squares / 2).astype(np.float32)


def nearest_in(
    queries: NDArray[np.float32], points: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the `k` nearest of `points` (n, d) to every query (q, d): indices (q, k), distances (q, k).

    Parameters
    ----------
    queries : (q, d) float32 array
    points : (n, d) float32 array
    k : int

    Returns
    -------
    indices : (q, k) int32 array
    distances : (q, k) float32 array
    """
    centre = points.mean(axis=0)
    indices, squares = _brute_force(
        np.ascontiguousarray(queries - centre), np.ascontiguousarray(points - centre), k, False
    )
    return indices, np.sqrt(squares)


def _brute_force(
    queries: NDArray[np.float32], points: NDArray[np.float32], k: int, same: bool
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    n, q = len(points), len(queries)
    n_candidates = min(k + _SPARE, n - 1 if same else n)
    # One product gives the whole rank: (-2 a, 1) . (b, |b|^2).
    squares = np.einsum("ij,ij->i", points, points)
    extended = np.ascontiguousarray(np.column_stack([points, squares]).T)
    rows = max(64, min(2048, 40_000_000 // n))
    indices = np.empty((q, k), dtype=np.int32)
    distances = np.empty((q, k), dtype=np.float32)
    for first in range(0, q, rows):
        chunk = queries[first : first + rows]
        rank = np.column_stack([-2 * chunk, np.ones(len(chunk), dtype=np.float32)]) @ extended
        last = first + len(chunk)
        over_rows(
            _select,
            len(chunk),
            rank,
            chunk,
            points,
            first if same else -1,
            n_candidates,
            indices[first:last],
            distances[first:last],
        )
    return indices, distances


@numba.njit(cache=True, **OUTER)
def _select(
    start: int,
    stop: int,
    rank: NDArray[np.float32],
    queries: NDArray[np.float32],
    points: NDArray[np.float32],
    first: int,
    n_candidates: int,
    indices: NDArray[np.int32],
    distances: NDArray[np.float32],
) -> None:
    """Candidates by rank, measured again, sorted by distance and then by index."""
    n = rank.shape[1]
    k = indices.shape[1]
    for row in range(start, stop):
        itself = first + row if first >= 0 else -1
        best = np.full(n_candidates, np.inf, dtype=np.float32)
        where = np.full(n_candidates, -1, dtype=np.int32)
        for j in range(n):
            value = rank[row, j]
            if value < best[n_candidates - 1] and j != itself:
                slot = n_candidates - 1
                while slot > 0 and best[slot - 1] > value:
                    best[slot] = best[slot - 1]
                    where[slot] = where[slot - 1]
                    slot -= 1
                best[slot] = value
                where[slot] = j
        exact = np.empty(n_candidates, dtype=np.float64)
        for c in range(n_candidates):
            total = 0.0
            for d in range(points.shape[1]):
                step = float(queries[row, d]) - float(points[where[c], d])
                total += step * step
            exact[c] = total
        for c in range(1, n_candidates):
            value64, index = exact[c], where[c]
            slot = c
            while slot > 0 and (
                exact[slot - 1] > value64 or (exact[slot - 1] == value64 and where[slot - 1] > index)
            ):
                exact[slot] = exact[slot - 1]
                where[slot] = where[slot - 1]
                slot -= 1
            exact[slot] = value64
            where[slot] = index
        for c in range(k):
            indices[row, c] = where[c]
            distances[row, c] = exact[c]
