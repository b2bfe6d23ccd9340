"""Features from moments: in units of the noise, invariant under rotations, chirality, principal axes, point symmetry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Protocol

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperspy_motifs.threads import OUTER, over_rows

from ._alignment import angle_tables, fit_angle
from ._modes_and_noise import HasMoments, to_complex


def whiten(values: ArrayLike, noise_std: ArrayLike) -> NDArray[np.floating]:
    """Divide each feature by its noise, so that distances are in units of noise.

    Parameters
    ----------
    values : (n, K) array_like
        Features of n atoms.
    noise_std : (K,) or (n, K) array_like
        Their standard deviations due to noise. Each feature has one common scale (the root mean square over the
        atoms): individual scales would separate equal atoms.

    Returns
    -------
    (n, K) array
        Features without unit, in the precision of `values`.

    Raises
    ------
    ValueError
        If the shapes do not match or a noise is not positive.
    """
    features, noise = np.asarray(values), np.asarray(noise_std, dtype=np.float64)
    if noise.shape not in ((features.shape[-1],), features.shape):
        raise ValueError(f"Noise of shape {noise.shape} does not fit features of shape {features.shape}.")
    if noise.ndim == 2:
        noise = np.sqrt(np.nanmean(noise**2, axis=0))
    if not np.all(noise > 0):
        raise ValueError(
            "The noise of a feature is not positive. For an image without noise give a NoiseModel with the "
            "required precision as read_std."
        )
    return features / noise.astype(features.dtype if features.dtype.kind == "f" else np.float64)


# Noise of a moment is at least this share of the root mean square moment: interpolation and rounding limit even a
# noise-free image.
_FLOOR = 1e-3


class MomentsLike(HasMoments, Protocol):
    """What clustering reads of `zernike.Moments`."""

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Whether enough of each disc is seen, shape (n,)."""
        ...

    @property
    def coverage(self) -> NDArray[np.floating]:
        """Part of each disc that is seen, shape (n,)."""
        ...

    @property
    def radius(self) -> float:
        """Radius of the discs in pixels."""
        ...

    @property
    def scan_error(self) -> NDArray[np.floating] | None:
        """What errors of the scan lines may do to each moment, shape (n, K), or None."""
        ...


def noise_unit(moments: MomentsLike) -> NDArray[np.float64]:
    """Return the noise of the median atom for every mode, shape (K,), never zero."""
    valid = np.asarray(moments.valid, dtype=bool)
    values = np.asarray(moments.values, dtype=np.float64)[valid]
    noise = np.asarray(moments.noise_std, dtype=np.float64)
    unit = np.median(noise[valid], axis=0) if noise.ndim == 2 else noise
    floor = _FLOOR * float(np.sqrt(np.mean(values**2)))
    return np.maximum(unit, max(floor, 1e-300))


