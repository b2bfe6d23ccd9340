"""Names and orders of the modes: (n, m), OSA/ANSI, Noll, complex and real form; the noise of an image and of its moments."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperspy_motifs.atoms import MISFIT, NoiseSpectrum, measure_noise
from hyperspy_motifs.common import FEWEST_ATOMS, robust_spread

if TYPE_CHECKING:
    from ._disc_basis import DiscBasis


class HasMoments(Protocol):
    """Anything with real moments."""

    @property
    def values(self) -> NDArray[np.floating]:
        """Moments, shape (n, K)."""
        ...

    @property
    def modes(self) -> NDArray[np.int64]:
        """(n, m) of each moment, shape (K, 2)."""
        ...

    @property
    def noise_std(self) -> NDArray[np.floating]:
        """Standard deviation of each moment by noise, shape (K,) or (n, K)."""
        ...


def zernike_modes(n_max: int) -> NDArray[np.int64]:
    """Return all (n, m) up to radial order `n_max`, in the order used throughout: OSA/ANSI.

    n increases from 0; within n, m takes the values -n, -n + 2, ..., n. m < 0 are the sine modes, m > 0 the cosine
    modes. motif-learn uses the same order.

    Parameters
    ----------
    n_max : int
        Largest radial order, 0 or more.

    Returns
    -------
    (K, 2) int array
        (n, m); K = (n_max + 1)(n_max + 2) / 2.

    Examples
    --------
    >>> zernike_modes(2).tolist()
    [[0, 0], [1, -1], [1, 1], [2, -2], [2, 0], [2, 2]]
    """
    if not isinstance(n_max, Real) or n_max < 0 or int(n_max) != n_max:
        raise ValueError(f"n_max must be a whole number, 0 or more, not {n_max!r}.")
    return np.array([(n, m) for n in range(int(n_max) + 1) for m in range(-n, n + 1, 2)], dtype=np.int64)


def _check_modes(modes: ArrayLike) -> NDArray[np.int64]:
    pairs = np.asarray(modes, dtype=np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(f"Modes must have shape (K, 2), n and m, not {pairs.shape}.")
    n, m = pairs.T
    wrong = (n < 0) | (abs(m) > n) | ((n - m) % 2 != 0)
    if wrong.any():
        raise ValueError(f"{tuple(pairs[wrong][0])} is not a mode: |m| <= n and n - m even are needed.")
    return pairs


def _columns(
    modes: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Columns of the cosine and of the sine part of each complex mode, and the complex modes."""
    # A mode may occur once for each detector: its copies then form separate blocks.
    seen: dict[tuple[int, int], int] = {}
    column: dict[tuple[int, int, int], int] = {}
    for k, (n, m) in enumerate(modes.tolist()):
        block = seen.get((n, m), 0)
        seen[n, m] = block + 1
        column[block, n, m] = k
    alone = [mode for mode in column if (mode[0], mode[1], -mode[2]) not in column]
    if alone:
        raise ValueError(
            f"Mode {min(alone)[1:]} lacks its partner of the opposite m: "
            "it has no complex form and cannot be rotated."
        )
    kept = sorted(mode for mode in column if mode[2] >= 0)
    cosine = np.array([column[mode] for mode in kept], dtype=np.int64)
    sine = np.array([column[block, n, -m] for block, n, m in kept], dtype=np.int64)
    return cosine, sine, np.array(kept, dtype=np.int64).reshape(-1, 3)[:, 1:]


def partner_columns(modes: ArrayLike) -> NDArray[np.int64]:
    """Return for each mode (n, m) the column of its partner (n, -m); of itself for m = 0.

    Raises
    ------
    ValueError
        If a sine mode has no cosine mode, or vice versa.
    """
    pairs = _check_modes(modes)
    cosine, sine, _ = _columns(pairs)
    partner = np.empty(len(pairs), dtype=np.int64)
    partner[cosine], partner[sine] = sine, cosine
    return partner


def complex_modes(modes: ArrayLike) -> NDArray[np.int64]:
    """Return the (n, m >= 0) of the complex moments of a set of real modes, n first.

    Modes that occur several times (several detectors) form successive blocks.

    Raises
    ------
    ValueError
        If a sine mode has no cosine mode, or vice versa.
    """
    return _columns(_check_modes(modes))[2]


