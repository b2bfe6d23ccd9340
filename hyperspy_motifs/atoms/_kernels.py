"""Compiled kernels of the sub-pixel refinement: windows of the image, and sums over the disc of a column.

A column is ``A exp(-(pxx dx^2 + 2 pxy dx dy + pyy dy^2) / 2) + b``, stored as the seven numbers A, x, y, pxx, pxy,
pyy, b. Along a row of pixels a Gaussian obeys g(j+1) = g(j) r(j), r(j+1) = r(j) exp(-pxx), so that a row needs two
exponentials instead of one per pixel.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hyperspy_motifs.compilation import OUTER

#: exp(-8): smaller contributions of a neighbour are neglected.
FAINT = 8.0


@njit(cache=True, **OUTER)
def subtract_columns(windows, corners, starts, others, columns):
    """Subtract from each window the columns (not their backgrounds) `others[starts[k]:starts[k + 1]]`, in place.

    `corners` (k, 2) holds the column and row in the image of the first pixel of each window (k, rows, columns).
    """
    for k in range(len(windows)):
        for m in range(starts[k], starts[k + 1]):
            p = columns[others[m]]
            x, y = p[1] - corners[k, 0], p[2] - corners[k, 1]
            reach = np.sqrt(2.0 * FAINT / (p[3] * p[5] - p[4] * p[4]))
            reach_x, reach_y = reach * np.sqrt(p[5]), reach * np.sqrt(p[3])
            left, right = max(int(np.ceil(x - reach_x)), 0), min(int(x + reach_x) + 1, windows.shape[2])
            if p[0] == 0.0 or x + reach_x < 0.0 or left >= right:
                continue
            decay = np.exp(-p[3])
            for i in range(
                max(int(np.ceil(y - reach_y)), 0), min(int(np.floor(y + reach_y)) + 1, windows.shape[1])
            ):
                dx, dy = left - x, i - y
                g = p[0] * np.exp(-0.5 * (p[3] * dx * dx + 2.0 * p[4] * dx * dy + p[5] * dy * dy))
                ratio = np.exp(-(p[3] * (dx + 0.5) + p[4] * dy))
                line = windows[k, i, left:right]
                for j in range(len(line)):
                    line[j] -= g
                    g *= ratio
                    ratio *= decay


@njit(cache=True, **OUTER)
def sum_moments(windows, which, discs, columns, weighted, out):
    """Sum over the discs of columns: moments of g^2 (to order 4), of g and of g times the residual (to order 2).

    Disc and column have the coordinates of the window ``windows[which[k]]``. `out` (k, 4, 5, 5) receives the moments
    along x and y, and in its last entry the number of pixels, the sum of the residuals, that of their squares, and the
    smallest residual. If `weighted`, each pixel of the number and of the moments of g^2 and g counts as often as the
    square of its residual.
    """
    for k in range(len(which)):
        p, sums = columns[k], out[k]
        x, y, radius = discs[k, 0], discs[k, 1], discs[k, 2]
        decay = np.exp(-p[3])
        number = cost = total = 0.0
        lowest = np.inf
        for i in range(
            max(int(np.ceil(y - radius)), 0), min(int(np.floor(y + radius)) + 1, windows.shape[1])
        ):
            half = np.sqrt(max(radius * radius - (i - y) ** 2, 0.0))
            first, last = max(int(np.ceil(x - half)), 0), int(np.floor(x + half)) + 1
            dx, dy = first - p[1], i - p[2]
            g = np.exp(-0.5 * (p[3] * dx * dx + 2.0 * p[4] * dx * dy + p[5] * dy * dy))
            ratio = np.exp(-(p[3] * (dx + 0.5) + p[4] * dy))
            s0 = s1 = s2 = s3 = s4 = t0 = t1 = t2 = u0 = u1 = u2 = 0.0
            line = windows[which[k], i, first:last]
            for j in range(len(line)):
                r = line[j] - p[0] * g - p[6]
                weight = r * r if weighted else 1.0
                cost += r * r
                total += r
                lowest = min(lowest, r)
                number += weight
                t = weight * g
                s = t * g
                u = r * g
                s0 += s
                s1 += s * dx
                t0 += t
                t1 += t * dx
                u0 += u
                u1 += u * dx
                square = dx * dx
                s2 += s * square
                t2 += t * square
                u2 += u * square
                s3 += s * square * dx
                s4 += s * square * square
                g *= ratio
                ratio *= decay
                dx += 1.0
            of_row = ((s0, s1, s2, s3, s4), (t0, t1, t2, 0.0, 0.0), (u0, u1, u2, 0.0, 0.0))
            power = 1.0
            for b in range(5):
                for a in range(5 - b):
                    for c in range(3):
                        sums[c, a, b] += of_row[c][a] * power
                power *= dy
        sums[3, 0, 0], sums[3, 0, 1], sums[3, 0, 2], sums[3, 0, 3] = number, total, cost, lowest
