"""Small groups of cells of unusual size, enclosed by usual ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from hyperspy_motifs.cells import Cells

# Sizes of at least this share of the cells are usual.
_USUAL = 0.2
# Kinds of groups that occur as often are structure, such as the dislocations of a boundary; a motif has as many atoms.
_FREQUENT = 5
# Cells of the largest group that is one point defect: the flower defect of graphene, six pentagons and six heptagons.
_LARGEST = 12


def find_odd_cells(cells: Cells) -> tuple[list[np.ndarray], float]:
    """Find groups of adjacent cells with an unusual number of corners, such as the four of a Stone-Wales defect.

    A group that touches a cell at the border is left out, because its other cells are not known: so are boundaries that
    cross the image.

    Parameters
    ----------
    cells : Cells
        By the automatic bond rule, whose clarity is the expected share of right cells.

    Returns
    -------
    groups : list of ndarray of int
        Numbers of the cells of each group.
    q_value : float
        Expected number of wrong cells inside the border, relative to the cells of the groups.
    """
    inner = ~cells.on_border
    if cells.rule != "auto" or not inner.any():
        return [], 1.0
    sizes, n = cells.n_corners, len(cells)
    usual = np.bincount(sizes[inner], minlength=int(sizes.max()) + 1) >= _USUAL * inner.sum()
    odd = ~usual[sizes]
    first, other = cells.adjacency[:, :2].T
    joined = odd[first] & odd[other]
    table = coo_array((np.ones(joined.sum()), (first[joined], other[joined])), shape=(n, n))
    _, group = connected_components(table, directed=False)
    beside = np.concatenate([first[~inner[other]], other[~inner[first]], np.flatnonzero(~inner)])
    judged = odd & ~np.isin(group, group[beside[odd[beside]]])
    groups = [np.flatnonzero(group == k) for k in np.unique(group[judged]).tolist()]
    kinds = [tuple(np.sort(sizes[members]).tolist()) for members in groups]
    rare = [
        members
        for members, kind in zip(groups, kinds, strict=True)
        if len(members) <= _LARGEST and kinds.count(kind) < _FREQUENT
    ]
    wrong = float((1 - cells.clarity) * inner.sum())
    return rare, min(1.0, wrong / max(sum(map(len, rare)), 1))
