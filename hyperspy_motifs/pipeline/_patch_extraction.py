"""Patches: of atoms, on a grid, and their means."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from hyperspy.signals import Signal2D
from scipy import ndimage

from hyperspy_motifs import store
from hyperspy_motifs.clustering import MIN_MOTIF_SIZE, RADII
from hyperspy_motifs.common import SMALLEST_SAMPLE

from ._atom_finding import find_atoms, given_atoms, stored_atoms
from ._atom_table import AtomTable
from ._checks import check_axes, check_length, check_radius
from ._clean_image import CleanFrames, clean_image, data_frame, n_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.graph import MotifGraph

GRID = "grid"
# Steps of the grid between two columns: the nearest patch is then never more than half a step away.
STEPS = 2


def check_patch_centres(signal: BaseSignal, table: AtomTable, clean: CleanFrames) -> dict[str, Any]:
    """Whether the peaks of the first frame represent columns: ``kind`` ("peaks" or "grid"), ``reason``, ``certainty``."""
    from hyperspy_motifs.sites import choose_patch_centres

    first = table.frames == table.frames[0]
    image = clean(0, int(table.frames[0])).data
    if table.facts.get("polarity") == "dark":
        image = -image
    spacing = float(table.facts["separation"]) / abs(store.Stamp.of(signal).scale[0])
    found = choose_patch_centres(image, table.pixel_positions[first], spacing=spacing)
    return {"kind": found.kind, "reason": found.reason, "certainty": found.certainty}


def grid_table(
    signal: BaseSignal, separation: float | None, polarity: str, show_progressbar: bool | None
) -> AtomTable:
    """Points of a triangular grid instead of atoms, `STEPS` per distance of columns, the same in every frame."""
    from hyperspy_motifs.sites import grid_centres

    check_axes(signal)
    stamp = store.Stamp.of(signal)
    scale = abs(stamp.scale[0])
    facts: dict[str, Any] = {}
    if separation is None:
        found = find_atoms(signal, None, show_progressbar, polarity=polarity, refine=False)
        facts = {k: v for k, v in found.facts.items() if k in ("separation", "polarity")}
    else:
        facts["separation"] = check_length(separation, "separation", stamp)
    step = float(facts["separation"]) / scale / STEPS
    points = grid_centres(stamp.shape[::-1], step)
    n = n_frames(signal)
    pixels = np.tile(points, (n, 1))
    frames = np.repeat(np.arange(n), len(points))
    return AtomTable(stamp.to_units(pixels), pixels, frames, {}, facts, stamp.units)


# In nearest-neighbour distances: the centre of a hexagon is one distance from its corners and must be reconstructed
# as well, and the patch of an atom must dominate at its position.
LEAST_REACH = RADII[1]
PAINT_WIDTH = 0.4


def get_atom_patches(
    signal: BaseSignal, atoms: object, radius: float, radius_units: str, normalise: bool
) -> BaseSignal:
    """Patches around `atoms`, or around the stored atoms of the image, or around detected atoms."""
    check_axes(signal)
    stamp = store.Stamp.of(signal)
    radius = check_radius(radius, radius_units, stamp)
    if atoms is not None:
        table = given_atoms(signal, atoms, refine=False, polarity="auto")
        pixels, frames = table.pixel_positions, table.frames
    elif store.has_result(signal):
        record = store.read(signal)
        pixels, frames = record.stamp.to_pixels(record.positions), record.frames
    else:
        found = stored_atoms(signal) or find_atoms(signal, None, None)
        pixels, frames = found.pixel_positions, found.frames
    if not len(pixels):
        raise ValueError("There are no atoms in this part of the image: there is nothing to take patches of.")
    if radius_units == "nn":
        from hyperspy_motifs.atoms import nearest_neighbour_distance

        radius_px = radius * nearest_neighbour_distance(pixels[frames == frames[0]])
    else:
        radius_px = radius / abs(stamp.scale[0])
    return sample(signal, stamp, pixels, frames, radius_px, normalise, drop_outside=True)


def sample(
    signal: BaseSignal,
    stamp: store.Stamp,
    pixels: np.ndarray,
    frames: np.ndarray,
    radius_px: float,
    normalise: bool,
    drop_outside: bool,
) -> Any:
    """Patches of all atoms, in their order; those with less than 70 % of the disc inside the image are omitted on request."""
    from hyperspy_motifs.patches import (
        estimate_background,
        estimate_local_scale,
        patch_size,
        sample_patches,
    )
    from hyperspy_motifs.zernike import (
        MIN_COVERAGE,
        ZernikeBasis,
        disc_coverage,
        estimate_noise,
        window_limits,
    )

    size = patch_size(radius_px)
    patches = np.empty((len(pixels), size, size), np.float32)
    noise_std = np.empty(len(pixels), np.float32)
    coverage = np.empty(len(pixels))
    limits = np.empty((len(pixels), 4), np.int64)
    basis = ZernikeBasis(0, radius_px)
    for index in np.unique(frames):
        here = np.flatnonzero(frames == index)
        image, missing = clean_image(data_frame(signal, int(index)))
        noise = estimate_noise(image)
        raw = sample_patches(image, pixels[here], radius_px)
        variance = noise.variance(raw.mean(axis=(1, 2)))
        offset, scale = np.zeros(len(here)), np.ones(len(here))
        if normalise:
            smooth, _ = estimate_background(image, pixels[here], mask=missing)
            image = image - smooth
            raw = sample_patches(image, pixels[here], radius_px)
            local = estimate_local_scale(
                image,
                pixels[here],
                gain=noise.gain,
                read_std=noise.read_std,
                pedestal=smooth,
                mask=missing,
            )
            offset, scale = local.offset, local.scale
        noise_std[here] = np.sqrt(variance) / scale
        patches[here] = (raw - offset[:, None, None].astype(np.float32)) / scale[:, None, None].astype(
            np.float32
        )
        coverage[here] = disc_coverage(pixels[here], image.shape, basis)
        limits[here] = np.stack(window_limits(pixels[here], image.shape, size), axis=1)
    kept = np.flatnonzero(coverage >= MIN_COVERAGE) if drop_outside else np.arange(len(pixels))
    return store.patches_signal(
        patches[kept],
        abs(stamp.scale[0]),
        stamp.units,
        radius=radius_px,
        noise_std=noise_std[kept],
        atoms=kept,
        limits=limits[kept],
    )


def patches_of_record(signal: BaseSignal, record: store.Record) -> BaseSignal:
    """The normalised patches of a result at its chosen radius, one per atom, in the order of its labels."""
    pixels = record.stamp.to_pixels(record.positions)
    radius_px = radius_in_pixels(record, float(record.radii[record.chosen]))
    patches = sample(
        signal, record.stamp, pixels, record.frames, radius_px, normalise=True, drop_outside=False
    )
    patches.set_motifs(record.labels, record.names)
    return patches


def radius_in_pixels(record: store.Record, radius: float) -> float:
    """Radius in pixels: `radius` times the measured nearest-neighbour distance."""
    return radius * float(record.parameters["spacing"]) / abs(record.stamp.scale[0])


def has_whole_disc(record: store.Record, radius_px: float) -> np.ndarray:
    """Whether the disc of `radius_px` around each atom lies completely inside the image, shape (n,)."""
    pixels = record.stamp.to_pixels(record.positions)
    last = np.array(record.stamp.shape) - 1
    return np.all((pixels >= radius_px) & (pixels <= last - radius_px), axis=1)


def means_of_record(
    signal: BaseSignal, record: store.Record, radius_px: float | None = None, normalise: bool = False
) -> BaseSignal:
    """Mean patch of each motif in counts of the image; patches of rotation-invariant motifs are first rotated back.

    With `normalise` slow background and contrast are removed from each patch, as for the features.
    """
    from hyperspy_motifs.patches import patch_size

    pixels = record.stamp.to_pixels(record.positions)
    if radius_px is None:
        radius_px = radius_in_pixels(record, float(record.radii[record.chosen]))
    size = patch_size(radius_px)
    offset, scale = (
        _local_scale(signal, record) if normalise else (np.zeros(len(pixels)), np.ones(len(pixels)))
    )
    n_motifs = int(record.labels.max()) + 1 if len(record.labels) else 0
    total = np.zeros((n_motifs, size, size))
    count = np.zeros(n_motifs)
    whole = has_whole_disc(record, radius_px)
    for motif in range(n_motifs):
        members = np.flatnonzero(record.labels == motif)
        # Pixels outside the image are unknown: truncated discs are excluded from a mean if one atom has a complete
        # disc.
        members = members[whole[members]] if whole[members].any() else members
        members = members[np.argsort(-record.probabilities[members], kind="stable")][:SMALLEST_SAMPLE]
        for index in np.unique(record.frames[members]):
            here = members[record.frames[members] == index]
            image, _ = clean_image(data_frame(signal, int(index)), tell=False)
            patches = turned_patches(image, pixels[here], size, _angles(record, here))
            total[motif] += ((patches - offset[here, None, None]) / scale[here, None, None]).sum(axis=0)
            count[motif] += len(here)
    means = total / np.maximum(count, 1)[:, None, None]
    out = store.patches_signal(
        means.astype(np.float32), abs(record.stamp.scale[0]), record.stamp.units, radius=radius_px
    )
    out.axes_manager[0].name = "motif"
    out.metadata.General.title = "Mean patch of each motif"
    return out


def reconstruct(signal: BaseSignal, record: store.Record) -> BaseSignal:
    """The image of `signal` reconstructed from the mean of each atom's motif, with local background and contrast."""
    from hyperspy_motifs.patches import paint_patches

    spacing = radius_in_pixels(record, 1.0)
    record = dataclasses.replace(record, labels=_kinds_with_surroundings(record))
    reach = spacing * max(float(record.radii[record.chosen]), LEAST_REACH)
    means = np.asarray(means_of_record(signal, record, reach, normalise=True).data, float)
    offset, scale = _local_scale(signal, record)
    pixels = record.stamp.to_pixels(record.positions)
    painted = np.empty(signal.data.shape, np.float32)
    for index in range(n_frames(signal)):
        here = np.flatnonzero(record.frames == index)
        angle, mirrored = _angles(record, here)
        one = paint_patches(
            signal.data.shape[-2:],
            pixels[here],
            record.labels[here],
            means,
            PAINT_WIDTH * spacing,
            angles=angle,
            mirrored=mirrored,
            offset=offset[here],
            scale=scale[here],
        )
        painted[np.unravel_index(index, signal.data.shape[:-2]) if signal.data.ndim > 2 else ...] = one
    if signal._lazy:
        import dask.array

        painted = dask.array.from_array(painted)
    out = signal._deepcopy_with_new_data(painted)
    store.remove(out)
    out.metadata.General.title = f"{signal.metadata.General.title} reconstructed from its motifs".strip()
    return out


