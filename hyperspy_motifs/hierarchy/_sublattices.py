"""Motifs on a common sublattice, merged where only the lattice matters."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ._labelled_points import LabelledPoints
from ._lattice import Lattice

__all__ = ["merge_by_sublattice"]

_STEPS = np.array([[1, 0], [0, 1], [1, 1], [1, -1]])
#: Least share of the translated positions of a guest motif with the host motif.
_GUEST = 0.5
#: Least share of each other among the translated positions of two motifs that are mixed on one sublattice.
_MIXED = 0.2


def merge_by_sublattice(sites: LabelledPoints, lattice: Lattice) -> np.ndarray:
    """Give motifs on one sublattice one label.

    A dopant or a vacancy is a guest on a sublattice of the host, and noise may split one site into two motifs: both
    occur at translated positions of the other. Motifs that meet only at a boundary do not.

    Parameters
    ----------
    sites : LabelledPoints
        Positions and motifs.
    lattice : Lattice
        Their translations.

    Returns
    -------
    numpy.ndarray of int, shape (n,)
        Labels, each the lowest of those that were merged.
    """
    n = int(sites.labels.max(initial=-1)) + 1
    tree = cKDTree(sites.positions)
    counts = np.zeros((n, n))
    for step in _STEPS:
        distance, image = tree.query(
            sites.positions + step @ lattice.vectors, distance_upper_bound=lattice.tolerance
        )
        start = np.flatnonzero(np.isfinite(distance))
        np.add.at(counts, (sites.labels[start], sites.labels[image[start]]), 1.0)
    counts += counts.T
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    alike = np.minimum(share, share.T) >= _MIXED
    np.fill_diagonal(share, 0.0)
    host = share.argmax(axis=1) if n else np.empty(0, dtype=np.int64)
    guests = np.flatnonzero(share.max(axis=1, initial=0.0) >= _GUEST)
    alike[guests, host[guests]] = True
    _, group = connected_components(coo_array(alike), directed=False) if n else (0, np.empty(0, dtype=int))
    lowest = np.full(n, n)
    np.minimum.at(lowest, group, np.arange(n))
    return lowest[group][sites.labels] if n else sites.labels
