"""Reconstruction of an image from patches."""

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperspy_motifs.compilation import INNER, OUTER

# Number of widths of the weight beyond which a patch is ignored.
_REACH = 3.0


@nb.njit(cache=True, **INNER)
def _cubic(t):
    """Catmull-Rom weights (Keys 1981, a = -1/2) of the samples at -1, 0, 1, 2 for a point at 0 <= t < 1."""
    return (
        t * (-0.5 + t * (1.0 - 0.5 * t)),
        1.0 + t * t * (-2.5 + 1.5 * t),
        t * (0.5 + t * (2.0 - 1.5 * t)),
        t * t * (-0.5 + 0.5 * t),
    )


@nb.njit(cache=True, **INNER)
def _value(patch, row, column):
    """Patch at a fractional position; NaN outside."""
    size = patch.shape[0]
    r, c = int(np.floor(row)), int(np.floor(column))
    if r < 0 or c < 0 or r > size - 1 or c > size - 1:
        return np.nan
    u = _cubic(row - r)
    v = _cubic(column - c)
    total = 0.0
    for i in range(4):
        y = min(max(r + i - 1, 0), size - 1)
        for j in range(4):
            x = min(max(c + j - 1, 0), size - 1)
            total += u[i] * v[j] * patch[y, x]
    return total


@nb.njit(cache=True, **OUTER)
def _paint(positions, kinds, patches, angles, mirrored, offset, scale, width, reach, image, weight):
    size = patches.shape[1]
    half = size // 2
    rows, columns = image.shape
    for i in range(len(positions)):
        x0, y0 = positions[i]
        cosine, sine = np.cos(angles[i]), np.sin(angles[i])
        for y in range(max(int(np.ceil(y0 - reach)), 0), min(int(np.floor(y0 + reach)), rows - 1) + 1):
            for x in range(max(int(np.ceil(x0 - reach)), 0), min(int(np.floor(x0 + reach)), columns - 1) + 1):
                dx, dy = x - x0, y - y0
                distance = dx * dx + dy * dy
                if distance > reach * reach:
                    continue
                u = cosine * dx + sine * dy
                v = -sine * dx + cosine * dy
                if mirrored[i]:
                    v = -v
                value = _value(patches[kinds[i]], v + half, u + half)
                if np.isnan(value):
                    continue
                w = np.exp(-0.5 * distance / (width * width))
                image[y, x] += w * (offset[i] + scale[i] * value)
                weight[y, x] += w


def paint_patches(
    shape: tuple[int, int],
    positions: ArrayLike,
    kinds: ArrayLike,
    patches: ArrayLike,
    width: float,
    *,
    angles: ArrayLike | None = None,
    mirrored: ArrayLike | None = None,
    offset: ArrayLike | float = 0.0,
    scale: ArrayLike | float = 1.0,
) -> NDArray[np.float64]:
    """Reconstruct an image from a patch at every position, averaged where patches overlap.

    The value of a pixel is the mean of the patches around it, weighted by a Gaussian of the distance from their
    centres: near an atom its own patch dominates.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    positions : (n, 2) array_like
        x (column), y (row) of the atoms in pixels.
    kinds : (n,) array_like of int
        Index of the patch of each atom.
    patches : (k, size, size) array_like
        Patches, `size` odd, with the central pixel at the position.
    width : float
        Standard deviation of the weight in pixels; about 0.3 nearest-neighbour distances.
    angles : (n,) array_like, optional
        Rotation of each patch in radians, from x towards y.
    mirrored : (n,) array_like of bool, optional
        Patches that are mirrored (y to -y) before the rotation.
    offset, scale : (n,) array_like or float, optional
        The patch is used as offset + scale x patch.

    Returns
    -------
    (rows, columns) array
        NaN outside all patches.

    Raises
    ------
    ValueError
        If the shapes do not match.
    """
    points = np.ascontiguousarray(positions, dtype=np.float64)
    stack = np.ascontiguousarray(patches, dtype=np.float64)
    which = np.ascontiguousarray(kinds, dtype=np.int64)
    n = len(points)
    if points.shape != (n, 2) or which.shape != (n,):
        raise ValueError(
            f"Positions (n, 2) and one kind each are expected, not {points.shape} and {which.shape}."
        )
    if stack.ndim != 3 or stack.shape[1] != stack.shape[2] or stack.shape[1] % 2 == 0:
        raise ValueError(f"Patches must be square with an odd side, not of shape {stack.shape}.")
    if n and not 0 <= which.min() <= which.max() < len(stack):
        raise ValueError(
            f"Kinds run from {which.min()} to {which.max()}, but there are {len(stack)} patches."
        )
    if not width > 0:
        raise ValueError(f"The width of the weight must be positive, not {width}.")
    image, weight = np.zeros(shape), np.zeros(shape)
    reach = min(_REACH * width, stack.shape[1] / 2)
    _paint(
        points,
        which,
        stack,
        np.ascontiguousarray(np.zeros(n) if angles is None else angles, dtype=np.float64),
        np.ascontiguousarray(np.zeros(n, bool) if mirrored is None else mirrored, dtype=np.bool_),
        np.ascontiguousarray(np.broadcast_to(offset, n), dtype=np.float64),
        np.ascontiguousarray(np.broadcast_to(scale, n), dtype=np.float64),
        float(width),
        reach,
        image,
        weight,
    )
    return np.divide(image, weight, out=np.full(shape, np.nan), where=weight > 0)
