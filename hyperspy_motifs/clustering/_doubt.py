"""What is not known of atoms of which the image shows a part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.zernike import to_complex

from ._features import Axes, MomentsLike, noise_units
from ._surroundings import Leak, both_valid

# Squared units of noise of a feature that was not seen: beyond what parts any two motifs, yet harmless to invert.
_UNSEEN = 1e8
_WHOLE = 1 - 1e-9


@dataclass(frozen=True)
class Doubt:
    """Variance of the features of some atoms beyond the noise of whole discs.

    Attributes
    ----------
    place : ndarray of int64, shape (n,)
        Row in `variance` of each atom; -1 for those that are known as well as any.
    variance : ndarray, shape (m, features)
        In squared units of noise.
    """

    place: NDArray[np.int64]
    variance: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        moments: MomentsLike,
        rotation_invariant: bool,
        unit: NDArray[np.float64],
        leak: NDArray[np.float64] | None = None,
        cleared: NDArray[np.bool_] | None = None,
    ) -> Doubt:
        """Take it from the noise of the moments of cut discs; nothing is known of discs that are not valid.

        Parameters
        ----------
        moments : zernike.Moments
        rotation_invariant : bool
        unit : ndarray, shape (K,)
            Noise of whole discs.
        leak : ndarray, shape (K,), optional
            Variance of what surroundings leak into the moments.
        cleared : ndarray of bool, shape (n,), optional
            Atoms of whose moments that has been taken away.
        """
        valid = np.asarray(moments.valid, dtype=bool)
        cut = np.asarray(moments.coverage) < _WHOLE
        rows = np.flatnonzero(cut | ~valid if cleared is None else cut | ~valid | ~cleared)
        noise = np.broadcast_to(np.asarray(moments.noise_std, dtype=np.float64), moments.values.shape)[rows]
        square = np.where(cut[rows, None], np.maximum(noise**2 - unit**2, 0.0), 0.0)
        if leak is not None and cleared is not None:
            square += np.where(cleared[rows, None], 0.0, leak)
        if rotation_invariant:
            sizes, _ = to_complex(np.sqrt(square), moments.modes)
            units, _ = to_complex(unit, moments.modes)
            variance = np.abs(sizes) ** 2 / np.abs(units) ** 2
        else:
            variance = square / unit**2
        variance[~valid[rows]] = _UNSEEN
        place = np.full(len(valid), -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        return cls(place, np.minimum(variance, _UNSEEN))

    def along(self, members: NDArray[np.int64], axes: Axes) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return which of some atoms it concerns (places among `members`), and their covariance (d, k, k) on axes."""
        place = self.place[members]
        which = np.flatnonzero(place >= 0)
        variance = self.variance[place[which]]
        return which, np.einsum("fa,mf,fb->mab", axes.vectors, variance, axes.vectors, optimize=True)


def features_and_doubt(
    moments: MomentsLike,
    rotation_invariant: bool,
    unit: NDArray[np.float64],
    leak: Leak | None = None,
    wider: MomentsLike | None = None,
) -> tuple[NDArray[np.float64], Doubt]:
    """Return the features (n, f) in units of noise, without what the surroundings leak into them, and the doubt about them.

    Atoms of which the wider disc is not known keep the leak: its variance among the others adds to their doubt.
    """
    if leak is None or wider is None:
        return noise_units(moments, rotation_invariant, unit), Doubt.of(moments, rotation_invariant, unit)
    values = leak.remove(moments, wider)
    cleared = both_valid(moments, wider)
    removed = np.asarray(moments.values, dtype=np.float64)[cleared] - values[cleared]
    variance = (removed**2).mean(axis=0) if cleared.any() else None
    X = noise_units(moments, rotation_invariant, unit, values)
    return X, Doubt.of(moments, rotation_invariant, unit, variance, cleared)
