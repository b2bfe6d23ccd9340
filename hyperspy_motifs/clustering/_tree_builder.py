"""Build the tree of motifs radius by radius."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._motif_tree import MotifTree


class TreeBuilder:
    """Collects the nodes of the tree, from the root with all `n` atoms. Its leaves are the groups of the previous radius."""

    def __init__(self, n: int) -> None:
        self._parent, self._radius, self._size, self._height = [-1], [0.0], [n], [0.0]
        self._leaves: list[int] = [0]
        self._next: list[int] = []

    def divide(
        self, group: int, radius: float, sizes: NDArray[np.int64], merges: list[tuple[int, int, float]]
    ) -> None:
        """Add the merges of one division below the leaf of `group`, from the last (widest) merge to the first.

        Parameters
        ----------
        group : int
            Group of the previous radius.
        radius : float
        sizes : ndarray, shape (k,)
            Number of atoms of every group.
        merges : list of (group that stays, group that joins it, separation)
        """
        place = {0: self._leaves[group]}
        members = [{k} for k in range(len(sizes))]
        for stays, joined, _ in merges:
            members[stays] |= members[joined]
        for stays, joined, value in reversed(merges):
            node = place[stays]
            members[stays] -= members[joined]
            self._height[node] = value
            for child in (stays, joined):
                self._parent.append(node)
                self._radius.append(radius)
                self._size.append(int(sum(sizes[k] for k in members[child])))
                self._height.append(0.0)
                place[child] = len(self._parent) - 1
        self._next.extend(place[k] for k in range(len(sizes)))

    def next_radius(self) -> None:
        """Make the groups of this radius the leaves that the next radius divides."""
        self._leaves, self._next = self._next, []

    def tree(self, groups: NDArray[np.int32], joins: NDArray[np.float64], first: float) -> MotifTree:
        """Return the tree; `groups` (n,) are the groups of the last radius."""
        return MotifTree(
            np.array(self._parent, dtype=np.int32),
            np.array(self._radius),
            np.array(self._size, dtype=np.int32),
            np.array(self._height),
            np.array(self._leaves, dtype=np.int32)[groups],
            joins,
            first,
        )
