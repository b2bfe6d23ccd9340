"""What one lens sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._doubt import Doubt
from ._features import Axes
from ._merging import merging_order
from ._surroundings import Leak

RADII = (0.6, 1.2, 1.7, 2.4)


@dataclass(frozen=True)
class View:
    """What one lens saw: unit of noise, leak of the surroundings, features, which atoms may found motifs, doubt."""

    unit: NDArray[np.float64]
    leak: Leak | None
    X: NDArray[np.float64]
    sound: NDArray[np.bool_]
    doubt: Doubt


def sound_members(members: NDArray[np.int64], view: View) -> NDArray[np.int64]:
    """Return the members that may found motifs; all where hardly any may."""
    kept = members[view.sound[members]]
    return kept if len(kept) > 1 else members


def joins_of(
    lens: float, view: View, labels: NDArray[np.int32], random_state: int
) -> list[tuple[float, int, int, float]]:
    """How the motifs of one lens join; motifs of border atoms alone join first."""
    names, compact = np.unique(labels[view.sound], return_inverse=True)
    joins = [(lens, int(names[0]), int(name), 0.0) for name in np.setdiff1d(labels, names)]
    if len(names) > 1:
        X = view.X[view.sound]
        for stays, joined, value in merging_order(Axes.fit(X).apply(X), compact, random_state):
            joins.append((lens, int(names[stays]), int(names[joined]), value))
    return joins


def sound_atoms(valid: NDArray[np.bool_], coverage: ArrayLike) -> NDArray[np.bool_]:
    """Return which atoms may found motifs, shape (n,), by the part (n,) of their disc that lies inside the image.

    Discs that the border cuts are judged by the others' motifs, where there are enough others.
    """
    whole = valid & (np.asarray(coverage) > 0.99)
    return whole if 2 * whole.sum() > len(whole) else valid


def filled(X: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give atoms whose disc leaves the image the features of the median atom."""
    X[~valid] = np.median(X[valid], axis=0)
    return X


def checked_lenses(lenses: float | Sequence[float]) -> tuple[float, ...]:
    values = tuple(float(v) for v in np.atleast_1d(np.asarray(lenses, dtype=float)))
    if not values or any(not 0 < v < np.inf for v in values) or any(np.diff(values) <= 0):
        raise ValueError(
            f"radii={lenses!r}: give growing positive radii in nearest-neighbour distances, such as {RADII}."
        )
    return values
