"""Unit cells of a lattice, their halves, and its sublattices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.spatial import cKDTree

from hyperspy_motifs.cells import find_cells
from hyperspy_motifs.clustering import motif_name

from ._composites import compositions, formula
from ._constants import CONSTANTS
from ._hierarchy import LabelledPoints, Level
from ._lattice import STEPS, Lattice
from ._supertilings import coarse_level


def merge_by_sublattice(sites: LabelledPoints, lattice: Lattice) -> np.ndarray:
    """Give motifs on one sublattice one label (n,), the lowest of those that are merged.

    A dopant or a vacancy is a guest on a sublattice of the host, and noise may split one site into two motifs: both
    occur at translated positions of the other. Motifs that meet only at a boundary do not.
    """
    n = int(sites.labels.max(initial=-1)) + 1
    tree = cKDTree(sites.positions)
    counts = np.zeros((n, n))
    for step in STEPS:
        distance, image = tree.query(
            sites.positions + step @ lattice.vectors, distance_upper_bound=lattice.tolerance
        )
        start = np.flatnonzero(np.isfinite(distance))
        np.add.at(counts, (sites.labels[start], sites.labels[image[start]]), 1.0)
    counts += counts.T
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    alike = np.minimum(share, share.T) >= CONSTANTS.mixed
    np.fill_diagonal(share, 0.0)
    host = share.argmax(axis=1) if n else np.empty(0, dtype=np.int64)
    guests = np.flatnonzero(share.max(axis=1, initial=0.0) >= 0.5)
    alike[guests, host[guests]] = True
    _, group = connected_components(coo_array(alike), directed=False) if n else (0, np.empty(0, dtype=int))
    lowest = np.full(n, n)
    np.minimum.at(lowest, group, np.arange(n))
    return lowest[group][sites.labels] if n else sites.labels


@dataclass(frozen=True)
class LatticePoints:
    """Points x, y (m, 2) of one or more patches of a lattice, each patch with its own origin.

    `index` (m, 2) are multiples of the two lattice vectors relative to the origin of the patch; `patch` (m,) is the patch of
    each point, the largest first; `site` (m,) its site, -1 for none; `kind` the kind of the sites, and `bonds` (b, 2) join
    points one lattice vector apart.
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
    """Choose the sites at the corners of the unit cells; None if no patch contains a complete cell.

    Sites of one kind that are connected by lattice vectors form a patch. The kind of the largest patch is chosen, unless
    one is given. Further patches of that kind are added if they do not overlap with others (a kind that occurs four times in
    a cell forms four overlapping patches, of which one is kept). Missing points between others are added, so that a vacancy
    does not remove the cells around it.
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
    for step in STEPS:
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
    code = 1 + (moved[:, None, :] == STEPS).all(axis=2).argmax(axis=1)
    graph = coo_array(
        (np.concatenate([code, code + len(STEPS)]), (np.concatenate([i, j]), np.concatenate([j, i]))),
        shape=(len(members), len(members)),
    ).tocsr()
    order, previous = breadth_first_order(graph, 0)
    rows, columns = previous[order[1:]], order[1:]
    codes = np.asarray(graph[rows, columns]).ravel() - 1
    moves = np.concatenate([STEPS, -STEPS])[codes]
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
    return bool(np.mean(distance < 0.75 * lattice.lengths.max()) > CONSTANTS.most_covered)


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


def unit_cell_level(
    sites: LabelledPoints, patches: list[tuple[Lattice, LatticePoints]], names: list[str], units: str = ""
) -> Level | None:
    """Return the unit cells as a level whose parts are the atoms; None if there is no complete cell.

    `patches` are the translations and corners of the whole field or of each grain, and `units` that of the positions.
    """
    positions = np.concatenate([points.positions for _, points in patches])
    starts = np.cumsum([0, *[len(points.positions) for _, points in patches]])
    bonds = np.concatenate(
        [points.bonds + start for (_, points), start in zip(patches, starts, strict=False)]
    )
    cells = find_cells(positions, bonds=bonds, merge_centred_rings=False)
    whole = np.flatnonzero(cells.n_corners == 4)
    if not len(whole):
        return None
    level = coarse_level("unit-cell", sites, positions, cells, whole, names)
    lattice, _ = max(patches, key=lambda patch: len(patch[1].positions))
    corners = np.concatenate([points.site for _, points in patches])
    kinds = sites.labels[corners[corners >= 0]]
    a, b = lattice.lengths
    mean = _mean_content(level, sites, len(names))
    content = formula({name: v for name, v in zip(names, mean, strict=True)}, decimals=1)
    scalars = {
        "a": float(a), "b": float(b), "angle": lattice.angle, "area": lattice.area,
        "ax": float(lattice.vectors[0, 0]), "ay": float(lattice.vectors[0, 1]),
        "bx": float(lattice.vectors[1, 0]), "by": float(lattice.vectors[1, 1]),
        "match": lattice.match, "n_atoms": float(mean.sum()), "n_lattices": float(len(patches)),
    }  # fmt: skip
    where = "the atoms" if len(patches) == 1 else f"the atoms of the largest of {len(patches)} grains"
    reason = (
        f"Translations of {a:.4g} and {f'{b:.4g} {units}'.rstrip()} at {lattice.angle:.1f} degrees map "
        f"{100 * lattice.match:.0f} % of {where} onto atoms of their motif. Corners are the atoms of "
        f"{motif_name(int(np.bincount(kinds).argmax()), names)}; on average a cell contains {content}."
    )
    return Level(**{**level.__dict__, "scalars": scalars, "reason": reason})


def _mean_content(level: Level, sites: LabelledPoints, n_labels: int) -> np.ndarray:
    content = compositions(level.parts, level.fractions, sites.labels, len(level), n_labels)
    inner = ~level.columns["on_border"]
    return content[inner].mean(axis=0) if inner.any() else content.mean(axis=0)


def half_cell_level(sites: LabelledPoints, lattice: Lattice, names: list[str]) -> Level | None:
    """Return the two triangles of a hexagonal cell as a level, if the largest holes are their corners.

    The largest hole of the pattern, folded into one cell, is the corner. The short diagonal divides a cell into two
    triangles, such as the faulted and the unfaulted half of Si(111)-(7x7). No translation maps one onto the other, so each is
    a class. None if the cell is not hexagonal or small, or if sites lie on the sides of the triangles.
    """
    vectors, extent = lattice.vectors, np.ptp(sites.positions, axis=0)
    in_cell = len(sites) * lattice.area / max(float(extent.prod()), 1e-300)
    a, b = lattice.lengths
    oblique = abs(lattice.angle - 120)
    if (
        in_cell < CONSTANTS.least_sites
        or b > (1 + CONSTANTS.most_unequal) * a
        or oblique > CONSTANTS.most_oblique
    ):
        return None
    hole = _largest_hole(sites, vectors, len(sites) / in_cell)
    points, steps = _lattice_in_field(sites, vectors, hole)
    index = {tuple(step): i for i, step in enumerate(steps.tolist())}
    pairs = [
        (i, index[h + dh, k + dk])
        for (h, k), i in index.items()
        for dh, dk in ((1, 0), (0, 1), (1, 1))
        if (h + dh, k + dk) in index
    ]
    if len(pairs) < 3:
        return None
    cells = find_cells(points, bonds=np.sort(np.array(pairs), axis=1), merge_centred_rings=False)
    kept = np.flatnonzero(cells.n_corners == 3)
    if len(kept) < 2 or _share_on_sides(sites, vectors, hole) > CONSTANTS.most_odd:
        return None
    level = coarse_level("half-cell", sites, points, cells, kept, names)
    turned = ((level.centres - hole) @ np.linalg.inv(vectors)) % 1.0
    labels = (turned[:, 0] < turned[:, 1]).astype(np.int64)
    labels = labels if 2 * labels.sum() <= len(labels) else 1 - labels
    if labels.max() == 0:
        return None
    content = compositions(level.parts, level.fractions, sites.labels, len(level), len(names))
    inner = ~level.columns["on_border"] if not level.columns["on_border"].all() else np.ones(len(level), bool)
    texts = []
    for label in (0, 1):
        members = (labels == label) & inner if ((labels == label) & inner).any() else labels == label
        mean = content[members].mean(axis=0)
        texts.append(formula(dict(zip(names, mean.tolist(), strict=True)), decimals=1))
    reason = (
        f"The largest holes lie on the lattice, and the triangles between them cut no more than "
        f"{100 * CONSTANTS.most_odd:.0f} % of the atoms: one half of the cell contains {texts[0]}, the other {texts[1]}."
    )
    halves = (f"half 1: {texts[0]}", f"half 2: {texts[1]}")
    return Level(**{**level.__dict__, "labels": labels, "names": halves, "reason": reason})


def _largest_hole(sites: LabelledPoints, vectors: np.ndarray, n_cells: float) -> np.ndarray:
    """Return the point in the cell at the origin that is farthest from all but a few false sites."""
    folded = (sites.positions @ np.linalg.inv(vectors)) % 1.0
    around = np.array([(h, k) for h in (-1, 0, 1) for k in (-1, 0, 1)], dtype=float)
    tree = cKDTree((folded[:, None] + around).reshape(-1, 2) @ vectors)
    grid = (
        np.stack(
            np.meshgrid(np.arange(CONSTANTS.hole_grid), np.arange(CONSTANTS.hole_grid)), axis=-1
        ).reshape(-1, 2)
        + 0.5
    ) / CONSTANTS.hole_grid
    k = 1 + int(CONSTANTS.most_odd * n_cells)
    distance = tree.query(grid @ vectors, k=[k])[0][:, 0]
    # The centre of the plateau and not its first point: distances near the maximum differ by less than the grid.
    centre = grid[int(distance.argmax())]
    top = distance > 0.93 * distance.max()
    offset = (grid[top] - centre + 0.5) % 1.0 - 0.5
    near = np.hypot(*(offset @ vectors).T) < distance.max()
    return np.asarray((centre + offset[near].mean(axis=0)) @ vectors)


def _lattice_in_field(
    sites: LabelledPoints, vectors: np.ndarray, hole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the holes in the field, x and y, and their multiples of the vectors."""
    low, high = sites.positions.min(axis=0), sites.positions.max(axis=0)
    corners = np.array([[low[0], low[1]], [low[0], high[1]], [high[0], low[1]], [high[0], high[1]]])
    span = (corners - hole) @ np.linalg.inv(vectors)
    first, last = np.floor(span.min(axis=0)).astype(int), np.ceil(span.max(axis=0)).astype(int)
    h, k = (
        v.ravel() for v in np.meshgrid(np.arange(first[0], last[0] + 1), np.arange(first[1], last[1] + 1))
    )
    steps = np.column_stack([h, k])
    points = hole + steps @ vectors
    inside = ((points >= low - sites.spacing) & (points <= high + sites.spacing)).all(axis=1)
    return points[inside], steps[inside]


def _share_on_sides(sites: LabelledPoints, vectors: np.ndarray, hole: np.ndarray) -> float:
    """Return the share of the sites that lie on the rows of holes, which are the sides of the triangles."""
    place = (sites.positions - hole) @ np.linalg.inv(vectors)
    area = abs(np.linalg.det(vectors))
    third = vectors[0] + vectors[1]
    near = np.zeros(len(sites), dtype=bool)
    # Along a the second coordinate is whole, along b the first, along a + b their difference.
    for along, across in (
        (vectors[0], place[:, 1]),
        (vectors[1], place[:, 0]),
        (third, place[:, 0] - place[:, 1]),
    ):
        distance = np.abs(across - np.round(across)) * area / np.hypot(*along)
        near |= distance < CONSTANTS.near_side * sites.spacing
    return float(near.mean())
