"""The axes of a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_PIXELS = "px"
# Scales of the axes that differ by less are those of square pixels: the rounding of a calibration.
PIXEL_TOLERANCE = 0.01
# Lengths in metres. Two characters each look like micro and angstrom.
_LENGTHS = {
    "m": 1.0, "cm": 1e-2, "mm": 1e-3, "\u00b5m": 1e-6, "\u03bcm": 1e-6, "um": 1e-6, "nm": 1e-9, "pm": 1e-12,
    "\u00c5": 1e-10, "\u212b": 1e-10, "A": 1e-10, "angstrom": 1e-10, "Angstrom": 1e-10,
}  # fmt: skip


@dataclass(frozen=True)
class Stamp:
    """Axes of the image of a result: x then y, navigation axes in HyperSpy's order.

    Where pixels are oblong they are those of the image resampled to the finer of the two scales.
    """

    shape: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[float, float]
    units: str
    navigation_shape: tuple[int, ...] = ()
    navigation_scale: tuple[float, ...] = ()
    navigation_offset: tuple[float, ...] = ()

    @classmethod
    def of(cls, signal: Any) -> Stamp:
        """Stamp of the current axes of `signal`."""
        ax, ay = signal.axes_manager.signal_axes
        navigation = signal.axes_manager.navigation_axes
        shape, scale = (int(ax.size), int(ay.size)), (float(ax.scale), float(ay.scale))
        if is_oblong(signal):
            finest = min(abs(s) for s in scale)
            nx, ny = (int((n - 1) * abs(s) / finest + 1e-6) + 1 for n, s in zip(shape, scale, strict=True))
            shape = nx, ny
            scale = float(np.copysign(finest, scale[0])), float(np.copysign(finest, scale[1]))
        return cls(
            shape=shape,
            scale=scale,
            offset=(float(ax.offset), float(ay.offset)),
            units=axis_units(ax),
            navigation_shape=tuple(int(a.size) for a in navigation),
            navigation_scale=tuple(float(getattr(a, "scale", 1.0)) for a in navigation),
            navigation_offset=tuple(float(getattr(a, "offset", 0.0)) for a in navigation),
        )

    def to_pixels(self, positions: np.ndarray) -> np.ndarray:
        """Positions x, y in axis units to pixels (column, row)."""
        return (np.asarray(positions, float) - np.array(self.offset)) / np.array(self.scale)

    def to_units(self, pixels: np.ndarray) -> np.ndarray:
        """Positions (column, row) in pixels to x, y in axis units."""
        return np.asarray(pixels, float) * np.array(self.scale) + np.array(self.offset)

    def inside(self, positions: np.ndarray) -> np.ndarray:
        """Mask of the positions (x, y, axis units) whose pixel lies in the image."""
        pixels = self.to_pixels(positions)
        return np.all((pixels >= -0.5) & (pixels < np.array(self.shape) - 0.5), axis=1)


def is_oblong(signal: Any) -> bool:
    """Whether the pixels of an image are clearly longer along one axis than along the other."""
    scales = [abs(float(axis.scale)) for axis in signal.axes_manager.signal_axes if axis.is_uniform]
    if len(scales) != 2 or not np.isfinite(scales).all() or min(scales) == 0:
        return False
    return max(scales) > (1 + PIXEL_TOLERANCE) * min(scales)


def length_ratio(one: str, other: str) -> float | None:
    """How many `other` one `one` is, both units of length; None if one is none."""
    if one in _LENGTHS and other in _LENGTHS:
        return _LENGTHS[one] / _LENGTHS[other]
    return None


def axis_units(axis: Any) -> str:
    """Units of a HyperSpy axis as text; ``"px"`` if it has none."""
    units = str(axis.units)
    return _PIXELS if units in ("<undefined>", "", "t.Undefined", "None") else units
