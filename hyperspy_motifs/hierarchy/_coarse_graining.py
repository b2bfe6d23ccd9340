"""Coarse-graining: the centres of a class as the points of a larger tiling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, QhullError, cKDTree

from hyperspy_motifs.cells import EMPTY_SITE, Cells, find_cells

from ._labelled_points import LabelledPoints
from ._level import Level
from ._tiling_levels import coarse_level

__all__ = ["coarse_levels"]

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
