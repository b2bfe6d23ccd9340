"""Compiled: sums of groups, and directions that part them best."""

from __future__ import annotations

import numba
import numpy as np

from hyperspy_motifs.compilation import INNER, OUTER

_PRIOR = 6.0  # points' worth of common spread lent to every half, so that six points do not invent their own
_LEAST_PIVOT = 1e-9  # of a covariance that has lost its ridge to rounding


@numba.njit(cache=True, **OUTER)
def add_up(points, labels, half, count, total, square):  # type: ignore[no-untyped-def]
    d = points.shape[1]
    for i in range(len(points)):
        g, h = labels[i], half[i]
        count[g, h] += 1
        for p in range(d):
            total[g, h, p] += points[i, p]
            for q in range(d):
                square[g, h, p, q] += points[i, p] * points[i, q]


@numba.njit(cache=True, **INNER)
def _solve(matrix, vector):  # type: ignore[no-untyped-def]
    """Solve a positive definite system in place by Cholesky, with the upper triangle, row by row.

    A call of LAPACK costs seconds of compilation and no less time.
    """
    n = np.uint32(len(vector))
    for j in range(n):
        scale = 1 / np.sqrt(max(matrix[j, j], _LEAST_PIVOT))
        for k in range(j, n):
            matrix[j, k] *= scale
        vector[j] *= scale
        for i in range(j + np.uint32(1), n):
            factor = matrix[j, i]
            for k in range(i, n):
                matrix[i, k] -= factor * matrix[j, k]
            vector[i] -= factor * vector[j]
    for i in range(len(vector) - 1, -1, -1):
        for k in range(i + 1, len(vector)):
            vector[i] -= matrix[i, k] * vector[k]
        vector[i] /= matrix[i, i]


@numba.njit(cache=True, **INNER)
def _dot(a, b):  # type: ignore[no-untyped-def]
    total = 0.0
    for p in range(len(a)):
        total += a[p] * b[p]
    return total


@numba.njit(cache=True, **INNER)
def _quadratic_form(matrix, vector, room):  # type: ignore[no-untyped-def]
    n = np.uint32(len(vector))
    for p in range(n):
        room[p] = 0
    for p in range(n):
        factor = vector[p]
        for q in range(n):
            room[q] += factor * matrix[p, q]
    return _dot(room, vector)


@numba.njit(cache=True, **INNER)
def learn(count, total, square, common, a, b, side, pooled, room, direction):  # type: ignore[no-untyped-def]
    """Fill the best direction from one half; return where the other halves of a and b lie on it, and their spread.

    The covariance of each half has a prior, the common one. That of few points says little in many dimensions: the common
    one stands in.
    """
    d = np.uint32(len(direction))
    n_a, n_b = count[a, side], count[b, side]
    total_a, total_b, square_a, square_b = total[a, side], total[b, side], square[a, side], square[b, side]
    own = (n_a + n_b) / (n_a + n_b + 2.0 * len(direction))
    weight_a = own * n_a / ((n_a + n_b) * (n_a + _PRIOR))
    weight_b = own * n_b / ((n_a + n_b) * (n_b + _PRIOR))
    weight = 1 - own + _PRIOR * (weight_a + weight_b)
    for p in range(d):
        direction[p] = total_b[p] / n_b - total_a[p] / n_a
        mean_a, mean_b = total_a[p] / n_a, total_b[p] / n_b
        for q in range(d):
            pooled[p, q] = (
                weight * common[p, q]
                + weight_a * (square_a[p, q] - mean_a * total_a[q])
                + weight_b * (square_b[p, q] - mean_b * total_b[q])
            )
    _solve(pooled, direction)
    other = 1 - side
    variance, prior = 0.0, _PRIOR * _quadratic_form(common, direction, room)
    for group in (a, b):
        n, along = count[group, other], _dot(direction, total[group, other])
        whole = _quadratic_form(square[group, other], direction, room) + prior
        variance += 0.5 * (whole - along * along / n) / (n + _PRIOR)
    origin = _dot(direction, total[a, other]) / count[a, other]
    end = _dot(direction, total[b, other]) / count[b, other]
    return origin, end, np.sqrt(max(variance, 0.0) + 1e-300)


@numba.njit(cache=True, **OUTER)
def best_directions(first, last, count, total, square, common, pairs, directions, places):  # type: ignore[no-untyped-def]
    """Best direction of pairs of groups from each half, and where the others of both lie on it, and their spread.

    Fills rows `first` to `last` of `directions` (p, 2, d) and `places` (p, 2, 3); two at one place where a half has no points.
    """
    d = total.shape[2]
    pooled, room = np.empty((d, d)), np.empty(d)
    for m in range(first, last):
        a, b = pairs[m, 0], pairs[m, 1]
        known = min(count[a, 0], count[a, 1], count[b, 0], count[b, 1]) >= 1
        for side in range(2):
            origin, end, spread = 0.0, 0.0, 1.0
            if known:
                origin, end, spread = learn(
                    count, total, square, common, a, b, side, pooled, room, directions[m, side]
                )
            places[m, side, 0], places[m, side, 1], places[m, side, 2] = origin, end, spread
