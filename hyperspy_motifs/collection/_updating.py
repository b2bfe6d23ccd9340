"""Models that learn the motifs of further images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs import store
from hyperspy_motifs.models import ORIENTED_AT, Orientation, PooledMoments, PooledOnce, extended

from ._finding import brightness_in, fit_pooled
from ._saved_images import each_with_detectors, opened

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.models import MotifModel


def update_model(
    motif_model: MotifModel, signals: Sequence[BaseSignal], detectors: Sequence[Any] | None = None
) -> MotifModel:
    """Return a model with the motifs of further images that it does not know.

    Parameters
    ----------
    motif_model : MotifModel
    signals : sequence of AtomicImage
    detectors : optional
        As in :func:`find_motifs`.

    Returns
    -------
    MotifModel
        See :meth:`hyperspy_motifs.models.MotifModel.update`.
    """
    from hyperspy_motifs.pipeline import ANCHORS, FindOptions, fitted_motif_model, measure_image

    facts = motif_model.facts
    if facts.get("continuous"):
        raise ValueError(
            "A model of a continuum cannot be updated: find the motifs of all images again with find_motifs."
        )
    fields = opened(each_with_detectors(signals, detectors))
    if len(fields[0]) != int(facts.get("detectors", 1)):
        raise ValueError(
            f"The model is one of {facts.get('detectors', 1)} detectors, and {len(fields[0])} are given: give the others of "
            "each image with detectors=."
        )
    # How many motifs there are, and how far apart the atoms of an image are, is that of the images of the model alone.
    known = {k: v for k, v in facts["options"].items() if k not in ("n_motifs", "separation")}
    options = replace(FindOptions(**known), polarity=str(facts.get("polarity", "auto")))
    radii, orders = tuple(motif_model.classifier.radii_), dict(motif_model.orders)
    by_number, angles, p_values = {}, {}, {}
    for number, signal in enumerate(signals):
        try:
            one = measure_image(
                signal,
                options,
                sorted({*radii, ORIENTED_AT}),
                _unit(motif_model, signal),
                orders,
                fields[number][1:],
            )
        except (ValueError, TypeError) as error:
            raise type(error)(f"Image {number} ({store.title_of(signal)}): {error}") from error
        source = PooledMoments([one.moments], [one.neighbours], [Orientation()], 1.0, one.orders)
        angles[number] = motif_model.orientation_of(source)
        p_values[number] = 1 - motif_model.predict(source, angles[number]).outlier_score
        by_number[number] = one
    brightness = brightness_in(by_number, angles, radii[0], asdict(options))
    learnt, pooled, model = fit_pooled(by_number, angles, brightness, radii, asdict(options))
    first = by_number[learnt[0]]
    found = fitted_motif_model(
        model, pooled, model.labels_, radii.index(model.radius_), first.stamp,
        {**facts, "title": f"{len(signals)} images"}, most=ANCHORS, images=[by_number[k].stamp for k in learnt],
    )  # fmt: skip
    p_value = np.concatenate([p_values[k] for k in learnt])
    if isinstance(pooled, PooledOnce):
        p_value = p_value[pooled.rows]
    return extended(motif_model, found, p_value, model.labels_)


def _unit(motif_model: MotifModel, signal: BaseSignal) -> float | None:
    """Return the unit of the radii in an image, as :meth:`AtomicImage.apply_model` takes it; None for its own distance."""
    units = store.Stamp.of(signal).units
    length = store.length_in(motif_model.facts, motif_model.units, units)
    if length is not None:
        return length
    if motif_model.facts.get("aligned") or motif_model.units != units or not store.is_length(units):
        return None
    return float(motif_model.spacing)
