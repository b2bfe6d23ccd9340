"""Which column of a crystal each point is, and in which orientation: neighbours must agree with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.special import logsumexp

from hyperspy_motifs.common import robust_spread

from ._constants import CONSTANTS
from ._emission import Emission
from ._orientation import Field, Match, Neighbourhood, Orientation
from ._projection import Composition, ProjectedCell

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
    placed, brightness : ndarray of shape (n,)
        Logarithm of the likelihood ratio of the position of each point and of its emission, against points at random; 0 if the
        crystal does not explain it. That of the position is the mean over the neighbours that it is compared with: a field of n
        points has n positions, however many neighbours a crystal predicts.
    log_prior : float
        Of the orientations.
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
    placed: NDArray[np.float64]
    brightness: NDArray[np.float64]
    log_prior: float
    scatter: float
    emission: Emission
    bonds: NDArray[np.int64]
    bond_vectors: NDArray[np.float64]

    @property
    def log_evidence(self) -> float:
        """Of the whole field, against points at random."""
        return self.log_placed + float(self.brightness.sum()) + self.emission.log_prior()

    @property
    def log_placed(self) -> float:
        """The part of `log_evidence` that is of the positions."""
        return float(self.placed.sum()) + self.log_prior

    @property
    def spacing(self) -> float:
        """Mean distance of nearest neighbours of the crystal in the image."""
        return Neighbourhood.of(self.cell).spacing * float(np.median([o.scale for o in self.orientations]))

    @property
    def explained(self) -> float:
        """Share of the points that are columns of the crystal."""
        return float((self.columns >= 0).mean()) if len(self.columns) else 0.0


def column_kinds(cell: ProjectedCell) -> tuple[list[Composition], NDArray[np.int64]]:
    """Different compositions of the columns of a cell, and the number of that of each column."""
    kinds = list(dict.fromkeys(cell.compositions))
    return kinds, np.array([kinds.index(c) for c in cell.compositions], dtype=np.int64)


@dataclass(frozen=True)
class Pose:
    """A crystal in one orientation, and the points that are where it predicts neighbours.

    Attributes
    ----------
    cell : ProjectedCell
        With the columns that are seen.
    around : Neighbourhood
        Of the cell.
    orientation : Orientation
    match : Match
        Of all points.
    kinds : ndarray of int of shape (k,)
        Kind of each column of the cell.
    """

    cell: ProjectedCell
    around: Neighbourhood
    orientation: Orientation
    match: Match
    kinds: NDArray[np.int64]


def match_poses(
    field: Field,
    crystals: Sequence[tuple[ProjectedCell, Neighbourhood, NDArray[np.int64]]],
    orientations: Sequence[Sequence[Orientation]],
    first_scatter: float,
) -> tuple[list[Pose], float]:
    """Neighbours of all points for each orientation of each crystal, and the standard deviation of their distances.

    Parameters
    ----------
    field : Field
    crystals : sequence of (ProjectedCell, Neighbourhood, ndarray)
        Cells, their neighbours, and the kind of each column.
    orientations : sequence of sequence of Orientation
        Of each crystal.
    first_scatter : float
        Standard deviation per axis to start with, in nearest-neighbour distances.

    Returns
    -------
    poses : list of Pose
    scatter : float
        The measured one.
    """
    everything = np.arange(len(field.points))
    poses = []
    for (cell, around, kinds), some in zip(crystals, orientations, strict=True):
        for o in some:
            spacing = o.scale * around.spacing
            match = field.match(everything, around, o.matrix, first_scatter * spacing, spacing)
            poses.append(Pose(cell, around, o, match, kinds))
    scatter = _measured_scatter(field, poses, first_scatter)
    measured = [replace(pose.match, scatter=scatter * pose.match.spacing) for pose in poses]
    return [replace(pose, match=match) for pose, match in zip(poses, measured, strict=True)], scatter


def register(
    poses: Sequence[Pose], emission: Emission, calibrated: bool, scatter: float
) -> list[Registration]:
    """Find the column of each point.

    The states of a point are the columns of the crystals in each orientation. A state is likely if the neighbours that it
    predicts are there, if the emission agrees, and if the neighbours are in the states that it predicts for them, in turn
    (mean field of a Markov random field [1]_). Positions are compared within the neighbourhood only, so that slow distortions
    of a scan play no part.

    Parameters
    ----------
    poses : sequence of Pose
        Those of one crystal one after the other.
    emission : Emission
        Of the kinds of columns; it is changed.
    calibrated : bool
    scatter : float
        Standard deviation of distances of neighbours per axis, in nearest-neighbour distances.

    Returns
    -------
    list of Registration
        One for each crystal, in the order of `poses`.

    References
    ----------
    .. [1] J. Zhang, IEEE Trans. Signal Process. 40, 2570 (1992).
    """
    n = len(poses[0].match.index)
    everything = np.arange(n)
    sizes = [len(pose.cell) for pose in poses]
    edges = np.cumsum([0, *sizes])
    state_kind = np.concatenate([pose.kinds for pose in poses])
    one_hot = np.eye(int(state_kind.max()) + 1)[state_kind]
    geometry = np.concatenate([pose.match.geometry for pose in poses], axis=1)
    seen = emission.update(np.zeros((n, one_hot.shape[1])))
    belief = _normalised(geometry + seen[:, state_kind])
    pose_of = np.repeat(np.arange(len(poses)), sizes)

    def relaxed(
        belief: NDArray[np.float64],
        seen: NDArray[np.float64],
        disagree: float,
        excluded: NDArray[np.float64] | float = 0.0,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        support = np.concatenate(
            [
                _support(pose.match, pose.around, belief[:, low:high], disagree)
                for pose, low, high in zip(poses, edges[:-1], edges[1:], strict=True)
            ],
            axis=1,
        )
        # Each pair of neighbours that disagree counts half for either.
        evidence = geometry + seen[:, state_kind] + 0.5 * support
        return _normalised(evidence + 0.5 * support + excluded), evidence

    # Share of neighbours that may be in another grain: it falls, so that grains grow from where the image is clear.
    start, end = 0.5, CONSTANTS.irregular
    for step in range(CONSTANTS.field_steps):
        seen = emission.update(belief @ one_hot)
        belief, total = relaxed(belief, seen, start * (end / start) ** (step / (CONSTANTS.field_steps - 1)))
    islands, beside = _islands(poses, belief, edges)
    if islands.max(initial=-1) >= 0:
        # The mean field does not leave an island by itself that is better in the orientation of those around it.
        own = (islands[:, None] >= 0) & (pose_of == pose_of[belief.argmax(axis=1)][:, None])
        before, without = _best(total, belief), np.where(own, -np.inf, 0.0)
        moved = np.where((islands >= 0)[:, None], _normalised(geometry + without), belief)
        for _ in range(CONSTANTS.field_steps):
            moved, total = relaxed(moved, seen, end, without)
        gain = np.where(beside >= 0, _best(total, moved) - before, 0.0)
        better = np.append(np.bincount(beside + 1, gain)[1:] > 0, False)
        excluded = np.where(own & better[islands][:, None], -np.inf, 0.0)
        belief = np.where((excluded < 0).any(axis=1, keepdims=True), moved, belief)
        for _ in range(CONSTANTS.field_steps // 2):
            belief, total = relaxed(belief, seen, end, excluded)
    seen = emission.update(belief @ one_hot)
    best = belief.argmax(axis=1)
    known = belief.sum(axis=1) > 0.5
    # The probability of the kind, whatever the orientation.
    of_kind = (belief @ one_hot)[everything, state_kind[best]]
    probability = np.where(known, of_kind, 1 - belief.sum(axis=1))
    brightness = seen[everything, state_kind[best]]
    # The geometry counts half of each pair.
    compared = np.concatenate([pose.match.compared for pose in poses], axis=1)[everything, best]
    placed = (total[everything, best] - brightness) / np.maximum(0.5 * compared, 0.5)
    pose_of, column = pose_of[best], best - edges[:-1].repeat(sizes)[best]
    out = []
    for cell in dict.fromkeys(id(pose.cell) for pose in poses):
        own = [j for j, pose in enumerate(poses) if id(pose.cell) == cell]
        here = known & np.isin(pose_of, own)
        grains, columns = np.where(here, pose_of - own[0], -1), np.where(here, column, -1)
        some = [poses[j] for j in own]
        orientations = tuple(pose.orientation for pose in some)
        bonds, vectors = _bonds([pose.match for pose in some], some[0].around, grains, columns)
        log_prior = sum(o.log_prior(calibrated) for j, o in enumerate(orientations) if (grains == j).any())
        out.append(
            Registration(
                some[0].cell,
                orientations,
                grains,
                columns,
                probability,
                np.where(here, placed, 0.0),
                np.where(here, brightness, 0.0),
                log_prior,
                scatter,
                emission,
                bonds,
                vectors,
            )
        )
    return out


def refitted(field: Field, found: Registration) -> list[Orientation]:
    """Orientations of the grains that have points, fitted to their bonds.

    Parameters
    ----------
    field : Field
    found : Registration

    Returns
    -------
    list of Orientation
        The first one as it was if there are no bonds.
    """
    out = []
    grain = found.grains[found.bonds[:, 0]]
    for j, orientation in enumerate(found.orientations):
        here = np.flatnonzero(grain == j)
        if len(here) < CONSTANTS.most_neighbours:
            continue
        first, second = found.bonds[here].T
        apart = field.points[second] - field.points[first]
        solution, _, rank, _ = np.linalg.lstsq(found.bond_vectors[here], apart, rcond=None)
        out.append(replace(orientation, matrix=solution.T) if rank == 2 else orientation)
    return out or [found.orientations[0]]


def displacements(field: Field, found: Registration) -> tuple[NDArray[np.float64], float]:
    """Mean displacement of the columns of an image from those of the structure, in ångström, shape (k, 2).

    Least squares of the vectors of all bonds, with a normal prior (`relaxation`). The second value is how much larger the
    logarithm of the probability of the positions and of the displacements is with them.
    """
    k = len(found.cell)
    first, second = found.columns[found.bonds].T
    turns = np.array([np.linalg.inv(o.matrix) for o in found.orientations])[found.grains[found.bonds[:, 0]]]
    apart = field.points[found.bonds[:, 1]] - field.points[found.bonds[:, 0]]
    rest = np.einsum("bij,bj->bi", turns, apart) - found.bond_vectors
    normal, right = np.zeros((k, k)), np.zeros((k, 2))
    for one, other, sign in ((second, first, 1.0), (first, second, -1.0)):
        np.add.at(normal, (one, one), 1.0)
        np.add.at(normal, (one, other), -1.0)
        np.add.at(right, one, sign * rest)
    error = found.scatter * Neighbourhood.of(found.cell).spacing
    # As many bonds are independent as there are points.
    weight = (found.columns >= 0).sum() / max(len(rest), 1) / error**2
    moved = np.linalg.solve(weight * normal + np.eye(k) / CONSTANTS.relaxation**2, weight * right)
    return np.asarray(moved, float), 0.5 * weight * float((right * moved).sum())


def _best(evidence: NDArray[np.float64], belief: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evidence of the likeliest state of each point, 0 for a point without one."""
    best = belief.argmax(axis=1)
    return np.where(belief.sum(axis=1) > 0.5, evidence[np.arange(len(best)), best], 0.0)


