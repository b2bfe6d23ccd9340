"""Grains: orientations of the cells, domains of equal orientation, and the boundaries between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ._constants import CONSTANTS
from ._lattice import LatticeContinuation


@dataclass(frozen=True)
class CellOrientations:
    """Class and orientation of the cells; those with a deviating corner are assigned to the original class.

    Attributes
    ----------
    parent : numpy.ndarray of int, shape (m,)
        Class of the cell, or the common class that it is a variant of; -1 for neither.
    phase : numpy.ndarray of complex, shape (m,)
        ``exp(i r t)`` for a cell rotated by ``t``, where ``r`` is the order of its rotational symmetry.
    order : numpy.ndarray of int, shape (m,)
        That order.
    odd : numpy.ndarray of int, shape (m,)
        Number of corners of another motif than in the class.
    kind : numpy.ndarray of int, shape (m,)
        Cells of one class, one handedness and similar orientation are of one kind; -1 for no class.
    """

    parent: np.ndarray
    phase: np.ndarray
    order: np.ndarray
    odd: np.ndarray
    kind: np.ndarray


def cell_orientations(
    points: np.ndarray, labels: np.ndarray, vertices: np.ndarray, offsets: np.ndarray, classes: np.ndarray
) -> CellOrientations:
    """Find the orientation of every cell relative to the common cells with the same number of corners.

    A class is common if it has 1 % of the cells or more. A cell of another class is a variant of the common class, in
    the orientation, from which the fewest of its corners differ: at most a fifth.

    Parameters
    ----------
    points : numpy.ndarray of float, shape (n, 2)
        Positions x, y.
    labels : numpy.ndarray of int, shape (n,)
        Motif of each point.
    vertices, offsets : numpy.ndarray of int
        Corners of all cells, counter-clockwise, and the start of each cell.
    classes : numpy.ndarray of int, shape (m,)
        Class of each cell.

    Returns
    -------
    CellOrientations
    """
    m = len(classes)
    parent = np.full(m, -1)
    phase = np.zeros(m, dtype=complex)
    order = np.ones(m, dtype=np.int64)
    odd = np.zeros(m, dtype=np.int64)
    mirrored = np.zeros(m, dtype=np.int64)
    sizes = np.diff(offsets)
    count = np.bincount(classes) if m else np.empty(0, dtype=np.int64)
    common = np.flatnonzero(count >= max(CONSTANTS.least_class * m, CONSTANTS.least_of_class))
    common = common[np.argsort(-count[common], kind="stable")]
    models: dict[int, np.ndarray] = {}
    for c in common.tolist():
        sequence = _first_sequence(c, classes, labels, vertices, offsets)
        if not any(_is_variant(sequence, models[k], count[c] / count[k]) for k in models):
            models[c] = sequence
    for size in np.unique(sizes).tolist():
        members = np.flatnonzero(sizes == size)
        corners = vertices[offsets[members][:, None] + np.arange(size)]
        sequences = labels[corners]
        angles = _corner_directions(points, corners)
        free = np.ones(len(members), dtype=bool)
        # Members of a common class first: their class is known, only the orientation is not.
        for exact in (True, False):
            for c, model in models.items():
                if len(model) != size:
                    continue
                rows = np.flatnonzero(free & (classes[members] == c) if exact else free)
                if not len(rows):
                    continue
                mismatch, turns, mirror = _best_turns(sequences[rows], model)
                fits = mismatch <= (size if exact else int(CONSTANTS.most_odd_corners * size))
                rows, turns, mirror = rows[fits], turns[fits], mirror[fits]
                r = int(turns.sum(axis=1).max(initial=1))
                at = members[rows]
                parent[at], order[at], odd[at], mirrored[at] = c, r, mismatch[fits], mirror
                phase[at] = _phases(angles[rows], turns, r)
                free[rows] = False
    return CellOrientations(parent, phase, order, odd, _kinds(parent, mirrored, phase))


def _first_sequence(
    c: int, classes: np.ndarray, labels: np.ndarray, vertices: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """Return the motifs around the first cell of a class, in its orientation."""
    cell = int(np.argmax(classes == c))
    return labels[vertices[offsets[cell] : offsets[cell + 1]]]


def _is_variant(sequence: np.ndarray, model: np.ndarray, ratio: float) -> bool:
    """Return whether a class is a rare variant of a more frequent one, `ratio` times as frequent."""
    if len(sequence) != len(model) or ratio > CONSTANTS.rare_variant:
        return False
    return bool(_best_turns(sequence[None], model)[0][0] <= int(CONSTANTS.most_odd_corners * len(model)))


def _corner_directions(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return the directions (k, n) of the corners from the centres, as complex numbers of length 1."""
    z = points[corners][..., 0] + 1j * points[corners][..., 1]
    z -= z.mean(axis=1, keepdims=True)
    return z / np.maximum(np.abs(z), 1e-12)


