"""Places of the nearest neighbours of a group of atoms, and how far atoms are from having theirs there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ._neighbourhoods import Neighbourhoods
from ._template_fit import SAME, NeighbourTemplates, fit_templates
from ._templates import frequent_places, own_template, rotated_back

_STARTS, _ITERATIONS = 4, 3
_TOLERANCE = 0.3  # distances
_SPREAD = 0.1  # so that neighbours within the tolerance cost the square of their distance


def nearest_places(atoms: Neighbourhoods, reach: float, *, rotation_invariant: bool) -> NDArray[np.float64]:
    """Return the usual places of the nearest neighbours of atoms.

    Parameters
    ----------
    atoms : Neighbourhoods
        Of the atoms of one group.
    reach : float
        Largest distance of a nearest neighbour, nearest-neighbour distances.
    rotation_invariant : bool
        Whether atoms are compared in any rotation and reflection.

    Returns
    -------
    ndarray, shape (s, 2)
        x, y of each place relative to the atom, nearest-neighbour distances.
    """
    near, best, places = replace(atoms, reach=reach), np.inf, np.zeros((0, 2))
    kinds = _one_kind(near)
    if not rotation_invariant and len(kinds):  # nothing is turned, whatever the start
        return frequent_places(near.offsets, kinds, reach, _TOLERANCE)[0][0]
    starts = np.unique(np.linspace(0, len(kinds) - 1, _STARTS).astype(int)) if len(kinds) else ()
    for start in starts:
        found = own_template(near, kinds, int(start))[0]
        for _ in range(_ITERATIONS):
            turned, costs = _turned(near, found, rotation_invariant)
            found = frequent_places(turned, kinds, reach, _TOLERANCE)[0][0]
        cost = float(np.median(costs))
        if cost < best:
            best, places = cost, found
    return places


def distances_from_places(
    atoms: Neighbourhoods, places: NDArray[np.float64], reach: float, *, rotation_invariant: bool
) -> NDArray[np.float64]:
    """Return how far the nearest neighbours of atoms are from places.

    A neighbour that is absent or additional does not count. If some are absent and others additional, they have moved by half
    a distance.

    Parameters
    ----------
    atoms : Neighbourhoods
    places : ndarray, shape (s, 2)
        From `nearest_places`; at least one.
    reach, rotation_invariant
        As for `nearest_places`.

    Returns
    -------
    ndarray, shape (n,)
        Root mean square over the neighbours of each atom, nearest-neighbour distances.
    """
    turned, _ = _turned(replace(atoms, reach=reach), places, rotation_invariant)
    distance = np.hypot(*np.moveaxis(turned[:, :, None] - places, -1, 0))
    distance = np.where(np.isfinite(distance), distance, np.inf)
    near = np.hypot(*np.moveaxis(atoms.offsets, -1, 0)) < reach
    nearest = distance.min(axis=1)
    there = nearest < SAME
    additional = (near & (distance.min(axis=2) >= SAME)).sum(axis=1)
    moved = np.minimum((~there).sum(axis=1), additional)
    total = np.where(there, nearest**2, 0).sum(axis=1) + moved * SAME**2
    return np.asarray(np.sqrt(total / np.maximum(there.sum(axis=1) + moved, 1)))


def _one_kind(atoms: Neighbourhoods) -> NDArray[np.int32]:
    return np.where(atoms.neighbours >= 0, 0, -1).astype(np.int32)


def _turned(
    atoms: Neighbourhoods, places: NDArray[np.float64], rotation_invariant: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Neighbours (n, k, 2) in the frame of the places, and the costs of the fit (n,)."""
    fits = fit_templates(
        atoms,
        _one_kind(atoms),
        NeighbourTemplates.stacked([(places, np.zeros(len(places), np.int32))]),
        spread=_SPREAD,
        tolerance=_TOLERANCE,
        absent=0.5 * (_TOLERANCE / _SPREAD) ** 2,
        rotation_invariant=rotation_invariant,
    )
    return rotated_back(atoms.offsets, fits.angles[:, 0], fits.mirrored[:, 0]), fits.costs[:, 0]
