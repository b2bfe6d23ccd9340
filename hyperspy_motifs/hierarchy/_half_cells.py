"""Halves of a hexagonal unit cell: the two triangles between its holes, as in the 7x7 surface of silicon."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs.cells import find_cells

from ._composition import compositions, formula
from ._labelled_points import LabelledPoints
from ._lattice import Lattice
from ._level import Level
from ._tiling_levels import coarse_level

__all__ = ["half_cell_level"]

#: Least number of sites of a cell with half cells.
_LEAST_SITES = 8
#: Largest deviation of lengths (relative) and angle (degrees) from those of a hexagonal cell, because images drift.
_MOST_UNEQUAL = 0.1
_MOST_OBLIQUE = 8.0
#: Largest share of the sites on the sides of the triangles.
_MOST_ON_SIDES = 0.1
_ON_SIDE = 0.2
#: Largest share of false sites in a hole.
_FALSE = 0.1
_GRID = 48


def half_cell_level(sites: LabelledPoints, lattice: Lattice, names: list[str]) -> Level | None:
    """Return the two triangles of a hexagonal cell as a level, if the largest holes are their corners.

    The largest hole of the pattern, folded into one cell, is the corner. The short diagonal divides a cell into two
    triangles, here the faulted and the unfaulted half. No translation maps one onto the other, so each is a class.

    Parameters
    ----------
    sites : LabelledPoints
        The atoms.
    lattice : Lattice
        Their translations.
    names : list of str
        Names of the motifs.

    Returns
    -------
    Level or None
        None if the cell is not hexagonal or small, or if sites lie on the sides of the triangles.
    """
    vectors, extent = lattice.vectors, np.ptp(sites.positions, axis=0)
    in_cell = len(sites) * lattice.area / max(float(extent.prod()), 1e-300)
    a, b = lattice.lengths
    oblique = abs(lattice.angle - 120)
    if in_cell < _LEAST_SITES or b > (1 + _MOST_UNEQUAL) * a or oblique > _MOST_OBLIQUE:
        return None
    hole = _largest_hole(sites, vectors, len(sites) / in_cell)
    points, steps = _lattice_in_field(sites, vectors, hole)
    index = {tuple(step): i for i, step in enumerate(steps.tolist())}
    pairs = [
        (i, index[h + dh, k + dk])
        for (h, k), i in index.items()
        for dh, dk in ((1, 0), (0, 1), (1, 1))
        if (h + dh, k + dk) in index
    ]
    if len(pairs) < 3:
        return None
    cells = find_cells(points, bonds=np.sort(np.array(pairs), axis=1), merge_centred_rings=False)
    kept = np.flatnonzero(cells.n_corners == 3)
    if len(kept) < 2 or _share_on_sides(sites, vectors, hole) > _MOST_ON_SIDES:
        return None
    level = coarse_level("half-cell", sites, points, cells, kept, names)
    turned = ((level.centres - hole) @ np.linalg.inv(vectors)) % 1.0
    labels = (turned[:, 0] < turned[:, 1]).astype(np.int64)
    labels = labels if 2 * labels.sum() <= len(labels) else 1 - labels
    if labels.max() == 0:
        return None
    content = compositions(level.parts, level.fractions, sites.labels, len(level), len(names))
    inner = ~level.columns["on_border"] if not level.columns["on_border"].all() else np.ones(len(level), bool)
    texts = []
    for label in (0, 1):
        members = (labels == label) & inner if ((labels == label) & inner).any() else labels == label
        mean = content[members].mean(axis=0)
        texts.append(formula(dict(zip(names, mean.tolist(), strict=True)), decimals=1))
    reason = (
        f"The largest holes lie on the lattice, and the triangles between them cut no more than "
        f"{100 * _MOST_ON_SIDES:.0f} % of the atoms: one half of the cell contains {texts[0]}, the other {texts[1]}."
    )
    halves = (f"half 1: {texts[0]}", f"half 2: {texts[1]}")
    return Level(**{**level.__dict__, "labels": labels, "names": halves, "reason": reason})


def _largest_hole(sites: LabelledPoints, vectors: np.ndarray, n_cells: float) -> np.ndarray:
    """Return the point in the cell at the origin that is farthest from all but a few false sites."""
    folded = (sites.positions @ np.linalg.inv(vectors)) % 1.0
    around = np.array([(h, k) for h in (-1, 0, 1) for k in (-1, 0, 1)], dtype=float)
    tree = cKDTree((folded[:, None] + around).reshape(-1, 2) @ vectors)
    grid = (np.stack(np.meshgrid(np.arange(_GRID), np.arange(_GRID)), axis=-1).reshape(-1, 2) + 0.5) / _GRID
    k = 1 + int(_FALSE * n_cells)
    distance = tree.query(grid @ vectors, k=[k])[0][:, 0]
    # The centre of the plateau and not its first point: distances near the maximum differ by less than the grid.
    centre = grid[int(distance.argmax())]
    top = distance > 0.93 * distance.max()
    offset = (grid[top] - centre + 0.5) % 1.0 - 0.5
    near = np.hypot(*(offset @ vectors).T) < distance.max()
    return np.asarray((centre + offset[near].mean(axis=0)) @ vectors)


def _lattice_in_field(
    sites: LabelledPoints, vectors: np.ndarray, hole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the holes in the field, x and y, and their multiples of the vectors."""
    low, high = sites.positions.min(axis=0), sites.positions.max(axis=0)
    corners = np.array([[low[0], low[1]], [low[0], high[1]], [high[0], low[1]], [high[0], high[1]]])
    span = (corners - hole) @ np.linalg.inv(vectors)
    first, last = np.floor(span.min(axis=0)).astype(int), np.ceil(span.max(axis=0)).astype(int)
    h, k = (
        v.ravel() for v in np.meshgrid(np.arange(first[0], last[0] + 1), np.arange(first[1], last[1] + 1))
    )
    steps = np.column_stack([h, k])
    points = hole + steps @ vectors
    inside = ((points >= low - sites.spacing) & (points <= high + sites.spacing)).all(axis=1)
    return points[inside], steps[inside]


def _share_on_sides(sites: LabelledPoints, vectors: np.ndarray, hole: np.ndarray) -> float:
    """Return the share of the sites that lie on the rows of holes, which are the sides of the triangles."""
    place = (sites.positions - hole) @ np.linalg.inv(vectors)
    area = abs(np.linalg.det(vectors))
    third = vectors[0] + vectors[1]
    near = np.zeros(len(sites), dtype=bool)
    # Along a the second coordinate is whole, along b the first, along a + b their difference.
    for along, across in (
        (vectors[0], place[:, 1]),
        (vectors[1], place[:, 0]),
        (third, place[:, 0] - place[:, 1]),
    ):
        distance = np.abs(across - np.round(across)) * area / np.hypot(*along)
        near |= distance < _ON_SIDE * sites.spacing
    return float(near.mean())
