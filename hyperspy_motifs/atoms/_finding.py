"""Detection of the columns of an image without prior knowledge."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.stats import ks_2samp

from hyperspy_motifs.common import SMALLEST_IMAGE

from ._atoms import FEWEST, Atoms, drop_close, in_crystal, nearest_neighbour_distance, order_of_sites
from ._estimation import GAS, LEAST_DISTANCE, LOW_CERTAINTY, WEAKEST, ImageScales, estimate_scales
from ._noise_spectrum import AMPLE, TILE, block_means
from ._peaks import ScaleSpace, maxima_by_height, peaks_by_atomap, typical_height
from ._refinement import ColumnFit, refine_atoms
from ._visibility import VisibleMaxima, with_pairs

# Height of the faintest column relative to the typical one, and its significance in standard deviations: noise exceeds four
# once in thirty thousand places.
_FAINTEST, _SIGNIFICANT = 0.15, 4.0
# Lowest variance of the noise relative to the mean over the image: a line through few bright pixels may fall below zero.
_LEAST_VARIANCE = 0.05
# Fraction of the requirement on a faint column that it must reach before its neighbours are measured with it.
_SCREEN = 0.5
# Sites that were all missed, accepted together: how much finer the scale is, the significance of each, their minimum
# number relative to the columns found, and the fraction of them that must lie equally far from those columns.
_FINER = 1.6
_BESIDE = 0.25
_MANY_MISPLACED = 0.1
_RESCALED = 2.0
_SIGNIFICANT_TOGETHER = 2.0
_LEAST_TOGETHER = 0.25
_LEAST_AGREEING = 0.85
_SAME_DISTANCE = 0.15
# Fraction of fits that may fail before a warning is given, or before sites added together are rejected.
_MANY_FAILED = 0.25
# Maxima of white noise are closer, in pixels, at the finest scale: 2.9 in counts of 1.5 electrons per pixel.
_FINEST_SAMPLING = 3.5
# Difference of the distributions of maxima and minima (see `_is_texture`): simulated amorphous films have 0.04 to 0.17, images
# of silica and of amorphous carbon with measured positions 0.6 to 0.8. This is midway; rows of benchmarks/bench_finding.py.
_ASYMMETRIC = 0.4
# A maximum closer to the border than this fraction of a separation may be the flank of a column beyond it.
_RIM = 0.5


def find_atoms(
    image: np.ndarray,
    *,
    separation: float | None = None,
    polarity: str = "auto",
    refine: bool | str = True,
    threshold: float | None = None,
    mask: np.ndarray | None = None,
) -> Atoms:
    """Find the columns of an atomic-resolution image.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
        Finite and real.
    separation : float, optional
        Typical nearest-neighbour distance in pixels; estimated by default.
    polarity : {"auto", "bright", "dark"}
    refine : bool or {"gaussian", "center_of_mass", "atomap"}
        True means ``"gaussian"``, see `refine_atoms`. False keeps the maxima unchanged.
    threshold : float, optional
        Minimum response of a column to the band-pass, relative to the typical response. With the default, 0.1 is
        used, fainter columns above the noise are added, and features in vacuum or amorphous matter are removed.
        If a value is given, it is the only criterion.
    mask : ndarray of bool of shape (rows, columns), optional
        Pixels without data (see `find_no_data`), where `image` is filled with a continuation (`fill_no_data`). These
        pixels contain no columns.

    Returns
    -------
    Atoms

    Raises
    ------
    ValueError
        If the image is constant, an argument is out of range, or fewer than three columns are found.
    """
    data = _checked(image, separation, polarity, refine, threshold)
    if mask is not None:
        mask = np.asarray(mask, bool)
        if mask.shape != data.shape:
            raise ValueError(f"the mask has the shape {mask.shape}, the image {data.shape}")
        box = _box_of_data(mask)
        if box is not None:
            part = find_atoms(
                data[box],
                separation=separation,
                polarity=polarity,
                refine=refine,
                threshold=threshold,
                mask=mask[box],
            )
            return replace(part, positions=part.positions + np.array([box[1].start, box[0].start]))
    scales = estimate_scales(data, polarity)
    if separation is not None:
        scales = replace(scales, separation=separation, separation_certainty=1.0, scale=0.25 * separation)
    _warn_when_unsure(scales)
    # With many pixels per column, block means contain the same information.
    step = max(1, int(scales.separation / AMPLE)) if scales.separation >= 2 * AMPLE else 1
    small = block_means(data, step)
    limit = scales.band_limit * step
    reduced = replace(
        scales,
        separation=scales.separation / step,
        scale=scales.scale / step,
        # Rows have no frequencies above a half.
        band_limit=limit if limit < 0.5 else np.inf,
    )
    small_mask = None if mask is None or not mask.any() else mask[step // 2 :: step, step // 2 :: step]
    fit = _find_columns(small, reduced, threshold)
    if small_mask is not None:
        # Well inside missing areas there are only mirror images.
        fit.keep(_away_from(~small_mask, fit.start) < _RIM * fit.separation)
    if threshold is None and len(fit.start) >= FEWEST:
        positions = fit.parameters[:, 1:3]
        crystal = in_crystal(positions, nearest_neighbour_distance(positions))
        if _is_texture(ScaleSpace(small, reduced.scale).response(reduced.scale), positions, ~crystal):
            fit.keep(crystal)
    if (
        separation is None
        and scales.separation_certainty < LOW_CERTAINTY
        and _is_noise(fit.start, scales, step)
    ):
        fit.keep(np.zeros(len(fit.start), bool))
    if len(fit.start) < FEWEST:
        raise ValueError(
            f"{len(fit.start) or 'no'} columns were found (estimated separation {scales.separation:.1f} pixels, "
            f"contrast {scales.contrast:.2f} of the standard deviation of the image); give separation= or "
            "polarity=, or a lower threshold="
        )
    if refine in (True, "gaussian"):
        fit.refine()
        fit.keep(_in_image(fit, small_mask))
        atoms = _magnified(fit.atoms(), step)
        _warn_of_failed_fits(atoms, scales)
    else:
        atoms = refine_atoms(
            data,
            fit.start * step + (step - 1) / 2,
            polarity=scales.polarity,
            separation=scales.separation,
            method="none" if refine is False else str(refine),
        )
        if mask is not None and small_mask is not None:
            atoms = atoms.select(_away_from(mask, atoms.positions) > 0)
    if separation is None and len(atoms) >= FEWEST:
        scales = replace(scales, separation=nearest_neighbour_distance(atoms.positions))
    return replace(
        atoms,
        separation=scales.separation,
        separation_certainty=scales.separation_certainty,
        polarity=scales.polarity,
        polarity_certainty=scales.polarity_certainty,
    )


def _in_image(fit: ColumnFit, mask: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Return a mask of the columns whose centres lie in the image, and not in pixels without data.

    The flank of a column beyond the border is highest at the border. Its fit leaves the image, or moves too far and
    fails. A column within half a separation of the border whose fit failed is taken for such a flank.
    """
    centres, beyond = fit.parameters[:, 1:3], np.array(fit.image.shape[::-1]) - 1
    inside = np.minimum(centres, beyond - centres).min(axis=1)
    if mask is not None:
        inside = np.minimum(inside, _away_from(mask, centres) - 1.0)
    return (inside > -0.5) & (fit.fitted | (inside > _RIM * fit.separation))


