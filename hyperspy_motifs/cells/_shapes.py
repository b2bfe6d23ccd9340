"""Shapes of polygons: Fourier moments, classes separated by gaps, class means, strain and orientation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._constants import CONSTANTS


def shape_moments(corners: NDArray[np.complexfloating]) -> NDArray[np.float64]:
    r"""Invariants (m, 2 (n - 2)) of polygons (m, n) against translation, scale, rotation, reflection and first corner.

    With the Fourier moments of the corners :math:`c_k = x_k + i y_k` about their mean, :math:`C_p = \frac1n \sum_k
    c_k e^{-2 \pi i p k / n}`, a regular polygon has only :math:`C_1`. The relative moments :math:`a_p = C_p / C_1` do
    not change under translation, scale and rotation; another first corner turns :math:`a_p` by :math:`2 \pi (p - 1) /
    n`, which leaves :math:`|a_p|` and :math:`b_p = \operatorname{Re}(a_p^{g}) / |a_p|^{g - 1}` with g the least
    positive number for which g (p - 1) is a multiple of n; a reflection conjugates :math:`a_p` and so keeps them as
    well. For n = 4, :math:`b_{-1}` is positive for a rhomb and negative for a rectangle, :math:`a_2` identifies a
    kite or trapezoid. The result holds :math:`|a_p|`, then :math:`b_p`, for p = 2...n-1, in units of the radius.
    """
    m, n = corners.shape
    moments = np.fft.fft(corners - corners.mean(axis=1, keepdims=True), axis=1) / n
    first = moments[:, 1]
    first = np.where(np.abs(first) < 1e-300, 1e-300, first)
    relative = moments[:, 2:] / first[:, None]
    out = np.empty((m, 2 * (n - 2)))
    out[:, : n - 2] = np.abs(relative)
    for k in range(n - 2):
        power = n // np.gcd(k + 1, n)
        angle = np.angle(relative[:, k])
        out[:, n - 2 + k] = np.abs(relative[:, k]) * np.cos(power * angle)
    return out


def split_by_gap(features: NDArray[np.floating]) -> NDArray[np.int64]:
    """Group (m,) of each row of features (m, f), 0 = largest: a group is divided while a gap separates its two parts.

    Along each feature and the first principal components the best cut (least sum of squares) is searched for; it is
    accepted if the distance of the two means is more than 2.5 times twice the larger scatter (at least 1.5 % of the
    polygon's radius, the unit of the features), and each side has 5 members or more.
    """
    groups = np.zeros(len(features), dtype=np.int64)
    todo = [np.arange(len(features))]
    done: list[NDArray[np.int64]] = []
    while todo:
        members = todo.pop()
        side = _best_halving(features[members])
        if side is None:
            done.append(members)
        else:
            todo.extend([members[side], members[~side]])
    done.sort(key=lambda members: (-len(members), int(members[0]) if len(members) else 0))
    for k, members in enumerate(done):
        groups[members] = k
    return groups


def _best_halving(features: NDArray[np.floating]) -> NDArray[np.bool_] | None:
    """Mask of the rows above the clearest cut; None if no cut is clear."""
    if len(features) < 2 * CONSTANTS.least_members:
        return None
    centred = features - np.median(features, axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = np.hstack([features, centred @ vectors[:, -3:]])
    best, best_side = CONSTANTS.least_separation, None
    for values in axes.T:
        order = np.sort(values)
        separation, cut = clearest_cut(order)
        if separation > best:
            best, best_side = separation, values > cut
    return best_side


def clearest_cut(values: NDArray[np.floating]) -> tuple[float, float]:
    """Separation and position of the best cut of sorted values into two groups.

    Separation is the distance of the means over twice the larger scatter (not the sum of both, because the narrow
    tail of one group would count as a group). The cut has equal distances from both groups in units of their scatter.
    """
    n = len(values)
    if n < 2 * CONSTANTS.least_members:
        return 0.0, float(np.median(values)) if n else 0.0
    count = np.arange(1, n)
    total, square = np.cumsum(values), np.cumsum(values**2)
    low_mean, high_mean = total[:-1] / count, (total[-1] - total[:-1]) / (n - count)
    low_var = np.maximum(square[:-1] / count - low_mean**2, 0)
    high_var = np.maximum((square[-1] - square[:-1]) / (n - count) - high_mean**2, 0)
    low = np.maximum(np.sqrt(low_var), CONSTANTS.least_scatter)
    high = np.maximum(np.sqrt(high_var), CONSTANTS.least_scatter)
    valid = (count >= CONSTANTS.least_members) & (n - count >= CONSTANTS.least_members)
    separation = np.where(valid, (high_mean - low_mean) / (2 * np.maximum(low, high)), 0.0)
    k = int(separation.argmax())
    for _ in range(8):
        cut = (low_mean[k] * high[k] + high_mean[k] * low[k]) / (low[k] + high[k])
        moved = (
            int(np.clip(np.searchsorted(values, cut), CONSTANTS.least_members, n - CONSTANTS.least_members))
            - 1
        )
        if moved == k:
            break
        k = moved
    return float(separation[k]), float(0.5 * (values[k] + values[k + 1]))


def align_to_mean(
    corners: NDArray[np.complexfloating], shifts: NDArray[np.integer], mirror: bool
) -> tuple[NDArray[np.complex128], NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
    """Mean shape (n,) of polygons (m, n) of one class, and the first corner, reflection and angle of each polygon.

    The polygons are complex corners about their mean, in the order of the canonical sequence; `shifts` are the first corners
    that its symmetry makes equivalent, and `mirror` allows the mirror image of a polygon, where the sequence is equal in both
    directions. Alignment and averaging are iterated (generalised Procrustes analysis; Gower, 1975). The root mean square radius
    of the mean is that of the average polygon, its first corner or longest moment points along +x, and the angles are rotations
    from the mean to the polygon in radians.
    """
    m, n = corners.shape
    radius = np.sqrt(np.mean(np.abs(corners) ** 2, axis=1, keepdims=True))
    unit = corners / np.where(radius > 0, radius, 1.0)
    # An evenly distributed sample is sufficient for the mean.
    sample = unit[:: max(1, m // 1000)]
    # The iteration starts with the central polygon of the class, so that an outlier does not determine the mean.
    deviation = np.abs(np.fft.fft(sample, axis=1)) / n
    middle = int(np.abs(deviation - np.median(deviation, axis=0)).sum(axis=1).argmin())
    mean = sample[middle]
    for _ in range(4):
        shift, mirrored, angle = _lay(sample, mean, shifts, mirror)
        mean = (lay_on_mean(sample, shift, mirrored) * np.exp(-1j * angle)[:, None]).mean(axis=0)
    mean = _significant(mean, sample)
    mean = mean * np.exp(-1j * np.angle(mean[0]))
    shift, mirrored, angle = _lay(unit, mean, shifts, mirror)
    mean = mean * np.sqrt(np.mean(radius**2) / np.mean(np.abs(mean) ** 2))
    return mean, shift, mirrored, angle


def _lay(
    unit: NDArray[np.complexfloating],
    mean: NDArray[np.complexfloating],
    shifts: NDArray[np.integer],
    mirror: bool,
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
    """First corner, reflection and angle of the best alignment of each polygon to the mean."""
    m, n = unit.shape
    # Rotating the mean backwards is equivalent to another first corner, and needs one product for all.
    turned = mean[(np.arange(n)[None, :] - shifts[:, None]) % n].conj().T
    overlap = unit @ turned
    if mirror:
        back = (-np.arange(n)) % n
        overlap = np.hstack([overlap, unit.conj()[:, back] @ turned])
    # Rounding prevents ties of a symmetric shape from being broken by the last digit.
    best = np.round(np.abs(overlap) / n, 9).argmax(axis=1)
    return shifts[best % len(shifts)], best >= len(shifts), np.angle(overlap[np.arange(m), best])


def _significant(
    mean: NDArray[np.complexfloating], unit: NDArray[np.complexfloating]
) -> NDArray[np.complexfloating]:
    """Mean polygon without the moments that noise alone would cause.

    Alignment of noisy regular polygons, longest side to longest side, makes their mean irregular. The
    magnitude of a moment that is only noise has a Rayleigh distribution, whose mean is 1.9 of its standard
    deviations.
    """
    n = len(mean)
    if len(unit) < CONSTANTS.least_members:
        return mean
    size = np.abs(np.fft.fft(unit, axis=1)) / n
    noise = size.mean(axis=0) < 2.6 * size.std(axis=0)
    noise[:2] = False
    moments = np.fft.fft(mean)
    moments[noise] = 0
    return np.fft.ifft(moments)


def lay_on_mean(
    corners: NDArray[np.complexfloating], shift: NDArray[np.integer], mirrored: NDArray[np.bool_]
) -> NDArray[np.complexfloating]:
    """Corners in the order, and mirrored, as aligned to the mean, shape (m, n)."""
    n = corners.shape[1]
    k = np.arange(n)[None, :] + shift[:, None]
    k = np.where(mirrored[:, None], -k, k) % n
    out = np.take_along_axis(corners, k, axis=1)
    return np.where(mirrored[:, None], out.conj(), out)


def affine_strain(
    mean: NDArray[np.complexfloating], laid: NDArray[np.complexfloating]
) -> NDArray[np.float64]:
    r"""Strain xx, yy, xy (m, 3) of polygons relative to their class mean, in the frame of the polygons.

    F is the linear least-squares map from the mean (n,) to the polygon `laid` on it (m, n); :math:`\varepsilon = V - 1`
    with the left stretch :math:`V = \sqrt{F F^T}`, which does not depend on the rotation of the mean.
    """
    a = np.stack([mean.real, mean.imag])
    b = np.stack([laid.real, laid.imag], axis=1)
    gram = a @ a.T
    trace = float(np.trace(gram))
    if np.linalg.det(gram) < 1e-9 * trace**2 or trace == 0:
        gram = gram + (1e-6 * trace or 1.0) * np.eye(2)
    f = b @ a.T @ np.linalg.inv(gram)
    c = f @ np.swapaxes(f, 1, 2)
    # Square root of a symmetric positive 2 x 2 matrix: (C + sqrt(det) 1) / sqrt(trace + 2 sqrt(det)).
    root = np.sqrt(np.maximum(c[:, 0, 0] * c[:, 1, 1] - c[:, 0, 1] ** 2, 0.0))
    scale = np.sqrt(np.maximum(c[:, 0, 0] + c[:, 1, 1] + 2 * root, 1e-300))
    return np.column_stack(
        [(c[:, 0, 0] + root) / scale - 1, (c[:, 1, 1] + root) / scale - 1, c[:, 0, 1] / scale]
    )


def shape_name(mean: NDArray[np.complexfloating], tolerance: float = 0.06) -> str:
    """Name of the shape of a polygon (n,), whose sides and angles are equal within a relative `tolerance`.

    "regular", "isosceles", "scalene" (triangles), "rhombic", "rectangular", "parallelogram", "kite", "trapezoid"
    (quadrilaterals), "equilateral", "equiangular", "concave" or "irregular".
    """
    n = len(mean)
    step = np.roll(mean, -1) - mean
    sides = np.abs(step)
    turn = np.angle(step / np.where(np.roll(step, 1) == 0, 1, np.roll(step, 1)))
    if turn.sum() < 0:
        turn = -turn
    equal_sides = np.std(sides) < tolerance * np.mean(sides)
    equal_angles = np.std(turn) < 1.5 * tolerance
    if equal_sides and equal_angles:
        return "regular"
    if turn.min() < -tolerance:
        return "concave"
    if n == 3:
        gaps = np.abs(sides - np.roll(sides, 1)) / sides.mean()
        return "isosceles" if gaps.min() < tolerance else "scalene"
    if n == 4:
        return _quadrilateral(sides, turn, equal_sides, equal_angles, tolerance)
    if equal_sides:
        return "equilateral"
    return "equiangular" if equal_angles else "irregular"


def _quadrilateral(
    sides: NDArray[np.floating],
    turn: NDArray[np.floating],
    equal_sides: bool,
    equal_angles: bool,
    tolerance: float,
) -> str:
    """Name of a convex quadrilateral that is not a square."""
    if equal_sides:
        return "rhombic"
    if equal_angles:
        return "rectangular"
    scale = tolerance * sides.mean() * 2
    if np.all(np.abs(sides[:2] - sides[2:]) < scale):
        return "parallelogram"
    if np.all(np.abs(sides[[0, 2]] - sides[[1, 3]]) < scale) or np.all(
        np.abs(sides[[1, 3]] - sides[[2, 0]]) < scale
    ):
        return "kite"
    parallel = np.abs(turn + np.roll(turn, -1) - np.pi)
    return "trapezoid" if parallel.min() < 3 * tolerance else "irregular"
