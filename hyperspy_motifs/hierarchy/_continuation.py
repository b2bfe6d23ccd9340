"""Whether two patches of cells lie on one and the same lattice."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from ._lattice import Lattice
from ._sites import Sites

__all__ = ["LatticeContinuation"]

_REACH = 6
_LEAST_MATCH = 0.6
_LEAST_SEEN = 6


class LatticeContinuation:
    """Tells whether one patch of cells continues the lattice of another across what lies between.

    The atoms of one patch are moved by lattice vectors into the other: in one crystal most of them meet
    atoms of their kind there, across an antiphase or twin boundary they do not. Only short vectors are
    used, so that strain and scan distortion do not add up.

    Parameters
    ----------
    sites : Sites
        The atoms.
    lattice : Lattice
        Their translations.
    vertices, offsets : numpy.ndarray of int
        Corners of all cells and where each cell begins.
    """

    def __init__(self, sites: Sites, lattice: Lattice, vertices: np.ndarray, offsets: np.ndarray) -> None:
        self.sites = sites
        self.lattice = lattice
        self.vertices = vertices
        self.offsets = offsets
        steps = np.arange(-_REACH, _REACH + 1)
        index = np.array([(h, k) for h in steps for k in steps if (h, k) != (0, 0)])
        vectors = index @ lattice.vectors
        self._order = vectors[np.argsort((vectors**2).sum(axis=1), kind="stable")]

    def atoms(self, cells: np.ndarray) -> np.ndarray:
        """Return the corners of some cells."""
        starts, ends = self.offsets[cells], self.offsets[cells + 1]
        return np.unique(np.concatenate([self.vertices[s:e] for s, e in zip(starts, ends, strict=True)]))

    def __call__(self, first: np.ndarray, second: np.ndarray) -> bool:
        """Return whether the cells `first` and `second` are of one lattice."""
        one, two = self.atoms(first), self.atoms(second)
        # Atoms of both sides tell nothing about what is between.
        one, two = np.setdiff1d(one, two), np.setdiff1d(two, one)
        if not len(one) or not len(two):
            return False
        if len(one) > len(two):
            one, two = two, one
        tree = cKDTree(self.sites.positions[two])
        seen = matched = 0
        for vector in self._order:
            distance, nearest = tree.query(self.sites.positions[one] + vector)
            inside = distance <= 0.75 * self.sites.spacing
            met = distance <= self.lattice.tolerance
            seen += int(inside.sum())
            matched += int(self.sites.alike(one[met], two[nearest[met]]).sum())
            # The shortest vectors that reach across are enough.
            if seen >= max(_LEAST_SEEN, len(one)):
                break
        return seen >= _LEAST_SEEN and matched >= _LEAST_MATCH * seen
