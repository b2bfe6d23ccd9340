"""Square windows sampled from one spline-prefiltered image at sub-pixel places, and an image reconstructed from patches."""

from __future__ import annotations

from collections.abc import Iterator

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import spline_filter

from hyperspy_motifs.threads import INNER, OUTER, over_rows


def patch_size(radius: float) -> int:
    """Return the odd side in pixels of the window of a disc of `radius` pixels.

    Examples
    --------
    >>> patch_size(14.0), patch_size(14.2)
    (29, 31)
    """
    if not np.isfinite(radius) or radius <= 0:
        raise ValueError(f"The radius must be a positive number of pixels, not {radius!r}.")
    return 2 * int(np.ceil(radius)) + 1


def spline_coefficients(image: ArrayLike) -> NDArray[np.float32]:
    """Return the cubic B-spline coefficients of an image, mirrored about its edge pixels.

    Parameters
    ----------
    image : (rows, columns) array_like
        Real, finite image.

    Returns
    -------
    (rows, columns) float32 array
        Coefficients c with image[i, j] = sum over k, l of c[k, l] b(i - k) b(j - l), b the cubic B-spline.

    Raises
    ------
    ValueError
        If the image is not two-dimensional, a side is shorter than 2 pixels, or pixels are complex, NaN or
        infinite.

    Notes
    -----
    `scipy.ndimage.spline_filter`, after Unser, "Splines: a perfect fit for signal and image processing", IEEE Signal
    Processing Magazine 16 (1999) 22. The image is filtered once for any number of patches.
    """
    values = np.asarray(image)
    if values.ndim != 2 or min(values.shape) < 2:
        raise ValueError(
            f"The image must be two-dimensional with sides of 2 pixels at least, not of shape {values.shape}."
        )
    if values.dtype.kind not in "fiub":
        raise ValueError(f"The image must be real, not of type {values.dtype}.")
    values = np.ascontiguousarray(values, dtype=np.float32)
    if not np.isfinite(values.sum(dtype=np.float64)):
        raise ValueError(
            "The image contains NaN or infinite pixels, which would spread over the whole field: fill them first."
        )
    return np.asarray(spline_filter(values, order=3, output=np.float32, mode="mirror"))


def _cubic_weights(t: NDArray[np.floating]) -> NDArray[np.float32]:
    """Weights (n, 4) of the coefficients at -1, 0, 1, 2 for points at 0 <= t < 1."""
    t = t.astype(np.float32)
    s = np.float32(1.0) - t
    sixth, two_thirds, half = np.float32(1.0 / 6.0), np.float32(2.0 / 3.0), np.float32(0.5)
    near = (
        two_thirds - half * t * t * (np.float32(2.0) - t),
        two_thirds - half * s * s * (np.float32(2.0) - s),
    )
    return np.column_stack([s * s * s * sixth, *near, t * t * t * sixth])


