"""Composition of a field from the names of its columns, with its error."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ._candidates import HOST

if TYPE_CHECKING:
    from ._identification import Identification


def stoichiometry(found: Identification, structure: int) -> dict[str, tuple[float, float]]:
    """Number of atoms of each element for a formula unit of the columns that are seen, and its standard deviation.

    Parameters
    ----------
    found : Identification
    structure : int
        Number of the structure.

    Returns
    -------
    dict of str to (float, float)
        The elements of the structure first; empty if no atom is one of its columns.
    """
    columns = found.structures[structure].cell_columns
    unit = gcd(*columns.values())
    hosts = {s.host: s.name for s in found.species if s.structure == structure and s.kind == HOST}
    total: dict[int, float] = {}
    variance: dict[int, float] = {}
    for host, name in hosts.items():
        share = columns[name] / unit
        for z, (amount, error) in _mean_composition(found, structure, host).items():
            total[z] = total.get(z, 0.0) + share * amount
            variance[z] = variance.get(z, 0.0) + (share * error) ** 2
    own = {z for host in hosts for z, _ in host}
    order = sorted(total, key=lambda z: (z not in own, -z))
    return {found.symbols[z]: (total[z], float(np.sqrt(variance[z]))) for z in order if total[z] > 0.0005}


def _mean_composition(found: Identification, structure: int, host: tuple) -> dict[int, tuple[float, float]]:
    """Mean number of atoms of each element on the sites of a host, and its standard deviation."""
    of_host = np.array([s.host == host and s.structure == structure for s in found.species], dtype=bool)
    rows = np.flatnonzero(np.append(of_host, False)[found.labels])
    n_sites = max(len(rows) + int(of_host[found.vacancy_labels].sum()), 1)
    shares = np.zeros((len(rows), len(found.species) + 1))
    for labels, weights in (
        (found.labels[rows, None], found.probabilities[rows, None]),
        (found.alternatives[rows], found.alternative_probabilities[rows]),
    ):
        np.add.at(shares, (np.arange(len(rows))[:, None], labels), weights)
    # An exchange of hosts, as with the opposite polarity, leaves the stoichiometry as it is.
    shares = shares[:, :-1] * of_host
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    group = found.motifs[rows] * (len(found.species) + 1) + found.labels[rows]
    out = {}
    for z in {z for s, here in zip(found.species, of_host, strict=True) if here for z, _ in s.composition}:
        number = np.array([dict(s.composition).get(z, 0.0) for s in found.species])
        total = 0.0
        for member in np.unique(group):
            each = shares[group == member]
            own = _variance(number, each)
            # The smallest share of each name is that of the name of the motif, which is common to its atoms.
            shared = min(float(_variance(number, each.min(axis=0)[None])[0]), float(own.min()))
            total += float((own - shared).sum()) + len(each) ** 2 * shared
        out[z] = (float((shares @ number).sum()) / n_sites, float(np.sqrt(total)) / n_sites)
    return out


def _variance(number: NDArray, shares: NDArray) -> NDArray[np.float64]:
    """Variance of numbers (k,) by shares (n, k)."""
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    return np.maximum(shares @ number**2 - (shares @ number) ** 2, 0.0)
