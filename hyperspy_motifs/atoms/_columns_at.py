"""Whether given positions lie on the columns of an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from ._neighbours import nearest_neighbour_distance

# Levels of the two tests.
LEVEL_CONTRAST, LEVEL_SHIFT = 1e-3, 0.05
# In nearest-neighbour distances: the width of a column and of its surroundings, and the largest shift.
_COLUMN, _SURROUNDINGS, _REACH = 0.15, 0.5, 0.5
_SHIFTS = 200
# As many positions show it as well as all of them.
_MOST_POSITIONS = 2000


@dataclass(frozen=True)
class ColumnCheck:
    """Result of :func:`columns_at`.

    Attributes
    ----------
    p_contrast : float
        p-value of the positions being no brighter than random places near them.
    p_shift : float
        Share of the common shifts, by up to half a nearest-neighbour distance, with which they are as bright or brighter.
    best_shift : (float, float)
        The shift x, y in pixels with which they are brightest.
    """

    p_contrast: float
    p_shift: float
    best_shift: tuple[float, float]

    @property
    def on_columns(self) -> bool:
        """Whether both tests show columns at the positions."""
        return self.p_contrast < LEVEL_CONTRAST and self.p_shift < LEVEL_SHIFT


def columns_at(image: NDArray, positions: NDArray, polarity: str = "bright") -> ColumnCheck:
    """Test whether positions lie on columns: the image there against the image at places nearby.

    Parameters
    ----------
    image : (rows, columns) array
    positions : (n, 2) array
        x, y in pixels, two or more.
    polarity : {"bright", "dark"}

    Returns
    -------
    ColumnCheck

    Notes
    -----
    The image is band-passed (a difference of Gaussians), so that slow background and vacuum play no part. One test asks whether
    the positions are brighter than places at random shifts from them (a paired t-test, level 0.001): positions with exchanged
    coordinates are not. The other asks whether a common shift makes them brighter (level 0.05): a lattice beside its
    columns is improved by many. Errors of single positions cancel.
    """
    points = np.asarray(positions, float)
    if len(points) > _MOST_POSITIONS:
        points = points[np.linspace(0, len(points) - 1, _MOST_POSITIONS).astype(int)]
    spacing = float(nearest_neighbour_distance(np.asarray(positions, float)))
    values = np.asarray(image, float) * (-1 if polarity == "dark" else 1)
    narrow = ndimage.gaussian_filter(values, max(_COLUMN * spacing, 0.5))
    band = narrow - ndimage.gaussian_filter(values, max(_SURROUNDINGS * spacing, 1.0))
    # Evenly distributed in a disc: a sunflower.
    k = np.arange(1, _SHIFTS + 1)
    radius, angle = _REACH * spacing * np.sqrt(k / _SHIFTS), k * np.pi * (3 - np.sqrt(5))
    shifts = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    here = _at(band, points)
    beside = np.array([_at(band, points + shift) for shift in shifts])
    difference = here - beside.mean(axis=0)
    spread = float(difference.std())
    if spread == 0:
        p_contrast = 0.0 if difference[0] > 0 else 1.0
    else:
        p_contrast = float(stats.ttest_1samp(difference, 0.0, alternative="greater").pvalue)
    means = beside.mean(axis=1)
    best = shifts[int(np.argmax(means))] if means.max() > here.mean() else np.zeros(2)
    return ColumnCheck(p_contrast, float((means >= here.mean()).mean()), (float(best[0]), float(best[1])))


def _at(band: NDArray, points: NDArray) -> NDArray:
    return ndimage.map_coordinates(band, points[:, ::-1].T, order=1, mode="reflect")