@nb.njit(cache=True, **OUTER)
def _evaluate(
    coefficients: NDArray[np.float32],
    corners: NDArray[np.int64],
    u: NDArray[np.float32],
    v: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Evaluate the spline on unit grids, into `out` (n, size, size)."""
    size = out.shape[1]
    lines = np.empty((size + 3, size), np.float32)
    for i in range(len(out)):
        left, top = corners[i, 0], corners[i, 1]
        # The offset is the same for the whole window, so rows and columns separate.
        u0, u1, u2, u3 = u[i, 0], u[i, 1], u[i, 2], u[i, 3]
        for r in range(size + 3):
            source, line = coefficients[top + r, left : left + size + 3], lines[r]
            for c in range(size):
                line[c] = u0 * source[c] + u1 * source[c + 1] + u2 * source[c + 2] + u3 * source[c + 3]
        u0, u1, u2, u3 = v[i, 0], v[i, 1], v[i, 2], v[i, 3]
        for r in range(size):
            target = out[i, r]
            l0, l1, l2, l3 = lines[r], lines[r + 1], lines[r + 2], lines[r + 3]
            for c in range(size):
                target[c] = u0 * l0[c] + u1 * l1[c] + u2 * l2[c] + u3 * l3[c]


def with_margin(coefficients: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return the coefficients with the margin that windows need: the mirror image beyond the border.

    Parameters
    ----------
    coefficients : (rows, columns) float32 array
        Of the cubic spline.
    size : int
        Side of the windows in pixels, odd.

    Returns
    -------
    (rows + 2 m, columns + 2 m) float32 array
        With the margin m of half a window and two pixels.
    """
    return np.pad(coefficients, size // 2 + 2, mode="reflect")


def sample_windows(
    coefficients: NDArray[np.float32], positions: NDArray[np.float64], size: int
) -> NDArray[np.float32]:
    """Evaluate the spline on unit grids around positions, on one thread.

    Parameters
    ----------
    coefficients : (rows, columns) float32 array
        Of the cubic spline, :func:`with_margin` for this size.
    positions : (n, 2) array
        x, y of the centres in pixels.
    size : int
        Side of the windows in pixels, odd.

    Returns
    -------
    (n, size, size) float32 array
    """
    whole = np.floor(positions).astype(np.int64)
    u, v = (_cubic_weights(t) for t in (positions - whole).T)
    furthest = np.array(coefficients.shape)[::-1] - (size + 3)
    out = np.empty((len(positions), size, size), np.float32)
    _evaluate(coefficients, np.clip(whole + 1, 0, furthest), u, v, out)
    return out


def check_positions(positions: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return positions as an (n, 2) float64 array of x, y in pixels, all of them inside the image.

    Parameters
    ----------
    positions : (n, 2) array_like
        x, y in pixels.
    shape : (int, int)
        Rows and columns of the image.

    Returns
    -------
    (n, 2) float64 array

    Raises
    ------
    ValueError
        If the shape is not (n, 2), or a position is not finite or lies outside the image.
    """
    points = np.asarray(positions, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"Positions must have shape (n, 2), x and y in pixels, not {points.shape}.")
    limits = np.array([shape[1], shape[0]]) - 0.5
    outside = ~np.all(np.isfinite(points) & (points >= -0.5) & (points <= limits), axis=1)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        raise ValueError(
            f"{outside.sum()} of {len(points)} positions are not finite or lie outside the image of "
            f"{shape[1]} x {shape[0]} pixels (the first is number {first}: {points[first]}). "
            "Give x (column) and y (row) in pixels, and remove those positions."
        )
    return points


def iterate_patches(
    coefficients: NDArray[np.float32], positions: NDArray[np.float64], size: int, block: int = 1024
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield patches in blocks to limit memory.

    Parameters
    ----------
    coefficients : (rows, columns) float32 array
        From `spline_coefficients`.
    positions : (n, 2) array
        x, y of the centres in pixels.
    size : int
        Side of the windows in pixels, odd.
    block : int
        Patches per block.

    Yields
    ------
    slice
        Indices of the positions.
    (b, size, size) float32 array
        Their patches.
    """
    padded = with_margin(coefficients, size)
    for start in range(0, len(positions), block):
        chosen = slice(start, min(start + block, len(positions)))
        yield chosen, _sampled(padded, positions[chosen], size)


def _sampled(padded: NDArray[np.float32], positions: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    """Sample windows on several threads."""
    out = np.empty((len(positions), size, size), np.float32)

    def fill(first: int, last: int) -> None:
        out[first:last] = sample_windows(padded, positions[first:last], size)

    over_rows(fill, len(positions))
    return out


def sample_patches(image: ArrayLike, positions: ArrayLike, radius: float) -> NDArray[np.float32]:
    """Sample square windows around sub-pixel centres by cubic-spline interpolation.

    Rounding centres to whole pixels changes the features of a patch as much as a missing atom does; here
    the pixel (size // 2, size // 2) of each patch lies exactly on its position.

    Parameters
    ----------
    image : (rows, columns) array_like
        Real, finite image, mirrored about its edge.
    positions : (n, 2) array_like
        x (column), y (row) of the centres in pixels, pixel centres at whole numbers.
    radius : float
        Radius of the disc in pixels; the side is 2 ceil(radius) + 1.

    Returns
    -------
    (n, size, size) float32 array
        Patches, rows and columns as in the image.

    Raises
    ------
    ValueError
        If the image is not two-dimensional, the radius not positive or a position outside the image.

    Examples
    --------
    >>> ramp = np.add.outer(np.arange(30.0), 10 * np.arange(40.0))
    >>> patch = sample_patches(ramp, [[20.25, 15.5]], radius=2)[0]
    >>> patch.shape, round(float(patch[2, 2]), 3)
    ((5, 5), 218.0)
    """
    values = np.asarray(image)
    coefficients = spline_coefficients(values)
    points = check_positions(positions, values.shape)
    size = patch_size(radius)
    return _sampled(with_margin(coefficients, size), points, size)


# Number of widths of the weight beyond which a patch is ignored.
_REACH = 3.0


@nb.njit(cache=True, **INNER)
def _cubic(t: float) -> tuple[float, float, float, float]:
    """Catmull-Rom weights (Keys 1981, a = -1/2) of the samples at -1, 0, 1, 2 for a point at 0 <= t < 1."""
    return (
        t * (-0.5 + t * (1.0 - 0.5 * t)),
        1.0 + t * t * (-2.5 + 1.5 * t),
        t * (0.5 + t * (2.0 - 1.5 * t)),
        t * t * (-0.5 + 0.5 * t),
    )


@nb.njit(cache=True, **INNER)
def _value(patch: NDArray[np.float64], row: float, column: float) -> float:
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
def _paint(
    positions: NDArray[np.float64],
    kinds: NDArray[np.int64],
    patches: NDArray[np.float64],
    angles: NDArray[np.float64],
    mirrored: NDArray[np.bool_],
    offset: NDArray[np.float64],
    scale: NDArray[np.float64],
    width: float,
    reach: float,
    image: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> None:
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
