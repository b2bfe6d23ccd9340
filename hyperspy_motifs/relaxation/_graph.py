"""The neighbour graph of the attraction."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from hyperspy_motifs.compilation import OUTER
from hyperspy_motifs.threads import over_rows

from ._nearest_neighbours import nearest_neighbours


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
