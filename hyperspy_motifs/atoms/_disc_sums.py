"""Pixels of the disc around a column, and sums over its Gaussian: compiled functions for the kernels of the refinement.

Along a row of pixels a Gaussian obeys g(j+1) = g(j) r(j), r(j+1) = r(j) exp(-pxx). A row thus needs two exponentials
instead of one per pixel. Rows are accessed as array slices, so that numba can omit the check for negative indices.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hyperspy_motifs.compilation import INNER

#: exp(-8): smaller contributions of a neighbour are neglected.
FAINT = 8.0


@njit(cache=True, **INNER)
def open_disc(image, x, y, radius, values, spans):
    """Copy the disc of `radius` around (x, y) to `values`; returns its top row, left column and height.

    `spans` (height, 2) receives the first and last column (excluded) of each row, relative to the left column.
    """
    height, width = image.shape
    top = max(int(np.ceil(y - radius)), 0)
    bottom = min(int(np.floor(y + radius)) + 1, height)
    left = max(int(np.ceil(x - radius)), 0)
    for i in range(top, bottom):
        half = np.sqrt(max(radius * radius - (i - y) ** 2, 0.0))
        first = max(int(np.ceil(x - half)), 0)
        last = min(int(np.floor(x + half)) + 1, width)
        last = max(last, first)
        spans[i - top, 0] = first - left
        spans[i - top, 1] = last - left
        source, target = image[i, first:last], values[i - top, first - left : last - left]
        for j in range(len(source)):
            target[j] = source[j]
    return top, left, max(bottom - top, 0)


@njit(cache=True, **INNER)
def subtract_neighbours(k, columns, radius, starts, neighbours, top, left, rows, values, spans):
    x, y = columns[k, 1], columns[k, 2]
    for m in range(starts[k], starts[k + 1]):
        p = columns[neighbours[m]]
        gap = max(np.sqrt((p[1] - x) ** 2 + (p[2] - y) ** 2) - radius, 0.0)
        if p[0] == 0.0 or 0.5 * min(p[3], p[5]) * gap * gap > FAINT:
            continue
        decay = np.exp(-p[3])
        reach = np.sqrt(2.0 * FAINT / (p[3] * p[5] - p[4] * p[4]))
        reach_x, reach_y = reach * np.sqrt(p[5]), reach * np.sqrt(p[3])
        first = int(np.ceil(p[1] - reach_x)) - left
        last = int(np.floor(p[1] + reach_x)) + 1 - left
        above = max(int(np.ceil(p[2] - reach_y)) - top, 0)
        below = min(int(np.floor(p[2] + reach_y)) + 1 - top, rows)
        for i in range(above, below):
            begin, end = max(spans[i, 0], first), min(spans[i, 1], last)
            if begin >= end:
                continue
            dy = top + i - p[2]
            dx = left + begin - p[1]
            g = p[0] * np.exp(-0.5 * (p[3] * dx * dx + 2.0 * p[4] * dx * dy + p[5] * dy * dy))
            ratio = np.exp(-(p[3] * (dx + 0.5) + p[4] * dy))
            line = values[i, begin:end]
            for j in range(len(line)):
                line[j] -= g
                g *= ratio
                ratio *= decay


@njit(cache=True, **INNER)
def moments(p, top, left, rows, values, spans, square, plain, mixed):
    """Compute moments of g^2 (to order 4), g and g times residual (to order 2); returns cost, sum of residuals, pixels."""
    for a in range(5):
        for b in range(5):
            square[a, b] = 0.0
            if a < 3 and b < 3:
                plain[a, b] = mixed[a, b] = 0.0
    cost = total = 0.0
    n = 0
    decay = np.exp(-p[3])
    for i in range(rows):
        dy = top + i - p[2]
        dx = left + spans[i, 0] - p[1]
        g = np.exp(-0.5 * (p[3] * dx * dx + 2.0 * p[4] * dx * dy + p[5] * dy * dy))
        ratio = np.exp(-(p[3] * (dx + 0.5) + p[4] * dy))
        s0 = s1 = s2 = s3 = s4 = t0 = t1 = t2 = u0 = u1 = u2 = 0.0
        line = values[i, spans[i, 0] : spans[i, 1]]
        for j in range(len(line)):
            r = line[j] - p[0] * g - p[6]
            cost += r * r
            total += r
            w = g * g
            s0 += w
            w *= dx
            s1 += w
            w *= dx
            s2 += w
            w *= dx
            s3 += w
            s4 += w * dx
            w = g * dx
            t0 += g
            t1 += w
            t2 += w * dx
            w = g * r
            u0 += w
            w *= dx
            u1 += w
            u2 += w * dx
            g *= ratio
            ratio *= decay
            dx += 1.0
        n += spans[i, 1] - spans[i, 0]
        power = 1.0
        for b in range(5):
            square[0, b] += s0 * power
            if b < 4:
                square[1, b] += s1 * power
            if b < 3:
                square[2, b] += s2 * power
                plain[0, b] += t0 * power
                mixed[0, b] += u0 * power
            if b < 2:
                square[3, b] += s3 * power
                plain[1, b] += t1 * power
                mixed[1, b] += u1 * power
            if b < 1:
                square[4, b] += s4
                plain[2, b] += t2
                mixed[2, b] += u2
            power *= dy
    return cost, total, n


@njit(cache=True, **INNER)
def sums(p, top, left, rows, values, spans):
    """Return sums of g^2, g, g times residual, squared residual and residual, and the number of pixels."""
    square = plain = mixed = cost = total = 0.0
    n = 0
    decay = np.exp(-p[3])
    for i in range(rows):
        dy = top + i - p[2]
        dx = left + spans[i, 0] - p[1]
        g = np.exp(-0.5 * (p[3] * dx * dx + 2.0 * p[4] * dx * dy + p[5] * dy * dy))
        ratio = np.exp(-(p[3] * (dx + 0.5) + p[4] * dy))
        line = values[i, spans[i, 0] : spans[i, 1]]
        for j in range(len(line)):
            r = line[j] - p[0] * g - p[6]
            square += g * g
            plain += g
            mixed += g * r
            cost += r * r
            total += r
            g *= ratio
            ratio *= decay
        n += spans[i, 1] - spans[i, 0]
    return square, plain, mixed, cost, total, n
