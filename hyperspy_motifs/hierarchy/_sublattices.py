"""Motifs that share a sublattice, read as one where only the lattice counts."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ._labelled_points import LabelledPoints
from ._lattice import Lattice

__all__ = ["merge_by_sublattice"]

_STEPS = np.array([[1, 0], [0, 1], [1, 1], [1, -1]])
#: A motif most of whose translates are of another one is a guest on that one's sublattice.
_GUEST = 0.5
#: Motifs that are both this often among the translates of the other are mixed on one sublattice.
_MIXED = 0.2


def merge_by_sublattice(sites: LabelledPoints, lattice: Lattice) -> np.ndarray:
    """Give motifs that take turns on one sublattice one label.

    A dopant or a vacancy is a guest on a sublattice of the host, and noise may split one site into two motifs:
    either lies among translates of the other. Motifs that meet at a boundary only do not.

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
