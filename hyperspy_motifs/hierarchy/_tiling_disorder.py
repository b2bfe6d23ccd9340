"""Disorder of a tiling as one number: bits per atom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._description import Description, describe

__all__ = ["Disorder", "bits_per_atom"]

#: Blocks across the field for the standard error: large against a cell, small against the field.
_N_BLOCKS = 6


@dataclass(frozen=True)
class Disorder:
    """Bits per atom.

    Attributes
    ----------
    bits_per_atom : float
        Length of the description over the number of atoms: 0 for a crystal without end, and the higher the
        less each cell follows from its neighbours.
    std : float
        Its standard error, from the spread between blocks of the field.
    """

    bits_per_atom: float
    std: float


def bits_per_atom(
    labels: np.ndarray,
    edges: np.ndarray,
    centres: np.ndarray,
    n_atoms: int,
    description: Description | None = None,
) -> Disorder:
    """Return the length of the description of a tiling per atom.

    Parameters
    ----------
    labels : numpy.ndarray of int, shape (m,)
        Class of each cell, from 0.
    edges : numpy.ndarray of int, shape (e, 2)
        Cells that share a side.
    centres : numpy.ndarray of float, shape (m, 2)
        Their centres x, y.
    n_atoms : int
        Number of atoms.
    description : Description, optional
        Description of the cells, if it is known already.

    Returns
    -------
    Disorder

    Raises
    ------
    ValueError
        If there is no atom.
    """
    if n_atoms < 1:
        raise ValueError("There must be atoms for the bits per atom.")
    if description is None:
        description = describe(labels, edges, centres, int(labels.max(initial=-1)) + 1)
    return Disorder(description.bits / n_atoms, _block_error(description.per_node, centres) / n_atoms)


def _block_error(bits: np.ndarray, centres: np.ndarray) -> float:
    """Return the standard error of the sum of `bits`, whose neighbours are correlated."""
    if len(bits) < 2:
        return 0.0
    low, extent = centres.min(axis=0), np.maximum(np.ptp(centres, axis=0), 1e-12)
    place = np.minimum((_N_BLOCKS * (centres - low) / extent).astype(np.int64), _N_BLOCKS - 1)
    block = place[:, 0] * _N_BLOCKS + place[:, 1]
    count = np.bincount(block, minlength=_N_BLOCKS**2)
    used = count > 0
    # Blocks at a ragged edge are smaller: what counts is the excess over their share of the bits.
    excess = np.bincount(block, bits, minlength=_N_BLOCKS**2)[used] - bits.mean() * count[used]
    n = int(used.sum())
    return float(np.sqrt((excess**2).sum() * n / max(n - 1, 1)))
