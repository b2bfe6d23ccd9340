"""Atoms from elsewhere in the units of an image: objects of HyperSpy and of other tools that hold positions of columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperspy_motifs import store

ANGSTROM = "Å"


@dataclass(frozen=True, repr=False)
class GivenAtoms:
    """Positions that were read from an object or a file; used as an array it is its positions.

    Attributes
    ----------
    positions : numpy.ndarray of float, shape (n, 2)
        x, y in the units of the axes, including their offset.
    frames : numpy.ndarray of int, shape (n,), or None
        Flat index of the frame of each atom (C order); None if the source does not know frames.
    origin : str
        What was recognised, and how its numbers were read.
    columns, facts : dict
        Further columns and estimated values, if the source is an
        :class:`~hyperspy_motifs.pipeline.AtomTable`.
    """

    positions: NDArray[np.float64]
    frames: NDArray[np.int64] | None = None
    origin: str = "array"
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.positions)

    def __repr__(self) -> str:
        n = 1 if self.frames is None else len(np.unique(self.frames))
        return f"<GivenAtoms: {len(self)} atoms{f' of {n} frames' if n > 1 else ''}; {self.origin}>"

    def __array__(self, dtype: np.dtype[np.generic] | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.positions, dtype=dtype, copy=copy)


@dataclass(frozen=True)
class ImageAxes:
    """Axes of the image to which atoms are assigned.

    Attributes
    ----------
    pixels : hyperspy_motifs.store.Stamp
        Shape (x, y), scale, offset and units of the pixels as they are in the image.
    square : hyperspy_motifs.store.Stamp
        The same of the image resampled to square pixels; equal to `pixels` unless these are oblong.
    n_frames : int
        Number of images.
    projection : {"z", "x", "y"}
        Direction along which a three-dimensional structure is projected.
    """

    pixels: store.Stamp
    square: store.Stamp
    n_frames: int = 1
    projection: str = "z"

    @classmethod
    def of(cls, axes: Any) -> ImageAxes:
        """Axes of a signal, or of its two signal axes in the order x, y.

        Raises
        ------
        TypeError
            If `axes` is neither.
        """
        if isinstance(axes, cls):
            return axes
        if isinstance(axes, store.Stamp):
            return cls(axes, axes)
        if hasattr(axes, "axes_manager"):
            square = store.Stamp.of(axes)
            n = int(np.prod(square.navigation_shape, dtype=int))
            return cls(_stamp(*axes.axes_manager.signal_axes), square, n)
        try:
            stamp = _stamp(*axes)
        except (TypeError, AttributeError) as error:
            raise TypeError(
                f"axes is a {type(axes).__name__}; an image or its two signal axes are expected: "
                "s, or s.axes_manager.signal_axes."
            ) from error
        return cls(stamp, stamp)

    @property
    def units(self) -> str:
        """Units of the axes; ``"px"`` without calibration."""
        return self.pixels.units

    def from_pixels(
        self, pixels: ArrayLike, image_shape: tuple[int, ...] | None = None, source: str = "The given atoms"
    ) -> NDArray[np.float64]:
        """Convert pixels to the units of the axes.

        Parameters
        ----------
        pixels : array_like, shape (n, 2)
            x (column), y (row); pixel centres at whole numbers from 0.
        image_shape : tuple of int, optional
            (rows, columns) of the image in which the pixels are counted, if it is known.
        source : str, optional
            Subject of the message.

        Returns
        -------
        numpy.ndarray, shape (n, 2)
            x, y.

        Raises
        ------
        ValueError
            If `image_shape` is not that of this image.
        """
        stamp = self.pixels
        if image_shape is not None and tuple(image_shape[::-1]) != stamp.shape:
            if tuple(image_shape[::-1]) != self.square.shape:
                raise ValueError(
                    f"{source} belong to an image of {image_shape[1]} x {image_shape[0]} pixels, this one has "
                    f"{stamp.shape[0]} x {stamp.shape[1]}. Use that image, or give x, y in {self.units} as an (n, 2) array."
                )
            stamp = self.square
        return stamp.to_units(np.asarray(pixels, float).reshape(-1, 2))

    def from_length(
        self, positions: ArrayLike, units: str, source: str = "The given atoms"
    ) -> NDArray[np.float64]:
        """Convert lengths to the units of the axes, without a shift.

        Parameters
        ----------
        positions : array_like, shape (n, 2)
            x, y.
        units : str
            Such as ``"Å"``.
        source : str, optional
            Subject of the message.

        Returns
        -------
        numpy.ndarray, shape (n, 2)
            x, y in the units of the axes.

        Raises
        ------
        ValueError
            If the units of the axes differ, and one of both is no length.
        """
        ratio = 1.0 if units == self.units else store.length_ratio(units, self.units)
        if ratio is None:
            remedy = (
                "Calibrate the image first: s.axes_manager.signal_axes.set(scale=..., units='nm')."
                if not store.is_length(self.units)
                else f"Give their positions in {self.units}."
            )
            raise ValueError(f"{source} are in {units}, this image is in {self.units}. {remedy}")
        return ratio * np.asarray(positions, float).reshape(-1, 2)


def _stamp(x: Any, y: Any) -> store.Stamp:
    return store.Stamp(
        shape=(int(x.size), int(y.size)),
        scale=(float(x.scale), float(y.scale)),
        offset=(float(x.offset), float(y.offset)),
        units=store.axis_units(x),
    )


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


def is_markers(source: object) -> bool:
    """Whether `source` is a HyperSpy marker, or a list of markers."""
    if isinstance(source, list | tuple):
        return bool(source) and all(is_markers(one) for one in source)
    return hasattr(source, "kwargs") and hasattr(source, "offset_transform")


def read_markers(markers: object, axes: ImageAxes) -> GivenAtoms:
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


def is_atom_table(source: object) -> bool:
    """Whether `source` is an ``AtomTable`` or ``Motifs`` of this package."""
    return all(hasattr(source, name) for name in ("pixel_positions", "positions", "frames"))


def read_atom_table(table: Any, axes: ImageAxes) -> GivenAtoms:
    """Positions of an ``AtomTable`` or ``Motifs``, converted to the units of this image."""
    positions = axes.from_length(table.positions, str(getattr(table, "units", axes.units)))
    columns, facts = getattr(table, "columns", {}), getattr(table, "facts", {})
    frames = np.asarray(table.frames, np.int64)
    return GivenAtoms(positions, frames, type(table).__name__, dict(columns), dict(facts))


# ------------------------------------------------------------------ atomap


def is_atomap(source: object) -> bool:
    """Whether `source` is an atomap ``Sublattice`` or ``Atom_Lattice``."""
    return hasattr(source, "sublattice_list") or hasattr(source, "atom_list")


def read_atomap(lattice: object, axes: ImageAxes) -> GivenAtoms:
    """Positions of an atomap ``Sublattice``, or of all sublattices of an ``Atom_Lattice``; x, y in pixels."""
    from hyperspy_motifs.atoms import positions_from_atomap

    image = getattr(lattice, "image", None)
    pixels = positions_from_atomap(lattice)
    shape = image.shape if isinstance(image, np.ndarray) else None
    name = type(lattice).__name__
    return GivenAtoms(
        axes.from_pixels(pixels, shape, f"The atoms of the {name}"), None, f"atomap {name}, x and y in pixels"
    )


def read_atomap_file(path: Path, axes: ImageAxes) -> GivenAtoms:
    """Positions from a file of atomap's ``Atom_Lattice.save``, sublattice by sublattice; x, y in pixels."""
    import h5py

    found: list[NDArray[np.float64]] = []
    numbers: list[int] = []
    shape = None
    with h5py.File(path, "r") as file:
        for group in file.values():
            if isinstance(group, h5py.Group) and "atom_positions" in group:
                found.append(np.asarray(group["atom_positions"], float).reshape(-1, 2))
                numbers.append(int(group.attrs.get("sublattice_index", len(numbers))))
                image = group.get("original_image_data", group.get("modified_image_data"))
                shape = shape if image is None else image.shape
    if not found:
        raise ValueError(
            f"{path} holds no atom lattice of atomap. An image is analysed by loading it: hs.load({path.name!r})."
        )
    # The positions come in the order of the sublattices, not of their names.
    pixels = np.concatenate([found[k] for k in np.argsort(numbers, kind="stable")])
    return GivenAtoms(
        axes.from_pixels(pixels, shape, f"The atoms in {path.name}"), None, "atomap file, x and y in pixels"
    )


