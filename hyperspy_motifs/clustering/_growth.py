"""The tree of motifs while it grows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._tree import MotifTree


class Growth:
    """Nodes of the tree from all `n` atoms on; the groups of the lens before are its leaves."""

    def __init__(self, n: int) -> None:
        self._parent, self._lens, self._size, self._height = [-1], [0.0], [n], [0.0]
        self._leaves: list[int] = [0]
        self._next: list[int] = []

    def part(
        self, group: int, lens: float, sizes: NDArray[np.int64], merges: list[tuple[int, int, float]]
    ) -> None:
        """Hang the merges of one parting, read from the last (widest) to the first, below the leaf of `group`.

        Parameters
        ----------
        group : int
            Group of the lens before.
        lens : float
        sizes : ndarray, shape (k,)
            Atoms of every part.
        merges : list of (part that stays, part that joins it, separation)
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
                self._lens.append(lens)
                self._size.append(int(sum(sizes[k] for k in members[child])))
                self._height.append(0.0)
                place[child] = len(self._parent) - 1
        self._next.extend(place[k] for k in range(len(sizes)))

    def next_lens(self) -> None:
        """Make the parts of this lens the groups of the next."""
        self._leaves, self._next = self._next, []

    def tree(self, groups: NDArray[np.int32], joins: NDArray[np.float64], first: float) -> MotifTree:
        """Return the tree; `groups` (n,) are the groups of the last lens."""
        return MotifTree(
            np.array(self._parent, dtype=np.int32),
            np.array(self._lens),
            np.array(self._size, dtype=np.int32),
            np.array(self._height),
            np.array(self._leaves, dtype=np.int32)[groups],
            joins,
            first,
        )
