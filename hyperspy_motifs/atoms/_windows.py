"""Windows that represent the whole image, and means over blocks of pixels."""

from __future__ import annotations

import numpy as np

_TILE = 512
#: Pixels of a separation that are ample: block means of more contain the same information.
AMPLE = 10.0


def tiles(shape: tuple[int, int], size: int = _TILE) -> list[tuple[slice, slice]]:
    """Return at most four windows of an image that together represent all of it."""
    starts = []
    for length in shape:
        if length <= size * 1.25:
            starts.append([(0, length)])
        else:
            first = min(length // 4, (length - size) // 4)
            last = length - size - first
            starts.append([(first, first + size), (last, last + size)])
    return [(slice(*rows), slice(*columns)) for rows in starts[0] for columns in starts[1]]


def central(image: np.ndarray, side: int) -> np.ndarray:
    """Return the central `side` x `side` pixels of an image, or as many as it has."""
    window = []
    for length in image.shape:
        first = max((length - side) // 2, 0)
        window.append(slice(first, min(first + side, length)))
    return image[tuple(window)]


def block_means(image: np.ndarray, step: int) -> np.ndarray:
    """Return means over blocks of pixels; remaining pixels at the right and at the bottom are cut off.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    step : int
        Side of a block in pixels.

    Returns
    -------
    ndarray of shape (rows // step, columns // step)
    """
    if step == 1:
        return image
    height, width = (n // step * step for n in image.shape)
    return image[:height, :width].reshape(height // step, step, width // step, step).mean(axis=(1, 3))
