"""Unit cells of a lattice, and its sublattices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.spatial import cKDTree

from ._hierarchy import LabelledPoints
from ._lattice import Lattice

_STEPS = np.array([[1, 0], [0, 1], [1, 1], [1, -1]])
#: Least share of the translated positions of a guest motif with the host motif.
_GUEST = 0.5
#: Least share of each other among the translated positions of two motifs that are mixed on one sublattice.
_MIXED = 0.2


def merge_by_sublattice(sites: LabelledPoints, lattice: Lattice) -> np.ndarray:
    """Give motifs on one sublattice one label.

    A dopant or a vacancy is a guest on a sublattice of the host, and noise may split one site into two motifs: both
    occur at translated positions of the other. Motifs that meet only at a boundary do not.

    Parameters
    ----------
    sites : LabelledPoints
        Positions and motifs.
    lattice : Lattice
        Their translations.

    Returns
    -------
    numpy.ndarray of int, shape (n,)
        Labels, each the lowest of those that were merged.
    """
    n = int(sites.labels.max(initial=-1)) + 1
    tree = cKDTree(sites.positions)
    counts = np.zeros((n, n))
    for step in _STEPS:
        distance, image = tree.query(
            sites.positions + step @ lattice.vectors, distance_upper_bound=lattice.tolerance
        )
        start = np.flatnonzero(np.isfinite(distance))
        np.add.at(counts, (sites.labels[start], sites.labels[image[start]]), 1.0)
    counts += counts.T
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    alike = np.minimum(share, share.T) >= _MIXED
    np.fill_diagonal(share, 0.0)
    host = share.argmax(axis=1) if n else np.empty(0, dtype=np.int64)
    guests = np.flatnonzero(share.max(axis=1, initial=0.0) >= _GUEST)
    alike[guests, host[guests]] = True
    _, group = connected_components(coo_array(alike), directed=False) if n else (0, np.empty(0, dtype=int))
    lowest = np.full(n, n)
    np.minimum.at(lowest, group, np.arange(n))
    return lowest[group][sites.labels] if n else sites.labels


#: Largest share of points of a lattice that a local gap may remove.
_MOST_COVERED = 0.3


@dataclass(frozen=True)
class LatticePoints:
    """Points of one or more patches of a lattice, each patch with its own origin.

    Attributes
    ----------
    positions : numpy.ndarray of float, shape (m, 2)
        Positions x, y, those of the sites if they exist.
    index : numpy.ndarray of int, shape (m, 2)
        Multiples of the two lattice vectors, relative to the origin of the patch.
    patch : numpy.ndarray of int, shape (m,)
        Patch of each point, the largest first.
    site : numpy.ndarray of int, shape (m,)
        Site at each point; -1 for a lattice point without a site.
    kind : int
        Kind of the sites.
    bonds : numpy.ndarray of int, shape (b, 2)
        Points one lattice vector apart.
    """

    positions: np.ndarray
    index: np.ndarray
    patch: np.ndarray
    site: np.ndarray
    kind: int
    bonds: np.ndarray

    def of_sites(self, members: np.ndarray) -> LatticePoints:
        """Return the points with indices of sites in the full set, of which `members` is a subset."""
        return replace(self, site=np.where(self.site >= 0, members[self.site], -1))


def lattice_points(sites: LabelledPoints, lattice: Lattice, kind: int | None = None) -> LatticePoints | None:
    """Choose the sites at the corners of the unit cells.

    Sites of one kind that are connected by lattice vectors form a patch. The kind of the largest patch is chosen.
    Further patches of that kind are added if they do not overlap with others (a kind that occurs four times in a cell
    forms four overlapping patches, of which one is kept). Missing points between others are added, so that a vacancy
    does not remove the cells around it.

    Parameters
    ----------
    sites : LabelledPoints
        Positions and kinds.
    lattice : Lattice
        Their translations.
    kind : int, optional
        Kind to use instead of that with the largest patch.

    Returns
    -------
    LatticePoints or None
        None if no patch contains a complete cell.
    """
    start, end, step = _links(sites, lattice)
    n = len(sites)
    _, patch = connected_components(
        coo_array((np.ones(len(start)), (start, end)), shape=(n, n)), directed=False
    )
    size = np.bincount(patch)
    first = np.full(len(size), n)
    np.minimum.at(first, patch, np.arange(n))
    kind_of = sites.labels[first]
    order = [p for p in np.lexsort((first, kind_of, -size)) if size[p] >= 4]
    if kind is None and order:
        kind = int(kind_of[order[0]])
    chosen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for p in order:
        members = np.flatnonzero(patch == p)
        if kind_of[p] == kind and not _covered(sites.positions[members], chosen, lattice):
            index = _indexed(members, start, end, step, n)
            chosen.append(_filled(sites, members, index, lattice))
    if not chosen:
        return None
    positions, index, site = (np.concatenate([entry[i] for entry in chosen]) for i in range(3))
    numbers = np.repeat(np.arange(len(chosen)), [len(entry[0]) for entry in chosen])
    points = LatticePoints(positions, index, numbers, site, int(kind or 0), _bonds(index, numbers))
    return points if len(points.bonds) >= 4 else None


def _links(sites: LabelledPoints, lattice: Lattice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pairs of equal sites one step apart, and the step (l, 2)."""
    tree = cKDTree(sites.positions)
    starts, ends, steps = [], [], []
    for step in _STEPS:
        distance, image = tree.query(
            sites.positions + step @ lattice.vectors, distance_upper_bound=lattice.tolerance
        )
        start = np.flatnonzero(np.isfinite(distance))
        start = start[sites.alike(start, image[start])]
        starts.append(start)
        ends.append(image[start])
        steps.append(np.broadcast_to(step, (len(start), 2)))
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(steps)


