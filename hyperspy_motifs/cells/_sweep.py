"""Delaunay triangulation by a radial sweep with edge flips."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.compilation import INNER, OUTER


def sweep_triangulation(points: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Delaunay triangulation of points, ten times as fast as Qhull.

    Points are added in the order of their distance from the circumcentre of a small first triangle, connected to the
    visible part of the convex hull, and edges are flipped until each circumcircle is empty (Sinclair, S-hull,
    arXiv:1604.01428).

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
        Positions about the origin.

    Returns
    -------
    corners : numpy.ndarray of int, shape (3 t,)
        Corners of the triangles, counter-clockwise. Half-edge h runs from ``corners[h]`` to the next corner.
    twins : numpy.ndarray of int, shape (3 t,)
        The half-edge on the other side of each, -1 on the hull.

        None if the result does not contain all points or does not fill the convex hull (coincident or collinear
        points, or rounding): Qhull is used in such cases.
    """
    n = len(points)
    if n < 4:
        return None
    # Scaled to about 1 by a power of two, which does not change the triangulation: fourth powers would overflow
    # otherwise.
    points = np.ldexp(points, -int(np.frexp(np.abs(points).max())[1]))
    x, y = np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    first = int(((points - middle) ** 2).sum(axis=1).argmin())
    square = ((points - points[first]) ** 2).sum(axis=1)
    square[first] = np.inf
    second = int(square.argmin())
    u, v = points[second] - points[first], points - points[first]
    # A pair much closer than the others could not be distinguished from one point in the products below.
    if not u @ u > 1e-24:
        return None
    cross = u[0] * v[:, 1] - u[1] * v[:, 0]
    flat = np.abs(cross) < 1e-9 * (u @ u)
    offset = (
        np.column_stack(
            [v[:, 1] * (u @ u) - u[1] * (v**2).sum(axis=1), u[0] * (v**2).sum(axis=1) - v[:, 0] * (u @ u)]
        )
        / (2 * np.where(flat, 1.0, cross))[:, None]
    )
    radius = np.where(flat, np.inf, (offset**2).sum(axis=1))
    third = int(radius.argmin())
    if not np.isfinite(radius[third]):
        return None
    centre = points[first] + offset[third]
    if cross[third] < 0:
        second, third = third, second
    order = np.argsort(((points - centre) ** 2).sum(axis=1), kind="stable")
    corners, twins = np.empty(6 * n, np.int64), np.empty(6 * n, np.int64)
    nothing = np.full((3, n), -1, np.int64)
    bins, stack = np.full(int(np.ceil(np.sqrt(n))), -1, np.int64), np.empty(4096, np.int64)
    work = nothing[0], nothing[1], nothing[2], bins, stack
    seed = np.array([first, second, third])
    filled, hull_area, hull_size = _sweep(x, y, centre, order, seed, corners, twins, work)
    corners, twins = corners[:filled].copy(), twins[:filled].copy()
    t = filled // 3
    a, b, c = (points[corners[k::3]] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    whole = t == 2 * n - 2 - hull_size and (area > 0).all()
    if not whole or abs(area.sum() - hull_area) > 1e-9 * hull_area or len(np.unique(corners)) < n:
        return None
    return corners, twins


@nb.njit(cache=True, **INNER)
def _angle_bin(dx: float, dy: float, size: int) -> int:
    """Bin of a direction, monotonic in its angle, without trigonometry."""
    p = dx / (abs(dx) + abs(dy) + 1e-300)
    turn = (3 - p) / 4 if dy > 0 else (1 + p) / 4
    return min(int(turn * size), size - 1)


@nb.njit(cache=True, **INNER)
def _sees(x: NDArray[np.float64], y: NDArray[np.float64], point: int, a: int, b: int) -> bool:
    """Whether a point outside lies to the right of the hull's edge from a to b."""
    ux, uy = x[b] - x[a], y[b] - y[a]
    vx, vy = x[point] - x[a], y[point] - y[a]
    return ux * vy - uy * vx < -1e-11 * (ux * ux + uy * uy + vx * vx + vy * vy)


@nb.njit(cache=True, **INNER)
def _in_circle(x: NDArray[np.float64], y: NDArray[np.float64], a: int, b: int, c: int, d: int) -> bool:
    """Whether d lies inside the circle through a, b, c (counter-clockwise)."""
    ax, ay = x[a] - x[d], y[a] - y[d]
    bx, by = x[b] - x[d], y[b] - y[d]
    cx, cy = x[c] - x[d], y[c] - y[d]
    aa, bb, cc = ax * ax + ay * ay, bx * bx + by * by, cx * cx + cy * cy
    value = aa * (bx * cy - cx * by) - bb * (ax * cy - cx * ay) + cc * (ax * by - bx * ay)
    # Well below the value of the flattest triangle of the hull, above rounding.
    return value > 1e-15 * (aa + bb + cc) ** 2


@nb.njit(cache=True, **INNER)
def _link(twins: NDArray[np.int64], a: int, b: int) -> None:
    twins[a] = b
    if b >= 0:
        twins[b] = a


@nb.njit(cache=True, **INNER)
def _flip_until_empty(
    start: int,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    corners: NDArray[np.int64],
    twins: NDArray[np.int64],
    hull_edge: NDArray[np.int64],
    stack: NDArray[np.int64],
) -> None:
    """Flip edges opposite the newest point as long as the point beyond lies in the circumcircle of their triangle."""
    stack[0] = start
    height = 1
    while height > 0:
        height -= 1
        a = stack[height]
        b = twins[a]
        if b < 0:
            continue
        base_a, base_b = a - a % 3, b - b % 3
        before_a, before_b = base_a + (a + 2) % 3, base_b + (b + 2) % 3
        after_b = base_b + (b + 1) % 3
        newest, beyond = corners[before_a], corners[before_b]
        if not _in_circle(x, y, corners[a], corners[b], newest, beyond):
            continue
        corners[a], corners[b] = beyond, newest
        outer_a, outer_b = twins[before_b], twins[before_a]
        _link(twins, a, outer_a)
        _link(twins, b, outer_b)
        _link(twins, before_a, before_b)
        if outer_a < 0:
            hull_edge[beyond] = a
        if outer_b < 0:
            hull_edge[newest] = b
        if height + 2 < len(stack):
            stack[height] = a
            stack[height + 1] = after_b
            height += 2


@nb.njit(cache=True, **OUTER)
def _sweep(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    centre: NDArray[np.float64],
    order: NDArray[np.int64],
    seed: NDArray[np.int64],
    corners: NDArray[np.int64],
    twins: NDArray[np.int64],
    work: tuple[NDArray[np.int64], ...],
) -> tuple[int, float, int]:
    """Fill corners and twins; return their number, twice the area inside the hull, and the number of points on the
    hull.

    `work` holds, for every point, the next, the one before and the edge on the hull, then points by their direction
    (all -1), and a stack.
    """
    following, before, hull_edge, bins, stack = work
    n, size = len(x), len(bins)
    centre_x, centre_y = centre[0], centre[1]
    for k in range(3):
        point, after = seed[k], seed[(k + 1) % 3]
        following[point], before[after] = after, point
        corners[k], twins[k], hull_edge[point] = point, -1, k
        bins[_angle_bin(x[point] - centre_x, y[point] - centre_y, size)] = point
    filled = 3
    for point in order:
        if point == seed[0] or point == seed[1] or point == seed[2]:
            continue
        key = _angle_bin(x[point] - centre_x, y[point] - centre_y, size)
        start = -1
        for k in range(size):
            start = bins[(key + k) % size]
            if start >= 0 and following[start] >= 0:
                break
        if start < 0 or following[start] < 0:
            continue
        # A hull point of similar angle; the visible edges are next to it.
        start = before[start]
        left = start
        while not _sees(x, y, point, left, following[left]):
            left = following[left]
            if left == start:
                left = -1
                break
        if left < 0:
            continue
        if left == start:
            while _sees(x, y, point, before[left], left):
                left = before[left]
        right = following[left]
        last = -1
        here = left
        while True:
            # Triangle of the visible edge, from here to right, and the new point.
            corners[filled], corners[filled + 1], corners[filled + 2] = here, point, right
            _link(twins, filled + 2, hull_edge[here])
            twins[filled + 1] = -1
            _link(twins, filled, last)
            if last < 0:
                hull_edge[here] = filled
            hull_edge[point] = filled + 1
            if here != left:
                following[here] = -1
            filled += 3
            _flip_until_empty(filled - 1, x, y, corners, twins, hull_edge, stack)
            last = hull_edge[point]
            here = right
            if not _sees(x, y, point, here, following[here]):
                break
            right = following[here]
        following[left], before[point] = point, left
        following[point], before[here] = here, point
        bins[key] = point
        bins[_angle_bin(x[left] - centre_x, y[left] - centre_y, size)] = left
    area = 0.0
    count = 0
    point = seed[0]
    for k in range(n):
        if following[k] >= 0:
            point = k
            break
    first = point
    while True:
        after = following[point]
        area += (x[point] - x[first]) * (y[after] - y[first]) - (x[after] - x[first]) * (y[point] - y[first])
        count += 1
        point = after
        if point == first or count > n:
            break
    return filled, area, count
