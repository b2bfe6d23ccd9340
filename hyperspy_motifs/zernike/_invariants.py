"""Features that do not change when the pattern is rotated, and the sense of rotation."""

from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from ._modes import HasMoments, to_complex

# Triples of the lowest modes only: they represent the pattern, and there are some hundreds of them.
_N_MAX = 8


def _triples(modes):
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
    moments: HasMoments, *, chirality: bool = False, debias: bool = True
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return features that are invariant under rotations of a pattern about its centre.

    Parameters
    ----------
    moments : Moments
        Real moments of n atoms with their noise.
    chirality : bool
        Append the chirality (see `get_chirality`), which distinguishes a pattern from its mirror image. By default
        the features are the same for both.
    debias : bool
        Subtract the mean contribution of noise from |A_nm|^2 before the square root.

    Returns
    -------
    values : (n, J) float32 array
        A_n0 with its sign for m = 0, and |A_nm| for m > 0, n first; then the chirality if requested.
    noise_std : (n, J) float32 array
        Their standard deviations due to noise.

    Notes
    -----
    A rotation by theta changes A_nm to A_nm exp(i m theta): Teague, J. Opt. Soc. Am. 70 (1980) 920.
    """
    values, kept = to_complex(np.asarray(moments.values, np.float64), moments.modes)
    power, variance, _ = debiased_power(moments)
    axial = kept[:, 1] == 0
    magnitude = np.sqrt(np.maximum(power, 0)) if debias else np.abs(values)
    features = np.where(axial, values.real, magnitude)
    noise = np.sqrt(np.where(axial, variance, variance / 2))
    if chirality:
        value, spread = get_chirality(moments)
        features, noise = np.column_stack([features, value]), np.column_stack([noise, spread])
    return features.astype(np.float32), noise.astype(np.float32)
