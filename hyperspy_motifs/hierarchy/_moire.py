"""The moire lattice of two layers, and its level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.optimize import least_squares
from scipy.spatial import cKDTree

from hyperspy_motifs.common import FEWEST_OF_A_SHARE, distinct_rows
from hyperspy_motifs.threads import one_blas_thread

from ._constants import CONSTANTS
from ._hierarchy import Level
from ._lattice import reduced


@dataclass(frozen=True)
class Moire:
    """A moire lattice.

    Attributes
    ----------
    vectors : numpy.ndarray of float, shape (2, 2)
        Rows a and b, columns x, y, in the unit of the positions; 90 to 120 degrees between them.
    period : float
        Mean length of the three shortest translations of a hexagonal cell, of the two of a square one.
    period_error : float
        Standard error of the period, by the jackknife over blocks of the image.
    explained : float
        Share of the variance of the coordinates that the lattice explains, 0 to 1.
    certainty : float
        Certainty, 0 to 1, that the lattice exists.
    origin : numpy.ndarray of float, shape (2,)
        An extremum of the coordinate, a site of kind 0.
    sites : numpy.ndarray of float, shape (m, 2)
        Extrema within the field of view: x, y.
    site_kinds : numpy.ndarray of int, shape (m,)
        0 for the extrema of the coordinate, 1 and 2 for the other points of threefold symmetry of a hexagonal cell (AB and BA,
        if 0 is AA).
    twist : float
        Rotation in degrees between the layers, without sign; NaN if no lattice of the layers was given.
    heterostrain : numpy.ndarray of float, shape (2, 2)
        Strain of one layer relative to the other, symmetric; NaN in the same case.
    """

    vectors: NDArray[np.float64]
    period: float
    period_error: float
    explained: float
    certainty: float
    origin: NDArray[np.float64]
    sites: NDArray[np.float64]
    site_kinds: NDArray[np.int8]
    twist: float
    heterostrain: NDArray[np.float64]

    @property
    def angle(self) -> float:
        """Angle between the vectors, in degrees."""
        a, b = self.vectors
        return float(np.degrees(np.arccos(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1))))

    @property
    def area(self) -> float:
        """Area of the cell."""
        return float(abs(np.linalg.det(self.vectors)))


def find_moire(
    positions: ArrayLike,
    coordinates: ArrayLike,
    *,
    lattice: ArrayLike | None = None,
    start: ArrayLike | None = None,
) -> Moire | None:
    """Find the lattice on which the coordinates of a manifold repeat.

    Parameters
    ----------
    positions : array_like, shape (n, 2)
        x, y of the atoms.
    coordinates : array_like, shape (n, d)
        Manifold coordinates, slowest first.
    lattice : array_like, shape (2, 2), optional
        Translations of the layers' own lattice, the mean of both, as rows; needed for twist and heterostrain.
    start : array_like, shape (2, 2), optional
        Translations of a moire from another source, such as the Fourier peaks of the image, as rows. They are tested
        in addition to the peaks of the spectrum of the coordinates, and the one that explains more of the coordinates
        is used.

    Returns
    -------
    Moire or None
        None if the coordinates do not repeat within the field of view.

    Raises
    ------
    ValueError
        If shapes do not match.

    Notes
    -----
    Start: the pair of peaks of the power spectrum of the coordinates with most power in its star. Then the two
    reciprocal vectors are fitted so that the sum of their harmonics explains most of the coordinates' variance, the
    amplitudes being linear (variable projection). With B the reciprocal vectors of the layers' mean lattice and g
    those of the moire as columns, g = T B, and (1 + T / 2) (1 - T / 2)^-1 maps one layer onto the other: its polar
    decomposition gives the twist and the heterostrain.
    """
    points = np.asarray(positions, dtype=np.float64)
    values = np.asarray(coordinates, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or values.ndim != 2 or len(values) != len(points):
        raise ValueError(
            f"positions {points.shape} and coordinates {values.shape}: expected (n, 2) and (n, d)."
        )
    known = np.isfinite(values).all(axis=1)
    points, values = points[known], values[known]
    scalar = values[:, 0]
    if len(points) < FEWEST_OF_A_SHARE:
        return None
    starts = [_spectrum_start(points, values - values.mean(axis=0))]
    if start is not None:
        starts.append(np.linalg.inv(np.asarray(start, dtype=np.float64)).T)
    found = [s for s in starts if s is not None]
    if not found:
        return None
    inner = _inner(points)
    points, values, scalar = points[inner], values[inner] - values[inner].mean(axis=0), scalar[inner]
    # BLAS with several threads is slower for matrices with so few columns.
    with one_blas_thread():
        beams = max((_refined(points, values, s) for s in found), key=lambda q: _explained(points, values, q))
        error = _period_error(points, values, beams)
    explained = _explained(points, values, beams)
    # By chance, sines explain a share equal to their number divided by that of the atoms.
    extent = np.ptp(points, axis=0)
    vectors = reduced(np.linalg.inv(beams).T)
    n_cells = float(np.prod(extent) / abs(np.linalg.det(vectors)))
    certainty = float(
        np.clip((explained - CONSTANTS.possible) / (CONSTANTS.certain - CONSTANTS.possible), 0, 1)
        * np.clip(n_cells - 0.5, 0, 1)
    )
    if certainty == 0:
        return None
    period = mean_period(vectors)
    origin = _extremum(points, scalar, beams, vectors)
    sites, kinds = _sites(points, origin, vectors)
    twist, strain = float("nan"), np.full((2, 2), np.nan)
    if lattice is not None:
        twist, strain = _twist(np.asarray(lattice, dtype=np.float64), vectors)
    return Moire(vectors, period, error, explained, certainty, origin, sites, kinds, twist, strain)


def _inner(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Points farther from the border than the averaging length of coordinates: closer to it the coordinates are
    biased and stretch the moire."""
    low, high = points.min(axis=0), points.max(axis=0)
    spacing = np.sqrt(float(np.prod(high - low)) / len(points))
    margin = np.minimum(CONSTANTS.border * spacing, CONSTANTS.largest_border * (high - low))
    return np.asarray(((points > low + margin) & (points < high - margin)).all(axis=1))


