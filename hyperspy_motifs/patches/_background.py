"""Slow background and slow drift of contrast, estimated around the atoms."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage
from scipy.interpolate import make_interp_spline
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.stats import norm

from hyperspy_motifs.atoms import nearest_neighbour_distance
from hyperspy_motifs.threads import over_rows

# Blocks per spacing of the grid on which the image is first averaged: finer than its lattice.
_BLOCKS = 2
# Rows of blocks whose pixels stay in the cache.
_BAND = 32
#: Standard deviation, in neighbour distances, of the Gaussian for smooth patches. A column changes the mean over it by a
#: hundredth; soft patches of contamination, a few neighbours wide, are followed.
PATCH_REACH = 2.0
# The same for the slow background, and for the contrast, whose estimate needs more columns.
_REACH, _CONTRAST_REACH = 4.0, 6.0
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
# slow one without a patch. It is 0.03 to 0.12 on simulated monolayers, boundaries, oxides, perovskites and moire patterns of
# any dose, with defects and slopes, and 1 to 2 under patches of three times the contrast. Between this value and its double
# the difference counts partially.
_USUAL = 0.15
# With fewer atoms, patches on them and a drift of contrast cannot be estimated.
_FEWEST = 30
# Side, in neighbour distances, of the square whose mean is the brightness of an atom: about the width of a column.
_COLUMN = 0.4
# Atoms, at most, and evaluations of their likelihood with which a wedge is found: the contrast under wedges is right to
# 0.02 (benchmarks/bench_background.py).
_SAMPLE, _EVALUATIONS = 2000, 150
# Relative to the contrast: the brightness of an atom is not known better than this, without noise.
_PRECISION = 0.02
# Of a contrast that does not follow the local one, where it does, and of a wedge where there is none.
_LEVEL = 0.01
# Relative to the contrast: the change of the mean of a cell by a column of twice the intensity, or the flank of a soft patch.
_STANDS_OUT = 0.25
# Tukey's constant: cells beyond this many standard deviations have no weight in the slow fields.
_TUKEY = 4.685
# Largest fraction of the variance that is attributed to noise.
_MOST_NOISE = 0.95
# Ridge of the local planes, in squares of the reach: limits slopes where atoms lie along a line.
_RIDGE = 0.02


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


def _block_means(
    image: NDArray[np.floating], level: float, block: int, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return means of (image - level) and of its square over `shape` blocks; the last blocks include the remainder."""
    rows, columns = (np.arange(n) * block for n in shape)
    heights, widths = (np.diff(s, append=n) for s, n in zip((rows, columns), image.shape, strict=True))
    out = np.empty((2, *shape))

    def fill(first: int, last: int) -> None:
        for start in range(first, last, _BAND):
            band = slice(start, min(start + _BAND, last))
            values = image[rows[start] : rows[band][-1] + heights[band][-1]] - np.float64(level)
            for k in range(2):
                lines = np.add.reduceat(values, rows[band] - rows[start], axis=0)
                out[k, band] = np.add.reduceat(lines, columns, axis=1)
                values *= values

    over_rows(fill, len(rows))
    return out / (heights[:, None] * widths)