def _kinds_with_surroundings(record: store.Record) -> np.ndarray:
    """Labels split by those of the smallest radius that includes the neighbours, for groups of sufficient size.

    A smaller radius does not include the neighbours, but the patch must be reconstructed up to them.
    """
    wide = np.flatnonzero(record.radii >= LEAST_REACH - 1e-6)
    around = record.radius_labels[wide[0] if len(wide) else len(record.radii) - 1]
    pairs, kinds, counts = np.unique(
        np.column_stack([record.labels, around]), axis=0, return_inverse=True, return_counts=True
    )
    kinds = kinds.ravel()
    n_motifs = int(record.labels.max()) + 1
    rare = counts < MIN_MOTIF_SIZE
    number = np.where(rare, pairs[:, 0], n_motifs + np.cumsum(~rare) - 1)
    _, compact = np.unique(number[kinds], return_inverse=True)
    return compact.ravel()


def _local_scale(signal: BaseSignal, record: store.Record) -> tuple[np.ndarray, np.ndarray]:
    """Slow background and contrast at each atom."""
    from hyperspy_motifs.patches import estimate_local_scale
    from hyperspy_motifs.zernike import estimate_noise

    pixels = record.stamp.to_pixels(record.positions)
    offset, scale = np.zeros(len(pixels)), np.ones(len(pixels))
    for index in np.unique(record.frames):
        here = np.flatnonzero(record.frames == index)
        image, missing = clean_image(data_frame(signal, int(index)), tell=False)
        noise = estimate_noise(image)
        local = estimate_local_scale(
            image, pixels[here], gain=noise.gain, read_std=noise.read_std, mask=missing
        )
        offset[here], scale[here] = local.offset, local.scale
    return offset, scale


