"""Compiled kernels of the sub-pixel refinement: each fills the rows `first` to `last` of its output.

A column is ``A exp(-(pxx dx^2 + 2 pxy dx dy + pyy dy^2) / 2) + b``, stored as the seven numbers A, x, y, pxx, pxy,
pyy, b. The normal equations of its fit consist of moments of g and g^2 up to fourth order, which take thirteen
products per pixel.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hyperspy_motifs.atoms._disc_sums import FAINT, moments, open_disc, subtract_neighbours, sums
from hyperspy_motifs.compilation import INNER, OUTER

_N = 7
# Parameters whose variances are computed: x, y, amplitude, precision along x.
_TARGETS = (1, 2, 0, 3)


@njit(cache=True, **INNER)
def _factorise(matrix):
    """Compute the Cholesky factor in place; False if the matrix is not positive definite."""
    for i in range(len(matrix)):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i == j:
                if total <= 0.0:
                    return False
                matrix[i, i] = np.sqrt(total)
            else:
                matrix[i, j] = total / matrix[j, j]
    return True


@njit(cache=True, **INNER)
def _substitute(factor, vector, out):
    """Solve the equations whose matrix has this Cholesky factor."""
    n = len(vector)
    for i in range(n):
        total = vector[i]
        for k in range(i):
            total -= factor[i, k] * out[k]
        out[i] = total / factor[i, i]
    for i in range(n - 1, -1, -1):
        total = out[i]
        for k in range(i + 1, n):
            total -= factor[k, i] * out[k]
        out[i] = total / factor[i, i]


@njit(cache=True, **INNER)
def _copy(source, target):
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@njit(cache=True, **INNER)
def _combine(v, p, out):
    """Convert g, g dx, g dy, g dx^2, g dx dy, g dy^2, 1 to the derivatives by A, x, y, pxx, pxy, pyy, b."""
    out[0], out[6] = v[0], v[6]
    out[1] = p[0] * (p[3] * v[1] + p[4] * v[2])
    out[2] = p[0] * (p[4] * v[1] + p[5] * v[2])
    out[3] = -0.5 * p[0] * v[3]
    out[4] = -p[0] * v[4]
    out[5] = -0.5 * p[0] * v[5]


@njit(cache=True, **INNER)
def _normal_equations(p, disc, values, spans, prior, work, matrix, vector):
    """Fill J^T J and J^T r, with the prior on the common shape; returns the cost without and with the prior."""
    top, left, rows = disc
    square, plain, mixed, basis, crossed, half = work
    cost, total, n = moments(p, top, left, rows, values, spans, square, plain, mixed)
    powers = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))
    for i in range(6):
        crossed[i] = mixed[powers[i][0], powers[i][1]]
        for j in range(6):
            basis[i, j] = square[powers[i][0] + powers[j][0], powers[i][1] + powers[j][1]]
        basis[i, 6] = plain[powers[i][0], powers[i][1]]
        basis[6, i] = basis[i, 6]
    basis[6, 6], crossed[6] = n, total
    for j in range(_N):
        _combine(basis[j], p, vector)  # basis is symmetric
        for i in range(_N):
            half[i, j] = vector[i]
    for i in range(_N):
        _combine(half[i], p, matrix[i])
    _combine(crossed, p, vector)
    # All columns of an image share the probe: a prior draws their shapes towards the common one.
    scale = prior[1] / (prior[0] * prior[0])
    pulled = cost
    for i, target, weight in ((3, prior[0], 1.0), (4, 0.0, 2.0), (5, prior[0], 1.0)):
        d = target - p[i]
        pulled += weight * scale * d * d
        vector[i] += weight * scale * d
        matrix[i, i] += weight * scale
    return cost, pulled


@njit(cache=True, **INNER)
def _workspace():
    square, plain, mixed = np.empty((5, 5)), np.empty((3, 3)), np.empty((3, 3))
    return square, plain, mixed, np.empty((_N, _N)), np.empty(_N), np.empty((_N, _N))


@njit(cache=True, **INNER)
def _minimise(p, disc, values, spans, prior, n_steps, tolerance):
    """Take Levenberg-Marquardt steps on the parameters `p` of one column."""
    work = _workspace()
    matrix, new_matrix, damped = np.empty((_N, _N)), np.empty((_N, _N)), np.empty((_N, _N))
    vector, new_vector, step, trial = np.empty(_N), np.empty(_N), np.empty(_N), np.empty(_N)
    damping = 1e-3
    cost = _normal_equations(p, disc, values, spans, prior, work, matrix, vector)[1]
    for _ in range(n_steps):
        _copy(matrix, damped)
        for i in range(_N):
            damped[i, i] += damping * matrix[i, i] + 1e-30
        sound = _factorise(damped)
        if sound:
            _substitute(damped, vector, step)
            for i in range(_N):
                trial[i] = p[i] + step[i]
            sound = trial[3] > 0.0 and trial[5] > 0.0 and trial[3] * trial[5] > trial[4] * trial[4]
            # The linear model is not valid for a step longer than a width.
            sound = sound and p[3] * step[1] ** 2 + p[5] * step[2] ** 2 < 4.0
        if sound:
            new = _normal_equations(trial, disc, values, spans, prior, work, new_matrix, new_vector)[1]
            if new < cost:
                for i in range(_N):
                    p[i] = trial[i]
                matrix, new_matrix = new_matrix, matrix
                vector, new_vector = new_vector, vector
                gain, cost = cost - new, new
                damping = max(damping * 0.2, 1e-9)
                if gain < tolerance * cost:
                    break
                continue
        damping *= 8.0
        if damping > 1e6:
            break


@njit(cache=True, **OUTER)
def measure_columns(first, last, image, old, radii, starts, neighbours, which, new, variance):
    """Measure amplitude and background of the columns `which` at fixed positions and shapes.

    `variance` (n, 2) receives the residual variance and the ratio of the variance of the amplitude to it.
    """
    for m in range(first, last):
        k = which[m]
        size = 2 * int(radii[k]) + 3
        values, spans = np.empty((size, size)), np.empty((size, 2), np.int64)
        p = old[k].copy()
        disc = open_disc(image, p[1], p[2], radii[k], values, spans)
        subtract_neighbours(k, old, radii[k], starts, neighbours, disc[0], disc[1], disc[2], values, spans)
        square, plain, mixed, cost, total, n = sums(p, disc[0], disc[1], disc[2], values, spans)
        for i in range(_N):
            new[k, i] = p[i]
        variance[k, 0] = variance[k, 1] = np.nan
        determinant = n * square - plain**2
        if n > 3 and determinant > 1e-9 * n * square:
            da = (n * mixed - plain * total) / determinant
            db = (square * total - plain * mixed) / determinant
            new[k, 0] += da
            new[k, 6] += db
            variance[k, 0] = max(cost - da * mixed - db * total, 0.0) / (n - 2)
            variance[k, 1] = n / determinant


@njit(cache=True, **OUTER)
def fit_columns(first, last, image, old, radii, starts, neighbours, prior, steps, new):
    """Run one pass of fits: each column against the image minus its neighbours of the last pass.

    `prior` holds the common precision and the weight of the prior. `steps` holds the number of steps and the
    relative improvement below which they end.
    """
    for k in range(first, last):
        size = 2 * int(radii[k]) + 3
        values, spans = np.empty((size, size)), np.empty((size, 2), np.int64)
        p = old[k].copy()
        disc = open_disc(image, p[1], p[2], radii[k], values, spans)
        subtract_neighbours(k, old, radii[k], starts, neighbours, disc[0], disc[1], disc[2], values, spans)
        n = 0
        for i in range(disc[2]):
            n += spans[i, 1] - spans[i, 0]
        if n > _N:
            _minimise(p, disc, values, spans, prior, int(steps[0]), steps[1])
        for i in range(_N):
            new[k, i] = p[i]


@njit(cache=True, **OUTER)
def fit_quality(first, last, image, columns, radii, starts, neighbours, which, prior, variance, spread):
    """Compute the residual variance of the fits `which` and the resulting variances of x, y, amplitude and precision.

    `spread` has a row for each of `which` and four columns, or two for amplitude and precision only. The variances
    of x and y use the sandwich estimator, H^-1 (sum r^2 J J^T) H^-1: counting noise is larger where the column is
    bright, which a single variance for all pixels would not include (White, Econometrica 48, 817 (1980)).
    """
    for m in range(first, last):
        k = which[m]
        size = 2 * int(radii[k]) + 3
        values, spans = np.empty((size, size)), np.empty((size, 2), np.int64)
        p = columns[k].copy()
        disc = open_disc(image, p[1], p[2], radii[k], values, spans)
        subtract_neighbours(
            k, columns, radii[k], starts, neighbours, disc[0], disc[1], disc[2], values, spans
        )
        variance[m] = np.nan
        for c in range(spread.shape[1]):
            spread[m, c] = np.nan
        work = _workspace()
        matrix, vector, inverse = np.empty((_N, _N)), np.empty(_N), np.empty((4, _N))
        cost = _normal_equations(p, disc, values, spans, prior, work, matrix, vector)[0]
        n = work[3][6, 6]
        if n <= _N:
            continue
        variance[m] = cost / (n - _N)
        if not _factorise(matrix):
            continue
        n_wanted = spread.shape[1]
        for c in range(4 - n_wanted, 4):
            for i in range(_N):
                vector[i] = 1.0 if i == _TARGETS[c] else 0.0
            _substitute(matrix, vector, inverse[c])
        spread[m, n_wanted - 2] = inverse[2, 0] * variance[m]
        spread[m, n_wanted - 1] = inverse[3, 3] * variance[m]
        if n_wanted == 2:
            continue
        spread[m, 0] = spread[m, 1] = 0.0
        decay, row = np.exp(-p[3]), np.empty((2, 3))
        for i in range(disc[2]):
            dy = disc[0] + i - p[2]
            for c in range(2):
                h = inverse[c]
                row[c, 0] = h[0] + p[0] * dy * (h[1] * p[4] + h[2] * p[5] - 0.5 * h[5] * dy)
                row[c, 1] = p[0] * (h[1] * p[3] + h[2] * p[4] - h[4] * dy)
                row[c, 2] = -0.5 * p[0] * h[3]
            dx = disc[1] + spans[i, 0] - p[1]
            g = np.exp(-0.5 * (p[3] * dx * dx + 2.0 * p[4] * dx * dy + p[5] * dy * dy))
            ratio = np.exp(-(p[3] * (dx + 0.5) + p[4] * dy))
            line = values[i, spans[i, 0] : spans[i, 1]]
            for j in range(len(line)):
                r = line[j] - p[0] * g - p[6]
                # A row of H^-1 J^T is g times a polynomial in dx, whose coefficients are constant along a row of pixels.
                for c in range(2):
                    pull = r * (g * (row[c, 0] + dx * (row[c, 1] + dx * row[c, 2])) + inverse[c, 6])
                    spread[m, c] += pull * pull
                g *= ratio
                ratio *= decay
                dx += 1.0
        for c in range(2):
            spread[m, c] *= n / (n - _N)


@njit(cache=True, **OUTER)
def centres_of_mass(first, last, image, columns, radii, starts, neighbours, which, out):
    """Compute the centres of mass over the discs of the columns `which`, minus their neighbours and the lowest value."""
    for m in range(first, last):
        k = which[m]
        size = 2 * int(radii[k]) + 3
        values, spans = np.empty((size, size)), np.empty((size, 2), np.int64)
        x, y = columns[k, 1], columns[k, 2]
        for _ in range(3):
            disc = open_disc(image, x, y, radii[k], values, spans)
            subtract_neighbours(
                k, columns, radii[k], starts, neighbours, disc[0], disc[1], disc[2], values, spans
            )
            lowest = np.inf
            for i in range(disc[2]):
                for j in range(spans[i, 0], spans[i, 1]):
                    lowest = min(lowest, values[i, j])
            mass = mx = my = 0.0
            for i in range(disc[2]):
                for j in range(spans[i, 0], spans[i, 1]):
                    w = values[i, j] - lowest
                    mass += w
                    mx += w * (disc[1] + j)
                    my += w * (disc[0] + i)
            if mass <= 0.0:
                break
            x, y = mx / mass, my / mass
        out[m, 0] = x
        out[m, 1] = y


@njit(cache=True, **OUTER)
def subtract_columns(image, columns):
    """Subtract all columns (not their backgrounds) from `image`, in place."""
    height, width = image.shape
    for k in range(len(columns)):
        p = columns[k]
        reach = np.sqrt(2.0 * FAINT / min(p[3], p[5]))
        decay = np.exp(-p[3])
        left = max(int(np.ceil(p[1] - reach)), 0)
        right = min(int(np.floor(p[1] + reach)) + 1, width)
        for i in range(max(int(np.ceil(p[2] - reach)), 0), min(int(np.floor(p[2] + reach)) + 1, height)):
            dy = i - p[2]
            dx = left - p[1]
            g = p[0] * np.exp(-0.5 * (p[3] * dx * dx + 2.0 * p[4] * dx * dy + p[5] * dy * dy))
            ratio = np.exp(-(p[3] * (dx + 0.5) + p[4] * dy))
            for j in range(left, right):
                image[i, j] -= g
                g *= ratio
                ratio *= decay
