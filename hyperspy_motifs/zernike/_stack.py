"""Combined moments of several detectors of one field of view."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ._modes import partner_columns
from ._moments import Moments
from ._noise import whiten


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
