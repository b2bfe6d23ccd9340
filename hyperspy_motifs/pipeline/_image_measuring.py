"""One image of a collection: its atoms and their moments, and the result that is written into it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs import store

from ._atom_finding import FEWEST_ATOMS, find_atoms, given_atoms, stored_atoms
from ._atom_table import AtomTable
from ._cell_finding import find_cells
from ._checks import check_arguments, check_axes
from ._clean_image import CleanFrames, n_frames
from ._learning import spacing_of
from ._moment_source import N_MAX, MomentSource
from ._motif_finding import features_signal
from ._patch_extraction import check_patch_centres
from ._quality import measure_quality
from ._site_measuring import sites_of_given

if TYPE_CHECKING:
    from hyperspy_motifs.zernike import Moments


@dataclasses.dataclass(frozen=True)
class MeasuredImage:
    """The atoms of an image and their moments; its pixels are not needed any more.

    Attributes
    ----------
    table : AtomTable
    origin : str
        Where the atoms come from: "found" or "edited".
    moments : dict of float to hyperspy_motifs.zernike.Moments
        Of the discs, by their radius in nearest-neighbour distances of this image.
    orders : dict of float to int
        Radial orders of the moments.
    neighbours : hyperspy_motifs.sites.Neighbourhoods
    spacing : float
        Nearest-neighbour distance in axis units.
    quality, patch_centres : dict
        As in the parameters of a result.
    stamp : hyperspy_motifs.store.Stamp
    """

    table: AtomTable
    origin: str
    moments: Mapping[float, Moments]
    orders: Mapping[float, int]
    neighbours: Any
    spacing: float
    quality: Mapping[str, Any]
    patch_centres: Mapping[str, Any]
    stamp: store.Stamp


def measure_image(
    signal: Any,
    options: dict[str, Any],
    radii: Sequence[float],
    length: float | None = None,
    orders: Mapping[float, int] | None = None,
) -> MeasuredImage:
    """Find the atoms of a single image, and compute their moments at some radii.

    Parameters
    ----------
    signal : AtomicImage
        Atoms that were corrected by hand are kept.
    options : dict
        Arguments of ``find_motifs``.
    radii : sequence of float
        In nearest-neighbour distances, or in units of `length`.
    length : float, optional
        Unit of the radii in axis units.
    orders : dict of float to int, optional
        Radial orders of the moments at some radii; 8 at others.

    Returns
    -------
    MeasuredImage

    Raises
    ------
    TypeError
        If it is no atomic image.
    ValueError
        If it is a stack, or has too few atoms.
    """
    if getattr(signal, "_signal_type", None) != "atomic_image":
        raise TypeError(
            f"an AtomicImage is expected, not a {type(signal).__name__}: signal.set_signal_type('atomic_image')"
        )
    if n_frames(signal) > 1:
        raise ValueError(f"it is a stack of {n_frames(signal)} frames: give its frames one by one (inav)")
    check_arguments(signal, options, ())
    stamp = store.Stamp.of(signal)
    scale = abs(stamp.scale[0])
    clean = CleanFrames([signal])
    kept = stored_atoms(signal, of_motifs=False)
    if kept is not None and kept.facts.get("edited"):
        table, origin = given_atoms(signal, kept, False, options["polarity"]), "edited"
        if options["complete"]:
            table = dataclasses.replace(table, sites=sites_of_given(signal, table))
    else:
        table, origin = _found(signal, options, clean), "found"
    if len(table) < FEWEST_ATOMS:
        raise ValueError(f"it has {len(table)} atoms; at least {FEWEST_ATOMS} are needed")
    spacing = spacing_of(table.pixel_positions)
    unit = spacing if length is None else length / scale
    source = MomentSource([signal], table.pixel_positions, table.frames, unit, N_MAX, orders, clean)
    moments = {radius: source(radius) for radius in radii}
    return MeasuredImage(
        table=dataclasses.replace(table, facts={**table.facts, "separation": spacing * scale}),
        origin=origin,
        moments=moments,
        orders=dict(source.orders),
        neighbours=source.neighbours(),
        spacing=unit * scale,
        quality=measure_quality(signal, source, table, clean).as_dict(),
        patch_centres=check_patch_centres(signal, table, clean),
        stamp=stamp,
    )


def _found(signal: Any, options: Mapping[str, Any], clean: CleanFrames) -> AtomTable:
    check_axes(signal)
    return find_atoms(
        signal,
        options["separation"],
        False,
        clean=clean,
        with_sites=options["complete"],
        polarity=options["polarity"],
        refine=options["refine"],
    )


def cells_of_image(measured: MeasuredImage, labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    """Return the cells of an image as they are stored, given the motifs and the probabilities (n,) of its atoms."""
    table = measured.table
    one_radius = np.zeros((1, len(labels)))
    record = store.Record(
        table.positions, table.frames, labels, probabilities, np.zeros(1), one_radius, one_radius,
        np.zeros((1, len(labels), 2)), 0, measured.stamp, sites=dict(table.sites),
    )  # fmt: skip
    return find_cells(record, "auto", None)


def write_image(
    signal: Any, measured: MeasuredImage, found: Mapping[str, Any], facts: Mapping[str, Any]
) -> None:
    """Write the motifs of an image into its metadata.

    Parameters
    ----------
    signal : AtomicImage
    measured : MeasuredImage
    found : dict
        Fields of :class:`hyperspy_motifs.store.Record` for the atoms of this image: labels, probabilities, radii,
        radius_labels, radius_probabilities, layouts, chosen, tree, cells and model; and outlier_score (n,).
    facts : dict
        Parameters of the result that all images have.
    """
    fields = {name: values for name, values in found.items() if name != "outlier_score"}
    radius = float(found["radii"][found["chosen"]])
    table = measured.table
    record = store.Record(
        positions=table.positions,
        frames=table.frames,
        stamp=measured.stamp,
        atoms={**table.columns, "outlier_score": found["outlier_score"]},
        parameters={
            **{k: v for k, v in table.facts.items() if k != "edited"},
            **facts,
            "atoms": measured.origin,
            "patch_centres": dict(measured.patch_centres),
            "spacing": measured.spacing,
            "n_max": int(measured.orders[radius]),
            "orders": {f"{r:g}": int(n) for r, n in measured.orders.items()},
            "detectors": 1,
            "quality": dict(measured.quality),
        },
        features=features_signal(measured.moments[radius], measured.stamp),
        sites=dict(table.sites),
        **fields,
    )
    store.write(signal, record)
    if measured.origin != "edited":
        store.remove_atoms(signal)
