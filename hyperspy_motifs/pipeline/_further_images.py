"""Further images: each image of a collection, motifs that a model predicts, and motifs under other seeds."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs import store
from hyperspy_motifs.common import FEWEST_ATOMS

from ._atom_finding import find_atoms, given_atoms, stored_atoms
from ._atom_table import AtomTable, sites_of_given
from ._cell_finding import find_cells
from ._checks import LARGEST_SEED, FindOptions, check_arguments, check_axes, check_count
from ._clean_image import (
    CleanFrames,
    all_detectors,
    check_number,
    clean_image,
    data_frame,
    detectors_of,
    images_to_keep,
    n_detectors,
    n_frames,
)
from ._learning import apply_to_all, spacing_of
from ._model_building import N_MAX, MomentSource, fitted_model, record_n_max, record_orders, source_of
from ._motif_finding import features_signal
from ._patch_extraction import check_patch_centres
from ._quality import measure_quality

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.models import MotifModel
    from hyperspy_motifs.sites import Neighbourhoods
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
    detectors : int
        Number of detectors.
    """

    table: AtomTable
    origin: str
    moments: Mapping[float, Moments]
    orders: Mapping[float, int]
    neighbours: Neighbourhoods
    spacing: float
    quality: Mapping[str, object]
    patch_centres: Mapping[str, object]
    stamp: store.Stamp
    detectors: int = 1


