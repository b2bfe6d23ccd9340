"""All levels above atoms, motifs and cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

import numpy as np

from hyperspy_motifs.cells import Cells, canonical_sequences

from ._composites import composite_level, find_composites
from ._grains import Domains, atom_domains, cell_orientations, find_domains
from ._hierarchy import Hierarchy, LabelledPoints, Level, bits_per_atom
from ._lattice import Lattice, LatticeContinuation, find_lattice
from ._supertilings import coarse_levels, corner_names, domain_levels, vertex_figure_level
from ._unit_cells import LatticePoints, half_cell_level, lattice_points, merge_by_sublattice, unit_cell_level


@dataclass(frozen=True)
class HierarchyOptions:
    """Options of `build_hierarchy`.

    Attributes
    ----------
    vertex_figures, composites, domains : bool
        Whether to build these levels.
    coarse : {"auto", "unit-cell", "centres", "none"}
        Method for larger spacings: the translations of the pattern, the centres of a class, the former and, without
        translations, the latter ("auto"), or none.
    corner_motif : int, optional
        Motif at the corners of the unit cell, instead of that with the largest connected lattice.
    folds : tuple of int
        Order of the rotational symmetry of each motif, for given angles; 1 if empty.
    """

    vertex_figures: bool = True
    composites: bool = True
    domains: bool = True
    coarse: str = "auto"
    corner_motif: int | None = None
    folds: tuple[int, ...] = field(default=())

    def __post_init__(self) -> None:
        allowed = ("auto", "unit-cell", "centres", "none")
        if self.coarse not in allowed:
            raise ValueError(f"coarse must be one of {', '.join(allowed)}, not {self.coarse!r}.")


class LevelBuilder(Protocol):
    """Makes a level of the hierarchy; given as ``build_hierarchy(..., further=[builder])``."""

    def __call__(self, positions: np.ndarray, labels: np.ndarray, cells: Cells) -> Level | None:
        """Make the level, or return None where there is none.

        Parameters
        ----------
        positions : ndarray of float, shape (n, 2)
            x, y of the atoms in the unit of the cells.
        labels : ndarray of int, shape (n,)
            Motif of each atom.
        cells : Cells

        Returns
        -------
        Level or None
            Its parts are atoms, cells or nodes of another level.
        """
        ...


def build_hierarchy(
    positions: np.ndarray,
    labels: np.ndarray,
    cells: Cells,
    *,
    names: Sequence[str] | None = None,
    angles: np.ndarray | None = None,
    reflected: np.ndarray | None = None,
    options: HierarchyOptions | None = None,
    units: str = "",
    further: Sequence[LevelBuilder] = (),
) -> Hierarchy:
    """Build the levels above the cells.

    The order is: vertex figures (the cells around each atom); composites (classes of cells with a shorter joint
    description); halves of a hexagonal cell, and unit cells, if translations map the pattern onto itself, otherwise
    cells between the centres of a class with a larger spacing, repeatedly; domains, if there is more than one, and
    the boundaries between them.

    Parameters
    ----------
    positions : array-like of float, shape (n, 2)
        Positions x, y of the atoms, in the unit of the cells.
    labels : array-like of int, shape (n,)
        Motif of each atom, from 0.
    cells : Cells
        Motif-cells of these atoms.
    names : sequence of str, optional
        Names of the motifs; ``m0``, ``m1``, ... by default.
    angles : array-like of float, shape (n,), optional
        Angle of each atom's neighbourhood relative to the mean of its motif, in radians. It distinguishes sites that
        are equal up to a rotation. The unit cell does not depend on it.
    reflected : array-like of bool, shape (n,), optional
        Whether the neighbourhood is the mirror image of the mean of the motif.
    options : HierarchyOptions, optional
        Levels to build; all by default.
    units : str, optional
        Unit of the positions, for the text of `reason`.
    further : sequence of LevelBuilder, optional
        Functions for levels of your own, above the others.

    Returns
    -------
    Hierarchy
        Its ``scalars`` contain ``bits_per_atom`` and ``bits_per_atom_std``; its ``reason`` explains the last level.

    Raises
    ------
    ValueError
        If the lengths do not match, or a corner of a cell is not an atom.
    """
    options = HierarchyOptions() if options is None else options
    sites = _sites(positions, labels, angles, reflected, options)
    _check_cells(cells, len(sites))
    motif_names = _names(names, sites)
    levels: list[Level] = []
    scalars: dict[str, float] = {}
    corners = _with_empty_sites(sites, cells)
    if options.vertex_figures and len(cells):
        figures = vertex_figure_level(cells, corners.positions, len(sites))
        levels += [figures] if len(figures) else []
    if len(cells):
        levels += _described(sites, cells, motif_names, options, scalars)
    lattice, same = _lattice(sites, options)
    found = _domains(corners, same is sites, cells, lattice) if len(cells) else None
    atoms = np.full(len(sites), -1)
    if found is not None:
        atoms = atom_domains(corners.positions, cells.vertices, cells.offsets, found.domain)[: len(sites)]
    patches = _lattice_patches(sites, lattice, same, found, atoms, options)
    unit_cells = unit_cell_level(sites, patches, motif_names, units) if patches else None
    if unit_cells is not None:
        # Several grains have separate lattices: halves are searched for only in a field with one lattice.
        halves = half_cell_level(sites, patches[0][0], motif_names) if len(patches) == 1 else None
        levels += [unit_cells] if halves is None else [halves, unit_cells]
    elif options.coarse in ("auto", "centres"):
        levels += coarse_levels(sites, cells, motif_names)
    if options.domains and found is not None and (lattice is not None or found.labels.max(initial=0) > 0):
        # Patches of one kind with the same lattice are parts of one crystal.
        levels += domain_levels(cells, found)
    reason = _reason(levels, bool(patches))
    levels += [
        level for build in further if (level := build(sites.positions, sites.labels, cells)) is not None
    ]
    return Hierarchy(tuple(levels), scalars, reason, atoms)


def _sites(
    positions: np.ndarray,
    labels: np.ndarray,
    angles: np.ndarray | None,
    reflected: np.ndarray | None,
    options: HierarchyOptions,
) -> LabelledPoints:
    positions, labels = np.asarray(positions, dtype=float), np.asarray(labels)
    if len(labels) and not (np.issubdtype(labels.dtype, np.integer) and labels.min() >= 0):
        raise ValueError("The labels must be integers from 0.")
    return LabelledPoints(
        positions.reshape(-1, 2) if not positions.size else positions,
        labels.astype(np.int64),
        None if angles is None else np.asarray(angles, dtype=float),
        None if reflected is None else np.asarray(reflected, dtype=bool),
        np.array(options.folds, dtype=np.int64) if options.folds else None,
    )


def _with_empty_sites(sites: LabelledPoints, cells: Cells) -> LabelledPoints:
    """Return the corners of the cells: the atoms, then the empty sites, which are of one more kind."""
    k = len(cells.empty_sites)
    if not k:
        return sites
    kind = int(sites.labels.max(initial=-1)) + 1
    return LabelledPoints(
        cells.with_empty_sites(sites.positions),
        np.append(sites.labels, np.full(k, kind)),
        None if sites.angles is None else np.append(sites.angles, np.zeros(k)),
        None if sites.reflected is None else np.append(sites.reflected, np.zeros(k, dtype=bool)),
        None if sites.folds is None else np.append(sites.folds[:kind], 1),
    )


def _check_cells(cells: Cells, n: int) -> None:
    if len(cells.empty_sites) and cells.n_points != n:
        raise ValueError(
            f"The cells are those of {cells.n_points} atoms and {len(cells.empty_sites)} empty sites, but there are "
            f"{n} atoms: give the cells of these atoms."
        )
    if len(cells.vertices) and cells.vertices.max() >= n + len(cells.empty_sites):
        raise ValueError(
            f"The cells have a corner at atom {cells.vertices.max()}, but there are {n} atoms: give the "
            "cells of these atoms."
        )


def _names(names: Sequence[str] | None, sites: LabelledPoints) -> list[str]:
    n = int(sites.labels.max(initial=-1)) + 1
    given = [] if names is None else [str(name) for name in names]
    return given + [f"m{i}" for i in range(len(given), n)]


def _described(
    sites: LabelledPoints,
    cells: Cells,
    names: list[str],
    options: HierarchyOptions,
    scalars: dict[str, float],
) -> list[Level]:
    """Return the composites, and store the length of the description of the cells."""
    edges = cells.adjacency[:, :2]
    disorder = bits_per_atom(cells.labels, edges, cells.centres, len(sites))
    levels = []
    bits = disorder.bits_per_atom
    if options.composites:
        found = find_composites(cells.labels, edges, cells.centres, cells.areas)
        bits = min(bits, (found.after.bits + found.rule_bits) / len(sites))
        sequences = [corner_names(c.corner_sequence, names) for c in cells.classes]
        level = composite_level(cells, found, sequences)
        levels += [] if level is None else [level]
    scalars["bits_per_atom"] = float(bits)
    scalars["bits_per_atom_std"] = disorder.std
    return levels


def _lattice(sites: LabelledPoints, options: HierarchyOptions) -> tuple[Lattice | None, LabelledPoints]:
    """Return the translations and the sites from which they were found."""
    if options.coarse not in ("auto", "unit-cell"):
        return None, sites
    lattice = find_lattice(sites)
    if lattice is not None:
        return lattice, sites
    # A lattice with randomly distributed motifs is also a lattice.
    alike = sites.without_kinds()
    return find_lattice(alike), alike


def _lattice_patches(
    sites: LabelledPoints,
    lattice: Lattice | None,
    same: LabelledPoints,
    domains: Domains | None,
    atoms: np.ndarray,
    options: HierarchyOptions,
) -> list[tuple[Lattice, LatticePoints]]:
    """Return the corners of the unit cells of the whole field, or of each grain if grains have different
    orientations."""
    if options.coarse not in ("auto", "unit-cell"):
        return []
    if lattice is not None:
        points = lattice_points(same, lattice, options.corner_motif)
        return [] if points is None else [(lattice, points)]
    patches: list[tuple[Lattice, LatticePoints]] = []
    for domain in range(0 if domains is None else len(domains.labels)):
        members = np.flatnonzero(atoms == domain)
        grain = sites.subset(members)
        own, grain = _lattice(grain, options)
        points = None if own is None else lattice_points(grain, own, options.corner_motif)
        if own is not None and points is not None:
            patches.append((own, points.of_sites(members)))
    return patches or _faint_patches(sites, options)


def _faint_patches(sites: LabelledPoints, options: HierarchyOptions) -> list[tuple[Lattice, LatticePoints]]:
    """Return the corners of the unit cells of a lattice with many missing sites."""
    for some in (sites, sites.without_kinds()):
        lattice = find_lattice(some, faint=True)
        points = None if lattice is None else lattice_points(some, lattice, options.corner_motif)
        if lattice is not None and points is not None:
            return [(lattice, points)]
    return []


def _domains(corners: LabelledPoints, kinds: bool, cells: Cells, lattice: Lattice | None) -> Domains:
    """Return the domains; for them a dopant or a vacancy counts as the atom that it replaces.

    `kinds` is whether the translations were found from the motifs: if they were found from positions alone, motifs do
    not show whether a lattice continues.
    """
    labels = corners.labels if lattice is None else merge_by_sublattice(corners, lattice)
    merged = replace(corners, labels=labels) if kinds else corners.without_kinds()
    sequences = canonical_sequences(labels[cells.vertices], cells.offsets)
    classes = _most_frequent_first(sequences.letters, cells)
    turned = cell_orientations(corners.positions, labels, cells.vertices, cells.offsets, classes)
    continuation = None if lattice is None else LatticeContinuation(merged, lattice, cells)
    return find_domains(turned, cells.adjacency[:, :2], continuation)


def _most_frequent_first(letters: np.ndarray, cells: Cells) -> np.ndarray:
    """Return a class (m,) for each sequence, those of the classes of the cells if nothing was merged."""
    raw = letters.tobytes()
    texts = [raw[a:b] for a, b in pairwise((letters.itemsize * cells.offsets).tolist())]
    number = {text: k for k, (text, _) in enumerate(Counter(texts).most_common())}
    return np.array([number[text] for text in texts], dtype=np.int64)


def _reason(levels: list[Level], periodic: bool) -> str:
    kinds = [level.kind for level in levels]
    if "domain" in kinds:
        return "The hierarchy ends at domains: no larger pattern repeats."
    if "unit-cell" in kinds:
        return "The hierarchy ends at the unit cell: all larger units are translations of it."
    if "coarse-cell" in kinds:
        return "The hierarchy ends here: no class has centres that tile the field at a larger spacing."
    if periodic:
        return "The hierarchy ends here: the field contains no complete unit cell."
    return "The hierarchy ends here: no translation maps the pattern onto itself, and no class tiles at a larger spacing."
