"""The vocabulary of a result: from a model that was just fitted, or from what is stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from hyperspy_motifs import store

# Known atoms that a lens of a stack keeps to place others in its layout.
ANCHORS = 4_000


def learned_vocabulary(
    model: Any,
    source: Any,
    labels: np.ndarray,
    chosen: int,
    stamp: store.Stamp,
    facts: Mapping[str, Any],
) -> Any:
    """The vocabulary of the atoms that `model` was fitted to; `labels` are theirs at the lens number `chosen`."""
    from hyperspy_motifs.vocabulary import Anchors, Vocabulary

    lenses = model.lenses_
    moments = {lens: source(lens) for lens in lenses}
    anchors = {}
    for number, lens in enumerate(lenses):
        fitted = np.asarray(model.labels_at_[lens])
        own = labels if number == chosen else fitted
        anchors[lens] = Anchors.of(
            moments[lens], model.layouts_[lens], fitted, own, bool(model.rotation_invariant), ANCHORS
        )
    return Vocabulary(
        model=model,
        lens=float(lenses[chosen]),
        spacing=float(source.spacing) * abs(stamp.scale[0]),
        units=stamp.units,
        orders=dict(source.orders),
        anchors=anchors,
        finest_to_label=_cut(model, labels, float(lenses[chosen])),
        facts=_facts(facts, moments[lenses[chosen]]),
    )


def vocabulary_of(signal: Any, record: store.Record) -> Any:
    """The vocabulary of a stored result, with the edits made to it since."""
    from hyperspy_motifs.vocabulary import Anchors, Vocabulary, from_bytes

    from ._moment_source import source_of
    from ._prediction import fitted_model

    names = dict(record.names)
    if record.vocabulary is not None:
        known = from_bytes(record.vocabulary)
        moved = {
            lens: dataclasses.replace(anchors, labels=_as_now(record, lens, anchors.labels))
            for lens, anchors in known.anchors.items()
        }
        return dataclasses.replace(known, names=names, anchors=moved)
    source = source_of(signal, record)
    model = fitted_model(record, source)
    lens = float(record.lenses[record.chosen])
    moments = source(lens)
    anchors = Anchors.of(
        moments,
        record.layouts[record.chosen],
        model.labels_at_[lens],
        record.labels,
        bool(model.rotation_invariant),
    )
    return Vocabulary(
        model=model,
        lens=lens,
        spacing=float(record.parameters["spacing"]),
        units=record.stamp.units,
        orders=dict(source.orders),
        anchors={lens: anchors},
        names=names,
        facts=_facts({**record.parameters, "title": signal.metadata.General.title}, moments),
    )


def _as_now(record: store.Record, lens: float, labels: np.ndarray) -> np.ndarray:
    """Labels of anchors after motifs were merged by hand: what most atoms of each motif are called now."""
    row = int(np.argmin(np.abs(record.lenses - lens)))
    if row != record.chosen or np.array_equal(record.lens_labels[row], record.labels):
        return labels
    out = labels.copy()
    for motif in np.unique(labels):
        owners = record.labels[record.lens_labels[row] == motif]
        if len(owners):
            out[labels == motif] = np.bincount(owners).argmax()
    return out


def _cut(model: Any, labels: np.ndarray, lens: float) -> np.ndarray | None:
    """Label of each motif of the largest lens where the tree was cut to a number of motifs, else None."""
    if np.array_equal(labels, model.labels_at_[lens]):
        return None
    finest = np.asarray(model.labels_at_[model.lenses_[-1]])
    out = np.zeros(int(finest.max()) + 1, np.int32)
    out[finest] = labels
    return out


def _facts(parameters: Mapping[str, Any], moments: Any) -> dict[str, Any]:
    """What a reader of the file may want to know, in JSON types."""
    from hyperspy_motifs import __version__

    noise = moments.noise
    return {
        "asked": dict(parameters.get("asked", {})),
        "polarity": str(parameters.get("polarity", "auto")),
        "title": str(parameters.get("title", "")),
        "detectors": int(parameters.get("detectors", 1)),
        "continuous": bool(parameters.get("continuous", False)),
        "basis": "Zernike, integrated over pixels",
        "noise": {"gain": float(noise.gain), "read_std": float(noise.read_std), "dark": float(noise.dark)},
        "package": __version__,
    }
