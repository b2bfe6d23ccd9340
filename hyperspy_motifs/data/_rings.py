"""Rings of a network of bonds, and positions relaxed as springs."""

import math

import numpy as np
from numba import njit
from scipy.spatial import cKDTree


@njit(cache=True)
def relax_springs(points, pairs, rest, stiffness, moving, steps, inertia):
    """Move points by the forces of springs between them, with damping.

    Parameters
    ----------
    points : (n, 2) float64 array
        Changed in place.
    pairs : (s, 2) int array
        Ends of the springs.
    rest, stiffness : (s,) float64 arrays
        Length at rest, and stiffness of each spring; a sum of about 7 around a point is stable.
    moving : (n,) bool array
        Points that are free.
    steps : int
        Number of steps.
    inertia : float
        Share of the velocity of a point that is kept from step to step.
    """
    velocity = np.zeros_like(points)
    force = np.empty_like(points)
    for _ in range(steps):
        force[:] = 0.0
        for s in range(pairs.shape[0]):
            i, j = pairs[s, 0], pairs[s, 1]
            dx, dy = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1]
            length = math.sqrt(dx * dx + dy * dy)
            pull = stiffness[s] * (length - rest[s]) / length
            force[i, 0] += pull * dx
            force[i, 1] += pull * dy
            force[j, 0] -= pull * dx
            force[j, 1] -= pull * dy
        for i in range(points.shape[0]):
            if moving[i]:
                for axis in range(2):
                    velocity[i, axis] = inertia * velocity[i, axis] + force[i, axis]
                    points[i, axis] += velocity[i, axis]


def as_springs(pairs: np.ndarray, rest: float, stiffness: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equal springs between given pairs.

    Parameters
    ----------
    pairs : (s, 2) int array
    rest, stiffness : float

    Returns
    -------
    pairs : (s, 2) int64 array
    rest, stiffness : (s,) float64 arrays
    """
    n = len(pairs)
    return np.asarray(pairs, dtype=np.int64), np.full(n, rest), np.full(n, stiffness)


def bonds_within(points: np.ndarray, longest: float) -> np.ndarray:
    """Pairs of points within the length of a bond.

    Parameters
    ----------
    points : (n, 2) array
        Positions in any unit.
    longest : float
        Longest bond, in that unit.

    Returns
    -------
    (b, 2) int array
        Pairs i < j in the order of their indices.
    """
    pairs = cKDTree(points).query_pairs(longest, output_type="ndarray")
    return pairs[np.lexsort(pairs.T[::-1])].astype(int)


def find_rings(points: np.ndarray, bonds: np.ndarray) -> list[np.ndarray]:
    """Faces of a planar net of straight bonds.

    Every bond is traversed in both directions; at each point the walk continues with the next bond clockwise.
    Counter-clockwise walks are rings, clockwise walks are the outside.

    Parameters
    ----------
    points : (n, 2) array
        x, y in any unit.
    bonds : (b, 2) int array
        Pairs of points; no two bonds cross. Points with a single bond and the attached branches are ignored.

    Returns
    -------
    list of int arrays
        Corners of each ring, counter-clockwise in (x, y), the smallest index first.
    """
    bonds = np.asarray(bonds, dtype=int)
    while len(bonds):
        degree = np.bincount(bonds.ravel(), minlength=len(points))
        held = (degree[bonds] > 1).all(axis=1)
        if held.all():
            break
        bonds = bonds[held]
    start = np.concatenate([bonds[:, 0], bonds[:, 1]])
    stop = np.concatenate([bonds[:, 1], bonds[:, 0]])
    n = len(bonds)
    step = points[stop] - points[start]
    order = np.lexsort((np.arctan2(step[:, 1], step[:, 0]), start))
    first = np.searchsorted(start[order], np.arange(len(points)))
    degree = np.bincount(start, minlength=len(points))
    rank = np.empty(2 * n, dtype=int)
    rank[order] = np.arange(2 * n) - first[start[order]]
    twin = np.concatenate([np.arange(n, 2 * n), np.arange(n)])
    following = order[first[stop] + (rank[twin] - 1) % np.maximum(degree[stop], 1)]
    rings, walked = [], np.zeros(2 * n, dtype=bool)
    for edge in range(2 * n):
        ring = []
        while not walked[edge]:
            walked[edge] = True
            ring.append(start[edge])
            edge = following[edge]
        corners = np.array(ring, dtype=int)
        if len(corners) > 2 and len(set(ring)) == len(ring) and signed_area(points[corners]) > 0:
            rings.append(np.roll(corners, -int(corners.argmin())))
    return rings


def signed_area(corners: np.ndarray) -> float:
    """Area of a polygon by the shoelace formula, positive if it is counter-clockwise in (x, y).

    Parameters
    ----------
    corners : (k, 2) array

    Returns
    -------
    float
    """
    x, y = corners.T
    return 0.5 * float(x[:-1] @ y[1:] - y[:-1] @ x[1:] + x[-1] * y[0] - y[-1] * x[0])


def vertex_figures(n_points: int, points: np.ndarray, rings: list[np.ndarray]) -> list[str]:
    """The cyclic sequence of the rings around each point, such as ``"3.3.4.3.4"``.

    The least of all rotations and reflections of the sequence is used, so that equal figures have equal names.

    Parameters
    ----------
    n_points : int
        Number of points to name, from the first on.
    points : (n, 2) array
        x, y.
    rings : list of int arrays
        The rings.

    Returns
    -------
    list of str
        Points at the rim have fewer rings in their figure.
    """
    around: list[list[tuple[float, int]]] = [[] for _ in range(n_points)]
    for ring in rings:
        centre = points[ring].mean(axis=0)
        for corner in ring:
            x, y = centre - points[corner]
            around[corner].append((float(np.arctan2(y, x)), len(ring)))
    names = []
    for rings_here in around:
        sizes = [size for _, size in sorted(rings_here)]
        turns = [sizes[k:] + sizes[:k] for k in range(len(sizes))]
        turns += [turn[::-1] for turn in turns]
        names.append(".".join(map(str, min(turns, default=[]))))
    return names


def group_names(names: list[str]) -> tuple[np.ndarray, list[str]]:
    """Number names by their frequency, the most frequent first.

    Parameters
    ----------
    names : list of str

    Returns
    -------
    labels : (n,) int array
        Index into `classes`.
    classes : list of str
    """
    values, inverse, counts = np.unique(np.array(names, dtype=str), return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(len(order), dtype=int)
    rank[order] = np.arange(len(order))
    return rank[inverse], [str(values[k]) for k in order]
