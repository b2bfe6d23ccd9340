"""What was done to an image after it was recorded, or to its simulation: rounded places, smoothing, blocks of a JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, sparse
from scipy.ndimage import maximum_filter1d
from scipy.sparse.linalg import cg
from scipy.spatial import cKDTree
from scipy.stats import norm, t
from sklearn.mixture import GaussianMixture

from hyperspy_motifs.common import STRICT_LEVEL
from hyperspy_motifs.threads import one_blas_thread

from ._atoms import REACH
from ._estimation import estimate_scales
from ._noise_spectrum import LEAST_POWER, TILE, NoiseSpectrum, central

# Part of the variance of second differences that is left to the structure.
_OWN = 0.01
# Shortest and longest step, in pixels: images are resampled by factors up to 2. The displacements by less, a seventh of a
# pixel, change no motif.
_SHORTEST, _LONGEST = 0.5, 2.0
# Multiples of the frequency of a step at which a superstructure shows: it repeats after so many cells at most.
_MULTIPLES = (1, 2, 3)
# Least length of the mean phase: that of places .19 steps from whole ones (standard deviation; .29 if they were anywhere). With
# less, waves and domains of displacements are taken for steps (benchmarks/bench_rounding.py).
_AGREES = 0.5
# Most values of the displacements of a superstructure that are tried.
_VALUES = 4
# Frequencies on either side that belong to a reflection, in halves of the resolution.
_BESIDE = 3
# Half the width of a uniform distribution over its standard deviation.
_HALF_WIDTH = np.sqrt(3.0)
# Places are counted in bins of so many pixels for their spectrum: fine enough for the third multiple of the shortest step.
_BIN = 1 / 32
# Standard deviation of the weights with which a pixel follows the columns around it, in nearest-neighbour distances: that of
# a column that does not overlap its neighbours; and number of columns that are counted.
_WIDTH = 0.3
_COLUMNS = 6


@dataclass(frozen=True)
class Rounding:
    """Displacements of columns whose places were rounded to the pixels of a simulation.

    Attributes
    ----------
    displacements : ndarray of shape (n, 2)
        Of each column from its place in the structure, along x and y in pixels; 0 along an axis along which places are not
        rounded.
    p : tuple of float
        Probability of places that agree as well with some step, along x and y, if they were not rounded.
    """

    displacements: NDArray[np.float64]
    p: tuple[float, float] = (1.0, 1.0)

    @property
    def std(self) -> float:
        """Largest of the standard deviations of the displacements along x and y, in pixels."""
        return float(self.displacements.std(axis=0).max()) if len(self.displacements) else 0.0


def measure_rounding(positions: NDArray[np.floating]) -> Rounding:
    """Measure whether the places of columns were rounded, and how far that displaced each.

    Some simulations of images add each atom to the nearest pixel of their potential. The distances of equal neighbours then
    differ by one such pixel, which divides equal atoms into groups. The image may have been resampled since, so that the step
    is not one of its own pixels.

    Where two neighbours of a column are opposite, its place in the structure is midway between theirs. Places in the structure
    follow from all such triples together, by least squares, and the displacements with them. Places are rounded along an axis
    if for some step

    - the phases of the columns in the step agree better than those of their places in the structure do, in one and in half
      the step, which a superstructure would share with them (the lengths of the mean phases are compared, one-sided, level
      0.001 for both axes and all steps), and
    - the columns stand close to whole steps, and these predict the displacements better than a few values do, as domains have
      them (the likelihood under mixtures of normal distributions is compared). A fit may draw narrow columns to whole pixels,
      but by less.

    Parameters
    ----------
    positions : ndarray of shape (n, 2)
        x, y in pixels, as they were fitted. Places that were given in whole pixels say nothing of the image.

    Returns
    -------
    Rounding
        Without displacements where the test finds none, as in a structure in which no neighbours are opposite.
    """
    points = np.asarray(positions, float)
    displacements, p = np.zeros_like(points), [1.0, 1.0]
    triples = _opposite(points)
    if len(triples) and not np.array_equal(points, np.rint(points)):
        for axis in (0, 1):
            moved = _displacements(points[:, axis], triples)
            p[axis] = _agreement(points[:, axis], moved)
            if p[axis] < STRICT_LEVEL / 2:
                displacements[:, axis] = moved
    return Rounding(displacements, (p[0], p[1]))


def undo_rounding(
    image: NDArray[np.floating], positions: NDArray[np.floating], displacements: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Move each column of an image back by its displacement.

    Each pixel moves with the columns around it, weighted by their distances (cubic interpolation).

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    positions, displacements : ndarray of shape (n, 2)
        Of the columns as they are in the image, x, y in pixels.

    Returns
    -------
    ndarray of float of shape (rows, columns)
    """
    places = np.asarray(positions, float) - displacements
    tree = cKDTree(places)
    width = _WIDTH * _nearest(tree, places)
    out = np.empty(image.shape)
    coefficients = ndimage.spline_filter(np.asarray(image, float), order=3, mode="nearest")
    columns = np.arange(image.shape[1])
    for row in range(len(out)):
        pixels = np.column_stack([columns, np.full(len(columns), row)])
        distance, index = tree.query(pixels, k=min(_COLUMNS, len(places)))
        weights = np.exp((distance[:, :1] ** 2 - distance**2) / (2 * width**2))
        moved = np.einsum("pk,pkc->pc", weights / weights.sum(axis=1, keepdims=True), displacements[index])
        out[row] = ndimage.map_coordinates(
            coefficients, (pixels + moved)[:, ::-1].T, order=3, mode="nearest", prefilter=False
        )
    return out


