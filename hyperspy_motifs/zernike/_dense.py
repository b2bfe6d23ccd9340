"""Moments of existing patches, of several detectors together, and of the disc around every pixel; symmetry maps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from hyperspy_motifs.threads import one_blas_thread

from ._disc_basis import DiscBasis
from ._disc_moments import (
    PartialDiscs,
    pixels_within,
)
from ._features import get_symmetry, whiten
from ._modes_and_noise import NoiseModel, partner_columns
from ._moments import MIN_COVERAGE, Moments

# A level below this many standard deviations of the patches is part of the patterns.
_PEDESTAL = 10.0


def get_patch_moments(
    patches: ArrayLike,
    basis: DiscBasis,
    *,
    noise_std: ArrayLike = 1.0,
    limits: NDArray[np.int64] | None = None,
) -> Moments:
    """Return the moments of patches without sampling or normalisation.

    Parameters
    ----------
    patches : (n, size, size) array_like
        Windows of ``basis.size`` pixels with the atom at the centre.
    basis : DiscBasis
        For example `ZernikeBasis(n_max=8, radius=14)`.
    noise_std : float or (n,) array_like, optional
        Standard deviation of the noise of a pixel of the image, in the units of the patches.
    limits : (n, 4) int array, optional
        First and past-last row, first and past-last column of each window inside its image; all by default. Discs
        truncated by up to 30 % have moments from the part inside, as in `get_moments`; others are NaN and not
        `valid`.

    Returns
    -------
    Moments
    """
    windows = np.asarray(patches)
    # The last bits of matrix products depend on the number of BLAS threads.
    with one_blas_thread():
        moments = np.array(basis.transform(windows), dtype=np.float32)
    n = len(moments)
    pixel = np.broadcast_to(np.asarray(noise_std, dtype=np.float32), (n,))
    damped = np.sqrt((basis.weights**2).sum(axis=1) * basis.interpolated_noise)
    noise = pixel[:, None] * damped.astype(np.float32)
    coverage = (
        np.ones(n) if limits is None else pixels_within(limits, basis) @ basis.areas / basis.areas.sum()
    )
    whole = coverage >= 1 - 1e-9
    valid = coverage >= MIN_COVERAGE
    cut = np.flatnonzero(valid & ~whole)
    if len(cut) and limits is not None:
        # Many small systems: several threads would be slower and could change the last bits.
        with one_blas_thread():
            # A large offset would reduce the precision of the patterns in single precision. A level of the order of
            # the patterns is part of them and of the model of a patch.
            level = float(np.median(windows))
            if abs(level) < _PEDESTAL * float(np.std(windows)):
                level = 0.0
            lifted = (windows - level).astype(np.float32)
            solver = PartialDiscs(basis, lifted[whole] if whole.any() else lifted)
            moments[cut], noise[cut] = solver.solve(
                lifted[cut], pixels_within(limits[cut], basis), noise[cut]
            )
            moments[cut] += (level * basis.weights.sum(axis=1)).astype(np.float32)
    moments[~valid] = np.nan
    return Moments(
        values=moments,
        modes=basis.modes,
        radius=basis.radius,
        n_max=basis.n_max,
        noise_std=noise,
        coverage=coverage,
        valid=valid,
        offset=np.zeros(n),
        scale=np.ones(n),
        noise=NoiseModel(0.0, 0.0),
    )


def stack_moments(detectors: Sequence[Moments]) -> Moments:
    """Combine the moments of several detectors of the same atoms, each in units of its own noise.

    Parameters
    ----------
    detectors : sequence of Moments
        One for each detector: the same atoms in the same order.

    Returns
    -------
    Moments
        Values (n, K1 + K2 + ...), whitened; `modes` holds the (n, m) of each detector one after another.
        Alignment, rotation, invariants and symmetry use all detectors together. `valid` where all are.
        `offset`, `scale` and `noise` are those of the first detector, `unit` is the noise of each column.

    Raises
    ------
    ValueError
        If there is no detector, or the numbers of atoms or the radii differ.
    """
    if not detectors:
        raise ValueError("No moments were given to stack.")
    first = detectors[0]
    if any(len(other) != len(first) for other in detectors):
        raise ValueError(
            f"The detectors have {[len(other) for other in detectors]} atoms: compute all moments at "
            "the same positions."
        )
    if any(not np.isclose(other.radius, first.radius) for other in detectors):
        raise ValueError(
            f"The discs have radii of {[other.radius for other in detectors]} px: use one basis for all of "
            "the detectors."
        )
    values, noise, units, errors = [], [], [], []
    for moments in detectors:
        scale = _common_noise(moments)
        values.append(whiten(moments.values, scale))
        error = np.zeros_like(moments.values) if moments.scan_error is None else moments.scan_error
        errors.append(error / scale.astype(np.float32))
        noise.append(moments.noise_std / scale.astype(np.float32))
        units.append(scale)
    return replace(
        first,
        values=np.concatenate(values, axis=1),
        noise_std=np.concatenate(noise, axis=1),
        modes=np.concatenate([moments.modes for moments in detectors]),
        unit=np.concatenate(units),
        n_max=max(moments.n_max for moments in detectors),
        coverage=np.min([moments.coverage for moments in detectors], axis=0),
        valid=np.all([moments.valid for moments in detectors], axis=0),
        scan_error=np.concatenate(errors, axis=1)
        if any(moments.scan_error is not None for moments in detectors)
        else None,
    )


def _common_noise(moments: Moments) -> NDArray[np.float64]:
    """One noise value per mode, equal for sine and cosine, so that whitened moments can be rotated."""
    variance = np.nanmean(np.asarray(moments.noise_std, np.float64)[moments.valid] ** 2, axis=0)
    return np.sqrt((variance + variance[partner_columns(moments.modes)]) / 2)


# Side of the tiles of a transform; with its margin it should be a fast FFT length.
_TILE = 512
# Pixels whose symmetry is computed together, so that intermediate arrays stay small.
_BLOCK = 1 << 14


@dataclass(frozen=True)
class SymmetryMaps:
    """Symmetry of the disc around every pixel of an image; NaN if the disc leaves the image.

    Attributes
    ----------
    folds : tuple of int
        Orders of rotation.
    scores : (F, rows, columns) float32 array
        S_n of each (see `get_symmetry`).
    mirror : (rows, columns) float32 array
        Strength of the best mirror axis.
    axis : (rows, columns) float32 array
        Angle of that axis in radians, 0 to pi, from x towards y.
    """

    folds: tuple[int, ...]
    scores: NDArray[np.float32]
    mirror: NDArray[np.float32]
    axis: NDArray[np.float32]


class _PixelMoments(NamedTuple):
    """Moments of pixels, with the noise that all have."""

    values: NDArray[np.float32]
    modes: NDArray[np.int64]
    noise_std: NDArray[np.float64]


def _tile_moments(
    tile: NDArray[np.float32], functions: NDArray[np.float32], scale: np.float32
) -> NDArray[np.float32]:
    """Moments (K, r, c) of the discs completely inside a tile (r + size - 1, c + size - 1)."""
    size = functions.shape[-1]
    shape = [fft.next_fast_len(length, real=True) for length in tile.shape]
    # Subtraction of the level preserves the precision in single precision.
    level = tile.mean(dtype=np.float64)
    spectrum = fft.rfft2(tile - np.float32(level), shape)
    rows, columns = (length - size + 1 for length in tile.shape)
    out = np.empty((len(functions), rows, columns), np.float32)
    for k, function in enumerate(functions):
        # Correlation is convolution with the conjugate spectrum.
        kernel = fft.rfft2(function, shape)
        np.conjugate(kernel, out=kernel)
        kernel *= spectrum
        out[k] = fft.irfft2(kernel, shape)[:rows, :columns]
        out[k] += np.float32(level * function.sum(dtype=np.float64))
    out *= scale
    return out


def _maps(
    image: ArrayLike,
    basis: DiscBasis,
    function: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    n_maps: int,
) -> NDArray[np.float32]:
    """Return maps (n_maps, rows, columns) of a function of tiles with margins; outside the image is its mirror image."""
    values = np.asarray(image, dtype=np.float32)
    if values.ndim != 2 or min(values.shape) < basis.size:
        raise ValueError(
            f"A two-dimensional image of at least {basis.size} x {basis.size} pixels is needed for discs of "
            f"{basis.radius:g} px, not one of shape {values.shape}."
        )
    margin = basis.size // 2
    padded = np.pad(values, margin, mode="symmetric")
    rows, columns = values.shape
    out = np.empty((n_maps, rows, columns), np.float32)
    for top in range(0, rows, _TILE):
        for left in range(0, columns, _TILE):
            bottom, right = min(top + _TILE, rows), min(left + _TILE, columns)
            tile = padded[top : bottom + 2 * margin, left : right + 2 * margin]
            out[:, top:bottom, left:right] = function(tile)
    return out


def dense_moments(image: ArrayLike, basis: DiscBasis) -> NDArray[np.float32]:
    """Return the moments of the disc around every pixel, by FFT.

    Parameters
    ----------
    image : (rows, columns) array_like
        Real, finite image; outside, its mirror image is taken (edge pixels repeated).
    basis : DiscBasis
        Basis with K modes.

    Returns
    -------
    (K, rows, columns) float32 array
        Moments in counts of the image; 4 K bytes per pixel. At whole pixels they are equal to those of `get_moments`
        without normalisation.

    Raises
    ------
    ValueError
        If the image is not two-dimensional or smaller than a disc.
    """
    function = partial(
        _tile_moments,
        functions=basis.functions.astype(np.float32),
        scale=np.float32(1 / (np.pi * basis.radius**2)),
    )
    return _maps(image, basis, function, len(basis.modes))


def _tile_symmetry(
    tile: NDArray[np.float32],
    functions: NDArray[np.float32],
    scale: np.float32,
    modes: NDArray[np.int64],
    folds: tuple[int, ...],
    noise: NoiseModel | None,
) -> NDArray[np.float32]:
    """Scores of each fold, mirror strength and axis (F + 2, r, c) of a tile with margin."""
    moments = _tile_moments(tile, functions, scale)
    rows, columns = moments.shape[1:]
    noise_std = np.zeros(len(modes))
    if noise is not None:
        half = functions.shape[-1] // 2
        level = tile[half : half + rows, half : half + columns].mean()
        noise_std[:] = np.sqrt(float(noise.variance(level)) * float(scale))
    out = np.empty((len(folds) + 2, rows * columns), np.float32)
    values = moments.reshape(len(modes), -1).T
    for first in range(0, len(values), _BLOCK):
        block = slice(first, first + _BLOCK)
        found = get_symmetry(_PixelMoments(values[block], modes, noise_std), folds)
        out[:-2, block], out[-2, block], out[-1, block] = found.scores.T, found.mirror, found.axis
    return out.reshape(-1, rows, columns)


def get_symmetry_maps(
    image: ArrayLike,
    basis: DiscBasis,
    folds: Sequence[int] = (2, 3, 4, 6),
    *,
    noise: NoiseModel | None = None,
) -> SymmetryMaps:
    """Return maps of rotational and mirror symmetry of the disc around every pixel.

    Moments are computed and used tile by tile: only the maps and the moments of one tile are in memory.

    Parameters
    ----------
    image : (rows, columns) array_like
        Real, finite image.
    basis : DiscBasis
        Basis of the discs, to n_max 2 at least.
    folds : sequence of int
        Orders of rotation.
    noise : NoiseModel, optional
        Noise of the image, whose bias is removed (see `get_symmetry`); none by default.

    Returns
    -------
    SymmetryMaps

    Raises
    ------
    ValueError
        If the image is not two-dimensional or smaller than a disc, n_max is below 2 or a fold below 2.
    """
    folds = tuple(int(fold) for fold in folds)
    function = partial(
        _tile_symmetry,
        functions=basis.functions.astype(np.float32),
        scale=np.float32(1 / (np.pi * basis.radius**2)),
        modes=basis.modes,
        folds=folds,
        noise=noise,
    )
    maps = _maps(image, basis, function, len(folds) + 2)
    margin = basis.size // 2
    leaves = np.pad(np.zeros(np.array(maps.shape[1:]) - 2 * margin, bool), margin, constant_values=True)
    maps[:, leaves] = np.nan
    return SymmetryMaps(folds, maps[: len(folds)], maps[-2], maps[-1])
