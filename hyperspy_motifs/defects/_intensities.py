"""Integrated intensities of all columns of an image from one linear fit."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.ndimage import distance_transform_edt
from scipy.sparse.linalg import splu

# Distance of the knots of the background in nearest-neighbour distances: columns vary within one, backgrounds over more.
BACKGROUND_STEP = 4.0
# Standard deviations of a column beyond which it is below 4e-4 of its height.
_REACH = 4.0
# Equally filled bins of brightness in which the variance of the noise is averaged.
_NOISE_BINS = 20
# Columns beyond the frame reach into a rim of this many widths, which counts for little.
_RIM = 3.0
_RIM_WEIGHT = 1e-3


def fit_intensities(
    image: np.ndarray,
    points: np.ndarray,
    widths: np.ndarray,
    spacing: float,
    missing: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Heights of all columns at fixed positions and widths, on one smooth background.

    All heights and a background of bilinear splines are the solution of one sparse least-squares problem. A fit of each
    column with a background of its own loses precision to that background. The pixels are weighted by the inverse of
    their variance, which is measured in the residual as a linear function of the brightness (counting noise).

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    points : ndarray of shape (n, 2)
        x (column), y (row) in pixels.
    widths : ndarray of shape (n,)
        Standard deviation of each column in pixels.
    spacing : float
        Nearest-neighbour distance in pixels.
    missing : ndarray of bool of shape (rows, columns), optional
        Pixels without data.

    Returns
    -------
    intensities : ndarray of shape (n,)
        Height of each column times its squared width: proportional to the integral.
    noise : ndarray of shape (n,)
        Standard deviation of each by the noise of its pixels, all other columns known: larger at the border.
    """
    values = np.asarray(image, float).ravel()
    height, width = image.shape
    step = BACKGROUND_STEP * spacing
    background = sparse.kron(_splines(height, step), _splines(width, step), format="csr")
    model = sparse.hstack([_profiles(image.shape, points, widths), background], format="csr")
    inside = np.zeros(image.shape)
    rim = max(int(np.ceil(_RIM * np.median(widths))), 1)
    inside[rim:-rim, rim:-rim] = 1.0
    weights = np.maximum(inside, _RIM_WEIGHT)
    if missing is not None and missing.any():
        # Columns that are hidden reach out of the pixels without data, as those beyond the frame do.
        weights[distance_transform_edt(~missing) <= rim] = _RIM_WEIGHT
        weights[missing] = 0.0
    weights = weights.ravel()
    solution, _ = _solve(model, values, weights)
    fitted = model @ solution
    used = weights == 1
    variance = _noise_variance(fitted, values - fitted, used) if used.any() else np.ones(len(values))
    solution, precision = _solve(model, values, weights / variance)
    n = len(points)
    return solution[:n] * widths**2, widths**2 / np.sqrt(precision[:n])


def _profiles(shape: tuple[int, ...], points: np.ndarray, widths: np.ndarray) -> sparse.csr_matrix:
    """Gaussians of unit height: pixels as rows, columns of the image as columns."""
    height, width = shape
    reach = int(np.ceil(_REACH * widths.max()))
    offsets = np.arange(-reach, reach + 1)
    x = np.rint(points[:, 0]).astype(np.int64)[:, None] + offsets
    y = np.rint(points[:, 1]).astype(np.int64)[:, None] + offsets
    along_x = np.exp(-0.5 * ((x - points[:, :1]) / widths[:, None]) ** 2) * ((x >= 0) & (x < width))
    along_y = np.exp(-0.5 * ((y - points[:, 1:]) / widths[:, None]) ** 2) * ((y >= 0) & (y < height))
    heights = along_y[:, :, None] * along_x[:, None, :]
    kept = heights > np.exp(-0.5 * _REACH**2)
    pixel = np.clip(y, 0, height - 1)[:, :, None] * width + np.clip(x, 0, width - 1)[:, None, :]
    owner = np.broadcast_to(np.arange(len(points))[:, None, None], heights.shape)
    return sparse.csr_matrix((heights[kept], (pixel[kept], owner[kept])), shape=(height * width, len(points)))


def _splines(n: int, step: float) -> sparse.csr_matrix:
    """Linear splines with knots about `step` apart on `n` pixels."""
    knots = max(round((n - 1) / step), 1) + 1
    place = np.arange(n) * (knots - 1) / max(n - 1, 1)
    first = np.minimum(place.astype(int), knots - 2)
    share = place - first
    rows = np.tile(np.arange(n), 2)
    return sparse.csr_matrix(
        (np.concatenate([1 - share, share]), (rows, np.concatenate([first, first + 1]))), shape=(n, knots)
    )


def _solve(
    model: sparse.csr_matrix, values: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares: the solution, and the diagonal of the normal matrix."""
    weighted = model.copy()
    weighted.data *= np.repeat(weights, np.diff(model.indptr))
    normal = (model.T @ weighted).tocsc()
    diagonal = normal.diagonal()
    # Two columns found at one place, or one outside the frame, leave a direction without information.
    normal = normal + sparse.diags(1e-6 * diagonal + 1e-12 * diagonal.max(), format="csc")
    return np.asarray(splu(normal).solve(model.T @ (weights * values))), np.asarray(normal.diagonal())


def _noise_variance(fitted: np.ndarray, residual: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Variance of each pixel, linear in its brightness and at least a fifth of the typical one, from the pixels of a mask."""
    level, rest = fitted[used], residual[used]
    edges = np.quantile(level, np.linspace(0, 1, _NOISE_BINS + 1)[1:-1])
    group = np.searchsorted(edges, level)
    count = np.maximum(np.bincount(group, minlength=_NOISE_BINS), 1)
    brightness = np.bincount(group, level, _NOISE_BINS) / count
    variance = np.bincount(group, rest**2, _NOISE_BINS) / count
    typical = max(float(np.median(variance)), np.finfo(float).tiny)
    if np.ptp(brightness) <= 0:
        return np.full(len(fitted), typical)
    slope, constant = np.polyfit(brightness, variance, 1)
    return np.maximum(constant + slope * fitted, 0.2 * typical)
