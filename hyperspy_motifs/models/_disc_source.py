from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.sites import Neighbourhoods
from hyperspy_motifs.zernike import LEAST_COVERAGE, DiscImage, fine_step, stack_moments, zernike_basis


class DiscSource:
    """Moments of the discs around the atoms of one field of view, at any radius; each is computed once.

    Parameters
    ----------
    images : sequence of ndarray, shape (rows, columns)
        Detectors of the field; their moments are concatenated.
    pixels : ndarray, shape (n, 2)
        x, y in pixels.
    spacing : float
        Nearest-neighbour distance in pixels.
    orders : mapping of float to int
        Highest radial order of the moments at each radius. Other radii use the order of the nearest one.
    masks : sequence of ndarray of bool, shape (rows, columns), or None, optional
        Pixels of each image that hold no data.
    """

    def __init__(
        self,
        images: Sequence[NDArray[np.floating]],
        pixels: NDArray[np.float64],
        spacing: float,
        orders: Mapping[float, int],
        masks: Sequence[NDArray[np.bool_] | None] | None = None,
    ) -> None:
        self.masks = [None] * len(images) if masks is None else list(masks)
        self.images, self.pixels, self.spacing, self.orders = list(images), pixels, spacing, dict(orders)
        self._kept: dict[float, Any] = {}
        self._prepared: list[DiscImage] = []

    def __call__(self, radius: float) -> Any:
        if radius not in self._kept:
            nearest = min(self.orders, key=lambda known: abs(known - radius))
            basis = zernike_basis(self.orders[nearest], radius * self.spacing)
            if not self._prepared:
                self._prepared = [
                    DiscImage(image, self.pixels, mask=mask, step=fine_step(self.spacing))
                    for image, mask in zip(self.images, self.masks, strict=True)
                ]
            each = [image.moments(basis, LEAST_COVERAGE) for image in self._prepared]
            self._kept[radius] = each[0] if len(each) == 1 else stack_moments(each)
        return self._kept[radius]

    def neighbours(self) -> Neighbourhoods:
        """Return the neighbours of the atoms."""
        rows, columns = self.images[0].shape
        return Neighbourhoods.of(self.pixels, (rows, columns), self.spacing)
