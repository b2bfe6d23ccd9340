"""Number of bits for the description of a tiling."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from hyperspy_motifs.compilation import OUTER

__all__ = ["Description", "describe"]

#: Direction of the order of tiles, in radians: not parallel to a row of any common lattice, so that translated tiles
#: have the same previous neighbours.
_DIRECTION = 1.1729
#: Largest number of previous neighbours for the prediction of a tile.
_MOST_NEIGHBOURS = 3
#: Weight of an unseen label (Krichevsky and Trofimov 1981).
_KT = 0.5


@dataclass(frozen=True)
class Description:
    """Length of the description of labels on a graph.

    Attributes
    ----------
    bits : float
        Bits of all labels, including the choice of the number of neighbours.
    per_node : numpy.ndarray of float, shape (n,)
        Bits of each node.
    n_neighbours : int
        Number of neighbours with the best prediction.
    """

    bits: float
    per_node: np.ndarray
    n_neighbours: int


def describe(labels: np.ndarray, edges: np.ndarray, centres: np.ndarray, n_labels: int) -> Description:
    """Return the length of a code for the labels of all nodes.

    The tiles are encoded one after the other across the field. Each label is predicted from those of up to three
    previous neighbours, by the frequency of each label after these so far, and costs ``-log2 p`` bits (prequential
    coding, Dawid 1984, with the estimator of Krichevsky and Trofimov). The code needs no table of probabilities. For
    a periodic tiling its length increases with the logarithm of the size, for a random one in proportion to the size.

    Parameters
    ----------
    labels : numpy.ndarray of int, shape (n,)
        Label of each node, from 0.
    edges : numpy.ndarray of int, shape (e, 2)
        Neighbours.
    centres : numpy.ndarray of float, shape (n, 2)
        Positions x, y.
    n_labels : int
        Number of possible labels.

    Returns
    -------
    Description

    References
    ----------
    A. P. Dawid, J. R. Stat. Soc. A 147, 278 (1984); R. Krichevsky and V. Trofimov, IEEE Trans. Inf.
    Theory 27, 199 (1981).
    """
    n = len(labels)
    if n == 0:
        return Description(0.0, np.empty(0), 0)
    along = centres @ np.array([np.cos(_DIRECTION), np.sin(_DIRECTION)])
    order = np.argsort(along, kind="stable")
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    before = _laid_before(labels[order], rank[edges].reshape(-1, 2), n)
    best: Description | None = None
    for k in range(_MOST_NEIGHBOURS + 1):
        context = np.zeros(n, dtype=np.int64)
        if k:
            # The order of the neighbours' labels does not matter.
            nearest = np.sort(before[:, :k], axis=1) + 1
            context = _numbered(nearest @ (np.int64(n_labels) + 1) ** np.arange(k))
        # Of all pairs of context and label few occur, so that a table of them would be mostly empty.
        pair = _numbered(context * n_labels + labels[order])
        bits = _prequential(pair, context, n_labels)
        total = float(bits.sum()) + np.log2(_MOST_NEIGHBOURS + 1)
        if best is None or total < best.bits:
            per_node = np.empty(n)
            per_node[order] = bits
            best = Description(total, per_node, k)
        if not len(edges):
            break
    assert best is not None
    return best


def _laid_before(labels: np.ndarray, edges: np.ndarray, n: int) -> np.ndarray:
    """Return the labels (n, 3) of the last neighbours before each node; -1 for none."""
    early, late = edges.min(axis=1), edges.max(axis=1)
    order = np.lexsort((-early, late))
    early, late = early[order], late[order]
    starts = np.searchsorted(late, np.arange(n))
    place = np.arange(len(late)) - starts[late]
    before = np.full((n, _MOST_NEIGHBOURS), -1)
    kept = place < _MOST_NEIGHBOURS
    before[late[kept], place[kept]] = labels[early[kept]]
    return before


def _numbered(values: np.ndarray) -> np.ndarray:
    """Return the number of each value among the distinct ones, shape (n,)."""
    number: np.ndarray = np.unique(values, return_inverse=True)[1].ravel().astype(np.int64)
    return number


@numba.njit(cache=True, **OUTER)
def _prequential(pairs, contexts, n_labels):
    """Return the bits of each label, predicted from previous labels after the same context.

    `pairs` are the numbers of the pairs of context and label.
    """
    counts = np.zeros(pairs.max() + 1)
    totals = np.zeros(contexts.max() + 1)
    bits = np.empty(len(pairs))
    for i in range(len(pairs)):
        c, x = contexts[i], pairs[i]
        bits[i] = -np.log2((counts[x] + _KT) / (totals[c] + _KT * n_labels))
        counts[x] += 1.0
        totals[c] += 1.0
    return bits
