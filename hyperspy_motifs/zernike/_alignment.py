"""Rotation and reflection at which patterns, or the means of classes, agree best."""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperspy_motifs.threads import INNER, OUTER, over_rows

from ._disc_basis import rotate_moments
from ._modes_and_noise import partner_columns, to_complex

# Grid angles per period of the finest term: no maximum is missed between them.
_PER_PERIOD = 8
# Candidates: grid maxima that could become the largest one after refinement (1 - cos(pi / 8) = 0.076).
_SLACK = 0.08
# Iterations of the mean of a class.
_ROUNDS = 3


class Alignment(NamedTuple):
    """Alignment of n patterns to r references.

    Attributes
    ----------
    angles : (n, r) float64 array
        Rotation in radians, -pi to pi, from x towards y, from the reference to the pattern.
    reflected : (n, r) bool array
        Whether the reference was mirrored (y -> -y) before that rotation.
    distance : (n, r) float64 array
        Distance after the alignment.
    """

    angles: NDArray[np.float64]
    reflected: NDArray[np.bool_]
    distance: NDArray[np.float64]


@nb.njit(cache=True, fastmath={"contract"}, **INNER)
def _refine(
    re: NDArray[np.float64], im: NDArray[np.float64], angle: float, step: float
) -> tuple[float, float]:
    """Newton steps to the maximum of sum re cos(m t) + im sin(m t) near a grid maximum."""
    value = 0.0
    for _ in range(12):
        c1, s1 = np.cos(angle), np.sin(angle)
        c, s = 1.0, 0.0
        value = np.float64(re[0])
        first, second = 0.0, 0.0
        for m in range(1, len(re)):
            c, s = c * c1 - s * s1, s * c1 + c * s1
            even = re[m] * c + im[m] * s
            value += even
            first += m * (im[m] * c - re[m] * s)
            second -= m * m * even
        if second >= 0.0:
            move = step if first > 0 else -step
        else:
            move = min(max(-first / second, -step), step)
        if abs(move) < 1e-10:
            break
        angle += move
        step *= 0.9
    return value, angle


@nb.njit(cache=True, fastmath={"contract"}, **INNER)
def fit_angle(
    re: NDArray[np.float64],
    im: NDArray[np.float64],
    cosine: NDArray[np.float32],
    sine: NDArray[np.float32],
    grid: NDArray[np.float32],
) -> tuple[float, float]:
    """Largest value and its angle of sum re cos(m t) + im sin(m t), a trigonometric polynomial."""
    n_angles = cosine.shape[1]
    grid[:] = np.float32(re[0])
    total = np.float32(0.0)
    for m in range(1, len(re)):
        # Single precision finds the peaks; they are refined in double.
        a, b = np.float32(re[m]), np.float32(im[m])
        total += np.hypot(a, b)
        row_c, row_s = cosine[m], sine[m]
        for t in range(n_angles):
            grid[t] += a * row_c[t] + b * row_s[t]
    top = grid[0]
    for t in range(1, n_angles):
        top = max(top, grid[t])
    floor = top - np.float32(_SLACK) * total
    step = 2.0 * np.pi / n_angles
    best, best_angle = -np.inf, 0.0
    for t in range(n_angles):
        before = grid[n_angles - 1] if t == 0 else grid[t - 1]
        after = grid[0] if t == n_angles - 1 else grid[t + 1]
        if grid[t] >= floor and grid[t] >= before and grid[t] > after:
            value, angle = _refine(re, im, t * step, step)
            if value > best:
                best, best_angle = value, angle
    if best == -np.inf:
        best, best_angle = np.float64(top), 0.0
    return best, best_angle


