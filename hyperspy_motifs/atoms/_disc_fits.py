"""Fits of columns to the pixels of their discs, many columns at a time: the kernels, the fits and their common shape.

A column is ``A exp(-(pxx dx^2 + 2 pxy dx dy + pyy dy^2) / 2) + b``, stored as the seven numbers A, x, y, pxx, pxy,
pyy, b. Along a row of pixels a Gaussian obeys g(j+1) = g(j) r(j), r(j+1) = r(j) exp(-pxx), so that a row needs two
exponentials instead of one per pixel.

The normal equations of a fit consist of moments of g and g^2 up to fourth order, where g is the Gaussian of the column.
Arrays have the columns of the image along their last axis, so that each step is one operation for all of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hyperspy_motifs.common import robust_spread
from hyperspy_motifs.threads import OUTER, over_rows

#: exp(-8): smaller contributions of a neighbour are neglected.
FAINT = 8.0


@njit(cache=True, **OUTER)
def subtract_columns(
    windows: NDArray[np.float64],
    corners: NDArray[np.int64],
    starts: NDArray[np.int64],
    others: NDArray[np.int64],
    columns: NDArray[np.float64],
) -> None:
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
def sum_moments(
    windows: NDArray[np.float64],
    which: NDArray[np.int64],
    discs: NDArray[np.float64],
    columns: NDArray[np.float64],
    weighted: bool,
    out: NDArray[np.float64],
) -> None:
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


# Bounds of the scatter of 1/sigma^2 among the columns of one image, relative to its common value.
NARROWEST_SHAPES = 0.05
WIDEST_SHAPES = 0.4
# Number of columns from which noise and common shape are estimated.
_SAMPLE = 4000


def spread_sample(n: int) -> NDArray[np.int64]:
    """Return ascending indices of columns that represent all `n`, without a period that matches a lattice."""
    if n <= _SAMPLE:
        return np.arange(n)
    golden = (np.sqrt(5) - 1) / 2
    return np.unique((np.arange(_SAMPLE) * golden % 1.0 * n).astype(np.int64))


def median_of_known(values: NDArray[np.float64]) -> float:
    """Return the median without NaN, as from failed fits; NaN if all values are NaN."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def shape_scatter(
    relative_precision: NDArray[np.float64], noise_variance: NDArray[np.float64], prior_scatter: float
) -> float:
    """Estimate the true scatter of the columns' shapes: the observed scatter minus the noise of the fits.

    A prior of `prior_scatter` drew the fits towards the common shape. Its effect is undone first.
    """
    noise = median_of_known(noise_variance)
    if not np.isfinite(noise):
        return prior_scatter
    shrink = prior_scatter**2 / (prior_scatter**2 + noise)
    seen = robust_spread(relative_precision - np.median(relative_precision)) ** 2
    return float(np.sqrt(np.clip(seen / shrink**2 - noise, NARROWEST_SHAPES**2, WIDEST_SHAPES**2)))


def common_precision(parameters: NDArray[np.float64]) -> float:
    """Return the median of the precisions over the stronger half of the columns."""
    strong = parameters[parameters[:, 0] >= np.median(parameters[:, 0])]
    return float(np.median(np.sqrt(np.maximum(strong[:, 3] * strong[:, 5] - strong[:, 4] ** 2, 1e-12))))


# Columns whose windows stay in the cache together.
_BLOCK = 512
_N = 7
# Powers of dx and dy in the derivatives of a column, without that by its background.
_POWERS = np.array([(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)])
# Parameters whose variances are computed: x, y, amplitude, precision along x.
_TARGETS = (1, 2, 0, 3)


