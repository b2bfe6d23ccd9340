"""Motifs that are copies of one another, rotated or mirrored."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from hyperspy_motifs.zernike import MomentsLike, align, noise_unit, partner_columns, rotate_moments

from ._constants import CONSTANTS, MIN_MOTIF_SIZE

_COMPARED = 400  # atoms of a motif that are compared


class TurnedMotif(NamedTuple):
    """A motif that is another one in another orientation.

    Attributes
    ----------
    motif, copy_of : int
    angle : float
        Rotation of `copy_of` to `motif` in radians, -pi to pi, from x towards y.
    mirrored : bool
        Whether `copy_of` is mirrored (y to -y) before that rotation.
    """

    motif: int
    copy_of: int
    angle: float
    mirrored: bool


def turned_motifs(
    moments: MomentsLike,
    labels: NDArray[np.integer],
    alpha: float = CONSTANTS.alpha,
) -> list[TurnedMotif]:
    r"""Find the motifs whose mean moments are those of a more frequent motif after a rotation.

    Two motifs are copies if their means differ, and do not differ after the rotation, and where needed the reflection, at
    which they agree best; both by a test at the level `alpha`.

    Parameters
    ----------
    moments : Moments
        Of n atoms; those without valid ones are left out.
    labels : ndarray of int, shape (n,)
        Motif of each atom; smaller numbers are compared first.
    alpha : float, optional

    Returns
    -------
    list of TurnedMotif
        One for each motif that is a copy, of the motif without that property which it resembles most. Motifs of fewer than
        five atoms are not compared.

    Notes
    -----
    The squared distance of two means, in units of noise, is a sum of squares with the covariance
    :math:`\Sigma = S_1 / n_1 + S_2 / n_2`. It is compared with a multiple of a chi-squared distribution of the same mean and
    variance, of :math:`(\mathrm{tr}\,\Sigma)^2 / \mathrm{tr}\,\Sigma^2` degrees of freedom (Box, Annals of Mathematical
    Statistics 25 (1954) 290). More moments than atoms do no harm.
    """
    known = np.flatnonzero(moments.valid)
    unit = noise_unit(moments)
    # Sine and cosine of a mode have one weight, otherwise a rotation changes the distance.
    weights = 1 / np.sqrt((unit**2 + unit[partner_columns(moments.modes)] ** 2) / 2)
    values = np.asarray(moments.values, dtype=np.float64)[known] * weights
    order = np.random.default_rng(0).permutation(len(known))
    of_order = labels[known][order]
    modes, sines = moments.modes, moments.modes[:, 1] < 0
    originals: dict[int, NDArray[np.float64]] = {}
    found: list[TurnedMotif] = []
    for motif in np.unique(of_order).tolist():
        members = values[np.sort(order[of_order == motif][:_COMPARED])]
        if len(members) < MIN_MOTIF_SIZE:
            continue
        likely: list[tuple[float, TurnedMotif]] = []
        for original, others in originals.items():
            if _p_of_equal_means(members, others) >= alpha:
                continue
            angles, reflected, _ = align(members.mean(axis=0), others.mean(axis=0), modes, reflection=True)
            angle, mirrored = float(angles[0, 0]), bool(reflected[0, 0])
            turned = np.where(sines & mirrored, -others, others)
            turned = np.asarray(rotate_moments(turned, modes, np.full(len(turned), angle)), dtype=np.float64)
            p_value = _p_of_equal_means(members, turned)
            if p_value >= alpha:
                likely.append((p_value, TurnedMotif(motif, original, angle, mirrored)))
        if likely:
            found.append(max(likely)[1])
        else:
            originals[motif] = members
    return found


def _p_of_equal_means(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """P-value of the equality of the means of two samples (n, K)."""
    covariance = np.cov(a.T) / len(a) + np.cov(b.T) / len(b)
    trace = float(np.trace(covariance))
    if trace <= 0:
        return 1.0
    degrees = trace**2 / float((covariance**2).sum())
    squared = float(((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum())
    return float(chi2.sf(squared * degrees / trace, degrees))
