"""Composites, unit cells, domains and boundaries as levels."""

from __future__ import annotations

import numpy as np

from hyperspy_motifs.cells import Cells, find_cells
from hyperspy_motifs.naming import motif_name

from ._composites import Composites
from ._composition import compositions, formula
from ._domains import Domains
from ._labelled_points import LabelledPoints
from ._lattice import Lattice
from ._level import Level
from ._shares import polygon_shares
from ._unit_cells import LatticePoints

__all__ = ["composite_level", "coarse_level", "domain_levels", "unit_cell_level"]

#: Largest distance from a side, in nearest-neighbour distances, of an atom shared by both cells.
_ON_SIDE = 0.15
#: Least share of the field that domains cover.
_LEAST_COVER = 0.5
#: Largest share of the atoms by which a cell differs from its class.
_MOST_ODD = 0.1


def composite_level(cells: Cells, found: Composites, class_names: list[str]) -> Level | None:
    """Return the composites as a level; None if no merge shortened the description.

    Parameters
    ----------
    cells : Cells
        The cells.
    found : Composites
        Their merges.
    class_names : list of str
        Names of the classes of cells.
    """
    made = found.classes >= found.n_cell_classes
    if not made.any():
        return None
    used, labels = np.unique(found.classes[made], return_inverse=True)
    count = np.bincount(labels)
    rank = np.argsort(np.argsort(-count, kind="stable"), kind="stable")
    order = np.argsort(-count, kind="stable")
    names = tuple(
        " + ".join(f"{n} × ({class_names[c]})" for c, n in sorted(found.parts(int(used[k])).items()))
        for k in order
    )
    number = np.full(len(found.classes), -1)
    number[made] = np.arange(made.sum())
    owner = number[found.node]
    inside = np.flatnonzero(owner >= 0)
    m = int(made.sum())
    area = np.bincount(owner[inside], cells.areas[inside], minlength=m)
    centres = np.column_stack(
        [
            np.bincount(owner[inside], (cells.centres[:, i] * cells.areas)[inside], minlength=m)
            for i in range(2)
        ]
    )
    saved = found.before.bits - found.after.bits - found.rule_bits
    return Level(
        kind="composite",
        centres=centres / area[:, None],
        labels=rank[labels.ravel()],
        names=names,
        child_kind="cell",
        parts=np.column_stack([inside, owner[inside]]),
        fractions=np.ones(len(inside)),
        adjacency=_joined_adjacency(cells.adjacency, owner),
        columns={
            "area": area,
            "n_cells": np.bincount(owner[inside], minlength=m),
            "on_border": _any(owner[inside], cells.on_border[inside], m),
        },
        scalars={"bits_saved": float(saved)},
        reason=(
            f"{len(found.rules)} merges of neighbouring classes shorten the description from "
            f"{found.before.bits:.0f} to {found.after.bits + found.rule_bits:.0f} bits; no further one does."
        ),
    )


