"""Images of the same scan by several detectors: validation, and those that a result keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hyperspy_motifs import store

from ._checks import check_axes

# The images of further detectors are kept with the result if they have no more pixels together: two of 4096 x 4096.
MOST_PIXELS = 2**25


def all_detectors(signal: Any, detectors: Any) -> list[Any]:
    """Return `signal` and the images of the same field from other detectors."""
    others = (
        [] if detectors is None else list(detectors) if isinstance(detectors, list | tuple) else [detectors]
    )
    stamp = store.Stamp.of(signal)
    for other in others:
        if not hasattr(other, "axes_manager"):
            raise TypeError(
                f"detectors= contains a {type(other).__name__}; HyperSpy images of the same scan are expected."
            )
        check_axes(other)
        theirs = store.Stamp.of(other)
        if (theirs.shape, theirs.navigation_shape) != (stamp.shape, stamp.navigation_shape):
            raise ValueError(
                f"An image in detectors= has {theirs.shape[0]} x {theirs.shape[1]} pixels, this one {stamp.shape[0]} x "
                f"{stamp.shape[1]}: detectors of the same scan are expected."
            )
        if not np.allclose(theirs.scale, stamp.scale) or theirs.units != stamp.units:
            raise ValueError(
                "An image in detectors= is calibrated differently from this one: detectors of one scan are expected."
            )
    return [signal, *others]


def images_to_keep(detectors: Sequence[Any]) -> np.ndarray | None:
    """Images of the detectors but the first, shape (d, ..., rows, columns), for the result; None if they are too large."""
    others = [np.asarray(other.data) for other in detectors[1:] if not other._lazy]
    if not others or len(others) < len(detectors) - 1 or sum(other.size for other in others) > MOST_PIXELS:
        return None
    return np.stack([other.astype(np.result_type(*others), copy=False) for other in others])


def n_detectors(record: store.Record) -> int:
    """Number of detectors of the moments of a stored result."""
    return int(record.parameters.get("detectors", 1))


def detectors_of(signal: Any, record: store.Record) -> list[Any] | None:
    """The image of a result and those of its further detectors as signals; None if they were not kept."""
    if n_detectors(record) == 1:
        return [signal]
    if record.detectors is None:
        return None
    axes = [axis.get_axis_dictionary() for axis in signal.axes_manager._axes]
    return [signal, *(type(signal)(image, axes=axes) for image in record.detectors)]


def check_number(model_detectors: int, detectors: Sequence[Any]) -> None:
    """Reject another number of detectors than that of a model.

    Raises
    ------
    ValueError
    """
    if model_detectors != len(detectors):
        raise ValueError(
            f"The motifs were found in {model_detectors} detectors, {len(detectors)} are given. Give the image of the same "
            "detector as the first, and the others in the same order by detectors=."
        )
