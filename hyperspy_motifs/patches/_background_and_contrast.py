"""Background of an image: slow variations, and soft patches such as contamination; slow drift of its contrast."""

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage
from scipy.optimize import minimize
from scipy.stats import norm

from hyperspy_motifs.common import FEWEST_ATOMS_OF_A_TREND, LEVEL, SAMPLE

from ._slow_fields import REACH, SlowFields, known_spacing

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
    return _background(image, positions, spacing, mask, False)


def _background(
    image: ArrayLike,
    positions: ArrayLike,
    spacing: float | None,
    mask: ArrayLike | None,
    only_patches: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """As `estimate_background`; with `only_patches` the background is 0 where there is no patch at all."""
    values = np.asarray(image)
    points = np.asarray(positions, dtype=np.float64)
    nothing = np.zeros(values.shape, np.float32)
    if len(points) < FEWEST_ATOMS_OF_A_TREND:
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
    # Without atoms, as in vacuum, nothing indicates a patch.
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
    if only_patches and not share[row, column].any():
        return nothing, nothing
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
    background, error = _background(image, positions, spacing, mask, True)
    return image - background if error.any() else image


def _blurred(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian average of positive values over two `sigma`, with the mirror image beyond the border, by cosine transforms."""
    reach = np.arange(1, int(2 * sigma + 0.5) + 1)
    weights = np.exp(-0.5 * (reach / sigma) ** 2)
    n_threads = numba.get_num_threads()
    transformed = fft.dctn(values, workers=n_threads)
    for length, side in zip(values.shape, ((-1, 1), (1, -1)), strict=True):
        waves = np.cos(np.pi / length * np.arange(length)[:, None] * reach)
        kept = (1 + 2 * waves @ weights) / (1 + 2 * weights.sum())
        transformed *= kept.astype(values.dtype).reshape(side)
    return np.maximum(fft.idctn(transformed, overwrite_x=True, workers=n_threads), 0)


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


# Standard deviation, in neighbour distances, of the Gaussian for the contrast, whose estimate needs more columns.
_CONTRAST_REACH = 6.0
# Side, in neighbour distances, of the square whose mean is the brightness of an atom: about the width of a column.
_COLUMN = 0.4
# Evaluations of the likelihood with which a wedge is found: the contrast under wedges is right to
# 0.02 (benchmarks/bench_background.py).
_EVALUATIONS = 150
# Relative to the contrast: the brightness of an atom is not known better than this, without noise.
_PRECISION = 0.02


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


def estimate_local_scale(
    image: ArrayLike,
    positions: ArrayLike,
    *,
    spacing: float | None = None,
    gain: float = 0.0,
    read_std: float = 0.0,
    pedestal: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> LocalScale:
    """Estimate the slow background and the slow drift of contrast at each atom.

    Both fields, the mean of the image and its standard deviation without noise, are Gaussian-weighted planes over
    several neighbour distances around the atoms. A single bright column or a vacancy therefore changes neither, and the
    contrast of single columns is preserved. Areas without atoms are not used. Cells that differ from their surroundings
    (dopants, dirt) have lower weight the more they differ.

    Layers of different composition change the mean and the standard deviation as well. A drift of contrast changes all kinds
    of atoms by the same factor. The scale is therefore a constant, or a wedge across the whole image if that is significantly
    more likely, where the brightness of the atoms is significantly more likely under that than under the field. In the same way
    the offset is a constant where the brightness is significantly more likely above that.

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
    mask : (rows, columns) bool array_like, optional
        Pixels without data.

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
    distance = known_spacing(points, spacing, values.shape)
    fields = SlowFields(values, points, distance, None if mask is None else np.asarray(mask, bool))
    local_mean = fields.local_mean(REACH)
    below = 0.0 if pedestal is None else fields.at_cells(pedestal)

    def noise_variance(mean: NDArray[np.float64]) -> NDArray[np.float64]:
        return gain * np.maximum(mean + below, 0) + read_std**2

    scale = fields.at_atoms(fields.local_contrast(local_mean, _CONTRAST_REACH, noise_variance))
    if not scale.min() > 0:
        raise ValueError("The image has no contrast around the atoms: all its values there are equal.")
    offset = fields.at_atoms(local_mean) + fields.level
    if len(points) < FEWEST_ATOMS_OF_A_TREND:
        return LocalScale(offset, np.full(len(points), np.exp(np.log(scale).mean())))
    brightness = _brightness(values, points, distance)
    best, likely = _likeliest_scale(brightness - offset, points, scale)
    steady = np.full(len(points), np.median(offset))
    other, likely_steady = _likeliest_scale(brightness - steady, points, scale)
    if _is_likelier(likely_steady, likely, 0):
        return LocalScale(steady, other)
    return LocalScale(offset, best)


def _likeliest_scale(
    brightness: NDArray[np.float64], points: NDArray[np.float64], local: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the `local` scale (n,), or a constant or a wedge that is likelier, and the log densities (n,) under it."""
    constant = np.full(len(points), np.exp(np.log(local).mean()))
    wedge = constant * _wedge(brightness / constant, points)
    steady, inclined, followed = (_log_density(brightness, q) for q in (constant, wedge, local))
    simple, likely = (wedge, inclined) if _is_likelier(inclined, steady, 2) else (constant, steady)
    if _is_likelier(likely, followed, 2 if simple is wedge else 0):
        return simple, likely
    return local, followed


def _is_likelier(one: NDArray[np.float64], other: NDArray[np.float64], coefficients: int) -> bool:
    """Test log densities (n,) of all atoms (Vuong, Econometrica 57 (1989) 307).

    The penalty for `coefficients` more in the model of `one` is that of Schwarz, Ann. Stat. 6 (1978) 461.
    """
    more = one - other
    excess = more.sum() - 0.5 * coefficients * np.log(len(more))
    return bool(excess > norm.isf(LEVEL) * np.sqrt(len(more)) * more.std())


def _wedge(brightness: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the most likely factor (n,) of the contrast, the exponential of a linear function of x and y."""
    terms = (points - points.mean(axis=0)) / np.maximum(np.ptp(points, axis=0) / 2, 1)
    some = slice(None, None, -(-len(points) // SAMPLE))
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
