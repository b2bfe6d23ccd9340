"""The axes of a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_PIXELS = "px"


@dataclass(frozen=True)
class Stamp:
    """Axes of the image of a result: x then y, navigation axes in HyperSpy's order."""

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
        return cls(
            shape=(int(ax.size), int(ay.size)),
            scale=(float(ax.scale), float(ay.scale)),
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


def axis_units(axis: Any) -> str:
    """Units of a HyperSpy axis as text; ``"px"`` if it has none."""
    units = str(axis.units)
    return _PIXELS if units in ("<undefined>", "", "t.Undefined", "None") else units
