"""The specimen: columns in the plane and their atoms."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

ELEMENTS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr "
    "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm "
    "Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U "
).split()


def atomic_number(symbol: str) -> int:
    """Atomic number of an element given by its symbol.

    Parameters
    ----------
    symbol : str
        For example ``"Mo"``.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If the symbol is not an element up to uranium.
    """
    if symbol not in ELEMENTS:
        raise ValueError(f"{symbol!r} is not an element up to uranium; give a symbol such as 'Mo' or 'Se'.")
    return ELEMENTS.index(symbol) + 1


@dataclass(frozen=True, eq=False)
class Specimen:
    """Atomic columns along the beam, before imaging.

    Attributes
    ----------
    positions : (n, 2) float64 array
        x, y of the columns in nm; the origin is at the centre of the image.
    labels : (n,) int array
        Class of each column, an index into `names`; -1 for columns that scatter but are not part of the truth (oxygen
        in ADF, amorphous material).
    names : list of str
        Names of the classes.
    column : (k,) int array
        Column of each kind of atom. A column may contain several kinds, or none.
    numbers : (k,) int array
        Atomic numbers.
    counts : (k,) float64 array
        Number of these atoms in the column.
    cells : list of int arrays
        Rings of columns, counter-clockwise.
    cell_types : (m,) int array
        Index into `cell_names`.
    cell_names : list of str
        Names of the classes of cells.
    per_column : dict of (n, ...) arrays
        Further values of each column.
    markers : dict of (j, 2) arrays
        Further points in nm, such as vacant sites.
    """

    positions: np.ndarray
    labels: np.ndarray
    names: list[str]
    column: np.ndarray
    numbers: np.ndarray
    counts: np.ndarray
    cells: list[np.ndarray] = field(default_factory=list)
    cell_types: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    cell_names: list[str] = field(default_factory=list)
    per_column: dict[str, np.ndarray] = field(default_factory=dict)
    markers: dict[str, np.ndarray] = field(default_factory=dict)

    def displaced(self, rms: float, random_state: int) -> "Specimen":
        """The specimen with random displacements of all columns (static disorder).

        Parameters
        ----------
        rms : float
            Root mean square displacement along x and along y, in nm.
        random_state : int
            Seed.

        Returns
        -------
        Specimen
        """
        if rms < 0:
            raise ValueError(f"The static disorder is {rms} nm; it must be 0 or more.")
        step = np.random.default_rng([random_state, 7]).normal(0.0, 1.0, self.positions.shape)
        return replace(self, positions=self.positions + rms * step)

    def where(self, keep: Callable[[np.ndarray], np.ndarray]) -> "Specimen":
        """The part of the specimen inside a region; the rest is vacuum.

        Parameters
        ----------
        keep : callable
            Takes (n, 2) positions in nm, returns an (n,) mask.

        Returns
        -------
        Specimen
        """
        inside = self.select(np.asarray(keep(self.positions), dtype=bool))
        return replace(inside, markers={name: points[keep(points)] for name, points in self.markers.items()})

    def select(self, kept: np.ndarray) -> "Specimen":
        """The specimen with only some of its columns, and the rings with all corners among them.

        Parameters
        ----------
        kept : (n,) bool array
            Columns to keep.

        Returns
        -------
        Specimen
        """
        index = np.cumsum(kept) - 1
        atoms = kept[self.column]
        whole = np.array([bool(kept[cell].all()) for cell in self.cells], dtype=bool)
        return replace(
            self,
            positions=self.positions[kept],
            labels=self.labels[kept],
            column=index[self.column[atoms]],
            numbers=self.numbers[atoms],
            counts=self.counts[atoms],
            cells=[index[cell] for cell, ok in zip(self.cells, whole, strict=True) if ok],
            cell_types=self.cell_types[whole],
            per_column={name: values[kept] for name, values in self.per_column.items()},
        )

    def beside(self, matter: "Specimen") -> "Specimen":
        """The specimen and other matter, which is not part of the truth, in one field of view.

        Parameters
        ----------
        matter : Specimen
            Its columns scatter but have no labels.

        Returns
        -------
        Specimen
        """
        more = len(matter.positions)
        filler = {
            name: np.concatenate([values, np.zeros((more, *values.shape[1:]), dtype=values.dtype)])
            for name, values in self.per_column.items()
        }
        return replace(
            self,
            positions=np.concatenate([self.positions, matter.positions]),
            labels=np.concatenate([self.labels, np.full(more, -1)]),
            column=np.concatenate([self.column, matter.column + len(self.positions)]),
            numbers=np.concatenate([self.numbers, matter.numbers]),
            counts=np.concatenate([self.counts, matter.counts]),
            per_column=filler,
        )


def lattice_points(vectors: np.ndarray, basis: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Points of a lattice with a basis inside a disc around the origin.

    Parameters
    ----------
    vectors : (2, 2) array
        Lattice vectors as rows, in nm.
    basis : (b, 2) array
        Fractional coordinates of the sites of one cell.
    reach : float
        Radius of the disc in nm.

    Returns
    -------
    positions : (n, 2) float64 array
        x, y in nm.
    site : (n,) int array
        Row of `basis` of each point.
    """
    vectors, basis = np.asarray(vectors, dtype=float), np.asarray(basis, dtype=float)
    # The rows of the inverse give the number of cells along each vector, also for oblique cells.
    n_cells = np.ceil(reach * np.linalg.norm(np.linalg.inv(vectors), axis=0)).astype(int) + 2
    i, j = np.meshgrid(
        np.arange(-n_cells[0], n_cells[0] + 1), np.arange(-n_cells[1], n_cells[1] + 1), indexing="ij"
    )
    cells = np.column_stack([i.ravel(), j.ravel()])
    points = (cells[:, None, :] + basis[None, :, :]).reshape(-1, 2) @ vectors
    site = np.tile(np.arange(len(basis)), len(cells))
    inside = np.hypot(points[:, 0], points[:, 1]) <= reach
    return points[inside], site[inside]
