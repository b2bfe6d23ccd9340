"""Atoms in three dimensions, from the columns of an image and the heights of a structure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._identification import Identification


def build_model(
    identification: Identification,
    positions: NDArray[np.float64],
    mirrored: NDArray[np.bool_],
    radii: Any,
    repeats: int = 1,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Atoms of the field of view.

    Parameters
    ----------
    identification : Identification
    positions : ndarray of shape (n, 2)
        x, y of the columns in ångström, y down as in the image.
    mirrored : ndarray of bool of shape (n,)
        Whether the crystal is seen from below at each column.
    radii : sequence of float
        Covalent radii in ångström by atomic number.
    repeats : int, optional
        Thickness of a crystal in its repeats along the beam. A layer has one.

    Returns
    -------
    numbers : ndarray of int of shape (m,)
        Atomic numbers. Substitutes stand in the places of the atoms that they replace; where not all atoms of a column are
        there, the image does not show which, and those near the observer are missing.
    places : ndarray of shape (m, 3)
        x, y, z in ångström; y down and z away from the observer, which is a right-handed frame.
    columns : ndarray of int of shape (m,)
        Column of each atom.
    """
    numbers, places, columns = [], [], []
    for i in np.flatnonzero(identification.labels >= 0).tolist():
        species = identification.species[identification.labels[i]]
        column = int(identification.columns[i])
        known = identification.column_heights[species.structure]
        if column < 0:
            # Off the lattice, named by brightness: heights of the first column of this host.
            wanted = sorted(z for z, _ in species.host)
            column = next(k for k, atoms in enumerate(known) if sorted({z for z, _ in atoms}) == wanted)
        period = identification.repeats[species.structure]
        for z, height in _placed(dict(species.composition), known[column], radii):
            own = height + identification.heights[i]
            for k in range(repeats if period else 1):
                level = (own % period if period else own) + k * period
                numbers.append(z)
                places.append([*positions[i], level if mirrored[i] else -level])
                columns.append(i)
    points = np.array(places).reshape(-1, 3)
    if len(points):
        points[:, 2] -= points[:, 2].min()
    return np.array(numbers, np.int64), points, np.array(columns, np.int64)


def _placed(
    composition: dict[int, float], host: list[tuple[int, float]], radii: Any
) -> list[tuple[int, float]]:
    """Atoms of a column with their heights: own elements in their places, others in the free ones, the rest above."""
    left = {z: max(round(n), 1) for z, n in composition.items()}
    # From below, so that atoms near the observer are those that are missing.
    free: list[float] = []
    out: list[tuple[int, float]] = []
    for z, height in sorted(host, key=lambda atom: atom[1]):
        if left.get(z, 0) > 0:
            left[z] -= 1
            out.append((z, height))
        else:
            free.append(height)
    for z in sorted(left, reverse=True):
        for _ in range(left[z]):
            if free:
                out.append((z, free.pop(0)))
            else:
                top = max(out, key=lambda atom: atom[1])
                out.append((z, top[1] + radii[z] + radii[top[0]]))
    return out
