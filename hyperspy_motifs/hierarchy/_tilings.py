"""Levels that tiles build: supertilings, vertex figures, and the disorder of a tiling."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np

from hyperspy_motifs.cells import Cells, canonical_sequences, find_cells
from hyperspy_motifs.naming import motif_name

from ._composites import Composites, compositions, formula, unique_pairs
from ._domains import Domains
from ._hierarchy import Description, LabelledPoints, Level, describe
from ._lattice import Lattice
from ._statistics import corner_shares, polygon_shares
from ._unit_cells import LatticePoints

#: Number of blocks across the field for the standard error: blocks are large compared with a cell and small compared
#: with the field.
_N_BLOCKS = 6


@dataclass(frozen=True)
class Disorder:
    """Bits per atom.

    Attributes
    ----------
    bits_per_atom : float
        Length of the description over the number of atoms: 0 for an infinite crystal; it increases as cells become
        less predictable from their neighbours.
    std : float
        Its standard error, from the spread between blocks of the field.
    """

    bits_per_atom: float
    std: float


def bits_per_atom(
    labels: np.ndarray,
    edges: np.ndarray,
    centres: np.ndarray,
    n_atoms: int,
    description: Description | None = None,
) -> Disorder:
    """Return the length of the description of a tiling per atom.

    Parameters
    ----------
    labels : numpy.ndarray of int, shape (m,)
        Class of each cell, from 0.
    edges : numpy.ndarray of int, shape (e, 2)
        Cells that share a side.
    centres : numpy.ndarray of float, shape (m, 2)
        Their centres x, y.
    n_atoms : int
        Number of atoms.
    description : Description, optional
        Description of the cells, if known.

    Returns
    -------
    Disorder

    Raises
    ------
    ValueError
        If there are no atoms.
    """
    if n_atoms < 1:
        raise ValueError("The bits per atom need at least one atom.")
    if description is None:
        description = describe(labels, edges, centres, int(labels.max(initial=-1)) + 1)
    return Disorder(description.bits / n_atoms, _block_error(description.per_node, centres) / n_atoms)


def _block_error(bits: np.ndarray, centres: np.ndarray) -> float:
    """Return the standard error of the sum of `bits`, whose neighbours are correlated."""
    if len(bits) < 2:
        return 0.0
    low, extent = centres.min(axis=0), np.maximum(np.ptp(centres, axis=0), 1e-12)
    place = np.minimum((_N_BLOCKS * (centres - low) / extent).astype(np.int64), _N_BLOCKS - 1)
    block = place[:, 0] * _N_BLOCKS + place[:, 1]
    count = np.bincount(block, minlength=_N_BLOCKS**2)
    used = count > 0
    # Blocks at an irregular edge are smaller: the excess over their share of the bits is used.
    excess = np.bincount(block, bits, minlength=_N_BLOCKS**2)[used] - bits.mean() * count[used]
    n = int(used.sum())
    return float(np.sqrt((excess**2).sum() * n / max(n - 1, 1)))


def figure_name(sequence: tuple[int, ...]) -> str:
    """Return the symbol of a vertex figure: the numbers of corners of the cells around it, ``3^2.4.3.4``.

    References
    ----------
    B. Grünbaum and G. C. Shephard, Tilings and Patterns, Freeman (1987), section 2.1.
    """
    runs = [(corners, len(list(run))) for corners, run in groupby(sequence)]
    # A run across the end of the sequence is one run.
    if len(runs) > 1 and runs[0][0] == runs[-1][0]:
        runs = [(runs[0][0], runs[0][1] + runs[-1][1]), *runs[1:-1]]
    return ".".join(str(corners) if n == 1 else f"{corners}^{n}" for corners, n in runs)


def vertex_figures(
    points: np.ndarray, vertices: np.ndarray, offsets: np.ndarray, bonds: np.ndarray, n_atoms: int
) -> Level:
    """Return the level of vertex figures.

    Only atoms that are surrounded by cells have one. A cell with ``n`` corners belongs to each of its figures with
    the share ``1 / n``.

    Parameters
    ----------
    points : numpy.ndarray of float, shape (n, 2)
        Positions x, y of the atoms, then those of empty sites.
    vertices, offsets : numpy.ndarray of int
        Corners of all cells, counter-clockwise, and the start of each cell.
    bonds : numpy.ndarray of int, shape (b, 2)
        Bonds between the points: figures at the ends of a bond are neighbours.
    n_atoms : int
        Number of atoms: an empty site has no figure.

    Returns
    -------
    Level
    """
    sizes = np.diff(offsets)
    cell, share = corner_shares(points, vertices, offsets)
    centres = np.column_stack([np.bincount(cell, points[vertices, i]) for i in range(2)]) / sizes[:, None]
    away = centres[cell] - points[vertices]
    order = np.lexsort((np.arctan2(away[:, 1], away[:, 0]), vertices))
    whole = np.bincount(vertices, share, minlength=len(points)) > 1 - 1e-6
    whole[n_atoms:] = False
    order = order[whole[vertices[order]]]
    atom, cell = vertices[order], cell[order]
    atoms, starts = np.unique(atom, return_index=True)
    begins = np.append(starts, len(atom))
    sequences = canonical_sequences(sizes[cell], begins)
    text = (
        [figure_name(tuple(w.tolist())) for w in np.split(sequences.letters, begins[1:-1])]
        if len(atoms)
        else []
    )
    labels, names = _ranked(text)
    number = np.full(len(points), -1)
    number[atoms] = np.arange(len(atoms))
    pairs = number[bonds.reshape(-1, 2)]
    pairs = unique_pairs(pairs[(pairs >= 0).all(axis=1)], len(points))
    return Level(
        kind="vertex-figure",
        centres=points[atoms],
        labels=labels,
        names=names,
        child_kind="cell",
        parts=np.column_stack([cell, number[atom]]),
        fractions=1.0 / sizes[cell],
        adjacency=np.column_stack([pairs, np.ones(len(pairs), dtype=np.int64)]),
        columns={"atom": atoms, "n_cells": np.diff(begins)},
        reason=f"{len(atoms)} of {n_atoms} atoms are surrounded by cells. Different vertex figures: {len(names)}.",
    )


def _ranked(text: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number the names, the most frequent 0, and return them in that order."""
    unique, inverse, count = np.unique(np.array(text, dtype=str), return_inverse=True, return_counts=True)
    order = np.argsort(-count, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[inverse.ravel()] if len(text) else np.empty(0, dtype=np.int64), tuple(unique[order].tolist())


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
