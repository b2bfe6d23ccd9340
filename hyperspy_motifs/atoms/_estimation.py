"""Estimation of separation, polarity and band-pass scale from the image alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hyperspy_motifs.atoms._scan import ScaleScan, scan_scales

# Scale, in separations, at which the skewness of the response shows the sharper features of an image.
_SKEWNESS_SCALE = 0.2
# Dark columns are the exception (annular bright field).
_BRIGHT_PRIOR = 0.3
# Ratio of band-pass scale to separation: a compromise between signal to noise (coarser) and resolution (finer).
_MATCHED_RATIO = 0.25
# Order, see `order_of_sites`: noise has less than this; and the minimum fraction of the highest order for another scale.
_GAS = 0.3
_ORDERED = 0.5
# Factor on the certainty if finer features respond almost as strongly.
_TWO_DISTANCES = 0.3


@dataclass(frozen=True)
class ImageScales:
    """Estimated separation (pixels), polarity, certainty of each (0 to 1), band-pass scale (pixels) and contrast.

    `contrast` is the ratio of the typical response of a column to the standard deviation of the image.
    """

    separation: float
    separation_certainty: float
    polarity: str
    polarity_certainty: float
    scale: float
    contrast: float


def estimate_scales(image: np.ndarray, polarity: str = "auto") -> ImageScales:
    """Estimate separation, polarity and scale of the columns of an image.

    Maxima and minima of Laplacians of Gaussians are counted at each scale. Between the scale of the noise and
    that of the lattice the same columns respond at every scale, so their number and their distances are constant.
    The finest such plateau of each polarity gives the separation. The polarity is that of the sharper features
    (sign of the third moment of the response), of those that appear at finer scales, and of those with the more
    regular arrangement.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    polarity : {"auto", "bright", "dark"}

    Returns
    -------
    ImageScales
    """
    bright, dark, skewness = scan_scales(image)
    top = max(bright.responses.max(), dark.responses.max())
    scans = {"bright": bright, "dark": dark}
    # Grains of correlated noise also respond at several scales, but without order: ordered features are preferred.
    least = 0.2 * top
    most = max((s.order_of(run) for s in scans.values() for run in s.plateaus(least)), default=0.0)
    order = _ORDERED * most if most > _GAS else 0.0
    runs = {name: scan.plateau(least, order) for name, scan in scans.items()}
    if polarity == "auto":
        vote = _polarity_vote(scans, runs, skewness)
        chosen, polarity_certainty = ("bright" if vote >= 0 else "dark"), float(np.tanh(abs(vote)))
    else:
        chosen, polarity_certainty = polarity, 1.0
    scan, run = scans[chosen], runs[chosen]
    if not len(run):
        # No scale at which the same features respond: the flattest scale is a guess and is reported as uncertain.
        slopes = np.where((scan.counts >= 3) & (scan.distances > 0), scan.slopes(), np.inf)
        k = int(np.argmin(slopes))
        distance = float(scan.distances[k]) if scan.distances[k] > 0 else 0.25 * min(image.shape)
        return ImageScales(
            distance, 0.0, chosen, polarity_certainty, 0.25 * distance, float(scan.responses[k])
        )
    separation = float(np.median(scan.distances[run]))
    scale = float(np.clip(_MATCHED_RATIO * separation, scan.scales[run[0]], scan.scales[run[-1]]))
    k = int(np.argmin(np.abs(scan.scales - scale)))
    steadiness = np.clip(1.0 - np.clip(scan.slopes()[run], 0, None).min(), 0, 1)
    regularity = np.clip(1.0 - scan.spreads[run].min() / 0.25, 0, 1)
    certainty = float(np.sqrt(steadiness * max(regularity, 0.05)) * min(1.0, 0.5 + len(run) / 6))
    if scan.finer_distance(run, least, order):
        certainty *= _TWO_DISTANCES
    return ImageScales(separation, certainty, chosen, polarity_certainty, scale, float(scan.responses[k]))


def _polarity_vote(scans: dict[str, ScaleScan], runs: dict[str, np.ndarray], skewness: np.ndarray) -> float:
    """Return a positive number for bright columns, a negative one for dark columns."""
    if not len(runs["bright"]) and not len(runs["dark"]):
        return 0.0
    scales = scans["bright"].scales
    separation = min(float(np.median(scans[p].distances[runs[p]])) for p in runs if len(runs[p]))
    skew = float(np.interp(_SKEWNESS_SCALE * separation, scales, skewness))
    vote = _BRIGHT_PRIOR + float(np.tanh(skew / 0.2))
    if len(runs["bright"]) and len(runs["dark"]):
        onset = {p: np.log2(scales[runs[p][0]]) for p in runs}
        spread = {p: scans[p].spreads[runs[p]].min() for p in runs}
        vote += float(np.clip(onset["dark"] - onset["bright"], -1, 1))
        vote += float(np.clip(5 * (spread["dark"] - spread["bright"]), -0.6, 0.6))
    else:
        vote += 0.5 if len(runs["bright"]) else -0.5
    return vote


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
