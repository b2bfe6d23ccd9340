"""Maxima and minima of an image as a function of scale; they give separation and polarity."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from ._order import order_of_sites
from ._peaks import ScaleSpace, local_maxima, typical_height, vertices
from ._windows import tiles

_STEPS_PER_OCTAVE = 4
_FINEST = 0.8
#: Minimum response of a peak relative to the typical one: well below a single vacancy beside full
#: columns, above the ripples of a band-limited image.
WEAKEST = 0.1
# Noise: the number of peaks falls as s^-2 (their mean distance is a multiple of the scale). Columns: it is constant.
_STEADY_SLOPE = 1.2
# Between neighbouring scales the distance of the same features is constant within this tolerance (log).
_JUMP = 0.2
_COARSEST_RATIO = 0.42
#: Minimum response of a plateau relative to the strongest.
LEAST_RESPONSE = 0.2
_FEWEST_PEAKS = 6
#: Smallest distance of two columns in separations: closer maxima belong to one.
LEAST_DISTANCE = 0.45
_SAMPLE = 1000
# Number of peaks, from one region of a window, whose order is measured: that of noise is then below 0.15.
_ORDER_SAMPLE = 1500
# Lower maxima, relative to the standard deviation of the image, are rounding errors of single precision.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class ScaleScan:
    """Statistics of the peaks of one polarity at each scale.

    Attributes
    ----------
    scales : ndarray of shape (k,)
        Pixels.
    counts, distances, spreads, responses : ndarray of shape (k,)
        Number of peaks, median nearest-neighbour distance in pixels, its relative mean absolute deviation, and
        the ratio of the typical peak response to the standard deviation of the image.
    samples : tuple of k lists of ndarray of shape (m, 2)
        Peaks of a region of each window, with sub-pixel positions.
    """

    scales: np.ndarray
    counts: np.ndarray
    distances: np.ndarray
    spreads: np.ndarray
    responses: np.ndarray
    samples: tuple[list[np.ndarray], ...] = field(default=(), repr=False)
    _orders: dict[int, float] = field(default_factory=dict, repr=False)

    def slopes(self) -> np.ndarray:
        """``-d ln(count) / d ln(scale)``: 2 for noise, 0 if the same columns respond at each scale."""
        return -np.gradient(np.log(np.maximum(self.counts, 1)), np.log(self.scales))

    def plateaus(self, least_response: float) -> list[np.ndarray]:
        """Return the indices of the runs of scales at which the same features respond, the finest first."""
        good = (
            (self.slopes() < _STEADY_SLOPE)
            & (self.counts >= _FEWEST_PEAKS)
            & (self.scales < _COARSEST_RATIO * self.distances)
            & (self.responses > least_response)
        )
        # Features with a suddenly larger distance are other features: pairs that have merged.
        jump = np.abs(np.diff(np.log(np.maximum(self.distances, 1e-9)))) > _JUMP
        runs = np.split(
            np.arange(len(good)), np.flatnonzero(np.diff(good.astype(int)).astype(bool) | jump) + 1
        )
        return [run for run in runs if good[run[0]]]

    def order_of(self, run: np.ndarray) -> float:
        """Return the highest order of the peaks (see `order_of_sites`) in `run`: 0 in noise, 1 in a perfect crystal."""
        if not self.samples:
            return 0.0
        return max(self._order(k) for k in run)

    def _order(self, k):
        if k not in self._orders:
            windows = [p for p in self.samples[k] if len(p) >= _FEWEST_PEAKS]
            order = (
                [order_of_sites(p, self.distances[k], by_others=True) for p in windows]
                if self.distances[k] > 0
                else []
            )
            self._orders[k] = float(np.concatenate(order).mean()) if order else 0.0
        return self._orders[k]


def _some_of(positions, response, sign):
    """Return peaks of the middle of a response, enough to measure their order, with sub-pixel positions from parabolas."""
    height, width = response.shape
    part = 0.5 * min(1.0, np.sqrt(_ORDER_SAMPLE / max(len(positions), 1)))
    away = np.abs(positions - np.array([width - 1, height - 1]) / 2)
    some = positions[(away <= part * np.array([width, height])).all(axis=1)]
    return vertices(response, some, sign)


def scan_scales(image: np.ndarray) -> tuple[ScaleScan, ScaleScan]:
    """Compute peak statistics as a function of scale.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)

    Returns
    -------
    bright, dark : ScaleScan
        Statistics of the maxima and of the minima.
    """
    windows = tiles(image.shape)
    shortest = min(min(w.stop - w.start for w in window) for window in windows)
    largest = min(0.1 * shortest, 24.0)
    n_scales = max(3, int(np.floor(_STEPS_PER_OCTAVE * np.log2(largest / _FINEST))) + 1)
    scales = _FINEST * 2 ** (np.arange(n_scales) / _STEPS_PER_OCTAVE)
    table = np.zeros((2, n_scales, 4))
    samples: tuple[list[list[np.ndarray]], ...] = ([[] for _ in scales], [[] for _ in scales])
    for window in windows:
        part = image[window]
        deviation = float(part.std())
        if deviation == 0:
            continue
        # A mirrored margin of a few of the middle scales is sufficient: counts hardly depend on it.
        space = ScaleSpace(part, largest / 3)
        for k, scale in enumerate(scales):
            response = space.response(scale)
            for c, sign in enumerate((1, -1)):
                positions, heights = local_maxima(response, sign, _ROUNDING * deviation)
                if len(heights) < 3:
                    continue
                typical = typical_height(heights)
                positions = positions[heights > WEAKEST * typical]
                if len(positions) < 3:
                    continue
                # A sample of the peaks is sufficient for their distances.
                some = positions[:: max(1, len(positions) // _SAMPLE)]
                distance = cKDTree(positions).query(some, k=2)[0][:, 1]
                middle = np.median(distance)
                samples[c][k].append(_some_of(positions, response, sign))
                n = len(positions)
                table[c, k] += n * np.array(
                    [1, middle, np.abs(distance - middle).mean() / middle, typical / deviation]
                )
    counts = table[:, :, 0]
    means = table[:, :, 1:] / np.maximum(counts, 1)[:, :, None]
    bright, dark = (
        ScaleScan(scales, counts[c], means[c, :, 0], means[c, :, 1], means[c, :, 2], tuple(samples[c]))
        for c in range(2)
    )
    return bright, dark
