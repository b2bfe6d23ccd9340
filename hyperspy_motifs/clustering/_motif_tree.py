"""The tree of motifs over radii and granularities."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ._constants import CONSTANTS


@dataclass(frozen=True)
class MotifTree:
    """How motifs divide, from all atoms (node 0) to the groups of the largest radius.

    Attributes
    ----------
    parent : ndarray of int32, shape (k,)
        Parent of each node, -1 for the root. A parent comes before its children.
    radius : ndarray of float64, shape (k,)
        Radius at which the node was split from its sibling; 0 for the root.
    size : ndarray of int32, shape (k,)
        Atoms.
    height : ndarray of float64, shape (k,)
        Separation of the two children in units of the spread within them; 0 for a leaf.
    leaf_of : ndarray of int32, shape (n,)
        Node of each atom: the finest group.
    merges : ndarray of float64, shape (j, 4)
        How the motifs of each radius merge when fewer are wanted: radius, label that stays, label that joins it,
        separation; for every radius from the first merge to the last.
    base_radius : float
        Smallest radius that is cut.
    """

    parent: NDArray[np.int32]
    radius: NDArray[np.float64]
    size: NDArray[np.int32]
    height: NDArray[np.float64]
    leaf_of: NDArray[np.int32]
    merges: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    base_radius: float = 0.0

    @property
    def n_leaves(self) -> int:
        """Number of finest groups."""
        return len(self.parent) - len(np.unique(self.parent[self.parent >= 0]))

    def labels_at(self, radius: float) -> NDArray[np.int32]:
        """Return the labels (n,) of the groups of one radius, most frequent first."""
        deepest = np.arange(len(self.parent))
        for node in range(1, len(self.parent)):
            if self.radius[node] > radius:
                deepest[node] = deepest[self.parent[node]]
        return by_frequency(deepest[self.leaf_of])

    def cut(self, n_motifs: int, radius: float | None = None) -> NDArray[np.int32]:
        """Return the labels of `n_motifs` motifs, most frequent first.

        The motifs of one radius merge, the least separated first, until so many are left.

        Parameters
        ----------
        n_motifs : int
            At least 1; where no radius has so many, all motifs of the largest one are given.
        radius : float, optional
            Default: the first radius from `base_radius` on that has enough motifs.

        Returns
        -------
        ndarray of int32, shape (n,)

        Raises
        ------
        ValueError
            If `n_motifs` is below 1.
        """
        if n_motifs < 1:
            raise ValueError(f"n_motifs={n_motifs}: at least one motif is needed.")
        radii = np.unique(self.radius[1:]) if radius is None else np.array([radius])
        labels = np.zeros(len(self.leaf_of), dtype=np.int32)
        for candidate in radii[radii >= min(self.base_radius, radii.max(initial=0))]:
            labels = self.labels_at(float(candidate))
            n_found = int(labels.max()) + 1
            if n_found >= n_motifs:
                merges = self.merges[np.isclose(self.merges[:, 0], candidate)][: n_found - n_motifs]
                for _, stays, joined, _ in merges:
                    labels[labels == int(joined)] = int(stays)
                break
        return by_frequency(labels)

    def children(self) -> list[list[int]]:
        """Return the children of every node."""
        out: list[list[int]] = [[] for _ in self.parent]
        for node, parent in enumerate(self.parent):
            if parent >= 0:
                out[parent].append(node)
        return out


def by_frequency(labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return the labels renumbered: 0 the most frequent, equals by the first atom that has them."""
    _, first, inverse, count = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(count), dtype=np.int32)
    rank[np.lexsort((first, -count))] = np.arange(len(count))
    return rank[inverse]


def merging_order(
    separations: NDArray[np.float64], sizes: NDArray[np.integer]
) -> list[tuple[int, int, float]]:
    r"""Return (group that stays, group that joins it, separation) of every merge, down to one group.

    The pair of least :math:`s\, h^{1/4}` merges first, s its separation and h the harmonic mean of the sizes: a handful of
    odd atoms does not outlast a frequent motif, and a rare species that differs strongly still does. The separation of
    merged groups is the mean by size.

    Parameters
    ----------
    separations : ndarray, shape (g, g)
        Symmetric, in units of the scatter; infinite on the diagonal.
    sizes : ndarray of int, shape (g,)
        Atoms of the groups.

    Returns
    -------
    list of (int, int, float)
        Group that stays, group that joins it, and their separation, in the order of the merges.
    """
    apart, size = np.array(separations, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    np.fill_diagonal(apart, np.inf)
    merges: list[tuple[int, int, float]] = []
    for _ in range(len(apart) - 1):
        harmonic = 2 * np.outer(size, size) / np.maximum(np.add.outer(size, size), 1e-9)
        cost = apart * np.maximum(harmonic, 1e-9) ** CONSTANTS.size_exponent
        a, b = sorted(divmod(int(cost.argmin()), len(cost)))
        merges.append((a, b, float(apart[a, b])))
        total = max(size[a] + size[b], 1e-9)
        with np.errstate(invalid="ignore"):
            apart[a] = apart[:, a] = (size[a] * apart[a] + size[b] * apart[b]) / total
        apart[a, a] = np.inf
        apart[b, :] = apart[:, b] = np.inf
        size[a], size[b] = size[a] + size[b], 0
    return merges
