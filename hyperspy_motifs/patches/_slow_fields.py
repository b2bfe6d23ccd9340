"""Slow variations of an image around its atoms: the level on which the columns stand, and the local contrast."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.interpolate import make_interp_spline
from scipy.sparse import csr_array

from hyperspy_motifs.atoms import nearest_neighbour_distance
from hyperspy_motifs.common import BAND, BLOCK, SAMPLE, robust_spread
from hyperspy_motifs.threads import over_rows

#: Standard deviation, in neighbour distances, of the Gaussian for the slow background.
REACH = 4.0
# Blocks per spacing of the grid on which the image is first averaged: finer than its lattice.
_BLOCKS = 2
# Lines of a sum from which on NumPy adds them in pairs.
_FEW_LINES = 8
# Blocks per spacing on which discs around atoms are seen, their radius in spacings, and the rings of the profile of a column.
# What is left of patches is the same to a tenth for radii of 0.5 to 0.7 and for 4 to 10 rings.
_FINE_BLOCKS, _DISC, _RINGS = 10, 0.6, 6
# Relative to the contrast: differences between cells that have full weight, and where the flanks of patches are followed.
_SAME, _STANDS_OUT = 0.02, 0.25
# Tukey's constant: cells beyond this many standard deviations have no weight in the slow fields.
_TUKEY = 4.685
# Largest fraction of the variance that is attributed to noise.
_MOST_NOISE = 0.95
# Ridge of the local planes, in squares of the reach: limits slopes where atoms lie along a line.
_RIDGE = 0.02


def _block_means(
    image: NDArray[np.floating], level: float, block: int, shape: tuple[int, int], powers: int = 2
) -> NDArray[np.float64]:
    """Return means of the first `powers` powers, up to the square, of (image - level) over `shape` blocks.

    The last blocks include the remainder.
    """
    rows, columns = (np.arange(n) * block for n in shape)
    heights, widths = (np.diff(s, append=n) for s, n in zip((rows, columns), image.shape, strict=True))
    out = np.empty((powers, *shape))

    def fill(first: int, last: int) -> None:
        for start in range(first, last, BAND):
            band = slice(start, min(start + BAND, last))
            values = image[rows[start] : rows[band][-1] + heights[band][-1]] - np.float64(level)
            for k in range(powers):
                lines = _sums_of_lines(values, rows[band] - rows[start], block)
                out[k, band] = _sums_of_lines(lines.T, columns, block).T
                if k + 1 < powers:
                    values *= values

    over_rows(fill, len(rows))
    return out / (heights[:, None] * widths)


def _sums_of_lines(values: NDArray[np.float64], starts: NDArray[np.int64], block: int) -> NDArray[np.float64]:
    """Return the sums of the lines (n, m) between `starts`, which are `block` lines apart; the last has the rest as well.

    Of a few lines ``numpy.add.reduceat`` adds all but the first one after the other, then these to the first. In this order
    all blocks are added at once, which takes a fifth of the time.
    """
    if block == 1:
        return values
    if block >= _FEW_LINES:
        return np.asarray(np.add.reduceat(values, starts, axis=0))
    whole = len(starts) - 1
    out = np.empty((whole + 1, values.shape[1]))
    later = values[1 : whole * block : block]
    for k in range(2, block):
        later = later + values[k : whole * block : block]
    np.add(values[: whole * block : block], later, out=out[:whole])
    out[whole] = np.add.reduceat(values[whole * block :], [0], axis=0)[0]
    return out


def _any_in_blocks(mask: NDArray[np.bool_], block: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    return _block_means(mask.astype(np.float32), 0.0, block, shape, 1)[0] > 0


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
        spread = max(float(robust_spread(residual[weight > 0])), tolerance)
        if spread == 0:
            break  # every value lies on the planes: there are no outliers
        share = np.clip(1 - (residual / (_TUKEY * spread)) ** 2, 0, 1) ** 2
        # If every value is an outlier, none is.
        field = _local_plane(values, weight * np.maximum(share, 1e-3), sigma)
    return field


def _column_levels(
    image: NDArray[np.floating],
    level: float,
    points: NDArray[np.float64],
    spacing: float,
    mask: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return the level (n,) of the image around each atom, less `level`, on which its column stands, and its weight (n,).

    .. math:: I(r) = b_i + a_i\, p(r)

    is fitted to the disc of each atom, with the mean profile p of all columns, which is 0 at the rim of the disc. A heavier or
    a missing atom changes the height a, and layers of heavier atoms change all heights in them. Contamination changes b.
    Pixels of `mask` are unknown. The weight is the inverse of the variance of b, relative to that of a whole disc.
    """
    block = max(round(spacing / _FINE_BLOCKS), 1)
    shape = tuple(max(length // block, 1) for length in image.shape)
    mean = _block_means(image, level, block, shape, 1)[0]
    seen = np.ones(shape, dtype=bool) if mask is None else ~_any_in_blocks(mask, block, shape)
    reach = max(_DISC * spacing / block, 1.5)
    most = int(np.ceil(reach))
    offsets = np.arange(-most, most + 1)
    place = (points[:, ::-1] + 0.5) / block - 0.5
    # Around the image nothing is seen, so that every disc lies in it.
    margin = 2 * most + 1
    mean, seen = np.pad(mean, margin), np.pad(seen, margin)
    centre = np.clip(np.rint(place), -most - 1, np.array(shape) + most).astype(int)
    corner = np.ravel_multi_index(tuple((centre + margin - most).T), seen.shape)
    cells = (offsets[:, None] + most) * seen.shape[1] + offsets + most
    rings = np.linspace(0, reach, _RINGS + 1)

    def discs(atoms: slice) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        away = centre[atoms, :, None] + offsets - place[atoms, :, None]
        distance = np.hypot(away[:, 0, :, None], away[:, 1, None, :]).reshape(-1, cells.size)
        index = corner[atoms, None] + cells.ravel()
        return mean.take(index), distance, seen.take(index) & (distance < reach)

    values, distance, known = discs(slice(None, None, -(-len(points) // SAMPLE)))
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    away = values - np.sum(values * known, axis=1, keepdims=True) / count
    ring = np.digitize(distance, rings) - 1
    profile = np.array(
        [np.median(away[known & (ring == k)]) if (known & (ring == k)).any() else 0.0 for k in range(_RINGS)]
    )
    profile -= profile[-1]
    out, weight = np.empty((2, len(points)))

    def fill(first: int, last: int) -> None:
        for start in range(first, last, BLOCK):
            atoms = slice(start, min(start + BLOCK, last))
            values, distance, known = discs(atoms)
            count = np.maximum(known.sum(axis=1), 1)
            usual_shape = np.interp(distance, (rings[1:] + rings[:-1]) / 2, profile)
            middle, usual = (np.sum(q * known, axis=1) / count for q in (values, usual_shape))
            deviation = (usual_shape - usual[:, None]) * known
            square = np.maximum(np.sum(deviation**2, axis=1), 1e-300)
            out[atoms] = middle - np.sum(values * deviation, axis=1) / square * usual
            weight[atoms] = known.any(axis=1) / (1 / count + usual**2 / square)

    over_rows(fill, len(points))
    return out, weight / max(float(weight.max()), 1e-300)


class SlowFields:
    """Cell averages of an image, on a grid of one point per spacing, and the slow fields through them."""

    def __init__(
        self,
        image: NDArray[np.floating],
        points: NDArray[np.float64],
        spacing: float,
        mask: NDArray[np.bool_] | None = None,
    ) -> None:
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
        if mask is not None:
            weight *= ~_any_in_blocks(mask, block, shape)
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
        self._columns = image, points, spacing, mask

    @cached_property
    def _levels(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weighted number of atoms in each cell, and the mean of the levels on which their columns stand."""
        image, points, spacing, mask = self._columns
        at = np.ravel_multi_index(tuple(np.rint(self.coordinates).astype(int)), self.mean.shape)
        level, weight = _column_levels(image, self.level, points, spacing, mask)
        number, total = np.zeros((2, self.mean.size))
        np.add.at(number, at, weight)
        np.add.at(total, at, weight * level)
        return number.reshape(self.mean.shape), (total / np.maximum(number, 1e-12)).reshape(self.mean.shape)

    def covered(self, reach: float) -> NDArray[np.float64]:
        """Return the density of atoms around each cell over that at a straight edge of the specimen, at most 1."""
        number = self._levels[0]
        density = _gaussian(number, reach * self.spacing)
        density /= _gaussian(np.ones_like(density), reach * self.spacing)
        return np.minimum(2 * density / np.average(density, weights=number), 1.0)

    def _typical(self, values: NDArray[np.float64]) -> float:
        return float(np.average(values, weights=self.weight))

    def _contrast(self) -> float:
        return float(np.sqrt(self._typical(np.maximum(self.square - self.mean**2, 0))))

    def local_mean(self, reach: float) -> NDArray[np.float64]:
        """Return the slow field through the mean of the image."""
        return _slow_field(self.mean, self.weight, reach * self.spacing, _SAME * self._contrast())

    def slow_level(self, reach: float, outside: NDArray[np.float64] | float = 1.0) -> NDArray[np.float64]:
        """Return the slow field through the levels on which the columns stand, with weights `outside` of the cells."""
        number, level = self._levels
        return _slow_field(level, number * outside, reach * self.spacing, _SAME * self._contrast())

    def patchy_level(self, reach: float) -> NDArray[np.float64]:
        """Return the field through these levels that follows the flanks of patches."""
        number, level = self._levels
        return _slow_field(level, number, reach * self.spacing, _STANDS_OUT * self._contrast())

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

    def at_pixels(
        self, field: NDArray[np.float64], shape: tuple[int, ...], level: float | None = None
    ) -> NDArray[np.float32]:
        """Interpolate a field at the pixels, with cubic splines along rows and columns, and add that level, or the image's."""
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
        columns = np.ascontiguousarray((basis[1] @ coefficients.T).T)
        out = np.empty(shape, dtype=np.float32)
        added = self.level if level is None else level

        def fill(first: int, last: int) -> None:
            for start in range(first, last, BAND):
                rows = slice(start, min(start + BAND, last))
                np.add(basis[0][rows] @ columns, added, out=out[rows], casting="same_kind")

        over_rows(fill, len(out))
        return out

    def at_atoms(self, field: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(ndimage.map_coordinates(field, self.coordinates, order=1, mode="nearest"))


def known_spacing(points: NDArray[np.float64], spacing: float | None, shape: tuple[int, ...]) -> float:
    if spacing is not None:
        if not spacing > 0:
            raise ValueError(f"The spacing must be a positive number of pixels, not {spacing!r}.")
        return float(spacing)
    return nearest_neighbour_distance(points) if len(points) > 1 else min(shape) / 8