def _best_turns(sequences: np.ndarray, model: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the least number of deviating corners (k,), the rotations (k, n) with this number, and whether mirrored
    (k,).

    The model is tested unchanged and mirrored; a mirrored fit is used only if it is better.
    """
    n = len(model)
    turned = (np.arange(n)[:, None] + np.arange(n)) % n
    straight, mirrored = ((sequences[:, turned] != sequence).sum(axis=2) for sequence in (model, model[::-1]))
    mirror = mirrored.min(axis=1) < straight.min(axis=1)
    chosen = np.where(mirror[:, None], mirrored, straight)
    mismatch = chosen.min(axis=1)
    return mismatch, chosen == mismatch[:, None], mirror


def _kinds(parent: np.ndarray, mirrored: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Number the combinations of class, handedness and mode of the orientation."""
    kind = np.full(len(parent), -1)
    n = 0
    for p, h in sorted(set(zip(parent[parent >= 0].tolist(), mirrored[parent >= 0].tolist(), strict=True))):
        members = np.flatnonzero((parent == p) & (mirrored == h))
        modes = _modes(phase[members])
        nearest = np.abs(np.angle(phase[members][:, None] * modes.conj())).argmin(axis=1)
        kind[members] = n + nearest
        n += len(modes)
    return kind


def _modes(phase: np.ndarray) -> np.ndarray:
    """Return the modes of the given phases: peaks of their histogram on the circle."""
    n_bins = 36
    centre = np.exp(2j * np.pi * (np.arange(n_bins) + 0.5) / n_bins)
    # Von Mises kernel of about 15 degrees: noise does not separate neighbours with the same orientation.
    density = np.exp(15 * (np.real(centre[:, None] * phase.conj()) - 1)).sum(axis=1)
    higher = (density >= np.roll(density, 1)) & (density > np.roll(density, -1))
    peaks = np.flatnonzero(higher & (density >= 0.1 * density.max()))
    return centre[peaks] if len(peaks) else centre[[int(density.argmax())]]


def _phases(directions: np.ndarray, turns: np.ndarray, order: int) -> np.ndarray:
    """Return the mean direction of the first corners of the model, to the power of its order."""
    total = (directions**order * turns).sum(axis=1)
    return total / np.maximum(np.abs(total), 1e-12)


@dataclass(frozen=True)
class Domains:
    """Domains of a tiling.

    Attributes
    ----------
    domain : numpy.ndarray of int, shape (m,)
        Domain of each cell, 0 the largest; -1 in a boundary.
    boundary : numpy.ndarray of int, shape (m,)
        Boundary of each cell, 0 the largest; -1 in a domain.
    between : tuple of tuple of int
        Domains that each boundary touches.
    labels : numpy.ndarray of int, shape (d,)
        Kind of each domain: those of one class with the same orientation are of one kind.
    classes : numpy.ndarray of int, shape (d,)
        Class of the cells of each domain.
    angles : numpy.ndarray of float, shape (d,)
        Mean angle of its cells in radians, from x towards y, between plus and minus half its period.
    orders : numpy.ndarray of int, shape (d,)
        Order of the rotational symmetry of its cells: the period of the angle is ``2 pi / order``.
    """

    domain: np.ndarray
    boundary: np.ndarray
    between: tuple[tuple[int, ...], ...]
    labels: np.ndarray
    classes: np.ndarray
    angles: np.ndarray
    orders: np.ndarray


def find_domains(
    cells: CellOrientations,
    adjacency: np.ndarray,
    lattice: LatticeContinuation | None = None,
) -> Domains:
    """Join cells of one class with the same orientation into domains.

    Cells of another class are defects of a domain if they lie within it, or a boundary if they lie between two
    domains. Classes, or orientations of one class, that are neighbours everywhere (a crystal with several kinds of
    cells) count as one: with a lattice, pairs that it repeats in two directions; without a lattice, kinds of which
    most cells have a neighbour of the other kind.

    Parameters
    ----------
    cells : CellOrientations
        Class and orientation of the cells.
    adjacency : numpy.ndarray of int, shape (a, 2)
        Cells that share a side.
    lattice : LatticeContinuation, optional
        Translations of the whole field. Patches that it connects are one domain, even if defects separate them.

    Returns
    -------
    Domains
    """
    m = len(cells.parent)
    i, j = adjacency[:, 0], adjacency[:, 1]
    alike = (cells.parent[i] == cells.parent[j]) & (cells.parent[i] >= 0)
    alike &= np.abs(np.angle(cells.phase[i] * cells.phase[j].conj())) < CONSTANTS.alike_phase
    if lattice is not None:
        alike |= lattice.repeated(cells.kind, i, j)
    else:
        phase = _phases_of_kinds(cells.kind, i, j)[cells.kind]
        alike |= (phase[i] == phase[j]) & (cells.kind[i] >= 0) & (cells.kind[j] >= 0)
    _, patch = connected_components(_graph(i[alike], j[alike], m), directed=False)
    seeds = _with_narrow_ones(_seeds(patch, cells.kind >= 0, i, j), patch, cells.kind)
    seeds[cells.parent < 0] = -1
    if lattice is not None:
        seeds = _joined(seeds, cells.kind, lattice)
    return _described(cells, seeds, _fill(seeds, i, j))


def _seeds(patch: np.ndarray, known: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Number the patches that are large enough to be domains, the largest 0; -1 elsewhere.

    A domain has a core: cells that are two steps away from any other domain. A row of deviating cells has none.
    """
    size = np.bincount(patch, minlength=1)
    core = np.ones(len(patch), dtype=bool)
    apart = (patch[i] != patch[j]) & known[i] & known[j]
    core[i[apart]] = core[j[apart]] = False
    edge = ~core & known
    core[i[edge[j]]] = core[j[edge[i]]] = False
    cores = np.bincount(patch, core, minlength=len(size))
    large = size >= max(CONSTANTS.least_cells, CONSTANTS.least_share * size.max())
    chosen = np.flatnonzero(large & (cores >= CONSTANTS.least_core * size))
    number = np.full(len(size), -1)
    number[chosen[np.argsort(-size[chosen], kind="stable")]] = np.arange(len(chosen))
    return number[patch]


def _with_narrow_ones(seeds: np.ndarray, patch: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Add the patches without a core, such as strips at the edge of the field, that are like a domain with one."""
    n_kinds = int(kind.max(initial=-1)) + 1
    first = int(seeds.max(initial=-1)) + 1
    usual = set(np.flatnonzero(np.bincount(kind[(seeds >= 0) & (kind >= 0)], minlength=n_kinds)).tolist())
    seeds = seeds.copy()
    free = (seeds < 0) & (kind >= 0)
    size = np.bincount(patch[free], minlength=len(patch))
    for p in np.argsort(-size, kind="stable"):
        if size[p] < CONSTANTS.least_cells:
            break
        members = np.flatnonzero(free & (patch == p))
        if np.mean([k in usual for k in kind[members].tolist()]) >= 0.5:
            seeds[members] = first
            first += 1
    return seeds


def _joined(seeds: np.ndarray, kind: np.ndarray, lattice: LatticeContinuation) -> np.ndarray:
    """Join domains of one kind that continue each other's lattice; the largest stays 0."""
    n = int(seeds.max(initial=-1)) + 1
    if n < 2:
        return seeds
    members = [np.flatnonzero(seeds == d) for d in range(n)]
    same = _of_one_kind(seeds, kind)
    name = np.arange(n)
    for d in range(1, n):
        for e in range(d):
            if name[d] != name[e] and same[d, e] and lattice.joins(members[d], members[e]):
                name[name == name[d]] = name[e]
    joined = np.where(seeds >= 0, name[seeds], -1)
    sizes = np.bincount(joined[joined >= 0], minlength=n)
    rank = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    return np.where(joined >= 0, rank[joined], -1)


def _of_one_kind(seeds: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Return a mask (d, d) of similar domains: at least half of the cells of one are of kinds of the other.

    Half of the smaller domain: a small part of a crystal with many kinds of cells does not contain all of them.
    """
    n, n_kinds = int(seeds.max(initial=-1)) + 1, int(kind.max(initial=-1)) + 1
    inside = (seeds >= 0) & (kind >= 0)
    counts = np.bincount(seeds[inside] * n_kinds + kind[inside], minlength=n * n_kinds).reshape(n, n_kinds)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # A kind with only a few cells in a domain does not belong to it.
    has = shares >= CONSTANTS.least_kind
    within = shares @ has.T
    size = counts.sum(axis=1)
    return np.where(size[:, None] <= size, within, within.T) >= 0.5


def _phases_of_kinds(kind: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Return the phase (as of matter) of each kind of cells.

    Kinds that are neighbours everywhere form one phase, such as the squares of two orientations in a checkerboard or
    all kinds of a complex crystal. Kinds that meet only at a wall do not: few of their cells have a neighbour of the
    other kind.
    """
    n = int(kind.max(initial=-1)) + 1
    size = np.bincount(kind[kind >= 0], minlength=n)
    known = (kind[i] >= 0) & (kind[j] >= 0)
    pairs = np.unique(
        np.concatenate(
            [np.column_stack([i[known], kind[j[known]]]), np.column_stack([j[known], kind[i[known]]])]
        ),
        axis=0,
    )
    both = np.zeros((n, n))
    np.add.at(both, (kind[pairs[:, 0]], pairs[:, 1]), 1.0)
    share = both / np.maximum(size, 1)[:, None]
    mutual = np.minimum(share, share.T) >= CONSTANTS.mutual
    _, phase = connected_components(coo_array(mutual), directed=False)
    # Cells without a kind have the index -1: they get a separate phase.
    return np.append(phase, -1)


def _graph(i: np.ndarray, j: np.ndarray, m: int) -> coo_array:
    return coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(m, m))


def _fill(
    seeds: np.ndarray, i: np.ndarray, j: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, ...]]]:
    """Assign defects to the domain around them; patches that touch several domains, or none, are a boundary."""
    m = len(seeds)
    domain = seeds.copy()
    # A defect with neighbours in a single domain belongs to it, even if other defects connect it with a boundary.
    n_domains = int(seeds.max(initial=-1)) + 1
    touched = np.zeros((m, max(n_domains, 1)), dtype=np.int64)
    for a, b in ((i, j), (j, i)):
        known = seeds[b] >= 0
        np.add.at(touched, (a[known], seeds[b[known]]), 1)
    degree = np.bincount(np.concatenate([i, j]), minlength=m)
    most = touched.max(axis=1)
    enclosed = (seeds < 0) & (most == touched.sum(axis=1)) & (2 * most > degree)
    domain[enclosed] = touched[enclosed].argmax(axis=1)
    free = domain < 0
    both = free[i] & free[j]
    _, cluster = connected_components(_graph(i[both], j[both], m), directed=False)
    beside: dict[int, set[int]] = {int(c): set() for c in np.unique(cluster[free])}
    for a, b in ((i, j), (j, i)):
        edge = free[a] & ~free[b]
        for c, d in zip(cluster[a[edge]].tolist(), domain[b[edge]].tolist(), strict=True):
            beside[c].add(d)
    single = np.array([len(beside.get(c, ())) == 1 for c in cluster.tolist()], dtype=bool) & free
    for c in np.unique(cluster[single]).tolist():
        domain[cluster == c] = beside[c].copy().pop()
    boundary = np.full(m, -1)
    walls: dict[tuple[int, ...], list[int]] = {}
    for c in sorted(beside):
        if len(beside[c]) != 1:
            walls.setdefault(tuple(sorted(beside[c])), []).append(c)
    # Cells along one wall need not touch: all cells between the same domains are one boundary.
    sizes = {pair: int(np.isin(cluster, members).sum()) for pair, members in walls.items()}
    between = sorted(walls, key=lambda pair: (-sizes[pair], pair))
    for number, pair in enumerate(between):
        boundary[free & np.isin(cluster, walls[pair])] = number
    return domain, boundary, between


