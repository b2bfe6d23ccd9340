"""The only place where atomap is imported, and only when it is used: its import takes seconds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np


def peaks_by_atomap(response: np.ndarray) -> np.ndarray:
    """All maxima of a prepared image by atomap's ``get_atom_positions``.

    Parameters
    ----------
    response : ndarray of shape (rows, columns)
        The band-passed image; columns are its maxima.

    Returns
    -------
    ndarray of shape (n, 2)
        x (column), y (row) in pixels, whole numbers.
    """
    from atomap.atom_finding_refining import get_atom_positions

    # A larger separation would compare each maximum with the flanks of its neighbours and lose the faint
    # ones: the prepared image is smooth, so its maxima are as far apart as columns are. The finder leaves
    # out a frame as wide as the separation, where columns are as good as anywhere: hence the padding.
    padded = np.pad(response - response.min(), 1)
    found = get_atom_positions(SimpleNamespace(data=padded), separation=1, threshold_rel=0.0)
    return np.asarray(found, float).reshape(-1, 2) - 1.0


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
