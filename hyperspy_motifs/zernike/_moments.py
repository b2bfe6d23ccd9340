"""Moments of the discs around the atoms of an image."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from hyperspy_motifs.atoms import (
    Rounding,
    ScanLines,
    block_means,
    measure_rounding,
    measure_wander,
    nearest_neighbour_distance,
    undo_rounding,
)
from hyperspy_motifs.common import SMALL_SAMPLE
from hyperspy_motifs.patches import (
    LocalScale,
    check_positions,
    estimate_background,
    estimate_local_scale,
    iterate_patches,
    spline_coefficients,
)
from hyperspy_motifs.threads import one_blas_thread

from ._disc_basis import DiscBasis, rotate_moments
from ._disc_moments import (
    PartialDiscs,
    disc_coverage,
    disc_moments,
    pixels_inside,
    zernike_basis,
)
from ._modes_and_noise import NoiseModel, estimate_noise, noise_of_moments, with_spectrum

# Least part of the disc inside the image.
MIN_COVERAGE = 0.7
# The same for motifs: a little more than half, so that the atom itself lies inside. The missing part contributes to
# the uncertainty.
LEAST_COVERAGE = 0.55
# Standard deviations of the errors of scan lines by which moments are varied, in units of those measured: the smallest with
# which no more lattices are divided than without errors (benchmarks/bench_scan_errors.py).
_VARIED = 1.4


@dataclass(frozen=True)
class Moments:
    """Moments of the discs around n atoms, with their noise.

    Attributes
    ----------
    values : (n, K) float32 array
        Real moments, in units of the contrast of the patches. NaN if not `valid`.
    modes : (K, 2) int array
        (n, m) of each; m < 0 sine, m > 0 cosine.
    radius : float
        Radius of the disc in pixels.
    n_max : int
        Largest radial order.
    noise_std : (n, K) float32 array
        Standard deviation of each moment due to the noise of the image, after the same normalisation.
    coverage : (n,) float64 array
        Part of the disc inside the image, 0 to 1.
    valid : (n,) bool array
        Whether the coverage is 0.7 or more.
    offset, scale : (n,) float64 arrays
        Normalisation of each patch: (patch - offset) / scale.
    noise : NoiseModel
        Noise of the image.
    unit : (K,) float64 array or None
        Unit of each column; None if it is the contrast of the patches. Moments of several detectors are in units of the noise.
    scan_error : (n, K) float32 array or None
        A random realisation of what the errors of the scan lines do to the moments, independent for each atom; None without
        such errors. In the image atoms of one scan line share them, and would look like groups.
    """

    values: NDArray[np.float32]
    modes: NDArray[np.int64]
    radius: float
    n_max: int
    noise_std: NDArray[np.float32]
    coverage: NDArray[np.float64]
    valid: NDArray[np.bool_]
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]
    noise: NoiseModel
    unit: NDArray[np.float64] | None = None
    scan_error: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, atoms: slice | NDArray[np.int64] | NDArray[np.bool_]) -> "Moments":
        """Return the moments of some atoms (indices, mask or slice)."""
        fields = ("values", "noise_std", "coverage", "valid", "offset", "scale")
        error = None if self.scan_error is None else self.scan_error[atoms]
        return replace(self, scan_error=error, **{name: getattr(self, name)[atoms] for name in fields})

    @classmethod
    def joined(cls, parts: Sequence["Moments"]) -> "Moments":
        """Return the moments of the atoms of several images, with the same modes, one after another."""
        error = None
        if any(part.scan_error is not None for part in parts):
            error = np.concatenate(
                [np.zeros_like(p.values) if p.scan_error is None else p.scan_error for p in parts]
            )
        return replace(
            parts[0],
            values=np.concatenate([part.values for part in parts]),
            noise_std=np.concatenate([part.noise_std for part in parts]),
            coverage=np.concatenate([part.coverage for part in parts]),
            valid=np.concatenate([part.valid for part in parts]),
            offset=np.concatenate([part.offset for part in parts]),
            scale=np.concatenate([part.scale for part in parts]),
            scan_error=error,
        )

    def select(self, n: ArrayLike | None = None, m: ArrayLike | None = None) -> "Moments":
        """Return the moments of some modes only.

        Parameters
        ----------
        n, m : int or sequence of int, optional
            Radial orders and angular orders that are kept; the sign of m is ignored, so that cosine and sine stay
            together. None keeps all.

        Returns
        -------
        Moments
        """
        kept = np.ones(len(self.modes), dtype=bool)
        if n is not None:
            kept &= np.isin(self.modes[:, 0], np.atleast_1d(n))
        if m is not None:
            kept &= np.isin(np.abs(self.modes[:, 1]), np.abs(np.atleast_1d(m)))
        if not kept.any():
            raise ValueError(f"No mode has n in {n!r} and m in {m!r}.")
        return replace(
            self,
            values=self.values[:, kept],
            noise_std=self.noise_std[:, kept],
            modes=self.modes[kept],
            unit=None if self.unit is None else self.unit[kept],
            scan_error=None if self.scan_error is None else self.scan_error[:, kept],
            n_max=int(self.modes[kept, 0].max()),
        )

    def rotate(self, angle: ArrayLike) -> "Moments":
        """Return the moments after rotating each pattern by `angle` (radians, from x towards y)."""
        error = None if self.scan_error is None else rotate_moments(self.scan_error, self.modes, angle)
        return replace(self, values=rotate_moments(self.values, self.modes, angle), scan_error=error)


def get_moments(
    image: ArrayLike,
    positions: ArrayLike,
    basis: DiscBasis,
    *,
    normalise: bool = True,
    spacing: float | None = None,
    noise: NoiseModel | None = None,
    mask: ArrayLike | None = None,
    min_coverage: float = MIN_COVERAGE,
) -> Moments:
    """Return the moments of the discs around the atoms of an image, and their noise.

    The image is spline-filtered once; each window is sampled at its sub-pixel centre and immediately converted to
    moments, so that patches do not accumulate in memory. Truncated discs (by up to 30 % by default) have regularised
    least-squares moments from the part inside; others are not `valid`.

    Parameters
    ----------
    image : (rows, columns) array_like
        Real, finite image.
    positions : (n, 2) array_like
        x (column), y (row) in pixels.
    basis : DiscBasis
        For example `ZernikeBasis(n_max=12, radius=14)`.
    normalise : bool
        Whether to remove slow variations of background and contrast (`patches.estimate_background`,
        `patches.estimate_local_scale`). Otherwise the moments are in counts of the image.
    spacing : float, optional
        Neighbour distance in pixels; estimated from the positions by default.
    noise : NoiseModel, optional
        Noise of the image; estimated by default.
    mask : (rows, columns) bool array, optional
        Pixels without data: discs that reach into them are cut as those at the border are.
    min_coverage : float
        Least part of a disc inside the image. For small parts `noise_std` is large.

    Returns
    -------
    Moments

    Raises
    ------
    ValueError
        If positions lie outside the image, or the contrast cannot be estimated.

    Notes
    -----
    The moments are linear in the image, so their noise is known: a moment of weights w has the variance
    sum of w^2 (gain f + read_std^2) over the disc.
    """
    prepared = DiscImage(
        image,
        positions,
        normalise=normalise,
        spacing=spacing,
        noise=noise,
        mask=mask,
    )
    return prepared.moments(basis, min_coverage)


class DiscImage:
    """An image and its atoms, for moments of discs of any size: common computations are done once.

    Parameters
    ----------
    image : (rows, columns) array_like
        Real, finite image.
    positions : (n, 2) array_like
        x (column), y (row) in pixels.
    normalise, spacing, noise, mask
        See :func:`get_moments`. `noise` is that of block means where there is a `step`.
    step : int
        Work on means over blocks of so many pixels a side (see :func:`fine_step`). Positions and radii stay in pixels of the
        image.
    scan_lines : ScanLines, optional
        Errors of the scan lines of the image, in its pixels and counts, from which `Moments.scan_error` is drawn.
    frame : int
        Number of the image in a stack. Frames have random numbers of their own, detectors of one field the same.

    Attributes
    ----------
    noise : NoiseModel
    wander : float
        See :func:`hyperspy_motifs.atoms.measure_wander`, in squared pixels of the image per pixel; 0 without `scan_lines`.
    rounding : hyperspy_motifs.atoms.Rounding
        Displacements of columns on the pixels of a simulation, which are undone; none with a `step`, of which they are a small
        part.
    """

    def __init__(
        self,
        image: ArrayLike,
        positions: ArrayLike,
        *,
        normalise: bool = True,
        spacing: float | None = None,
        noise: NoiseModel | None = None,
        mask: ArrayLike | None = None,
        step: int = 1,
        scan_lines: ScanLines | None = None,
        frame: int = 0,
    ) -> None:
        self._scan_lines, self._frame = scan_lines, frame
        values = np.asarray(image)
        positions = check_positions(positions, values.shape)
        self.wander = 0.0
        if scan_lines is not None and len(positions) > 1:
            self.wander = measure_wander(positions, spacing or nearest_neighbour_distance(positions))
        self._mask = None if mask is None else np.asarray(mask, bool)
        self._step = step
        if step > 1:
            # Blocks that stick out at the right and at the bottom are continued.
            over = [(0, -n % step) for n in values.shape]
            if self._mask is not None:
                self._mask = block_means(np.pad(self._mask, over, mode="edge"), step) > 0
            values = block_means(np.pad(values, over, mode="edge"), step)
            positions = (positions - (step - 1) / 2) / step
            spacing = None if spacing is None else spacing / step
        # Equal atoms of a simulated image that are placed on whole pixels have different surroundings.
        self.rounding = (
            measure_rounding(positions) if normalise and step == 1 else Rounding(np.zeros_like(positions))
        )
        changed: NDArray[np.float64] | None = None
        if self.rounding.std:
            exact, moved = values, self.rounding.displacements
            values = undo_rounding(exact, positions, moved)
            # What is left of them divides no groups if displacements of the same size are drawn at random.
            rng = np.random.default_rng(zlib.crc32(np.ascontiguousarray(positions).tobytes(), frame))
            other = moved + moved.std(axis=0) * rng.standard_normal(moved.shape)
            changed = undo_rounding(exact, positions, other) - values
            positions = np.clip(positions - moved, 0, np.array(values.shape[::-1]) - 1)
        self._shape = values.shape
        self._distance: NDArray[np.float64] | None = None
        self._points = check_positions(positions, values.shape)
        self.noise = with_spectrum(estimate_noise(values), values, self._points) if noise is None else noise
        # What is smooth is no structure: it is taken off every pixel, not only in the middle of each disc.
        self._smooth = np.zeros(len(self._points))
        self._error: NDArray[np.float32] | None = None
        self._share = 0.0
        smooth = None
        if normalise:
            smooth, error = estimate_background(values, self._points, spacing=spacing, mask=self._mask)
            column, row = self._points.T
            self._smooth = ndimage.map_coordinates(smooth, [row, column], order=1, mode="nearest").astype(
                float
            )
            column, row = np.clip(np.rint(self._points).astype(int), 0, np.array(values.shape[::-1]) - 1).T
            self._share = float(np.mean(error[row, column] > 0)) if len(row) else 0.0
            if self._share:
                self._error = spline_coefficients(error)
            values = values - smooth
        self._coefficients = spline_coefficients(values)
        self._local = LocalScale(np.zeros(len(self._points)), np.ones(len(self._points)))
        if normalise:
            self._local = estimate_local_scale(
                values,
                self._points,
                spacing=spacing,
                gain=self.noise.gain,
                read_std=self.noise.read_std,
                pedestal=smooth,
                mask=self._mask,
            )
        # Subtraction of a level near the mean preserves single precision for images with a large offset.
        self._level = np.float32(np.median(self._local.offset)) if len(self._points) else np.float32(0)
        self._coefficients -= self._level
        self._changed = None if changed is None else spline_coefficients(changed)

    def noise_correlation(self) -> float:
        """Standard deviation of the noise over that which second differences show; 1 where it is not correlated."""
        if self.noise.spectrum is None or not len(self._points):
            return 1.0
        level = self._local.offset.mean() + self._smooth.mean()
        return float(np.sqrt(self.noise.spectrum.variance / max(float(self.noise.variance(level)), 1e-300)))

    def share_of_patches(self) -> float:
        """Part of the atoms that lie under soft patches, which were taken off."""
        return self._share

    def moments(self, basis: DiscBasis, min_coverage: float = MIN_COVERAGE) -> Moments:
        """Return the moments of the discs of a basis.

        Parameters
        ----------
        basis : DiscBasis
            For example `ZernikeBasis(n_max=12, radius=14)`.
        min_coverage : float
            Part of a disc that must lie inside the image.

        Returns
        -------
        Moments
        """
        radius = basis.radius
        if self._step > 1:
            basis = zernike_basis(basis.n_max, radius / self._step)
        coefficients, points, local, level = self._coefficients, self._points, self._local, self._level
        coverage = disc_coverage(points, self._shape, basis)
        if self._mask is not None:
            reaching = np.flatnonzero(self._near_mask(self._mask, basis.size / 2))
            seen = pixels_inside(points[reaching], self._mask, self._shape, basis)
            coverage[reaching] = seen @ basis.areas / basis.areas.sum()
        moments, mean = disc_moments(coefficients, points, basis)
        # From counts to the normalised patches (f - offset) / scale: moments are linear.
        offset, scale = (local.offset - level).astype(np.float32), local.scale.astype(np.float32)
        moments -= offset[:, None] * basis.weights.sum(axis=1).astype(np.float32)
        moments /= scale[:, None]

        whole = np.flatnonzero(coverage >= 1 - 1e-9)
        teachers = whole if len(whole) else np.arange(len(points))
        teachers = teachers[:: max(len(teachers) // SMALL_SAMPLE, 1)]
        known = _patches(coefficients, points[teachers], basis.size)
        smooth = self._smooth.astype(np.float32)
        # The noise is that of the image as it was taken, with what is smooth.
        typical = np.float32(level + self._smooth.mean()) if len(points) else level
        noise_std = noise_of_moments(
            basis, self.noise, mean + level + smooth, known.mean(axis=0) + typical, scale
        )
        if self._error is not None:
            doubt = disc_moments(self._error, points, basis)[0] / scale[:, None]
            noise_std = np.hypot(noise_std, doubt)
        valid = coverage >= min_coverage
        cut = np.flatnonzero(valid & (coverage < 1 - 1e-9))
        if len(cut):
            patches = _patches(coefficients, points[cut], basis.size)
            for group, atoms in ((known, teachers), (patches, cut)):
                group -= offset[atoms, None, None]
                group /= scale[atoms, None, None]
            inside = pixels_inside(points[cut], self._mask, self._shape, basis)
            # Many small systems: several threads would be slower and could change the last bits.
            with one_blas_thread():
                solver = PartialDiscs(basis, known)
                moments[cut], noise_std[cut] = solver.solve(patches, inside, noise_std[cut])
        moments[~valid] = np.nan
        error = self._scan_error(basis)
        if self._changed is not None:
            moved = disc_moments(self._changed, points, basis)[0]
            error = moved if error is None else error + moved
        return Moments(
            values=moments,
            modes=basis.modes,
            radius=radius,
            n_max=basis.n_max,
            noise_std=noise_std,
            coverage=coverage,
            valid=valid,
            offset=local.offset + self._smooth,
            scale=local.scale,
            noise=self.noise,
            scan_error=None if error is None else error / scale[:, None],
        )

    def _scan_error(self, basis: DiscBasis) -> NDArray[np.float32] | None:
        """Moments (n, K) of the patches of which every row was displaced and offset at random, less those of the patches."""
        lines = self._scan_lines
        if lines is None or not (lines.jitter or lines.offset_error or self.wander):
            return None
        size, step = basis.size, self._step
        # Rows are means of blocks of `step`, and displacements in pixels of that size.
        row = np.abs(np.arange(size) - (size - 1) / 2)
        same_side = np.equal.outer(*2 * [np.arange(size) > (size - 1) / 2])
        # A random walk from the row of the atom, to which its disc is centred, in both directions.
        walk = np.where(same_side, np.minimum.outer(row, row), 0.0) * self.wander / step
        moves = _drawn_from(walk + np.eye(size) * lines.jitter**2 / step**3)
        apart = np.abs(np.subtract.outer(*2 * [np.arange(size * step)]))
        covariance = np.where(
            apart < len(lines.error_covariance),
            lines.error_covariance[np.minimum(apart, len(lines.error_covariance) - 1)],
            0.0,
        )
        blocks = covariance.reshape(size, step, size, step).mean(axis=(1, 3))
        offset = _drawn_from(blocks)
        rng = np.random.default_rng(zlib.crc32(self._points.tobytes(), self._frame))
        out = np.empty((len(self._points), len(basis.modes)), np.float32)
        behind, ahead = (
            iterate_patches(self._coefficients, self._points + np.array([side, 0.0]), size)
            for side in (-0.5, 0.5)
        )
        with one_blas_thread():
            for (atoms, before), (_, after) in zip(behind, ahead, strict=True):
                moved, raised = rng.standard_normal((2, len(after), size), dtype=np.float32)
                rows = (moved @ moves)[..., None] * (after - before) + (raised @ offset)[..., None]
                out[atoms] = basis.transform(rows)
        return out

    def _near_mask(self, mask: NDArray[np.bool_], reach: float) -> NDArray[np.bool_]:
        """Atoms whose disc may reach pixels without data."""
        if self._distance is None:
            away = ndimage.distance_transform_edt(~mask)
            column, row = np.clip(np.rint(self._points).astype(int), 0, np.array(self._shape[::-1]) - 1).T
            self._distance = away[row, column]
        return self._distance < reach * np.sqrt(2) + 1


def _drawn_from(covariance: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the matrix that turns rows of normal numbers into errors of a covariance (s, s), enlarged as `_VARIED` says."""
    with one_blas_thread():
        variances, vectors = np.linalg.eigh(covariance)
    return np.asarray(_VARIED * vectors * np.sqrt(np.maximum(variances, 0)), dtype=np.float32).T


def _patches(
    coefficients: NDArray[np.float32], points: NDArray[np.float64], size: int
) -> NDArray[np.float32]:
    blocks = [patches.copy() for _, patches in iterate_patches(coefficients, points, size)]
    return np.concatenate(blocks) if blocks else np.zeros((1, size, size), np.float32)
