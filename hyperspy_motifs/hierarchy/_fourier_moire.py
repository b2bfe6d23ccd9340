"""The moire and the lattices of two layers from the Fourier peaks of an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import maximum_filter
from scipy.optimize import least_squares

from hyperspy_motifs.threads import one_blas_thread

from ._constants import CONSTANTS
from ._lattice import reduced
from ._moire import mean_period, polar

__all__ = ["FourierMoire", "fourier_moire"]


@dataclass(frozen=True)
class FourierMoire:
    """Lattices of two layers and their moire, from Fourier peaks.

    Attributes
    ----------
    layers : numpy.ndarray of float, shape (2, 2, 2)
        Translations of each layer as rows, x, y in pixels.
    twist : float
        Degrees, 0 to 30.
    heterostrain : numpy.ndarray of float, shape (2, 2)
        Strain of one layer relative to the other, symmetric.
    vectors : numpy.ndarray of float, shape (2, 2)
        Translations of the moire of first order, rows, pixels: its reciprocal vectors are the differences of those of
        the layers.
    period : float
        Mean of its three shortest translations.
    """

    layers: NDArray[np.float64]
    twist: float
    heterostrain: NDArray[np.float64]
    vectors: NDArray[np.float64]
    period: float

    @property
    def lattice(self) -> NDArray[np.float64]:
        """Mean lattice of the layers, translations as rows, pixels."""
        mean = 0.5 * sum(np.linalg.inv(layer).T for layer in self.layers)
        return np.asarray(np.linalg.inv(mean).T, dtype=np.float64)


def fourier_moire(image: ArrayLike) -> FourierMoire | None:
    """Find two rotated hexagonal lattices in an image, and their moire.

    Parameters
    ----------
    image : array_like, shape (rows, columns)

    Returns
    -------
    FourierMoire or None
        None if the strongest ring of Fourier peaks is not that of two hexagonal lattices, or if the field of view is
        too small to resolve their peaks (less than two moire periods).

    Notes
    -----
    The six peaks of half of the ring belong alternately to the two layers. Each pair of neighbours is fitted jointly
    by the windowed transforms of two waves, because their tails overlap.
    """
    values = np.asarray(image, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 32 or not np.isfinite(values).all():
        raise ValueError(f"A finite image of 32 x 32 pixels or more is needed, not shape {values.shape}.")
    values = values - values.mean()
    windows = [np.hanning(s + 2)[1:-1] for s in values.shape]
    windowed = values * windows[0][:, None] * windows[1][None]
    beams, power = _peaks(windowed)
    ring = _strongest_ring(beams, power)
    if ring is None:
        return None
    spots = beams[ring]
    spots = spots[np.argsort(np.arctan2(spots[:, 1], spots[:, 0]), kind="stable")]
    split = _two_layers(spots)
    if split is None:
        return None
    lower, upper = split
    for i in range(3):
        with one_blas_thread():
            lower[i], upper[i] = _fit_pair(windowed, windows, lower[i], upper[i])
    reciprocal = _primitive(windowed, [_reciprocal(layer) for layer in (lower, upper)], power[0])
    if reciprocal is None:
        return None
    transfer = (np.linalg.inv(reciprocal[0]) @ reciprocal[1]).T
    turn, stretch = polar(transfer)
    vectors = reduced(np.linalg.inv(reciprocal[1] - reciprocal[0]).T)
    return FourierMoire(
        layers=np.array([np.linalg.inv(r).T for r in reciprocal]),
        twist=abs(float(np.degrees(turn))),
        heterostrain=-(stretch - np.eye(2)),
        vectors=vectors,
        period=mean_period(vectors),
    )


def _peaks(windowed: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Half of the peaks of the power spectrum, strongest first: x, y in periods per pixel, and their power."""
    size = tuple(CONSTANTS.image_padding * s for s in windowed.shape)
    power = np.abs(np.fft.fft2(windowed, s=size)) ** 2
    qy, qx = np.fft.fftfreq(size[0]), np.fft.fftfreq(size[1])
    radius = np.hypot(qx[None], qy[:, None])
    top = power == maximum_filter(power, size=2 * CONSTANTS.image_padding + 1, mode="wrap")
    top &= (radius > CONSTANTS.lowest_frequency / min(windowed.shape)) & (
        radius < CONSTANTS.highest_frequency
    )
    row, column = np.nonzero(top)
    half = (qy[row] > 0) | ((qy[row] == 0) & (qx[column] > 0))
    row, column = row[half], column[half]
    order = np.argsort(-power[row, column], kind="stable")[: CONSTANTS.examined_peaks]
    row, column = row[order], column[order]
    logarithm = np.log(np.maximum(power, 1e-300))

    def vertex(
        before: NDArray[np.float64], here: NDArray[np.float64], after: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return 0.5 * (before - after) / np.minimum(before - 2 * here + after, -1e-12)

    here = logarithm[row, column]
    dy = vertex(logarithm[row - 1, column], here, logarithm[(row + 1) % size[0], column])
    dx = vertex(logarithm[row, column - 1], here, logarithm[row, (column + 1) % size[1]])
    beams = np.column_stack([qx[column] + dx / size[1], qy[row] + dy / size[0]])
    return beams, power[row, column]


def _strongest_ring(beams: NDArray[np.float64], power: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Indices of the six strongest peaks of the ring with most power, or None."""
    radius = np.hypot(beams[:, 0], beams[:, 1])
    best, found = 0.0, None
    for start in radius[: CONSTANTS.ring_starts]:
        inside = np.flatnonzero((radius >= start) & (radius <= start * (1 + CONSTANTS.ring_width)))[
            : CONSTANTS.ring_spots
        ]
        total = float(power[inside].sum())
        if (
            len(inside) == CONSTANTS.ring_spots
            and power[inside[-1]] > CONSTANTS.faintest_peak * power[inside[0]]
            and total > best
        ):
            best, found = total, inside
    return found


def _two_layers(spots: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Three peaks of each layer, those of a pair at the same index, the first layer rotated back; None if not hexagonal."""
    angle = np.degrees(np.arctan2(spots[:, 1], spots[:, 0]))
    gaps = np.diff(np.append(angle, angle[0] + 180))
    if (
        np.abs(gaps[::2] + gaps[1::2] - 60).max() > CONSTANTS.layer_distortion
        or gaps.min() < CONSTANTS.least_twist
    ):
        return None
    if gaps[::2].sum() <= gaps[1::2].sum():
        return spots[::2].copy(), spots[1::2].copy()
    return spots[1::2].copy(), np.array([spots[2], spots[4], -spots[0]])


def _fit_pair(
    windowed: NDArray[np.float64],
    windows: list[NDArray[np.float64]],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies of two waves whose windowed transforms fit the spectrum around them."""
    rows, columns = windowed.shape
    steps = np.array([columns, rows])
    centres = np.round(np.array([first, second]) * steps).astype(int)
    bins = [
        np.arange(c.min() - CONSTANTS.spectrum_box, c.max() + CONSTANTS.spectrum_box + 1) for c in centres.T
    ]
    at = [2j * np.pi * np.outer(b / n, np.arange(n)) for b, n in zip(bins, steps, strict=True)]
    transforms = [np.exp(-a) for a in at]
    box = (transforms[1] @ windowed @ transforms[0].T).ravel()

    def waves(q: NDArray[np.float64]) -> NDArray[np.complex128]:
        made = []
        for x, y in q.reshape(2, 2):
            along = transforms[0] @ (windows[1] * np.exp(2j * np.pi * x * np.arange(columns)))
            down = transforms[1] @ (windows[0] * np.exp(2j * np.pi * y * np.arange(rows)))
            made.append(np.outer(down, along).ravel())
        return np.column_stack(made)

    start = np.concatenate([first, second])
    scale = np.tile(1 / steps, 2)

    def residual(shift: NDArray[np.float64]) -> NDArray[np.float64]:
        basis, _ = np.linalg.qr(waves(start + shift * scale))
        left = box - basis @ (basis.conj().T @ box)
        return np.concatenate([left.real, left.imag]) / np.abs(box).max()

    fit = least_squares(residual, np.zeros(4), bounds=(-1.5, 1.5), diff_step=1e-3)
    q = start + fit.x * scale
    return q[:2], q[2:]


def _reciprocal(spots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two reciprocal vectors (rows) from three peaks 60 degrees apart; the middle one is the sum of the others."""
    return np.linalg.lstsq(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), spots, rcond=None)[0]


def _primitive(
    windowed: NDArray[np.float64], reciprocal: list[NDArray[np.float64]], strongest: float
) -> list[NDArray[np.float64]] | None:
    """Convert a ring of higher order to the first order; None if the layers differ too much in strength, or are too
    weak.

    A ring of high order of a single lattice, such as that of 2 b1 + b2, also has six peaks, but weak ones.
    """
    rows, columns = (np.arange(n) for n in windowed.shape)

    def power(layer: NDArray[np.float64]) -> float:
        star = np.array([layer[0], layer[1], layer[0] + layer[1]])
        waves = [
            np.exp(-2j * np.pi * y * rows) @ windowed @ np.exp(-2j * np.pi * x * columns) for x, y in star
        ]
        return float(np.mean(np.abs(waves) ** 2))

    strength = [power(layer) for layer in reciprocal]
    if min(strength) < CONSTANTS.weakest_layer * max(strength):
        return None
    # The ring of b1 + b2, and that of 2 b1.
    for back in (np.array([[1, -1], [1, 2]]) / 3, np.eye(2) / 2):
        shorter = [back @ layer for layer in reciprocal]
        weaker = [power(layer) for layer in shorter]
        if sum(weaker) > CONSTANTS.weakest_ring * sum(strength):
            reciprocal, strength = shorter, weaker
            break
    return reciprocal if sum(strength) > CONSTANTS.weakest_ring * strongest else None
