"""Atoms from elsewhere in the units of an image, and the axes that convert them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
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
                if self.units == "px"
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
