"""Integrated intensities of all columns, and tests of every atom against its counterparts by nulls from the image itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse, special
from scipy.ndimage import distance_transform_edt, median_filter
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree
from scipy.stats import false_discovery_control, norm

from hyperspy_motifs.common import STRICT_LEVEL

from ._counterparts import (
    FIRST_SHELL,
    MOST,
    MOST_OF_NORMAL,
    Counterparts,
    find_counterparts,
    nearest_atoms,
    predict_places,
    site_kinds,
    trimean_of_known,
)
from ._nulls import LEAST, combine_p_values, null_p_values, ratio_p_values

# Atoms this close to the border of the image, in nearest-neighbour distances, lack neighbours to be compared by. Those that a
# translation maps to others are compared by their intensity up to a distance at which a whole column is in the image.
BORDER, EDGE = 1.5, 0.75
# Counterparts that an atom must have to be asked about its neighbours.
_VOTERS = 24
# Places for each atom at which noise could have been taken for a column: the area of an atom in areas of a column.
_PLACES = 10
# Atoms of which the median is what usually stands on a site, though one or two of them have something else.
_MAJORITY = 8
# With less than this part of the intensity that is usual in such surroundings a column may be noise.
_FAINT = 0.5
# Neighbours over which a slow change of brightness is averaged.
_DRIFT_NEIGHBOURS = 24
# Of the tests of intensity, place and shape: the fraction of the smallest residuals from which the null is estimated, the prior
# of its degrees of freedom, and the weight in the combination, in defects that it is worth. At least the fraction of the atoms
# is no defect: vacancies and dopants can be a few percent, and atoms that have moved, and are not beside a defect, are rarer.
# Without defects the tails of intensities and places are lighter than those of 50 degrees in simulated MoSe2, SrTiO3, graphene
# at three doses each. Those of shapes are of 30 to 300 degrees, at the lowest doses of 5 to 12, and heavier in images of real
# specimens. A shape alone rarely shows a defect: the prior is worth one such. Half of that changes no
# list, twice of it 1 % of the entries (benchmarks/bench_defect_numbers.py).
_CENTRAL = (0.97, 0.995, 1.0)
_PRIOR_DEGREES = (50.0, 50.0, 20.0)
_WEIGHTS = np.array([4.5, 4.5, 1.0])
# Rounds in which defects found are left out of the predictions of others.
_ROUNDS = 3
# Minus the mean of the logarithm of the absolute value of a standard normal variable, and the variance of it; efficiency of the
# deviation that `MOST` have at most, relative to the standard deviation of normal values.
_LOG_NORMAL = (np.log(2) + np.euler_gamma) / 2
_LOG_VARIANCE = np.pi**2 / 8
_EFFICIENCY = 2 * (MOST_OF_NORMAL * norm.pdf(MOST_OF_NORMAL)) ** 2 / (MOST * (1 - MOST))
# Atoms over which the scatter as a function of the likeness of the counterparts is averaged.
_WINDOW = 101
# Residuals up to this many standard deviations show the scatter and the correlations; further ones may be defects.
_CENTRE = 3.0
# Distance of the knots of the background in nearest-neighbour distances: columns vary within one, backgrounds over more.
BACKGROUND_STEP = 4.0
# Standard deviations of a column beyond which it is below 4e-4 of its height.
_REACH = 4.0
# Equally filled bins of brightness in which the variance of the noise is averaged.
_NOISE_BINS = 20
# Columns beyond the frame reach into a rim of this many widths, which counts for little.
_RIM = 3.0
_RIM_WEIGHT = 1e-3


@dataclass(frozen=True)
class OutlierTests:
    """Every atom tested against its counterparts.

    Attributes
    ----------
    p_values : ndarray of shape (n, 3)
        Of intensity, place and shape; NaN where an atom cannot be tested. Empty sites, atoms near the border, and atoms in
        surroundings that do not repeat, are tested by their intensity only.
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
        Atoms too close to the border to be tested; and in surroundings that do not repeat, which are compared with every kind
        of atom nearby by their intensity where most surroundings near them repeat.
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
    *,
    noise: np.ndarray | None = None,
    empty: np.ndarray | None = None,
    twins: np.ndarray | None = None,
    cut: np.ndarray | None = None,
) -> OutlierTests:
    """Test every atom against its counterparts: its intensity, its place and its shape.

    An empty site is tested in the same way, by its intensity: one list has one error rate.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        x, y in pixels, of atoms and empty sites.
    intensities : ndarray of shape (n,)
    shapes : ndarray of shape (n, 3)
        Logarithm of the width, and the two components of the elongation.
    spacing : float
        Nearest-neighbour distance in pixels.
    image_shape : (int, int)
        Rows and columns.
    fdr : float
        False discovery rate at which defects are left out of the predictions of others.
    noise : ndarray of shape (n,), optional
        Standard deviation of each intensity by the noise of its pixels (:func:`fit_intensities`); equal by default.
    empty : ndarray of bool, shape (n,), optional
        Sites without an atom.
    twins : ndarray of int, shape (n, k), optional
        Atoms to which translations map each site; -1 for none.
    cut : ndarray of shape (n,), optional
        Distance of each to an area without data, in pixels.

    Returns
    -------
    OutlierTests
    """
    n = len(points)
    empty = np.zeros(n, bool) if empty is None else empty
    twins = np.full((n, 1), -1) if twins is None else twins
    kinds = site_kinds(twins)
    held = ~empty
    typical = float(np.median(intensities[held]))
    relative = intensities / (typical if abs(typical) > LEAST else LEAST)
    bright = np.clip(relative, 0, None)
    everything = nearest_atoms(points)
    alike = find_counterparts(points, bright, spacing, None, _MAJORITY, kinds, everything)
    predicted = predict_places(points, alike, spacing)
    # Atoms in surroundings that repeat predict best; where they are few, all do.
    best, by_all = (predicted.displacements(empty | odd)[0] for odd in (~alike.comparable, empty))
    first = np.where(np.isfinite(best), best, by_all)
    places = points - np.where(np.isfinite(first) & held[:, None], first, 0.0)
    # The surroundings are then described by what stands there usually, around the places where the atoms should be: a bright
    # or a missing neighbour makes them no others.
    usual = find_counterparts(points, bright, spacing, places, _MAJORITY, kinds, everything).median(bright)
    # Where translations are known and none leads to a faint column, no other stands as it does: it may be noise.
    stray = (kinds < 0) & (kinds >= 0).any() & (bright < _FAINT * usual)
    usual = np.where(stray, bright, usual)
    counterparts = find_counterparts(points, usual, spacing, places, kinds=kinds, near=everything)
    predicted = predict_places(points, counterparts, spacing)
    extent = np.array([image_shape[1], image_shape[0]]) - 1
    edge = np.minimum(points, extent - points).min(axis=1)
    if cut is not None:
        edge = np.minimum(edge, cut)
    in_border = edge < BORDER * spacing
    inner = ~in_border & counterparts.comparable
    # Counterparts near the border are not compared with. One is enough: the scatter is that of all.
    inner &= (inner & held)[counterparts.index].any(axis=1)
    unlike = held & ~in_border & ~inner
    # The surroundings of the others are cut, but not those of the atoms that a translation maps to them.
    rows = np.flatnonzero((in_border | empty) & (edge >= EDGE * spacing) & ~inner)
    counterparts, by_twins = counterparts.of_others(rows, twins[rows], inner & held, relative)
    # An atom in surroundings that do not repeat may be on a site of any kind that is near. Where most surroundings do not
    # repeat, as in a field of a few large cells, its kind may not be among those that are known.
    rows = np.flatnonzero(unlike)
    repeat = (inner & held)[everything[rows]].sum(axis=1)
    rows = rows[repeat > unlike[everything[rows]].sum(axis=1)]
    counterparts, alone = counterparts.of_others(rows, everything[rows], inner & held, relative)
    # The less alike the counterparts are, the less well they predict, and these are less alike than any.
    counterparts.ratio[alone] = np.inf
    by_intensity = by_twins | alone
    tested = inner | by_intensity
    at_border = in_border & ~by_twins
    distance, near = cKDTree(points).query(points, k=min(_DRIFT_NEIGHBOURS, n - 1) + 1)
    distance, near = distance[:, 1:], near[:, 1:]
    beside = distance <= FIRST_SHELL * spacing

    unexpected = predicted.unexpected(inner & held & (counterparts.count >= _VOTERS))
    extra = held & (edge >= EDGE * spacing) & (unexpected < STRICT_LEVEL)
    # Whether there is a column at all: its intensity against the scatter of those of the columns.
    reference = np.where(inner & held, 1.0, np.nan)
    first_ratios = _ratios(relative, reference, counterparts, near)
    spread = 1.4826 * _median(np.abs(first_ratios * reference - 1) * counterparts.median(relative))
    presence = np.maximum(np.minimum(_PLACES * norm.sf(relative / max(spread, LEAST)), 1.0), unexpected)
    tested &= ~extra
    at_border &= ~extra
    usable = np.where(tested, 1.0, np.nan)
    noise = np.ones(n) if noise is None else noise
    usual_noise = counterparts.median(noise) / np.maximum(
        counterparts.median(intensities), LEAST * abs(typical)
    )
    excess = np.where(by_twins & held, np.maximum(noise / counterparts.median(noise), 1.0), 1.0)
    found = np.zeros(n, bool)
    weights = _WEIGHTS
    for _ in range(_ROUNDS):
        # Defects found are tested, but others are not compared with them.
        reference = np.where(inner & held & ~extra & ~found, 1.0, np.nan)
        ratios = _ratios(relative, reference, counterparts, near) * usable
        shape = (shapes - counterparts.median(shapes * reference[:, None])) * usable[:, None]
        moved, uncertain = predicted.displacements(found | empty)
        place = moved * (usable / uncertain)[:, None]
        standardised = [
            _standardise(v, reference, counterparts, usual_noise) for v in (ratios[:, None], place, shape)
        ]
        (intensity, *others), uncertainty = zip(*standardised, strict=True)
        # Near the border the fit has fewer pixels, and what lies beyond it is not in the model.
        intensity = intensity / excess[:, None]
        rim = by_twins & held & ~extra & ~found
        if rim.any():
            intensity[by_twins] /= max(float(np.nanquantile(np.abs(intensity[rim]), MOST)), 1.0)
        # Place and shape of a weak column are as much less precise as it is weak.
        precision = np.clip(ratios, 0.0, 1.0)[:, None]
        tails = [
            (held & inner, heavy, central, degrees, found)
            for heavy, central, degrees in zip(uncertainty, _CENTRAL, _PRIOR_DEGREES, strict=True)
        ]
        z = intensity[:, 0]
        away = np.abs(ratios - counterparts.median(ratios * reference))
        scatter = np.divide(away, np.abs(z), where=z != 0, out=np.zeros(n))
        of_ratio = ratio_p_values(z, scatter, counterparts, *tails[0])
        of_others = [null_p_values(v * precision, *tail) for v, tail in zip(others, tails[1:], strict=True)]
        p_values = np.column_stack([of_ratio, *of_others])
        p_values[empty | by_intensity, 1:] = np.nan
        combined = np.where(extra, presence, combine_p_values(p_values, weights))
        # Beside a more significant defect, only the intensity is the atom's own.
        disturbed = (beside & found[near] & (combined[near] < combined[:, None])).any(axis=1)
        p_values[disturbed, 1:] = np.nan
        combined = np.where(extra, presence, combine_p_values(p_values, weights))
        q_values = np.ones(n)
        known = tested | extra
        q_values[known] = false_discovery_control(combined[known]) if known.any() else 1.0
        now = q_values <= fdr
        if np.array_equal(now, found):
            break
        found = now
        # Each test has the weight of what it finds.
        smallest = np.where(np.isfinite(p_values), p_values, np.inf).argmin(axis=1)[found & ~extra]
        weights = _WEIGHTS + np.bincount(smallest, minlength=len(_WEIGHTS))
    return OutlierTests(
        p_values=p_values,
        combined=np.where(tested | extra, combined, np.nan),
        q_values=q_values,
        ratios=ratios,
        displacements=moved,
        widths=np.exp(shape[:, 0]),
        at_border=at_border & held,
        unlike=unlike & ~extra,
        extra=extra,
        counterparts=counterparts,
    )


