"""A crystal projected along a zone axis: a plane cell of atomic columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ._constants import CONSTANTS

Composition = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Crystal:
    """A periodic structure as arrays.

    Attributes
    ----------
    name : str
    cell : ndarray of shape (3, 3)
        Rows a, b, c in ångström.
    positions : ndarray of shape (n, 3)
        Cartesian, in ångström.
    numbers : ndarray of int of shape (n,)
        Atomic numbers.
    occupancies : ndarray of shape (n,)
        Mean occupancy of each atom, 1 in an ordered structure. Atoms at one place share it.
    periodic : tuple of bool
        Whether it repeats along a, b and c.
    """

    name: str
    cell: NDArray[np.float64]
    positions: NDArray[np.float64]
    numbers: NDArray[np.int64]
    occupancies: NDArray[np.float64]
    periodic: tuple[bool, bool, bool] = (True, True, True)


@dataclass(frozen=True)
class ProjectedCell:
    """The columns of a crystal along a zone axis.

    Attributes
    ----------
    name : str
        Of the crystal, with the zone axis.
    vectors : ndarray of shape (2, 2)
        Rows: two shortest translations of the projection, in ångström.
    positions : ndarray of shape (k, 2)
        x, y of the columns in ångström, seen against the beam: x to the right, y up.
    compositions : tuple of tuple of (int, float)
        Atomic number and number of atoms of each column, over one repeat along the beam, the heaviest first.
    heights : tuple of tuple of (int, float, float)
        Atomic number, occupancy and height along the beam in ångström of each atom of the columns.
    repeat : float
        Length of the repeat along the beam in ångström.
    layer : bool
        Whether the crystal is a layer, which does not repeat along the beam: then the numbers of atoms are those of the
        whole column.
    rise : ndarray of shape (2,)
        Change of height for a step along each of `vectors`, in ångström, modulo `repeat`.
    """

    name: str
    vectors: NDArray[np.float64]
    positions: NDArray[np.float64]
    compositions: tuple[Composition, ...]
    heights: tuple[tuple[tuple[int, float, float], ...], ...]
    repeat: float
    layer: bool
    rise: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def area(self) -> float:
        """Area of the cell in square ångström."""
        return float(abs(np.linalg.det(self.vectors)))

    def select(self, kept: Sequence[int]) -> ProjectedCell:
        """The cell with some of its columns."""
        return ProjectedCell(
            self.name, self.vectors, self.positions[list(kept)], tuple(self.compositions[k] for k in kept),
            tuple(self.heights[k] for k in kept), self.repeat, self.layer, self.rise,
        )  # fmt: skip

    def coincident(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each of some points (n, 2) lies on each of the columns, up to a translation, shape (n, k)."""
        apart = _wrapped(self.positions[None] - points[:, None], self.vectors)
        return np.asarray(np.hypot(apart[..., 0], apart[..., 1]) < CONSTANTS.column_distance)

    def repeats_after(self, turn: NDArray[np.float64]) -> bool:
        """Whether a turn or a reflection (2, 2) maps the lattice onto itself."""
        fractions = np.linalg.solve(self.vectors.T, turn @ self.vectors.T)
        rest = (fractions - np.rint(fractions)).T @ self.vectors
        return bool((np.abs(rest) <= CONSTANTS.column_distance).all())

    def neighbours(self, reach: float) -> list[tuple[NDArray[np.float64], NDArray[np.int64]]]:
        """Vectors from each column to the columns around it within `reach` ångström, and the columns they lead to."""
        out = []
        n = np.ceil(reach * np.linalg.norm(np.linalg.inv(self.vectors), axis=0)).astype(int) + 1
        cells = np.array(list(product(range(-n[0], n[0] + 1), range(-n[1], n[1] + 1))))
        shifts = cells @ self.vectors
        for origin in self.positions:
            apart = (self.positions[None] + shifts[:, None] - origin).reshape(-1, 2)
            length = np.hypot(*apart.T)
            near = np.flatnonzero((length > 1e-6) & (length <= reach))
            near = near[np.argsort(length[near], kind="stable")]
            out.append((apart[near], np.tile(np.arange(len(self)), len(cells))[near]))
        return out