def _gaussian(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    return np.asarray(ndimage.gaussian_filter(values, sigma, mode="constant", truncate=3.0))


def _local_plane(
    values: NDArray[np.float64], weight: NDArray[np.float64], sigma: float
) -> NDArray[np.float64]:
    """Fit Gaussian-weighted planes around every point: a mean without bias from borders and holes.

    Local linear regression: Cleveland, J. Am. Stat. Assoc. 74 (1979) 829, with a Gaussian kernel.
    """
    rows, columns = (grid / sigma for grid in np.mgrid[: values.shape[0], : values.shape[1]].astype(float))
    total = _gaussian(weight, sigma)
    known = total > 1e-4 * total.max()
    total = np.where(known, total, 1.0)
    y, x, v = (_gaussian(weight * q, sigma) / total for q in (rows, columns, values))
    yy = _gaussian(weight * rows * rows, sigma) / total - y * y + _RIDGE
    xx = _gaussian(weight * columns * columns, sigma) / total - x * x + _RIDGE
    xy = _gaussian(weight * rows * columns, sigma) / total - x * y
    yv = _gaussian(weight * rows * values, sigma) / total - y * v
    xv = _gaussian(weight * columns * values, sigma) / total - x * v
    determinant = xx * yy - xy * xy
    slope_x = (xv * yy - yv * xy) / determinant
    slope_y = (yv * xx - xv * xy) / determinant
    plane = v + slope_x * (columns - x) + slope_y * (rows - y)
    return np.where(known, plane, np.average(values, weights=weight))


def _slow_field(
    values: NDArray[np.float64], weight: NDArray[np.float64], sigma: float, tolerance: float
) -> NDArray[np.float64]:
    """Fit local planes through the cells, without outlier cells such as a dopant or dirt.

    Outliers are removed by reweighting with Tukey's biweight (Cleveland 1979). Differences within `tolerance` have full weight.
    """
    field = _local_plane(values, weight, sigma)
    for _ in range(2):
        residual = values - field
        spread = max(1.4826 * float(np.median(np.abs(residual[weight > 0]))), tolerance)
        if spread == 0:
            break  # every value lies on the planes: there are no outliers
        share = np.clip(1 - (residual / (_TUKEY * spread)) ** 2, 0, 1) ** 2
        # If every value is an outlier, none is.
        field = _local_plane(values, weight * np.maximum(share, 1e-3), sigma)
    return field


class _SlowFields:
    """Cell averages of an image, on a grid of one point per spacing, and the slow fields through them."""

    def __init__(self, image: NDArray[np.floating], points: NDArray[np.float64], spacing: float) -> None:
        block = max(round(spacing / _BLOCKS), 1)
        fine = spacing / block
        # A level near the mean keeps the squares exact for images with a large offset.
        self.level = float(np.mean(image))
        shape = tuple(max(length // block, 1) for length in image.shape)
        mean, square = _block_means(image, self.level, block, shape)
        place = np.clip((points[:, ::-1].T + 0.5) / block - 0.5, 0, np.array(shape)[:, None] - 1)
        near = np.zeros(shape, dtype=bool)
        near[tuple(np.rint(place).astype(int))] = True
        # Blocks within a spacing of an atom: vacuum and holes do not affect the contrast of atoms.
        weight = (ndimage.distance_transform_edt(~near) <= fine).astype(np.float64)
        step = max(round(fine), 1)
        total = _gaussian(weight, fine)
        average = [_gaussian(weight * q, fine) / np.maximum(total, 1e-12) for q in (mean, square)]
        step = step if min(shape) > step else 1
        cells = np.s_[step // 2 :: step, step // 2 :: step]
        self._block, self._step = block, step
        self.mean, self.square = (np.ascontiguousarray(q[cells]) for q in average)
        self.weight = weight[cells] if weight[cells].any() else np.ones(self.mean.shape)
        self.spacing = fine / step
        self.coordinates = np.clip((place - step // 2) / step, 0, np.array(self.mean.shape)[:, None] - 1)

    def _typical(self, values: NDArray[np.float64]) -> float:
        return float(np.average(values, weights=self.weight))

    def local_mean(self, reach: float, outside: NDArray[np.float64] | float = 1.0) -> NDArray[np.float64]:
        contrast = np.sqrt(self._typical(np.maximum(self.square - self.mean**2, 0)))
        return _slow_field(self.mean, self.weight * outside, reach * self.spacing, 0.02 * contrast)

    def background(self, reach: float) -> NDArray[np.float64]:
        contrast = np.sqrt(self._typical(np.maximum(self.square - self.mean**2, 0)))
        return _slow_field(self.mean, self.weight, reach * self.spacing, _STANDS_OUT * contrast)

    def local_contrast(
        self,
        local_mean: NDArray[np.float64],
        reach: float,
        noise_variance: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        variance = self.square - 2 * local_mean * self.mean + local_mean**2
        noise = noise_variance(self.mean + self.level)
        whole, known = self._typical(variance), self._typical(noise)
        # A noise variance that is too large must not cancel the contrast.
        variance -= noise * min(1.0, _MOST_NOISE * whole / known) if known > 0 else 0.0
        typical = max(self._typical(variance), 0.0)
        smooth = _slow_field(variance, self.weight, reach * self.spacing, 0.04 * typical)
        # At least a third of the typical contrast: flat areas must not be amplified.
        return np.sqrt(np.maximum(smooth, 0.1 * typical))

    def at_cells(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the pixels at the centres of the cells."""
        picked = np.asarray(values)
        for axis, n in enumerate(self.mean.shape):
            middle = ((np.arange(n) * self._step + self._step // 2 + 0.5) * self._block).astype(int)
            picked = picked.take(np.minimum(middle, picked.shape[axis] - 1), axis=axis)
        return picked

    def at_pixels(self, field: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Interpolate a field at the pixels of the image, with cubic splines along rows and columns."""
        coefficients, basis = field, []
        for n, length in zip(field.shape, shape, strict=True):
            # Slopes continue up to the border.
            place = ((np.arange(length) + 0.5) / self._block - 0.5 - self._step // 2) / self._step
            if n == 1:
                coefficients, values = coefficients.T, csr_array(np.ones((length, 1)))
            else:
                spline = make_interp_spline(np.arange(n), coefficients, k=min(3, n - 1))
                # The coefficients are few, and the matrix of the basis at the pixels has four entries in a row.
                coefficients = spline.c.T
                values = spline.design_matrix(np.clip(place, -1, n), spline.t, spline.k, extrapolate=True)
            basis.append(values)
        columns = (basis[1] @ coefficients.T).T
        out = basis[0] @ np.ascontiguousarray(columns)
        out += self.level
        return np.asarray(out, dtype=np.float32)

    def at_atoms(self, field: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(ndimage.map_coordinates(field, self.coordinates, order=1, mode="nearest"))


def estimate_background(
    image: ArrayLike,
    positions: ArrayLike,
    *,
    spacing: float | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Estimate the background of an image at every pixel: slow variations, and soft patches such as contamination.

    Gaussian-weighted planes are fitted to the mean around each point, and once more to what they leave, which is the curvature
    within their width. Their width is eight neighbour distances for slow variations, which count if they exceed those of the
    structure. Planes with a width of two are compared with those with a width of four. Defects, boundaries and the sites of a
    lattice change the difference by at most a tenth of the contrast. A larger difference indicates a patch, which the
    background follows.

    Parameters
    ----------
    image : (rows, columns) array_like
    positions : (n, 2) array_like
        x, y of the atoms in pixels. Areas without atoms are not used.
    spacing : float, optional
        Neighbour distance in pixels; estimated from the positions by default.

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
    if len(points) < _FEWEST:
        return nothing, nothing
    distance = _known_spacing(points, spacing, values.shape)
    first = _SlowFields(values, points, distance)
    smooth, _ = _smooth_field(values, points, distance, first, lambda fields: fields.background(PATCH_REACH))
    column, row = np.clip(np.rint(points).astype(int), 0, np.array(values.shape[::-1]) - 1).T
    usual, share = _USUAL * np.std(values - smooth), nothing
    for _ in range(_SLOW_ROUNDS):
        # The slow variations are those of the atoms outside patches.
        outside = np.maximum(1 - first.at_cells(share), _ON_PATCH)
        slow = first.at_pixels(first.local_mean(_REACH, outside), values.shape)
        away = np.sqrt(_blurred((smooth - slow) ** 2, PATCH_REACH * distance))
        share = np.clip(away / usual - 1, 0, 1).astype(np.float32)
        if not share[row, column].any():
            break
    wide, _ = _smooth_field(values, points, distance, first, lambda fields: fields.local_mean(_WIDE, outside))
    varying = np.float32(np.clip(np.std(wide[row, column]) / usual - 1, 0, 1))
    background = varying * wide
    if not share[row, column].any():
        return background, nothing
    smooth, last = _smooth_field(
        values, points, distance, first, lambda fields: fields.background(_FINE * PATCH_REACH)
    )
    around = np.sqrt(_blurred(last**2, _FINE * PATCH_REACH * distance))
    bump = smooth - (background + (1 - varying) * slow)
    return background + share * bump, share * np.float32(_REMAINING) * around


def without_patches(
    image: NDArray[np.floating], positions: ArrayLike, spacing: float
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

    Returns
    -------
    (rows, columns) ndarray
        `image` itself if no patch is significant.
    """
    background, error = estimate_background(image, positions, spacing=spacing)
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
    first: _SlowFields,
    estimate: Callable[[_SlowFields], NDArray[np.float64]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the smooth field of an image at every pixel, and the increment of its last iteration."""
    smooth, last = np.zeros(values.shape, np.float32), np.zeros(values.shape, np.float32)
    for k in range(_ROUNDS):
        # Twicing (Tukey, Exploratory Data Analysis, 1977): the second iteration adds the curvature that the first misses.
        fields = _SlowFields(values - smooth, points, distance) if k else first
        last = fields.at_pixels(estimate(fields), values.shape)
        smooth = smooth + last
    return smooth, last


def estimate_local_scale(
    image: ArrayLike,
    positions: ArrayLike,
    *,
    spacing: float | None = None,
    gain: float = 0.0,
    read_std: float = 0.0,
    pedestal: ArrayLike | None = None,
) -> LocalScale:
    """Estimate the slow background and the slow drift of contrast at each atom.

    Both fields, the mean of the image and its standard deviation without noise, are Gaussian-weighted planes over
    several neighbour distances around the atoms. A single bright column or a vacancy therefore changes neither, and the
    contrast of single columns is preserved. Areas without atoms are not used. Cells that differ from their surroundings
    (dopants, dirt) have lower weight the more they differ.

    Layers of different composition change the standard deviation as well. A drift of contrast changes all kinds of atoms by
    the same factor. The scale is therefore a constant, or a wedge across the whole image if that is significantly more likely,
    where the brightness of the atoms is significantly more likely under that than under the field.

    Parameters
    ----------
    image : (rows, columns) array_like
        Image.
    positions : (n, 2) array_like
        x, y of the atoms in pixels.
    spacing : float, optional
        Neighbour distance in pixels; estimated from the positions by default.
    gain, read_std : float
        Noise of the image (see `zernike.estimate_noise`): its variance is not part of the contrast.
    pedestal : (rows, columns) array_like, optional
        Background that was subtracted from the image before; it contributes to the noise.

    Returns
    -------
    LocalScale

    Raises
    ------
    ValueError
        If all values around the atoms are equal, or the spacing is not positive.
    """
    values = np.asarray(image)
    points = np.asarray(positions, dtype=np.float64)
    if not len(points):
        return LocalScale(np.zeros(0), np.ones(0))
    distance = _known_spacing(points, spacing, values.shape)
    fields = _SlowFields(values, points, distance)
    local_mean = fields.local_mean(_REACH)
    below = 0.0 if pedestal is None else fields.at_cells(pedestal)

    def noise_variance(mean: NDArray[np.float64]) -> NDArray[np.float64]:
        return gain * np.maximum(mean + below, 0) + read_std**2

    scale = fields.at_atoms(fields.local_contrast(local_mean, _CONTRAST_REACH, noise_variance))
    if not scale.min() > 0:
        raise ValueError("The image has no contrast around the atoms: all its values there are equal.")
    offset = fields.at_atoms(local_mean) + fields.level
    constant = np.full(len(points), np.exp(np.log(scale).mean()))
    if len(points) < _FEWEST:
        return LocalScale(offset, constant)
    brightness = _brightness(values, points, distance) - offset
    wedge = constant * _wedge(brightness / constant, points)
    steady, inclined, local = (_log_density(brightness, q) for q in (constant, wedge, scale))
    simple, likely = (wedge, inclined) if _is_likelier(inclined, steady, 2) else (constant, steady)
    return LocalScale(offset, simple if _is_likelier(likely, local, 2 if simple is wedge else 0) else scale)


def _is_likelier(one: NDArray[np.float64], other: NDArray[np.float64], coefficients: int) -> bool:
    """Test log densities (n,) of all atoms (Vuong, Econometrica 57 (1989) 307).

    The penalty for `coefficients` more in the model of `one` is that of Schwarz, Ann. Stat. 6 (1978) 461.
    """
    more = one - other
    excess = more.sum() - 0.5 * coefficients * np.log(len(more))
    return bool(excess > norm.isf(_LEVEL) * np.sqrt(len(more)) * more.std())


def _wedge(brightness: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the most likely factor (n,) of the contrast, the exponential of a linear function of x and y."""
    terms = (points - points.mean(axis=0)) / np.maximum(np.ptp(points, axis=0) / 2, 1)
    some = slice(None, None, -(-len(points) // _SAMPLE))
    found = minimize(
        lambda coefficients: -_log_density(brightness[some], np.exp(terms[some] @ coefficients)).mean(),
        np.zeros(2),
        method="Powell",
        options={"maxfev": _EVALUATIONS, "xtol": 1e-3, "ftol": 1e-5},
    )
    return np.asarray(np.exp(terms @ found.x))


def _brightness(
    values: NDArray[np.floating], points: NDArray[np.float64], distance: float
) -> NDArray[np.float64]:
    """Return the mean of the image (n,) over squares of the width of a column around the atoms."""
    means = ndimage.uniform_filter(values.astype(np.float32), max(round(_COLUMN * distance), 1))
    return np.asarray(ndimage.map_coordinates(means, points[:, ::-1].T, order=1, mode="nearest"), np.float64)


def _log_density(brightness: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return the logarithm (n,) of the density of the brightness of each atom, of any distribution times its scale.

    .. math:: \ln p(b / s) - \ln s

    The first term is estimated from spacings (Vasicek, J. R. Stat. Soc. B 38 (1976) 54). Its mean is large where every kind of
    atoms has one brightness over the field: the criterion for a drift of intensity in magnetic resonance images (Likar,
    Viergever, Pernus, IEEE Trans. Med. Imaging 20 (2001) 1398).
    """
    n = len(brightness)
    values = brightness / scale + _PRECISION * np.random.default_rng(0).standard_normal(n)
    order = np.argsort(values, kind="stable")
    half = max(int(np.sqrt(n) / 2), 1)
    upper, lower = np.minimum(np.arange(n) + half, n - 1), np.maximum(np.arange(n) - half, 0)
    out = np.empty(n)
    out[order] = np.log((upper - lower) / n / np.maximum(values[order[upper]] - values[order[lower]], 1e-12))
    return out - np.log(scale)


def _known_spacing(points: NDArray[np.float64], spacing: float | None, shape: tuple[int, ...]) -> float:
    if spacing is not None:
        if not spacing > 0:
            raise ValueError(f"The spacing must be a positive number of pixels, not {spacing!r}.")
        return float(spacing)
    return nearest_neighbour_distance(points) if len(points) > 1 else min(shape) / 8