def _away_from(mask: NDArray[np.bool_], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each position to the nearest pixel of a mask; infinite if there is none."""
    if not mask.any():
        return np.full(len(positions), np.inf)
    away = ndimage.distance_transform_edt(~mask)
    column, row = np.clip(np.rint(positions).astype(int), 0, np.array(mask.shape[::-1]) - 1).T
    return away[row, column]


def _box_of_data(mask: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """Return the rows and columns with data if some at the border have none and the rest is large enough; else None."""

    def extent(axis: int) -> slice:
        some = np.logical_or.reduce(~mask, axis=axis)
        return slice(int(np.argmax(some)), len(some) - int(np.argmax(some[::-1])))

    box = extent(1), extent(0)
    shape = [s.stop - s.start for s in box]
    return box if tuple(shape) != mask.shape and min(shape) >= SMALLEST_IMAGE else None


def _magnified(atoms: Atoms, step: int) -> Atoms:
    """Convert atoms of an image of block means to the pixels of the original image."""
    if step == 1:
        return atoms
    # The mean over a block widens a column by the variance of the block.
    sigma = np.sqrt(np.maximum(atoms.sigma**2 - (1 - step**-2) / 12, 1e-6)) * step
    return replace(
        atoms,
        positions=atoms.positions * step + (step - 1) / 2,
        sigma=sigma,
        ellipticity=sigma[:, 0] / sigma[:, 1],
        uncertainty=atoms.uncertainty * step,
    )


def _is_noise(positions: NDArray[np.float64], scales: ImageScales, step: int) -> bool:
    """Return whether positions without a stable scale are arranged like maxima of noise: every few pixels, or without order."""
    if scales.separation < _FINEST_SAMPLING or len(positions) < FEWEST:
        return True
    return bool(np.median(order_of_sites(positions, scales.separation / step)) < GAS)


def _is_texture(
    response: NDArray[np.float32], positions: NDArray[np.float64], disordered: NDArray[np.bool_]
) -> bool:
    """Return whether the maxima of a response near disordered positions are those of a random field.

    A random field, such as the image of an amorphous film or correlated noise, is as often above its mean as below: its maxima
    are as high as its minima are deep. The columns of a glass are higher than the gaps between them are deep. The statistic is
    that of Mann and Whitney, the share of the pairs of a maximum and a minimum in which the maximum is farther from 0.
    """
    if not disordered.any():
        return False
    tree, heights = cKDTree(positions), []
    for signed in (response, -response):
        peaks = maxima_by_height(signed)
        near = disordered[tree.query(peaks)[1]]
        heights.append(signed[peaks[near, 1].astype(int), peaks[near, 0].astype(int)])
    high, deep = heights
    if not len(high) or not len(deep):
        return False
    return float(ks_2samp(high, deep).statistic) < _ASYMMETRIC


def _find_columns(image: NDArray[np.float64], scales: ImageScales, threshold: float | None) -> ColumnFit:
    """Find the columns of the image: clear maxima of its response, then faint ones that the clear ones do not explain."""
    sign = 1.0 if scales.polarity == "bright" else -1.0
    space = ScaleSpace(image, scales.scale)
    response = sign * space.response(scales.scale)
    peaks = peaks_by_atomap(response)
    heights = response[peaks[:, 1].astype(int), peaks[:, 0].astype(int)]
    apart = drop_close(peaks, heights, LEAST_DISTANCE * scales.separation)
    peaks, heights = peaks[apart], heights[apart]
    if len(peaks) < FEWEST:
        return ColumnFit(image, peaks, scales.separation, sign)
    typical = typical_height(heights)
    clear = heights > (WEAKEST if threshold is None else threshold) * typical
    fit = ColumnFit(image, peaks[clear], scales.separation, sign)
    if clear.sum() < FEWEST:
        return fit
    fit.measure_amplitudes()
    fit.refine(passes=2, final=False)
    if threshold is not None:
        return fit
    faint_peaks = peaks[~clear]
    limited = np.isfinite(scales.band_limit)
    if limited:
        fit.extrapolate(scales.band_limit)
        space = ScaleSpace(sign * fit.image, scales.scale)
        faint_peaks = maxima_by_height(sign * space.response(scales.scale))
    space.noise = fit.measure_noise()
    n_clear = len(fit.start)
    _add_faint(fit, faint_peaks, _SIGNIFICANT, _FAINTEST * np.median(fit.parameters[:, 0]))
    faint = slice(n_clear, len(fit.start))
    fit = _with_missed_sites(fit, space, scales.scale)
    visible = _visible(fit, space, counted=not limited)
    # The residual beside a merged or asymmetric column, and noise on a bond, suggest one more column: neither is a maximum.
    seen = visible.seen.copy()
    # Faint columns were found one by one in the residual of the others: each must be a maximum that noise does not cause.
    seen[faint] = visible.clear(faint)
    fit.keep(seen)
    own = visible.own[seen]
    # Sublattices are added from the brightest to the faintest: one that is missed counts as noise for the next.
    while (grown := _with_unclaimed(fit, own, visible.unclaimed())) is not fit:
        fit, space.noise = grown, grown.measure_noise()
        visible = _visible(fit, space, counted=not limited)
        own = visible.own
    return with_pairs(fit, space, scales.scale)


def _visible(fit: ColumnFit, space: ScaleSpace, *, counted: bool) -> VisibleMaxima:
    """Return the maxima of the image, with the noise of counted electrons, or that of an image cut off at a frequency."""
    image, noise = space.denoised(fit.sign, white=True)
    if counted:
        # It grows with the brightness, and faint columns stand in the dark: what the filter took off shows it.
        rows = slice(None, None, max(1, len(image) // TILE))
        square = (fit.image[rows] - fit.image.mean() - image[rows]) ** 2
        slope, constant = np.polyfit(image[rows].ravel(), square.ravel(), 1)
        typical = max(float(square.mean()), np.finfo(float).tiny)
        noise = noise * np.sqrt(np.maximum((constant + slope * image) / typical, _LEAST_VARIANCE))
    return VisibleMaxima(image, noise, fit.parameters[:, 1:3], fit.separation)


def _with_unclaimed(fit: ColumnFit, own: NDArray[np.float64], maxima: NDArray[np.float64]) -> ColumnFit:
    """Add the unclaimed sites of the lattice, all or none of them, unless noise hides too many of them."""
    if not len(maxima):
        return fit
    n = len(own)
    sites = np.concatenate([own, maxima])
    spacing = nearest_neighbour_distance(sites)
    # A column between two maxima, as in a dumbbell, belongs on its own maximum. Fits at another scale do not apply.
    misplaced = np.hypot(*(fit.parameters[:, 1:3] - own).T) > _BESIDE * spacing
    if misplaced.mean() > _MANY_MISPLACED or not 1 / _RESCALED < spacing / fit.separation < _RESCALED:
        trial = ColumnFit(fit.image * fit.sign, sites, spacing, fit.sign)
        trial.noise = fit.noise
    else:
        trial = fit.copy()
        trial.extend(maxima)
        trial.rescale(spacing)
        # This rejects most false sites before all columns are fitted again.
        which = trial.with_neighbours(np.arange(n, len(sites)))
        if not _complete(trial.measure_amplitudes(which=which)[which >= n], _SCREEN):
            return fit
    trial.measure_amplitudes()
    trial.refine(passes=2, final=False)
    # Second maxima on columns, from noise correlated along the scan, cannot be fitted as columns.
    sound = trial.fitted[n:].mean() > 1 - _MANY_FAILED
    return trial if sound and _complete(trial.measure_amplitudes()[n:]) else fit


def _complete(significance: NDArray[np.float64], part: float = 1.0) -> bool:
    """Return whether a sublattice of this significance is found nearly whole: most of it reaches that `part` of the limit."""
    return bool(np.median(significance) > part * _SIGNIFICANT)


def _with_missed_sites(fit: ColumnFit, space: ScaleSpace, scale: float) -> ColumnFit:
    """Add sites between the columns found that noise hid at their scale: all or none of them.

    At low dose the plateau of scales may be that of the heavy columns alone. The light columns then appear as
    maxima at a finer scale that all lie equally far from the heavy ones. Maxima of noise do not.
    """
    finer = scale / _FINER
    if finer < 0.7:
        return fit
    peaks = maxima_by_height(fit.sign * space.response(finer))
    trial = fit.copy()
    n = len(trial.start)
    # Heavy columns alone were found, or two species in equal numbers, of which the median may be either.
    heavy = np.percentile(fit.parameters[:, 0], 75)
    significance = _add_faint(trial, peaks, _SIGNIFICANT_TOGETHER, _FAINTEST * heavy)
    distance = (
        cKDTree(trial.parameters[:n, 1:3]).query(trial.start[n:])[0] if len(significance) else significance
    )
    for level in (_SIGNIFICANT_TOGETHER, 3.0, _SIGNIFICANT):
        reached = significance > level
        if reached.sum() < max(_LEAST_TOGETHER * n, FEWEST):
            return fit
        middle = np.median(distance[reached])
        agreeing = np.abs(distance - middle) < _SAME_DISTANCE * middle
        if agreeing[reached].mean() > _LEAST_AGREEING:
            trial.keep(np.concatenate([np.ones(n, bool), agreeing]))
            trial.separation = nearest_neighbour_distance(trial.start)
            return trial
    return fit


def _add_faint(
    fit: ColumnFit, candidates: NDArray[np.float64], significant: float, least: float
) -> NDArray[np.float64]:
    """Add the candidates that exceed the noise and an amplitude, and are not part of another column.

    Returns their significance.
    """
    distance = cKDTree(fit.parameters[:, 1:3]).query(candidates)[0] if len(candidates) else np.empty(0)
    n = len(fit.start)
    fit.extend(candidates[distance > LEAST_DISTANCE * fit.separation])

    def kept(significance: NDArray[np.float64], part: float) -> NDArray[np.float64]:
        keep = np.ones(len(fit.start), bool)
        keep[n:] = (significance > part * significant) & (fit.parameters[n:, 0] > part * least)
        fit.keep(keep)
        return significance[keep[n:]]

    # Most candidates are noise. This already shows when each one is tested alone against the residual of the columns.
    significance = kept(fit.measure_amplitudes(1, np.arange(n, len(fit.start))), _SCREEN)
    if len(significance):
        which = fit.with_neighbours(np.arange(n, len(fit.start)))
        significance = kept(fit.measure_amplitudes(which=which)[which >= n], 1.0)
    return significance


def _checked(
    image: ArrayLike, separation: float | None, polarity: str, refine: bool | str, threshold: float | None
) -> NDArray[np.float64]:
    data = np.asarray(image)
    if data.ndim != 2:
        raise ValueError(f"the image must have two dimensions, not {data.ndim}")
    if np.iscomplexobj(data):
        raise TypeError("the image is complex; give its modulus or its real part")
    data = np.asarray(data, np.float64)
    if not np.isfinite(data).all():
        raise ValueError("the image holds NaN or infinite pixels; replace them first")
    if min(data.shape) < SMALLEST_IMAGE:
        raise ValueError(
            f"the image must be at least {SMALLEST_IMAGE} pixels wide and high, not {data.shape}"
        )
    if data.min() == data.max():
        raise ValueError(f"the image is constant (every pixel is {data.min():g}): it contains no columns")
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
            f"threshold must be a positive fraction of the typical column's response, not {threshold!r}"
        )
    return data


def _warn_when_unsure(scales: ImageScales) -> None:
    if scales.separation_certainty < LOW_CERTAINTY:
        warnings.warn(
            f"the separation of the columns, {scales.separation:.1f} pixels, is uncertain "
            f"({scales.separation_certainty:.2f} of 1); give separation= if it is wrong",
            UserWarning,
            stacklevel=3,
        )
    if scales.polarity_certainty < LOW_CERTAINTY:
        warnings.warn(
            f"the polarity of the columns is uncertain; {scales.polarity} is assumed "
            f"({scales.polarity_certainty:.2f} of 1); give polarity= if it is wrong",
            UserWarning,
            stacklevel=3,
        )


def _warn_of_failed_fits(atoms: Atoms, scales: ImageScales) -> None:
    failed = int((~atoms.fitted).sum())
    if failed > _MANY_FAILED * len(atoms):
        warnings.warn(
            f"{failed} of {len(atoms)} columns could not be fitted and have their centre of mass instead. Some "
            f"positions may not be columns, or not be {scales.separation:.1f} pixels apart. Check the positions and give "
            "separation=, polarity= or a higher threshold=, or refine='center_of_mass' for features that are not "
            "Gaussians",
            UserWarning,
            stacklevel=3,
        )
