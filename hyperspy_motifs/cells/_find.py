"""Motif-cells of points."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._auto import AutoBonds
from ._bonds import (
    BondRule,
    DelaunayBonds,
    ExplicitBonds,
    VoronoiBonds,
)
from ._cells import EMPTY_SITE, Cells
from ._centred_rings import choose_centred_rings, merge_rings
from ._classes import classify
from ._faces import Faces, faces_of_points, find_faces

#: Rules that need no parameter, by name.
_RULES: dict[str, BondRule] = {
    "auto": AutoBonds(),
    "delaunay": DelaunayBonds(),
    "voronoi": VoronoiBonds(),
}


def bond_rule(bonds: str | BondRule | ArrayLike = "auto") -> BondRule:
    """Bond rule for a name, for given pairs, or the rule itself.

    Parameters
    ----------
    bonds : str, BondRule or array-like of int, shape (b, 2)
        "auto", "delaunay" or "voronoi"; an instance such as ``RadiusBonds(3.8)`` or ``NearestBonds(3)``; or pairs of
        indices into the points.

    Returns
    -------
    BondRule

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    if isinstance(bonds, BondRule):
        return bonds
    if isinstance(bonds, str):
        if bonds not in _RULES:
            raise ValueError(
                f"unknown bond rule {bonds!r}; expected one of {', '.join(map(repr, _RULES))}, "
                "an instance such as RadiusBonds(radius) or NearestBonds(k), or an array of pairs of indices"
            )
        return _RULES[bonds]
    return ExplicitBonds(bonds)


def find_cells(
    points: ArrayLike,
    labels: ArrayLike | None = None,
    bonds: str | BondRule | ArrayLike = "auto",
    *,
    probabilities: ArrayLike | None = None,
    motifs: ArrayLike | None = None,
    empty: ArrayLike | None = None,
    extent: tuple[float, float, float, float] | None = None,
    merge_centred_rings: bool | str = "auto",
    max_corners: int = 24,
) -> Cells:
    """Find the cells between points and classify them.

    Bonds are found by a rule. Their faces are classified by the number of corners, the
    canonical cyclic sequence of its corners' motifs and its shape.

    Parameters
    ----------
    points : array-like, shape (n, 2)
        Positions x, y in any unit.
    labels : array-like of int, shape (n,), optional
        Motif of each point; one motif by default.
    bonds : str, BondRule or array-like of int, shape (b, 2)
        See :func:`bond_rule`.
    probabilities : array-like, shape (n,), optional
        Of the labels, 0 to 1. A corner below 0.5 is assigned the motif that gives the most frequent sequence with the
        other corners, so that uncertain atoms do not add classes.
    motifs : array-like of int, optional
        Build cells on the points of these motifs only. Indices in the result refer to all points.
    empty : array-like, shape (k, 2), optional
        Positions x, y of empty sites (vacancies), in the unit of the points. They carry bonds and are corners of
        cells like points: a hexagon with a missing atom remains a hexagon instead of opening into a larger ring.
        Empty site j has the index n + j in ``vertices`` and ``bonds``, and the letter
        :data:`~hyperspy_motifs.cells.EMPTY_SITE` in corner sequences.
    extent : (x0, x1, y0, y1), optional
        The field of view, in the unit of the points; only the flag ``on_border`` depends on it.
    merge_centred_rings : "auto" or bool
        A column inside a ring divides the ring into triangles. "auto" merges them into one ring with a centre atom if
        this shortens the description of the tiling; True does so for every kind of ring with a foreign centre atom,
        False never.
    max_corners : int
        Faces with more corners are voids and are omitted like the outer face.

    Returns
    -------
    Cells
        Without cells if there are fewer than three points or if no bonds enclose a face.

    Raises
    ------
    ValueError
        If the shapes do not match, positions are not finite, too large or too close together (1e30, 1e-30) for the
        computation of areas, or the rule is unknown.
    """
    xy, letters, uncertain = _checked(points, labels, probabilities)
    rule = bond_rule(bonds)
    chosen = _chosen(letters, motifs, len(xy))
    n_points = len(xy)
    vacant = _empty_sites(empty)
    if len(vacant):
        xy, letters, uncertain = _with_empty(xy, letters, uncertain, vacant)
        chosen = np.append(chosen, np.arange(n_points, len(xy)))
    if isinstance(rule, ExplicitBonds) and len(chosen) < len(xy):
        raise ValueError("explicit bonds count all points: give either bonds as pairs or motifs, not both")
    if merge_centred_rings not in (True, False, "auto"):
        raise ValueError(f"merge_centred_rings must be 'auto', True or False, got {merge_centred_rings!r}")
    sub, sub_letters = xy[chosen], letters[chosen]
    if len(sub) < 3:
        found = ExplicitBonds([])(sub)._replace(reason="fewer than three points", clarity=0.0)
    else:
        found = rule(sub, sub_letters)
    faces = find_faces(sub, found.pairs, planar=rule.planar)
    kept = np.flatnonzero(faces.n_corners <= max_corners)
    vertices, offsets = take_faces(faces, kept)
    cell_of_face = np.full(len(faces.areas) + 1, -1, dtype=np.int64)
    cell_of_face[kept] = np.arange(len(kept))
    sides = cell_of_face[faces.sides]
    areas: NDArray[np.float64] = faces.areas[kept]
    n_holes: NDArray[np.int64] = faces.n_holes[kept]
    centre_atoms, n_centre_atoms = _centre_atoms(sub, faces, vertices, offsets)
    if merge_centred_rings:
        found_rings, taken = choose_centred_rings(
            sub, sub_letters, vertices, offsets, faces.bonds, always=merge_centred_rings is True
        )
        if len(taken):
            merged = merge_rings(vertices, offsets, found_rings, taken)
            vertices, offsets, new_cell = merged
            sides = np.append(new_cell, -1)[sides]
            m = len(offsets) - 1
            areas = np.bincount(new_cell, weights=areas, minlength=m).astype(np.float64)
            n_holes = np.bincount(new_cell, weights=n_holes, minlength=m).astype(np.int64)
            n_centre_atoms = np.bincount(new_cell, weights=n_centre_atoms, minlength=m).astype(np.int64)
            inside, centre_atoms = centre_atoms, np.full(m, -1, dtype=np.int64)
            centre_atoms[new_cell] = inside
            centre_atoms[m - len(taken) :] = found_rings.hubs[taken]
            n_centre_atoms[m - len(taken) :] += 1
    is_vacant = np.append(chosen >= n_points, False)[centre_atoms]
    centre_atoms[is_vacant] = -1
    n_centre_atoms[is_vacant] -= 1
    table = classify(sub, sub_letters, uncertain[chosen], vertices, offsets, centre_atoms)
    return Cells(
        vertices=chosen[vertices],
        offsets=offsets,
        centres=table.centres,
        areas=areas,
        labels=table.labels,
        handedness=table.handedness,
        orientation=table.orientation,
        strain=table.strain,
        on_border=_on_border(sub, vertices, offsets, faces.bonds, sides, table.centres, extent),
        centre_atoms=np.where(centre_atoms >= 0, chosen[centre_atoms], -1),
        n_centre_atoms=n_centre_atoms,
        n_holes=n_holes,
        bonds=chosen[found.pairs],
        adjacency=_adjacency(sides),
        class_corner_sequences=table.class_corner_sequences,
        class_offsets=table.class_offsets,
        class_shapes="\n".join(table.class_shapes),
        class_centre_atoms=table.class_centre_atoms,
        class_symmetry=table.class_symmetry,
        rule=bonds if isinstance(bonds, str) else type(rule).__name__,
        reason=found.reason,
        clarity=found.clarity,
        is_doubtful=found.is_doubtful,
        n_points=n_points,
        empty_sites=vacant,
    )