def _nearest(tree: cKDTree, points: NDArray[np.float64]) -> float:
    """Return the median distance of the nearest neighbour."""
    return float(np.median(tree.query(points, k=2)[0][:, 1]))


def _opposite(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return columns i, j, k of which j and k are neighbours of i in opposite directions, up to the effect of rounding."""
    if len(points) < 3:
        return np.empty((0, 3), np.int64)
    tree = cKDTree(points)
    nearest = _nearest(tree, points)
    pairs = tree.query_pairs(REACH * nearest, output_type="ndarray")
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    mirrored = 2 * points[pairs[:, 0]] - points[pairs[:, 1]]
    # The opposite columns are displaced by half a step each, and the mirror image by one.
    _, third = tree.query(mirrored, distance_upper_bound=_LONGEST, p=np.inf)
    kept = (third < len(points)) & (third > pairs[:, 1])
    found = np.column_stack([pairs[kept], third[kept]]).astype(np.int64)
    return found[np.lexsort(found.T[::-1])]


def _displacements(places: NDArray[np.float64], triples: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the displacements along one axis from places midway between opposite neighbours, by least squares."""
    i, j, k = triples.T
    difference = places[i] - (places[j] + places[k]) / 2
    variance = float(np.mean(difference**2))
    if not variance:
        return np.zeros(len(places))
    parts = np.array([1.0, -0.5, -0.5])
    # The variance of one displacement, and that left to the structure.
    prior, own = variance / float(parts @ parts), _OWN * variance
    number = np.arange(len(triples))
    share = np.repeat(parts, len(triples))
    rows = sparse.csr_array(
        (share, (np.tile(number, 3), np.concatenate([i, j, k]))), (len(triples), len(places))
    )
    normal = rows.T @ rows / own + sparse.eye_array(len(places)) / prior
    with one_blas_thread():
        moved, _ = cg(normal.tocsr(), rows.T @ difference / own, rtol=1e-6)
    # Rounded places are displaced by at most half a step.
    most = _HALF_WIDTH * moved.std()
    return np.clip(moved, -most, most)


def _agreement(places: NDArray[np.float64], moved: NDArray[np.float64]) -> float:
    """Return the probability that places agree as well with a step, if they were not rounded."""
    # Two frequencies per resolution, of which all are multiples.
    extent = int(np.ceil(max(float(np.ptp(places)), _LONGEST)))
    frequencies = np.arange(int(2 * extent / _LONGEST), int(2 * extent / _SHORTEST) + 1) / (2 * extent)
    agree = _mean_phases(places, frequencies)
    # The reflections of a superstructure are as wide at its multiples, where the frequencies are further apart.
    structure = np.max(
        [
            maximum_filter1d(_mean_phases(m * (places - moved), frequencies), 2 * _BESIDE + 1)
            for m in _MULTIPLES
        ],
        axis=0,
    )
    # The squared mean phase of n random ones is exponential with the mean 1 / n.
    number = len(frequencies) * len(_MULTIPLES)
    uniform = structure**2 < np.log(number / STRICT_LEVEL) / len(places)
    excess = np.where(uniform & (agree > _AGREES), agree - structure, 0.0)
    best = int(excess.argmax())
    # Distance to whole steps: a normal distribution of that standard deviation shortens the mean phase to `agree`.
    beside = -np.log(np.clip(agree[best], 1e-300, 1)) / (2 * np.pi**2 * frequencies[best] ** 2)
    if not excess[best] > 0 or _likelihood_of_values(moved) >= -0.5 * np.log(2 * np.pi * np.e * beside):
        return 1.0
    # The mean of n random phases has the variance 1 / 2n along any direction. Atoms of one row are displaced together: as many
    # are independent as there are rows.
    independent = len(np.unique(np.floor(places / _LONGEST)))
    return float(min(norm.sf(excess[best] * np.sqrt(2 * independent)) * len(frequencies), 1.0))


def _likelihood_of_values(moved: NDArray[np.float64]) -> float:
    """Return the mean log-likelihood of displacements under the best mixture of a few normal distributions."""
    fits = (
        GaussianMixture(number, random_state=0, n_init=2).fit(moved[:, None])
        for number in range(1, min(_VALUES, len(moved)) + 1)
    )
    return float(min(fits, key=lambda fit: fit.bic(moved[:, None])).score(moved[:, None]))


def _mean_phases(places: NDArray[np.float64], frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lengths of the mean phases of places at multiples of a frequency, in cycles per pixel."""
    step = frequencies[1] - frequencies[0]
    bins = round(1 / (step * _BIN))
    number = np.floor((places - places.min()) / _BIN).astype(np.int64)
    counts = np.bincount(number % bins, minlength=bins)
    first = round(frequencies[0] / step)
    return np.abs(np.fft.rfft(counts)[first : first + len(frequencies)]) / len(places)


#: Smaller standard deviations, in pixels, change neither columns nor moments.
LEAST_SMOOTHING = 0.5
# Pixels a side of the blocks of a JPEG (ITU-T T.81).
_BLOCK = 8
# Fewest blocks along an axis.
_FEWEST = 8


def measure_smoothing(image: np.ndarray) -> float:
    """Return the standard deviation of the Gaussian that an image was smoothed with after it was recorded, in pixels.

    Noise is recorded pixel by pixel, so that its spectrum is flat. After a filter it is the square of the transfer
    function of that filter. The noise is measured in the residual of columns.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
        Finite values.

    Returns
    -------
    float
        0 if the noise is flat, falls otherwise than a Gaussian (a cut-off, splines), or is too weak to be measured.
    """
    # Without noise at the highest frequencies the image may have been smoothed; else there is nothing to measure.
    high, middle = NoiseSpectrum.of_windows([central(image, TILE)]).rings()[[-1, -8]]
    if high > middle * np.exp(-((2 * np.pi * LEAST_SMOOTHING) ** 2) * (0.5**2 - 0.28**2)):
        return 0.0
    smoothing = estimate_scales(image).smoothing
    return smoothing if smoothing >= LEAST_SMOOTHING else 0.0


def sharpen(image: np.ndarray, smoothing: float) -> np.ndarray:
    """Return an image from which a Gaussian smoothing is removed.

    Frequencies of which the smoothing left less than the measurable part are set to zero.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
    smoothing : float
        Standard deviation of the Gaussian in pixels.

    Returns
    -------
    ndarray, shape (rows, columns)
    """
    # The cosine transform continues the image by its mirror image, as filters do: a jump at the border, of which the inverse
    # filter makes ripples across the field, does not arise.
    y, x = (np.arange(n) / (2 * n) for n in image.shape)
    transfer = np.exp(-2 * (np.pi * smoothing) ** 2 * (y[:, None] ** 2 + x**2))
    inverse = np.where(transfer**2 > LEAST_POWER, 1 / np.maximum(transfer, LEAST_POWER), 0.0)
    return np.asarray(fft.idctn(fft.dctn(np.asarray(image, np.float64)) * inverse))


def has_blocks(image: np.ndarray) -> bool:
    """Return whether an image was compressed in blocks of 8 x 8 pixels, as a JPEG is.

    The step between two pixels of different blocks is larger than the steps beside it, and no other place of the eight is as
    large: every second one is in an image enlarged twice. A column is wider than one step. Both axes are tested (t-test).

    Parameters
    ----------
    image : ndarray of shape (rows, columns)

    Returns
    -------
    bool
    """
    return all(_has_blocks_along(values) for values in (image, image.T))


def _has_blocks_along(values: NDArray[np.float64]) -> bool:
    step = np.diff(values, axis=1)
    rough = np.abs(step[:, 1:-1] - (step[:, :-2] + step[:, 2:]) / 2).mean(axis=0)
    excess = rough[1:-1] - (rough[:-2] + rough[2:]) / 2
    n = len(excess) // _BLOCK
    if n < _FEWEST:
        return False
    places = excess[: n * _BLOCK].reshape(n, _BLOCK)
    mean, error = places.mean(axis=0), places.var(axis=0, ddof=1) / n
    first, second = np.argsort(mean)[[-1, -2]]
    statistic = (mean[first] - mean[second]) / max(float(np.sqrt(error[first] + error[second])), 1e-300)
    return bool(mean[first] > 0 and _BLOCK * t.sf(statistic, n - 1) < STRICT_LEVEL)
