"""Disorder of a tiling: bits per atom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._description import Description, describe

__all__ = ["Disorder", "bits_per_atom"]

#: Number of blocks across the field for the standard error: blocks are large compared with a cell and small compared
#: with the field.
_N_BLOCKS = 6


@dataclass(frozen=True)
class Disorder:
    """Bits per atom.

    Attributes
    ----------
    bits_per_atom : float
        Length of the description over the number of atoms: 0 for an infinite crystal; it increases as cells become
        less predictable from their neighbours.
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
        Description of the cells, if known.

    Returns
    -------
    Disorder

    Raises
    ------
    ValueError
        If there are no atoms.
    """
    if n_atoms < 1:
        raise ValueError("The bits per atom need at least one atom.")
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
    # Blocks at an irregular edge are smaller: the excess over their share of the bits is used.
    excess = np.bincount(block, bits, minlength=_N_BLOCKS**2)[used] - bits.mean() * count[used]
    n = int(used.sum())
    return float(np.sqrt((excess**2).sum() * n / max(n - 1, 1)))
