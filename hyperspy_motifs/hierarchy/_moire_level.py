"""The moire cells as a level of the hierarchy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ._level import Level
from ._moire import Moire

__all__ = ["moire_level"]


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
    index = np.unique(cell_of, axis=0)
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
