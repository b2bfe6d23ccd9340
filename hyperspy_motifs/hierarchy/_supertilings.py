"""Levels that tiles build: vertex figures, cells of larger spacings, and domains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, QhullError, cKDTree

from hyperspy_motifs.cells import EMPTY_SITE, Cells, find_cells, vertex_figures
from hyperspy_motifs.common import distinct_rows, signed_degrees

from ._composites import compositions, formula, joined_adjacency, unique_pairs
from ._constants import CONSTANTS
from ._grains import Domains
from ._hierarchy import LabelledPoints, Level
from ._statistics import polygon_shares


def vertex_figure_level(cells: Cells, corners: np.ndarray, n_atoms: int) -> Level:
    """Return the level of vertex figures, the cells around each atom that is surrounded by cells.

    A cell with n corners belongs to each of its figures with the share 1 / n. The corners x, y (n + k, 2) are the atoms,
    then the empty sites, which have no figure. Figures at the ends of a bond are neighbours.
    """
    figures = vertex_figures(cells, len(corners))
    atoms = np.flatnonzero(figures.labels[:n_atoms] >= 0)
    labels, names = _ranked([figures.symbols[k] for k in figures.labels[atoms]])
    number = np.full(len(corners), -1)
    number[atoms] = np.arange(len(atoms))
    cell = np.repeat(np.arange(len(cells)), cells.n_corners)
    parts = np.column_stack([cell, number[cells.vertices]])
    parts = parts[parts[:, 1] >= 0]
    parts = parts[np.lexsort((parts[:, 0], parts[:, 1]))]
    pairs = number[cells.bonds]
    pairs = unique_pairs(pairs[(pairs >= 0).all(axis=1)], len(corners))
    return Level(
        kind="vertex-figure",
        centres=corners[atoms],
        labels=labels,
        names=names,
        child_kind="cell",
        parts=parts,
        fractions=1.0 / cells.n_corners[parts[:, 0]],
        adjacency=np.column_stack([pairs, np.ones(len(pairs), dtype=np.int64)]),
        columns={"atom": atoms, "n_cells": np.bincount(parts[:, 1], minlength=len(atoms))},
        reason=f"{len(atoms)} of {n_atoms} atoms are surrounded by cells. Different vertex figures: {len(names)}.",
    )


def _ranked(text: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number the names, the most frequent 0, and return them in that order."""
    unique, inverse, count = np.unique(np.array(text, dtype=str), return_inverse=True, return_counts=True)
    order = np.argsort(-count, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[inverse.ravel()] if len(text) else np.empty(0, dtype=np.int64), tuple(unique[order].tolist())


def coarse_level(
    kind: str, sites: LabelledPoints, points: np.ndarray, cells: Cells, kept: np.ndarray, names: list[str]
) -> Level:
    """Return the cells `kept` between points (k, 2) of a larger spacing as a level whose parts are the atoms.

    Atoms inside a cell belong to it completely, those on a side by half, those on a corner by the angle. Cells of one
    class have the same number of corners and the same composition up to a tenth of their atoms.
    """
    polygons = [cells.corners[k] for k in kept.tolist()]
    sizes = np.array([len(p) for p in polygons])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    vertices = points[np.concatenate(polygons)]
    parts, fractions = polygon_shares(sites.positions, vertices, offsets, CONSTANTS.on_side * sites.spacing)
    content = np.rint(compositions(parts, fractions, sites.labels, len(kept), len(names))).astype(np.int64)
    labels, models = _content_classes(sizes, content)
    texts = [formula({n: v for n, v in zip(names, model, strict=True) if v}) for model in models]
    number = np.full(len(cells), -1)
    number[kept] = np.arange(len(kept))
    return Level(
        kind=kind,
        centres=cells.centres[kept],
        labels=labels,
        names=tuple(text or "empty" for text in texts),
        child_kind="atom",
        parts=parts,
        fractions=fractions,
        adjacency=joined_adjacency(cells.adjacency, number),
        columns={
            "area": cells.areas[kept],
            "n_corners": sizes,
            "on_border": _outside(sites, vertices, offsets),
        },
    )


def _content_classes(sizes: np.ndarray, content: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the class (m,) of each cell, the most frequent 0, and the composition in the name of each class.

    The most frequent compositions define the classes; a cell is assigned to the first class from which at most a
    tenth of its atoms differ.
    """
    key = np.column_stack([sizes, content])
    first, inverse, count = distinct_rows(key)
    unique = key[first]
    models: list[int] = []
    of_content = np.zeros(len(unique), dtype=np.int64)
    for k in np.argsort(-count, kind="stable").tolist():
        for number, model in enumerate(models):
            odd = np.abs(unique[k, 1:] - unique[model, 1:]).sum() / 2
            if unique[k, 0] == unique[model, 0] and odd <= CONSTANTS.most_odd * unique[model, 1:].sum():
                of_content[k] = number
                break
        else:
            of_content[k] = len(models)
            models.append(k)
    labels = of_content[inverse.ravel()]
    order = np.argsort(-np.bincount(labels, minlength=len(models)), kind="stable")
    rank = np.argsort(order, kind="stable")
    return rank[labels], [unique[models[k], 1:] for k in order]


def _outside(sites: LabelledPoints, vertices: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return a mask of polygons that extend beyond the box of the atoms, so that some of their atoms are unknown."""
    low, high = sites.positions.min(axis=0), sites.positions.max(axis=0)
    margin = CONSTANTS.on_side * sites.spacing
    out = ((vertices < low - margin) | (vertices > high + margin)).any(axis=1)
    return np.logical_or.reduceat(out, offsets[:-1])


def domain_levels(cells: Cells, found: Domains) -> list[Level]:
    """Return the domains, and the boundaries if there are any, as levels.

    None for a single domain, and for islands that cover less than half of the field.
    """
    n = len(found.labels)
    if n < 2 or cells.areas[found.domain >= 0].sum() < 0.5 * cells.areas.sum():
        return []
    kinds = int(found.labels.max()) + 1
    names = []
    for kind in range(kinds):
        d = int(np.argmax(found.labels == kind))
        names.append(
            f"cell-class:{found.classes[d]} at {signed_degrees(np.degrees(found.angles[d]), 1)} degrees"
        )
    angles = {"angle": found.angles, "period": 2 * np.pi / found.orders}
    domains = _group_level("domain", cells, found.domain, found.labels, tuple(names), angles)
    levels = [domains]
    if found.boundary.max(initial=-1) >= 0:
        text = [
            " | ".join(sorted({f"{found.labels[d]}" for d in pair}) or ["none"]) for pair in found.between
        ]
        unique, labels = np.unique(np.array(text), return_inverse=True)
        order = np.argsort(-np.bincount(labels.ravel()), kind="stable")
        rank = np.argsort(order, kind="stable")
        touching = {"n_domains": np.array([len(pair) for pair in found.between])}
        boundary_names = tuple(f"between domains of class {unique[k]}" for k in order)
        levels.append(
            _group_level("boundary", cells, found.boundary, rank[labels.ravel()], boundary_names, touching)
        )
    return levels


def _group_level(
    kind: str,
    cells: Cells,
    group: np.ndarray,
    labels: np.ndarray,
    names: tuple[str, ...],
    columns: dict[str, np.ndarray],
) -> Level:
    """Return groups of cells as a level."""
    n = len(labels)
    inside = np.flatnonzero(group >= 0)
    owner = group[inside]
    area = np.bincount(owner, cells.areas[inside], minlength=n)
    centres = np.column_stack(
        [np.bincount(owner, (cells.centres[:, i] * cells.areas)[inside], minlength=n) for i in range(2)]
    )
    share = area.sum() / cells.areas.sum()
    return Level(
        kind=kind,
        centres=centres / area[:, None],
        labels=labels,
        names=names,
        child_kind="cell",
        parts=np.column_stack([inside, owner]),
        fractions=np.ones(len(inside)),
        adjacency=joined_adjacency(cells.adjacency, group),
        columns={"area": area, "n_cells": np.bincount(owner, minlength=n), **columns},
        reason=f"{n} of {len(names)} kinds cover {100 * share:.0f} % of the cells' area.",
    )


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
    forms the next level. Its cells are found by the same rule as those between atoms, and their classes are tested next.
    """
    levels: list[Level] = []
    area = _hull_area(sites.positions)
    if not area or not len(cells):
        return levels
    spacing = sites.spacing
    sets = _point_sets(sites, cells, names)
    while len(levels) < CONSTANTS.most_levels:
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
    """Return the names of the motifs of a corner sequence; an empty site is a "vacancy".

    In a part of an image, classes of cells may have motifs of which no atom is left: these are numbers.
    """
    known = ["vacancy" if i == EMPTY_SITE else names[i] if i < len(names) else str(i) for i in sequence]
    return " ".join(known)


def _candidate(name: str, points: np.ndarray, spacing: float, area: float) -> _Candidate | None:
    """Return the tiling between some points; None if they do not tile the field at a larger spacing."""
    if len(points) < CONSTANTS.least_cells:
        return None
    distance, _ = cKDTree(points).query(points, k=2)
    typical = float(np.median(distance[:, 1]))
    spread = float(np.std(distance[:, 1]) / max(typical, 1e-12))
    if typical < CONSTANTS.least_growth * spacing or spread > CONSTANTS.most_spread:
        return None
    cells = find_cells(points, merge_centred_rings=False)
    kept = np.flatnonzero(cells.n_corners <= CONSTANTS.most_corners)
    if len(kept) < 2 or cells.areas[kept].sum() < 0.5 * area:
        return None
    return _Candidate(name, points, cells, kept, typical, spread)


def _hull_area(points: np.ndarray) -> float:
    try:
        return float(ConvexHull(points).volume)
    except (QhullError, ValueError):
        return 0.0
