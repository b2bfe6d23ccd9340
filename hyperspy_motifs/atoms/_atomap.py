"""The only place where atomap is imported, and only when it is used: its import takes seconds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np


def peaks_by_atomap(response: np.ndarray, separation: float, threshold: float) -> np.ndarray:
    """Maxima of a prepared image by atomap's ``get_atom_positions``.

    Parameters
    ----------
    response : ndarray of shape (rows, columns)
        The band-passed image; columns are its maxima.
    separation : float
        Least distance between maxima, pixels.
    threshold : float
        Least height, in the unit of `response`.

    Returns
    -------
    ndarray of shape (n, 2)
        x (column), y (row) in pixels, whole numbers.
    """
    from atomap.atom_finding_refining import get_atom_positions

    distance = max(1, int(separation))
    highest = float(response.max())
    if highest <= max(threshold, 0.0):
        return np.empty((0, 2))
    # The finder leaves out a frame as wide as the separation; columns there are as good as any.
    padded = np.pad(np.maximum(response, 0), distance)
    found = get_atom_positions(
        SimpleNamespace(data=padded), separation=distance, threshold_rel=max(threshold, 0.0) / highest
    )
    return np.asarray(found, float).reshape(-1, 2) - distance


def positions_from_atomap(lattice: Any) -> np.ndarray:
    """Positions of an atomap ``Sublattice`` or of all sublattices of an ``Atom_Lattice``.

    Parameters
    ----------
    lattice : atomap.sublattice.Sublattice or atomap.atom_lattice.Atom_Lattice

    Returns
    -------
    ndarray of shape (n, 2)
        x (column), y (row) in pixels, as atomap has them.

    Raises
    ------
    TypeError
        When the object is neither.
    """
    if hasattr(lattice, "sublattice_list"):
        parts = [positions_from_atomap(sublattice) for sublattice in lattice.sublattice_list]
        return np.concatenate(parts) if parts else np.empty((0, 2))
    if hasattr(lattice, "atom_list"):
        return np.array([(a.pixel_x, a.pixel_y) for a in lattice.atom_list], float).reshape(-1, 2)
    raise TypeError(
        f"expected an atomap Sublattice or Atom_Lattice, not {type(lattice).__name__}; "
        "give positions as an array of shape (n, 2)"
    )
