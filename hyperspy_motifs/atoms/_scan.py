"""How the maxima and minima of an image behave over scales: separation and polarity are read from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs.atoms._peaks import ScaleSpace, local_maxima, third_moment

_TILE = 512
_STEPS_PER_OCTAVE = 4
_FINEST = 0.8
#: A peak counts from this part of the typical peak's response on: well below a single vacancy beside full
#: columns, above the ripples of a band-limited image.
_WEAKEST = 0.1
# Noise: the number of peaks falls as s^-2 (their mean distance is a multiple of the scale). Columns: it stays.
_STEADY_SLOPE = 1.2
# Light columns that noise drowns between two scales: they fade faster than columns, slower than noise (2).
_FADING_SLOPE = 1.7
# Maxima of noise are 2.7 to 3 scales apart; what keeps its distance is further apart than this, to within so much (log).
_NOISE_DISTANCE = 4.0
_SAME = 0.1
_FINER = 1.2
# Between neighbouring scales the same features keep their distance to within this (log).
_JUMP = 0.2
_COARSEST_RATIO = 0.42
_LEAST_RESPONSE = 0.2
_FEWEST_PEAKS = 6
_SAMPLE = 1000


@dataclass(frozen=True)
class ScaleScan:
    """Statistics of the peaks of one polarity at each scale.

    Attributes
    ----------
    scales : ndarray of shape (k,)
        Pixels.
    counts, distances, spreads, responses : ndarray of shape (k,)
        Number of peaks, median nearest-neighbour distance in pixels, its mean absolute deviation over
        itself, and the typical peak response over the standard deviation of the image.
    """

    scales: np.ndarray
    counts: np.ndarray
    distances: np.ndarray
    spreads: np.ndarray
    responses: np.ndarray

    def slopes(self) -> np.ndarray:
        """``-d ln(count) / d ln(scale)``: 2 for noise, 0 while the same columns answer at each scale."""
        return -np.gradient(np.log(np.maximum(self.counts, 1)), np.log(self.scales))

    def finer_distance(self, run: np.ndarray, least_response: float) -> float:
        """Distance of features finer than those of `run` that answer at two scales or more, if only just; 0 for none.

        Light columns beside heavy ones at low dose are such: they fade as the scale grows, yet slower than maxima of noise, and
        keep their distance, which that of noise, a multiple of the scale, does not.
        """
        fine = np.arange(max(run[0] - 1, 0))
        next_to = self.distances[fine + 1] / np.maximum(self.distances[fine], 1e-9)
        slopes = self.slopes()
        like = (
            (np.minimum(slopes[fine], slopes[fine + 1]) < _STEADY_SLOPE)
            & (np.maximum(slopes[fine], slopes[fine + 1]) < _FADING_SLOPE)
            & (self.counts[fine + 1] >= _FEWEST_PEAKS)
            & (self.responses[fine] > least_response)
            & (self.distances[fine] > _NOISE_DISTANCE * self.scales[fine])
            & (np.abs(np.log(next_to)) < _SAME)
            & (self.distances[fine + 1] < self.distances[run].min() / _FINER)
        )
        return float(self.distances[fine[like][-1]]) if like.any() else 0.0

    def plateau(self, least_response: float) -> np.ndarray:
        """Indices of the finest run of scales at which the same features answer; may be empty."""
        good = (
            (self.slopes() < _STEADY_SLOPE)
            & (self.counts >= _FEWEST_PEAKS)
            & (self.scales < _COARSEST_RATIO * self.distances)
            & (self.responses > least_response)
        )
        # Features that are suddenly much further apart are others: pairs that have merged.
        jump = np.abs(np.diff(np.log(np.maximum(self.distances, 1e-9)))) > _JUMP
        runs = np.split(
            np.arange(len(good)), np.flatnonzero(np.diff(good.astype(int)).astype(bool) | jump) + 1
        )
        runs = [run for run in runs if good[run[0]]]
        if not runs:
            return np.empty(0, int)
        longest = max(len(run) for run in runs)
        return next(run for run in runs if len(run) >= min(2, longest))


def tiles(shape: tuple[int, int], size: int = _TILE) -> list[tuple[slice, slice]]:
    """At most four windows of an image that together stand for all of it."""
    starts = []
    for length in shape:
        if length <= size * 1.25:
            starts.append([(0, length)])
        else:
            first = min(length // 4, (length - size) // 4)
            last = length - size - first
            starts.append([(first, first + size), (last, last + size)])
    return [(slice(*rows), slice(*columns)) for rows in starts[0] for columns in starts[1]]


def scan_scales(image: np.ndarray) -> tuple[ScaleScan, ScaleScan, np.ndarray]:
    """Peak statistics over scales.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)

    Returns
    -------
    bright, dark : ScaleScan
        Of the maxima and of the minima.
    skewness : ndarray of shape (k,)
        Third standardised moment of the response at each scale.
    """
    windows = tiles(image.shape)
    shortest = min(min(w.stop - w.start for w in window) for window in windows)
    largest = min(0.1 * shortest, 24.0)
    n_scales = max(3, int(np.floor(_STEPS_PER_OCTAVE * np.log2(largest / _FINEST))) + 1)
    scales = _FINEST * 2 ** (np.arange(n_scales) / _STEPS_PER_OCTAVE)
    table = np.zeros((2, n_scales, 4))
    skewness = np.zeros(n_scales)
    total = np.zeros((2, n_scales))
    for window in windows:
        part = image[window]
        deviation = float(part.std())
        if deviation == 0:
            continue
        # A mirrored rim of a few of the middle scales does: counts hardly depend on what happens there.
        space = ScaleSpace(part, largest / 3)
        for k, scale in enumerate(scales):
            response = space.response(scale)
            skewness[k] += third_moment(response)
            for c, sign in enumerate((1, -1)):
                positions, heights = local_maxima(response, sign)
                if len(heights) < 3:
                    continue
                typical = np.median(heights[heights > 0.3 * np.percentile(heights, 95)])
                positions = positions[heights > _WEAKEST * typical]
                if len(positions) < 3:
                    continue
                # A sample of the peaks tells how far apart they are.
                some = positions[:: max(1, len(positions) // _SAMPLE)]
                distance = cKDTree(positions).query(some, k=2)[0][:, 1]
                middle = np.median(distance)
                n = len(positions)
                table[c, k] += n * np.array(
                    [1, middle, np.abs(distance - middle).mean() / middle, typical / deviation]
                )
                total[c, k] += n
    counts = table[:, :, 0]
    means = table[:, :, 1:] / np.maximum(counts, 1)[:, :, None]
    bright, dark = (ScaleScan(scales, counts[c], *means[c].T) for c in range(2))
    return bright, dark, skewness / len(windows)