def measure_image(
    signal: BaseSignal,
    options: FindOptions,
    radii: Sequence[float],
    length: float | None = None,
    orders: Mapping[float, int] | None = None,
    detectors: Sequence[BaseSignal] = (),
) -> MeasuredImage:
    """Find the atoms of a single image, and compute their moments at some radii.

    Parameters
    ----------
    signal : AtomicImage
        Atoms that were corrected by hand are kept.
    options : FindOptions
    radii : sequence of float
        In nearest-neighbour distances, or in units of `length`.
    length : float, optional
        Unit of the radii in axis units.
    orders : dict of float to int, optional
        Radial orders of the moments at some radii; 8 at others.
    detectors : sequence of AtomicImage, optional
        Further detectors of the same scan; atoms are found in `signal`.

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
    options = check_arguments(signal, options, ())
    stamp = store.Stamp.of(signal)
    scale = abs(stamp.scale[0])
    images = all_detectors(signal, list(detectors))
    clean = CleanFrames(images)
    kept = stored_atoms(signal, of_motifs=False)
    if kept is not None and kept.facts.get("edited"):
        table, origin = given_atoms(signal, kept, False, options.polarity), "edited"
        if options.complete:
            table = dataclasses.replace(table, sites=sites_of_given(signal, table))
    else:
        table, origin = _found(signal, options, clean), "found"
    if len(table) < FEWEST_ATOMS:
        raise ValueError(f"it has {len(table)} atoms; at least {FEWEST_ATOMS} are needed")
    spacing = spacing_of(table.pixel_positions)
    unit = spacing if length is None else length / scale
    source = MomentSource(images, table.pixel_positions, table.frames, unit, N_MAX, orders, clean)
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
        detectors=len(images),
    )


def _found(signal: BaseSignal, options: FindOptions, clean: CleanFrames) -> AtomTable:
    check_axes(signal)
    return find_atoms(
        signal,
        options.separation,
        False,
        clean=clean,
        with_sites=options.complete,
        polarity=options.polarity,
        refine=options.refine,
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
    signal: BaseSignal,
    measured: MeasuredImage,
    found: Mapping[str, Any],
    facts: Mapping[str, Any],
    detectors: Sequence[BaseSignal] = (),
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
    detectors : sequence of AtomicImage, optional
        As in :func:`measure_image`.
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
            "detectors": 1 + len(detectors),
            "quality": dict(measured.quality),
        },
        detectors=images_to_keep([signal, *detectors]),
        features=features_signal(measured.moments[radius], measured.stamp),
        sites=dict(table.sites),
        **fields,
    )
    store.write(signal, record)
    if measured.origin != "edited":
        store.remove_atoms(signal)


# Parameters of a result that are of its image, and not of its motifs.
_OF_THE_IMAGE = ("separation", "separation_certainty", "polarity_certainty", "quality", "patch_centres")


def predict(
    motif_model: MotifModel,
    other: object,
    atoms: object,
    show_progressbar: bool | None,
    parameters: Mapping[str, object] | None = None,
    detectors: object = None,
) -> None:
    """Write the motifs of a model into the image or the stack `other`, the first of its `detectors`.

    `parameters` are those of the result that the model comes from, if there is one.
    """
    from hyperspy_motifs.models import DiscSource, to_bytes

    if getattr(other, "_signal_type", None) != "atomic_image":
        raise TypeError(
            f"Motifs can be applied to an AtomicImage, not to a {type(other).__name__}. Convert a HyperSpy image with "
            "signal.set_signal_type('atomic_image')."
        )
    check_axes(other)
    images = all_detectors(other, detectors)
    check_number(int(motif_model.facts.get("detectors", 1)), images)
    stamp = store.Stamp.of(other)
    options = motif_model.facts["options"]
    refine = options.get("refine", True)
    if atoms is None:
        polarity = str(motif_model.facts.get("polarity", "auto"))
        complete = bool(options.get("complete", False))
        table = find_atoms(
            other, None, show_progressbar, with_sites=complete, polarity=polarity, refine=refine
        )
    else:
        polarity = str(options.get("polarity", "auto"))
        table = given_atoms(other, atoms, refine, polarity, check_columns=True)
    if len(table) < FEWEST_ATOMS:
        raise ValueError(
            f"There are {len(table)} atoms, at least {FEWEST_ATOMS} are needed. Give atoms= if columns were missed."
        )
    matched = dataclasses.replace(motif_model, spacing=_spacing(motif_model, stamp, table), units=stamp.units)
    radius, scale = float(motif_model.radius), abs(stamp.scale[0])
    features = None
    number = int(table.frames[0])
    first = table.pixel_positions[table.frames == number]
    clean, masks = zip(*(clean_image(data_frame(image, number), tell=False) for image in images), strict=True)
    source = DiscSource(clean, first, matched.spacing / scale, motif_model.orders, masks)
    if n_frames(other) == 1:
        found = dataclasses.asdict(matched.predict(source))
        features = features_signal(source(radius), stamp)
    else:
        found = apply_to_all(images, table, matched, None, show_progressbar)
    frames = CleanFrames(images)
    quality = measure_quality(other, source, table, frames)
    row, n = motif_model.classifier.radii_.index(radius), len(table)
    known = parameters or {"continuous": False, **motif_model.facts}
    result = store.Record(
        positions=table.positions,
        frames=table.frames,
        labels=found["labels"],
        probabilities=found["probabilities"],
        radii=np.array([radius]),
        radius_labels=found["labels"][None],
        radius_probabilities=found["radius_probabilities"][row : row + 1],
        layouts=found["layouts"][row : row + 1],
        chosen=0,
        stamp=stamp,
        atoms={**table.columns, "outlier_score": found["outlier_score"]},
        names=dict(motif_model.names),
        tree={
            "parent": np.array([-1]),
            "radius": np.array([0.0]),
            "size": np.array([n]),
            "height": np.array([0.0]),
            "atom_leaf": np.zeros(n, np.int64),
        },
        parameters={
            **{k: v for k, v in known.items() if k not in _OF_THE_IMAGE},
            **{k: v for k, v in table.facts.items() if k != "edited"},
            "quality": quality.as_dict(),
            "patch_centres": check_patch_centres(other, table, frames),
            "detectors": len(images),
            "spacing": matched.spacing,
            "n_max": int(motif_model.orders[radius]),
            "atoms": "given" if atoms is not None else "found",
            "read_as": str(table.facts.get("read_as", "")),
            "learned": "model",
            "reason": f"the motifs of {_source(motif_model)} were applied, with their numbers there",
        },
        detectors=images_to_keep(images),
        features=features,
        sites=dict(table.sites),
        # The known atoms of a model of many images give the orientation of others.
        model=to_bytes(
            motif_model if motif_model.facts.get("aligned") else dataclasses.replace(motif_model, anchors={})
        ),
    )
    result = dataclasses.replace(result, cells=find_cells(result, "auto", None))
    store.write(other, result)
    store.remove_atoms(other)


def _source(motif_model: MotifModel | SimpleNamespace) -> str:
    """Return the name of what the motifs of a model were found in, in quotes, as far as it has one."""
    title = motif_model.facts.get("title")
    return f"'{title}'" if title else "another image"


def source_like(record: store.Record, other: object, atoms: object = None) -> MomentSource:
    """Return the moments of the atoms of another image, given or stored, with the disc size and order of a result."""
    if getattr(other, "_signal_type", None) != "atomic_image":
        raise TypeError(
            f"Motifs or an AtomicImage are expected, not a {type(other).__name__}. Convert a HyperSpy image with "
            "signal.set_signal_type('atomic_image')."
        )
    kept = (
        detectors_of(other, store.read(other))
        if store.has_result(other) and n_detectors(record) > 1
        else None
    )
    images = [other] if kept is None else kept
    check_number(n_detectors(record), images)
    if n_frames(other) > 1:
        raise ValueError(
            f"The other signal has {n_frames(other)} images; give one of them, such as other.inav[0]."
        )
    check_axes(other)
    stamp = store.Stamp.of(other)
    options = record.parameters["options"]
    theirs = stored_atoms(other) if atoms is None else atoms
    if theirs is None:
        raise ValueError(
            "The other image has no atoms yet: call its find_atoms() or find_motifs(), or give atoms=."
        )
    table = given_atoms(other, theirs, False, str(options.get("polarity", "auto")))
    known = SimpleNamespace(spacing=float(record.parameters["spacing"]), units=record.stamp.units)
    return MomentSource(
        images,
        table.pixel_positions,
        table.frames,
        _spacing(known, stamp, table) / abs(stamp.scale[0]),
        record_n_max(record),
        orders=record_orders(record),
    )


def _spacing(motif_model: MotifModel | SimpleNamespace, stamp: store.Stamp, table: AtomTable) -> float:
    """Return the nearest-neighbour distance of the model in the units of the other image: the disc sizes must match."""
    facts = getattr(motif_model, "facts", {})
    length = store.length_in(facts, motif_model.units, stamp.units)
    if length is not None:
        return length
    if facts.get("aligned"):
        # Images of different magnifications: each has its own distance.
        return float(table.facts["separation"])
    if motif_model.units == stamp.units and store.is_length(stamp.units):
        return float(motif_model.spacing)
    if motif_model.units != stamp.units:
        warnings.warn(
            f"The model was learned in {motif_model.units}, this image is calibrated in {stamp.units}: discs are "
            "matched by the nearest-neighbour distances of both instead.",
            UserWarning,
            stacklevel=4,
        )
    return float(table.facts["separation"])


def labels_by_seed(signal: BaseSignal, record: store.Record, n_seeds: int) -> np.ndarray:
    """Labels at the chosen radius by each of `n_seeds` other seeds, shape (n_seeds, n)."""
    number = check_count(n_seeds, "n_seeds", 2, 1000)
    if record.parameters.get("learned", "here") != "here":
        raise ValueError(
            "These motifs were learned on a sample or on another image and then assigned to these atoms, without random "
            "numbers. The stability can be estimated only for motifs that find_motifs found in one image."
        )
    if detectors_of(signal, record) is None:
        raise ValueError(
            "These motifs were found in several detectors, whose images were not kept. Compare find_motifs(detectors=..., "
            "random_state=...) by other seeds with hyperspy_motifs.clustering.estimate_stability."
        )
    options = record.parameters["options"]
    first = int(options["random_state"])
    radius = float(record.radii[record.chosen])
    source = source_of(signal, record)
    found = []
    for step in range(1, number + 1):
        model = fitted_model(record, source, (first + step) % (LARGEST_SEED + 1))
        found.append(model.labels_at_[radius] if options["n_motifs"] is None else model.labels_)
    return np.array(found)