def _ratios(
    relative: np.ndarray, reference: np.ndarray, counterparts: Counterparts, near: np.ndarray
) -> np.ndarray:
    """Intensity of each atom over that of its counterparts, without slow changes of brightness over the field."""
    drift = np.ones(len(relative))
    for _ in range(2):
        # Estimated again from all of it: to correct the last estimate by what it leaves doubles its noise.
        level = relative / drift
        ratio = relative / _nonzero(counterparts.median(level * reference))
        drift = np.nan_to_num(trimean_of_known((ratio * reference)[near]), nan=1.0)
    level = relative / drift
    return np.asarray(level / _nonzero(counterparts.median(level * reference)))


def _nonzero(values: np.ndarray) -> np.ndarray:
    """Values as divisors: those next to zero, of places without a column, become NaN."""
    return np.where(np.abs(values) > LEAST, values, np.nan)


def _median(values: np.ndarray) -> float:
    """Median of the known values, 0 if there are none."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else 0.0


def _standardise(
    values: np.ndarray, reference: np.ndarray, counterparts: Counterparts, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of `values` (n, c) in units of their scatter, uncorrelated, and 1 / degrees of freedom of the scatter.

    The logarithm of the scatter is linear in that of the `noise` (n,) of a column relative to its intensity, for all atoms
    together. What the scatter of the counterparts of an atom deviates from that counts as much as such deviations are more
    than chance: empirical Bayes on log variances (Cui et al. [1]_). So the scatter is local only where the image shows it.

    References
    ----------
    .. [1] X. Cui et al., "Improved statistical tests for differential gene expression by shrinking variance components
       estimates", Biostatistics 6, 59 (2005).
    """
    known = np.isfinite(reference)
    n_compared = counterparts.number(known)
    residual = values - counterparts.median(values * reference[:, None])
    # The median of a few varies as well.
    residual /= np.sqrt(1 + 0.5 * np.pi / np.maximum(n_compared, 1))[:, None]
    chance = special.polygamma(1, _EFFICIENCY * np.maximum(n_compared, 1) / 2) / 4
    few = counterparts.count < counterparts.index.shape[1]
    z, spread = np.empty_like(residual), np.zeros(len(values))
    for k, column in enumerate(residual.T):
        usable = known & np.isfinite(column)
        for _ in range(2):
            z[:, k] = column / _expected_scatter(column, usable, noise)
            usable &= np.abs(z[:, k]) < _CENTRE
        local = np.log(np.maximum(counterparts.scatter(np.where(known, z[:, k], np.nan)), LEAST))
        shown = usable & np.isfinite(local)
        between = max(float(np.var(local[shown]) - np.mean(chance[shown])), 0.0) if shown.any() else 0.0
        local = np.nan_to_num(local)
        # Few may agree too well, or be of several kinds: their scatter is at least the usual one, and at least their own.
        z[:, k] /= np.exp(
            np.where(few, np.maximum(counterparts.median(local), 0.0), local * between / (between + chance))
        )
        spread = np.maximum(
            spread, np.where(few, 1 / np.maximum(n_compared, 1), 2 * between * chance / (between + chance))
        )
    # The less alike the counterparts are, the less well they predict: the scatter as a function of their likeness.
    size = np.abs(z * reference[:, None]).mean(axis=1)
    order = np.argsort(counterparts.ratio, kind="stable")
    order = order[np.isfinite(size[order])]
    if len(order) >= _WINDOW:
        running = median_filter(size[order], _WINDOW, mode="nearest")
        factor = np.maximum.accumulate(running)
        factor = np.maximum(factor / max(float(np.median(factor)), LEAST), 1.0)
        z = z / np.interp(counterparts.ratio, counterparts.ratio[order], factor)[:, None]
    central = np.isfinite(z).all(axis=1) & (np.abs(z) < _CENTRE).all(axis=1) & known
    if central.sum() > 10 * z.shape[1] > 10 and np.ptp(z[central], axis=0).all():
        correlation = np.corrcoef(z[central].T)
        # Columns of which one follows from the others cannot be made independent.
        if np.linalg.matrix_rank(correlation, hermitian=True) == len(correlation):
            z = z @ np.linalg.inv(np.linalg.cholesky(correlation)).T
    return np.asarray(z), spread


