"""Columns and maxima of the image: columns without their own maximum, pairs that share one, and maxima without a column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage, stats
from scipy.spatial import cKDTree
from scipy.stats import false_discovery_control, norm

from hyperspy_motifs.common import REPORTED_LEVEL, SAMPLE, STRICT_LEVEL
from hyperspy_motifs.threads import OUTER, over_rows

from ._atoms import FEWEST, FEWEST_PAIRS, ORDERLY, nearest_neighbour_distance, order_of_sites
from ._estimation import LEAST_DISTANCE
from ._peaks import ScaleSpace, local_maxima, maxima_by_height, typical_height, vertices
from ._refinement import ColumnFit

# Maximum distance, in separations, of a column from its maximum.
_OWN_REACH = 0.35
# Number of neighbours to which a maximum must dip.
_NEIGHBOURS = 8
# A shallower dip towards a higher neighbour, relative to the height of a typical column, is ignored: it is less than one
# grey level of an eight-bit picture.
_FLAT = 1 / 256
# Required dip, relative to the noise, of maxima without a column, and the minimum ratio of such maxima to columns. On
# simulated monolayers, oxides and edges at doses of 1e4 to 3e5 electrons per square angstrom, sublattices of light
# columns have 1 to 4. Maxima of noise between columns reach 1 once in a hundred; those at vacancies and
# beside amorphous rims (3 % of the columns) reach 2 to 4.
_LEVELS = ((1.0, 0.25), (2.0, 0.06), (5.0, 0.0))
# Order (see `order_of_sites`) of sites that are added beside a sublattice of orderly ones.
_LEAST_ORDER = 0.5
# False discovery rate of faint columns, about the probability that noise exceeds the least level: where nearly all of them have
# a maximum, the rate changes nothing.
_FALSE = 0.2


@njit(cache=True, **OUTER)
def _lowest_on_lines(
    first: int,
    last: int,
    image: NDArray[np.float32],
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    height, width = image.shape
    for m in range(first, last):
        x, y = starts[m, 0], starts[m, 1]
        dx, dy = ends[m, 0] - x, ends[m, 1] - y
        n = int(2 * np.hypot(dx, dy)) + 1
        lowest = np.inf
        for i in range(n + 1):
            u, v = x + dx * i / n, y + dy * i / n
            j, k = min(int(u), width - 2), min(int(v), height - 2)
            u -= j
            v -= k
            value = (1 - v) * ((1 - u) * image[k, j] + u * image[k, j + 1])
            value += v * ((1 - u) * image[k + 1, j] + u * image[k + 1, j + 1])
            lowest = min(lowest, value)
        out[m] = lowest


def lowest_between(image: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the lowest values of an image on straight lines between pixels, in steps of half a pixel.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    starts, ends : ndarray of shape (n, 2)
        x, y in pixels.

    Returns
    -------
    ndarray of shape (n,)
    """
    out = np.empty(len(starts))
    over_rows(_lowest_on_lines, len(out), np.ascontiguousarray(image), starts, ends, out)
    return out


