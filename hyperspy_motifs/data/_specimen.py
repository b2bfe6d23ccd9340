"""A simulated specimen: its columns, its truth, and families of specimens."""

import functools
import inspect
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ParamSpec

import numpy as np
from numba import njit


@dataclass(frozen=True, eq=False, repr=False)
class Truth:
    """Ground truth of a simulated image.

    It lists only columns with the centre inside the frame, and cells with all corners inside.

    Attributes
    ----------
    positions : (n, 2) float64 array
        Centres of the columns in pixels, x (column) then y (row), pixel centres at integers.
    labels : (n,) int array
        Class of each column, an index into `names`.
    names : list of str
        Names of the classes.
    cells : list of int arrays
        Rings of the structure: indices into `positions`, counter-clockwise in (x, y), that is with positive
        shoelace area.
    cell_types : (m,) int array
        Class of each cell, an index into `cell_names`.
    cell_names : list of str
        Names of the classes of cells.
    extra : dict
        Further values of a family. Always present: ``noise_free``, the expected image (float32, in the units of the
        image), and ``rotation``, in degrees.
    """

    positions: np.ndarray
    labels: np.ndarray
    names: list[str]
    cells: list[np.ndarray] = field(default_factory=list)
    cell_types: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    cell_names: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        columns = ", ".join(f"{name}: {n:,}" for name, n in self.counts().items())
        cells = f"; {len(self.cells):,} cells" if self.cells else ""
        return f"<Truth: {len(self.positions):,} columns ({columns}){cells}>"

    def counts(self) -> dict[str, int]:
        """Number of columns of each class.

        Returns
        -------
        dict
            From the name of the class to its count, in the order of `names`.
        """
        number = np.bincount(self.labels, minlength=len(self.names))
        return {name: int(n) for name, n in zip(self.names, number, strict=True)}

    def cell_counts(self) -> dict[str, int]:
        """Number of cells of each class.

        Returns
        -------
        dict
            From the name of the class to its count, in the order of `cell_names`.
        """
        number = np.bincount(self.cell_types, minlength=len(self.cell_names))
        return {name: int(n) for name, n in zip(self.cell_names, number, strict=True)}


# Number of standard deviations beyond which a Gaussian is below 4e-6 of its peak.
REACH = 5.0


@njit(cache=True)
def add_gaussians(image, x, y, weights, sigma, row_shift):
    """Add normalised Gaussians to an image, sampled at the pixel centres as by a scanned probe.

    Parameters
    ----------
    image : (rows, columns) float64 array
        Changed in place.
    x, y : (n,) float64 arrays
        Centres in pixels.
    weights : (n,) float64 arrays
        Integral of each Gaussian.
    sigma : float
        Standard deviation in pixels.
    row_shift : (rows,) float64 array
        Shift of each row of the scan along x, in pixels.
    """
    rows, columns = image.shape
    reach = REACH * sigma
    curvature = math.exp(-1.0 / sigma**2)
    for i in range(x.size):
        first_row = max(0, math.ceil(y[i] - reach))
        last_row = min(rows - 1, math.floor(y[i] + reach))
        height = weights[i] / (2.0 * math.pi * sigma**2)
        for row in range(first_row, last_row + 1):
            centre = x[i] + row_shift[row]
            first = max(0, math.ceil(centre - reach))
            last = min(columns - 1, math.floor(centre + reach))
            offset = first - centre
            # On a regular grid a Gaussian is computed from its first value by two products per step, without exp.
            value = height * math.exp(-((row - y[i]) ** 2 + offset**2) / (2.0 * sigma**2))
            ratio = math.exp(-(2.0 * offset + 1.0) / (2.0 * sigma**2))
            for column in range(first, last + 1):
                image[row, column] += value
                value *= ratio
                ratio *= curvature


def add_columns(
    image: np.ndarray,
    positions: np.ndarray,
    weights: np.ndarray,
    profile: tuple[tuple[float, float], ...],
    row_shift: np.ndarray,
) -> None:
    """Add columns whose profile is a sum of Gaussians.

    Parameters
    ----------
    image : (rows, columns) float64 array
        Changed in place.
    positions : (n, 2) float64 array
        x, y in pixels.
    weights : (n,) float64 array
        Integral of each column.
    profile : tuple of (share, sigma)
        Shares of the integral and standard deviations in pixels of the Gaussians.
    row_shift : (rows,) float64 array
        Shift of each row of the scan along x, in pixels.
    """
    x, y = np.ascontiguousarray(positions[:, 0]), np.ascontiguousarray(positions[:, 1])
    for share, sigma in profile:
        if share > 0:
            add_gaussians(image, x, y, share * weights, sigma, row_shift)


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


P = ParamSpec("P")
Simulated = tuple[Any, Truth]

# Common entries; a docstring includes them by %(name)s.
SHARED = {
    "model": (
        "An incoherent-imaging model, not a scattering simulation; :class:`Imaging` lists what it leaves out."
    ),
    "disorder": """disorder : float
        Root mean square static displacement along x and along y, in nm.""",
    "random_state": """random_state : int
        Seed; the same seed gives the same image to the last bit.""",
    "imaging": """**imaging
        Parameters of :class:`Imaging`, such as ``shape``, ``pixel_size``, ``dose`` or ``rotation``.""",
    "image": """image : AtomicImage
        Axes x and y in nm. ``metadata.Simulation`` holds all parameters.""",
}


def family(simulator: Callable[P, Simulated]) -> Callable[P, Simulated]:
    """Complete a simulator's docstring, and record its arguments in the metadata.

    Parameters
    ----------
    simulator : callable
        Returns an ``AtomicImage`` and a :class:`Truth`; takes parameters of the imaging as ``**imaging``,
        which :func:`image_signal` records.

    Returns
    -------
    callable
        With the same signature.
    """
    signature = inspect.signature(simulator)
    for name, entry in SHARED.items():
        simulator.__doc__ = (simulator.__doc__ or "").replace(f"%({name})s", entry)

    @functools.wraps(simulator)
    def recorded(*args: P.args, **kwargs: P.kwargs) -> Simulated:
        image, truth = simulator(*args, **kwargs)
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        chosen = {name: value for name, value in call.arguments.items() if name != "imaging"}
        record = json.dumps({"function": simulator.__name__, **chosen}, sort_keys=True)
        image.metadata.set_item("Simulation.parameters", record)
        return image, truth

    return recorded