# ------------------------------------------------------------------ AtomAI


def is_atomai(source: object) -> bool:
    """Whether `source` has the form of AtomAI's coordinates: a dictionary from frame to rows (row, column, class)."""
    if not isinstance(source, Mapping) or not source:
        return False
    numbered = all(isinstance(key, int | np.integer) for key in source)
    return numbered and all(np.ndim(rows) == 2 and np.shape(rows)[1] == 3 for rows in source.values())


def read_atomai(coordinates: Mapping[int, object], axes: ImageAxes) -> GivenAtoms:
    """Positions of AtomAI's ``predict``, ``Locator`` and refinement: row, column in pixels, class."""
    keys = sorted(coordinates)
    found = [np.asarray(coordinates[key], float)[:, 1::-1] for key in keys]
    frames = np.repeat(np.asarray(keys, np.int64), [len(pixels) for pixels in found])
    return GivenAtoms(
        axes.from_pixels(np.concatenate(found)), frames, "AtomAI coordinates, row and column in pixels"
    )


# ------------------------------------------------------------------ StatSTEM


def is_statstem(source: object) -> bool:
    """Whether `source` is a dictionary with the structures ``input`` or ``output`` of StatSTEM."""
    return isinstance(source, Mapping) and any(
        _statstem_coordinates(source, key) for key in ("output", "input")
    )


