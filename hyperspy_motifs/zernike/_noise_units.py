"""Moments in units of their noise."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ._modes import to_complex

_FLOOR = 1e-3


class MomentsLike(Protocol):
    """What is read of `zernike.Moments`."""

    @property
    def values(self) -> NDArray[np.floating]:
        """Moments, shape (n, K)."""
        ...

    @property
    def modes(self) -> NDArray[np.integer]:
        """(n, m) of each moment, shape (K, 2)."""
        ...

    @property
    def noise_std(self) -> NDArray[np.floating]:
        """Standard deviation of each moment by noise, shape (n, K)."""
        ...

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


def noise_unit(moments: MomentsLike) -> NDArray[np.float64]:
    """Return the noise of the median atom for every mode, shape (K,), never zero."""
    valid = np.asarray(moments.valid, dtype=bool)
    values = np.asarray(moments.values, dtype=np.float64)[valid]
    noise = np.asarray(moments.noise_std, dtype=np.float64)
    unit = np.median(noise[valid], axis=0) if noise.ndim == 2 else noise
    # Interpolation and rounding limit even a noise-free image.
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
