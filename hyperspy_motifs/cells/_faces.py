"""Faces of a planar graph, and the holes between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ._bonds import without_crossings


def contains(polygon: NDArray[np.floating], points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Mask of the points inside a polygon (even-odd rule), shape (n,) bool."""
    a, b = polygon, np.roll(polygon, -1, axis=0)
    y = points[:, 1, None]
    crosses = (a[:, 1] > y) != (b[:, 1] > y)
    rise = np.where(b[:, 1] == a[:, 1], 1.0, b[:, 1] - a[:, 1])
    x = a[:, 0] + (y - a[:, 1]) / rise * (b[:, 0] - a[:, 0])
    return (crosses & (points[:, 0, None] < x)).sum(axis=1) % 2 == 1


def faces_of_points(
    points: NDArray[np.floating],
    vertices: NDArray[np.integer],
    offsets: NDArray[np.integer],
    queries: NDArray[np.floating],
) -> NDArray[np.int64]:
    """Smallest face that contains each query point, -1 for none, shape (q,)."""
    out = np.full(len(queries), -1, dtype=np.int64)
    if len(queries) == 0 or len(offsets) < 2:
        return out
    corner = points[vertices]
    low = np.minimum.reduceat(corner, offsets[:-1], axis=0)
    high = np.maximum.reduceat(corner, offsets[:-1], axis=0)
    middle, reach = 0.5 * (low + high), 0.5 * np.linalg.norm(high - low, axis=1)
    # The few large faces are tested one by one, so that the search radius for the many small ones stays short.
    common = float(np.quantile(reach, 0.99)) * 1.01
    large = np.flatnonzero(reach > common)
    best = np.full(len(queries), np.inf)

    def ask(face: int, candidates: NDArray[np.integer]) -> None:
        candidates = candidates[reach[face] < best[candidates]]
        if len(candidates) == 0:
            return
        polygon = points[vertices[offsets[face] : offsets[face + 1]]]
        hit = candidates[contains(polygon, queries[candidates])]
        out[hit] = face
        best[hit] = reach[face]

    tree = cKDTree(middle)
    near = tree.query_ball_point(queries, common)
    count = np.array([len(x) for x in near])
    if count.sum():
        face = np.concatenate([np.asarray(x, dtype=np.int64) for x in near])
        query = np.repeat(np.arange(len(queries)), count)
        inside = (queries[query] >= low[face]).all(axis=1) & (queries[query] <= high[face]).all(axis=1)
        face, query = face[inside], query[inside]
        order = np.argsort(face, kind="stable")
        face, query = face[order], query[order]
        first = (
            np.flatnonzero(np.r_[True, face[1:] != face[:-1]]) if len(face) else np.zeros(0, dtype=np.int64)
        )
        for part, f in zip(np.split(query, first[1:]), face[first], strict=True) if len(face) else ():
            ask(int(f), part)
    for f in large:
        boxed = np.flatnonzero((queries >= low[f]).all(axis=1) & (queries <= high[f]).all(axis=1))
        ask(int(f), boxed)
    return out


def hole_of_components(
    points: NDArray[np.floating],
    vertices: NDArray[np.integer],
    offsets: NDArray[np.integer],
    outlines: list[NDArray[np.int64]],
) -> NDArray[np.int64]:
    """Bounded face that contains each component of the graph, -1 for none, from the outer walk of each component."""
    hosts = np.full(len(outlines), -1, dtype=np.int64)
    if len(outlines) < 2:
        return hosts
    # The leftmost point of a component is a corner of its own faces; a point just to its left lies in none of them.
    own = [outline[np.argmin(points[outline, 0])] for outline in outlines]
    span = np.ptp(points, axis=0).max()
    query = points[own] - np.array([1e-7 * span, 0.0])
    return faces_of_points(points, vertices, offsets, query)


def split_pinched(
    points: NDArray[np.floating],
    vertices: NDArray[np.int64],
    offsets: NDArray[np.int64],
    n_holes: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Reduce faces that pass a point twice to the outer loop; a loop inside at that point is counted as a hole."""
    m = len(offsets) - 1
    face = np.repeat(np.arange(m), np.diff(offsets))
    order = np.lexsort((vertices, face))
    twice = (face[order][1:] == face[order][:-1]) & (vertices[order][1:] == vertices[order][:-1])
    pinched = np.unique(face[order][1:][twice])
    if len(pinched) == 0:
        return vertices, offsets, n_holes
    polygons = np.split(vertices, offsets[1:-1])
    n_holes = n_holes.copy()
    for k in pinched:
        loops = _simple_loops(polygons[k])
        area = [_area(points[loop]) for loop in loops]
        polygons[k] = loops[int(np.argmax(area))]
        n_holes[k] += len(loops) - 1
    sizes = np.array([len(p) for p in polygons])
    return np.concatenate(polygons), np.r_[0, np.cumsum(sizes)].astype(np.int64), n_holes


def _simple_loops(walk: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Simple loops of a closed walk."""
    loops: list[NDArray[np.int64]] = []
    stack: list[int] = []
    place: dict[int, int] = {}
    for point in walk.tolist():
        if point in place:
            cut = place[point]
            loops.append(np.array(stack[cut:], dtype=np.int64))
            for gone in stack[cut + 1 :]:
                del place[gone]
            del stack[cut + 1 :]
        else:
            place[point] = len(stack)
            stack.append(point)
    loops.append(np.array(stack, dtype=np.int64))
    return [loop for loop in loops if len(loop) > 2]


def _area(polygon: NDArray[np.floating]) -> float:
    p, q = polygon - polygon[0], np.roll(polygon - polygon[0], -1, axis=0)
    return 0.5 * float(np.sum(p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]))


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


def _cycles(following: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Half-edges in the order of their cycles, the start of each cycle, and the cycle of each half-edge."""
    half = np.arange(len(following))
    before = np.empty_like(half)
    before[following] = half
    # The lowest half-edge of each cycle is its first, and the steps to it backwards are the place: in strides that double.
    stride, first = following, np.minimum(half, following)
    while True:
        stride = stride[stride]
        lower = np.minimum(first, first[stride])
        if np.array_equal(lower, first):
            break
        first = lower
    leads = first == half
    stride, place = np.where(leads, half, before), (~leads).astype(np.int64)
    while (more := place[stride]).any():
        place, stride = place + more, stride[stride]
    cycle = (np.cumsum(leads) - 1)[first]
    start = np.r_[0, np.cumsum(np.bincount(cycle))].astype(np.int64)
    order = np.empty_like(half)
    order[start[cycle] + place] = half
    return order, start, cycle


def half_edge_cycles(
    points: NDArray[np.floating], bonds: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Trace every face of a plane graph, with the face on the left.

    Half-edge h < b runs from ``bonds[h, 0]`` to ``bonds[h, 1]``, half-edge h + b back. The next half-edge at its end
    is the one before its twin in counter-clockwise order (the sharpest turn to the left). Returns the first point of each
    half-edge (2 b,), the half-edges cycle by cycle, the start of each cycle in this order (with one more at the end), and the
    cycle of each half-edge.
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
