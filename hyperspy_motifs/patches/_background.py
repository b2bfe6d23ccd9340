"""Background of an image: slow variations, and soft patches such as contamination."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from ._slow_fields import FEWEST, REACH, SlowFields, known_spacing

# Standard deviation, in neighbour distances, of the Gaussian for soft patches of contamination, a few neighbours wide.
_PATCH_REACH = 2.0
# The same for what is subtracted at every pixel, if it varies more than the structure makes it vary.
_WIDE = 8.0
_ROUNDS = 2
# Estimates of the slow background, each without the patches that the previous one shows; the third changes little.
_SLOW_ROUNDS = 3
# Smallest weight, in the slow background, of places on a patch.
_ON_PATCH = 1e-3
# Reach for what is subtracted where a patch was found, relative to the reach at which it is found. Twice this leaves twice the
# error on patches (benchmarks/bench_background.py); a defect loses more of its contrast at shorter reaches.
_FINE = 0.5
# The root mean square of the last iteration's increment around a place, times this, is the remaining error there: 0.5 to 1.5
# of it on three lattices, for flanks of three to one neighbour distances (benchmarks/bench_background.py).
_REMAINING = 1.0
# Relative to the contrast: the difference (root mean square over the reach) of the background over two neighbours from the
# slow one without a patch. It is 0.005 to 0.06 on simulated monolayers, boundaries, perovskites and M1, and 1 to 2 under
# patches of three times the contrast. Between this value and its double the difference counts partially.
_USUAL = 0.15


def estimate_background(
    image: ArrayLike,
    positions: ArrayLike,
    *,
    spacing: float | None = None,
    mask: ArrayLike | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Estimate the background of an image at every pixel: slow variations, and soft patches such as contamination.

    The image around an atom is the sum of a level and of the mean profile of all columns times a height of its own.
    Heavier atoms, also whole layers of them, are higher; a patch raises the level. Gaussian-weighted planes are fitted to the
    levels around each point, and once more to what they leave, which is the curvature within their width. Their width is eight
    neighbour distances for slow variations, which count if they exceed those of the structure. Planes with a width of two
    are compared with those with a width of four. Defects, boundaries and the sites of a lattice change the difference by at
    most a tenth of the contrast. A larger difference indicates a patch, which the background follows.

    Parameters
    ----------
    image : (rows, columns) array_like
    positions : (n, 2) array_like
        x, y of the atoms in pixels. Areas without atoms are not used.
    spacing : float, optional
        Neighbour distance in pixels; estimated from the positions by default.
    mask : (rows, columns) bool array_like, optional
        Pixels without data: the background continues into them.

    Returns
    -------
    background : (rows, columns) float32 array
    error : (rows, columns) float32 array
        Estimated standard deviation of the error on patches, 0 elsewhere: curvature within a neighbour distance is only
        partly removed.
    """
    values = np.asarray(image)
    points = np.asarray(positions, dtype=np.float64)
    nothing = np.zeros(values.shape, np.float32)
    if len(points) < FEWEST:
        return nothing, nothing
    distance = known_spacing(points, spacing, values.shape)
    missing = None if mask is None else np.asarray(mask, bool)
    first = SlowFields(values, points, distance, missing)
    smooth, _ = _smooth_field(
        values, points, distance, missing, first, lambda fields: fields.patchy_level(_PATCH_REACH)
    )
    column, row = np.clip(np.rint(points).astype(int), 0, np.array(values.shape[::-1]) - 1).T
    usual = _USUAL * np.std(values - smooth, where=True if missing is None else ~missing)
    share = nothing
    # Without atoms, as in vacuum, nothing tells a patch.
    covered, near = (
        np.clip(first.at_pixels(q, values.shape, 0.0), 0, 1)
        for q in (first.covered(_PATCH_REACH), first.weight)
    )
    around = np.maximum(_blurred(near, _PATCH_REACH * distance), 1e-3)
    for _ in range(_SLOW_ROUNDS):
        # The slow variations are those of the atoms outside patches.
        outside = np.maximum(1 - first.at_cells(share), _ON_PATCH)
        slow = first.at_pixels(first.slow_level(REACH, outside), values.shape)
        # Both are extrapolated where no atoms are.
        away = np.sqrt(_blurred(near * (smooth - slow) ** 2, _PATCH_REACH * distance) / around)
        share = covered * np.clip(away / usual - 1, 0, 1).astype(np.float32)
        if not share[row, column].any():
            break
    wide, _ = _smooth_field(
        values, points, distance, missing, first, lambda fields: fields.slow_level(_WIDE, outside)
    )
    varying = np.float32(np.clip(np.std(wide[row, column]) / usual - 1, 0, 1))
    background = varying * wide
    if not share[row, column].any():
        return background, nothing
    smooth, last = _smooth_field(
        values, points, distance, missing, first, lambda fields: fields.patchy_level(_FINE * _PATCH_REACH)
    )
    around = np.sqrt(_blurred(last**2, _FINE * _PATCH_REACH * distance))
    bump = smooth - (background + (1 - varying) * slow)
    return background + share * bump, share * np.float32(_REMAINING) * around


def without_patches(
    image: NDArray[np.floating], positions: ArrayLike, spacing: float, mask: ArrayLike | None = None
) -> NDArray[np.floating]:
    """Return an image without its background if soft patches are part of that; else the image itself.

    The flank of a patch displaces the maxima of the columns on it, and the Gaussians that are fitted to them.

    Parameters
    ----------
    image : (rows, columns) ndarray
    positions : (n, 2) array_like
        x, y of the atoms in pixels.
    spacing : float
        Neighbour distance in pixels.
    mask : (rows, columns) bool array_like, optional
        Pixels without data.

    Returns
    -------
    (rows, columns) ndarray
        `image` itself if no patch is significant.
    """
    background, error = estimate_background(image, positions, spacing=spacing, mask=mask)
    return image - background if error.any() else image


def _blurred(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian average of positive values over two `sigma`, with the mirror image beyond the border, by cosine transforms."""
    reach = np.arange(1, int(2 * sigma + 0.5) + 1)
    weights = np.exp(-0.5 * (reach / sigma) ** 2)
    transformed = fft.dctn(values)
    for length, side in zip(values.shape, ((-1, 1), (1, -1)), strict=True):
        waves = np.cos(np.pi / length * np.arange(length)[:, None] * reach)
        kept = (1 + 2 * waves @ weights) / (1 + 2 * weights.sum())
        transformed *= kept.astype(values.dtype).reshape(side)
    return np.maximum(fft.idctn(transformed, overwrite_x=True), 0)


def _smooth_field(
    values: NDArray[np.floating],
    points: NDArray[np.float64],
    distance: float,
    missing: NDArray[np.bool_] | None,
    first: SlowFields,
    estimate: Callable[[SlowFields], NDArray[np.float64]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the smooth field of an image at every pixel, and the increment of its last iteration."""
    smooth, last = np.zeros(values.shape, np.float32), np.zeros(values.shape, np.float32)
    for k in range(_ROUNDS):
        # Twicing (Tukey, Exploratory Data Analysis, 1977): the second iteration adds the curvature that the first misses.
        fields = SlowFields(values - smooth, points, distance, missing) if k else first
        last = fields.at_pixels(estimate(fields), values.shape)
        smooth = smooth + last
    return smooth, last
