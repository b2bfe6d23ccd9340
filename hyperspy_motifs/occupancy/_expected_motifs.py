"""The motif that is expected on each site, by the motifs of the columns to which translations map it."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs.common import distinct_rows

from ._sites import TOLERANCE

# Twins whose votes are in memory at a time.
_TOGETHER = 20_000


def expected_labels(
    labels: np.ndarray,
    columns: np.ndarray,
    positions: np.ndarray,
    atoms: np.ndarray,
    twins: np.ndarray,
    spacing: float,
) -> np.ndarray:
    """Return the label that the twins of each site predict.

    A translation maps columns to columns of the same height, but not always to columns of the same motif: where tilted
    octahedra alternate, half of the translations of the heavy columns exchange two motifs. What a translation does to
    motifs is counted over all sites, so that a twin votes for the motifs that its translation leads to, in their shares.

    Parameters
    ----------
    labels : ndarray of int of shape (n,)
        Motif of each column.
    columns : ndarray of shape (n, 2)
        x, y of the columns.
    positions : ndarray of shape (m, 2)
        x, y of the sites, in the same units.
    atoms : ndarray of int of shape (m,)
        Column of each site; -1 for an empty site.
    twins : ndarray of int of shape (m, k)
        Columns of the same kind; -1 for none.
    spacing : float
        Nearest-neighbour distance of the columns.

    Returns
    -------
    ndarray of int of shape (m,)
        The lowest label of equally likely ones, the label of its own column for a site without twins; -1 if there is neither.
    """
    n_labels = int(labels.max()) + 1 if len(labels) else 1
    votes = np.zeros((len(atoms), n_labels))
    site, number = np.nonzero(twins >= 0)
    twin = twins[site, number]
    vector = _numbered((columns[twin] - positions[site]) / spacing)
    held = atoms[site] >= 0
    # How often each vector leads from a column of one motif (last) to one of another.
    seen = np.zeros((int(vector.max(initial=-1)) + 1, n_labels, n_labels))
    np.add.at(seen, (vector[held], labels[atoms[site[held]]], labels[twin[held]]), 1.0)
    total = seen.sum(axis=1, keepdims=True)
    # Where no column shows what a vector does, it keeps the motif.
    share = np.where(total > 0, seen / np.maximum(total, 1.0), np.eye(n_labels))
    for start in range(0, len(site), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        np.add.at(votes, site[part], share[vector[part], :, labels[twin[part]]])
    # The own column decides between equal votes only.
    own = np.flatnonzero(atoms >= 0)
    votes[own, labels[atoms[own]]] += 1e-6
    return np.where(votes.any(axis=1), votes.argmax(axis=1), -1)


def _numbered(vectors: np.ndarray) -> np.ndarray:
    """Return numbers (l,) of vectors (l, 2), in nearest-neighbour distances, equal for those that are nearly equal."""
    # Means of vectors in one cell of a grid, the most frequent first, and the nearest of those that are far enough apart.
    cells = np.rint(vectors / (0.5 * TOLERANCE))
    first, _, number = distinct_rows(cells)
    cells = cells[first]
    kept: list[np.ndarray] = []
    for k in np.argsort(-number, kind="stable"):
        centre = cells[k] * 0.5 * TOLERANCE
        if not kept or np.hypot(*(np.array(kept) - centre).T).min() > TOLERANCE:
            kept.append(centre)
    return cKDTree(np.array(kept).reshape(-1, 2)).query(vectors)[1] if kept else np.zeros(0, np.intp)