def project(crystal: Crystal, zone_axis: Sequence[int] = (0, 0, 1)) -> ProjectedCell:
    """Project a crystal along a lattice direction.

    Parameters
    ----------
    crystal : Crystal
    zone_axis : sequence of three int
        Direction [uvw] of the lattice that points to the observer.

    Returns
    -------
    ProjectedCell
        Reduced: its vectors are the shortest that map the projection onto itself, although the atoms of columns that
        become equivalent may have different heights.

    Raises
    ------
    ValueError
        If `zone_axis` is not three whole numbers, or a direction along which a layer does not repeat in the plane.
    """
    axis = _primitive(zone_axis)
    basis = _complete_basis(axis)
    cell = basis @ crystal.cell
    beam = cell[2] / np.linalg.norm(cell[2])
    # The first vector lies along x, and y completes a right-handed frame with the direction towards the observer.
    x = cell[0] - (cell[0] @ beam) * beam
    x /= np.linalg.norm(x)
    frame = np.array([x, np.cross(beam, x), beam])
    cell = cell @ frame.T
    points = crystal.positions @ frame.T
    repeat = float(cell[2, 2])
    layer = _is_layer(crystal, axis, points[:, 2], repeat)
    fractions = np.linalg.solve(cell.T, points.T).T
    points[:, :2] -= np.floor(fractions[:, :2] + 1e-6) @ cell[:2, :2]
    heights = points[:, 2] - np.floor(fractions[:, :2] + 1e-6) @ cell[:2, 2]
    vectors, step = _gauss_reduced(cell[:2, :2], cell[:2, 2])
    column, centres = _columns(points[:, :2], vectors)
    if layer:
        heights = _without_wrap(heights, repeat)
    members = [
        [
            (int(crystal.numbers[i]), float(crystal.occupancies[i]), float(heights[i]))
            for i in np.flatnonzero(column == k)
        ]
        for k in range(len(centres))
    ]
    if not layer:
        members, repeat = _shortest_repeat(members, repeat)
    compositions = [_composition(atoms) for atoms in members]
    vectors, kept, rise = _reduced(vectors, step, centres, compositions, members, repeat)
    if layer:
        rise = np.zeros(2)
    direction = "".join(f"{v}" if v >= 0 else f"-{-v}" for v in axis)
    return ProjectedCell(
        f"{crystal.name} [{direction}]",
        vectors,
        centres[kept],
        tuple(compositions[k] for k in kept),
        tuple(tuple(sorted(members[k], key=lambda atom: (-atom[2], atom[0]))) for k in kept),
        repeat,
        layer,
        rise,
    )


def _primitive(zone_axis: Sequence[int]) -> NDArray[np.int64]:
    values = np.asarray(zone_axis)
    if values.shape != (3,) or not np.array_equal(values, np.round(values)) or not values.any():
        raise ValueError(f"zone_axis={zone_axis!r} must be three whole numbers [uvw], such as (0, 0, 1).")
    whole = values.astype(int)
    return whole // gcd(*(abs(int(v)) for v in whole))


def _complete_basis(axis: NDArray[np.int64]) -> NDArray[np.int64]:
    """Three lattice vectors of determinant 1, rows, the last of which is `axis`."""
    if axis.tolist() == [0, 0, 1]:
        return np.eye(3, dtype=int)
    reach = range(-int(abs(axis).max()) - 1, int(abs(axis).max()) + 2)
    vectors = sorted(
        (np.array(v) for v in product(reach, repeat=3) if any(v)), key=lambda v: (v @ v, tuple(-v))
    )
    for i, first in enumerate(vectors):
        for second in vectors[:i]:
            basis = np.array([first, second, axis])
            if round(float(np.linalg.det(basis))) == 1:
                return basis
    raise ValueError(f"No lattice basis with the zone axis {axis.tolist()} was found.")


