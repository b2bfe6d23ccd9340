"""The atoms of all images as one source of moments."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.sites import Neighbourhoods
from hyperspy_motifs.zernike import Moments

from ._image_effects import image_effects
from ._orientation import Orientation

# Coverage of the whole discs of images with more noise than most. Below 1, so that the noise of each of their atoms enters its
# classification, as that of a truncated disc does.
_ALMOST_WHOLE = 1 - 1e-6
# Distance of the corner from which positions are counted, in nearest-neighbour distances: further than neighbours are sought.
_OUTSIDE = 10.0
_PER_ATOM = ("values", "noise_std", "coverage", "valid", "offset", "scale")


class PooledMoments:
    """Moments of the atoms of all images, at any of the radii, in the orientation of the reference.

    Parameters
    ----------
    moments : sequence of dict of float to Moments
        Of each image, by radius, with the same modes.
    neighbours : sequence of Neighbourhoods
        Of each image.
    orientations : sequence of Orientation
    spacing : float
        Nearest-neighbour distance of the reference in pixels.
    orders : dict of float to int
        Radial orders of the moments.
    """

    def __init__(
        self,
        moments: Sequence[Mapping[float, Moments]],
        neighbours: Sequence[Neighbourhoods],
        orientations: Sequence[Orientation],
        spacing: float,
        orders: Mapping[float, int],
    ) -> None:
        self._moments, self._orientations = moments, orientations
        self.spacing, self.orders = spacing, dict(orders)
        sizes = [len(one.neighbours) for one in neighbours]
        #: Number of the image of each atom, shape (n,).
        self.images: NDArray[np.int64] = np.repeat(np.arange(len(sizes)), sizes)
        self._neighbours = _joined(neighbours, orientations)
        self._kinds: NDArray[np.integer] | None = None
        self._kept: dict[float, Moments] = {}

    def __call__(self, radius: float) -> Moments:
        if radius not in self._kept:
            self._kept[radius] = self._pooled(radius)
        return self._kept[radius]

    def neighbours(self) -> Neighbourhoods:
        """Return the neighbours of the atoms, in the orientation of the reference."""
        return self._neighbours

    def remove_image_effects(self, kinds: NDArray[np.integer]) -> None:
        """From now on, return moments without what each image adds to those of each of the kinds (n,)."""
        self._kinds = kinds
        self._kept = {}

    def sound(self, radius: float) -> NDArray[np.bool_]:
        """Return which atoms have whole discs, shape (n,)."""
        return np.concatenate(
            [m.valid & (m.coverage > _ALMOST_WHOLE) for m in (one[radius] for one in self._moments)]
        )

    def _pooled(self, radius: float) -> Moments:
        each = [one[radius] for one in self._moments]
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(m, name) for m in each]) for name in _PER_ATOM
        }
        joined["values"] = np.concatenate(
            [o.apply(m.values, m.modes) for o, m in zip(self._orientations, each, strict=True)]
        )
        if self._kinds is not None:
            effects = image_effects(joined["values"], self._kinds, self.images, self.sound(radius))
            joined["values"] = joined["values"] - effects[self.images, self._kinds].astype(np.float32)
        joined["coverage"] = np.minimum(joined["coverage"], _ALMOST_WHOLE)
        return dataclasses.replace(each[0], **joined)


def _joined(each: Sequence[Neighbourhoods], orientations: Sequence[Orientation]) -> Neighbourhoods:
    """Return the neighbourhoods of all images as one."""
    width = max(one.neighbours.shape[1] for one in each)
    starts = np.cumsum([0, *[len(one.neighbours) for one in each]])
    offsets, numbers, windows = [], [], []
    for one, orientation, start in zip(each, orientations, starts, strict=False):
        more = ((0, 0), (0, width - one.neighbours.shape[1]))
        offsets.append(
            np.pad(orientation.apply_to_vectors(one.offsets), (*more, (0, 0)), constant_values=np.nan)
        )
        shifted = np.where(one.neighbours >= 0, one.neighbours + start, -1)
        numbers.append(np.pad(shifted, more, constant_values=-1))
        windows.append(_turned_window(one.window, orientation))
    return Neighbourhoods(
        np.concatenate(offsets),
        np.concatenate(numbers).astype(np.int32),
        np.concatenate(windows),
        each[0].reach,
    )


def _turned_window(window: NDArray[np.float64], orientation: Orientation) -> NDArray[np.float64]:
    """Return the windows (n, 4) of the atoms of a turned image.

    Their lower ends are the positions of the atoms, from a corner outside the image; the border, which is not parallel to the
    axes any more, limits their upper ends alone: at the distance at which a square around the atom touches it.
    """
    if not orientation.angle and not orientation.mirrored:
        return window
    reach = np.abs(window).min(axis=1) / np.sqrt(2)
    positions = orientation.apply_to_vectors(-window[:, [0, 2]])
    positions += _OUTSIDE - positions.min(axis=0)
    return np.column_stack([-positions[:, 0], reach, -positions[:, 1], reach])
