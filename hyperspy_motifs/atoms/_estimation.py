"""Estimation of separation, polarity and band-pass scale from the maxima and minima of the image at each scale; its noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial import cKDTree

from hyperspy_motifs.common import LEVEL, SMALL_SAMPLE

from ._atoms import REACH, drop_close, nearest_neighbour_distance, order_of_sites
from ._noise_spectrum import AMPLE, MISFIT, NoiseSpectrum, band_limit, block_means, central, near_tiles, tiles
from ._peaks import ScaleSpace, local_maxima, typical_height, vertices
from ._refinement import TAKEN_UP, ColumnFit

# Scales of the search for columns: steps in a factor of two, and the finest in pixels: below it a Gaussian is not sampled.
_STEPS_PER_OCTAVE, _FINEST = 4, 0.8
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
        return max(self._order(int(k)) for k in run)

    def _order(self, k: int) -> float:
        if k not in self._orders:
            windows = [p for p in self.samples[k] if len(p) >= _FEWEST_PEAKS]
            order = (
                [order_of_sites(p, self.distances[k], by_others=True) for p in windows]
                if self.distances[k] > 0
                else []
            )
            self._orders[k] = float(np.concatenate(order).mean()) if order else 0.0
        return self._orders[k]


def _some_of(positions: np.ndarray, response: np.ndarray, sign: float) -> np.ndarray:
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
                some = positions[:: max(1, len(positions) // SMALL_SAMPLE)]
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


# Ratio of band-pass scale to separation: a compromise between signal to noise (coarser) and resolution (finer).
_MATCHED_RATIO = 0.25
#: Order, see `order_of_sites`: peaks of noise in a sample have less than this.
GAS = 0.2
# Side of the window on which hypotheses are compared: at least so many pixels, and multiples of the finest separation.
_SIDE = 128
_ACROSS = 24
# Relative power below which differences are rounding errors of single precision.
_EXACT = 1e-9
# Periods of the window below which frequencies belong to the background.
_SLOW = 3
# R factors of one polarity, relative to the smallest, that are as good. 1.1 and 1.2 fail in as many cases of
# benchmarks/bench_finding.py.
_AS_GOOD = 1.1
# Certainty below which two polarities are alike, and a warning is given. With 0.1 to 0.4 all ten images of graphene and of dark
# columns in benchmarks/bench_finding.py are right.
LOW_CERTAINTY = 0.25


@dataclass(frozen=True)
class ImageScales:
    """Estimated separation (pixels), polarity, certainty of each (0 to 1), band-pass scale (pixels) and contrast.

    `contrast` is the ratio of the typical response of a column to the standard deviation of the image. `smoothing` is the
    standard deviation (pixels) of the Gaussian with which the noise was smoothed; 0 if it was not, or is too weak to tell.
    `band_limit` is the frequency (cycles a pixel) above which the image has none; infinite if its spectrum has no sharp end.
    """

    separation: float
    separation_certainty: float
    polarity: str
    polarity_certainty: float
    scale: float
    contrast: float
    smoothing: float = 0.0
    band_limit: float = np.inf


@dataclass(frozen=True, eq=False)
class _Hypothesis:
    """Columns of one polarity that respond at a run of scales."""

    polarity: str
    run: np.ndarray
    separation: float
    scale: float


def estimate_scales(image: np.ndarray, polarity: str = "auto") -> ImageScales:
    """Estimate separation, polarity and scale of the columns of an image.

    Maxima and minima of Laplacians of Gaussians are counted at each scale. Between the scale of the noise and
    that of the lattice the same columns respond at every scale, so their number and their distances are constant.
    Each such plateau whose peaks are ordered is a hypothesis. Gaussian columns at its peaks are fitted to a window, and
    the hypothesis with the smallest R factor is chosen: the sum of the amplitudes of the residual over that of the
    image, at the frequencies where the image exceeds the noise. Heavy columns alone leave the reflections of the
    light ones, the gaps between columns leave those of the sharper columns, and grain leaves nearly all.
    The polarity is the one with the smaller R factor of all structure and of the fine structure, beyond the frequencies that
    columns of either polarity take up (geometric mean), and as certain as its mean is below that of the other polarity.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    polarity : {"auto", "bright", "dark"}

    Returns
    -------
    ImageScales
    """
    scans = dict(zip(("bright", "dark"), scan_scales(image), strict=True))
    limit = band_limit(image)
    wanted = list(scans) if polarity == "auto" else [polarity]
    least = LEAST_RESPONSE * max(scan.responses.max() for scan in scans.values())
    plateaus = [(name, run) for name in scans for run in scans[name].plateaus(least)]
    ordered = [(name, run) for name, run in plateaus if scans[name].order_of(run) > GAS]
    if not any(name in wanted for name, _ in ordered):
        # Noise is as bright as it is dark: without order, columns show in that only.
        ordered, plateaus = [], [(name, run) for _, run in plateaus for name in scans]
    hypotheses = [_hypothesis(scans[name], name, run) for name, run in ordered or plateaus]
    # At the scales of the other polarity a small image may have too few peaks for a distance.
    hypotheses = [h for h in hypotheses if h.separation > 0]
    if not hypotheses:
        # No scale at which the same features respond: the flattest scale is a guess and is reported as uncertain.
        scan = scans[wanted[0]]
        slopes = np.where((scan.counts >= 3) & (scan.distances > 0), scan.slopes(), np.inf)
        k = int(np.argmin(slopes))
        distance = float(scan.distances[k]) if scan.distances[k] > 0 else 0.25 * min(image.shape)
        known = float(polarity != "auto")
        response = float(scan.responses[k])
        return ImageScales(distance, 0.0, wanted[0], known, 0.25 * distance, response, band_limit=limit)
    found = _r_factors(image, hypotheses, limit)
    of_polarity = dict.fromkeys(scans, 1.0)
    of_polarity |= {h.polarity: mean for h, (_, mean, _) in _best_last(hypotheses, found)}
    # Bright columns are the rule: they need not explain more than dark ones.
    possible = [name for name in wanted if any(h.polarity == name for h in hypotheses)]
    least = min(of_polarity[name] for name in possible)
    chosen = min(name for name in possible if 1 - least / of_polarity[name] < LOW_CERTAINTY)
    mine = {h: factor for h, (factor, _, _) in zip(hypotheses, found, strict=True) if h.polarity == chosen}
    # Of what explains as much, the columns are what responds at most scales: ripples of a cut-off do at few.
    best = max((h for h, f in mine.items() if f < _AS_GOOD * min(mine.values())), key=lambda h: len(h.run))
    factor = min(mine.values())
    other = max(mean for name, mean in of_polarity.items() if name != chosen)
    brighter = max(1 - of_polarity[chosen] / other, 0.0)
    certainty = max(1 - factor, 0.0) if ordered else min(brighter, 1 - factor)
    scan = scans[best.polarity]
    response = float(scan.responses[np.argmin(np.abs(scan.scales - best.scale))])
    known = brighter if polarity == "auto" else 1.0
    smoothing = found[hypotheses.index(best)][2]
    return ImageScales(
        best.separation, certainty, best.polarity, known, best.scale, response, smoothing, limit
    )


_Found = TypeVar("_Found", float, tuple[float, float, float])


def _best_last(hypotheses: list[_Hypothesis], found: list[_Found]) -> list[tuple[_Hypothesis, _Found]]:
    """Return pairs of hypotheses and what was found of each, that with the smallest R factor last."""
    return sorted(zip(hypotheses, found, strict=True), key=lambda pair: pair[1], reverse=True)


def _hypothesis(scan: ScaleScan, polarity: str, run: np.ndarray) -> _Hypothesis:
    separation = float(np.median(scan.distances[run]))
    scale = float(np.clip(_MATCHED_RATIO * separation, scan.scales[run[0]], scan.scales[run[-1]]))
    return _Hypothesis(polarity, run, separation, scale)


def _r_factors(
    image: np.ndarray, hypotheses: list[_Hypothesis], limit: float
) -> list[tuple[float, float, float]]:
    """Return the R factor of each hypothesis, what its columns leave of the structure of the image (0 to about 1); its
    geometric mean with that of the fine structure; and the smoothing of what is left in pixels.

    Columns of either polarity take up slow structure, whichever the specimen has. Fine structure is what even the more widely
    spaced columns of the best of each polarity cannot take up. Without any, as with one order of reflections, the mean is 1.

    The noise is the least that any hypothesis leaves at a frequency. Structure exceeds it everywhere with probability
    `LEVEL` only if there is none.
    """
    finest = min(h.separation for h in hypotheses)
    part = central(image, int(max(_SIDE, _ACROSS * finest)))
    step = max(1, int(finest / AMPLE))
    part = block_means(part, step)
    part = part - part.mean()
    y, x = fft.fftfreq(part.shape[0]), fft.rfftfreq(part.shape[1])
    whole = _power(part)
    left, noise, smoothing, limit = [], np.inf, [], step * limit
    for h in hypotheses:
        residual = _residual(part, h, step, limit)
        left.append(_power(residual))
        spectrum = NoiseSpectrum.of_windows([residual])
        noise = np.minimum(noise, spectrum.at(y, x))
        # In means over blocks, and below a band limit, it does not show.
        seen = step == 1 and not np.isfinite(limit) and spectrum.variance > MISFIT**2 * part.var()
        smoothing.append(spectrum.smoothing(TAKEN_UP / h.separation) if seen else 0.0)
    structure = whole > np.maximum(noise, _EXACT * whole.max()) * np.log(whole.size / LEVEL)
    structure &= np.hypot(y[:, None], x) > _SLOW / min(part.shape)

    def left_of(part: NDArray[np.bool_]) -> NDArray[np.float64]:
        total = np.sqrt(whole[part]).sum()
        left_over = [float(np.sqrt(power[part]).sum() / total) if total else 1.0 for power in left]
        return np.maximum(left_over, _EXACT)

    factors = left_of(structure).tolist()
    widest = max({h.polarity: h.separation for h, _ in _best_last(hypotheses, factors)}.values())
    fine = structure & (np.hypot(y[:, None], x) > TAKEN_UP * step / widest)
    means = np.sqrt(factors * left_of(fine)) if fine.any() else np.ones(len(factors))
    return list(zip(factors, means.tolist(), smoothing, strict=True))


def _power(part: np.ndarray) -> NDArray[np.float64]:
    taper = [np.hanning(n + 2)[1:-1] for n in part.shape]
    return np.abs(fft.rfft2(part * taper[0][:, None] * taper[1])) ** 2 / (
        np.sum(taper[0] ** 2) * np.sum(taper[1] ** 2)
    )


def _residual(part: np.ndarray, h: _Hypothesis, step: int, limit: float) -> np.ndarray:
    """Return what columns at the peaks of a hypothesis leave of a window of block means."""
    sign = 1.0 if h.polarity == "bright" else -1.0
    separation, scale = h.separation / step, h.scale / step
    response = sign * ScaleSpace(part, scale).response(scale)
    peaks, heights = local_maxima(response)
    apart = drop_close(peaks, heights, LEAST_DISTANCE * separation)
    peaks, heights = peaks[apart], heights[apart]
    if len(peaks) < 3:
        return part
    peaks = peaks[heights > WEAKEST * typical_height(heights)]
    fit = ColumnFit(part, vertices(response, peaks), separation, sign)
    fit.measure_amplitudes()
    fit.refine(passes=2, final=False)
    if np.isfinite(limit):
        fit.extrapolate(limit)
    return fit.residual() * sign


def estimate_separation(image: np.ndarray, polarity: str = "auto") -> tuple[float, float]:
    """Estimate the typical nearest-neighbour distance of the columns in pixels, and its certainty (0 to 1).

    See `estimate_scales` for the method.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    polarity : {"auto", "bright", "dark"}

    Returns
    -------
    separation, certainty : float
    """
    scales = estimate_scales(image, polarity)
    return scales.separation, scales.separation_certainty


def estimate_polarity(image: np.ndarray) -> tuple[str, float]:
    """Estimate whether columns are ``"bright"`` or ``"dark"``, and the certainty of this (0 to 1).

    See `estimate_scales` for the method.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)

    Returns
    -------
    polarity : {"bright", "dark"}
    certainty : float
    """
    scales = estimate_scales(image)
    return scales.polarity, scales.polarity_certainty


def measure_noise(image: np.ndarray, positions: np.ndarray) -> NoiseSpectrum:
    """Measure the noise spectrum of an image in the residual of a fit of its columns.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
        Finite and real.
    positions : ndarray of shape (n, 2)
        x, y of the columns in pixels.

    Returns
    -------
    NoiseSpectrum
    """
    fit = ColumnFit(image, positions, nearest_neighbour_distance(positions), 1.0)
    # The others do not reach into the windows in which the spectrum is measured.
    fit.keep(near_tiles(positions, image.shape, REACH * fit.separation))
    if not len(fit.start):
        return fit.measure_noise()
    fit.measure_amplitudes()
    # The amplitude of dark columns is negative, which a fit of bright columns would treat as a failure.
    if np.median(fit.parameters[:, 0]) < 0:
        fit = ColumnFit(image, fit.start, fit.separation, -1.0)
        fit.measure_amplitudes()
    fit.refine(passes=2, final=False)
    return fit.measure_noise()
