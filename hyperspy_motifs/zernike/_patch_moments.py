"""Moments of existing patches of an image."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperspy_motifs.threads import one_blas_thread

from ._disc_basis import DiscBasis
from ._moments import MIN_COVERAGE, Moments
from ._noise import NoiseModel
from ._partial import PartialDiscs

_PEDESTAL = 10.0


def get_patch_moments(
    patches: ArrayLike,
    basis: DiscBasis,
    *,
    noise_std: ArrayLike = 1.0,
    limits: NDArray[np.int64] | None = None,
) -> Moments:
    """Return the moments of patches without sampling or normalisation.

    Parameters
    ----------
    patches : (n, size, size) array_like
        Windows of ``basis.size`` pixels with the atom at the centre.
    basis : DiscBasis
        For example `ZernikeBasis(n_max=8, radius=14)`.
    noise_std : float or (n,) array_like, optional
        Standard deviation of the noise of a pixel of the image, in the units of the patches.
    limits : (n, 4) int array, optional
        First and past-last row, first and past-last column of each window inside its image; all by default. Discs
        truncated by up to 30 % have moments from the part inside, as in `get_moments`; others are NaN and not
        `valid`.

    Returns
    -------
    Moments
    """
    windows = np.asarray(patches)
    # The last bits of matrix products depend on the number of BLAS threads.
    with one_blas_thread():
        moments = np.array(basis.transform(windows), dtype=np.float32)
    n = len(moments)
    pixel = np.broadcast_to(np.asarray(noise_std, dtype=np.float32), (n,))
    damped = np.sqrt((basis.weights**2).sum(axis=1) * basis.interpolated_noise)
    noise = pixel[:, None] * damped.astype(np.float32)
    coverage = np.ones(n) if limits is None else _coverage(limits, basis)
    whole = coverage >= 1 - 1e-9
    valid = coverage >= MIN_COVERAGE
    cut = np.flatnonzero(valid & ~whole)
    if len(cut) and limits is not None:
        # Many small systems: several threads would be slower and could change the last bits.
        with one_blas_thread():
            # A large offset would reduce the precision of the patterns in single precision. A level of the order of
            # the patterns is part of them and of the model of a patch.
            level = float(np.median(windows))
            if abs(level) < _PEDESTAL * float(np.std(windows)):
                level = 0.0
            lifted = (windows - level).astype(np.float32)
            solver = PartialDiscs(basis, lifted[whole] if whole.any() else lifted)
            rows, columns = np.divmod(basis.pixels, basis.size)
            top, bottom, left, right = limits[cut].T[:, :, None]
            inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
            moments[cut], noise[cut] = solver.solve(lifted[cut], inside, noise[cut])
            moments[cut] += (level * basis.weights.sum(axis=1)).astype(np.float32)
    moments[~valid] = np.nan
    return Moments(
        values=moments,
        modes=basis.modes,
        radius=basis.radius,
        n_max=basis.n_max,
        noise_std=noise,
        coverage=coverage,
        valid=valid,
        offset=np.zeros(n),
        scale=np.ones(n),
        noise=NoiseModel(0.0, 0.0),
    )


def _coverage(limits: NDArray[np.int64], basis: DiscBasis) -> NDArray[np.float64]:
    """Part of each disc within the limits, 0 to 1."""
    rows, columns = np.divmod(basis.pixels, basis.size)
    top, bottom, left, right = limits.T[:, :, None]
    inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    return inside @ basis.areas / basis.areas.sum()
