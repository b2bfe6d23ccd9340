"""The tree of motifs over lenses and granularities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class MotifTree:
    """How motifs part, from all atoms (node 0) to the groups of the largest lens.

    Attributes
    ----------
    parent : ndarray of int32, shape (k,)
        Parent of each node, -1 for the root. A parent comes before its children.
    lens : ndarray of float64, shape (k,)
        Lens through which the node was parted from its sibling; 0 for the root.
    size : ndarray of int32, shape (k,)
        Atoms.
    height : ndarray of float64, shape (k,)
        Separation of the two children in units of the spread within them; 0 for a leaf.
    leaf_of : ndarray of int32, shape (n,)
        Node of each atom: the finest group.
    """

    parent: NDArray[np.int32]
    lens: NDArray[np.float64]
    size: NDArray[np.int32]
    height: NDArray[np.float64]
    leaf_of: NDArray[np.int32]

    @property
    def n_leaves(self) -> int:
        """Number of finest groups."""
        return len(self.parent) - len(np.unique(self.parent[self.parent >= 0]))

    def cut(self, n_motifs: int, max_lens: float = np.inf) -> NDArray[np.int32]:
        """Return the labels of `n_motifs` motifs, most frequent first: the widest separations are cut first.

        Parameters
        ----------
        n_motifs : int
            At least 1; where the tree has fewer groups, all of them are given.
        max_lens : float
            Larger lenses are not asked.

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
        return self.labels(self.front(n_motifs, max_lens))

    def front(self, n_motifs: int, max_lens: float = np.inf, min_height: float = 0.0) -> list[int]:
        """Return the nodes of the cut into at most `n_motifs`, by separations above `min_height`."""
        children = self.children()
        nodes = [0]
        while len(nodes) < n_motifs:
            open_nodes = [
                v
                for v in nodes
                if len(children[v]) and self.lens[children[v][0]] <= max_lens and self.height[v] >= min_height
            ]
            if not open_nodes:
                break
            widest = max(open_nodes, key=lambda v: (self.height[v], -v))
            nodes.remove(widest)
            nodes.extend(children[widest])
        return nodes

    def children(self) -> list[list[int]]:
        """Return the children of every node."""
        out: list[list[int]] = [[] for _ in self.parent]
        for node, parent in enumerate(self.parent):
            if parent >= 0:
                out[parent].append(node)
        return out

    def labels(self, nodes: list[int]) -> NDArray[np.int32]:
        """Return labels (n,), 0 the most frequent, of the atoms below each of `nodes` (a cut through the tree)."""
        owner = np.full(len(self.parent), -1)
        owner[nodes] = np.arange(len(nodes))
        for node, parent in enumerate(self.parent):
            if owner[node] < 0 and parent >= 0:
                owner[node] = owner[parent]
        return by_frequency(owner[self.leaf_of])


def by_frequency(labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return the labels renumbered: 0 the most frequent, equals by the first atom that has them."""
    _, first, inverse, count = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(count), dtype=np.int32)
    rank[np.lexsort((first, -count))] = np.arange(len(count))
    return rank[inverse]
