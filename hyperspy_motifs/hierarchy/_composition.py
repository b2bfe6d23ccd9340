"""Composition of nodes, and its notation."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["compositions", "formula"]


def compositions(
    parts: np.ndarray, fractions: np.ndarray, labels: np.ndarray, n_nodes: int, n_labels: int
) -> np.ndarray:
    """Return the amount of each label in every node.

    Parameters
    ----------
    parts : numpy.ndarray of int, shape (p, 2)
        Columns child, node.
    fractions : numpy.ndarray of float, shape (p,)
        Share of the child in the node.
    labels : numpy.ndarray of int, shape (n,)
        Label of each child.
    n_nodes, n_labels : int
        Numbers of nodes and labels.

    Returns
    -------
    numpy.ndarray of float, shape (n_nodes, n_labels)
    """
    key = parts[:, 1] * n_labels + labels[parts[:, 0]]
    return np.bincount(key, fractions, minlength=n_nodes * n_labels).reshape(n_nodes, n_labels)


def formula(composition: dict[str, float], decimals: int = 2) -> str:
    """Return a composition as text, such as ``Mo1 Se0.97``.

    Parameters
    ----------
    composition : dict of str to float
        Amount of each motif.
    decimals : int
        Number of decimals; whole numbers are written without decimals. Amounts that round to 0 are omitted.

    Returns
    -------
    str
        A name that ends in a digit is written alone for an amount of 1 (``Se2``) and otherwise in brackets
        (``(Se2)0.97``) to avoid ambiguity; a name that is a number is always in brackets.
    """
    parts = []
    for name, amount in composition.items():
        rounded = round(float(amount), decimals)
        if rounded == 0:
            continue
        number = f"{rounded:.{decimals}f}"
        if decimals:
            number = number.rstrip("0").rstrip(".")
        if not name[-1:].isdigit():
            parts.append(f"{name}{number}")
        elif math.isclose(rounded, 1.0) and not name.isdigit():
            parts.append(name)
        else:
            parts.append(f"({name}){number}")
    return " ".join(parts)