# Circumcentres and second moments of area need fourth powers of distances: within this and its inverse they neither
# overflow nor vanish, with a margin for distances far below the extent of the points.
_LONGEST = 1e30


def _checked(
    points: ArrayLike, labels: ArrayLike | None, probabilities: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Validated positions, labels and uncertain points."""
    xy = np.asarray(points, dtype=np.float64)
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise ValueError(f"points must be of shape (n, 2), columns x and y; got {xy.shape}")
    if not np.isfinite(xy).all():
        raise ValueError(
            f"{int((~np.isfinite(xy)).any(axis=1).sum())} points are not finite; remove them first"
        )
    largest = float(np.abs(xy).max(initial=0.0))
    extent = float(np.ptp(xy, axis=0).max()) if len(xy) and largest <= _LONGEST else 0.0
    if largest > _LONGEST or 0 < extent < 1 / _LONGEST:
        raise ValueError(
            f"the coordinates go up to {largest:.3g}, and areas of that size overflow or vanish; give the points in a unit "
            "in which neighbours are about 1 apart"
        )
    if labels is None:
        letters = np.zeros(len(xy), dtype=np.int64)
    else:
        given = np.asarray(labels)
        if given.shape != (len(xy),):
            raise ValueError(f"labels must be of shape ({len(xy)},), one per point; got {given.shape}")
        letters = given.astype(np.int64)
        if np.any(letters != given):
            raise ValueError("labels must be whole numbers")
    uncertain = np.zeros(len(xy), dtype=bool)
    if probabilities is not None:
        p = np.asarray(probabilities, dtype=np.float64)
        if p.shape != (len(xy),):
            raise ValueError(f"probabilities must be of shape ({len(xy)},), one per point; got {p.shape}")
        uncertain = ~(p >= 0.5)
    if len(xy) and len(np.unique(xy[:, 0] + 1j * xy[:, 1])) < len(xy):
        warnings.warn(
            "some points coincide; only one of each group takes part in cells",
            UserWarning,
            stacklevel=3,
        )
    return xy, letters, uncertain


def _empty_sites(empty: ArrayLike | None) -> NDArray[np.float64]:
    """Validated positions of empty sites, shape (k, 2)."""
    sites = np.asarray([] if empty is None else empty, dtype=np.float64)
    if sites.size == 0:
        return np.zeros((0, 2))
    if sites.ndim != 2 or sites.shape[1] != 2:
        raise ValueError(f"empty must be of shape (k, 2), columns x and y of empty sites; got {sites.shape}")
    return sites


def _with_empty(
    points: NDArray[np.float64],
    letters: NDArray[np.int64],
    uncertain: NDArray[np.bool_],
    empty: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Points followed by the empty sites, which have a letter of their own that is certain."""
    k = len(empty)
    points, _, _ = _checked(np.vstack([points, empty]), None, None)
    return points, np.append(letters, np.full(k, EMPTY_SITE)), np.append(uncertain, np.zeros(k, dtype=bool))


def _chosen(letters: NDArray[np.int64], motifs: ArrayLike | None, n: int) -> NDArray[np.int64]:
    """Indices of the points of the selected motifs."""
    if motifs is None:
        return np.arange(n, dtype=np.int64)
    wanted = np.atleast_1d(np.asarray(motifs))
    unknown = sorted(set(wanted.tolist()) - set(letters.tolist()))
    if unknown:
        raise ValueError(
            f"there are no points of motif {unknown}; the labels are {sorted(set(letters.tolist()))}"
        )
    return np.flatnonzero(np.isin(letters, wanted)).astype(np.int64)


def take_faces(faces: Faces, kept: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Corners and offsets of some of the faces."""
    sizes = faces.n_corners[kept]
    offsets = np.r_[0, np.cumsum(sizes)].astype(np.int64)
    index = np.repeat(faces.offsets[:-1][kept] - offsets[:-1], sizes) + np.arange(offsets[-1])
    return faces.vertices[index], offsets


def _centre_atoms(
    points: NDArray[np.float64], faces: Faces, vertices: NDArray[np.int64], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Point inside each cell that is not a corner (the nearest to the centre), and the number of such points."""
    m = len(offsets) - 1
    centre_atoms, count = np.full(m, -1, dtype=np.int64), np.zeros(m, dtype=np.int64)
    free = np.ones(len(points), dtype=bool)
    free[faces.bonds.ravel()] = False
    inside = np.flatnonzero(free)
    host = faces_of_points(points, vertices, offsets, points[inside])
    inside, host = inside[host >= 0], host[host >= 0]
    if len(inside) == 0:
        return centre_atoms, count
    centre = np.add.reduceat(points[vertices], offsets[:-1], axis=0) / np.diff(offsets)[:, None]
    far = np.linalg.norm(points[inside] - centre[host], axis=1)
    order = np.argsort(-far, kind="stable")
    centre_atoms[host[order]] = inside[order]
    count += np.bincount(host, minlength=m)
    return centre_atoms, count


def _on_border(
    points: NDArray[np.float64],
    vertices: NDArray[np.int64],
    offsets: NDArray[np.int64],
    bonds: NDArray[np.int64],
    sides: NDArray[np.int64],
    centres: NDArray[np.float64],
    extent: tuple[float, float, float, float] | None,
) -> NDArray[np.bool_]:
    """Cells with a corner on the outer face, or with a circle that leaves the extent, shape (m,) bool."""
    m = len(offsets) - 1
    if m == 0:
        return np.zeros(0, dtype=bool)
    outer = np.zeros(len(points), dtype=bool)
    outer[bonds[(sides < 0).any(axis=1)].ravel()] = True
    border = np.logical_or.reduceat(outer[vertices], offsets[:-1])
    if extent is not None:
        x0, x1, y0, y1 = extent
        away = np.linalg.norm(points[vertices] - np.repeat(centres, np.diff(offsets), axis=0), axis=1)
        radius = np.maximum.reduceat(away, offsets[:-1])
        border |= (centres[:, 0] - radius < min(x0, x1)) | (centres[:, 0] + radius > max(x0, x1))
        border |= (centres[:, 1] - radius < min(y0, y1)) | (centres[:, 1] + radius > max(y0, y1))
    return border


def _adjacency(sides: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of cells with shared bonds, and the number of these, shape (a, 3)."""
    pairs = np.sort(sides[(sides >= 0).all(axis=1) & (sides[:, 0] != sides[:, 1])], axis=1)
    if len(pairs) == 0:
        return np.zeros((0, 3), dtype=np.int64)
    width = int(pairs.max()) + 1
    key, count = np.unique(pairs[:, 0] * width + pairs[:, 1], return_counts=True)
    return np.column_stack([key // width, key % width, count])
