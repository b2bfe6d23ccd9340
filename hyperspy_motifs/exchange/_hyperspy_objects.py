"""Peaks of HyperSpy's ``find_peaks``, and its markers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._given_atoms import GivenAtoms, ImageAxes


def is_peaks(source: Any) -> bool:
    """Whether `source` is the signal that ``find_peaks`` returns."""
    return hasattr(source, "axes_manager") and source.metadata.has_item("Peaks.signal_axes")


def read_peaks(peaks: Any, axes: ImageAxes) -> GivenAtoms:
    """Positions from the ragged signal of ``find_peaks``: row, column and optionally the intensity, in pixels.

    Peaks of another size of image, such as one that was cropped since, are converted by the axes that HyperSpy stored
    with them.
    """
    data = peaks.data.compute() if hasattr(peaks.data, "compute") else peaks.data
    elements = list(data.ravel()) if data.dtype == object else [data.reshape(-1, data.shape[-1])]
    found = [np.asarray(element, float).reshape(len(element), -1)[:, 1::-1] for element in elements]
    # HyperSpy marks an image without peaks by one row of NaN.
    found = [pixels[np.isfinite(pixels).all(axis=1)] for pixels in found]
    frames = np.repeat(np.arange(len(found)), [len(pixels) for pixels in found])
    pixels = np.concatenate(found)
    x, y = peaks.metadata.Peaks.signal_axes
    if (int(x.size), int(y.size)) == axes.pixels.shape:
        positions = axes.from_pixels(pixels)
    else:
        own = ImageAxes.of((x, y))
        positions = axes.from_length(own.from_pixels(pixels), own.units, "The given peaks")
    return GivenAtoms(positions, frames, "find_peaks, row and column in pixels")


def is_markers(source: Any) -> bool:
    """Whether `source` is a HyperSpy marker, or a list of markers."""
    if isinstance(source, list | tuple):
        return bool(source) and all(is_markers(one) for one in source)
    return hasattr(source, "kwargs") and hasattr(source, "offset_transform")


def read_markers(markers: Any, axes: ImageAxes) -> GivenAtoms:
    """Positions from the offsets of one or several HyperSpy markers, in the units of the axes."""
    parts = [_offsets(one) for one in (markers if isinstance(markers, list | tuple) else [markers])]
    positions = np.concatenate([points for points, _ in parts])
    numbered = [frames for _, frames in parts if frames is not None]
    if numbered and len(numbered) < len(parts):
        raise ValueError(
            "Some of the given markers follow the navigator, others do not. Give those of one kind."
        )
    frames = np.concatenate(numbered) if numbered else None
    return GivenAtoms(positions, frames, f"markers, offsets in {axes.units}")


def _offsets(marker: Any) -> tuple[NDArray[np.float64], NDArray[np.int64] | None]:
    offsets = marker.kwargs.get("offsets")
    kind = type(marker).__name__
    if offsets is None:
        raise TypeError(
            f"{kind} markers have no centres; Points, Circles or other markers with offsets are expected."
        )
    if marker.offset_transform != "data":
        raise ValueError(
            f"The offsets of these {kind} markers are in '{marker.offset_transform}' coordinates; "
            "offset_transform='data' is expected, in which they are x, y in the units of the axes."
        )
    offsets = np.asarray(offsets)
    if offsets.dtype != object:
        return np.asarray(offsets, float).reshape(-1, 2), None
    # The order of HyperSpy's navigation indices is the reverse of that of the data.
    elements = [np.asarray(element, float).reshape(-1, 2) for element in offsets.T.ravel()]
    frames = np.repeat(np.arange(len(elements)), [len(points) for points in elements])
    return np.concatenate(elements), frames if len(elements) > 1 else None


def is_atom_table(source: Any) -> bool:
    """Whether `source` is an ``AtomTable`` or ``Motifs`` of this package."""
    return all(hasattr(source, name) for name in ("pixel_positions", "positions", "frames"))


def read_atom_table(table: Any, axes: ImageAxes) -> GivenAtoms:
    """Positions of an ``AtomTable`` or ``Motifs``, converted to the units of this image."""
    positions = axes.from_length(table.positions, str(getattr(table, "units", axes.units)))
    columns, facts = getattr(table, "columns", {}), getattr(table, "facts", {})
    frames = np.asarray(table.frames, np.int64)
    return GivenAtoms(positions, frames, type(table).__name__, dict(columns), dict(facts))