def _places(kind: int, powers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of moments among the sums of a column; `powers` (..., 2)."""
    return 25 * kind + 5 * powers[..., 0] + powers[..., 1]


# Places of the number of pixels, of the sum of the residuals, that of their squares, and of the smallest residual.
_NUMBER, _TOTAL, _COST, _LOWEST = range(3 * 25, 3 * 25 + 4)
_CROSSED = np.append(_places(2, _POWERS), _TOTAL)
_BASIS = np.full((_N, _N), _NUMBER)
_BASIS[:6, :6] = _places(0, _POWERS[:, None] + _POWERS)
_BASIS[6, :6] = _BASIS[:6, 6] = _places(1, _POWERS)


class Discs:
    """Pixels around columns, minus the neighbours of each.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    columns : ndarray of shape (n, 7)
        All columns of the image.
    radii : ndarray of shape (n,)
        Pixels.
    table : tuple of ndarray
        Neighbours of each column, as CSR arrays.
    which : ndarray of shape (m,)
        Indices of the columns whose discs are opened.
    margin : float, optional
        Pixels by which discs may be moved.

    Attributes
    ----------
    corners : ndarray of shape (m, 2)
        Column and row of the first pixel of each window.
    columns : ndarray of shape (7, m)
        Parameters of the columns, with the coordinates of their windows.
    """

    def __init__(
        self,
        image: NDArray[np.float64],
        columns: NDArray[np.float64],
        radii: NDArray[np.float64],
        table: tuple[NDArray[np.int64], NDArray[np.int64]],
        which: NDArray[np.int64],
        margin: float = 0.0,
    ):
        positions, radius = columns[which, 1:3], radii[which, None]
        half = radius + margin
        # Windows of one size for all columns: those of a part of them would depend on the number of threads.
        sides = tuple(min(int(2 * (radii.max() + margin)) + 1, length) for length in image.shape)
        furthest = np.array([image.shape[1] - sides[1], image.shape[0] - sides[0]])
        self.corners = np.clip(np.ceil(positions - half), 0, furthest).astype(np.int64)
        around = sliding_window_view(image, sides)[self.corners[:, 1], self.corners[:, 0]]
        self._windows = np.ascontiguousarray(around)
        begin, counts = table[0][which], np.diff(table[0])[which]
        starts = np.concatenate([[0], np.cumsum(counts)])
        others = table[1][np.repeat(begin - starts[:-1], counts) + np.arange(starts[-1])]
        subtract_columns(self._windows, self.corners, starts, others, columns)
        self._discs = np.concatenate([positions - self.corners, radius], axis=1)
        self.columns = columns[which].T.copy()
        self.columns[1:3] -= self.corners.T

    def sums(
        self, columns: NDArray[np.float64], which: NDArray[np.int64], weighted: bool = False
    ) -> NDArray[np.float64]:
        """Return the sums of the discs `which` for `columns` (7, m), shape (100, m); see ``sum_moments``."""
        out = np.zeros((len(which), 4, 5, 5))
        sum_moments(self._windows, which, self._discs[which], np.ascontiguousarray(columns.T), weighted, out)
        return np.ascontiguousarray(out.reshape(len(which), 100).T)

    def moved(self, positions: NDArray[np.float64]) -> None:
        """Move the discs to `positions` (m, 2), with the coordinates of their windows."""
        self._discs[:, :2] = positions


def in_blocks(work: Callable[[NDArray[np.int64]], None], which: NDArray[np.int64]) -> None:
    """Call ``work(indices)`` on consecutive parts of the indices `which`."""

    def rows(first: int, last: int) -> None:
        for start in range(first, last, _BLOCK):
            work(which[start : min(start + _BLOCK, last)])

    over_rows(rows, len(which), least=_BLOCK // 4)


def _derivatives(v: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert g, g dx, g dy, g dx^2, g dx dy, g dy^2, 1 to the derivatives by A, x, y, pxx, pxy, pyy, b."""
    return np.stack(
        [
            v[0],
            p[0] * (p[3] * v[1] + p[4] * v[2]),
            p[0] * (p[4] * v[1] + p[5] * v[2]),
            -0.5 * p[0] * v[3],
            -p[0] * v[4],
            -0.5 * p[0] * v[5],
            v[6],
        ]
    )


def _products(sums: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of the products of derivatives, shape (7, 7, m)."""
    return _derivatives(_derivatives(sums[_BASIS], p).swapaxes(0, 1), p)


def _normal_equations(
    sums: NDArray[np.float64], p: NDArray[np.float64], prior: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return J^T J, J^T r and the cost, with the prior on the common shape.

    All columns of an image share the probe: a prior draws their shapes towards the common one.
    """
    matrix, vector = _products(sums, p), _derivatives(sums[_CROSSED], p)
    cost = sums[_COST].copy()
    scale = prior[1] / prior[0] ** 2
    for i, target, weight in ((3, prior[0], scale), (4, 0.0, 2 * scale), (5, prior[0], scale)):
        apart = target - p[i]
        cost += weight * apart * apart
        vector[i] += weight * apart
        matrix[i, i] += weight
    return matrix, vector, cost


def _factorise(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Cholesky factors of matrices (7, 7, m); not finite where one is not positive definite."""
    factor = np.zeros_like(matrix)
    for j in range(_N):
        rest = matrix[j:, j] - (factor[j:, :j] * factor[j, :j]).sum(axis=1)
        factor[j:, j] = rest / np.sqrt(rest[0])
    return factor


def _substitute(factor: NDArray[np.float64], vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve the equations whose matrices have these Cholesky factors, for vectors (7, m)."""
    out = np.empty_like(vector)
    for i in range(_N):
        out[i] = (vector[i] - (factor[i, :i] * out[:i]).sum(axis=0)) / factor[i, i]
    for i in reversed(range(_N)):
        out[i] = (out[i] - (factor[i + 1 :, i] * out[i + 1 :]).sum(axis=0)) / factor[i, i]
    return out


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def fitted(discs: Discs, prior: tuple[float, float], n_steps: int, tolerance: float) -> NDArray[np.float64]:
    """Return the columns (m, 7) after Levenberg-Marquardt steps, each against its own disc.

    `prior` holds the common precision and the weight of the prior. The steps of a column end when one improves its
    cost by less than a fraction of `tolerance`.
    """
    p = discs.columns.copy()
    every = np.arange(p.shape[1])
    sums = discs.sums(p, every)
    matrix, vector, cost = _normal_equations(sums, p, prior)
    damping = np.full(len(every), 1e-3)
    active = every[sums[_NUMBER] > _N]
    diagonal = np.arange(_N)
    for _ in range(n_steps):
        damped = matrix[..., active]
        damped[diagonal, diagonal] += damping[active] * damped[diagonal, diagonal] + 1e-30
        step = _substitute(_factorise(damped), vector[:, active])
        trial = p[:, active] + step
        sound = (trial[3] > 0.0) & (trial[5] > 0.0) & (trial[3] * trial[5] > trial[4] ** 2)
        # The linear model is not valid for a step longer than a width.
        sound &= p[3, active] * step[1] ** 2 + p[5, active] * step[2] ** 2 < 4.0
        tried, trial = active[sound], trial[:, sound]
        new_matrix, new_vector, new_cost = _normal_equations(discs.sums(trial, tried), trial, prior)
        better = new_cost < cost[tried]
        won = tried[better]
        settled = won[cost[won] - new_cost[better] < tolerance * new_cost[better]]
        p[:, won], cost[won] = trial[:, better], new_cost[better]
        matrix[..., won], vector[:, won] = new_matrix[..., better], new_vector[:, better]
        failed = np.setdiff1d(active, won, assume_unique=True)
        damping[won] = np.maximum(0.2 * damping[won], 1e-9)
        damping[failed] *= 8.0
        active = np.setdiff1d(active[damping[active] <= 1e6], settled, assume_unique=True)
        if not len(active):
            break
    p[1:3] += discs.corners.T
    return p.T


@np.errstate(divide="ignore", invalid="ignore")
def measured(discs: Discs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the columns (m, 7) with amplitude and background measured at fixed positions and shapes.

    The second array (m, 2) holds the residual variance and the ratio of the variance of the amplitude to it.
    """
    p = discs.columns.copy()
    sums = discs.sums(p, np.arange(p.shape[1]))
    n, square, plain, mixed, total = sums[[_NUMBER, 0, 25, 50, _TOTAL]]
    determinant = n * square - plain**2
    sound = (n > 3) & (determinant > 1e-9 * n * square)
    da = np.where(sound, (n * mixed - plain * total) / determinant, 0.0)
    db = np.where(sound, (square * total - plain * mixed) / determinant, 0.0)
    variance = np.maximum(sums[_COST] - da * mixed - db * total, 0.0) / (n - 2)
    p[0] += da
    p[6] += db
    p[1:3] += discs.corners.T
    return p.T, np.where(sound, [variance, n / determinant], np.nan).T


@np.errstate(divide="ignore", invalid="ignore")
def quality(
    discs: Discs, prior: tuple[float, float], shapes_only: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the residual variance (m,) and the resulting variances of x, y, amplitude and precision (m, 4).

    The variances of x and y use the sandwich estimator, H^-1 (sum r^2 J J^T) H^-1: counting noise is larger where the
    column is bright, which a single variance for all pixels would not include (White, Econometrica 48, 817 (1980)). If
    `shapes_only`, they are NaN.
    """
    p, every = discs.columns, np.arange(discs.columns.shape[1])
    sums = discs.sums(p, every)
    n = sums[_NUMBER]
    freedom = np.where(n > _N, n - _N, np.nan)
    factor = _factorise(_normal_equations(sums, p, prior)[0])
    variance = sums[_COST] / freedom
    spread = np.full((4, len(every)), np.nan)
    inverse = [_substitute(factor, np.tile(np.eye(_N)[i][:, None], len(every))) for i in _TARGETS]
    spread[2], spread[3] = inverse[2][0] * variance, inverse[3][3] * variance
    if not shapes_only:
        products = _products(discs.sums(p, every, weighted=True), p)
        for c in range(2):
            pulls = (products * inverse[c]).sum(axis=1)
            spread[c] = (pulls * inverse[c]).sum(axis=0) * n / freedom
    return variance, spread.T


@np.errstate(divide="ignore", invalid="ignore")
def centres_of_mass(discs: Discs, iterations: int = 3) -> NDArray[np.float64]:
    """Return the centres of mass (m, 2) over the discs, minus the lowest value; each iteration moves the discs there."""
    every = np.arange(discs.columns.shape[1])
    centre = discs.columns[1:3].copy()
    for _ in range(iterations):
        discs.moved(centre.T)
        # A column without extent has g = 1 in every pixel.
        flat = np.zeros_like(discs.columns)
        flat[1:3] = centre
        sums = discs.sums(flat, every)
        low = sums[_LOWEST]
        mass = sums[50] - low * sums[25]
        shift = (sums[_places(2, _POWERS[1:3])] - low * sums[_places(1, _POWERS[1:3])]) / mass
        centre = np.where(mass > 0, centre + shift, centre)
    return (centre + discs.corners.T).T
