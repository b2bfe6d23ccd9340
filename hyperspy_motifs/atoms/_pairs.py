"""Separation of pairs of columns that share one maximum at the scale of the other columns."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from ._column_fit import ColumnFit
from ._peaks import ScaleSpace, maxima_by_height, typical_height
from ._visibility import lowest_between

# Simulated on a square lattice of Gaussians with a width of 0.27 of its constant, three seeds. Of pairs 0.6 of it apart, all
# of which share one maximum, 83 % are split at a noise of 1 % of a column, 79 % at 3 %, few at 5 %. Without pairs none is made.
# The constants: how much finer the scale for pairs is, the minimum fraction of the typical response, the maximum distance of
# the two columns from their common maximum, and the minimum dip of the response between them, relative to the noise.
_FINER = (1.3, 1.7)
_LEAST_RESPONSE = 0.3
_NEAR = 0.5
_DIP = 5.0
# Minimum number, or fraction, of columns that must be pairs: a single one is a defect or an asymmetric column.
_FEWEST = 6
_LEAST_PART = 0.01
# After the fit each of the two columns has at least this fraction of the typical amplitude.
_LEAST_AMPLITUDE = 0.4
# Pairs are a distance of the structure if a gap separates it from the other distances. Between some distance and this many
# times it, at most this number of columns, relative to the pairs, have their nearest neighbour.
_GAP = 1.15
_MOST_IN_GAP = 0.5
# Structure that a fit explains is localised at the fit; noise is everywhere. This limits the reduction of the noise power by
# the fit of a fraction of the columns, relative to that fraction: their discs cover the image about once.
_UNEVEN = 2.0


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


def _with_pairs_at(fit, space, finer):
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
    if len(one) < max(_FEWEST, _LEAST_PART * n):
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
    if _is_grain(dip[clear], fit, trial, space, finer, len(one) / len(fit.start)):
        return fit
    places = trial.parameters[:, 1:3]
    apart = np.hypot(*(places[n : n + len(one)] - places[n + len(one) :]).T)
    nearest = np.sort(cKDTree(places).query(places, k=2)[0][:, 1])
    # Windows from the typical distance of pairs to the typical distance of other columns.
    low = nearest[(nearest > np.median(apart)) & (nearest < np.median(nearest) / _GAP)]
    within = np.searchsorted(nearest, _GAP * low) - np.searchsorted(nearest, low, "right")
    return trial if len(low) and within.min() <= _MOST_IN_GAP * len(one) else fit


def _is_grain(dip, fit, trial, space, scale, share):
    """Return whether apparent pairs are columns on which correlated noise has two maxima.

    Then the dip is no deeper than this noise, and the fit reduces the noise of the whole image by no more than
    `_UNEVEN` times the `share` of columns concerned.
    """
    noise = []
    for each in (fit, trial):
        space.noise = each.measure_noise()
        noise.append(space.noise_of_response(scale))
    return np.median(dip) < _DIP * noise[1] and noise[1] ** 2 > (1 - _UNEVEN * share) * noise[0] ** 2
