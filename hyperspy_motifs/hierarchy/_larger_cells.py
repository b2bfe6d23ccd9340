"""Larger cells: two half cells that compose one, and cells joined by coarse-graining."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, QhullError, cKDTree

from hyperspy_motifs.cells import EMPTY_SITE, Cells, find_cells

from ._composites import compositions, formula
from ._hierarchy import LabelledPoints, Level
from ._lattice import Lattice
from ._tilings import coarse_level

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


#: Least ratio to the next spacing: below, the tiling would be the same.
_LEAST_GROWTH = 1.5
#: Share of the field that the larger cells must cover.
_LEAST_COVER = 0.5
#: Spread of the distances to the nearest neighbours, over their mean, above which points do not tile.
_MOST_SPREAD = 0.2
_LEAST_POINTS = 9
_MOST_CORNERS = 8
_MOST_LEVELS = 4


@dataclass(frozen=True)
class _Candidate:
    """Points of one class that tile the field."""

    name: str
    points: np.ndarray
    cells: Cells
    kept: np.ndarray
    spacing: float
    spread: float


def coarse_levels(sites: LabelledPoints, cells: Cells, names: list[str]) -> list[Level]:
    """Build cells of larger spacings as long as the centres of a class tile the field.

    The classes are the motifs, the classes of cells and the connected patches of a motif; of those with evenly
    distributed centres and a spacing of at least 1.5 times that of the level below, the one with the smallest spacing
    forms the next level. Its cells are found by the same rule as those between atoms, and their classes are tested
    next.

    Parameters
    ----------
    sites : LabelledPoints
        The atoms.
    cells : Cells
        The cells between them.
    names : list of str
        Names of the motifs.
    """
    levels: list[Level] = []
    area = _hull_area(sites.positions)
    if not area or not len(cells):
        return levels
    spacing = sites.spacing
    sets = _point_sets(sites, cells, names)
    while len(levels) < _MOST_LEVELS:
        found = [_candidate(name, points, spacing, area) for name, points in sets]
        fitting = [candidate for candidate in found if candidate is not None]
        if not fitting:
            break
        best = min(fitting, key=lambda candidate: (candidate.spacing, candidate.spread))
        level = coarse_level("coarse-cell", sites, best.points, best.cells, best.kept, names)
        reason = (
            f"The {len(best.points)} centres of {best.name} tile the field at a spacing of "
            f"{best.spacing:.4g}, {best.spacing / spacing:.2f} times that of the level below."
        )
        levels.append(Level(**{**level.__dict__, "scalars": {"spacing": best.spacing}, "reason": reason}))
        spacing = best.spacing
        sets = [
            (f"coarse cells of class {label}", level.centres[level.labels == label])
            for label in range(len(level.names))
        ]
    return levels


def _point_sets(sites: LabelledPoints, cells: Cells, names: list[str]) -> list[tuple[str, np.ndarray]]:
    """Return the classes whose centres can be the next points."""
    sets = [(f"atoms of {names[k]}", sites.positions[sites.labels == k]) for k in range(len(names))]
    n_classes = int(cells.labels.max(initial=-1)) + 1
    sequences = [corner_names(c.corner_sequence, names) for c in cells.classes]
    sets += [(f"cells {sequences[k]}", cells.centres[cells.labels == k]) for k in range(n_classes)]
    bonds = cells.bonds[(cells.bonds < len(sites)).all(axis=1)]
    same = sites.labels[bonds[:, 0]] == sites.labels[bonds[:, 1]]
    n = len(sites)
    graph = coo_array((np.ones(int(same.sum()), dtype=np.int8), bonds[same].T), shape=(n, n))
    count, patch = connected_components(graph, directed=False)
    size = np.bincount(patch, minlength=count)
    centres = np.column_stack([np.bincount(patch, sites.positions[:, i]) for i in range(2)]) / size[:, None]
    kind = np.zeros(count, dtype=np.int64)
    kind[patch] = sites.labels
    for k in range(len(names)):
        members = (kind == k) & (size >= 3)
        sets.append((f"patches of {names[k]}", centres[members]))
    return sets


def corner_names(sequence: tuple[int, ...], names: list[str]) -> str:
    """Return the names of the motifs of a corner sequence; an empty site is a "vacancy"."""
    return " ".join("vacancy" if i == EMPTY_SITE else names[i] for i in sequence)


def _candidate(name: str, points: np.ndarray, spacing: float, area: float) -> _Candidate | None:
    """Return the tiling between some points; None if they do not tile the field at a larger spacing."""
    if len(points) < _LEAST_POINTS:
        return None
    distance, _ = cKDTree(points).query(points, k=2)
    typical = float(np.median(distance[:, 1]))
    spread = float(np.std(distance[:, 1]) / max(typical, 1e-12))
    if typical < _LEAST_GROWTH * spacing or spread > _MOST_SPREAD:
        return None
    cells = find_cells(points, merge_centred_rings=False)
    kept = np.flatnonzero(cells.n_corners <= _MOST_CORNERS)
    if len(kept) < 2 or cells.areas[kept].sum() < _LEAST_COVER * area:
        return None
    return _Candidate(name, points, cells, kept, typical, spread)


def _hull_area(points: np.ndarray) -> float:
    try:
        return float(ConvexHull(points).volume)
    except (QhullError, ValueError):
        return 0.0
