"""Faces of a plane graph by half-edge pointers."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.compilation import OUTER

from ._holes import hole_of_components, split_pinched
from ._planar import without_crossings


@dataclass(frozen=True)
class Faces:
    """The bounded faces of a plane graph.

    Attributes
    ----------
    vertices : numpy.ndarray of int, shape (v,)
        Concatenated corners of all faces, counter-clockwise in (x, y), y to the top (positive shoelace
        area).
    offsets : numpy.ndarray of int, shape (m + 1,)
        Face k has the corners ``vertices[offsets[k]:offsets[k + 1]]``.
    areas : numpy.ndarray, shape (m,)
        Area inside the polygon without holes.
    n_holes : numpy.ndarray of int, shape (m,)
        Number of connected components of the graph inside the face that do not touch its polygon, or touch it at one
        point.
    bonds : numpy.ndarray of int, shape (b, 2)
        The bonds at the boundaries of faces, without dangling bonds and bridges.
    sides : numpy.ndarray of int, shape (b, 2)
        Face on the left and on the right of each bond (from lower to higher index), -1 for the outer face.
    n_components : int
        Number of connected components of the graph of `bonds`.
    """

    vertices: NDArray[np.int64]
    offsets: NDArray[np.int64]
    areas: NDArray[np.float64]
    n_holes: NDArray[np.int64]
    bonds: NDArray[np.int64]
    sides: NDArray[np.int64]
    n_components: int

    @property
    def n_corners(self) -> NDArray[np.int64]:
        """Corners of each face, shape (m,)."""
        return np.diff(self.offsets)


@nb.njit(cache=True, **OUTER)
def _cycles(following: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Half-edges in the order of their cycles, the start of each cycle, and the cycle of each half-edge."""
    n = len(following)
    order = np.empty(n, np.int64)
    start = np.empty(n + 1, np.int64)
    cycle = np.empty(n, np.int64)
    cycle[:] = -1
    count = 0
    filled = 0
    for first in range(n):
        if cycle[first] >= 0:
            continue
        start[count] = filled
        half = first
        while cycle[half] < 0:
            cycle[half] = count
            order[filled] = half
            filled += 1
            half = following[half]
        count += 1
    start[count] = filled
    return order, start[: count + 1], cycle


def half_edge_cycles(
    points: NDArray[np.floating], bonds: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Trace every face of a plane graph, with the face on the left.

    Half-edge h < b runs from ``bonds[h, 0]`` to ``bonds[h, 1]``, half-edge h + b back. The next half-edge at its end
    is the one before its twin in counter-clockwise order (the sharpest turn to the left).

    Returns
    -------
    origin : numpy.ndarray of int, shape (2 b,)
        First point of each half-edge.
    order, start, cycle : numpy.ndarray of int
        Half-edges cycle by cycle, start of each cycle in `order` (with one more at the end), cycle of each half-edge.
    """
    b = len(bonds)
    origin = np.concatenate([bonds[:, 0], bonds[:, 1]]).astype(np.int64)
    end = np.concatenate([bonds[:, 1], bonds[:, 0]])
    step = points[end] - points[origin]
    angle = np.arctan2(step[:, 1], step[:, 0])
    # One number for the order by origin and angle (seven exceeds a full turn) is faster than two keys.
    rank = np.argsort(7.0 * origin + angle, kind="stable")
    position = np.empty(2 * b, dtype=np.int64)
    position[rank] = np.arange(2 * b)
    sorted_origin = origin[rank]
    is_first = np.r_[True, sorted_origin[1:] != sorted_origin[:-1]] if b else np.zeros(0, dtype=bool)
    last_of_group = np.r_[np.flatnonzero(is_first)[1:], 2 * b] - 1 if b else np.zeros(0, dtype=np.int64)
    group = np.cumsum(is_first) - 1
    before = np.where(is_first, last_of_group[group], np.arange(2 * b) - 1)
    twin = np.r_[np.arange(b, 2 * b), np.arange(b)].astype(np.int64)
    following = rank[before[position[twin]]] if b else np.zeros(0, dtype=np.int64)
    order, start, cycle = _cycles(following)
    return origin, order, start, cycle


def shoelace(
    points: NDArray[np.floating], vertices: NDArray[np.integer], offsets: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Signed areas of polygons, positive when counter-clockwise in (x, y), shape (m,)."""
    if len(offsets) < 2:
        return np.zeros(0)
    following = np.arange(1, len(vertices) + 1)
    following[offsets[1:] - 1] = offsets[:-1]
    p = points[vertices]
    # Relative to a point of each polygon: coordinates far from the origin would lose precision.
    p = p - np.repeat(p[offsets[:-1]], np.diff(offsets), axis=0)
    q = p[following]
    return 0.5 * np.add.reduceat(p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0], offsets[:-1])


def find_faces(points: NDArray[np.floating], bonds: NDArray[np.integer], *, planar: bool = False) -> Faces:
    """Bounded faces of the plane graph of bonds.

    Of two crossing bonds the longer is removed first, then dangling bonds and bridges, which have the same face on
    both sides. The remaining graph satisfies Euler's formula: vertices - bonds + faces + 1 (outer) = 1 + components.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
        Positions x, y.
    bonds : numpy.ndarray of int, shape (b, 2)
        Bonded points, each bond once.
    planar : bool
        Whether no bonds cross, so that crossings are not searched for.

    Returns
    -------
    Faces
    """
    points = np.asarray(points, dtype=np.float64)
    pairs: NDArray[np.int64] = np.asarray(bonds, dtype=np.int64).reshape(-1, 2)
    if not planar:
        pairs = without_crossings(points, pairs)
    b = len(pairs)
    origin, order, start, cycle = half_edge_cycles(points, pairs)
    bridge = cycle[:b] == cycle[b:]
    if bridge.any():
        pairs = pairs[~bridge]
        b = len(pairs)
        origin, order, start, cycle = half_edge_cycles(points, pairs)
    signed = shoelace(points, origin[order], start)
    bounded = signed > 0
    face_of_cycle: NDArray[np.int64] = np.where(bounded, np.cumsum(bounded) - 1, -1)
    sizes = np.diff(start)
    vertices = origin[order][np.repeat(bounded, sizes)]
    offsets = np.r_[0, np.cumsum(sizes[bounded])].astype(np.int64)
    areas = signed[bounded]
    n_holes = np.zeros(len(areas), dtype=np.int64)
    vertices, offsets, n_holes = split_pinched(points, vertices, offsets, n_holes)
    # The outer walk of a component inside a face is the boundary of a hole of that face, not of the outer face.
    outer = np.flatnonzero(~bounded)
    hosts = hole_of_components(
        points, vertices, offsets, [origin[order[start[c] : start[c + 1]]] for c in outer]
    )
    for c, host in zip(outer, hosts, strict=True):
        if host >= 0:
            face_of_cycle[c] = host
            areas[host] += signed[c]
            n_holes[host] += 1
    sides = face_of_cycle[np.column_stack([cycle[:b], cycle[b:]])].astype(np.int64)
    return Faces(vertices, offsets, areas, n_holes, pairs, sides, len(outer))
