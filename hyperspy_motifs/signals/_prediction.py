"""A vocabulary learned on one image, applied to the next."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs import store

from ._atom_finding import check_axes, find_atoms, given_atoms
from ._cell_finding import find_cells
from ._motif_finding import MomentSource, features_signal, record_n_max, record_orders, source_of

# Atoms of the vocabulary that are asked where a motif was edited by hand.
N_VOTES = 7


def fitted_model(signal: Any, record: store.Record) -> Any:
    """The nested lenses of a stored result, fitted again to the atoms that it has now."""
    from hyperspy_motifs.clustering import NestedLenses

    asked = record.parameters["asked"]
    return NestedLenses(
        lenses=tuple(float(v) for v in record.lenses),
        rotation_invariant=asked["rotation_invariant"],
        n_motifs=asked["n_motifs"],
        min_motif_size=asked["min_motif_size"],
        random_state=asked["random_state"],
    ).fit(source_of(signal, record))


def predict(
    model: Any, signal: Any, record: store.Record, other: Any, atoms: Any, show_progressbar: bool | None
) -> None:
    """Write the motifs of `record` into the image `other`."""
    check_axes(other)
    stamp = store.Stamp.of(other)
    asked = record.parameters["asked"]
    if atoms is None:
        polarity = str(record.parameters.get("polarity", asked["polarity"]))
        table = find_atoms(other, None, show_progressbar, polarity=polarity, refine=asked["refine"])
    else:
        table = given_atoms(other, atoms, asked["refine"], asked["polarity"])
    spacing_px = _spacing(record, stamp, table)
    source = MomentSource(
        [other],
        table.pixel_positions,
        table.frames,
        spacing_px,
        record_n_max(record),
        orders=record_orders(record),
    )
    lens = float(record.lenses[record.chosen])
    labels, probabilities, strangeness = model.predict(source, lens)
    moments = source(lens)
    labels = _as_edited(record, np.asarray(model.labels_at_[lens]), labels, moments)
    n = len(labels)
    result = store.Record(
        positions=table.positions,
        frames=table.frames,
        labels=labels,
        # 1 - strangeness is a p-value: of n atoms that belong, one is expected below 1 / n.
        probabilities=probabilities * np.minimum(1.0, len(labels) * (1 - strangeness)),
        lenses=np.array([lens]),
        lens_labels=labels[None],
        lens_probabilities=probabilities[None],
        layouts=_placed(record, moments)[None],
        chosen=0,
        stamp=stamp,
        atoms={**table.columns, "strangeness": strangeness},
        names=dict(record.names),
        tree={
            "parent": np.array([-1]),
            "lens": np.array([0.0]),
            "size": np.array([n]),
            "height": np.array([0.0]),
            "atom_leaf": np.zeros(n, np.int64),
        },
        parameters={
            **record.parameters,
            "spacing": spacing_px * abs(stamp.scale[0]),
            "atoms": "given" if atoms is not None else "found",
            "reason": f"the motifs of '{signal.metadata.General.title}' were applied, under their numbers there",
        },
        features=features_signal(moments, stamp),
    )
    result = dataclasses.replace(result, cells=find_cells(result, "auto", None))
    store.write(other, result)


def _spacing(record: store.Record, stamp: store.Stamp, table: Any) -> float:
    """Nearest-neighbour distance of the vocabulary in pixels of the other image: discs must be of one size."""
    if record.stamp.units == stamp.units != "px":
        return float(record.parameters["spacing"]) / abs(stamp.scale[0])
    if record.stamp.units != stamp.units:
        warnings.warn(
            f"The vocabulary was learned in {record.stamp.units}, this image is calibrated in {stamp.units}: discs are "
            "matched by the nearest-neighbour distances of both instead.",
            UserWarning,
            stacklevel=4,
        )
    return float(table.facts["separation"]) / abs(stamp.scale[0])


def _as_edited(record: store.Record, fitted: np.ndarray, labels: np.ndarray, moments: Any) -> np.ndarray:
    """Labels of the fitted lens as those of the record: edited by hand, or found in a larger field that was cropped since."""
    if np.array_equal(fitted, record.labels):
        return labels
    out = np.empty_like(labels)
    known, unknown = _in_noise_units(record, moments)
    for motif in np.unique(labels):
        here = np.flatnonzero(labels == motif)
        members = np.flatnonzero(fitted == motif)
        if not len(members):
            members = np.arange(len(fitted))
        owners = np.unique(record.labels[members])
        if len(owners) == 1:
            out[here] = owners[0]
            continue
        _, nearest = cKDTree(known[members]).query(unknown[here], k=min(N_VOTES, len(members)))
        votes = record.labels[members][np.atleast_2d(nearest.T).T]
        out[here] = [np.bincount(v).argmax() for v in votes]
    return out


def _placed(record: store.Record, moments: Any) -> np.ndarray:
    """Places in the layout of the vocabulary: the mean of the nearest atoms by features."""
    known, unknown = _in_noise_units(record, moments)
    _, nearest = cKDTree(known).query(unknown, k=min(3, len(known)))
    layout = record.layouts[record.chosen]
    return layout[np.atleast_2d(nearest.T).T].mean(axis=1)


def _in_noise_units(record: store.Record, moments: Any) -> tuple[np.ndarray, np.ndarray]:
    """Features of the vocabulary and of the new atoms, invariant where it is, in units of the vocabulary's noise."""
    from hyperspy_motifs.zernike import invariants

    learned = record.features.get_moments()
    if record.parameters["asked"]["rotation_invariant"]:
        (old, noise), (new, _) = invariants(learned), invariants(moments)
    else:
        old, noise, new = learned.values, learned.noise_std, moments.values
    unit = np.sqrt(np.nanmean(np.asarray(noise, float) ** 2, axis=0))
    unit = np.maximum(unit, 1e-3 * max(float(np.nanmax(unit)), 1e-30))
    return np.nan_to_num(np.asarray(old, float) / unit), np.nan_to_num(np.asarray(new, float) / unit)