def _is_layer(crystal: Crystal, axis: NDArray[np.int64], heights: NDArray[np.float64], repeat: float) -> bool:
    """Whether atoms do not repeat along the beam: no periodicity, or a vacuum between the repeats."""
    along = [not p for p in crystal.periodic]
    if any(v and free for v, free in zip(axis.tolist(), along, strict=True)):
        return True
    inside = np.sort(heights % repeat)
    gaps = np.diff(np.append(inside, inside[0] + repeat))
    return bool(gaps.max() > CONSTANTS.vacuum)


def _without_wrap(heights: NDArray[np.float64], repeat: float) -> NDArray[np.float64]:
    """Heights of a layer that may be cut by the periodic boundary, in one piece from 0."""
    inside = heights % repeat
    order = np.sort(inside)
    gaps = np.diff(np.append(order, order[0] + repeat))
    start = order[(int(np.argmax(gaps)) + 1) % len(order)]
    whole = (inside - start) % repeat
    return np.where(repeat - whole < 1e-6, 0.0, whole)


def _gauss_reduced(
    vectors: NDArray[np.float64], step: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shortest pair of translations of a plane lattice, with their heights; right-handed."""
    a, b = vectors.copy()
    za, zb = (float(v) for v in step)
    while True:
        if a @ a > b @ b:
            a, b, za, zb = b, a, zb, za
        k = round(float(a @ b / (a @ a)))
        if k == 0:
            break
        b, zb = b - k * a, zb - k * za
    if a[0] * b[1] - a[1] * b[0] < 0:
        b, zb = -b, -zb
    return np.array([a, b]), np.array([za, zb])


def _wrapped(apart: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shortest differences modulo the lattice."""
    fractions = np.linalg.solve(vectors.T, apart.reshape(-1, 2).T).T
    base = (fractions - np.rint(fractions)) @ vectors
    around = np.array(list(product((-1, 0, 1), repeat=2))) @ vectors
    all_of_them = base[:, None] + around
    best = (all_of_them**2).sum(axis=2).argmin(axis=1)
    return all_of_them[np.arange(len(base)), best].reshape(apart.shape)


def _columns(
    points: NDArray[np.float64], vectors: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Column of each projected atom, and the mean position of each column, in the order of the first atoms."""
    apart = _wrapped(points[None] - points[:, None], vectors)
    close = np.hypot(apart[..., 0], apart[..., 1]) < CONSTANTS.column_distance
    n, column = connected_components(coo_array(close), directed=False)
    first = [int(np.flatnonzero(column == k)[0]) for k in range(n)]
    centres = np.array([points[f] + apart[f, column == k].mean(axis=0) for k, f in enumerate(first)])
    return column.astype(np.int64), centres.reshape(-1, 2)


def _shortest_repeat(
    members: list[list[tuple[int, float, float]]], repeat: float
) -> tuple[list[list[tuple[int, float, float]]], float]:
    """Atoms of the columns over the shortest repeat along the beam: that of a centred cell is a part of its vector."""
    for parts in range(min(len(atoms) for atoms in members), 1, -1):
        shorter = repeat / parts
        out = []
        for atoms in members:
            places = {
                (z, share, round(h % shorter / CONSTANTS.same) % round(shorter / CONSTANTS.same))
                for z, share, h in atoms
            }
            if len(places) * parts != len(atoms):
                break
            first = sorted(atoms, key=lambda atom: atom[2] % repeat)[: len(places)]
            out.append([(z, share, h % shorter) for z, share, h in first])
        else:
            return out, shorter
    return members, repeat


def _composition(atoms: Sequence[tuple[int, float, float]]) -> Composition:
    amounts: dict[int, float] = {}
    for number, occupancy, _ in atoms:
        amounts[number] = round(amounts.get(number, 0.0) + occupancy, 6)
    return tuple(sorted(amounts.items(), reverse=True))


def _reduced(
    vectors: NDArray[np.float64],
    step: NDArray[np.float64],
    centres: NDArray[np.float64],
    compositions: Sequence[Composition],
    members: Sequence[Sequence[tuple[int, float, float]]],
    repeat: float,
) -> tuple[NDArray[np.float64], list[int], NDArray[np.float64]]:
    """Smallest cell of the projection, its columns, and the change of height along its vectors."""
    rarest = min(set(compositions), key=lambda c: (compositions.count(c), c))
    first = compositions.index(rarest)
    translations = [np.array([*vectors[0], step[0]]), np.array([*vectors[1], step[1]])]
    for k, composition in enumerate(compositions):
        if k == first or composition != rarest:
            continue
        t = _wrapped(centres[k] - centres[first], vectors)
        apart = _wrapped(centres[None] - (centres + t)[:, None], vectors)
        match = np.hypot(apart[..., 0], apart[..., 1]) < CONSTANTS.same
        same = np.array([[a == b for b in compositions] for a in compositions])
        if (match & same).any(axis=1).all():
            # Which lattice vector the wrapped translation contains decides its change of height.
            whole = np.rint(np.linalg.solve(vectors.T, (centres[k] - centres[first] - t)))
            rise = members[k][0][2] - members[first][0][2] - float(whole @ step)
            translations.append(np.array([*t, rise]))
    plane, rises = _lattice_of(translations, repeat)
    kept: list[int] = []
    for k in range(len(centres)):
        apart = _wrapped(centres[kept] - centres[k], plane) if kept else np.empty((0, 2))
        if not (np.hypot(apart[:, 0], apart[:, 1]) < CONSTANTS.same).any():
            kept.append(k)
    return plane, kept, rises


def _lattice_of(
    translations: list[NDArray[np.float64]], repeat: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reduced pair that spans a few translations (x, y, height) of one lattice."""
    combined = [
        t + i * translations[0] + j * translations[1]
        for t in (*translations[2:], np.zeros(3))
        for i, j in product((-2, -1, 0, 1, 2), repeat=2)
    ]
    longer = [t for t in combined if np.hypot(t[0], t[1]) > CONSTANTS.same]
    longer.sort(
        key=lambda t: (round(float(np.hypot(t[0], t[1])), 4), -round(float(t[0]), 4), -round(float(t[1]), 4))
    )
    a = longer[0]
    parallel = [abs(a[0] * t[1] - a[1] * t[0]) < CONSTANTS.same * np.hypot(a[0], a[1]) for t in longer]
    b = longer[parallel.index(False)]
    plane, rise = _gauss_reduced(np.array([a[:2], b[:2]]), np.array([a[2], b[2]]))
    return plane, rise - repeat * np.rint(rise / repeat)


#: Atomic numbers by atomic number: what scatters, unless a table says otherwise.
ATOMIC_NUMBERS = np.arange(120.0)


def reference_weights(
    compositions: Sequence[Composition], exponent: float, effective: NDArray[np.float64] = ATOMIC_NUMBERS
) -> NDArray[np.float64]:
    """Sum over the atoms of each column of their effective atomic number, by atomic number, to an exponent."""
    return np.array(
        [sum(n * effective[z] ** exponent for z, n in composition) for composition in compositions]
    )


def formula(composition: Composition, symbols: Sequence[str]) -> str:
    """A composition in words, such as ``MoSe`` or ``Se2``; `symbols` by atomic number."""
    parts = []
    for number, amount in composition:
        count = "" if abs(amount - 1) < 1e-6 else f"{amount:.3g}"
        parts.append(f"{symbols[int(number)]}{count}")
    return "".join(parts)