def _joined_adjacency(adjacency: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Return the adjacency (a, 3) of groups of cells; cells of no group (-1) are ignored."""
    ends = np.sort(owner[adjacency[:, :2]], axis=1)
    outer = (ends[:, 0] >= 0) & (ends[:, 0] != ends[:, 1])
    pairs, inverse = np.unique(ends[outer], axis=0, return_inverse=True)
    shared = np.bincount(inverse.ravel(), adjacency[outer, 2], minlength=len(pairs)).astype(np.int64)
    return np.column_stack([pairs, shared])


def _any(owner: np.ndarray, flags: np.ndarray, m: int) -> np.ndarray:
    return np.bincount(owner, flags, minlength=m) > 0


def unit_cell_level(
    sites: LabelledPoints, patches: list[tuple[Lattice, LatticePoints]], names: list[str], units: str = ""
) -> Level | None:
    """Return the unit cells as a level whose parts are the atoms; None if there is no complete cell.

    Parameters
    ----------
    sites : LabelledPoints
        The atoms.
    patches : list of (Lattice, LatticePoints)
        Translations and corners, for the whole field or for each grain.
    names : list of str
        Names of the motifs.
    units : str
        Unit of the positions, for the reason.
    """
    positions = np.concatenate([points.positions for _, points in patches])
    starts = np.cumsum([0, *[len(points.positions) for _, points in patches]])
    bonds = np.concatenate(
        [points.bonds + start for (_, points), start in zip(patches, starts, strict=False)]
    )
    cells = find_cells(positions, bonds=bonds, merge_centred_rings=False)
    whole = np.flatnonzero(cells.n_corners == 4)
    if not len(whole):
        return None
    level = coarse_level("unit-cell", sites, positions, cells, whole, names)
    lattice, _ = max(patches, key=lambda patch: len(patch[1].positions))
    corners = np.concatenate([points.site for _, points in patches])
    kinds = sites.labels[corners[corners >= 0]]
    a, b = lattice.lengths
    mean = _mean_content(level, sites, len(names))
    content = formula({name: v for name, v in zip(names, mean, strict=True)}, decimals=1)
    scalars = {
        "a": float(a), "b": float(b), "angle": lattice.angle, "area": lattice.area,
        "ax": float(lattice.vectors[0, 0]), "ay": float(lattice.vectors[0, 1]),
        "bx": float(lattice.vectors[1, 0]), "by": float(lattice.vectors[1, 1]),
        "match": lattice.match, "n_atoms": float(mean.sum()), "n_lattices": float(len(patches)),
    }  # fmt: skip
    where = "the atoms" if len(patches) == 1 else f"the atoms of the largest of {len(patches)} grains"
    reason = (
        f"Translations of {a:.4g} and {f'{b:.4g} {units}'.rstrip()} at {lattice.angle:.1f} degrees map "
        f"{100 * lattice.match:.0f} % of {where} onto atoms of their motif. Corners are the atoms of "
        f"{motif_name(int(np.bincount(kinds).argmax()), names)}; on average a cell contains {content}."
    )
    return Level(**{**level.__dict__, "scalars": scalars, "reason": reason})


def _mean_content(level: Level, sites: LabelledPoints, n_labels: int) -> np.ndarray:
    content = compositions(level.parts, level.fractions, sites.labels, len(level), n_labels)
    inner = ~level.columns["on_border"]
    return content[inner].mean(axis=0) if inner.any() else content.mean(axis=0)


def coarse_level(
    kind: str, sites: LabelledPoints, points: np.ndarray, cells: Cells, kept: np.ndarray, names: list[str]
) -> Level:
    """Return cells between points of a larger spacing as a level whose parts are the atoms.

    Atoms inside a cell belong to it completely, those on a side by half, those on a corner by the angle. Cells of one
    class have the same number of corners and the same composition up to a tenth of their atoms.

    Parameters
    ----------
    kind : str
        Kind of the level.
    sites : LabelledPoints
        The atoms.
    points : numpy.ndarray of float, shape (k, 2)
        Corners x, y.
    cells : Cells
        The cells between these points.
    kept : numpy.ndarray of int
        Indices of the cells to use.
    names : list of str
        Names of the motifs.
    """
    polygons = [cells.corners[k] for k in kept.tolist()]
    sizes = np.array([len(p) for p in polygons])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    vertices = points[np.concatenate(polygons)]
    parts, fractions = polygon_shares(sites.positions, vertices, offsets, _ON_SIDE * sites.spacing)
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
        adjacency=_joined_adjacency(cells.adjacency, number),
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
    unique, inverse, count = np.unique(key, axis=0, return_inverse=True, return_counts=True)
    models: list[int] = []
    of_content = np.zeros(len(unique), dtype=np.int64)
    for k in np.argsort(-count, kind="stable").tolist():
        for number, model in enumerate(models):
            odd = np.abs(unique[k, 1:] - unique[model, 1:]).sum() / 2
            if unique[k, 0] == unique[model, 0] and odd <= _MOST_ODD * unique[model, 1:].sum():
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
    margin = _ON_SIDE * sites.spacing
    out = ((vertices < low - margin) | (vertices > high + margin)).any(axis=1)
    return np.logical_or.reduceat(out, offsets[:-1])


def domain_levels(cells: Cells, found: Domains) -> list[Level]:
    """Return the domains, and the boundaries if there are any, as levels.

    None for a single domain, and for islands that cover less than half of the field.

    Parameters
    ----------
    cells : Cells
        The cells.
    found : Domains
        Domain or boundary of each cell.
    """
    n = len(found.labels)
    if n < 2 or cells.areas[found.domain >= 0].sum() < _LEAST_COVER * cells.areas.sum():
        return []
    kinds = int(found.labels.max()) + 1
    names = []
    for kind in range(kinds):
        d = int(np.argmax(found.labels == kind))
        names.append(f"cell-class:{found.classes[d]} at {np.degrees(found.angles[d]):.1f} degrees")
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
        adjacency=_joined_adjacency(cells.adjacency, group),
        columns={"area": area, "n_cells": np.bincount(owner, minlength=n), **columns},
        reason=f"{n} of {len(names)} kinds cover {100 * share:.0f} % of the cells' area.",
    )