@nb.njit(cache=True, fastmath={"contract"}, **INNER)
def _align_pair(
    a: NDArray[np.complexfloating],
    b: NDArray[np.complexfloating],
    order: NDArray[np.int64],
    reflection: bool,
    cosine: NDArray[np.float32],
    sine: NDArray[np.float32],
) -> tuple[float, bool, float]:
    """Angle, reflection, and squared distance of one pattern from one reference."""
    grid = np.empty(cosine.shape[1], np.float32)
    norm = 0.0
    for k in range(len(order)):
        norm += np.float64(a[k].real) ** 2 + np.float64(a[k].imag) ** 2
        norm += np.float64(b[k].real) ** 2 + np.float64(b[k].imag) ** 2
    best, best_angle, mirrored = -np.inf, 0.0, False
    for mirror in range(2 if reflection else 1):
        re = np.zeros(cosine.shape[0])
        im = np.zeros(cosine.shape[0])
        for k in range(len(order)):
            x, y = np.float64(a[k].real), np.float64(a[k].imag)
            u, v = np.float64(b[k].real), np.float64(b[k].imag)
            v = -v if mirror else v
            re[order[k]] += x * u + y * v
            im[order[k]] += y * u - x * v
        value, angle = fit_angle(re, im, cosine, sine, grid)
        # A pattern with a mirror axis fits both: it is then not reflected.
        if value > best + 1e-6 * norm:
            best, best_angle, mirrored = value, angle, mirror == 1
    return best_angle, mirrored, norm - 2.0 * best


@nb.njit(cache=True, **OUTER)
def _align(
    first: int,
    last: int,
    a: NDArray[np.complexfloating],
    b: NDArray[np.complexfloating],
    order: NDArray[np.int64],
    reflection: bool,
    cosine: NDArray[np.float32],
    sine: NDArray[np.float32],
    angles: NDArray[np.float64],
    reflected: NDArray[np.bool_],
    squared: NDArray[np.float64],
) -> None:
    for i in range(first, last):
        for j in range(angles.shape[1]):
            angle, mirrored, value = _align_pair(a[i], b[j], order, reflection, cosine, sine)
            angles[i, j], reflected[i, j], squared[i, j] = angle, mirrored, value


def _complex(
    values: ArrayLike, modes: NDArray[np.int64], weights: ArrayLike | None
) -> tuple[NDArray[np.complexfloating], NDArray[np.int64]]:
    real = np.asarray(values)
    real = real if real.dtype.kind == "f" else real.astype(np.float64)
    if weights is not None:
        scale = np.asarray(weights, dtype=real.dtype)
        if scale.shape != (real.shape[-1],):
            raise ValueError(f"{real.shape[-1]} weights are needed, one per mode, not {scale.shape}.")
        if not np.allclose(scale, scale[partner_columns(modes)], rtol=1e-3):
            raise ValueError(
                "Sine and cosine of one mode need the same weight, otherwise this is not a rotation."
            )
        real = real * scale
    return to_complex(real, modes)


def align(
    moments: ArrayLike,
    references: ArrayLike,
    modes: NDArray[np.int64],
    *,
    reflection: bool = False,
    weights: ArrayLike | None = None,
) -> Alignment:
    r"""Align many patterns to a few references.

    Parameters
    ----------
    moments : (n, K) array_like
        Real moments.
    references : (r, K) or (K,) array_like
        Real moments of the references, for example the mean of each motif.
    modes : (K, 2) int array
        (n, m) of the moments.
    reflection : bool
        Whether to include the mirror image of each reference.
    weights : (K,) array_like, optional
        Factor for each moment, for example 1 / noise, equal for sine and cosine of a mode.

    Returns
    -------
    Alignment
        Angles, reflected and distance, each (n, r).

    Notes
    -----
    With complex moments the distance is

    .. math::
        d^2 = \min_\theta \sum_{nm} |A_{nm} - B_{nm} e^{i m \theta}|^2
            = |A|^2 + |B|^2 - 2 \max_\theta \Re \sum_m c_m e^{-i m \theta},
        \quad c_m = \sum_n A_{nm} B_{nm}^*,

    a trigonometric polynomial of few terms (Revaud, Lavoué and Baskurt, IEEE TPAMI 31 (2009) 627). It is evaluated at
    8 angles per period of its finest term, and each grid maximum that could be the largest is refined by Newton's
    method, so the result is exact. A reference with n-fold symmetry has n equal angles; one of them is given.
    """
    a, kept = _complex(np.atleast_2d(np.asarray(moments)), modes, weights)
    b, _ = _complex(np.atleast_2d(np.asarray(references)), modes, weights)
    orders = kept[:, 1]
    cosine, sine = angle_tables(int(orders.max()) + 1)
    shape = (len(a), len(b))
    angles, squared, reflected = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool)
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b.astype(a.dtype))
    over_rows(_align, len(a), a, b, orders, reflection, cosine, sine, angles, reflected, squared)
    angles = (angles + np.pi) % (2 * np.pi) - np.pi
    return Alignment(angles, reflected, np.sqrt(np.maximum(squared, 0)))