def _angles(record: store.Record, here: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    angle = record.atoms.get("motif_angle")
    mirrored = record.atoms.get("motif_mirrored")
    n = len(here)
    return (
        np.zeros(n) if angle is None else np.nan_to_num(angle[here]),
        np.zeros(n, bool) if mirrored is None else mirrored[here].astype(bool),
    )


def turned_patches(
    image: np.ndarray,
    pixels: np.ndarray,
    size: int,
    turn: tuple[np.ndarray, np.ndarray],
    step: int = 1,
    order: int = 3,
) -> np.ndarray:
    """Patches sampled along axes that are rotated by each atom's angle (and mirrored), so that equal sites have equal
    patches.

    With a `step` above 1 only every `step`-th pixel. `order` is that of the spline: 1 is quick, because no coefficients of
    the whole image are computed.
    """
    angle, mirrored = turn
    offsets = step * (np.arange(size) - size // 2)
    v, u = np.meshgrid(offsets, offsets, indexing="ij")
    # The reference is mirrored (y -> -y) before it is rotated by the angle: sample at the rotated positions of its
    # pixels.
    v = np.where(mirrored[:, None, None], -v, v)
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    x = pixels[:, 0, None, None] + cosine * u - sine * v
    y = pixels[:, 1, None, None] + sine * u + cosine * v
    return ndimage.map_coordinates(image, [y, x], order=order, mode="mirror", output=np.float32)


def get_zernike_map(
    signal: BaseSignal, n_max: int, radius: float, modes: Sequence[Sequence[int]] | None
) -> Signal2D:
    """Moments of the disc around every pixel; the result has the modes as its navigation axis."""
    from hyperspy_motifs.zernike import ZernikeBasis, dense_moments

    check_axes(signal)
    stamp = store.Stamp.of(signal)
    if signal.axes_manager.navigation_dimension:
        raise ValueError("A map needs a single image: select one with signal.inav[...] first.")
    image, _ = clean_image(data_frame(signal, 0))
    basis = ZernikeBasis(n_max, check_length(radius, "radius", stamp) / abs(stamp.scale[0]))
    wanted = basis.modes.tolist() if modes is None else [list(map(int, m)) for m in modes]
    unknown = [m for m in wanted if m not in basis.modes.tolist()]
    if unknown:
        raise ValueError(
            f"There is no mode {tuple(unknown[0])} up to n_max = {n_max}: |m| <= n, and n - |m| even."
        )
    rows = [basis.modes.tolist().index(m) for m in wanted]
    maps = dense_moments(image, basis)[rows]
    axes = [a.get_axis_dictionary() for a in signal.axes_manager._axes]
    out = Signal2D(maps, axes=[{"name": "mode", "size": len(rows), "navigate": True}, *axes])
    out.metadata.General.title = f"Zernike moments, {', '.join(str(tuple(m)) for m in wanted[:6])}"
    return out


#: Largest number of classes of one kind with an image.
_MOST_CLASSES = 60
#: Approximate size of an image in pixels.
_SIZE = 96
#: Margin in nearest-neighbour distances around an atom; one less beyond the corners of a cell.
_ROOM = 1.3
#: Kinds with instances of equal or known orientation; an example is shown for other kinds.
_AVERAGED = ("motif", "cell-class", "unit-cell-class")
#: No image is made of instances as large as the field.
_WITHOUT = ("domain-class", "boundary-class")


def class_pictures(signal: BaseSignal, record: store.Record, graph: MotifGraph) -> dict[str, np.ndarray]:
    """A square image (in counts) of each class of a graph, by its id.

    Motifs, cells and unit cells: the mean of up to 200 instances, each rotated back (and mirrored) by its
    orientation. Vertex figures, composites and coarse cells: the instance closest to the centre of the field.
    """
    from ._clean_image import data_frame

    image, _ = clean_image(data_frame(signal, 0), tell=False)
    scale = abs(record.stamp.scale[0])
    spacing = float(record.parameters["spacing"]) / scale
    pictures: dict[str, np.ndarray] = {}
    number: dict[str, int] = {}
    types = [(n, d) for n, d in graph.nodes.items() if d["kind"] == "motif" or d["kind"].endswith("-class")]
    for node, attributes in sorted(types, key=lambda item: -item[1].get("size", 0)):
        kind = attributes["kind"]
        number[kind] = number.get(kind, 0) + 1
        if kind in _WITHOUT or number[kind] > _MOST_CLASSES:
            continue
        members = _in_first_frame(graph, graph.instances(node))
        if not members:
            continue
        radius = _radius(attributes, scale, spacing)
        pictures[node] = _picture(image, record, graph, members, kind in _AVERAGED, radius)
    return pictures


def _radius(attributes: dict[str, Any], scale: float, spacing: float) -> float:
    """Half the size of the image of a class in pixels; it includes the corners and their atoms."""
    area = attributes.get("area")
    if area is None:
        return _ROOM * spacing * (1.5 if attributes["kind"] == "vertex-figure-class" else 1.0)
    n = max(int(attributes.get("n_corners", 4)), 3)
    # Circumradius of the regular polygon of this area.
    return float(np.sqrt(2 * area / (n * np.sin(2 * np.pi / n)))) / scale + (_ROOM - 1) * spacing


def _in_first_frame(graph: MotifGraph, nodes: list[str]) -> list[str]:
    """Instances in the first frame; all instances if the graph has a single frame."""
    return [n for n in nodes if _frame_of(graph, n) == 0]


def _frame_of(graph: MotifGraph, node: str) -> int:
    while "frame" not in graph.nodes[node]:
        children = graph.children(node)
        if not children:
            return 0
        node = children[0]
    return int(graph.nodes[node]["frame"])


def _picture(
    image: np.ndarray,
    record: store.Record,
    graph: MotifGraph,
    members: list[str],
    averaged: bool,
    radius: float,
) -> np.ndarray:

    places = record.stamp.to_pixels(graph.coordinates(members))
    middle = (np.array(image.shape[::-1]) - 1) / 2
    order = np.argsort(np.abs(places - middle).max(axis=1), kind="stable")
    order = order[: SMALLEST_SAMPLE if averaged else 1]
    chosen = [graph.nodes[members[i]] for i in order]
    if chosen[0]["kind"] == "atom":
        rows = np.array([int(members[i].rpartition(":")[2]) for i in order])
        angle = record.atoms.get("motif_angle")
        mirrored = record.atoms.get("motif_mirrored")
        angles = np.zeros(len(rows)) if angle is None else np.nan_to_num(angle[rows])
        flipped = np.zeros(len(rows), bool) if mirrored is None else mirrored[rows].astype(bool)
    else:
        angles = np.array([d.get("orientation", 0.0) for d in chosen]) if averaged else np.zeros(len(chosen))
        flipped = np.array([d.get("handedness", 1) < 0 for d in chosen]) & averaged
    step = max(1, round(2 * radius / _SIZE))
    half = max(2, round(radius / step))
    # Large images are sampled in steps of several pixels.
    patches = turned_patches(image, places[order], (2 * half + 1), (angles, flipped), step)
    return np.asarray(patches.mean(axis=0))
