"""Moments of the disc around every pixel, and symmetry maps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from ._disc_basis import DiscBasis
from ._features import get_symmetry
from ._modes_and_noise import NoiseModel

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
