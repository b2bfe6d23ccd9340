"""Tests of every atom against its counterparts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter
from scipy.spatial import cKDTree
from scipy.stats import false_discovery_control, norm

from ._counterparts import Counterparts, find_counterparts, median_of_known
from ._displacements import predict_places
from ._null import combine_p_values, null_p_values

# Atoms this close to the border of the image, in nearest-neighbour distances, lack neighbours to be compared by.
BORDER = 1.5
# An atom is tested as an extra one, and not by its counterparts, if its neighbours expect none at this level.
_UNEXPECTED = 1e-3
# Counterparts that an atom must have to be asked about its neighbours.
_VOTERS = 24
# Places for each atom at which noise could have been taken for a column: the area of an atom in areas of a column.
_PLACES = 10
# Neighbours over which a slow change of brightness is averaged.
_DRIFT_NEIGHBOURS = 24
# An atom within this many nearest-neighbour distances of a defect may be moved or reshaped by it.
BESIDE = 1.35
# Relative scatter and intensities below this are rounding errors.
_LEAST = 1e-9
# Rounds in which defects found are left out of the predictions of others.
_ROUNDS = 3
# Atoms over which the scatter as a function of the likeness of the counterparts is averaged.
_WINDOW = 101


@dataclass(frozen=True)
class OutlierTests:
    """Every atom tested against its counterparts.

    Attributes
    ----------
    p_values : ndarray of shape (n, 3)
        Of intensity, place and shape; NaN where an atom cannot be tested.
    combined : ndarray of shape (n,)
        One p-value for the tests of each atom; NaN where it cannot be tested.
    q_values : ndarray of shape (n,)
        Smallest false discovery rate at which the atom is an outlier; 1 where it cannot be tested.
    ratios : ndarray of shape (n,)
        Intensity relative to the counterparts.
    displacements : ndarray of shape (n, 2)
        From the place that the neighbours predict, in pixels.
    widths : ndarray of shape (n,)
        Width relative to the counterparts.
    at_border, unlike : ndarray of bool, shape (n,)
        Atoms that were not tested: too close to the border, or with surroundings that do not repeat.
    extra : ndarray of bool, shape (n,)
        Atoms in places where the counterparts of their neighbours have none. Their p-value
        is the larger of those of the place being expected, and of the column being noise.
    counterparts : Counterparts
    """

    p_values: np.ndarray
    combined: np.ndarray
    q_values: np.ndarray
    ratios: np.ndarray
    displacements: np.ndarray
    widths: np.ndarray
    at_border: np.ndarray
    unlike: np.ndarray
    extra: np.ndarray
    counterparts: Counterparts


def compare_atoms(
    points: np.ndarray,
    intensities: np.ndarray,
    shapes: np.ndarray,
    spacing: float,
    image_shape: tuple[int, int],
    fdr: float,
    empty: np.ndarray | None = None,
    cut: np.ndarray | None = None,
) -> OutlierTests:
    """Test every atom against its counterparts: its intensity, its place and its shape.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        x, y in pixels.
    intensities : ndarray of shape (n,)
    shapes : ndarray of shape (n, 3)
        Logarithm of the width, and the two components of the elongation.
    spacing : float
        Nearest-neighbour distance in pixels.
    image_shape : (int, int)
        Rows and columns.
    fdr : float
        False discovery rate at which defects are left out of the predictions of others.
    empty : ndarray of shape (k, 2), optional
        Places of vacancies, whose neighbours are compared by their intensity only.
    cut : ndarray of bool, shape (n,), optional
        Atoms as close to an area without data as others to the border.

    Returns
    -------
    OutlierTests
    """
    n = len(points)
    typical = float(np.median(intensities))
    relative = intensities / (typical if abs(typical) > _LEAST else _LEAST)
    bright = np.clip(relative, 0, None)
    wide = find_counterparts(points, bright, spacing, strict=False)
    first, _ = predict_places(points, wide, spacing).displacements()
    places = points - np.where(np.isfinite(first), first, 0.0)
    # The surroundings are then described by what stands there usually, around the places where the atoms should be: a bright
    # neighbour makes them no others.
    usual = find_counterparts(points, bright, spacing, places).median(bright)
    counterparts = find_counterparts(points, usual, spacing, places)
    predicted = predict_places(points, counterparts, spacing)
    extent = np.array([image_shape[1], image_shape[0]]) - 1
    edge = np.minimum(points, extent - points).min(axis=1)
    at_border = edge < BORDER * spacing
    if cut is not None:
        at_border |= cut
    tested = ~at_border & counterparts.comparable
    usable = np.where(tested, 1.0, np.nan)
    distance, near = cKDTree(points).query(points, k=min(_DRIFT_NEIGHBOURS, n - 1) + 1)
    distance, near = distance[:, 1:], near[:, 1:]
    beside = distance <= BESIDE * spacing

    unexpected = predicted.unexpected(counterparts.comparable & (counterparts.count >= _VOTERS))
    extra = ~at_border & (unexpected < _UNEXPECTED)
    # Whether there is a column at all: its intensity against the scatter of those of the columns.
    first_ratios = _ratios(relative, usable, counterparts, near)
    spread = 1.4826 * _median(np.abs(first_ratios * usable - 1) * counterparts.median(relative))
    presence = np.maximum(np.minimum(_PLACES * norm.sf(relative / max(spread, _LEAST)), 1.0), unexpected)
    tested &= ~extra
    usable = np.where(tested, 1.0, np.nan)
    # The scatter of few counterparts is uncertain; that of the usual number is so in the estimate of the tails.
    few = np.maximum(1 / counterparts.count - 1 / counterparts.index.shape[1], 0.0)
    by_vacancy = np.zeros(n, bool)
    if empty is not None and len(empty):
        by_vacancy = cKDTree(empty).query(points)[0] <= BESIDE * spacing
    found = np.zeros(n, bool)
    for _ in range(_ROUNDS):
        # Defects found are tested, but others are not compared with them.
        reference = np.where(tested & ~found, 1.0, np.nan)
        ratios = _ratios(relative, reference, counterparts, near) * usable
        shape = (shapes - counterparts.median(shapes * reference[:, None])) * usable[:, None]
        moved, noise = predicted.displacements(found)
        place = moved * (usable / noise)[:, None]
        p_values = np.column_stack(
            [
                null_p_values(_standardise(values, reference, counterparts), few)
                for values in (ratios[:, None], place, shape)
            ]
        )
        combined = np.where(extra, presence, combine_p_values(p_values))
        # Beside a more significant defect, only the intensity is the atom's own.
        disturbed = (beside & found[near] & (combined[near] < combined[:, None])).any(axis=1)
        p_values[disturbed | by_vacancy, 1:] = np.nan
        combined = np.where(extra, presence, combine_p_values(p_values))
        q_values = np.ones(n)
        known = tested | extra
        q_values[known] = false_discovery_control(combined[known]) if known.any() else 1.0
        now = q_values <= fdr
        if np.array_equal(now, found):
            break
        found = now
    return OutlierTests(
        p_values=p_values,
        combined=np.where(tested | extra, combined, np.nan),
        q_values=q_values,
        ratios=ratios,
        displacements=moved,
        widths=np.exp(shape[:, 0]),
        at_border=at_border,
        unlike=~at_border & ~counterparts.comparable & ~extra,
        extra=extra,
        counterparts=counterparts,
    )


def _ratios(
    relative: np.ndarray, reference: np.ndarray, counterparts: Counterparts, near: np.ndarray
) -> np.ndarray:
    """Intensity of each atom over that of its counterparts, without slow changes of brightness over the field."""
    drift = np.ones(len(relative))
    for _ in range(2):
        level = relative / drift
        ratio = level / _nonzero(counterparts.median(level * reference))
        drift = drift * np.nan_to_num(median_of_known((ratio * reference)[near]), nan=1.0)
    level = relative / drift
    return np.asarray(level / _nonzero(counterparts.median(level * reference)))


def _nonzero(values: np.ndarray) -> np.ndarray:
    """Values as divisors: those next to zero, of places without a column, become NaN."""
    return np.where(np.abs(values) > _LEAST, values, np.nan)


def _median(values: np.ndarray) -> float:
    """Median of the known values, 0 if there are none."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else 0.0


