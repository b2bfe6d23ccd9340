"""Which column of a crystal each point is, and in which orientation: neighbours must agree with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.special import logsumexp

from ._emission import Emission
from ._orientation import SCATTER_BOUNDS, Field, Match, Neighbourhood, Orientation
from ._projection import ProjectedCell

# Share of neighbours that may be in another grain: it falls from the first value to the second, so that grains grow from
# where the image is clear.
_DISAGREE = (0.5, 0.05)
_N_STEPS = 12
# Prior probability that a point is no column of the crystal.
_ALIEN = 0.02
# Rows of a block of the sums over neighbours, to bound the memory.
_BLOCK = 2000


@dataclass(frozen=True)
class Registration:
    """Points of an image as columns of a crystal.

    Attributes
    ----------
    cell : ProjectedCell
        With the columns that are seen.
    orientations : tuple of Orientation
        Of its grains.
    grains : ndarray of int of shape (n,)
        Orientation of each point; -1 if the crystal does not explain it.
    columns : ndarray of int of shape (n,)
        Column of the cell of each point; -1 as above.
    probabilities : ndarray of shape (n,)
        That the point is a column of this kind in its surroundings.
    evidence : ndarray of shape (n,)
        Logarithm of the likelihood ratio of each point, position and emission, against points at random; 0 if the crystal
        does not explain it.
    log_prior : float
        Of the parameters.
    scatter : float
        Standard deviation of distances of neighbours per axis, in nearest-neighbour distances.
    emission : Emission
    bonds : ndarray of int of shape (b, 2)
        Pairs of points that the crystal connects.
    bond_vectors : ndarray of shape (b, 2)
        The vector of the crystal of each pair, in ångström.
    """

    cell: ProjectedCell
    orientations: tuple[Orientation, ...]
    grains: NDArray[np.int64]
    columns: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    evidence: NDArray[np.float64]
    log_prior: float
    scatter: float
    emission: Emission
    bonds: NDArray[np.int64]
    bond_vectors: NDArray[np.float64]

    @property
    def log_evidence(self) -> float:
        """Of the whole field, against points at random."""
        return float(self.evidence.sum()) + self.log_prior

    @property
    def explained(self) -> float:
        """Share of the points that are columns of the crystal."""
        return float((self.columns >= 0).mean()) if len(self.columns) else 0.0


def column_kinds(cell: ProjectedCell) -> tuple[list, NDArray[np.int64]]:
    """Different compositions of the columns of a cell, and the number of that of each column."""
    kinds = list(dict.fromkeys(cell.compositions))
    return kinds, np.array([kinds.index(c) for c in cell.compositions], dtype=np.int64)


def match_orientations(
    field: Field, around: Neighbourhood, orientations: Sequence[Orientation], first_scatter: float
) -> tuple[float, list[Match]]:
    """Neighbours of all points in each orientation, and the standard deviation of their distances.

    Parameters
    ----------
    field : Field
    around : Neighbourhood
    orientations : sequence of Orientation
    first_scatter : float
        Standard deviation per axis to start with, in nearest-neighbour distances.

    Returns
    -------
    scatter : float
        The measured one.
    matches : list of Match
    """
    everything = np.arange(len(field.points))

    def all_of_them(scatter: float) -> list[Match]:
        return [
            field.match(
                everything, around, o.matrix, scatter * o.scale * around.spacing, o.scale * around.spacing
            )
            for o in orientations
        ]

    scatter = _measured_scatter(field, around, orientations, all_of_them(first_scatter), first_scatter)
    return scatter, all_of_them(scatter)


def register(
    cell: ProjectedCell,
    around: Neighbourhood,
    orientations: Sequence[Orientation],
    matches: Sequence[Match],
    emission: Emission,
    calibrated: bool,
    scatter: float,
) -> Registration:
    """Find the column of each point.

    The states of a point are the columns of the cell in each orientation. A state is likely if the neighbours that it
    predicts are there, if the emission agrees, and if the neighbours are in the states that it predicts for them, in turn
    (mean field of a Markov random field [1]_). Positions are compared within the neighbourhood only, so that slow distortions
    of a scan play no part.

    Parameters
    ----------
    cell : ProjectedCell
    around : Neighbourhood
        Of the cell.
    orientations : sequence of Orientation
    matches : sequence of Match
        Of each orientation.
    emission : Emission
        Of the compositions in the order of :func:`column_kinds`; it is changed.
    calibrated : bool
    scatter : float
        Standard deviation of distances of neighbours per axis, in nearest-neighbour distances.

    Returns
    -------
    Registration

    References
    ----------
    .. [1] J. Zhang, IEEE Trans. Signal Process. 40, 2570 (1992).
    """
    n, k = len(matches[0].index), len(cell)
    everything = np.arange(n)
    _, kind = column_kinds(cell)
    state_kind = np.tile(kind, len(orientations))
    one_hot = np.eye(int(kind.max()) + 1)[state_kind]
    geometry = np.concatenate([m.geometry for m in matches], axis=1)
    seen = emission.update(np.zeros((n, one_hot.shape[1])))
    belief = _normalised(geometry + seen[:, state_kind])
    for step in range(_N_STEPS):
        seen = emission.update(belief @ one_hot)
        start, end = _DISAGREE
        disagree = start * (end / start) ** (step / (_N_STEPS - 1))
        support = np.concatenate(
            [_support(m, around, belief[:, j * k : (j + 1) * k], disagree) for j, m in enumerate(matches)],
            axis=1,
        )
        belief = _normalised(geometry + seen[:, state_kind] + support)
    seen = emission.update(belief @ one_hot)
    best = belief.argmax(axis=1)
    known = belief.sum(axis=1) > 0.5
    # The probability of the kind, whatever the orientation.
    of_kind = (belief @ one_hot)[everything, state_kind[best]]
    evidence = np.where(known, (geometry + seen[:, state_kind])[everything, best], 0.0)
    grains, columns = np.where(known, best // k, -1), np.where(known, best % k, -1)
    bonds, vectors = _bonds(matches, around, grains, columns)
    log_prior = emission.log_prior() + sum(
        o.log_prior(calibrated) for j, o in enumerate(orientations) if (grains == j).any()
    )
    return Registration(
        cell, tuple(orientations), grains, columns, np.where(known, of_kind, 1 - belief.sum(axis=1)), evidence, log_prior,
        scatter, emission, bonds, vectors,
    )  # fmt: skip


def _normalised(score: NDArray) -> NDArray[np.float64]:
    """Probabilities of the states, of which none is one more."""
    log_prior = np.log((1 - _ALIEN) / score.shape[1])
    total = logsumexp(np.column_stack([score + log_prior, np.full(len(score), np.log(_ALIEN))]), axis=1)
    return np.asarray(np.exp(score + log_prior - total[:, None]))


def _support(match: Match, around: Neighbourhood, belief: NDArray, disagree: float) -> NDArray:
    """Sum over neighbours of the logarithm of the probability that they are in the predicted state, shape (n, k)."""
    out = np.empty(belief.shape)
    columns = np.broadcast_to(around.columns, match.index.shape[1:])
    for start in range(0, len(belief), _BLOCK):
        index = match.index[start : start + _BLOCK]
        there = index >= 0
        agree = belief[np.where(there, index, 0), columns]
        out[start : start + _BLOCK] = np.where(there, np.log(disagree + (1 - disagree) * agree), 0.0).sum(
            axis=2
        )
    return out


def _measured_scatter(
    field: Field,
    around: Neighbourhood,
    orientations: Sequence[Orientation],
    matches: Sequence[Match],
    first: float,
) -> float:
    """Standard deviation per axis of the distances of neighbours, in nearest-neighbour distances."""
    geometry = np.concatenate([m.geometry for m in matches], axis=1)
    k = len(around.vectors)
    best = geometry.argmax(axis=1)
    rest = []
    for j, (o, match) in enumerate(zip(orientations, matches, strict=True)):
        here = np.flatnonzero((best // k == j) & (geometry.max(axis=1) > 0))
        index = match.index[here, best[here] % k]
        apart = (
            field.points[index] - field.points[here][:, None] - around.vectors[best[here] % k] @ o.matrix.T
        )
        rest.append((apart[index >= 0] / (o.scale * around.spacing)).ravel())
    values = np.abs(np.concatenate(rest)) if rest else np.empty(0)
    return float(np.clip(1.4826 * np.median(values), *SCATTER_BOUNDS)) if len(values) else first


def _bonds(
    matches: Sequence[Match], around: Neighbourhood, grains: NDArray, columns: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of neighbouring points of one grain whose columns agree with the vector between them."""
    pairs, vectors = [np.empty((0, 2), np.int64)], [np.empty((0, 2))]
    for j, match in enumerate(matches):
        here = np.flatnonzero(grains == j)
        index = match.index[here, columns[here]]
        expected = around.columns[columns[here]]
        agree = (index >= 0) & (columns[index] == expected) & (grains[index] == j)
        row, number = np.nonzero(agree)
        pairs.append(np.column_stack([here[row], index[row, number]]))
        vectors.append(around.vectors[columns[here][row], number])
    return np.concatenate(pairs), np.concatenate(vectors)


