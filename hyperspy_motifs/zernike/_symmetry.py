"""Point symmetry of patterns from their moments."""

from collections.abc import Sequence
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.compilation import OUTER
from hyperspy_motifs.threads import over_rows

from ._alignment import angle_tables, fit_angle
from ._features import debiased_power
from ._modes import HasMoments, to_complex


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
def _mirror_axes(first, last, re, im, cosine, sine, value, axis):
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
