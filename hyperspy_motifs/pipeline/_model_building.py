"""Build the model of a result: from a model that was just fitted, or from stored data."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs import store

if TYPE_CHECKING:
    from hyperspy_motifs.models import MotifModel
    from hyperspy_motifs.zernike import Moments

# Number of known atoms that are stored per radius of a stack, to position other atoms in its layout.
ANCHORS = 4_000


def fitted_motif_model(
    model: Any,
    source: Any,
    labels: np.ndarray,
    chosen: int,
    stamp: store.Stamp,
    facts: Mapping[str, Any],
    with_anchors: bool = True,
    most: int = ANCHORS,
    images: Sequence[store.Stamp] = (),
) -> MotifModel:
    """Return the model of the atoms that `model` was fitted to.

    Parameters
    ----------
    model : NestedRadii or ManifoldRegions
    source : callable
        Returns the moments at a radius; it has the ``orders`` and the ``spacing`` in pixels.
    labels : ndarray of int, shape (n,)
        Motifs at the radius number `chosen`.
    chosen : int
    stamp : hyperspy_motifs.store.Stamp
        Axes of the image, for the units of the spacing.
    facts : mapping
        Parameters of the result.
    with_anchors : bool
        Without anchors the model is small. The anchors of a single image are its atoms, which are stored beside it.
    most : int
        Largest number of anchors at each radius.
    images : sequence of hyperspy_motifs.store.Stamp
        Axes of all images or frames of the fit, if there are several.

    Returns
    -------
    hyperspy_motifs.models.MotifModel
    """
    from hyperspy_motifs.models import Anchors, MotifModel

    radii = model.radii_
    moments = {radius: source(radius) for radius in radii}
    anchors = {}
    for number, radius in enumerate(radii) if with_anchors else ():
        fitted = np.asarray(model.labels_at_[radius])
        own = labels if number == chosen else fitted
        anchors[radius] = Anchors.of(
            moments[radius], model.layouts_[radius], fitted, own, bool(model.rotation_invariant), most
        )
    return MotifModel(
        classifier=model,
        radius=float(radii[chosen]),
        spacing=float(source.spacing) * abs(stamp.scale[0]),
        units=stamp.units,
        orders=dict(source.orders),
        anchors=anchors,
        finest_to_label=_cut(model, labels, float(radii[chosen])),
        facts=_facts(facts, moments[radii[chosen]], len(labels), images or [stamp]),
    )


def motif_model_of(signal: Any, record: store.Record) -> MotifModel:
    """Return the model of a stored result, including later edits."""
    from hyperspy_motifs.models import Anchors, MotifModel, from_bytes

    from ._moment_source import source_of

    names = dict(record.names)
    known = None if record.model is None else from_bytes(record.model)
    if known is not None and known.anchors:
        moved = {
            radius: dataclasses.replace(anchors, labels=_as_now(record, radius, anchors.labels))
            for radius, anchors in known.anchors.items()
        }
        return dataclasses.replace(known, names=names, anchors=moved, extensions=_extensions(record, known))
    if (
        known is None
        and record.parameters.get("turned")
        and record.parameters.get("learned", "here") == "model"
    ):
        raise ValueError(
            "These motifs were assigned by a model, and their image was mirrored or transposed since then, which the model "
            "does not follow. Use the model of the original image."
        )
    source = source_of(signal, record)
    # Results of earlier versions hold no model, so it is fitted again.
    model = fitted_model(record, source) if known is None else known.classifier
    radius = float(record.radii[record.chosen])
    moments = source(radius)
    anchors = Anchors.of(
        moments,
        record.layouts[record.chosen],
        model.labels_at_[radius] if known is None else _fitted_labels(record, known),
        record.labels,
        bool(model.rotation_invariant),
    )
    if known is not None:
        return dataclasses.replace(
            known, names=names, anchors={radius: anchors}, extensions=_extensions(record, known)
        )
    return MotifModel(
        classifier=model,
        radius=radius,
        spacing=float(record.parameters["spacing"]),
        units=record.stamp.units,
        orders=dict(source.orders),
        anchors={radius: anchors},
        names=names,
        facts=_facts(
            {**record.parameters, "title": signal.metadata.General.title},
            moments,
            len(record.labels),
            [record.stamp],
        ),
    )


def _extensions(record: store.Record, known: MotifModel) -> tuple[Any, ...]:
    """Return the later motifs of a model with their numbers after edits by hand."""
    return tuple(
        dataclasses.replace(one, numbers=_as_now(record, known.radius, one.numbers))
        for one in known.extensions
    )


def _fitted_labels(record: store.Record, known: Any) -> np.ndarray:
    """Return the labels (n,) of a stored result before edits by hand."""
    if known.finest_to_label is None:
        return record.radius_labels[record.chosen]
    return np.asarray(known.finest_to_label)[record.radius_labels[-1]]


def _as_now(record: store.Record, radius: float, labels: np.ndarray) -> np.ndarray:
    """Update the labels of anchors after motifs were merged by hand: each takes the current label of most of its atoms."""
    row = int(np.argmin(np.abs(record.radii - radius)))
    if row != record.chosen or np.array_equal(record.radius_labels[row], record.labels):
        return labels
    out = labels.copy()
    for motif in np.unique(labels):
        owners = record.labels[record.radius_labels[row] == motif]
        if len(owners):
            out[labels == motif] = np.bincount(owners).argmax()
    return out


def _cut(model: Any, labels: np.ndarray, radius: float) -> np.ndarray | None:
    """Return the label of each motif of the largest radius if the tree was cut to a number of motifs, else None."""
    if np.array_equal(labels, model.labels_at_[radius]):
        return None
    finest = np.asarray(model.labels_at_[model.radii_[-1]])
    out = np.zeros(int(finest.max()) + 1, np.int32)
    out[finest] = labels
    return out


def _facts(
    parameters: Mapping[str, Any], moments: Moments, n_atoms: int, stamps: Sequence[store.Stamp]
) -> dict[str, Any]:
    """Return metadata for readers of the file, in JSON types."""
    from hyperspy_motifs import __version__

    noise = moments.noise
    return {
        "options": dict(parameters.get("options", {})),
        "polarity": str(parameters.get("polarity", "auto")),
        "title": str(parameters.get("title", "")),
        "detectors": int(parameters.get("detectors", 1)),
        "continuous": bool(parameters.get("continuous", False)),
        "aligned": bool(parameters.get("aligned", False)),
        "basis": "Zernike, integrated over pixels",
        "noise": {"gain": float(noise.gain), "read_std": float(noise.read_std), "dark": float(noise.dark)},
        "package": __version__,
        "learned_on": {
            "images": len(stamps),
            "atoms": n_atoms,
            "pixel_sizes": sorted({abs(float(one.scale[0])) for one in stamps}),
            "units": ", ".join(sorted({one.units for one in stamps})),
            "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        },
    }


def fitted_model(record: store.Record, source: Any, random_state: int | None = None) -> Any:
    """Fit the nested radii of a stored result again to its current atoms; `random_state` replaces the seed."""
    from hyperspy_motifs.clustering import CONSTANTS, ManifoldRegions, NestedRadii

    options = record.parameters["options"]
    strategy = ManifoldRegions if record.parameters.get("regions") else NestedRadii
    model = strategy(
        radii=tuple(float(v) for v in record.radii),
        radius=float(record.radii[record.chosen]),
        rotation_invariant=options["rotation_invariant"],
        n_motifs=options["n_motifs"],
        min_motif_size=options["min_motif_size"],
        alpha=options.get("alpha", CONSTANTS.alpha),
        random_state=options["random_state"] if random_state is None else random_state,
    )
    if isinstance(model, ManifoldRegions):
        return model.fit(source, source.neighbours(), source.places())
    return model.fit(source, source.neighbours())