def read_statstem_file(path: Path, axes: ImageAxes) -> GivenAtoms:
    """Positions from a MATLAB file of StatSTEM whose ``output`` or ``input`` is a structure."""
    from scipy.io import loadmat

    try:
        content = loadmat(path, simplify_cells=True)
    except NotImplementedError as error:
        raise ValueError(
            f"{path} is a MATLAB file of version 7.3. Save it in MATLAB with save(..., '-v7')."
        ) from error
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a MATLAB file: {error}") from error
    if not is_statstem(content):
        raise ValueError(
            f"{path} holds no structure output or input with coordinates and dx, as StatSTEM writes. Objects of classes are "
            "converted in MATLAB: output = struct(output); save('atoms.mat', 'output', '-v7')."
        )
    return read_statstem(content, axes)


def read_statstem(content: Mapping[str, Any], axes: ImageAxes) -> GivenAtoms:
    """Positions of StatSTEM: the fitted ones of ``output``, or else those of ``input``.

    StatSTEM counts pixels from 1, and gives x and y in ångström as the number of the pixel times ``dx``.
    """
    key = "output" if _statstem_coordinates(content, "output") else "input"
    part = content[key]
    step = part.get("dx", content.get("dx"))
    if step is None and isinstance(content.get("input"), Mapping):
        step = content["input"].get("dx")
    if step is None:
        raise ValueError(
            f"The structure {key} of StatSTEM has no pixel size dx, so its coordinates cannot be read."
        )
    image = next(
        (np.shape(c["obs"]) for c in (content.get("input"), part) if isinstance(c, Mapping) and "obs" in c),
        None,
    )
    pixels = _statstem_xy(part) / float(step) - 1.0
    source = f"StatSTEM {key}, x and y in {ANGSTROM}"
    return GivenAtoms(axes.from_pixels(pixels, image, "The atoms of StatSTEM"), None, source)


def _statstem_coordinates(content: Mapping[str, object], key: str) -> bool:
    part = content.get(key)
    if not isinstance(part, Mapping):
        return False
    return "coordinates" in part or {"BetaX", "BetaY"} <= part.keys()


def _statstem_xy(part: Mapping[str, Any]) -> NDArray[np.float64]:
    if "coordinates" in part:
        return np.atleast_2d(np.asarray(part["coordinates"], float))[:, :2]
    return np.column_stack([np.ravel(part[key]).astype(float) for key in ("BetaX", "BetaY")])
