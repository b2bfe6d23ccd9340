"""Statistics of rings, and of the cells around each atom."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._cells import Cells
from ._classes import canonical_sequences, sequence_ids


class RingStatistics(NamedTuple):
    r"""Statistics of ring sizes.

    Attributes
    ----------
    sizes, counts : numpy.ndarray of int, shape (k,)
        Ring sizes and numbers of rings.
    fractions : numpy.ndarray, shape (k,)
        :math:`p(n)`.
    mean, second_moment : float
        :math:`\langle n \rangle` and :math:`\mu_2 = \langle n^2 \rangle - \langle n \rangle^2`.
    neighbour_means : numpy.ndarray, shape (k,)
        :math:`m(n)`, the mean size of the rings around rings of size n, NaN if none has all its neighbours.
    aboav_weaire : float
        :math:`\alpha` of the Aboav-Weaire law
        :math:`n\,m(n) = \mu_2 + \langle n \rangle^2 + \langle n \rangle (1 - \alpha)(n - \langle n \rangle)`,
        fitted over all rings that have all their neighbours: 0 without correlation, positive when small rings
        have large neighbours (about 0.2 to 0.3 in silica and graphene).
    lemaitre_second_moment : float
        Value of Lemaitre's law :math:`\mu_2 = 1 / (2 \pi p_6^2)` (maximum entropy; holds for :math:`0.34 < p_6 <
        0.66`) for the fraction of hexagons.
    """

    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]
    fractions: NDArray[np.float64]
    mean: float
    second_moment: float
    neighbour_means: NDArray[np.float64]
    aboav_weaire: float
    lemaitre_second_moment: float


def ring_statistics(cells: Cells, *, border: bool = True) -> RingStatistics:
    """Distribution of ring sizes and its statistics in glass science.

    Parameters
    ----------
    cells : Cells
    border : bool
        Whether to include rings at the border. They are complete, but small rings are overrepresented there.

    Returns
    -------
    RingStatistics

    References
    ----------
    Aboav, Metallography 3, 383 (1970); Weaire, Metallography 7, 157 (1974); Lemaitre et al., Philos. Mag. B
    67, 347 (1993).
    """
    n = cells.n_corners
    used = np.ones(len(n), dtype=bool) if border else ~cells.on_border
    if not used.any():
        raise ValueError(
            "there are no rings to count; use another bond rule, or include the rings at the border"
        )
    sizes, counts = np.unique(n[used], return_counts=True)
    fractions = counts / counts.sum()
    mean = float((sizes * fractions).sum())
    second = float((sizes**2 * fractions).sum() - mean**2)
    first, other, shared = cells.adjacency.T
    around = np.bincount(first, weights=n[other] * shared, minlength=len(n))
    around += np.bincount(other, weights=n[first] * shared, minlength=len(n))
    sides = np.bincount(first, weights=shared, minlength=len(n))
    sides += np.bincount(other, weights=shared, minlength=len(n))
    # Rings at the outer face or at a void lack some of their neighbours.
    whole = used & (sides == n)
    neighbour_means = np.full(len(sizes), np.nan)
    for k, size in enumerate(sizes):
        members = whole & (n == size)
        if members.any():
            neighbour_means[k] = around[members].sum() / (size * members.sum())
    alpha = np.nan
    if whole.any() and np.ptp(n[whole]) > 0:
        # Weaire's sum rule fixes the offset of the line; its slope is the parameter.
        x = n[whole] - mean
        y = around[whole] - mean**2 - second
        alpha = 1 - float((x * y).sum() / (x * x).sum()) / mean
    six = fractions[sizes == 6].sum()
    lemaitre = float(1 / (2 * np.pi * six**2)) if six > 0 else np.inf
    return RingStatistics(sizes, counts, fractions, mean, second, neighbour_means, alpha, lemaitre)


def bond_orientational_order(
    points: NDArray[np.floating], bonds: NDArray[np.integer], k: int = 6
) -> NDArray[np.complex128]:
    r"""Bond-orientational order :math:`\psi_k(j) = \frac{1}{N_j} \sum_l e^{i k \theta_{jl}}` of each point.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
        Positions x, y.
    bonds : numpy.ndarray of int, shape (b, 2)
        Bonds, such as :attr:`Cells.bonds`.
    k : int
        Order: 6 for close packing, 4 for squares, 3 for honeycombs.

    Returns
    -------
    numpy.ndarray of complex, shape (n,)
        Magnitude 1 if all bonds fit a k-fold star, whose angle is the phase over k; 0 without bonds.

    References
    ----------
    Halperin and Nelson, Phys. Rev. Lett. 41, 121 (1978).
    """
    if k < 1:
        raise ValueError(f"k must be a positive whole number, got {k!r}")
    xy = np.asarray(points, dtype=np.float64)
    pairs = np.asarray(bonds, dtype=np.int64).reshape(-1, 2)
    step = xy[pairs[:, 1]] - xy[pairs[:, 0]]
    wave = np.exp(1j * k * np.arctan2(step[:, 1], step[:, 0]))
    ends = np.concatenate([pairs[:, 0], pairs[:, 1]])
    # From the other end the bond is rotated by pi.
    waves = np.concatenate([wave, wave * (-1) ** (k % 2)])
    n = len(xy)
    total: NDArray[np.complex128] = np.zeros(n, dtype=np.complex128)
    total.real, total.imag = np.bincount(ends, waves.real, n), np.bincount(ends, waves.imag, n)
    return total / np.maximum(np.bincount(ends, minlength=n), 1)


class VertexFigures(NamedTuple):
    """Vertex figures of points.

    Attributes
    ----------
    labels : numpy.ndarray of int, shape (n,)
        Figure of each point, an index into `symbols`, 0 = most frequent; -1 if the point is not surrounded by cells.
    symbols : list of str
        Gruenbaum-Shephard symbols such as "3^2.4.3.4".
    counts : numpy.ndarray of int
        Points of each figure.
    handedness : numpy.ndarray of int8, shape (n,)
        1 if the symbol is counter-clockwise, -1 if clockwise, 0 if both are equal or there is no figure.
    """

    labels: NDArray[np.int64]
    symbols: list[str]
    counts: NDArray[np.int64]
    handedness: NDArray[np.int8]


def vertex_figures(cells: Cells, n_points: int | None = None) -> VertexFigures:
    """Cyclic sequence of the numbers of corners of the cells around each point.

    The least sequence of all rotations and both directions is used, and runs are written as powers
    (Gruenbaum and Shephard, Tilings and Patterns, 1987): a point of the snub square tiling is "3^2.4.3.4".

    Parameters
    ----------
    cells : Cells
    n_points : int, optional
        Number of points; by default up to the last point with a bond.

    Returns
    -------
    VertexFigures
    """
    highest = max((int(a.max()) for a in (cells.vertices, cells.bonds) if a.size), default=-1)
    n = highest + 1 if n_points is None else int(n_points)
    if n <= highest:
        raise ValueError(f"the cells refer to point {highest}, but n_points is {n}")
    order, offsets, points = cells_round_points(cells, n)
    sequences = canonical_sequences(cells.n_corners[order], offsets)
    ids, names = sequence_ids(sequences.letters, offsets)
    count = np.bincount(ids, minlength=len(names))
    by_count = np.argsort(-count, kind="stable")
    rank = np.empty(len(names), dtype=np.int64)
    rank[by_count] = np.arange(len(names))
    labels = np.full(n, -1, dtype=np.int64)
    labels[points] = rank[ids]
    handedness = np.zeros(n, dtype=np.int8)
    handedness[points] = sequences.handedness
    return VertexFigures(labels, [figure_symbol(names[k]) for k in by_count], count[by_count], handedness)


def figure_symbol(sizes: tuple[int, ...]) -> str:
    """Symbol of a cyclic sequence of polygon sizes, runs as powers: (3, 3, 4, 3, 4) is "3^2.4.3.4"."""
    parts = []
    for size, run in groupby(sizes):
        length = len(list(run))
        parts.append(f"{size}^{length}" if length > 1 else f"{size}")
    return ".".join(parts)


def cells_round_points(
    cells: Cells, n_points: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Cells in counter-clockwise order around each point that is surrounded by cells, the start of each, and the points."""
    none = np.zeros(0, dtype=np.int64)
    if len(cells) == 0:
        return none, np.zeros(1, dtype=np.int64), none
    vertices, offsets = cells.vertices, cells.offsets
    k = np.arange(len(vertices))
    following, before = k + 1, k - 1
    following[offsets[1:] - 1] = offsets[:-1]
    before[offsets[:-1]] = offsets[1:] - 1
    cell = np.repeat(np.arange(len(cells)), np.diff(offsets))
    # The next cell counter-clockwise is the one whose next corner is the previous corner of this cell.
    key = vertices * n_points + vertices[following]
    rank = np.argsort(key, kind="stable")
    wanted = vertices * n_points + vertices[before]
    place = np.minimum(np.searchsorted(key[rank], wanted), len(key) - 1)
    successor = np.where(key[rank][place] == wanted, rank[place], -1)
    corners_at = np.bincount(vertices, minlength=n_points)
    order, sizes, points = _closed_turns(vertices, successor, corners_at)
    return cell[order], np.r_[0, np.cumsum(sizes)].astype(np.int64), points


def _closed_turns(
    vertices: NDArray[np.int64], successor: NDArray[np.int64], corners_at: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Corners in the order of a full turn around each point whose corners all belong to that one turn."""
    first = np.sort(np.unique(vertices, return_index=True)[1])
    points = vertices[first]
    sizes, step = corners_at[points], np.append(successor, -1)  # from -1, no corner, to -1
    turns = np.empty((len(first), int(sizes.max(initial=0))), dtype=np.int64)
    corner, length = first, np.zeros(len(first), dtype=np.int64)
    for number, turn in enumerate(turns.T, start=1):
        turn[:] = corner
        corner = step[corner]
        length[(corner == first) & (length == 0)] = number
    closed = length == sizes
    turns, sizes = turns[closed], sizes[closed]
    return turns[np.arange(turns.shape[1]) < sizes[:, None]], sizes, points[closed]
