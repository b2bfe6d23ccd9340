"""Relaxation of points connected by springs."""

import math

import numpy as np
from numba import njit


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