def noise_units(
    moments: MomentsLike,
    rotation_invariant: bool,
    unit: NDArray[np.float64] | None = None,
    values: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    r"""Return moments, or their magnitudes, in units of the noise.

    Parameters
    ----------
    moments : zernike.Moments
        Real form: (n, m) and (n, -m) are the cosine and the sine part.
    rotation_invariant : bool
        Magnitudes :math:`\sqrt{\max(|A|^2 - \sigma^2, 0)}` of the complex moments; m = 0 keeps its sign.
    unit : ndarray, shape (K,), optional
        Default: `noise_unit` of these moments.
    values : ndarray, shape (atoms, K), optional
        In place of the values of `moments`.

    Returns
    -------
    ndarray, shape (atoms, features)
        Each feature has unit noise (one unit for all atoms: the median atom's).
    """
    values = np.asarray(moments.values if values is None else values, dtype=np.float64)
    unit = noise_unit(moments) if unit is None else unit
    if not rotation_invariant:
        return values / unit
    moment, kept = to_complex(values, moments.modes)
    noise, _ = to_complex(np.broadcast_to(moments.noise_std, values.shape).astype(np.float64), moments.modes)
    units, _ = to_complex(unit, moments.modes)
    power = np.abs(moment) ** 2 - np.abs(noise) ** 2
    axial = kept[:, 1] == 0
    size = np.where(axial, moment.real, np.sqrt(np.maximum(power, 0)))
    return np.asarray(size / np.where(axial, units.real, np.abs(units) / np.sqrt(2)))


# Triples of the lowest modes only: they represent the pattern, and there are some hundreds of them.
_N_MAX = 8


def _triples(modes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (i, j, k) with m_i + m_j = m_k and m_i, m_j >= 1, without those that are real by themselves."""
    found = []
    low = [j for j, (n, m) in enumerate(modes) if m > 0 and n <= _N_MAX]
    by_order: dict[int, list[int]] = {}
    for j in low:
        by_order.setdefault(int(modes[j, 1]), []).append(j)
    for i, j in combinations_with_replacement(low, 2):
        found += [(i, j, k) for k in by_order.get(int(modes[i, 1] + modes[j, 1]), [])]
    # Pairs of one m and different n are also used: A conj(B) is a rotation invariant.
    pairs = [pair for same in by_order.values() for pair in combinations_with_replacement(same, 2)]
    pairs = [(i, j) for i, j in pairs if i != j]
    return np.array(found, dtype=np.int64).reshape(-1, 3), np.array(pairs, dtype=np.int64).reshape(-1, 2)


def get_chirality(moments: HasMoments) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return a number that is invariant under rotation and changes sign under reflection.

    Parameters
    ----------
    moments : Moments
        Real moments of n atoms with their noise.

    Returns
    -------
    value : (n,) array
        -1 to 1; its sign is the handedness. 0 for a pattern with a mirror axis (not only for such).
    noise_std : (n,) array
        Its standard deviation due to noise, to first order.

    Notes
    -----
    .. math:: \chi = \frac{\sum_{ijk} \Im (A_i A_j A_k^*) / s}{\sum_{ijk} |A_i A_j A_k| / s}

    over all triples with m_i + m_j = m_k up to n = 8, together with the pairs :math:`\Im (A_i A_j^*)` of
    equal m, s the root mean square of the moments (so that pairs and triples have one unit). Every term is
    invariant under rotation, and complex conjugation (reflection) changes its sign: Flusser, Pattern
    Recognition 33 (2000) 1405. A sum over all terms is 0 only by chance for a chiral pattern.
    """
    values, kept = to_complex(np.asarray(moments.values, np.float64), moments.modes)
    noise = np.broadcast_to(np.asarray(moments.noise_std, np.float64), moments.values.shape)
    pair, _ = to_complex(noise, moments.modes)
    sigma = np.abs(pair) / np.sqrt(2)
    triples, pairs = _triples(kept)
    n_atoms = len(values)
    numerator, denominator = np.zeros(n_atoms), np.zeros(n_atoms)
    gradient = np.zeros_like(values)
    scale = np.sqrt((np.abs(values[:, kept[:, 1] > 0]) ** 2).sum(axis=1))
    scale = np.where(scale > 0, scale, 1.0)
    for i, j, k in triples:
        a, b, c = values[:, i], values[:, j], values[:, k].conj()
        numerator += (a * b * c).imag / scale
        denominator += np.abs(a * b * c) / scale
        gradient[:, i] += b * c / scale
        gradient[:, j] += a * c / scale
        gradient[:, k] -= (a * b).conj() / scale
    for i, j in pairs:
        a, b = values[:, i], values[:, j].conj()
        numerator += (a * b).imag
        denominator += np.abs(a * b)
        gradient[:, i] += b
        gradient[:, j] -= a.conj()
    safe = np.where(denominator > 0, denominator, 1.0)
    # d Im(z g) over the real and imaginary parts of z, each with its noise, adds up to |g| sigma.
    spread = np.sqrt((np.abs(gradient) ** 2 * sigma**2).sum(axis=1)) / safe
    return numerator / safe, spread


def debiased_power(moments: HasMoments) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return |A_nm|^2 corrected for the mean contribution of noise, and the noise of its parts.

    Returns
    -------
    power : (n, J) array
        |A_nm|^2 - (variance of the cosine moment + variance of the sine moment); may be negative.
    noise : (n, J) array
        Variance that was subtracted.
    modes : (J, 2) int array
        (n, m >= 0).
    """
    values, kept = to_complex(np.asarray(moments.values, np.float64), moments.modes)
    noise = np.broadcast_to(np.asarray(moments.noise_std, np.float64), moments.values.shape)
    pair, _ = to_complex(noise, moments.modes)
    variance = pair.real**2 + pair.imag**2
    return np.abs(values) ** 2 - variance, variance, kept


def invariants(
    moments: HasMoments, *, chirality: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return features that are invariant under rotations of a pattern about its centre.

    Parameters
    ----------
    moments : Moments
        Real moments of n atoms with their noise.
    chirality : bool
        Append the chirality (see `get_chirality`), which distinguishes a pattern from its mirror image. By default
        the features are the same for both.

    Returns
    -------
    values : (n, J) float32 array
        A_n0 with its sign for m = 0, and |A_nm| without the mean contribution of noise for m > 0, n first; then the chirality
        if requested.
    noise_std : (n, J) float32 array
        Their standard deviations due to noise.

    Notes
    -----
    A rotation by theta changes A_nm to A_nm exp(i m theta): Teague, J. Opt. Soc. Am. 70 (1980) 920.
    """
    values, kept = to_complex(np.asarray(moments.values, np.float64), moments.modes)
    power, variance, _ = debiased_power(moments)
    axial = kept[:, 1] == 0
    features = np.where(axial, values.real, np.sqrt(np.maximum(power, 0)))
    noise = np.sqrt(np.where(axial, variance, variance / 2))
    if chirality:
        value, spread = get_chirality(moments)
        features, noise = np.column_stack([features, value]), np.column_stack([noise, spread])
    return features.astype(np.float32), noise.astype(np.float32)


@dataclass(frozen=True)
class PrincipalAxes:
    """Centre (d,) and orthonormal vectors (d, k) of the axes of largest variance, the largest first."""

    centre: NDArray[np.float64]
    vectors: NDArray[np.float64]

    @classmethod
    def fit(cls, X: NDArray[np.float64], n_axes: int = 20) -> PrincipalAxes:
        """Take the first `n_axes` axes, or all, of the points (n, d)."""
        centre = X.mean(axis=0)
        centred = X - centre
        _, vectors = np.linalg.eigh(centred.T @ centred)
        vectors = vectors[:, ::-1][:, :n_axes]
        largest = np.abs(vectors).argmax(axis=0)
        return cls(centre, vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])]))

    def apply(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the components (n, k) of points (n, d)."""
        return np.asarray((X - self.centre) @ self.vectors)


@dataclass(frozen=True)
class SymmetryScores:
    """Rotation and mirror symmetry of n patterns.

    Attributes
    ----------
    folds : tuple of int
        Orders of rotation.
    scores : (n, F) array
        S_n of each: 1 for a perfect n-fold axis, about 0 for none.
    scores_std : (n, F) array
        Standard deviation of the scores due to noise.
    mirror : (n,) array
        Strength of the best mirror axis: 1 for a perfect one.
    mirror_std : (n,) array
        Its standard deviation due to noise.
    axis : (n,) array
        Angle of that axis in radians, 0 to pi, from x towards y.
    """

    folds: tuple[int, ...]
    scores: NDArray[np.float64]
    scores_std: NDArray[np.float64]
    mirror: NDArray[np.float64]
    mirror_std: NDArray[np.float64]
    axis: NDArray[np.float64]


@nb.njit(cache=True, **OUTER)
def _mirror_axes(
    first: int,
    last: int,
    re: NDArray[np.float64],
    im: NDArray[np.float64],
    cosine: NDArray[np.float32],
    sine: NDArray[np.float32],
    value: NDArray[np.float64],
    axis: NDArray[np.float64],
) -> None:
    """Largest value over theta of sum re cos(m theta) + im sin(m theta); theta is twice the axis."""
    for i in range(first, last):
        grid = np.empty(cosine.shape[1], np.float32)
        value[i], angle = fit_angle(re[i], im[i], cosine, sine, grid)
        axis[i] = 0.5 * (angle % (2 * np.pi))


def _best_mirrors(sums: NDArray[np.complexfloating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return max over theta of Re sum_m C_m exp(-i m theta), and theta / 2, for C (n, M + 1)."""
    cosine, sine = angle_tables(sums.shape[1])
    value, axis = np.zeros(len(sums)), np.zeros(len(sums))
    over_rows(
        _mirror_axes,
        len(sums),
        np.ascontiguousarray(sums.real, dtype=np.float64),
        np.ascontiguousarray(sums.imag, dtype=np.float64),
        cosine,
        sine,
        value,
        axis,
    )
    return value, axis


def fold_weights(orders: NDArray[np.int64], fold: int) -> NDArray[np.float64]:
    """Return 1 for angular orders that are invariant under an n-fold rotation, -1 / (n - 1) for the others."""
    if int(fold) != fold or fold < 2:
        raise ValueError(f"A fold must be a whole number of 2 or more, not {fold!r}.")
    return np.where(orders % fold == 0, 1.0, -1.0 / (fold - 1))


def get_symmetry(moments: HasMoments, folds: Sequence[int] = (2, 3, 4, 6)) -> SymmetryScores:
    r"""Return scores of rotational and mirror symmetry, corrected for the bias by noise.

    Parameters
    ----------
    moments : Moments
        Real moments of n atoms with their noise.
    folds : sequence of int
        Orders of rotation.

    Returns
    -------
    SymmetryScores

    Raises
    ------
    ValueError
        If a fold is below 2, or no moment has an angular order of 2 or more.

    Notes
    -----
    With :math:`A_{nm} = a_{n,m} + i a_{n,-m}` and the sums running over m >= 2 (m = 0 is symmetric for any pattern, m
    = 1 is mostly an error of the centre),

    .. math::
        S_n = \frac{\sum_{m \bmod n = 0} |A|^2 - \frac{1}{n-1} \sum_{m \bmod n \ne 0} |A|^2}{\sum |A|^2},
        \qquad
        M = \max_\varphi \frac{\Re \sum A^2 e^{-2 i m \varphi}}{\sum |A|^2},

    S_n is the mean correlation of the pattern with its n - 1 rotated copies, M that with its mirror image about the
    axis :math:`\varphi` (Dan et al., Chinese Physics B (2024), doi:10.1088/1674-1056/ad51f4). Noise adds its variance
    to every |A|^2, which makes scores too small: it is subtracted here, in numerator and denominator. It adds nothing
    to A^2 on average, but it increases the maximum over many angles: the square of this increase is subtracted from
    the square of the mirror sum. If the pattern does not exceed one standard deviation of the noise, the denominator
    is this standard deviation, so that scores tend to 0 and not to infinity.
    """
    power, variance, kept = debiased_power(moments)
    used = kept[:, 1] >= 2
    if not used.any():
        raise ValueError("No moment has an angular order of 2 or more: use a larger n_max.")
    values = to_complex(np.asarray(moments.values, np.float64), moments.modes)[0][:, used]
    power, variance, orders = power[:, used], variance[:, used], kept[used, 1]

    # |A|^2 with true value P and variance s^2 for both parts together has the variance 2 s^2 P + s^4.
    spread = 2 * variance * np.maximum(power, 0) + variance**2
    total = np.maximum(power.sum(axis=1), np.sqrt(spread.sum(axis=1)))
    total = np.where(total > 0, total, 1.0)
    scores, deviations = [], []
    for fold in folds:
        weight = fold_weights(orders, fold)
        score = power @ weight / total
        scores.append(score)
        deviations.append(np.sqrt((spread * (weight - score[:, None]) ** 2).sum(axis=1)) / total)

    by_order = (orders[:, None] == np.arange(int(orders.max()) + 1)).astype(np.float64)
    best, axis = _best_mirrors(values**2 @ by_order)
    # The largest of about 2 M independent angles increases with the noise, whose sum has this deviation.
    deviation = np.sqrt((variance**2).sum(axis=1))
    chance = deviation**2 * 2 * np.log(2.0 * orders.max())
    mirror = np.sqrt(np.maximum(best**2 - chance, 0)) / total
    # Along the axis, numerator and denominator increase together; noise across it lowers the mirror score.
    across = spread * (1 - np.clip(mirror, 0, 1)[:, None]) ** 2
    mirror_std = np.sqrt(across.sum(axis=1) + deviation**2) / total
    return SymmetryScores(
        folds=tuple(int(fold) for fold in folds),
        scores=np.stack(scores, axis=1),
        scores_std=np.stack(deviations, axis=1),
        mirror=mirror,
        mirror_std=mirror_std,
        axis=axis,
    )