def _indexed(members: np.ndarray, start: np.ndarray, end: np.ndarray, step: np.ndarray, n: int) -> np.ndarray:
    """Return the multiples (m, 2) of the lattice vectors of the members of one patch."""
    place = np.full(n, -1)
    place[members] = np.arange(len(members))
    inside = place[start] >= 0
    i, j, moved = place[start[inside]], place[end[inside]], step[inside]
    # Steps 1 to 4 forwards, 5 to 8 backwards: the value of the link identifies the step.
    code = 1 + (moved[:, None, :] == _STEPS).all(axis=2).argmax(axis=1)
    graph = coo_array(
        (np.concatenate([code, code + len(_STEPS)]), (np.concatenate([i, j]), np.concatenate([j, i]))),
        shape=(len(members), len(members)),
    ).tocsr()
    order, previous = breadth_first_order(graph, 0)
    rows, columns = previous[order[1:]], order[1:]
    codes = np.asarray(graph[rows, columns]).ravel() - 1
    moves = np.concatenate([_STEPS, -_STEPS])[codes]
    index = np.zeros((len(members), 2), dtype=np.int64)
    for row, column, move in zip(rows.tolist(), columns.tolist(), moves, strict=True):
        index[column] = index[row] + move
    return index


def _filled(
    sites: LabelledPoints, members: np.ndarray, index: np.ndarray, lattice: Lattice
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions, indices and sites of a patch, with the missing points between others."""
    positions = {tuple(i): sites.positions[m] for i, m in zip(index.tolist(), members, strict=True)}
    site = {tuple(i): int(m) for i, m in zip(index.tolist(), members, strict=True)}
    tree = cKDTree(sites.positions)
    around = [(h, k) for h in (-1, 0, 1) for k in (-1, 0, 1) if (h, k) != (0, 0)]
    missing = {(h + i, k + j) for h, k in positions for i, j in around} - set(positions)
    for h, k in sorted(missing):
        beside = {(i, j): site.get((h + i, k + j)) for i, j in around}
        known = [(i, j) for i, j in around if beside[i, j] is not None and beside[i, j] != -1]
        # Only between two others: the lattice may end at the last point.
        if not any((-i, -j) in known for i, j in known):
            continue
        place = np.mean(
            [sites.positions[site[h + i, k + j]] - np.array([i, j]) @ lattice.vectors for i, j in known],
            axis=0,
        )
        distance, nearest = tree.query(place)
        found = distance <= lattice.tolerance
        positions[h, k] = sites.positions[nearest] if found else place
        site[h, k] = int(nearest) if found else -1
    keys = list(positions)
    return (
        np.array([positions[key] for key in keys]),
        np.array(keys, dtype=np.int64),
        np.array([site[key] for key in keys], dtype=np.int64),
    )


def _covered(
    positions: np.ndarray, chosen: list[tuple[np.ndarray, np.ndarray, np.ndarray]], lattice: Lattice
) -> bool:
    """Return whether most of a patch overlaps with another patch."""
    if not chosen:
        return False
    taken = cKDTree(np.concatenate([entry[0] for entry in chosen]))
    distance, _ = taken.query(positions)
    # No point of the plane is farther from a lattice than the longer vector.
    return bool(np.mean(distance < 0.75 * lattice.lengths.max()) > _MOST_COVERED)


def _bonds(index: np.ndarray, patch: np.ndarray) -> np.ndarray:
    """Return the pairs of points that are one lattice vector apart."""
    place = {(p, h, k): i for i, (p, (h, k)) in enumerate(zip(patch.tolist(), index.tolist(), strict=True))}
    pairs = [
        (i, place[p, h + dh, k + dk])
        for (p, h, k), i in place.items()
        for dh, dk in ((1, 0), (0, 1))
        if (p, h + dh, k + dk) in place
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
