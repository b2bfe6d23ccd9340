"""Estimation of separation, polarity and band-pass scale from the image alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from ._band_limit import band_limit
from ._column_fit import TAKEN_UP, ColumnFit
from ._neighbours import drop_close
from ._noise_spectrum import MISFIT, NoiseSpectrum
from ._peaks import ScaleSpace, local_maxima, typical_height, vertices
from ._scan import LEAST_DISTANCE, LEAST_RESPONSE, WEAKEST, scan_scales
from ._windows import AMPLE, block_means, central

# Ratio of band-pass scale to separation: a compromise between signal to noise (coarser) and resolution (finer).
_MATCHED_RATIO = 0.25
# Order, see `order_of_sites`: peaks of noise in a sample have less than this.
_GAS = 0.2
# Side of the window on which hypotheses are compared: at least so many pixels, and multiples of the finest separation.
_SIDE = 128
_ACROSS = 24
# Probability that noise alone exceeds the limit at any frequency.
_LEVEL = 0.01
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
    ordered = [(name, run) for name, run in plateaus if scans[name].order_of(run) > _GAS]
    if not any(name in wanted for name, _ in ordered):
        # Noise is as bright as it is dark: without order, columns show in that only.
        ordered, plateaus = [], [(name, run) for _, run in plateaus for name in scans]
    hypotheses = [_hypothesis(scans[name], name, run) for name, run in ordered or plateaus]
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
    least = min(of_polarity[name] for name in wanted)
    chosen = min(name for name in wanted if 1 - least / of_polarity[name] < LOW_CERTAINTY)
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


def _best_last(hypotheses, found):
    """Return pairs of hypotheses and what was found of each, that with the smallest R factor last."""
    return sorted(zip(hypotheses, found, strict=True), key=lambda pair: pair[1], reverse=True)


def _hypothesis(scan, polarity, run):
    separation = float(np.median(scan.distances[run]))
    scale = float(np.clip(_MATCHED_RATIO * separation, scan.scales[run[0]], scan.scales[run[-1]]))
    return _Hypothesis(polarity, run, separation, scale)


def _r_factors(image, hypotheses, limit):
    """Return the R factor of each hypothesis, what its columns leave of the structure of the image (0 to about 1); its
    geometric mean with that of the fine structure; and the smoothing of what is left in pixels.

    Columns of either polarity take up slow structure, whichever the specimen has. Fine structure is what even the more widely
    spaced columns of the best of each polarity cannot take up. Without any, as with one order of reflections, the mean is 1.

    The noise is the least that any hypothesis leaves at a frequency. Structure exceeds it everywhere with probability
    `_LEVEL` only if there is none.
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
    structure = whole > np.maximum(noise, _EXACT * whole.max()) * np.log(whole.size / _LEVEL)
    structure &= np.hypot(y[:, None], x) > _SLOW / min(part.shape)

    def left_of(part):
        total = np.sqrt(whole[part]).sum()
        left_over = [float(np.sqrt(power[part]).sum() / total) if total else 1.0 for power in left]
        return np.maximum(left_over, _EXACT)

    factors = left_of(structure).tolist()
    widest = max({h.polarity: h.separation for h, _ in _best_last(hypotheses, factors)}.values())
    fine = structure & (np.hypot(y[:, None], x) > TAKEN_UP * step / widest)
    means = np.sqrt(factors * left_of(fine)) if fine.any() else np.ones(len(factors))
    return list(zip(factors, means.tolist(), smoothing, strict=True))


def _power(part):
    taper = [np.hanning(n + 2)[1:-1] for n in part.shape]
    return np.abs(fft.rfft2(part * taper[0][:, None] * taper[1])) ** 2 / (
        np.sum(taper[0] ** 2) * np.sum(taper[1] ** 2)
    )


def _residual(part, h, step, limit):
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
