"""The result of a stack of images that were analysed one by one with the same model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from . import _site_columns as site_columns
from ._fingerprint import Fingerprint, same_frames
from ._movement import Movement
from ._record import Record, fit_to
from ._stamp import Stamp

NOT_ALL = "it is a stack of images that were not all analysed"
OTHER_MODELS = (
    "it is a stack of images with motifs of different models, whose numbers do not mean the same. Apply the model of one "
    "to the others (motifs.predict) before stacking"
)


def join(
    stamp: Stamp, frames: Sequence[NDArray], known: Sequence[tuple[Record, Fingerprint | None]]
) -> Record | str:
    """The record of a stack with the axes of `stamp`, from the records of its images, or the reason why there is none.

    Parameters
    ----------
    stamp : Stamp
    frames : sequence of numpy.ndarray of shape (rows, columns)
        Of the stack, in flat order.
    known : sequence of (Record, Fingerprint)
        Results of the images, and what identifies their pixels.
    """
    now = Fingerprint.of(frames)
    parts: list[Record | None] = [None] * len(frames)
    single = replace(stamp, navigation_shape=(), navigation_scale=(), navigation_offset=())
    for record, before in known:
        if before is None or record.stamp.n_pixels != stamp.n_pixels:
            continue
        sources = same_frames(now.checksums, now.levels, before, None)
        for number in np.flatnonzero(sources >= 0):
            if parts[number] is None:
                parts[number] = fit_to(record, single, Movement(False, False, sources[number : number + 1]))
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return NOT_ALL
    if not all(_same_model(found[0], part) for part in found[1:]):
        return OTHER_MODELS
    return _joined(found, stamp)


def _same_model(one: Record, other: Record) -> bool:
    """Whether the numbers of both records mean the same motifs."""
    if one.model is None or other.model is None or one.radii[one.chosen] != other.radii[other.chosen]:
        return False
    for record in (one, other):
        cut = record.parameters.get("options", {}).get("n_motifs") is not None
        edited = not np.array_equal(record.labels, record.radius_labels[record.chosen])
        # After an edit by hand a number no longer means what it means in the model.
        if int(record.parameters.get("detectors", 1)) > 1 or (edited and not cut):
            return False
    return _classifier(one.model) == _classifier(other.model)


def _classifier(model: NDArray[np.uint8]) -> dict[str, bytes]:
    import io

    with np.load(io.BytesIO(np.asarray(model, np.uint8).tobytes()), allow_pickle=False) as stored:
        return {name: stored[name].tobytes() for name in stored.files if name.startswith("classifier/")}


def _joined(parts: Sequence[Record], stamp: Stamp) -> Record:
    first = parts[0]
    alike = all(np.array_equal(part.radii, first.radii) for part in parts)
    rows = [slice(None) if alike else slice(part.chosen, part.chosen + 1) for part in parts]
    n = sum(len(part.positions) for part in parts)
    columns = [name for name in first.atoms if all(name in part.atoms for part in parts)]
    tree = {
        "parent": np.array([-1]),
        "radius": np.array([0.0]),
        "size": np.array([n]),
        "height": np.array([0.0]),
        "atom_leaf": np.zeros(n, np.int64),
    }

    def together(name: str) -> NDArray:
        return np.concatenate(
            [getattr(part, name)[row] for part, row in zip(parts, rows, strict=True)], axis=1
        )

    learned = {str(part.parameters.get("learned", "here")) for part in parts}
    return Record(
        positions=np.concatenate([part.positions for part in parts]),
        frames=np.repeat(np.arange(len(parts)), [len(part.positions) for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        radii=first.radii[rows[0]],
        radius_labels=together("radius_labels"),
        radius_probabilities=together("radius_probabilities"),
        layouts=together("layouts"),
        chosen=first.chosen if alike else 0,
        stamp=stamp,
        atoms={name: np.concatenate([part.atoms[name] for part in parts]) for name in columns},
        names=dict(first.names),
        sites=site_columns.together([part.sites for part in parts], [len(part.positions) for part in parts]),
        tree=tree,
        parameters={**first.parameters, "learned": "model" if "model" in learned else learned.pop()},
        model=first.model,
    )