class VisibleMaxima:
    """The maxima of an image, and the columns to which they belong.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
        Image with bright columns, after a noise filter.
    noise : float or ndarray of shape (rows, columns)
        Standard deviation of the remaining noise, of each pixel where it depends on the brightness.
    positions : ndarray of shape (n, 2)
        Known columns; x, y in pixels.
    separation : float
        Pixels.

    Attributes
    ----------
    seen : ndarray of bool of shape (n,)
        Columns that have their own maximum, with a dip between it and each higher one. A maximum belongs to the
        nearest column.
    own : ndarray of shape (n, 2)
        The maximum of each column, or the column itself if it has none.
    """

    def __init__(
        self, image: np.ndarray, noise: float | np.ndarray, positions: np.ndarray, separation: float
    ):
        self._image, self._positions = image, positions
        self._maxima, self._heights = local_maxima(image, 1, -np.inf)
        column, row = self._maxima.astype(int).T
        self._noise = np.broadcast_to(noise, image.shape)[row, column]
        self._own_noise = np.zeros(len(positions))
        self._owned = np.zeros(len(self._maxima), bool)
        self.seen = np.zeros(len(positions), bool)
        self._depths = np.full(len(positions), -np.inf)
        self.own = np.array(positions, float)
        if not len(self._maxima) or not len(positions):
            return
        distance, nearest = cKDTree(self._maxima).query(
            positions, distance_upper_bound=_OWN_REACH * separation
        )
        owners = np.flatnonzero(np.isfinite(distance))
        owners = owners[np.lexsort((distance[owners], nearest[owners]))]
        owners = owners[np.unique(nearest[owners], return_index=True)[1]]
        if not len(owners):
            return
        # A sample of the rows gives the level between columns.
        low = np.percentile(image[:: max(1, len(image) // 256)], 5)
        self.own[owners] = self._maxima[nearest[owners]]
        self._flat = _FLAT * (np.median(self._heights[nearest[owners]]) - low)
        self._depths[owners] = self._dips(nearest[owners])
        self._own_noise[owners] = self._noise[nearest[owners]]
        self.seen = self._depths > self._flat
        self._owned[nearest[owners]] = True

    def clear(self, which: slice) -> np.ndarray:
        """Return which of some columns dip deeper than noise does; (m,).

        Where many of them have no maximum, the others may be noise too: the false discovery rate is limited (Storey, J. R.
        Stat. Soc. B 64 (2002) 479).
        """
        depths, noise = self._depths[which], self._own_noise[which]
        clear = depths > np.maximum(self._flat, _LEVELS[0][0] * noise)
        if clear.any() and (noise[clear] > 0).all():
            p = norm.sf(depths / np.maximum(noise, np.finfo(float).tiny))
            clear &= min(2 * np.mean(p > 0.5), 1.0) * false_discovery_control(p) < _FALSE
        return clear

    def _dips(self, which: np.ndarray) -> np.ndarray:
        """Return the smallest dip of the image on the straight lines from each of the maxima `which` to its higher
        neighbours among them."""
        maxima, heights = self._maxima[which], self._heights[which]
        n = min(_NEIGHBOURS + 1, len(which))
        if n < 2:
            return np.full(len(which), np.inf)
        near = cKDTree(maxima).query(maxima, k=n)[1]
        itself = np.arange(len(which))[:, None]
        higher = (heights[near] > heights[:, None]) | ((heights[near] == heights[:, None]) & (near < itself))
        dips = np.full(near.shape, np.inf)
        one, other = np.nonzero(higher)[0], near[higher]
        dips[higher] = heights[one] - lowest_between(self._image, maxima[one], maxima[other])
        return dips.min(axis=1)

    def unclaimed(self) -> np.ndarray:
        """Return maxima that no column claims and that continue the lattice of the columns.

        A sublattice of light columns shows in many sites at once, each hardly above the noise. A single site must
        exceed the noise clearly.

        Returns
        -------
        ndarray of shape (m, 2)
            x, y in pixels.
        """
        none = np.empty((0, 2))
        if self.seen.sum() < FEWEST:
            return none
        own = self._owned
        others = np.ones(len(own), bool)
        # After the ripples are removed, the maxima that they hid are compared with their neighbours.
        for _ in range(2):
            which = np.flatnonzero(own | others)
            dips = np.zeros(len(own))
            dips[which] = self._dips(which)
            others = ~own & (dips > np.maximum(_LEVELS[0][0] * self._noise, self._flat))
        found = np.flatnonzero(others)
        if not len(found):
            return none
        columns = self._positions[self.seen]
        spacing = nearest_neighbour_distance(np.concatenate([columns, self._maxima[found]]))
        found = found[cKDTree(columns).query(self._maxima[found])[0] > LEAST_DISTANCE * spacing]
        # Whole pixels would repeat by themselves where maxima are a few pixels apart.
        sites = np.concatenate([columns, vertices(self._image, self._maxima[found])])
        order = order_of_sites(sites, spacing, by_others=True)[len(columns) :]
        noise = self._noise[found]
        for level, part in _LEVELS:
            clear = dips[found] > level * noise
            if (clear & (order > ORDERLY)).sum() <= part * len(columns):
                continue
            clear &= order > (_LEAST_ORDER if part > 0 else ORDERLY)
            return self._maxima[found[clear]]
        return none


# Simulated on a square lattice of Gaussians with a width of 0.27 of its constant, three seeds. Of pairs 0.6 of it apart, all
# of which share one maximum, 83 % are split at a noise of 1 % of a column, 79 % at 3 %, few at 5 %. Without pairs none is made.
# The constants: how much finer the scale for pairs is, the minimum fraction of the typical response, the maximum distance of
# the two columns from their common maximum, and the minimum dip of the response between them, relative to the noise.
_FINER = (1.3, 1.7)
_LEAST_RESPONSE = 0.3
_NEAR = 0.5
_DIP = 5.0
# Minimum fraction of columns that must be pairs: a single one is a defect or an asymmetric column.
_LEAST_PART = 0.01
# After the fit each of the two columns has at least this fraction of the typical amplitude.
_LEAST_AMPLITUDE = 0.4
# Pairs are a distance of the structure if a gap separates it from the other distances. Between some distance and this many
# times it, at most this number of columns, relative to the pairs, have their nearest neighbour.
_GAP = 1.15
_MOST_IN_GAP = 0.5


def with_pairs(fit: ColumnFit, space: ScaleSpace, scale: float) -> ColumnFit:
    """Split the columns that are pairs, all of them or none.

    In a structure with one short distance, for example between the vertices of a rhomb among squares and triangles, some
    pairs have two maxima and others one. If distances take all values, as between two twisted layers, pairs cannot be
    identified, and the columns remain unchanged.

    Parameters
    ----------
    fit : ColumnFit
    space : ScaleSpace
        Of the same image.
    scale : float
        Scale at which the columns were found, in pixels.

    Returns
    -------
    ColumnFit
        A new fit, or `fit` itself.
    """
    for factor in _FINER:
        split = _with_pairs_at(fit, space, scale / factor)
        if split is not fit:
            return split
    return fit


def _with_pairs_at(fit: ColumnFit, space: ScaleSpace, finer: float) -> ColumnFit:
    response = fit.sign * space.response(finer)
    peaks = maxima_by_height(response)
    heights = response[peaks[:, 1].astype(int), peaks[:, 0].astype(int)]
    strong = heights > _LEAST_RESPONSE * typical_height(heights)
    peaks, heights = peaks[strong], heights[strong]
    distance, owner = cKDTree(fit.parameters[:, 1:3]).query(peaks)
    near = np.flatnonzero(distance < _NEAR * fit.separation)
    # The two highest maxima of each column.
    near = near[np.lexsort((-heights[near], owner[near]))]
    first = np.flatnonzero(np.r_[True, np.diff(owner[near]) > 0])
    first = first[np.diff(np.r_[first, len(near)]) > 1]
    one, other = near[first], near[first + 1]
    dip = np.minimum(heights[one], heights[other]) - lowest_between(response, peaks[one], peaks[other])
    clear = dip > _DIP * space.noise_of_response(finer, white=True)
    one, other = one[clear], other[clear]
    n = len(fit.start)
    if len(one) < max(FEWEST_PAIRS, _LEAST_PART * n):
        return fit
    single = np.ones(n, bool)
    single[owner[one]] = False
    if not single.any():
        return fit  # there is nothing to measure the two by: the distance of all is another
    trial = fit.copy()
    trial.keep(single)
    n = len(trial.start)
    trial.extend(np.concatenate([peaks[one], peaks[other]]))
    trial.measure_amplitudes()
    trial.refine(passes=2, final=False)
    amplitude = trial.parameters[n:, 0].reshape(2, -1).min(axis=0)
    sound = amplitude > _LEAST_AMPLITUDE * np.median(trial.parameters[:n, 0])
    if sound.mean() < 0.9:
        return fit
    places = trial.parameters[:, 1:3]
    apart = np.hypot(*(places[n : n + len(one)] - places[n + len(one) :]).T)
    nearest = np.sort(cKDTree(places).query(places, k=2)[0][:, 1])
    # Windows from the typical distance of pairs to the typical distance of other columns.
    low = nearest[(nearest > np.median(apart)) & (nearest < np.median(nearest) / _GAP)]
    within = np.searchsorted(nearest, _GAP * low) - np.searchsorted(nearest, low, "right")
    return trial if len(low) and within.min() <= _MOST_IN_GAP * len(one) else fit


# In nearest-neighbour distances: the width of a column and of its surroundings, and the largest shift.
_COLUMN, _SURROUNDINGS, _REACH = 0.15, 0.5, 0.5
_SHIFTS = 200


@dataclass(frozen=True)
class ColumnCheck:
    """Result of :func:`columns_at`.

    Attributes
    ----------
    p_contrast : float
        p-value of the positions being no brighter than random places near them.
    p_shift : float
        Share of the common shifts, by up to half a nearest-neighbour distance, with which they are as bright or brighter.
    best_shift : (float, float)
        The shift x, y in pixels with which they are brightest.
    """

    p_contrast: float
    p_shift: float
    best_shift: tuple[float, float]

    @property
    def on_columns(self) -> bool:
        """Whether both tests show columns at the positions."""
        return self.p_contrast < STRICT_LEVEL and self.p_shift < REPORTED_LEVEL


def columns_at(image: np.ndarray, positions: np.ndarray, polarity: str = "bright") -> ColumnCheck:
    """Test whether positions lie on columns: the image there against the image at places nearby.

    Parameters
    ----------
    image : (rows, columns) array
    positions : (n, 2) array
        x, y in pixels, two or more.
    polarity : {"bright", "dark"}

    Returns
    -------
    ColumnCheck

    Notes
    -----
    The image is band-passed (a difference of Gaussians), so that slow background and vacuum play no part. One test asks whether
    the positions are brighter than places at random shifts from them (a paired t-test, level 0.001): positions with exchanged
    coordinates are not. The other asks whether a common shift makes them brighter (level 0.05): a lattice beside its
    columns is improved by many. Errors of single positions cancel.
    """
    points = np.asarray(positions, float)
    if len(points) > SAMPLE:
        points = points[np.linspace(0, len(points) - 1, SAMPLE).astype(int)]
    spacing = float(nearest_neighbour_distance(np.asarray(positions, float)))
    values = np.asarray(image, float) * (-1 if polarity == "dark" else 1)
    narrow = ndimage.gaussian_filter(values, max(_COLUMN * spacing, 0.5))
    band = narrow - ndimage.gaussian_filter(values, max(_SURROUNDINGS * spacing, 1.0))
    # Evenly distributed in a disc: a sunflower.
    k = np.arange(1, _SHIFTS + 1)
    radius, angle = _REACH * spacing * np.sqrt(k / _SHIFTS), k * np.pi * (3 - np.sqrt(5))
    shifts = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    here = _at(band, points)
    beside = np.array([_at(band, points + shift) for shift in shifts])
    difference = here - beside.mean(axis=0)
    spread = float(difference.std())
    if spread == 0:
        p_contrast = 0.0 if difference[0] > 0 else 1.0
    else:
        p_contrast = float(stats.ttest_1samp(difference, 0.0, alternative="greater").pvalue)
    means = beside.mean(axis=1)
    best = shifts[int(np.argmax(means))] if means.max() > here.mean() else np.zeros(2)
    return ColumnCheck(p_contrast, float((means >= here.mean()).mean()), (float(best[0]), float(best[1])))


def _at(band: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    return ndimage.map_coordinates(band, points[:, ::-1].T, order=1, mode="reflect")