def _spectrum_start(points: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Two reciprocal vectors (rows) from the power spectrum of the coordinates on a grid, or None."""
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    step = float(np.median(cKDTree(points).query(points, k=2)[0][:, 1]))
    shape = np.maximum(np.ceil(extent / step).astype(int) + 1, 8)
    cell = np.minimum(((points - low) / step).round().astype(int), shape - 1)
    flat = cell[:, 1] * shape[0] + cell[:, 0]
    count = np.bincount(flat, minlength=shape.prod()).reshape(shape[::-1])
    weight = gaussian_filter(count.astype(float), 1.0)
    window = np.hanning(shape[1] + 2)[1:-1, None] * np.hanning(shape[0] + 2)[None, 1:-1]
    size = tuple(int(CONSTANTS.grid_padding * s) for s in shape[::-1])
    power = np.zeros(size)
    for column in values.T:
        field = np.bincount(flat, weights=column, minlength=shape.prod()).reshape(shape[::-1])
        field = gaussian_filter(field, 1.0) / np.maximum(weight, 0.05 * weight.max())
        field -= (field * window).sum() / window.sum()
        power += np.abs(np.fft.fft2(field * window, s=size)) ** 2
    qy, qx = (np.fft.fftfreq(s, d=step) for s in size)
    radius = np.hypot(qx[None], qy[:, None])
    peak = (power == maximum_filter(power, size=5, mode="wrap")) & (radius > 0.6 / extent.max())
    peak &= radius < CONSTANTS.highest_frequency / step
    row, column = np.nonzero(peak)
    half = (qy[row] > 0) | ((qy[row] == 0) & (qx[column] > 0))
    row, column = row[half], column[half]
    order = np.argsort(-power[row, column], kind="stable")[: CONSTANTS.pair_peaks]
    beams = np.column_stack([qx[column[order]], qy[row[order]]])

    def power_at(q: NDArray[np.float64]) -> float:
        r, c = (int(np.round(v * s * step)) for v, s in zip(q[::-1], size, strict=True))
        return float(power[r % size[0], c % size[1]]) if np.hypot(*q) < 0.5 / step else 0.0

    best, found = 0.0, None
    for i in range(len(beams)):
        for j in range(i + 1, len(beams)):
            a, b = beams[i], beams[j]
            short, long = sorted((np.hypot(*a), np.hypot(*b)))
            sine = abs(a[0] * b[1] - a[1] * b[0]) / (short * long)
            if sine < CONSTANTS.least_sine or short < CONSTANTS.least_ratio * long:
                continue
            third = b - a if a @ b > 0 else a + b
            score = power_at(a) + power_at(b) + power_at(third)
            if score > best:
                best, found = score, np.array([a, b])
    return found


def _design(points: NDArray[np.float64], beams: NDArray[np.float64]) -> NDArray[np.float64]:
    phase = 2 * np.pi * points @ (np.array(CONSTANTS.orders, dtype=np.float64) @ beams).T
    return np.column_stack([np.ones(len(points)), np.cos(phase), np.sin(phase)])


def _residual(
    points: NDArray[np.float64], values: NDArray[np.float64], beams: NDArray[np.float64]
) -> NDArray[np.float64]:
    basis, _ = np.linalg.qr(_design(points, beams))
    return values - basis @ (basis.T @ values)


def _explained(points: NDArray[np.float64], values: NDArray[np.float64], beams: NDArray[np.float64]) -> float:
    return float(1 - (_residual(points, values, beams) ** 2).sum() / (values**2).sum())


def _refined(
    points: NDArray[np.float64], values: NDArray[np.float64], beams: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Reciprocal vectors that explain most of the variance, near the given ones."""
    middle = points.mean(axis=0)
    scale = 1 / float(np.ptp(points, axis=0).max())
    # The weights of residuals do not change the minimum; blocks keep their number small.
    fit = least_squares(
        lambda shift: np.sqrt(
            (_residual(points - middle, values, beams + shift.reshape(2, 2) * scale) ** 2).sum(axis=0)
        ),
        np.zeros(4),
        diff_step=1e-3,
        x_scale=0.1,
        bounds=(-1, 1),
    )
    return beams + fit.x.reshape(2, 2) * scale


def _is_hexagonal(vectors: NDArray[np.float64]) -> bool:
    """Whether two reduced translations, at 90 degrees or more, are rather at 120 degrees."""
    a, b = vectors
    return bool(a @ b < CONSTANTS.hexagonal_cosine * np.sqrt((a @ a) * (b @ b)))


def mean_period(vectors: NDArray[np.float64]) -> float:
    """Return the mean length of the shortest translations, two or, of a hexagonal lattice, three."""
    a, b = vectors
    translations = [a, b, a + b] if _is_hexagonal(vectors) else [a, b]
    return float(np.mean([np.hypot(*t) for t in translations]))


def _period_error(
    points: NDArray[np.float64], values: NDArray[np.float64], beams: NDArray[np.float64]
) -> float:
    """Jackknife over blocks of the field."""
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    block = np.minimum(
        (CONSTANTS.period_blocks * (points - low) / extent).astype(int), CONSTANTS.period_blocks - 1
    ) @ np.array([1, CONSTANTS.period_blocks])
    periods = []
    for left_out in range(CONSTANTS.period_blocks**2):
        kept = block != left_out
        if kept.sum() >= FEWEST_OF_A_SHARE:
            periods.append(mean_period(reduced(np.linalg.inv(_refined(points[kept], values[kept], beams)).T)))
    m = len(periods)
    return (
        float(np.sqrt((m - 1) / m * ((np.array(periods) - np.mean(periods)) ** 2).sum()))
        if m > 1
        else float("nan")
    )


def _extremum(
    points: NDArray[np.float64],
    scalar: NDArray[np.float64],
    beams: NDArray[np.float64],
    vectors: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Point of the central cell of the field where the model of the scalar is farthest from its mean."""
    known = np.isfinite(scalar)
    amplitudes, *_ = np.linalg.lstsq(_design(points[known], beams), scalar[known], rcond=None)
    amplitudes[0] = 0
    fraction = (np.arange(48) + 0.5) / 48 - 0.5
    u, v = np.meshgrid(fraction, fraction)
    cell = np.column_stack([u.ravel(), v.ravel()]) @ vectors + points.mean(axis=0)
    model = _design(cell, beams) @ amplitudes
    return cell[np.abs(model).argmax()]


def _sites(
    points: NDArray[np.float64], origin: NDArray[np.float64], vectors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Sites of all kinds inside the field."""
    low, high = points.min(axis=0), points.max(axis=0)
    reach = int(np.ceil(np.hypot(*(high - low)) / np.sqrt(abs(np.linalg.det(vectors))))) + 2
    index = np.arange(-reach, reach + 1)
    grid = np.array(np.meshgrid(index, index)).reshape(2, -1).T
    # With 120 degrees between a and b these are the centres of the two triangles of the cell.
    shifts = (
        np.array([[0, 0], [2 / 3, 1 / 3], [1 / 3, 2 / 3]]) if _is_hexagonal(vectors) else np.zeros((1, 2))
    )
    sites = np.concatenate([origin + (grid + shift) @ vectors for shift in shifts])
    kinds = np.repeat(np.arange(len(shifts), dtype=np.int8), len(grid))
    inside = ((sites >= low) & (sites <= high)).all(axis=1)
    return sites[inside], kinds[inside]


def polar(matrix: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Return angle and symmetric part of matrix = rotation @ symmetric."""
    u, s, v = np.linalg.svd(matrix)
    rotation = u @ v
    return float(np.arctan2(rotation[1, 0], rotation[0, 0])), v.T @ np.diag(s) @ v


def _twist(lattice: NDArray[np.float64], vectors: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Twist (degrees) and heterostrain from the mean lattice of the layers and the moire's, translations as rows."""
    atomic = np.linalg.inv(reduced(lattice)).T
    moire = np.linalg.inv(vectors).T
    best: tuple[float, float, NDArray[np.float64]] | None = None
    star = [np.array(m) for m in ((1, 0), (0, 1), (1, 1), (1, -1), (-1, 0), (0, -1), (-1, -1), (-1, 1))]
    for first in star:
        for second in star:
            if abs(first[0] * second[1] - first[1] * second[0]) != 1:
                continue
            image = np.array([first, second]) @ moire
            # Rows: image = atomic @ T'.
            transfer = (np.linalg.inv(atomic) @ image).T
            # One layer at B + g / 2, the other at B - g / 2: exact, because a twist of degrees is not small.
            half = 0.5 * transfer
            turn, stretch = polar((np.eye(2) + half) @ np.linalg.inv(np.eye(2) - half))
            # Reciprocal lattices shrink where lattices stretch.
            strain = np.linalg.inv(stretch) - np.eye(2)
            size = float(np.abs(np.linalg.eigvalsh(strain)).max())
            if best is None or size < best[0]:
                best = (size, turn, strain)
    assert best is not None
    return abs(float(np.degrees(best[1]))), best[2]


def moire_level(moire: Moire, positions: ArrayLike, units: str = "") -> Level | None:
    """Return the cells of a moire, corners at its sites of kind 0, as a level whose parts are the atoms.

    Parameters
    ----------
    moire : Moire
        In the unit of the positions.
    positions : array-like of float, shape (n, 2)
        Atoms x, y.
    units : str
        For the text of the reason.

    Returns
    -------
    Level or None
        Kind ``moire-cell``: the cells with the centre inside the field of the atoms, each atom in at most one cell;
        those that extend beyond the field are ``on_border``. None if there are no such cells.
    """
    points = np.asarray(positions, dtype=float).reshape(-1, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    cell_of = np.floor((points - moire.origin) @ np.linalg.inv(moire.vectors)).astype(np.int64)
    index = cell_of[distinct_rows(cell_of)[0]]
    centres = moire.origin + (index + 0.5) @ moire.vectors
    inside = ((centres >= low) & (centres <= high)).all(axis=1)
    index, centres = index[inside], centres[inside]
    if not len(index):
        return None
    number = {tuple(cell): k for k, cell in enumerate(index.tolist())}
    owner = np.array([number.get(tuple(cell), -1) for cell in cell_of.tolist()])
    atoms = np.flatnonzero(owner >= 0)
    corners = moire.origin + (index[:, None] + np.array([[0, 0], [1, 0], [1, 1], [0, 1]])) @ moire.vectors
    beyond = ((corners < low) | (corners > high)).any(axis=(1, 2))
    pairs = [
        sorted((k, number[i + step[0], j + step[1]]))
        for (i, j), k in number.items()
        for step in ((1, 0), (0, 1))
        if (i + step[0], j + step[1]) in number
    ]
    adjacency = np.array([[*pair, 1] for pair in sorted(pairs)], dtype=np.int64).reshape(-1, 3)
    a, b = np.hypot(*moire.vectors.T)
    known = {
        "a": a, "b": b, "angle": moire.angle, "area": moire.area, "period": moire.period,
        "period_error": moire.period_error, "certainty": moire.certainty, "twist": moire.twist,
        "strain": float(np.abs(np.linalg.eigvalsh(moire.heterostrain)).max())
        if np.isfinite(moire.heterostrain).all()
        else np.nan,
    }  # fmt: skip
    twist = "" if np.isnan(moire.twist) else f", layers rotated by {moire.twist:.2f} degrees"
    return Level(
        kind="moire-cell",
        centres=centres,
        labels=np.zeros(len(index), dtype=np.int64),
        names=("moiré cell",),
        child_kind="atom",
        parts=np.column_stack([atoms, owner[atoms]]),
        fractions=np.ones(len(atoms)),
        adjacency=adjacency,
        columns={"area": np.full(len(index), moire.area), "on_border": beyond},
        scalars={name: float(value) for name, value in known.items() if np.isfinite(value)},
        reason=f"The surroundings repeat with a period of {moire.period:.4g} {units}".rstrip() + f"{twist}.",
    )
