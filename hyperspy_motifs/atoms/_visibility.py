"""Assignment of columns and maxima of the image: columns without their own maximum, and maxima without a column."""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.spatial import cKDTree
from scipy.stats import false_discovery_control, norm

from ._neighbours import nearest_neighbour_distance
from ._order import order_of_sites
from ._peaks import local_maxima, vertices
from ._scan import LEAST_DISTANCE
from hyperspy_motifs.compilation import OUTER
from hyperspy_motifs.threads import over_rows

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
# Median dip of a sublattice relative to the required dip: below this, most of its sites are below that limit.
_WHOLE = 1.7
# Order (see `order_of_sites`) of sites that belong to the lattice, and of those added beside a sublattice of such.
_ORDERLY = 0.7
_LEAST_ORDER = 0.5
_FEWEST = 3
# False discovery rate of faint columns, about the probability that noise exceeds the least level: where nearly all of them have
# a maximum, the rate changes nothing.
_FALSE = 0.2


@njit(cache=True, **OUTER)
def _lowest_on_lines(first, last, image, starts, ends, out):
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
        if self.seen.sum() < _FEWEST:
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
            if (clear & (order > _ORDERLY)).sum() <= part * len(columns):
                continue
            clear &= order > (_LEAST_ORDER if part > 0 else _ORDERLY)
            if level == _LEVELS[0][0] and np.median(dips[found[clear]] - _WHOLE * level * noise[clear]) < 0:
                break
            return self._maxima[found[clear]]
        return none