def lattice_indices(registration: Registration) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cell of each point in the lattice of its grain, counted along the bonds.

    Returns
    -------
    indices : ndarray of int of shape (n, 2)
        Numbers of the vectors of the cell, from an arbitrary origin of each connected grain.
    components : ndarray of int of shape (n,)
        Number of the connected grain; a point without bonds is one of its own.
    """
    n = len(registration.columns)
    cell, bonds = registration.cell, registration.bonds
    ends = cell.positions[registration.columns[bonds]]
    shift = registration.bond_vectors - (ends[:, 1] - ends[:, 0])
    steps = np.rint(np.linalg.solve(cell.vectors.T, shift.T).T).astype(np.int64)
    graph = coo_array((np.arange(1, len(bonds) + 1), (bonds[:, 0], bonds[:, 1])), shape=(n, n)).tocsr()
    _, components = connected_components(graph, directed=False)
    indices = np.zeros((n, 2), np.int64)
    both = {(int(a), int(b)): step for (a, b), step in zip(bonds, steps, strict=True)}
    both |= {(b, a): -step for (a, b), step in list(both.items())}
    _, first = np.unique(components, return_index=True)
    for start in first.tolist():
        order, before = breadth_first_order(graph, start, directed=False)
        for point in order[1:].tolist():
            indices[point] = indices[before[point]] + both[int(before[point]), point]
    return indices, components
