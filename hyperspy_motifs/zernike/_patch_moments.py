"""Moments of existing patches, and of several detectors together."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperspy_motifs.threads import one_blas_thread

from ._disc_basis import DiscBasis
from ._disc_moments import PartialDiscs
from ._modes import partner_columns
from ._moments import MIN_COVERAGE, Moments
from ._noise import NoiseModel, whiten

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


def stack_moments(detectors: Sequence[Moments]) -> Moments:
    """Combine the moments of several detectors of the same atoms, each in units of its own noise.

    Parameters
    ----------
    detectors : sequence of Moments
        One for each detector: the same atoms in the same order.

    Returns
    -------
    Moments
        Values (n, K1 + K2 + ...), whitened; `modes` holds the (n, m) of each detector one after another.
        Alignment, rotation, invariants and symmetry use all detectors together. `valid` where all are.
        `offset`, `scale` and `noise` are those of the first detector, `unit` is the noise of each column.

    Raises
    ------
    ValueError
        If there is no detector, or the numbers of atoms or the radii differ.
    """
    if not detectors:
        raise ValueError("No moments were given to stack.")
    first = detectors[0]
    if any(len(other) != len(first) for other in detectors):
        raise ValueError(
            f"The detectors have {[len(other) for other in detectors]} atoms: compute all moments at "
            "the same positions."
        )
    if any(not np.isclose(other.radius, first.radius) for other in detectors):
        raise ValueError(
            f"The discs have radii of {[other.radius for other in detectors]} px: use one basis for all of "
            "the detectors."
        )
    values, noise, units = [], [], []
    for moments in detectors:
        scale = _common_noise(moments)
        values.append(whiten(moments.values, scale))
        noise.append(moments.noise_std / scale.astype(np.float32))
        units.append(scale)
    return replace(
        first,
        values=np.concatenate(values, axis=1),
        noise_std=np.concatenate(noise, axis=1),
        modes=np.concatenate([moments.modes for moments in detectors]),
        unit=np.concatenate(units),
        n_max=max(moments.n_max for moments in detectors),
        coverage=np.min([moments.coverage for moments in detectors], axis=0),
        valid=np.all([moments.valid for moments in detectors], axis=0),
    )


def _common_noise(moments):
    """One noise value per mode, equal for sine and cosine, so that whitened moments can be rotated."""
    variance = np.nanmean(np.asarray(moments.noise_std, np.float64)[moments.valid] ** 2, axis=0)
    return np.sqrt((variance + variance[partner_columns(moments.modes)]) / 2)
