"""Faces with holes: components of the graph inside a face, and faces that touch themselves at a point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


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
    """Face that contains each component of the graph, -1 for none.

    Parameters
    ----------
    points, vertices, offsets
        The bounded faces.
    outlines : list of numpy.ndarray of int
        The outer walk of each connected component.
    """
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