def _standardise(values: np.ndarray, reference: np.ndarray, counterparts: Counterparts) -> np.ndarray:
    """Residuals of `values` (n, c) in units of their local scatter, uncorrelated."""
    residual = values - counterparts.median(values * reference[:, None])
    known = residual * reference[:, None]
    scatter = np.maximum(counterparts.scatter(known), _LEAST)
    # Few that are compared with each other agree too well: their scatter is at least the usual one.
    few = (counterparts.count < counterparts.index.shape[1])[:, None]
    usual = np.array([_median(column) for column in scatter.T])
    scatter = np.where(few, np.maximum(scatter, usual), scatter)
    z = residual / scatter
    # The less alike the counterparts are, the less well they predict: the scatter as a function of their likeness.
    size = np.abs(z * reference[:, None]).mean(axis=1)
    order = np.argsort(counterparts.ratio, kind="stable")
    order = order[np.isfinite(size[order])]
    if len(order) >= _WINDOW:
        running = median_filter(size[order], _WINDOW, mode="nearest")
        factor = np.maximum.accumulate(running)
        factor = np.maximum(factor / np.median(factor), 1.0)
        z = z / np.interp(counterparts.ratio, counterparts.ratio[order], factor)[:, None]
    central = np.isfinite(z).all(axis=1) & (np.abs(z) < 3).all(axis=1) & np.isfinite(reference)
    if z.shape[1] > 1 and central.sum() > 10 * z.shape[1]:
        z = z @ np.linalg.inv(np.linalg.cholesky(np.corrcoef(z[central].T))).T
    return np.asarray(z)
