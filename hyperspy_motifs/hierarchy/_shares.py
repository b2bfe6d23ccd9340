"""How much of each atom belongs to each polygon."""

from __future__ import annotations

import numpy as np

__all__ = ["corner_shares"]


def corner_shares(
    points: np.ndarray, corners: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of every corner that lies in its polygon.

    The share is the inner angle over the full circle, so that the shares of an atom in all polygons
    round it add up to 1, and a hexagon of alternating corners A and B holds one A and one B.

    Parameters
    ----------
    points : numpy.ndarray of float, shape (n, 2)
        Positions x, y.
    corners : numpy.ndarray of int, shape (c,)
        Corners of all polygons, one after the other, counter-clockwise in x, y (positive shoelace area).
    offsets : numpy.ndarray of int, shape (m + 1,)
        Polygon ``i`` has the corners ``corners[offsets[i]:offsets[i + 1]]``.

    Returns
    -------
    polygon : numpy.ndarray of int, shape (c,)
        Polygon of each corner.
    share : numpy.ndarray of float, shape (c,)
        Share, 0 to 1.
    """
    counts = np.diff(offsets)
    polygon = np.repeat(np.arange(len(counts)), counts)
    index = np.arange(len(corners))
    first, last = np.repeat(offsets[:-1], counts), np.repeat(offsets[1:], counts) - 1
    here = points[corners]
    ahead = points[corners[np.where(index == last, first, index + 1)]] - here
    behind = points[corners[np.where(index == first, last, index - 1)]] - here
    cross = ahead[:, 0] * behind[:, 1] - ahead[:, 1] * behind[:, 0]
    dot = (ahead * behind).sum(axis=1)
    return polygon, np.mod(np.arctan2(cross, dot), 2 * np.pi) / (2 * np.pi)
