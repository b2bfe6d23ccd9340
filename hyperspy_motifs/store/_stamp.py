"""The axes of a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

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

    Where pixels are oblong, `shape` and `scale` are those of the image resampled to the finer of the two scales, and
    `data_shape` and `data_scale` those of the data. `names` are the names of the signal axes.
    """

    shape: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[float, float]
    units: str
    navigation_shape: tuple[int, ...] = ()
    navigation_scale: tuple[float, ...] = ()
    navigation_offset: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    data_shape: tuple[int, ...] = ()
    data_scale: tuple[float, ...] = ()

    @property
    def n_pixels(self) -> tuple[int, int]:
        """Number of pixels of the data along x and y, which may be oblong."""
        return (int(self.data_shape[0]), int(self.data_shape[1])) if self.data_shape else self.shape

    @property
    def pixel_size(self) -> tuple[float, float]:
        """Size of a pixel of the data along x and y, negative along a mirrored axis."""
        return (float(self.data_scale[0]), float(self.data_scale[1])) if self.data_scale else self.scale

    @classmethod
    def of(cls, signal: BaseSignal) -> Stamp:
        """Stamp of the current axes of `signal`."""
        ax, ay = signal.axes_manager.signal_axes
        navigation = signal.axes_manager.navigation_axes
        shape, scale = (int(ax.size), int(ay.size)), (float(ax.scale), float(ay.scale))
        data_shape, data_scale = shape, scale
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
            names=(str(ax.name), str(ay.name)),
            data_shape=data_shape,
            data_scale=data_scale,
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


def is_oblong(signal: BaseSignal) -> bool:
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


def unit_factor(old: str, new: str) -> float:
    """How many `new` one `old` is.

    Raises
    ------
    ValueError
        If one cannot be converted to the other.
    """
    if old == new:
        return 1.0
    known = length_ratio(old, new)
    if known is not None:
        return known
    import pint

    try:
        return float(pint.UnitRegistry()(old).to(new).magnitude)
    except (pint.PintError, AttributeError, ValueError) as error:
        raise ValueError(
            f"The motifs of this image were found in {old}, its axes are now in {new}, and its shape has changed as well: "
            "their positions cannot be carried over. Set the units back, or call find_motifs() again."
        ) from error
