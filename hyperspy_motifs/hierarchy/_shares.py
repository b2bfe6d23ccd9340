"""Fraction of each atom that belongs to each polygon."""

from __future__ import annotations

import numba
import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs.compilation import OUTER

__all__ = ["corner_shares", "polygon_shares"]


def corner_shares(
    points: np.ndarray, corners: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of every corner in its polygon.

    The share is the inner angle over the full circle, so that the shares of an atom in all polygons
    around it add up to 1, and a hexagon of alternating corners A and B contains one A and one B.

    Parameters
    ----------
    points : numpy.ndarray of float, shape (n, 2)
        Positions x, y.
    corners : numpy.ndarray of int, shape (c,)
        Concatenated corners of all polygons, counter-clockwise in x, y (positive shoelace area).
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


def polygon_shares(
    points: np.ndarray, vertices: np.ndarray, offsets: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of points and polygons that contain them, and the shares.

    A point inside has the share 1, one on a side a half, one on a corner the inner angle over the full circle: in a
    tiling the shares of a point add up to 1.

    Parameters
    ----------
    points : numpy.ndarray of float, shape (n, 2)
        Positions x, y.
    vertices : numpy.ndarray of float, shape (v, 2)
        Concatenated corners of all polygons, counter-clockwise in x, y.
    offsets : numpy.ndarray of int, shape (m + 1,)
        Polygon ``i`` has the corners ``vertices[offsets[i]:offsets[i + 1]]``.
    tolerance : float
        Distance within which a point is on a side or a corner.

    Returns
    -------
    pairs : numpy.ndarray of int, shape (p, 2)
        Columns point, polygon.
    shares : numpy.ndarray of float, shape (p,)
        Share of the point, above 0 and up to 1.
    """
    m = len(offsets) - 1
    if m == 0 or not len(points):
        return np.empty((0, 2), dtype=np.int64), np.empty(0)
    owner = np.repeat(np.arange(m), np.diff(offsets))
    centres = (
        np.column_stack([np.bincount(owner, vertices[:, i]) for i in range(2)]) / np.diff(offsets)[:, None]
    )
    radius = np.zeros(m)
    np.maximum.at(radius, owner, np.hypot(*(vertices - centres[owner]).T))
    near = cKDTree(points).query_ball_point(centres, radius + tolerance, return_sorted=True)
    polygon = np.repeat(np.arange(m), [len(found) for found in near])
    point = np.concatenate([np.asarray(found, dtype=np.int64) for found in near])
    shares = _shares(
        np.ascontiguousarray(points, dtype=float), np.ascontiguousarray(vertices, dtype=float),
        offsets.astype(np.int64), point, polygon, float(tolerance),
    )  # fmt: skip
    held = shares > 0
    return np.column_stack([point[held], polygon[held]]), shares[held]


@numba.njit(cache=True, **OUTER)
def _shares(points, vertices, offsets, point, polygon, tolerance):
    """Return the share of each pair of a point and a polygon."""
    shares = np.zeros(len(point))
    for i in range(len(point)):
        x, y = points[point[i], 0], points[point[i], 1]
        first, last = offsets[polygon[i]], offsets[polygon[i] + 1]
        n = last - first
        inside = False
        on_side = False
        share = -1.0
        for k in range(n):
            ax, ay = vertices[first + k, 0], vertices[first + k, 1]
            bx, by = vertices[first + (k + 1) % n, 0], vertices[first + (k + 1) % n, 1]
            if (x - ax) ** 2 + (y - ay) ** 2 <= tolerance**2:
                cx, cy = vertices[first + (k + n - 1) % n, 0], vertices[first + (k + n - 1) % n, 1]
                ux, uy, vx, vy = bx - ax, by - ay, cx - ax, cy - ay
                angle = np.arctan2(ux * vy - uy * vx, ux * vx + uy * vy)
                share = (angle / (2 * np.pi)) % 1.0
                break
            length = (bx - ax) ** 2 + (by - ay) ** 2
            along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length
            if 0.0 <= along <= 1.0:
                off = (x - ax - along * (bx - ax)) ** 2 + (y - ay - along * (by - ay)) ** 2
                on_side |= off <= tolerance**2
            # Even-odd rule: a ray to larger x crosses this side.
            if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
                inside = not inside
        if share >= 0.0:
            shares[i] = share
        elif on_side:
            shares[i] = 0.5
        elif inside:
            shares[i] = 1.0
    return shares