def _described(
    cells: CellOrientations,
    seeds: np.ndarray,
    filled: tuple[np.ndarray, np.ndarray, list[tuple[int, ...]]],
) -> Domains:
    """Return the domains with the orientation of their most frequent cells; those with similar cells are of one
    kind."""
    n = int(seeds.max(initial=-1)) + 1
    classes, orders = np.zeros(n, dtype=np.int64), np.ones(n, dtype=np.int64)
    means = np.zeros(n, dtype=complex)
    for d in range(n):
        members = np.flatnonzero(seeds == d)
        kind = np.bincount(cells.kind[members]).argmax()
        common = members[cells.kind[members] == kind]
        classes[d], orders[d] = cells.parent[common[0]], cells.order[common[0]]
        means[d] = cells.phase[common].mean()
    same = _of_one_kind(seeds, cells.kind)
    first = np.array([int(np.argmax(same[d])) for d in range(n)], dtype=np.int64)
    # Kinds in the order of their largest domains.
    _, labels = np.unique(first, return_inverse=True)
    domain, boundary, between = filled
    angles = np.angle(means) / orders
    return Domains(domain, boundary, tuple(between), labels.ravel(), classes, angles, orders)


def atom_domains(
    positions: np.ndarray, vertices: np.ndarray, offsets: np.ndarray, domain: np.ndarray
) -> np.ndarray:
    """Return the domain of every atom.

    An atom belongs to the domain of most of the cells around it; for a tie, or without a domain, to that of the
    nearest atom with a domain.

    Parameters
    ----------
    positions : numpy.ndarray of float, shape (n, 2)
        Positions x, y.
    vertices, offsets : numpy.ndarray of int
        Corners of all cells and the start of each.
    domain : numpy.ndarray of int, shape (m,)
        Domain of each cell, -1 for none.

    Returns
    -------
    numpy.ndarray of int, shape (n,)
        -1 only if there is no domain.
    """
    n, n_domains = len(positions), int(domain.max(initial=-1)) + 1
    atoms = np.full(n, -1)
    if n_domains == 0:
        return atoms
    owner = np.repeat(domain, np.diff(offsets))
    inside = owner >= 0
    votes = np.zeros((n, n_domains), dtype=np.int64)
    np.add.at(votes, (vertices[inside], owner[inside]), 1)
    ranked = np.sort(votes, axis=1)
    sure = ranked[:, -1] > (ranked[:, -2] if n_domains > 1 else 0)
    atoms[sure] = votes[sure].argmax(axis=1)
    if sure.any() and not sure.all():
        _, nearest = cKDTree(positions[sure]).query(positions[~sure])
        atoms[~sure] = atoms[sure][nearest]
    return atoms
