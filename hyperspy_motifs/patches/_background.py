"""Slow background and slow drift of contrast, estimated round the atoms."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from ._size import typical_spacing

# Blocks a spacing of the coarse grid: fine enough for a field that varies over several spacings.
_BLOCKS = 2
# Local cells that differ by more than this many robust standard deviations do not enter the slow fields.
_OUTLIER = 3.0


@dataclass(frozen=True)
class LocalScale:
    """Offset and scale of the image at each atom: (patch - offset) / scale is comparable over the field.

    Attributes
    ----------
    offset : (n,) float64 array
        Additive background, in the image's counts.
    scale : (n,) float64 array
        Contrast, in the image's counts; positive.
    """

    offset: NDArray[np.float64]
    scale: NDArray[np.float64]


def _block_mean(image, block):
    rows, columns = (max(length // block, 1) for length in image.shape)
    # The last block takes what is left over.
    row_starts, column_starts = np.arange(rows) * block, np.arange(columns) * block
    sums = np.add.reduceat(np.add.reduceat(image, row_starts, axis=0), column_starts, axis=1)
    heights = np.diff(np.append(row_starts, image.shape[0]))
    widths = np.diff(np.append(column_starts, image.shape[1]))
    return sums / (heights[:, None] * widths)


def _smooth(values, weight, sigma):
    """Gaussian mean of the values with weights: neither borders nor holes pull it down."""
    total = ndimage.gaussian_filter(weight, sigma, mode="constant", truncate=3.0)
    mean = ndimage.gaussian_filter(values * weight, sigma, mode="constant", truncate=3.0)
    known = total > 1e-6 * max(float(total.max()), 1e-30)
    out = np.full(values.shape, float(np.average(values, weights=weight)))
    np.divide(mean, total, out=out, where=known)
    return out


def _robust_std(values):
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


class _SlowFields:
    """Coarse maps of an image from which its slow fields are made."""

    def __init__(self, image: NDArray, points: NDArray[np.float64], spacing: float) -> None:
        self.block = max(round(spacing / _BLOCKS), 1)
        self.spacing = spacing / self.block
        # A level near the mean keeps single precision exact for images on a high pedestal.
        self.level = float(np.mean(image))
        shifted = np.asarray(image, dtype=np.float32) - np.float32(self.level)
        self.mean = _block_mean(shifted, self.block).astype(np.float64)
        np.multiply(shifted, shifted, out=shifted)
        self.square = _block_mean(shifted, self.block).astype(np.float64)
        self.coordinates = np.clip(
            (points[:, ::-1].T + 0.5) / self.block - 0.5, 0, np.array(self.mean.shape)[:, None] - 1
        )
        near = np.zeros(self.mean.shape, dtype=bool)
        near[tuple(np.rint(self.coordinates).astype(int))] = True
        # Blocks within a spacing of an atom: vacuum and holes have no say in the contrast of atoms.
        distance = ndimage.distance_transform_edt(~near)
        self.weight = (distance <= self.spacing).astype(np.float64)

    def without_outliers(self, values, sigma):
        """Weights without the cells that stand out from their surroundings, such as a dopant or dirt."""
        cell = _smooth(values, self.weight, self.spacing)
        used = self.weight.copy()
        for _ in range(2):
            residual = cell - _smooth(cell, used, sigma)
            spread = _robust_std(residual[self.weight > 0])
            used = self.weight * (np.abs(residual) <= _OUTLIER * spread)
            if not used.any():
                return self.weight
        return used

    def local_mean(self, reach):
        sigma = reach * self.spacing
        return _smooth(self.mean, self.without_outliers(self.mean, sigma), sigma)

    def local_contrast(self, local_mean, reach, noise_variance):
        variance = self.square - 2 * local_mean * self.mean + local_mean**2
        variance -= noise_variance(self.mean + self.level)
        sigma = reach * self.spacing
        smooth = _smooth(variance, self.without_outliers(variance, sigma), sigma)
        typical = float(np.average(np.maximum(variance, 0), weights=self.weight))
        # Never below a tenth of the typical contrast: flat places must not be blown up.
        return np.sqrt(np.maximum(smooth, 0.01 * typical))

    def at_atoms(self, field):
        return ndimage.map_coordinates(field, self.coordinates, order=1, mode="nearest")


def estimate_local_scale(
    image: ArrayLike,
    positions: ArrayLike,
    *,
    background: str | float | None = "local",
    contrast: str | float | None = "local",
    reach: float = 4.0,
    spacing: float | None = None,
    gain: float = 0.0,
    read_std: float = 0.0,
) -> LocalScale:
    """Estimate the slow background and the slow drift of contrast at each atom.

    Both fields are Gaussian means over several neighbour distances round the atoms, so that a single
    bright column or a vacancy changes neither: the contrast of single columns is kept. Places without
    atoms do not enter, and cells that stand out from their surroundings (dopants, dirt) are left out.

    Parameters
    ----------
    image : (rows, columns) array_like
        Image.
    positions : (n, 2) array_like
        x, y of the atoms in pixels.
    background : {"local"}, float or None
        What is subtracted: the slow local mean (the default), a number of counts, or nothing.
    contrast : {"local", "mean", "global"}, float or None
        What is divided by: the slow local standard deviation of the image without its noise (the default;
        with the local background it undoes any slow change of gain and offset), the slow local mean
        above the background (for images whose zero means no signal: keeps quantitative intensities),
        one standard deviation for the whole image, a number of counts, or nothing.
    reach : float
        Standard deviation of the Gaussian of the background, in neighbour distances; the contrast is averaged
        over twice of it, since it takes more columns to know it.
    spacing : float, optional
        Neighbour distance in pixels; estimated from the positions by default.
    gain, read_std : float
        Noise of the image (see `zernike.estimate_noise`): its variance is not contrast.

    Returns
    -------
    LocalScale

    Raises
    ------
    ValueError
        If an option is not known, or the mean is asked for and is not positive everywhere.
    """
    values = np.asarray(image)
    points = np.asarray(positions, dtype=np.float64)
    n = len(points)
    if isinstance(background, str) and background != "local":
        raise ValueError(f"background is 'local', a number or None, not {background!r}.")
    if isinstance(contrast, str) and contrast not in ("local", "mean", "global"):
        raise ValueError(f"contrast is 'local', 'mean', 'global', a number or None, not {contrast!r}.")
    if not isinstance(contrast, str) and contrast is not None and not contrast > 0:
        raise ValueError(f"The contrast must be a positive number of counts, not {contrast!r}.")
    offset, scale = np.zeros(n), np.ones(n)
    if background is not None and not isinstance(background, str):
        offset += float(background)
    if contrast is not None and not isinstance(contrast, str):
        scale *= float(contrast)
    if not n or not (isinstance(background, str) or isinstance(contrast, str)):
        return LocalScale(offset, scale)

    fields = _SlowFields(values, points, _known_spacing(points, spacing, values.shape))
    local_mean = fields.local_mean(reach)
    if isinstance(background, str):
        offset = fields.at_atoms(local_mean) + fields.level
    if contrast == "mean":
        above = fields.at_atoms(local_mean) + fields.level
        above -= 0.0 if background in (None, "local") else float(background)
        if above.min() <= 0:
            raise ValueError(
                "The local mean is not positive everywhere, so contrast='mean' has no meaning for this "
                "image: use contrast='local'."
            )
        scale = above
    elif contrast in ("local", "global"):
        contrast_reach = 2 * reach if contrast == "local" else max(values.shape) / fields.block
        field = fields.local_contrast(
            local_mean, contrast_reach, lambda mean: gain * np.maximum(mean, 0) + read_std**2
        )
        scale = fields.at_atoms(field)
        if contrast == "global":
            scale[:] = np.median(scale)
        if not scale.min() > 0:
            raise ValueError("The image has no contrast round the atoms: all its values there are equal.")
    return LocalScale(offset, scale)


def _known_spacing(points, spacing, shape):
    if spacing is not None:
        if not spacing > 0:
            raise ValueError(f"The spacing must be a positive number of pixels, not {spacing!r}.")
        return float(spacing)
    return typical_spacing(points) if len(points) > 1 else min(shape) / 8