def _islands(
    poses: Sequence[Pose], belief: NDArray[np.float64], edges: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Connected grains but for the largest one, by point, -1 outside; the second array holds their neighbours as well."""
    n, best = len(belief), belief.argmax(axis=1)
    pose_of = np.searchsorted(edges, best, side="right") - 1
    pairs = [np.empty((0, 2), np.int64)]
    for j, pose in enumerate(poses):
        here = np.flatnonzero(pose_of == j)
        index = pose.match.index[here, best[here] - edges[j]]
        row, number = np.nonzero(index >= 0)
        pairs.append(np.column_stack([here[row], index[row, number]]))
    first, second = np.concatenate(pairs).T
    known = belief.sum(axis=1) > 0.5
    same = (pose_of[first] == pose_of[second]) & known[first] & known[second]
    graph = coo_array((np.ones(int(same.sum())), (first[same], second[same])), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    largest = np.bincount(component[known], minlength=1).argmax()
    inside = known & (component != largest)
    islands = np.full(n, -1)
    islands[inside] = np.unique(component[inside], return_inverse=True)[1]
    beside = islands.copy()
    np.maximum.at(beside, first, np.where(inside[first], -1, islands[second]))
    return islands, beside


def _normalised(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of the states, of which none is one more."""
    log_prior = np.log((1 - CONSTANTS.irregular) / score.shape[1])
    total = logsumexp(
        np.column_stack([score + log_prior, np.full(len(score), np.log(CONSTANTS.irregular))]), axis=1
    )
    return np.asarray(np.exp(score + log_prior - total[:, None]))


def _support(
    match: Match, around: Neighbourhood, belief: NDArray[np.float64], disagree: float
) -> NDArray[np.float64]:
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


def _measured_scatter(field: Field, poses: Sequence[Pose], first: float) -> float:
    """Standard deviation per axis of the distances of neighbours, in nearest-neighbour distances."""
    score = np.column_stack([pose.match.geometry.max(axis=1) for pose in poses])
    best = score.argmax(axis=1)
    rest = [np.empty(0)]
    for j, pose in enumerate(poses):
        here = np.flatnonzero((best == j) & (score.max(axis=1) > 0))
        column = pose.match.geometry[here].argmax(axis=1)
        index = pose.match.index[here, column]
        apart = field.points[index] - field.points[here][:, None]
        apart -= pose.around.vectors[column] @ pose.orientation.matrix.T
        rest.append((apart[index >= 0] / (pose.orientation.scale * pose.around.spacing)).ravel())
    values = np.concatenate(rest)
    return float(np.clip(robust_spread(values), *CONSTANTS.displacement)) if len(values) else first


def _bonds(
    matches: Sequence[Match], around: Neighbourhood, grains: NDArray[np.integer], columns: NDArray[np.integer]
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
