"""A vocabulary learned on one image, applied to the next."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from hyperspy_motifs import store

from ._atom_finding import FEWEST_ATOMS, check_axes, find_atoms, given_atoms, stored_atoms
from ._cell_finding import find_cells
from ._checks import clean_image
from ._frames import data_frame, n_frames
from ._moment_source import MomentSource, n_detectors, record_n_max, record_orders
from ._motif_finding import features_signal
from ._stack_finding import apply_to_all


def fitted_model(record: store.Record, source: Any, random_state: int | None = None) -> Any:
    """The nested lenses of a stored result, fitted again to the atoms that it has now; by another seed if one is given."""
    from hyperspy_motifs.clustering import NestedLenses, part_continuum

    asked = record.parameters["asked"]
    model = NestedLenses(
        lenses=tuple(float(v) for v in record.lenses),
        rotation_invariant=asked["rotation_invariant"],
        n_motifs=asked["n_motifs"],
        min_motif_size=asked["min_motif_size"],
        random_state=asked["random_state"] if random_state is None else random_state,
    ).fit(source, source.neighbours())
    # Continua of results of earlier versions were cut into motifs as all else.
    return part_continuum(model, source, source.places()) if record.parameters.get("regions") else model


def predict(
    vocabulary: Any,
    other: Any,
    atoms: Any,
    show_progressbar: bool | None,
    parameters: Mapping[str, Any] | None = None,
) -> None:
    """Write the motifs of a vocabulary into the image or the stack `other`.

    `parameters` are those of the result that the vocabulary comes from, where there is one.
    """
    from hyperspy_motifs.vocabulary import DiscSource

    if getattr(other, "_signal_type", None) != "atomic_image":
        raise TypeError(
            f"Motifs are given to an AtomicImage, not to a {type(other).__name__}. Of an image in HyperSpy "
            "signal.set_signal_type('atomic_image') makes one."
        )
    check_axes(other)
    if int(vocabulary.facts.get("detectors", 1)) > 1:
        raise ValueError(
            "This vocabulary was learned on several detectors, an image of one of them cannot be read by them. Learn one on a "
            "single image."
        )
    stamp = store.Stamp.of(other)
    asked = vocabulary.facts["asked"]
    refine = asked.get("refine", True)
    if atoms is None:
        polarity = str(vocabulary.facts.get("polarity", "auto"))
        table = find_atoms(other, None, show_progressbar, polarity=polarity, refine=refine)
    else:
        table = given_atoms(other, atoms, refine, str(asked.get("polarity", "auto")))
    if len(table) < FEWEST_ATOMS:
        raise ValueError(
            f"There are {len(table)} atoms, at least {FEWEST_ATOMS} are needed. Give atoms= if columns were missed."
        )
    matched = dataclasses.replace(vocabulary, spacing=_spacing(vocabulary, stamp, table), units=stamp.units)
    lens, scale = float(vocabulary.lens), abs(stamp.scale[0])
    features = None
    if n_frames(other) == 1:
        image, missing = clean_image(data_frame(other, 0), tell=False)
        source = DiscSource(
            [image], table.pixel_positions, matched.spacing / scale, vocabulary.orders, [missing]
        )
        found = dataclasses.asdict(matched.predict(source))
        features = features_signal(source(lens), stamp)
    else:
        found = apply_to_all([other], table, matched, None, show_progressbar)
    row, n = vocabulary.model.lenses_.index(lens), len(table)
    result = store.Record(
        positions=table.positions,
        frames=table.frames,
        labels=found["labels"],
        probabilities=found["probabilities"],
        lenses=np.array([lens]),
        lens_labels=found["labels"][None],
        lens_probabilities=found["lens_probabilities"][row : row + 1],
        layouts=found["layouts"][row : row + 1],
        chosen=0,
        stamp=stamp,
        atoms={**table.columns, "strangeness": found["strangeness"]},
        names=dict(vocabulary.names),
        tree={
            "parent": np.array([-1]),
            "lens": np.array([0.0]),
            "size": np.array([n]),
            "height": np.array([0.0]),
            "atom_leaf": np.zeros(n, np.int64),
        },
        parameters={
            **(parameters or {"continuous": False, **vocabulary.facts}),
            "spacing": matched.spacing,
            "n_max": int(vocabulary.orders[lens]),
            "atoms": "given" if atoms is not None else "found",
            "reason": f"the motifs of '{vocabulary.facts.get('title', '')}' were applied, under their numbers there",
        },
        features=features,
    )
    result = dataclasses.replace(result, cells=find_cells(result, "auto", None))
    store.write(other, result)


def source_like(record: store.Record, other: Any, atoms: Any = None) -> MomentSource:
    """Moments of the atoms of another image, given or stored, through discs of the size and the order of a result's."""
    if getattr(other, "_signal_type", None) != "atomic_image":
        raise TypeError(
            f"Motifs or an AtomicImage are expected, not a {type(other).__name__}. Of an image in HyperSpy "
            "signal.set_signal_type('atomic_image') makes one."
        )
    if n_detectors(record) > 1:
        raise ValueError(
            "These motifs were found in several detectors, an image of one of them cannot be read by it."
        )
    if n_frames(other) > 1:
        raise ValueError(
            f"The other signal has {n_frames(other)} images; give one of them, such as other.inav[0]."
        )
    check_axes(other)
    stamp = store.Stamp.of(other)
    asked = record.parameters["asked"]
    theirs = stored_atoms(other) if atoms is None else atoms
    if theirs is None:
        raise ValueError(
            "The other image has no atoms yet: call its find_atoms() or find_motifs(), or give atoms=."
        )
    table = given_atoms(other, theirs, False, str(asked.get("polarity", "auto")))
    known = SimpleNamespace(spacing=float(record.parameters["spacing"]), units=record.stamp.units)
    return MomentSource(
        [other],
        table.pixel_positions,
        table.frames,
        _spacing(known, stamp, table) / abs(stamp.scale[0]),
        record_n_max(record),
        orders=record_orders(record),
    )


def _spacing(vocabulary: Any, stamp: store.Stamp, table: Any) -> float:
    """Nearest-neighbour distance of the vocabulary in the units of the other image: discs must be of one size."""
    if vocabulary.units == stamp.units != "px":
        return float(vocabulary.spacing)
    if vocabulary.units != stamp.units:
        warnings.warn(
            f"The vocabulary was learned in {vocabulary.units}, this image is calibrated in {stamp.units}: discs are "
            "matched by the nearest-neighbour distances of both instead.",
            UserWarning,
            stacklevel=4,
        )
    return float(table.facts["separation"])
