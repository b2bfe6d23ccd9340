"""Compiled kernels of the sub-pixel refinement: each index writes its own output only."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

# Parameters of a column: amplitude, x, y, precision matrix (xx, xy, yy), background.
_N = 7


@njit(cache=True, nogil=True, inline="always")
def _solve(matrix, vector, n, out):
    """Cholesky solution of an n x n system in place; False when the matrix is not positive definite."""
    for i in range(n):
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
    for i in range(n):
        total = vector[i]
        for k in range(i):
            total -= matrix[i, k] * out[k]
        out[i] = total / matrix[i, i]
    for i in range(n - 1, -1, -1):
        total = out[i]
        for k in range(i + 1, n):
            total -= matrix[k, i] * out[k]
        out[i] = total / matrix[i, i]
    return True


@njit(cache=True, nogil=True)
def _collect(image, x, y, radius, px, py, values):
    """Pixels of the disc of `radius` round (x, y) that lie in the image."""
    height, width = image.shape
    n = 0
    reach = int(np.ceil(radius))
    ci, cj = int(np.rint(y)), int(np.rint(x))
    for i in range(max(ci - reach, 0), min(ci + reach + 1, height)):
        for j in range(max(cj - reach, 0), min(cj + reach + 1, width)):
            if (i - y) ** 2 + (j - x) ** 2 <= radius * radius:
                px[n] = j
                py[n] = i
                values[n] = image[i, j]
                n += 1
    return n


@njit(cache=True, nogil=True)
def _subtract_neighbours(k, old, starts, neighbours, px, py, values, n):
    for m in range(starts[k], starts[k + 1]):
        p = old[neighbours[m]]
        for a in range(n):
            dx = px[a] - p[1]
            dy = py[a] - p[2]
            exponent = 0.5 * (p[3] * dx * dx + 2.0 * p[4] * dx * dy + p[5] * dy * dy)
            if exponent < 12.0:
                values[a] -= p[0] * np.exp(-exponent)


@njit(cache=True, nogil=True)
def _normal_equations(p, px, py, values, n, prior_precision, prior_strength, matrix, vector):
    """Fill J^T J (lower part) and J^T r; returns the cost."""
    for i in range(_N):
        vector[i] = 0.0
        for j in range(_N):
            matrix[i, j] = 0.0
    gradient = np.empty(_N)
    cost = 0.0
    for a in range(n):
        dx = px[a] - p[1]
        dy = py[a] - p[2]
        g = np.exp(-0.5 * (p[3] * dx * dx + 2.0 * p[4] * dx * dy + p[5] * dy * dy))
        f = p[0] * g
        gradient[0] = g
        gradient[1] = f * (p[3] * dx + p[4] * dy)
        gradient[2] = f * (p[4] * dx + p[5] * dy)
        gradient[3] = -0.5 * f * dx * dx
        gradient[4] = -f * dx * dy
        gradient[5] = -0.5 * f * dy * dy
        gradient[6] = 1.0
        r = values[a] - f - p[6]
        cost += r * r
        for i in range(_N):
            vector[i] += gradient[i] * r
            for j in range(i + 1):
                matrix[i, j] += gradient[i] * gradient[j]
    # All columns of an image share the probe: their shapes are drawn towards the common one.
    scale = prior_strength / (prior_precision * prior_precision)
    for i, target, weight in ((3, prior_precision, 1.0), (4, 0.0, 2.0), (5, prior_precision, 1.0)):
        d = target - p[i]
        cost += weight * scale * d * d
        vector[i] += weight * scale * d
        matrix[i, i] += weight * scale
    return cost


@njit(cache=True, nogil=True)
def _cost(p, px, py, values, n, prior_precision, prior_strength):
    cost = 0.0
    for a in range(n):
        dx = px[a] - p[1]
        dy = py[a] - p[2]
        r = values[a] - p[6] - p[0] * np.exp(-0.5 * (p[3] * dx * dx + 2.0 * p[4] * dx * dy + p[5] * dy * dy))
        cost += r * r
    scale = prior_strength / (prior_precision * prior_precision)
    cost += scale * ((p[3] - prior_precision) ** 2 + 2.0 * p[4] ** 2 + (p[5] - prior_precision) ** 2)
    return cost


@njit(cache=True, nogil=True)
def _minimise(p, px, py, values, n, prior_precision, prior_strength, n_steps):
    """Levenberg-Marquardt steps on the parameters `p` of one column."""
    matrix = np.empty((_N, _N))
    damped = np.empty((_N, _N))
    vector = np.empty(_N)
    step = np.empty(_N)
    trial = np.empty(_N)
    damping = 1e-3
    cost = _normal_equations(p, px, py, values, n, prior_precision, prior_strength, matrix, vector)
    for _ in range(n_steps):
        for i in range(_N):
            for j in range(i + 1):
                damped[i, j] = matrix[i, j]
            damped[i, i] = matrix[i, i] * (1.0 + damping) + 1e-30
        if not _solve(damped, vector, _N, step):
            damping *= 10.0
            continue
        for i in range(_N):
            trial[i] = p[i] + step[i]
        sound = trial[3] > 0.0 and trial[5] > 0.0 and trial[3] * trial[5] > trial[4] * trial[4]
        new = _cost(trial, px, py, values, n, prior_precision, prior_strength) if sound else np.inf
        if new < cost:
            for i in range(_N):
                p[i] = trial[i]
            done = cost - new < 1e-6 * cost
            damping = max(damping * 0.2, 1e-9)
            cost = _normal_equations(p, px, py, values, n, prior_precision, prior_strength, matrix, vector)
            if done:
                break
        else:
            damping *= 8.0
            if damping > 1e6:
                break


@njit(cache=True, nogil=True, parallel=True)
def linear_start(image, old, radii, starts, neighbours, new, variance):
    """Amplitude and background of all columns at fixed places and shapes.

    `variance` (n, 2) takes the residual variance and the variance of the amplitude over it.
    """
    for k in prange(len(old)):
        size = (2 * int(np.ceil(radii[k])) + 3) ** 2
        px, py, values = np.empty(size), np.empty(size), np.empty(size)
        p = old[k]
        n = _collect(image, p[1], p[2], radii[k], px, py, values)
        _subtract_neighbours(k, old, starts, neighbours, px, py, values, n)
        sg = sgg = sv = sgv = svv = 0.0
        for a in range(n):
            dx = px[a] - p[1]
            dy = py[a] - p[2]
            g = np.exp(-0.5 * (p[3] * dx * dx + 2.0 * p[4] * dx * dy + p[5] * dy * dy))
            sg += g
            sgg += g * g
            sv += values[a]
            sgv += g * values[a]
            svv += values[a] * values[a]
        for i in range(_N):
            new[k, i] = p[i]
        variance[k, 0] = np.nan
        variance[k, 1] = np.nan
        determinant = n * sgg - sg * sg
        if n > 3 and determinant > 1e-12:
            amplitude = (n * sgv - sg * sv) / determinant
            background = (sgg * sv - sg * sgv) / determinant
            new[k, 0] = amplitude
            new[k, 6] = background
            variance[k, 0] = max(svv - amplitude * sgv - background * sv, 0.0) / (n - 2)
            variance[k, 1] = n / determinant


@njit(cache=True, nogil=True, parallel=True)
def fit_columns(image, old, radii, starts, neighbours, prior_precision, prior_strength, n_steps, new):
    """One pass of fits: each column against the image less its neighbours of the last pass."""
    for k in prange(len(old)):
        size = (2 * int(np.ceil(radii[k])) + 3) ** 2
        px, py, values = np.empty(size), np.empty(size), np.empty(size)
        n = _collect(image, old[k, 1], old[k, 2], radii[k], px, py, values)
        _subtract_neighbours(k, old, starts, neighbours, px, py, values, n)
        p = old[k].copy()
        if n > _N:
            _minimise(p, px, py, values, n, prior_precision, prior_strength, n_steps)
        for i in range(_N):
            new[k, i] = p[i]


@njit(cache=True, nogil=True, parallel=True)
def fit_quality(image, parameters, radii, starts, neighbours, prior, variance, spread):
    """Residual variance of each fit, and from it the variances of x, y, amplitude and precision.

    `prior` holds the common precision and the strength of the pull towards it.
    """
    targets = np.array([1, 2, 0, 3])
    for k in prange(len(parameters)):
        size = (2 * int(np.ceil(radii[k])) + 3) ** 2
        px, py, values = np.empty(size), np.empty(size), np.empty(size)
        p = parameters[k].copy()
        n = _collect(image, p[1], p[2], radii[k], px, py, values)
        _subtract_neighbours(k, parameters, starts, neighbours, px, py, values, n)
        variance[k] = np.nan
        spread[k, :] = np.nan
        if n <= _N:
            continue
        matrix = np.empty((_N, _N))
        vector = np.empty(_N)
        work = np.empty((_N, _N))
        column = np.empty(_N)
        _normal_equations(p, px, py, values, n, prior[0], prior[1], matrix, vector)
        variance[k] = _cost(p, px, py, values, n, prior[0], 0.0) / (n - _N)
        for c in range(len(targets)):
            for i in range(_N):
                vector[i] = 0.0
                for j in range(i + 1):
                    work[i, j] = matrix[i, j]
            vector[targets[c]] = 1.0
            if _solve(work, vector, _N, column):
                spread[k, c] = column[targets[c]] * variance[k]


@njit(cache=True, nogil=True, parallel=True)
def centres_of_mass(image, parameters, radii, starts, neighbours, out):
    """Centre of mass over the disc of each column, its neighbours and the lowest value taken off."""
    for k in prange(len(parameters)):
        size = (2 * int(np.ceil(radii[k])) + 3) ** 2
        px, py, values = np.empty(size), np.empty(size), np.empty(size)
        x, y = parameters[k, 1], parameters[k, 2]
        for _ in range(3):
            n = _collect(image, x, y, radii[k], px, py, values)
            _subtract_neighbours(k, parameters, starts, neighbours, px, py, values, n)
            if n == 0:
                break
            lowest = values[:n].min()
            mass = mx = my = 0.0
            for a in range(n):
                w = values[a] - lowest
                mass += w
                mx += w * px[a]
                my += w * py[a]
            if mass <= 0.0:
                break
            x, y = mx / mass, my / mass
        out[k, 0] = x
        out[k, 1] = y
