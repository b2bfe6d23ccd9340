"""Features that do not change when the pattern is rotated."""

import numpy as np
from numpy.typing import NDArray

from ._chirality import get_chirality
from ._modes import HasMoments, to_complex


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
