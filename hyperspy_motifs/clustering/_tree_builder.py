"""Build the tree of motifs radius by radius."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from ._motif_tree import MotifTree, merging_order


def tree_of(
    labels_at: Mapping[float, NDArray[np.int32]], separations: Callable[[float], NDArray[np.float64]]
) -> MotifTree:
    """Return the tree of nested labels.

    Parameters
    ----------
    labels_at : mapping of float to ndarray of int32, shape (n,)
        Labels by radius, the smallest first; those of each radius divide those of the one before.
    separations : callable
        Given a radius it returns the separations (g, g) of its groups.
    """
    radii = list(labels_at)
    n = len(labels_at[radii[0]])
    parent, at, count, height = [-1], [0.0], [n], [0.0]
    leaves, groups = [0], np.zeros(n, dtype=np.int64)
    merges: list[tuple[float, int, int, float]] = []
    for radius in radii:
        labels, apart = labels_at[radius], separations(radius)
        following: list[int] = []
        new = np.empty_like(groups)
        for group, leaf in enumerate(leaves):
            inside = groups == group
            names, own = np.unique(labels[inside], return_inverse=True)
            sizes = np.bincount(own)
            joins = merging_order(apart[np.ix_(names, names)], sizes)
            place, members = {0: leaf}, [{k} for k in range(len(sizes))]
            for stays, joined, _ in joins:
                members[stays] |= members[joined]
            for stays, joined, value in reversed(joins):  # the widest first
                node = place[stays]
                members[stays] -= members[joined]
                height[node] = value
                for child in (stays, joined):
                    parent.append(node)
                    at.append(radius)
                    count.append(int(sum(sizes[k] for k in members[child])))
                    height.append(0.0)
                    place[child] = len(parent) - 1
            new[inside] = own + len(following)
            following += [place[k] for k in range(len(sizes))]
        leaves, groups = following, new
        size = np.bincount(labels, minlength=len(apart))
        merges += [(radius, a, b, value) for a, b, value in merging_order(apart, size)]
    return MotifTree(
        np.array(parent, dtype=np.int32),
        np.array(at),
        np.array(count, dtype=np.int32),
        np.array(height),
        np.array(leaves, dtype=np.int32)[groups],
        np.array(merges).reshape(-1, 4),
        radii[0],
    )
