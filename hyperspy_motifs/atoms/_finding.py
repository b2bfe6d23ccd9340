"""Finding the columns of an image without being told anything about it."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from hyperspy_motifs.atoms._atomap import peaks_by_atomap
from hyperspy_motifs.atoms._atoms import Atoms
from hyperspy_motifs.atoms._estimation import ImageScales, estimate_scales
from hyperspy_motifs.atoms._neighbours import drop_close
from hyperspy_motifs.atoms._peaks import ScaleSpace
from hyperspy_motifs.atoms._refinement import ColumnFit, refine_atoms

_LEAST_DISTANCE = 0.45
_WEAKEST = 0.1
_FEWEST = 3
_FAINTEST = 0.15
_SIGNIFICANT = 4.0
_LOW_CERTAINTY = 0.3


def find_atoms(
    image: np.ndarray,
    *,
    separation: float | None = None,
    polarity: str = "auto",
    refine: bool | str = True,
    threshold: float | None = None,
) -> Atoms:
    """Columns of an atomic-resolution image.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
        Finite and real.
    separation : float, optional
        Typical nearest-neighbour distance in pixels; estimated by default.
    polarity : {"auto", "bright", "dark"}
    refine : bool or {"gaussian", "center_of_mass", "atomap"}
        True is ``"gaussian"``, see `refine_atoms`. False leaves the whole-pixel maxima.
    threshold : float, optional
        Weakest column over the typical one, by its response to the band-pass; by default 0.1, and above the
        noise.

    Returns
    -------
    Atoms

    Raises
    ------
    ValueError
        When the image is constant, an argument is out of range, or fewer than three columns are found.
    """
    data = _checked(image, separation, polarity, refine, threshold)
    scales = estimate_scales(data, polarity)
    if separation is not None:
        scales = ImageScales(
            separation, 1.0, scales.polarity, scales.polarity_certainty, 0.25 * separation, scales.contrast
        )
    _warn_when_unsure(scales)
    sign = 1.0 if scales.polarity == "bright" else -1.0
    peaks = _columns(data, scales, sign, _WEAKEST if threshold is None else threshold)
    if len(peaks) < _FEWEST:
        raise ValueError(
            f"only {len(peaks)} columns were found (estimated separation {scales.separation:.1f} pixels, "
            f"contrast {scales.contrast:.2f} of the standard deviation of the image); give separation= or "
            "polarity=, or a lower threshold="
        )
    method = {True: "gaussian", False: "none"}.get(refine, refine) if isinstance(refine, bool) else refine
    atoms = refine_atoms(
        data, peaks, polarity=scales.polarity, separation=scales.separation, method=str(method)
    )
    return replace(
        atoms,
        separation_certainty=scales.separation_certainty,
        polarity=scales.polarity,
        polarity_certainty=scales.polarity_certainty,
    )


def _columns(image, scales, sign, weakest):
    """Whole-pixel places of the columns: clear maxima, and faint ones that neighbours' tails do not explain."""
    response = sign * ScaleSpace(image, scales.scale).response(scales.scale)
    peaks = peaks_by_atomap(response)
    if not len(peaks):
        return peaks
    heights = response[peaks[:, 1].astype(int), peaks[:, 0].astype(int)]
    apart = drop_close(peaks, heights, _LEAST_DISTANCE * scales.separation)
    peaks, heights = peaks[apart], heights[apart]
    typical = np.median(heights[heights > 0.3 * np.percentile(heights, 95)])
    clear = heights > weakest * typical
    if clear.sum() < _FEWEST:
        return peaks[clear]
    width = _width(image, peaks[clear], scales.separation, sign)
    fit = ColumnFit(image, np.concatenate([peaks[clear], peaks[~clear]]), scales.separation, sign, width)
    significance = fit.measure_amplitudes(passes=6)
    amplitudes = fit.parameters[:, 0]
    n = int(clear.sum())
    keep = (significance > _SIGNIFICANT) & (amplitudes > _FAINTEST * np.median(amplitudes[:n]))
    keep[:n] = True
    return fit.start[keep]


def _width(image, peaks, separation, sign):
    """Common width of the clear columns, pixels."""
    fit = ColumnFit(image, peaks, separation, sign)
    fit.measure_amplitudes()
    fit.refine(passes=2)
    return 1.0 / np.sqrt(fit.common)


def _checked(image, separation, polarity, refine, threshold):
    data = np.asarray(image)
    if data.ndim != 2:
        raise ValueError(f"the image must have two dimensions, not {data.ndim}")
    if np.iscomplexobj(data):
        raise TypeError("the image is complex; give its modulus or its real part")
    data = data.astype(np.float64)
    if not np.isfinite(data).all():
        raise ValueError("the image holds NaN or infinite pixels; replace them first")
    if min(data.shape) < 16:
        raise ValueError(f"the image must be at least 16 pixels wide and high, not {data.shape}")
    if data.min() == data.max():
        raise ValueError(f"the image is constant (every pixel is {data.min():g}): there is nothing to find")
    if polarity not in ("auto", "bright", "dark"):
        raise ValueError(f"polarity must be 'auto', 'bright' or 'dark', not {polarity!r}")
    if refine not in (True, False, "gaussian", "center_of_mass", "atomap"):
        raise ValueError(
            f"refine must be True, False, 'gaussian', 'center_of_mass' or 'atomap', not {refine!r}"
        )
    if separation is not None:
        if not np.isfinite(separation) or separation < 2:
            raise ValueError(f"separation must be at least 2 pixels, not {separation:g}")
        if separation > min(data.shape) / 2:
            raise ValueError(
                f"separation is {separation:g} pixels, but the image of {data.shape[1]} x {data.shape[0]} pixels "
                "must hold at least three columns across"
            )
    if threshold is not None and not 0 <= threshold < 10:
        raise ValueError(
            f"threshold must be a positive part of the typical column's response, not {threshold!r}"
        )
    return data


def _warn_when_unsure(scales):
    if scales.separation_certainty < _LOW_CERTAINTY:
        warnings.warn(
            f"the separation of the columns, {scales.separation:.1f} pixels, is uncertain "
            f"({scales.separation_certainty:.2f} of 1); give separation= if it is wrong",
            UserWarning,
            stacklevel=3,
        )
    if scales.polarity_certainty < _LOW_CERTAINTY:
        warnings.warn(
            f"whether the columns are bright or dark is uncertain; {scales.polarity} is taken "
            f"({scales.polarity_certainty:.2f} of 1); give polarity= if it is wrong",
            UserWarning,
            stacklevel=3,
        )