def to_complex(values: ArrayLike, modes: ArrayLike) -> tuple[NDArray[np.complexfloating], NDArray[np.int64]]:
    """Return complex moments A_nm = a_{n,m} + i a_{n,-m} for m >= 0.

    A pattern rotated by theta (from x towards y) has the moments A_nm exp(i m theta); mirrored by
    y -> -y it has the complex conjugate of A_nm.

    Parameters
    ----------
    values : (..., K) array_like
        Real moments.
    modes : (K, 2) array_like of int
        Their (n, m).

    Returns
    -------
    (..., J) complex array
        Complex moments; those with m = 0 are real.
    (J, 2) int array
        Their (n, m), m >= 0, sorted.
    """
    pairs = _check_modes(modes)
    real = np.asarray(values)
    if real.shape[-1] != len(pairs):
        raise ValueError(f"{len(pairs)} modes do not match values of shape {real.shape}.")
    cosine, sine, kept = _columns(pairs)
    return real[..., cosine] + 1j * np.where(kept[:, 1] > 0, real[..., sine], 0).astype(real.dtype), kept


def to_real(values: ArrayLike, modes: ArrayLike) -> NDArray[np.floating]:
    """Return real moments in the order of `modes` from complex ones; the inverse of `to_complex`.

    Parameters
    ----------
    values : (..., J) array_like of complex
        Complex moments in the order of `complex_modes(modes)`.
    modes : (K, 2) array_like of int
        (n, m) of the requested real moments.

    Returns
    -------
    (..., K) array
        Real moments.
    """
    pairs = _check_modes(modes)
    cosine, sine, kept = _columns(pairs)
    moments = np.asarray(values)
    if moments.shape[-1] != len(kept):
        raise ValueError(f"{len(kept)} complex modes do not match values of shape {moments.shape}.")
    real = np.empty((*moments.shape[:-1], len(pairs)), dtype=moments.real.dtype)
    real[..., sine] = moments.imag
    real[..., cosine] = moments.real
    return real


# Equally filled bins of brightness in which the variance of the noise is averaged.
_BINS = 24
# Number of residuals that are used: they give the noise to 0.3 %.
_ENOUGH = 400_000
# If the noise variance is this many times that of the second differences, the noise is correlated. For images with white noise
# the residual of a fit of columns has up to 1.4 times the variance, because columns are not exact Gaussians.
_CORRELATED = 2.0


class NoiseModel(NamedTuple):
    """Variance of a pixel = gain x (its expected value above the dark level) + read_std ** 2.

    Attributes
    ----------
    gain : float
        Counts of the image per detected electron (1 for an image of electrons), 0 for none.
    read_std : float
        Standard deviation of the noise that does not depend on the signal, in counts of the image.
    dark : float
        Level of the image without signal, in its counts.
    spectrum : NoiseSpectrum or None
        Distribution of correlated noise over spatial frequencies. The other three values then describe only the part of
        the noise that second differences measure.
    """

    gain: float
    read_std: float
    dark: float = 0.0
    spectrum: NoiseSpectrum | None = None

    def variance(self, expected: ArrayLike) -> NDArray[np.floating]:
        """Return the variance of pixels of given expected values."""
        return self.gain * np.maximum(np.asarray(expected) - self.dark, 0) + self.read_std**2


def with_spectrum(model: NoiseModel, image: ArrayLike, positions: ArrayLike) -> NoiseModel:
    """Add the spectrum of the noise to its model, if the noise is correlated from pixel to pixel.

    It is measured in the residual of a fit of columns at the positions x, y (n, 2) in pixels. The model is unchanged if
    second differences measure the full noise.
    """
    points = np.asarray(positions, dtype=np.float64)
    if len(points) < FEWEST_ATOMS:
        return model
    spectrum = measure_noise(np.asarray(image, np.float64), points)
    seen = float(np.mean(model.variance(np.asarray(image))))
    if not spectrum.variance > max(_CORRELATED * seen, MISFIT**2 * float(np.asarray(image).var())):
        return model
    return model._replace(spectrum=spectrum)


def correlated_noise(basis: DiscBasis, spectrum: NoiseSpectrum, variance: float) -> NDArray[np.float64]:
    """Return the ratio (K,) of the variance of each moment to that for white noise of `variance` a pixel."""
    window = np.zeros(basis.size**2)
    ratio = np.empty(len(basis.modes))
    for k, weights in enumerate(basis.weights):
        window[basis.pixels] = weights
        total = spectrum.variance_of_sum(window.reshape(basis.size, basis.size))
        ratio[k] = total / (variance * (weights**2).sum())
    return np.maximum(ratio, 1.0)


def noise_of_moments(
    basis: DiscBasis,
    model: NoiseModel,
    mean: NDArray[np.floating],
    mean_patch: NDArray[np.floating],
    scale: NDArray[np.floating],
) -> NDArray[np.float32]:
    """Return the standard deviation (n, K) of each moment of patches with given means (n,) and contrasts (n,).

    Exact for the mean patch of the image; that of each atom depends on the brightness of its disc.
    """
    patch = mean_patch.ravel()[basis.pixels].astype(np.float64)
    variance = (basis.weights**2 * model.variance(patch)).sum(axis=1) * basis.interpolated_noise
    typical = float(model.variance(np.average(patch, weights=basis.areas)))
    if model.spectrum is not None and typical > 0:
        variance *= correlated_noise(basis, model.spectrum, typical)
    brightness = np.sqrt(model.variance(mean) / typical) if typical > 0 else np.ones(len(mean))
    return (brightness / scale).astype(np.float32)[:, None] * np.sqrt(variance).astype(np.float32)