def angle_tables(n_orders: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return cos(m t) and sin(m t) for the orders m (rows) at the angles t of the grid, 8 per period of the finest."""
    n_angles = _PER_PERIOD * max(n_orders - 1, 2)
    phase = 2 * np.pi / n_angles * np.outer(np.arange(n_orders), np.arange(n_angles))
    return np.cos(phase).astype(np.float32), np.sin(phase).astype(np.float32)


class ClassAlignment(NamedTuple):
    """Alignment of patterns to the mean of their class.

    Attributes
    ----------
    means : (k, K) array
        Mean moments of each class, after every member was rotated back; NaN for a class without valid members.
    angles : (n,) array
        Rotation in radians, from x towards y, from the mean of its class to the pattern; NaN if the moments are
        unknown.
    mirrored : (n,) bool array
        Whether the mean was mirrored (y to -y) before that rotation.
    distance : (n,) array
        Distance to the mean after alignment, in units of the weights.
    """

    means: NDArray[np.float64]
    angles: NDArray[np.float64]
    mirrored: NDArray[np.bool_]
    distance: NDArray[np.float64]


def align_classes(
    moments: ArrayLike,
    labels: ArrayLike,
    modes: NDArray[np.int64],
    *,
    reflection: bool = True,
    weights: ArrayLike | None = None,
) -> ClassAlignment:
    """Align the members of each class to the mean of that class, which is computed from the aligned members.

    Parameters
    ----------
    moments : (n, K) array_like
        Real moments; rows with NaN are excluded from the means.
    labels : (n,) array_like of int
        Class of each pattern, from 0.
    modes : (K, 2) int array
        (n, m) of the moments.
    reflection : bool
        Whether a pattern may be the mirror image of its mean.
    weights : (K,) array_like, optional
        Factor for each moment, for example 1 / noise, equal for sine and cosine of a mode.

    Returns
    -------
    ClassAlignment

    Notes
    -----
    Alignment to a reference that is the mean of the aligned patterns is the 2-D class average of electron
    cryomicroscopy (Penczek, Radermacher and Frank, Ultramicroscopy 40 (1992) 33). It starts from the member whose
    rotation invariants are nearest to the median of its class.
    """
    values = np.asarray(moments, dtype=np.float64)
    classes = np.asarray(labels)
    known = np.isfinite(values).all(axis=1)
    n_classes = int(classes.max()) + 1 if len(classes) else 0
    factor = np.ones(values.shape[1]) if weights is None else np.asarray(weights, dtype=np.float64)
    means = np.full((n_classes, values.shape[1]), np.nan)
    angles, distance = np.full(len(values), np.nan), np.full(len(values), np.nan)
    mirrored = np.zeros(len(values), dtype=bool)
    sine = modes[:, 1] < 0
    for k in range(n_classes):
        members = np.flatnonzero((classes == k) & known)
        if not len(members):
            continue
        mine = values[members]
        reference = mine[_most_typical(mine * factor, modes)]
        for _ in range(_ROUNDS):
            found = align(mine, reference, modes, reflection=reflection, weights=factor)
            turned = rotate_moments(mine, modes, -found.angles[:, 0])
            turned[np.ix_(found.reflected[:, 0], sine)] *= -1
            reference = turned.mean(axis=0)
        found = align(mine, reference, modes, reflection=reflection, weights=factor)
        means[k] = reference
        angles[members], mirrored[members] = found.angles[:, 0], found.reflected[:, 0]
        distance[members] = found.distance[:, 0]
    return ClassAlignment(means, angles, mirrored, distance)


def _most_typical(values: NDArray[np.float64], modes: NDArray[np.int64]) -> int:
    """Index of the row whose rotation invariants are nearest to the median of all."""
    parts, kept = to_complex(values, modes)
    invariants = np.where(kept[:, 1] == 0, parts.real, np.abs(parts))
    return int(((invariants - np.median(invariants, axis=0)) ** 2).sum(axis=1).argmin())
