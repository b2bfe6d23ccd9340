"""Radial orders that carry signal, and modes that distinguish two groups of atoms."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperspy_motifs.atoms import nearest_neighbour_distance
from hyperspy_motifs.common import SMALL_SAMPLE
from hyperspy_motifs.patches import check_positions

from ._disc_moments import ZernikeBasis, disc_coverage
from ._modes_and_noise import HasMoments
from ._moments import get_moments

# Part of the pattern that may be lost.
_REST = 1e-3
_LEAST = 4
# Largest order of a basis where pixels carry more.
_LARGEST = 20


@dataclass(frozen=True)
class OrderSpectrum:
    """Signal and noise of the moments by radial order.

    Attributes
    ----------
    n : (N,) int array
        Radial orders.
    signal : (N,) array
        Mean square of the moments of the order over all atoms, without noise.
    variation : (N,) array
        Variance of these moments between atoms, without noise; it distinguishes patterns.
    noise : (N,) array
        Variance of the moments due to noise.
    n_max : int
        The chosen order.
    reason : str
        Reason for the choice.
    """

    n: NDArray[np.int64]
    signal: NDArray[np.float64]
    variation: NDArray[np.float64]
    noise: NDArray[np.float64]
    n_max: int
    reason: str


def choose_n_max(moments: HasMoments, *, threshold: float = 10.0) -> OrderSpectrum:
    """Choose the largest radial order by the signal-to-noise ratio of the moments over the atoms.

    Parameters
    ----------
    moments : Moments
        Moments with their noise, to a large n_max (such as 20).
    threshold : float
        Least ratio of signal power to noise power of the last order.

    Returns
    -------
    OrderSpectrum
        Power of each order, with the chosen `n_max` and the reason.

    Raises
    ------
    ValueError
        If no atom is valid.

    Notes
    -----
    Orders are kept up to the last one with a power of `threshold` times its noise, or up to the one that completes
    99.9 % of the signal if this is lower. A missing neighbour changes a pattern by about a third of its amplitude, a
    tenth of its power: with the default threshold such a change still equals the noise in the last order kept, and
    further orders would add more noise than signal to the distance of two patterns. At least 4 orders are kept, if
    available.
    """
    values = np.asarray(moments.values, dtype=np.float64)
    noise = np.broadcast_to(np.asarray(moments.noise_std, np.float64), values.shape)
    known = np.isfinite(values).all(axis=1)
    if not known.any():
        raise ValueError("No atom has moments: all discs lie too far outside the image.")
    values, noise = values[known], noise[known]
    orders = np.unique(moments.modes[:, 0])
    by_order = (moments.modes[:, 0][:, None] == orders).astype(np.float64)
    variance = (noise**2).mean(axis=0) @ by_order
    power = (values**2).mean(axis=0) @ by_order
    spread = values.var(axis=0) @ by_order
    signal, variation = power - variance, spread - variance

    ratio = np.divide(signal, variance, out=np.full(len(orders), np.inf), where=variance > 0)
    carrying = orders[ratio >= threshold]
    by_noise = int(carrying.max()) if len(carrying) else int(orders[0])
    kept = np.maximum(np.where(orders > 0, signal, 0), 0)
    by_signal = by_noise
    if kept.sum() > 0:
        complete = np.cumsum(kept) >= (1 - _REST) * kept.sum()
        by_signal = int(orders[np.argmax(complete)])
    least = int(orders[np.argmax(orders >= min(_LEAST, orders[-1]))])
    n_max = max(min(by_noise, by_signal), least)
    if n_max == least and min(by_noise, by_signal) < least:
        reason = f"fewer than {_LEAST} orders exceed the noise; orders up to {least}, the minimum, are kept"
    elif by_signal < by_noise:
        reason = f"orders up to {n_max} hold 99.9 % of the signal"
    elif by_noise == orders[-1]:
        reason = f"every order up to {n_max}, the last one computed, exceeds the noise"
    else:
        reason = f"{n_max} is the last order whose power is {threshold:g} times its noise"
    return OrderSpectrum(orders, signal, variation, variance, n_max, reason)


def limit_n_max(radius: float) -> int:
    """Return the largest radial order whose finest ring, pi R / n pixels wide, is two pixels wide.

    Parameters
    ----------
    radius : float
        Radius of the disc in pixels.

    Returns
    -------
    int

    Examples
    --------
    >>> limit_n_max(14.0), limit_n_max(2.7)
    (21, 4)
    """
    if not np.isfinite(radius) or radius <= 0:
        raise ValueError(f"The radius must be a positive number of pixels, not {radius!r}.")
    return max(int(np.pi * radius / 2), 1)


# Pixels a neighbour distance that hold all that moments show.
_AMPLE = 16.0


def fine_step(spacing: float) -> int:
    """Pixels a side of the blocks over which a finely sampled image is averaged before its moments are taken.

    Parameters
    ----------
    spacing : float
        Distance of neighbours in pixels. From 32 on there are 16 or more of the blocks to it, as many as in images that are
        sampled well.

    Returns
    -------
    int
        1 where nothing is averaged.
    """
    return int(spacing / _AMPLE) if spacing >= 2 * _AMPLE else 1


def choose_basis(image: ArrayLike, positions: ArrayLike, radius: float) -> tuple[ZernikeBasis, OrderSpectrum]:
    """Choose the Zernike basis of the discs around the atoms of an image by signal and noise.

    Parameters
    ----------
    image : (rows, columns) array_like
        Image.
    positions : (n, 2) array_like
        x, y in pixels. Up to a thousand atoms with complete discs are used.
    radius : float
        Radius of the discs in pixels.

    Returns
    -------
    basis : ZernikeBasis
    spectrum : OrderSpectrum
        Power of each order, and the reason for n_max.
    """
    generous = ZernikeBasis(min(_LARGEST, limit_n_max(radius)), radius)
    values = np.asarray(image)
    points = check_positions(positions, values.shape)
    whole = np.flatnonzero(disc_coverage(points, values.shape, generous) >= 1 - 1e-9)
    chosen = whole if len(whole) else np.arange(len(points))
    chosen = chosen[:: max(len(chosen) // SMALL_SAMPLE, 1)]
    spacing = nearest_neighbour_distance(points) if len(points) > 1 else None
    moments = get_moments(values, points[chosen], generous, spacing=spacing)
    spectrum = choose_n_max(moments)
    return ZernikeBasis(spectrum.n_max, radius), spectrum


@dataclass(frozen=True)
class Explanation:
    """Modes in the order of their contribution to the difference of two groups.

    Attributes
    ----------
    groups : tuple of int
        The compared labels; -1 means all other atoms.
    modes : (K, 2) int array
        (n, m), in decreasing order of contribution.
    columns : (K,) int array
        Their columns in the features.
    difference : (K,) array
        Mean of the first group minus mean of the second.
    separation : (K,) array
        That difference in units of the standard deviation within the groups (Cohen's d).
    certainty : (K,) array
        That difference in units of its standard error: below 3 it may be due to chance.
    share : (K,) array
        Part of the squared separation; sums to 1.
    """

    groups: tuple[int, int]
    modes: NDArray[np.int64]
    columns: NDArray[np.int64]
    difference: NDArray[np.float64]
    separation: NDArray[np.float64]
    certainty: NDArray[np.float64]
    share: NDArray[np.float64]

    def difference_in_order(self) -> NDArray[np.float64]:
        """Return the difference (K,) in the order of the features, to be reconstructed as a patch."""
        out = np.empty_like(self.difference)
        out[self.columns] = self.difference
        return out

    def to_text(self, count: int = 5) -> str:
        """Return the most important modes as text, one per line."""
        lines = [
            f"n={n} m={m} ({_name(int(n), int(m))}): {d:+.2f} standard deviations, {100 * s:.0f} % of the difference"
            for (n, m), d, s in zip(self.modes, self.separation, self.share, strict=True)
        ]
        return "\n".join(lines[:count])


def _name(n: int, m: int) -> str:
    if m == 0:
        return "mean intensity" if n == 0 else f"radial, {n // 2} rings"
    kind = "cosine" if m > 0 else "sine"
    return f"{abs(m)}-fold, {kind}" if abs(m) > 1 else f"one-sided, {'x' if m > 0 else 'y'}"


def explain(values: ArrayLike, labels: ArrayLike, modes: ArrayLike, groups: tuple[int, int]) -> Explanation:
    """Find the modes that distinguish two groups of atoms.

    Parameters
    ----------
    values : (n, K) array_like
        Moments, or invariants, of n atoms; atoms with NaN are ignored.
    labels : (n,) array_like of int
        Group of each atom.
    modes : (K, 2) array_like of int
        (n, m) of the columns.
    groups : tuple of int
        The two labels to compare; -1 as the second one means all other atoms.

    Returns
    -------
    Explanation

    Raises
    ------
    ValueError
        If shapes do not match or a group has fewer than two atoms.

    Notes
    -----
    d = (mean_1 - mean_2) / s with the pooled standard deviation s within the groups: Cohen, Statistical Power
    Analysis for the Behavioral Sciences (1988), chapter 2. s is at least a thousandth of the typical one, so that
    constant modes are not selected.
    """
    features, marks, pairs = np.asarray(values, dtype=np.float64), np.asarray(labels), np.asarray(modes)
    if features.ndim != 2 or marks.shape != (len(features),) or pairs.shape != (features.shape[1], 2):
        raise ValueError(
            f"Features of shape {features.shape}, labels of shape {marks.shape} and modes of shape "
            f"{pairs.shape} do not match: (n, K), (n,) and (K, 2) are expected."
        )
    first, second = groups
    known = np.isfinite(features).all(axis=1)
    a = features[known & (marks == first)]
    b = features[known & (marks != first if second == -1 else marks == second)]
    if len(a) < 2 or len(b) < 2:
        raise ValueError(f"Groups of {len(a)} and {len(b)} atoms: at least two atoms are needed in each.")
    difference = a.mean(axis=0) - b.mean(axis=0)
    squares = ((a - a.mean(axis=0)) ** 2).sum(axis=0), ((b - b.mean(axis=0)) ** 2).sum(axis=0)
    pooled = np.sqrt((squares[0] + squares[1]) / (len(a) + len(b) - 2))
    floor = 1e-3 * float(np.median(pooled)) or np.finfo(float).tiny
    separation = difference / np.maximum(pooled, floor)
    error = np.sqrt(squares[0] / (len(a) - 1) / len(a) + squares[1] / (len(b) - 1) / len(b))
    certainty = difference / np.maximum(error, floor / np.sqrt(min(len(a), len(b))))
    total = float((separation**2).sum())
    share = separation**2 / total if total > 0 else np.full(len(separation), 1 / len(separation))
    order = np.argsort(-share, kind="stable")
    return Explanation(
        groups=(int(first), int(second)),
        modes=pairs[order],
        columns=order,
        difference=difference[order],
        separation=separation[order],
        certainty=certainty[order],
        share=share[order],
    )
