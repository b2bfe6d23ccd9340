"""Cells of an image: found, stored, and their contents as patches."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs import store
from hyperspy_motifs.cells import BondRule, Cells

from ._atom_table import expected_motifs

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.signals import ZernikeFeatures

# Options of the user, stored with the arrays so that the cells can be built again.
OPTIONS = "options"


def find_cells(
    record: store.Record,
    bonds: object,
    motifs: Sequence[int] | None,
    *,
    vacancies: bool = True,
    **options: object,
) -> dict[str, Any]:
    """Cells of `record` as the arrays and scalars that are stored.

    The options are those of `cells.find_cells`. For a stack, `empty_frames` is the frame of each empty site. With
    `vacancies` the empty sites of the record are used unless others are given, or the bonds.
    """
    if vacancies and "empty" not in options and isinstance(bonds, str | BondRule):
        options |= _empty_sites(record, motifs)
    cells = _find(record, bonds, motifs, options)
    simple = bonds if isinstance(bonds, str) else "given"
    kept = {
        "bonds": simple,
        "motifs": None if motifs is None else [int(m) for m in motifs],
        "merge_centred_rings": options.get("merge_centred_rings", "auto"),
    }
    return {**cells.to_arrays(), OPTIONS: kept}


def _empty_sites(record: store.Record, motifs: Sequence[int] | None) -> dict[str, np.ndarray]:
    """The empty sites of a record at which a column of the `motifs` is missing, and their frames."""
    if not record.sites:
        return {}
    # A site without a given atom at which the image shows a column is no vacancy.
    chosen = (record.sites["atoms"] < 0) & (record.sites["probability"] <= 0.5)
    if motifs is not None:
        chosen &= np.isin(expected_motifs(record, record.sites), motifs)
    return {
        "empty": record.sites["positions"][chosen],
        "empty_frames": record.sites["frames"][chosen],
    }


def cells_of_record(signal: BaseSignal, record: store.Record) -> Cells:
    """Cells of a stored result; after a crop only cells with all corners remain."""
    stored = {k: v for k, v in record.cells.items() if k != OPTIONS}
    if not stored:
        return _find(record, "auto", None, _empty_sites(record, None))
    cells = Cells.from_arrays(stored)
    if record.kept is not None:
        cells = _remaining(cells, record.kept)
    if record.distorted:
        return _with_same_bonds(record, cells)
    if record.kept is not None or record.stretch != 1.0:
        cells = _with_current_lengths(cells, record)
    return cells


def stored_form(record: store.Record) -> dict[str, Any]:
    """The cells of `record` in the form for writing, also after a crop."""
    if not record.cells or (record.kept is None and record.stretch == 1.0 and not record.distorted):
        return record.cells
    return {**cells_of_record(None, record).to_arrays(), OPTIONS: record.cells.get(OPTIONS, {})}


def _remaining(cells: Cells, kept: np.ndarray) -> Cells:
    """The `cells` with all corners among the atoms `kept`, with new numbers of atoms."""
    n_old = (
        max(
            [int(a.max()) for a in (cells.vertices, cells.bonds, cells.centre_atoms, kept) if a.size],
            default=-1,
        )
        + 1
    )
    n_old = max(n_old, cells.n_points + len(cells.empty_sites))
    new = np.full(n_old + 1, -1)
    new[kept] = np.arange(len(kept))
    m = len(cells)
    # An empty site remains where a cell does whose atoms all remain.
    present = new >= 0
    present[cells.n_points : cells.n_points + len(cells.empty_sites)] = True
    whole = np.array([present[p].all() for p in cells.corners], dtype=bool).reshape(m)
    corners = cells.vertices[np.repeat(whole, cells.n_corners)]
    vacant = np.unique(corners[corners >= cells.n_points])
    new[vacant] = len(kept) + np.arange(len(vacant))
    index = np.flatnonzero(whole)
    number = np.full(m, -1)
    number[index] = np.arange(len(index))
    pairs = cells.adjacency
    both = (number[pairs[:, 0]] >= 0) & (number[pairs[:, 1]] >= 0)
    # A cell that lost a neighbour lies at the border now.
    border = cells.on_border.copy()
    border[pairs[:, :2][~both].ravel()] = True
    rows = ("areas", "labels", "handedness", "orientation", "strain", "n_centre_atoms", "n_holes", "centres")
    chosen = [cells.corners[i] for i in index]
    return dataclasses.replace(
        cells,
        **{name: getattr(cells, name)[index] for name in rows},
        vertices=new[np.concatenate(chosen)] if chosen else np.zeros(0, np.int64),
        offsets=np.r_[0, np.cumsum([len(p) for p in chosen])].astype(np.int64),
        on_border=border[index],
        n_points=len(kept),
        empty_sites=cells.empty_sites[vacant - cells.n_points],
        centre_atoms=np.where(cells.centre_atoms[index] >= 0, new[cells.centre_atoms[index]], -1),
        bonds=new[cells.bonds][(new[cells.bonds] >= 0).all(axis=1)],
        adjacency=np.column_stack([number[pairs[both, 0]], number[pairs[both, 1]], pairs[both, 2]]).reshape(
            -1, 3
        ),
    )


def _with_current_lengths(cells: Cells, record: store.Record) -> Cells:
    """`cells` with centres and areas in the current units of the image."""
    if not len(cells):
        return cells
    corners = cells.with_empty_sites(record.positions)[cells.vertices]
    centres = np.add.reduceat(corners, cells.offsets[:-1], axis=0) / cells.n_corners[:, None]
    return dataclasses.replace(cells, centres=centres, areas=cells.areas * record.stretch**2)


def same_cells_relabelled(record: store.Record) -> dict[str, Any]:
    """The stored cells of `record` with the same bonds and the corner sequences of its current labels."""
    if not record.cells:
        return find_cells(record, "auto", None)
    cells = _with_same_bonds(record, cells_of_record(None, record))
    return {**cells.to_arrays(), OPTIONS: {**record.cells.get(OPTIONS, {}), "motifs": None}}


def _with_same_bonds(record: store.Record, cells: Cells) -> Cells:
    """The cells that the bonds of `cells` enclose at the present places and labels of the atoms."""
    options = record.cells.get(OPTIONS, {})
    # Corners do not change: numbers of motifs may have changed since the selection.
    found = _find(
        record,
        cells.bonds,
        None,
        {
            "merge_centred_rings": options.get("merge_centred_rings", "auto"),
            "empty": cells.empty_sites,
            "empty_frames": _frames_of_empty(cells.to_arrays(), record),
        },
    )
    return dataclasses.replace(
        found, rule=cells.rule, reason=cells.reason, clarity=cells.clarity, is_doubtful=cells.is_doubtful
    )


def _find(record: store.Record, bonds: Any, motifs: Sequence[int] | None, options: dict[str, Any]) -> Cells:
    from hyperspy_motifs.cells import find_cells as find

    stamp = record.stamp
    corners = stamp.to_units(np.array([[-0.5, -0.5], np.array(stamp.shape) - 0.5]))
    extent = (corners[:, 0].min(), corners[:, 0].max(), corners[:, 1].min(), corners[:, 1].max())
    options = dict(options)
    empty_frames = options.pop("empty_frames", None)
    empty = np.asarray([] if options.get("empty") is None else options["empty"], float).reshape(-1, 2)
    common = {"probabilities": record.probabilities, **options}
    numbers = np.unique(record.frames)
    if len(numbers) <= 1:
        return find(record.positions, record.labels, bonds, motifs=motifs, extent=extent, **common)
    if len(empty) and empty_frames is None:
        raise ValueError("the frame of each empty site must be given for a stack: empty_frames")
    frames = np.concatenate([record.frames, np.asarray([] if empty_frames is None else empty_frames, int)])
    # Bonds are found in each frame. Frames are then placed far apart in one plane, so that they share classes.
    by_rule = isinstance(bonds, str | BondRule)
    pairs, found_in_frames = [], []
    n = len(record.positions)
    for number in numbers:
        here = np.flatnonzero(frames == number)
        here, vacant = here[here < n], here[here >= n]
        wanted = here if motifs is None else here[np.isin(record.labels[here], motifs)]
        if len(wanted) > 2 and by_rule:
            found = find(
                record.positions[wanted], record.labels[wanted], bonds,
                empty=empty[vacant - n], merge_centred_rings=False,
            )  # fmt: skip
            pairs.append(np.append(wanted, vacant)[found.bonds])
            found_in_frames.append(found)
    joined = np.concatenate(pairs) if pairs else np.zeros((0, 2), int)
    if not by_rule:
        joined = np.asarray(bonds)
    step = 2 * (extent[1] - extent[0])
    shift = np.zeros((len(frames), 2))
    shift[:, 0] = step * np.searchsorted(numbers, frames)
    cells = find(
        record.positions + shift[:n], record.labels, joined, **{**common, "empty": empty + shift[n:]}
    )
    cells = dataclasses.replace(cells, empty_sites=empty)
    if not len(cells):
        return cells
    first = cells.vertices[cells.offsets[:-1]]
    cells = dataclasses.replace(cells, centres=cells.centres - shift[first])
    if not found_in_frames:
        return cells
    # The least clear frame determines the reason.
    doubtful = min(found_in_frames, key=lambda frame: frame.clarity)
    return dataclasses.replace(
        cells,
        rule=doubtful.rule,
        clarity=doubtful.clarity,
        is_doubtful=any(frame.is_doubtful for frame in found_in_frames),
        reason=f"{doubtful.reason} (frame by frame; from the least clear frame)",
    )


def _frames_of_empty(stored: dict[str, Any], record: store.Record) -> np.ndarray:
    """Frame of each stored empty site: that of an atom to which it is bonded, directly or through other empty sites."""
    n, k = int(stored.get("n_points", len(record.positions))), len(stored.get("empty_sites", ()))
    frames = np.append(record.frames, np.full(k, -1))
    bonds = np.asarray(stored["bonds"]).reshape(-1, 2)
    for _ in range(k):
        known = frames[bonds]
        reached = (known < 0).any(axis=1) & (known >= 0).any(axis=1)
        if not reached.any():
            break
        inner, outer = known[reached].max(axis=1), bonds[reached][known[reached] < 0]
        frames[outer] = inner
    # A site without bonds is in no cell: any frame is equally right for it.
    return np.where(frames[n:] < 0, record.frames.min(initial=0), frames[n:])


def chosen_cells(cells: Cells, n_corners: int | Sequence[int] | None) -> np.ndarray:
    """Numbers of the cells with `n_corners` corners; of all by default."""
    if n_corners is None:
        chosen = np.arange(len(cells))
    else:
        chosen = np.flatnonzero(np.isin(cells.n_corners, n_corners))
    if not len(chosen):
        sizes = np.unique(cells.n_corners).tolist()
        raise ValueError(
            f"No cells match: n_corners is {n_corners}, the cells have {sizes or 'none'}. "
            "motifs.find_cells(...) with another bond rule may find some."
        )
    return chosen


def cell_patches(
    signal: BaseSignal,
    record: store.Record,
    cells: Cells,
    chosen: np.ndarray,
    radius: float | None,
    normalise: bool,
) -> BaseSignal:
    """Discs around the centres of the `chosen` cells; discs that leave the image are omitted."""
    from ._patch_extraction import sample

    if radius is None:
        radius = float(np.sqrt(np.median(cells.areas[chosen]) / np.pi))
    frames = cells.of_points(record.frames)[chosen]
    pixels = record.stamp.to_pixels(cells.centres[chosen])
    scale = abs(record.stamp.scale[0])
    patches = sample(signal, record.stamp, pixels, frames, radius / scale, normalise, drop_outside=True)
    patches.metadata.set_item(f"{store.PATCHES_NODE}.atoms", chosen[patches.atoms])
    return patches


def cell_groups(
    features: ZernikeFeatures,
    numbers: np.ndarray,
    n_cells: int,
    rotation_invariant: bool,
    n_clusters: int | None,
    random_state: int,
) -> np.ndarray:
    """Group (n_cells,) of each cell by its features, those of the cells `numbers`; -1 for cells without."""
    from hyperspy_motifs.clustering import MotifClustering
    from hyperspy_motifs.zernike import invariants, whiten

    moments = features.get_moments()
    values, noise = invariants(moments) if rotation_invariant else (moments.values, moments.noise_std)
    groups = np.full(n_cells, -1)
    usable = np.flatnonzero(moments.valid)
    if len(usable) < 2:
        raise ValueError(
            f"The discs of only {len(usable)} of these cells lie inside the image: too few to compare."
        )
    model = MotifClustering(n_clusters, noise=1.0, random_state=random_state)
    groups[numbers[usable]] = model.fit_predict(whiten(values, noise)[usable])
    return groups