def _second_differences(
    image: NDArray[np.floating],
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return Immerkaer's residual (variance 1 for white noise of variance 1) and the corresponding local mean."""
    corners = image[:-2, :-2] + image[:-2, 2:] + image[2:, :-2] + image[2:, 2:]
    sides = image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]
    centre = image[1:-1, 1:-1]
    residual = (corners - 2 * sides + 4 * centre) / 6.0
    mean = (corners + sides + centre) / 9.0
    return residual, mean


def _residuals(values: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return residuals and means of the whole image, or of evenly spaced bands of rows of a large one."""
    n_bands = 16
    height = max(_ENOUGH // (values.shape[1] * n_bands), 8)
    if height * n_bands >= values.shape[0]:
        bands = [values]
    else:
        starts = np.linspace(0, values.shape[0] - height, n_bands).astype(int)
        bands = [values[start : start + height] for start in starts]
    parts = [_second_differences(band) for band in bands]
    residual, mean = zip(*parts, strict=True)
    return np.concatenate(residual, axis=None), np.concatenate(mean, axis=None)


def estimate_noise(image: ArrayLike) -> NoiseModel:
    """Estimate gain and read noise from the image alone.

    Parameters
    ----------
    image : (rows, columns) array_like
        Image in counts of any unit.

    Returns
    -------
    NoiseModel

    Raises
    ------
    ValueError
        If the image is smaller than 8 x 8 pixels or not two-dimensional.

    Notes
    -----
    Second differences along rows and columns together (mask of Immerkaer, CVIU 64 (1996) 300) remove nearly all of the
    image except its noise. Their variance is measured robustly in bins of the local mean (median of absolute values),
    and a line is fitted to it (weights by the expected scatter): slope = gain, intercept = read_std ** 2. If the line
    crosses zero at positive counts, or the image has negative counts, there is a dark level. Noise that is correlated
    between pixels (an image that was smoothed or enlarged) makes the estimate too low.
    """
    values = np.asarray(image)
    if values.ndim != 2 or min(values.shape) < 8:
        raise ValueError(f"An image of 8 x 8 pixels at least is needed, not shape {values.shape}.")
    values = values if values.dtype == np.float32 else np.asarray(values, np.float64)
    residual, mean = _residuals(values)
    edges = np.quantile(mean, np.linspace(0, 1, _BINS + 1))
    if edges[-1] <= edges[0]:
        return NoiseModel(0.0, float(robust_spread(residual)))
    # In one byte, which is sorted in one pass.
    which = np.clip(np.searchsorted(edges, mean, side="right") - 1, 0, _BINS - 1).astype(np.uint8)
    counts = np.bincount(which, minlength=_BINS)
    order = np.argsort(which, kind="stable")
    parts = np.split(residual[order], np.cumsum(counts)[:-1])
    centres = np.bincount(which, weights=mean, minlength=_BINS) / np.maximum(counts, 1)
    used = counts >= 32
    variance = np.array([robust_spread(part) ** 2 if len(part) else 0.0 for part in parts])
    if not used.any() or variance[used].max() <= 0:
        # There are too few pixels for a line, or most residuals are zero (flat or clipped): one variance is used for all.
        return NoiseModel(0.0, float(np.sqrt(np.mean(residual**2))))
    return _fit_line(centres[used], variance[used], counts[used])


def _fit_line(
    level: NDArray[np.float64], variance: NDArray[np.float64], counts: NDArray[np.int64]
) -> NoiseModel:
    """Fit a line to variance against level, with equal relative errors for equal counts."""
    gain, intercept = 0.0, float(np.average(variance, weights=counts))
    for _ in range(8):
        expected = np.maximum(gain * level + intercept, 1e-3 * max(variance.max(), 1e-300))
        weight = counts / expected**2
        mean_l, mean_v = np.average(level, weights=weight), np.average(variance, weights=weight)
        spread = np.average((level - mean_l) ** 2, weights=weight)
        slope = np.average((level - mean_l) * (variance - mean_v), weights=weight) / max(spread, 1e-300)
        gain = max(slope, 0.0)
        intercept = mean_v - gain * mean_l
    lowest = float(level.min())
    if gain == 0 or (intercept >= 0 and lowest >= 0):
        return NoiseModel(float(gain), float(np.sqrt(max(intercept, 0.0))))
    # The line crosses zero above zero counts: a dark level. It is lower than every value of the image.
    dark = min(-intercept / gain, lowest)
    return NoiseModel(float(gain), float(np.sqrt(max(intercept + gain * dark, 0.0))), float(dark))