def _expected_scatter(residual: np.ndarray, usable: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Scatter by the noise (n,) alone, from a regression with the prior that the one is proportional to the other."""
    x = np.log(np.maximum(noise, LEAST))
    y = np.log(np.maximum(np.abs(residual), LEAST)) + _LOG_NORMAL
    if not usable.any():
        return np.ones(len(residual))
    centre, level = x[usable].mean(), y[usable].mean()
    off = x[usable] - centre
    # A prior of unit standard deviation is worth the variance of one logarithm.
    slope = (off @ y[usable] + _LOG_VARIANCE) / (off @ off + _LOG_VARIANCE)
    return np.asarray(np.exp(level + slope * (x - centre)))


def fit_intensities(
    image: np.ndarray,
    points: np.ndarray,
    widths: np.ndarray,
    spacing: float,
    missing: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Heights of all columns at fixed positions and widths, on one smooth background.

    All heights and a background of bilinear splines are the solution of one sparse least-squares problem. A fit of each
    column with a background of its own loses precision to that background. The pixels are weighted by the inverse of
    their variance, which is measured in the residual as a linear function of the brightness (counting noise).

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    points : ndarray of shape (n, 2)
        x (column), y (row) in pixels.
    widths : ndarray of shape (n,)
        Standard deviation of each column in pixels.
    spacing : float
        Nearest-neighbour distance in pixels.
    missing : ndarray of bool of shape (rows, columns), optional
        Pixels without data.

    Returns
    -------
    intensities : ndarray of shape (n,)
        Height of each column times its squared width: proportional to the integral.
    noise : ndarray of shape (n,)
        Standard deviation of each by the noise of its pixels, all other columns known: larger at the border.
    """
    values = np.asarray(image, float).ravel()
    height, width = image.shape
    step = BACKGROUND_STEP * spacing
    background = sparse.kron(_splines(height, step), _splines(width, step), format="csr")
    model = sparse.hstack([_profiles(image.shape, points, widths), background], format="csr")
    inside = np.zeros(image.shape)
    rim = max(int(np.ceil(_RIM * np.median(widths))), 1)
    inside[rim:-rim, rim:-rim] = 1.0
    weights = np.maximum(inside, _RIM_WEIGHT)
    if missing is not None and missing.any():
        # Columns that are hidden reach out of the pixels without data, as those beyond the frame do.
        weights[distance_transform_edt(~missing) <= rim] = _RIM_WEIGHT
        weights[missing] = 0.0
    weights = weights.ravel()
    solution, _ = _solve(model, values, weights)
    fitted = model @ solution
    used = weights == 1
    variance = _noise_variance(fitted, values - fitted, used) if used.any() else np.ones(len(values))
    solution, precision = _solve(model, values, weights / variance)
    n = len(points)
    return solution[:n] * widths**2, widths**2 / np.sqrt(precision[:n])


def _profiles(shape: tuple[int, ...], points: np.ndarray, widths: np.ndarray) -> sparse.csr_matrix:
    """Gaussians of unit height: pixels as rows, columns of the image as columns."""
    height, width = shape
    reach = int(np.ceil(_REACH * widths.max()))
    offsets = np.arange(-reach, reach + 1)
    x = np.rint(points[:, 0]).astype(np.int64)[:, None] + offsets
    y = np.rint(points[:, 1]).astype(np.int64)[:, None] + offsets
    along_x = np.exp(-0.5 * ((x - points[:, :1]) / widths[:, None]) ** 2) * ((x >= 0) & (x < width))
    along_y = np.exp(-0.5 * ((y - points[:, 1:]) / widths[:, None]) ** 2) * ((y >= 0) & (y < height))
    heights = along_y[:, :, None] * along_x[:, None, :]
    kept = heights > np.exp(-0.5 * _REACH**2)
    pixel = np.clip(y, 0, height - 1)[:, :, None] * width + np.clip(x, 0, width - 1)[:, None, :]
    owner = np.broadcast_to(np.arange(len(points))[:, None, None], heights.shape)
    return sparse.csr_matrix((heights[kept], (pixel[kept], owner[kept])), shape=(height * width, len(points)))


def _splines(n: int, step: float) -> sparse.csr_matrix:
    """Linear splines with knots about `step` apart on `n` pixels."""
    knots = max(round((n - 1) / step), 1) + 1
    place = np.arange(n) * (knots - 1) / max(n - 1, 1)
    first = np.minimum(place.astype(int), knots - 2)
    share = place - first
    rows = np.tile(np.arange(n), 2)
    return sparse.csr_matrix(
        (np.concatenate([1 - share, share]), (rows, np.concatenate([first, first + 1]))), shape=(n, knots)
    )


def _solve(
    model: sparse.csr_matrix, values: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares: the solution, and the diagonal of the normal matrix."""
    weighted = model.copy()
    weighted.data *= np.repeat(weights, np.diff(model.indptr))
    normal = (model.T @ weighted).tocsc()
    diagonal = normal.diagonal()
    # Two columns found at one place, or one outside the frame, leave a direction without information.
    normal = normal + sparse.diags(1e-6 * diagonal + 1e-12 * diagonal.max(), format="csc")
    return np.asarray(splu(normal).solve(model.T @ (weights * values))), np.asarray(normal.diagonal())


def _noise_variance(fitted: np.ndarray, residual: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Variance of each pixel, linear in its brightness and at least a fifth of the typical one, from the pixels of a mask."""
    level, rest = fitted[used], residual[used]
    edges = np.quantile(level, np.linspace(0, 1, _NOISE_BINS + 1)[1:-1])
    group = np.searchsorted(edges, level)
    count = np.maximum(np.bincount(group, minlength=_NOISE_BINS), 1)
    brightness = np.bincount(group, level, _NOISE_BINS) / count
    variance = np.bincount(group, rest**2, _NOISE_BINS) / count
    typical = max(float(np.median(variance)), np.finfo(float).tiny)
    if np.ptp(brightness) <= 0:
        return np.full(len(fitted), typical)
    slope, constant = np.polyfit(brightness, variance, 1)
    return np.maximum(constant + slope * fitted, 0.2 * typical)
