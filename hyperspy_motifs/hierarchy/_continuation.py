"""Information of the lattice on cells: repeated pairs, and patches that continue each other."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs.cells import Cells

from ._labelled_points import LabelledPoints
from ._lattice import Lattice

__all__ = ["LatticeContinuation"]

_STEPS = np.array([[1, 0], [0, 1], [1, 1], [1, -1]])
#: Least share of the directions in which a pair of cells inside a crystal is repeated.
_MOST_DIRECTIONS = 0.5
_REACH = 6
_LEAST_MATCH = 0.6
_LEAST_SEEN = 6


class LatticeContinuation:
    """Identifies pairs of cells that the lattice repeats, and patches of cells that it connects.

    Parameters
    ----------
    sites : LabelledPoints
        The atoms.
    lattice : Lattice
        Their translations.
    cells : Cells
        The cells between them.
    """

    def __init__(self, sites: LabelledPoints, lattice: Lattice, cells: Cells) -> None:
        self.sites = sites
        self.lattice = lattice
        self.vertices = cells.vertices
        self.offsets = cells.offsets
        self.centres = cells.centres
        steps = np.arange(-_REACH, _REACH + 1)
        index = np.array([(h, k) for h in steps for k in steps if (h, k) != (0, 0)])
        vectors = index @ lattice.vectors
        self._order = vectors[np.argsort((vectors**2).sum(axis=1), kind="stable")]

    def repeated(self, kind: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return a mask of the pairs of cells that are repeated, one lattice vector away, in most directions.

        Inside a crystal every pair of neighbours is repeated. A pair across a wall is repeated only along the wall,
        which is a quarter of the directions.

        Parameters
        ----------
        kind : numpy.ndarray of int, shape (m,)
            Kind of each cell, -1 for none.
        first, second : numpy.ndarray of int, shape (e,)
            The pairs.
        """
        tree = cKDTree(self.centres)
        seen, again = np.zeros(len(first)), np.zeros(len(first))
        for step in np.concatenate([_STEPS, -_STEPS]):
            distance, image = tree.query(self.centres + step @ self.lattice.vectors)
            same = (distance <= self.lattice.tolerance) & (kind >= 0) & (kind[image] == kind)
            # If there are cells nearby but none at the position, the pattern is not repeated. Beyond the last cells
            # nothing is known.
            there = distance <= 0.6 * self.lattice.lengths.max()
            seen += there[first] & there[second]
            again += same[first] & same[second]
        return (seen > 0) & (again >= _MOST_DIRECTIONS * seen)

    def atoms(self, cells: np.ndarray) -> np.ndarray:
        """Return the corners of some cells."""
        starts, ends = self.offsets[cells], self.offsets[cells + 1]
        return np.unique(np.concatenate([self.vertices[s:e] for s, e in zip(starts, ends, strict=True)]))

    def joins(self, first: np.ndarray, second: np.ndarray) -> bool:
        """Return whether two patches of cells belong to one lattice.

        The atoms of one patch are moved by lattice vectors into the other: in one crystal most of them coincide with
        atoms of their kind, but not across an antiphase or twin boundary. Only short vectors are used, so that strain
        and scan distortion do not accumulate.
        """
        one, two = self.atoms(first), self.atoms(second)
        # Atoms on both sides give no information on the material between.
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
            # The shortest vectors across the gap are sufficient.
            if seen >= max(_LEAST_SEEN, len(one)):
                break
        return seen >= _LEAST_SEEN and matched >= _LEAST_MATCH * seen
