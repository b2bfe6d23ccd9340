"""Vertex figures: the cells around an atom."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.compilation import OUTER

from ._cells import Cells
from ._corner_sequences import canonical_sequences, sequence_ids


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
    """Cells in counter-clockwise order around each point that is surrounded by cells.

    Returns
    -------
    order : numpy.ndarray of int
        Cells, point by point.
    offsets : numpy.ndarray of int, shape (p + 1,)
        Start of each point.
    points : numpy.ndarray of int, shape (p,)
        The points.
    """
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


@nb.njit(cache=True, **OUTER)
def _closed_turns(
    vertices: NDArray[np.int64], successor: NDArray[np.int64], corners_at: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Corners in the order of a full turn around each point whose corners all belong to that one turn."""
    n = len(vertices)
    order = np.empty(n, np.int64)
    sizes = np.empty(n, np.int64)
    points = np.empty(n, np.int64)
    seen = np.zeros(len(corners_at), np.bool_)
    filled = 0
    count = 0
    for first in range(n):
        point = vertices[first]
        if seen[point]:
            continue
        seen[point] = True
        corner = first
        length = 0
        while corner >= 0 and length < corners_at[point]:
            order[filled + length] = corner
            length += 1
            corner = successor[corner]
            if corner == first:
                break
        if corner == first and length == corners_at[point]:
            sizes[count] = length
            points[count] = point
            filled += length
            count += 1
    return order[:filled], sizes[:count], points[:count]
