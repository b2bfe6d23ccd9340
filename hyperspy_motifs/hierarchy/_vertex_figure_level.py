"""Vertex figures: the cells around an atom, as a level."""

from __future__ import annotations

from itertools import groupby

import numpy as np

from hyperspy_motifs.cells import canonical_sequences

from ._composites import unique_pairs
from ._level import Level
from ._shares import corner_shares

__all__ = ["figure_name", "vertex_figures"]


def figure_name(sequence: tuple[int, ...]) -> str:
    """Return the symbol of a vertex figure: the numbers of corners of the cells around it, ``3^2.4.3.4``.

    References
    ----------
    B. Grünbaum and G. C. Shephard, Tilings and Patterns, Freeman (1987), section 2.1.
    """
    runs = [(corners, len(list(run))) for corners, run in groupby(sequence)]
    # A run across the end of the sequence is one run.
    if len(runs) > 1 and runs[0][0] == runs[-1][0]:
        runs = [(runs[0][0], runs[0][1] + runs[-1][1]), *runs[1:-1]]
    return ".".join(str(corners) if n == 1 else f"{corners}^{n}" for corners, n in runs)


def vertex_figures(
    points: np.ndarray, vertices: np.ndarray, offsets: np.ndarray, bonds: np.ndarray, n_atoms: int
) -> Level:
    """Return the level of vertex figures.

    Only atoms that are surrounded by cells have one. A cell with ``n`` corners belongs to each of its figures with
    the share ``1 / n``.

    Parameters
    ----------
    points : numpy.ndarray of float, shape (n, 2)
        Positions x, y of the atoms, then those of empty sites.
    vertices, offsets : numpy.ndarray of int
        Corners of all cells, counter-clockwise, and the start of each cell.
    bonds : numpy.ndarray of int, shape (b, 2)
        Bonds between the points: figures at the ends of a bond are neighbours.
    n_atoms : int
        Number of atoms: an empty site has no figure.

    Returns
    -------
    Level
    """
    sizes = np.diff(offsets)
    cell, share = corner_shares(points, vertices, offsets)
    centres = np.column_stack([np.bincount(cell, points[vertices, i]) for i in range(2)]) / sizes[:, None]
    away = centres[cell] - points[vertices]
    order = np.lexsort((np.arctan2(away[:, 1], away[:, 0]), vertices))
    whole = np.bincount(vertices, share, minlength=len(points)) > 1 - 1e-6
    whole[n_atoms:] = False
    order = order[whole[vertices[order]]]
    atom, cell = vertices[order], cell[order]
    atoms, starts = np.unique(atom, return_index=True)
    begins = np.append(starts, len(atom))
    sequences = canonical_sequences(sizes[cell], begins)
    text = (
        [figure_name(tuple(w.tolist())) for w in np.split(sequences.letters, begins[1:-1])]
        if len(atoms)
        else []
    )
    labels, names = _ranked(text)
    number = np.full(len(points), -1)
    number[atoms] = np.arange(len(atoms))
    pairs = number[bonds.reshape(-1, 2)]
    pairs = unique_pairs(pairs[(pairs >= 0).all(axis=1)], len(points))
    return Level(
        kind="vertex-figure",
        centres=points[atoms],
        labels=labels,
        names=names,
        child_kind="cell",
        parts=np.column_stack([cell, number[atom]]),
        fractions=1.0 / sizes[cell],
        adjacency=np.column_stack([pairs, np.ones(len(pairs), dtype=np.int64)]),
        columns={"atom": atoms, "n_cells": np.diff(begins)},
        reason=f"{len(atoms)} of {n_atoms} atoms are surrounded by cells. Different vertex figures: {len(names)}.",
    )


def _ranked(text: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number the names, the most frequent 0, and return them in that order."""
    unique, inverse, count = np.unique(np.array(text, dtype=str), return_inverse=True, return_counts=True)
    order = np.argsort(-count, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[inverse.ravel()] if len(text) else np.empty(0, dtype=np.int64), tuple(unique[order].tolist())
