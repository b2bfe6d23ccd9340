"""Polygons with motifs at their corners."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.common import write_csv

from ._constants import CONSTANTS

#: Letter of an empty site in corner sequences.
EMPTY_SITE = -1
_POLYGONS = {3: "triangle", 4: "quadrilateral", 5: "pentagon", 6: "hexagon", 7: "heptagon", 8: "octagon"}


class CellClass(NamedTuple):
    """Class of cells.

    Attributes
    ----------
    n_corners : int
    corner_sequence : tuple of int
        Canonical cyclic sequence of the corners' motifs; :data:`EMPTY_SITE` (-1) for an empty site.
    shape : str
        "regular", "rhombic", "rectangular" and so on; a number follows if two shapes have the same name.
    """

    n_corners: int
    corner_sequence: tuple[int, ...]
    shape: str

    @property
    def n_empty(self) -> int:
        """Number of corners that are empty sites."""
        return self.corner_sequence.count(EMPTY_SITE)

    @property
    def name(self) -> str:
        """The polygon and its empty corners, such as "hexagon" or "hexagon, 1 vacancy"."""
        polygon = _POLYGONS.get(self.n_corners, f"{self.n_corners}-gon")
        if not self.n_empty:
            return polygon
        return f"{polygon}, {self.n_empty} {'vacancy' if self.n_empty == 1 else 'vacancies'}"


@dataclass(frozen=True, eq=False)
class Cells:
    """Motif-cells: the polygons that bonds between atoms enclose, and their classes.

    Created by :func:`~hyperspy_motifs.cells.find_cells`; contains only arrays, so that it can be stored. Lengths,
    areas and centres are in the unit of the points.

    Attributes
    ----------
    vertices, offsets : numpy.ndarray of int, shapes (v,) and (m + 1,)
        Corners of cell k: ``vertices[offsets[k]:offsets[k + 1]]``, indices into the points, counter-clockwise in (x,
        y): the shoelace area is positive. On the screen, with y down, the order is clockwise.
    centres : numpy.ndarray, shape (m, 2)
        Mean of the corners, x, y.
    areas : numpy.ndarray, shape (m,)
        Area inside the polygon without holes.
    labels : numpy.ndarray of int, shape (m,)
        Class of each cell, an index into :attr:`classes`; 0 = most frequent.
    handedness : numpy.ndarray of int8, shape (m,)
        1 if the sequence of the class is counter-clockwise, -1 if clockwise (a mirror image), 0 if both are equal.
    orientation : numpy.ndarray, shape (m,)
        Angle in radians of the rotation from +x towards +y of the mean polygon of the class (mirrored for -1) to the
        cell; for symmetric cells the angle of least magnitude.
    strain : numpy.ndarray, shape (m, 3)
        xx, yy and xy of the strain relative to the class mean, in the frame of the image.
    on_border : numpy.ndarray of bool, shape (m,)
        The cell touches the outer face (or a void) with a corner, so that not all cells around that corner are known;
        with an extent also if the circle around its centre through its farthest corner leaves the extent, so that an
        atom outside the field could change the cell.
    centre_atoms : numpy.ndarray of int, shape (m,)
        Atom inside the cell, -1 for none.
    n_centre_atoms, n_holes : numpy.ndarray of int, shape (m,)
        Atoms inside the cell, and connected parts of the bond graph inside it.
    bonds : numpy.ndarray of int, shape (b, 2)
        Bonds, the lower index first, including those inside centred rings and dangling ones.
    adjacency : numpy.ndarray of int, shape (a, 3)
        Cell, cell of higher index, number of shared bonds.
    class_corner_sequences, class_offsets : numpy.ndarray of int
        Concatenated sequences of the classes, and the start of each.
    class_shapes : str
        Shapes of the classes, joined by line breaks.
    class_centre_atoms : numpy.ndarray of int, shape (c,)
        Motif of the centre atom of the class, -1 for none.
    class_symmetry : numpy.ndarray of int, shape (c,)
        Order r of the rotational symmetry of the class: orientations are equal modulo 2 pi / r.
    rule, reason : str
        Bond rule and its cut.
    clarity : float
        0 to 1; of the automatic rule, the expected share of right cells.
    is_doubtful : bool
        Whether another rule describes the points as briefly.
    n_points : int
        Number n of the points. An index of n or more is an empty site.
    empty_sites : numpy.ndarray, shape (k, 2)
        Positions x, y of the empty sites among which cells were found; empty site j has the index n + j in
        `vertices` and `bonds`.
    """

    vertices: NDArray[np.int64]
    offsets: NDArray[np.int64]
    centres: NDArray[np.float64]
    areas: NDArray[np.float64]
    labels: NDArray[np.int64]
    handedness: NDArray[np.int8]
    orientation: NDArray[np.float64]
    strain: NDArray[np.float64]
    on_border: NDArray[np.bool_]
    centre_atoms: NDArray[np.int64]
    n_centre_atoms: NDArray[np.int64]
    n_holes: NDArray[np.int64]
    bonds: NDArray[np.int64]
    adjacency: NDArray[np.int64]
    class_corner_sequences: NDArray[np.int64]
    class_offsets: NDArray[np.int64]
    class_shapes: str
    class_centre_atoms: NDArray[np.int64]
    class_symmetry: NDArray[np.int64]
    rule: str
    reason: str
    clarity: float
    is_doubtful: bool
    n_points: int
    empty_sites: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        sizes, counts = np.unique(self.n_corners, return_counts=True)
        census = ", ".join(f"{s}: {c}" for s, c in zip(sizes, counts, strict=True))
        return (
            f"<Cells: {len(self)} cells of {len(self.classes)} classes; corners {{{census}}}; {self.reason}>"
        )

    @cached_property
    def corners(self) -> list[NDArray[np.int64]]:
        """Corners of each cell, counter-clockwise in (x, y): indices into :meth:`with_empty_sites`."""
        return [self.vertices[first:last] for first, last in pairwise(self.offsets.tolist())]

    @cached_property
    def polygons(self) -> list[NDArray[np.int64]]:
        """Corners of each cell that are points, indices into the points, counter-clockwise in (x, y).

        ``points[cells.polygons[k]]`` is the outline of cell k, unless one of its corners is an empty site: see
        :attr:`corners` for all of them.
        """
        return [corners[corners < self.n_points] for corners in self.corners]

    @property
    def n_corners(self) -> NDArray[np.int64]:
        """Corners of each cell, shape (m,)."""
        return np.diff(self.offsets)

    def cautions(self) -> list[str]:
        """What should be looked at before cells are counted, a sentence each."""
        lines = []
        least = CONSTANTS.low_clarity if self.rule in ("auto", "AutoBonds") else CONSTANTS.low_clarity_of_cuts
        if len(self) and self.clarity < least:
            lines.append(
                f"bonds are unclear (clarity {self.clarity:.2f} of 1): look at plot_cells() before counting cells"
            )
        if self.is_doubtful:
            lines.append(
                "another bond rule describes the cells as well: look at plot_cells(); see cells.reason"
            )
        return lines

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Whether each corner is an empty site, shape of `vertices`."""
        return self.vertices >= self.n_points

    @property
    def n_empty(self) -> NDArray[np.int64]:
        """Corners of each cell that are empty sites, shape (m,)."""
        if len(self) == 0:
            return np.zeros(0, dtype=np.int64)
        return np.add.reduceat(self.empty.astype(np.int64), self.offsets[:-1])

    def with_empty_sites(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Positions to which `vertices` and `bonds` refer: those of the points, then those of the empty sites.

        Parameters
        ----------
        points : numpy.ndarray, shape (n, 2)

        Returns
        -------
        numpy.ndarray, shape (n + k, 2)
        """
        return np.vstack([np.asarray(points, dtype=np.float64).reshape(-1, 2), self.empty_sites])

    def of_points(self, values: np.ndarray) -> np.ndarray:
        """Value of each cell from a property that all its corners share, such as the frame of a stack.

        Parameters
        ----------
        values : numpy.ndarray, shape (n,)
            Of the points.

        Returns
        -------
        numpy.ndarray, shape (m,)
            That of a corner; of a corner of a neighbouring cell, if all corners of a cell are empty sites.
        """
        point = np.minimum.reduceat(self.vertices, self.offsets[:-1]) if len(self) else self.vertices
        pairs = np.vstack([self.adjacency[:, :2], self.adjacency[:, 1::-1]])
        unknown = point >= self.n_points
        while unknown.any():
            reached = pairs[unknown[pairs[:, 0]] & ~unknown[pairs[:, 1]]]
            if len(reached) == 0:
                raise ValueError("a group of cells has no corner at a point, only at empty sites")
            point[reached[:, 0]] = point[reached[:, 1]]
            unknown = point >= self.n_points
        return np.asarray(values)[point]

    @cached_property
    def classes(self) -> list[CellClass]:
        """Classes, the most frequent first."""
        if len(self.class_centre_atoms) == 0:
            return []
        sequences = np.split(self.class_corner_sequences, self.class_offsets[1:-1])
        return [
            CellClass(len(sequence), tuple(int(x) for x in sequence), shape)
            for sequence, shape in zip(sequences, self.class_shapes.split("\n"), strict=True)
        ]

    @cached_property
    def corner_sequences(self) -> list[tuple[int, ...]]:
        """Canonical cyclic sequence of motif labels of each cell.

        For cells with corners of low probability, the sequence of the class.
        """
        sequences = [c.corner_sequence for c in self.classes]
        return [sequences[k] for k in self.labels]

    @property
    def words(self) -> list[tuple[int, ...]]:
        """The same as :attr:`corner_sequences`; "words" is the term of the literature on tilings."""
        return self.corner_sequences

    @property
    def symmetry(self) -> NDArray[np.int64]:
        """Order of the rotational symmetry of each cell's class, shape (m,)."""
        return self.class_symmetry[self.labels]

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain columns, one row per cell, for ``pandas.DataFrame`` or a CSV file.

        Returns
        -------
        dict of str to numpy.ndarray, each of shape (m,)
            ``x``, ``y`` (centre) and ``area`` in the unit of the points; ``class``, ``n_corners``, ``corner_sequence`` and
            ``corners`` (motifs, and indices of the points, joined by hyphens), ``shape``; ``orientation`` in
            degrees, defined modulo 360 / ``symmetry``; ``handedness``; ``strain_xx``, ``strain_yy``,
            ``strain_xy`` relative to the mean of the class; ``centre_atom`` (a point, or -1), ``n_centre_atoms``,
            ``n_holes``, ``on_border``; ``n_empty``, the corners that are empty sites ("v" in ``corner_sequence``).
        """
        shapes = np.array([c.shape for c in self.classes], dtype=str)
        sequences = np.array([_spelled(c.corner_sequence) for c in self.classes], dtype=str)
        return {
            "x": self.centres[:, 0],
            "y": self.centres[:, 1],
            "class": self.labels,
            "n_corners": self.n_corners,
            "corner_sequence": sequences[self.labels],
            "shape": shapes[self.labels],
            "area": self.areas,
            "orientation": np.degrees(self.orientation),
            "symmetry": self.symmetry,
            "handedness": self.handedness,
            "strain_xx": self.strain[:, 0],
            "strain_yy": self.strain[:, 1],
            "strain_xy": self.strain[:, 2],
            "centre_atom": self.centre_atoms,
            "n_centre_atoms": self.n_centre_atoms,
            "n_holes": self.n_holes,
            "on_border": self.on_border,
            "n_empty": self.n_empty,
            "corners": np.array(["-".join(map(str, p.tolist())) for p in self.corners], dtype=str),
        }

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write the columns of :meth:`to_dict` as a table of comma-separated values, UTF-8, one row per cell."""
        write_csv(self.to_dict(), path)

    def to_arrays(self) -> dict[str, Any]:
        """All attributes as arrays, strings and numbers, for :meth:`from_arrays`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, object]) -> Cells:
        """Cells from the result of :meth:`to_arrays`.

        Raises
        ------
        ValueError
            If an attribute is missing.
        """
        missing = sorted({field.name for field in fields(cls)} - set(arrays))
        if missing:
            raise ValueError(f"the stored cells lack {', '.join(missing)}; find them again with find_cells")
        values: dict[str, Any] = {}
        for field in fields(cls):
            value = arrays[field.name]
            plain = {"str": str, "float": float, "bool": bool, "int": int}.get(str(field.type), np.asarray)
            values[field.name] = plain(value)
        values["handedness"] = values["handedness"].astype(np.int8)
        values["on_border"] = values["on_border"].astype(bool)
        shapes = {"centres": 2, "strain": 3, "bonds": 2, "adjacency": 3, "empty_sites": 2}
        for name, columns in shapes.items():
            values[name] = values[name].reshape(-1, columns)
        return cls(**values)


def _spelled(sequence: tuple[int, ...]) -> str:
    """Corners of a sequence joined by hyphens, "v" for an empty site."""
    return "-".join("v" if letter == EMPTY_SITE else str(letter) for letter in sequence)
