"""Nearest neighbours in feature space, and the graph of ties."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from sklearn.neighbors import NearestNeighbors

from hyperspy_motifs.compilation import INNER, OUTER
from hyperspy_motifs.threads import one_blas_thread, over_rows

from ._forest import forest_neighbours

_BRUTE_FORCE_UP_TO = 30_000
_SPARE = 8  # candidates beyond k: rounding of matrix products depends on the machine
_RANKS = 500_000  # block size: two megabytes, which fit into caches
_MOST_ROWS = 64
_STRIDE = 64


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
        "euclidean", "correlation" and "cosine" are fast; other metrics of scikit-learn work up to moderate n.
        Correlation ignores the amplitude of a patch, hence its Z-contrast.
    method : {"auto", "exact", "forest"}
        "exact" is brute force by matrix products; "forest" finds candidates in a few trees of random splits
        and improves them by neighbours of neighbours: its time increases as n log n. "auto" is exact up to
        30,000 points.
    random_state : int
        Random state of the forest.

    Returns
    -------
    indices : ndarray of int32, shape (n, k)
        Nearest first, without the point itself.
    distances : ndarray of float32, shape (n, k)

    Raises
    ------
    ValueError
        If `k` is not between 1 and n - 1, or a name is unknown.

    Notes
    -----
    Brute force ranks by ``|b|^2 - 2 a.b`` in single precision, keeps eight additional candidates and computes their
    distances again, so that rounding does not determine the result.
    """
    points = np.asarray(X, dtype=np.float32)
    n = len(points)
    if not 1 <= k < n:
        raise ValueError(f"k={k} neighbours of {n} points: k must lie between 1 and {n - 1}.")
    if not np.isfinite(points).all():
        raise ValueError("Points hold NaN or infinite values: remove these points first.")
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
    """Return the `k` nearest `points` (n, d) of every query (q, d): indices (q, k), distances (q, k).

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
    extended_queries = np.column_stack([-2 * queries, np.ones(q, dtype=np.float32)])
    indices = np.empty((q, k), dtype=np.int32)
    distances = np.empty((q, k), dtype=np.float32)
    rows = min(max(_RANKS // n, 1), _MOST_ROWS)
    with one_blas_thread():
        over_rows(
            _search, -(-q // rows), rows, extended_queries, extended, queries, points, same, n_candidates, indices,
            distances, least=1,
        )  # fmt: skip
    return indices, distances


def _search(
    first: int,
    last: int,
    rows: int,
    extended_queries: NDArray[np.float32],
    extended: NDArray[np.float32],
    queries: NDArray[np.float32],
    points: NDArray[np.float32],
    same: bool,
    n_candidates: int,
    indices: NDArray[np.int32],
    distances: NDArray[np.float32],
) -> None:
    """Neighbours of the queries in blocks `first` to `last` of `rows`: the ranks of a block stay in the cache."""
    room = np.empty((rows, len(points)), dtype=np.float32)
    for start in range(first * rows, min(last * rows, len(queries)), rows):
        block = slice(start, start + rows)
        rank = room[: len(extended_queries[block])]
        np.matmul(extended_queries[block], extended, out=rank)
        _select(
            rank,
            queries[block],
            points,
            start if same else -1,
            n_candidates,
            indices[block],
            distances[block],
        )


@numba.njit(cache=True, **INNER)
def _take_in(value, j, best, where):  # type: ignore[no-untyped-def]
    """Insert a rank that is less than the last of the best ones."""
    slot = len(best) - 1
    while slot > 0 and best[slot - 1] > value:
        best[slot] = best[slot - 1]
        where[slot] = where[slot - 1]
        slot -= 1
    best[slot] = value
    where[slot] = j


@numba.njit(cache=True, **INNER)
def _bound(ranks, count, least):  # type: ignore[no-untyped-def]
    """Return an upper bound of the rank `count`, excluding one point: computed from the minima of columns."""
    for c in range(_STRIDE):
        least[c] = np.inf
    for start in range(np.uint32(0), np.uint32(len(ranks) // _STRIDE * _STRIDE), np.uint32(_STRIDE)):
        for c in range(np.uint32(_STRIDE)):
            value = ranks[start + c]
            least[c] = value if value < least[c] else least[c]
    bound = np.float32(-np.inf)
    for c in range(_STRIDE):
        lower = 0
        for other in range(_STRIDE):
            lower += least[other] < least[c]
        if lower <= count and least[c] > bound:
            bound = least[c]
    return bound


@numba.njit(cache=True, **INNER)
def _least(ranks, itself, best, where, room):  # type: ignore[no-untyped-def]
    """Fill `best` with the smallest ranks (n,) in ascending order, and `where` with their indices."""
    last = len(best) - 1
    for c in range(last + 1):
        best[c], where[c] = np.inf, -1
    bound = np.float32(np.inf)
    if len(best) < _STRIDE // 2 and len(ranks) > 8 * _STRIDE:
        bound = _bound(ranks, len(best), room)
    whole = np.uint32(len(ranks) // _STRIDE * _STRIDE)
    # Blocks of ranks are tested at once, because few of them are among the best.
    for start in range(np.uint32(0), whole, np.uint32(_STRIDE)):
        promising = 0
        for c in range(np.uint32(_STRIDE)):
            promising += ranks[start + c] <= bound
        if promising > 0:
            for j in range(start, start + np.uint32(_STRIDE)):
                if ranks[j] <= bound and ranks[j] < best[last] and j != itself:
                    _take_in(ranks[j], j, best, where)
            bound = min(bound, best[last])
    for j in range(whole, len(ranks)):
        if ranks[j] <= bound and ranks[j] < best[last] and j != itself:
            _take_in(ranks[j], j, best, where)


@numba.njit(cache=True, **INNER)
def _measure(query, points, where, exact):  # type: ignore[no-untyped-def]
    """Squared distances of a point to some points, in double precision."""
    for c in range(len(exact)):
        exact[c] = 0
    for d in range(len(query)):
        here = float(query[d])
        for c in range(len(where)):
            step = here - float(points[where[c], d])
            exact[c] += step * step


@numba.njit(cache=True, **OUTER)
def _select(
    rank: NDArray[np.float32],
    queries: NDArray[np.float32],
    points: NDArray[np.float32],
    first: int,
    n_candidates: int,
    indices: NDArray[np.int32],
    distances: NDArray[np.float32],
) -> None:
    """Candidates by rank with recomputed distances, sorted by distance and then by index."""
    k = indices.shape[1]
    best = np.empty(n_candidates, dtype=np.float32)
    where = np.empty(n_candidates, dtype=np.int32)
    exact, room = np.empty(n_candidates, dtype=np.float64), np.empty(_STRIDE, dtype=np.float32)
    for row in range(len(rank)):
        _least(rank[row], first + row if first >= 0 else -1, best, where, room)
        _measure(queries[row], points, where, exact)
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


def neighbour_graph(
    X: ArrayLike, k: int = 12, *, metric: str = "euclidean", method: str = "auto", random_state: int = 0
) -> csr_array:
    """Return the fuzzy-weighted symmetric neighbour graph of the points `X` (n, d).

    Parameters are those of `nearest_neighbours`; the weights are those of `fuzzy_weights`.

    Parameters
    ----------
    X : (n, d) array_like
        Points.
    k : int
        Neighbours of each point.
    metric, method, random_state
        See `nearest_neighbours`.

    Returns
    -------
    csr_array, shape (n, n)
        Symmetric, weights in (0, 1], empty diagonal, sorted indices.
    """
    indices, distances = nearest_neighbours(X, k, metric=metric, method=method, random_state=random_state)
    return fuzzy_weights(indices, distances)


def fuzzy_weights(indices: NDArray[np.int32], distances: NDArray[np.float32]) -> csr_array:
    r"""Return the fuzzy union of the neighbourhoods.

    .. math:: p_{ij} = \exp(-(d_{ij} - \rho_i)/\sigma_i), \quad w_{ij} = p_{ij} + p_{ji} - p_{ij} p_{ji}

    with :math:`\rho_i` the distance to the first neighbour and :math:`\sigma_i` such that
    :math:`\sum_j p_{ij} = \log_2 k` (McInnes, Healy and Melville, UMAP, 2018).

    Parameters
    ----------
    indices, distances : ndarray, shape (n, k)
        Neighbours of each point, nearest first, without the point itself.

    Returns
    -------
    csr_array, shape (n, n)

    Raises
    ------
    ValueError
        If an index is out of range.
    """
    n = len(indices)
    # Compiled code does not check bounds.
    if indices.size and not (0 <= indices.min() and indices.max() < n):
        raise ValueError(
            f"Neighbour indices run from {indices.min()} to {indices.max()}; expected 0 to {n - 1}, as there are {n} points."
        )
    distances = np.ascontiguousarray(distances, dtype=np.float32)
    memberships = np.empty_like(distances)
    over_rows(_memberships, len(distances), distances, memberships)
    width = 2 * indices.size
    indptr = np.zeros(n + 1, dtype=np.int32)
    columns, weights = np.empty(width, dtype=np.int32), np.empty(width, dtype=np.float32)
    _union(np.ascontiguousarray(indices, dtype=np.int32), memberships, indptr, columns, weights)
    graph = csr_array((weights[: indptr[n]].copy(), columns[: indptr[n]].copy(), indptr), shape=(n, n))
    graph.has_sorted_indices = graph.has_canonical_format = True
    return graph


@numba.njit(cache=True, **OUTER)
def _union(
    indices: NDArray[np.int32],
    memberships: NDArray[np.float32],
    indptr: NDArray[np.int32],
    columns: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> None:
    """Rows of p and of its transpose, joined in the order of their columns."""
    n, k = indices.shape
    starts = np.zeros(n + 1, dtype=np.int64)
    for i in range(n):
        for c in range(k):
            starts[indices[i, c] + 1] += 1
    for i in range(n):
        starts[i + 1] += starts[i]
    fill = starts[:-1].copy()
    sources, theirs = np.empty(n * k, dtype=np.int32), np.empty(n * k, dtype=np.float32)
    for i in range(n):
        for c in range(k):
            p = fill[indices[i, c]]
            sources[p], theirs[p] = i, memberships[i, c]
            fill[indices[i, c]] += 1
    own, ours = np.empty(k, dtype=np.int32), np.empty(k, dtype=np.float32)
    end = 0
    for i in range(n):
        for c in range(k):
            column, slot = indices[i, c], c
            while slot > 0 and own[slot - 1] > column:
                own[slot], ours[slot] = own[slot - 1], ours[slot - 1]
                slot -= 1
            own[slot], ours[slot] = column, memberships[i, c]
        c, p = 0, starts[i]
        while c < k or p < starts[i + 1]:
            if p == starts[i + 1] or (c < k and own[c] < sources[p]):
                columns[end], weights[end] = own[c], ours[c]
                c += 1
            elif c == k or sources[p] < own[c]:
                columns[end], weights[end] = sources[p], theirs[p]
                p += 1
            else:
                columns[end], weights[end] = own[c], ours[c] + theirs[p] - ours[c] * theirs[p]
                c += 1
                p += 1
            end += 1
        indptr[i + 1] = end


@numba.njit(cache=True, **OUTER)
def _memberships(first: int, last: int, distances: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    k = distances.shape[1]
    target = max(np.log2(k), 0.5)
    for i in range(first, last):
        nearest = distances[i, 0]
        mean = 0.0
        for c in range(k):
            mean += distances[i, c] / k
        low, high = 0.0, np.inf
        sigma = max(mean - nearest, 1e-3 * mean, 1e-12)
        for _ in range(40):
            total = 0.0
            for c in range(k):
                total += np.exp(-(distances[i, c] - nearest) / sigma)
            if abs(total - target) < 1e-5:
                break
            if total > target:
                high = sigma
                sigma = 0.5 * (low + high)
            else:
                low = sigma
                sigma = 2 * sigma if high == np.inf else 0.5 * (low + high)
        # Coincident points have no scale: a thousandth of the mean distance keeps the weights finite.
        sigma = max(sigma, 1e-3 * mean, 1e-12)
        for c in range(k):
            out[i, c] = max(np.exp(-(distances[i, c] - nearest) / sigma), 1e-8)
