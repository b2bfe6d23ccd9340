"""A simulated specimen: its columns, its rings, its truth, and families of specimens."""

import functools
import inspect
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal


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
        image), and ``rotation``, in degrees. Of single specimens: ``unlabelled`` (j, 2), the x, y in pixels of columns that
        are not listed.
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
        """Number of columns of each class by its name, in the order of `names`."""
        number = np.bincount(self.labels, minlength=len(self.names))
        return {name: int(n) for name, n in zip(self.names, number, strict=True)}

    def cell_counts(self) -> dict[str, int]:
        """Number of cells of each class by its name, in the order of `cell_names`."""
        number = np.bincount(self.cell_types, minlength=len(self.cell_names))
        return {name: int(n) for name, n in zip(self.cell_names, number, strict=True)}


# Number of standard deviations beyond which a Gaussian is below 4e-6 of its peak.
REACH = 5.0


@njit(cache=True)
def add_gaussians(
    image: NDArray[np.float64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.float64],
    sigma: float,
    row_shift: NDArray[np.float64],
) -> None:
    """Add normalised Gaussians to an image (rows, columns), in place, sampled at the pixel centres as by a scanned probe.

    x, y (n,) are their centres and sigma their standard deviation in pixels, weights (n,) their integrals, and row_shift
    (rows,) the shift of each row of the scan along x in pixels.
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
    """Add columns at positions x, y (n, 2) in pixels, in place, whose profile is a sum of Gaussians (share, sigma in pixels).

    See :func:`add_gaussians` for the weights and the shift of rows.
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
    """Atomic number of an element up to uranium, given by its symbol."""
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
        """The specimen with random displacements of all columns (static disorder), of `rms` nm along x and along y."""
        if rms < 0:
            raise ValueError(f"The static disorder is {rms} nm; it must be 0 or more.")
        step = np.random.default_rng([random_state, 7]).normal(0.0, 1.0, self.positions.shape)
        return replace(self, positions=self.positions + rms * step)

    def where(self, keep: Callable[[np.ndarray], np.ndarray]) -> "Specimen":
        """The part of the specimen where `keep`, a mask (n,) of positions (n, 2) in nm, is True; the rest is vacuum."""
        inside = self.select(np.asarray(keep(self.positions), dtype=bool))
        return replace(inside, markers={name: points[keep(points)] for name, points in self.markers.items()})

    def select(self, kept: np.ndarray) -> "Specimen":
        """The specimen with only the columns of the mask `kept` (n,), and the rings with all corners among them."""
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
        """The specimen and other matter in one field of view, whose columns scatter but are not part of the truth."""
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
    """Points x, y (n, 2) of a lattice inside a disc around the origin, and the site (n,) of each.

    The rows of `vectors` (2, 2) and the radius `reach` are in nm, `basis` (b, 2) are the fractions of the cell of its sites.
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


@njit(cache=True)
def relax_springs(
    points: NDArray[np.float64],
    pairs: NDArray[np.int64],
    rest: NDArray[np.float64],
    stiffness: NDArray[np.float64],
    moving: NDArray[np.bool_],
    steps: int,
    inertia: float,
) -> None:
    """Move points (n, 2), in place, by the forces of springs between them, with damping.

    The springs join `pairs` (s, 2) and have lengths `rest` and stiffnesses (s,), of which a sum of about 7 around a point is
    stable. The points of the mask `moving` (n,) are free, and `inertia` is the share of their velocity kept from step to step.
    """
    velocity = np.zeros_like(points)
    force = np.empty_like(points)
    for _ in range(steps):
        force[:] = 0.0
        for s in range(pairs.shape[0]):
            i, j = pairs[s, 0], pairs[s, 1]
            dx, dy = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1]
            length = math.sqrt(dx * dx + dy * dy)
            pull = stiffness[s] * (length - rest[s]) / length
            force[i, 0] += pull * dx
            force[i, 1] += pull * dy
            force[j, 0] -= pull * dx
            force[j, 1] -= pull * dy
        for i in range(points.shape[0]):
            if moving[i]:
                for axis in range(2):
                    velocity[i, axis] = inertia * velocity[i, axis] + force[i, axis]
                    points[i, axis] += velocity[i, axis]


def as_springs(pairs: np.ndarray, rest: float, stiffness: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Springs of one length and stiffness between pairs (s, 2), as arguments of :func:`relax_springs`."""
    n = len(pairs)
    return np.asarray(pairs, dtype=np.int64), np.full(n, rest), np.full(n, stiffness)


def bonds_within(points: np.ndarray, longest: float) -> np.ndarray:
    """Pairs i < j (b, 2) of points (n, 2) up to `longest` apart, in the unit of the points, in the order of their indices."""
    pairs = cKDTree(points).query_pairs(longest, output_type="ndarray")
    return pairs[np.lexsort(pairs.T[::-1])].astype(int)


def find_rings(points: np.ndarray, bonds: np.ndarray) -> list[np.ndarray]:
    """Faces of a planar net of straight bonds (b, 2) between points (n, 2), no two of which cross.

    Every bond is traversed in both directions; at each point the walk continues with the next bond clockwise.
    Counter-clockwise walks are rings, clockwise walks are the outside. Points with a single bond and the attached branches are
    ignored. The corners of a ring are counter-clockwise in (x, y), the smallest index first.
    """
    bonds = np.asarray(bonds, dtype=int)
    while len(bonds):
        degree = np.bincount(bonds.ravel(), minlength=len(points))
        held = (degree[bonds] > 1).all(axis=1)
        if held.all():
            break
        bonds = bonds[held]
    start = np.concatenate([bonds[:, 0], bonds[:, 1]])
    stop = np.concatenate([bonds[:, 1], bonds[:, 0]])
    n = len(bonds)
    step = points[stop] - points[start]
    order = np.lexsort((np.arctan2(step[:, 1], step[:, 0]), start))
    first = np.searchsorted(start[order], np.arange(len(points)))
    degree = np.bincount(start, minlength=len(points))
    rank = np.empty(2 * n, dtype=int)
    rank[order] = np.arange(2 * n) - first[start[order]]
    twin = np.concatenate([np.arange(n, 2 * n), np.arange(n)])
    following = order[first[stop] + (rank[twin] - 1) % np.maximum(degree[stop], 1)]
    rings, walked = [], np.zeros(2 * n, dtype=bool)
    for edge in range(2 * n):
        ring = []
        while not walked[edge]:
            walked[edge] = True
            ring.append(start[edge])
            edge = following[edge]
        corners = np.array(ring, dtype=int)
        if len(corners) > 2 and len(set(ring)) == len(ring) and signed_area(points[corners]) > 0:
            rings.append(np.roll(corners, -int(corners.argmin())))
    return rings


def signed_area(corners: np.ndarray) -> float:
    """Area of a polygon (k, 2) by the shoelace formula, positive if it is counter-clockwise in (x, y)."""
    x, y = corners.T
    return 0.5 * float(x[:-1] @ y[1:] - y[:-1] @ x[1:] + x[-1] * y[0] - y[-1] * x[0])


def vertex_figures(points: np.ndarray, rings: list[np.ndarray]) -> list[str]:
    """The cyclic sequence of the rings around each point (n, 2), such as ``"3.3.4.3.4"``.

    The least of all rotations and reflections of the sequence is used, so that equal figures have equal names. Points at the
    rim have fewer rings in their figure.
    """
    around: list[list[tuple[float, int]]] = [[] for _ in points]
    for ring in rings:
        centre = points[ring].mean(axis=0)
        for corner in ring:
            x, y = centre - points[corner]
            around[corner].append((float(np.arctan2(y, x)), len(ring)))
    names = []
    for rings_here in around:
        sizes = [size for _, size in sorted(rings_here)]
        turns = [sizes[k:] + sizes[:k] for k in range(len(sizes))]
        turns += [turn[::-1] for turn in turns]
        names.append(".".join(map(str, min(turns, default=[]))))
    return names


def group_names(names: list[str]) -> tuple[np.ndarray, list[str]]:
    """Number names (n,) by their frequency, the most frequent first, and return the distinct ones in that order."""
    values, inverse, counts = np.unique(np.array(names, dtype=str), return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(len(order), dtype=int)
    rank[order] = np.arange(len(order))
    return rank[inverse], [str(values[k]) for k in order]


def specimen_of(
    positions: np.ndarray,
    labels: np.ndarray,
    names: list[str],
    numbers: np.ndarray | int,
    counts: np.ndarray | float = 1.0,
    rings: Sequence[np.ndarray] = (),
    **further: dict[str, np.ndarray],
) -> Specimen:
    """Specimen with one kind of atom in each column (n,), and cells that are classified by their number of corners.

    `numbers` and `counts` are the atomic numbers and the numbers of atoms, of each column or of all.
    """
    n = len(positions)
    cell_types, cell_names = group_names([f"ring{len(ring)}" for ring in rings])
    return Specimen(
        positions=positions,
        labels=labels,
        names=names,
        column=np.arange(n),
        numbers=np.broadcast_to(numbers, n),
        counts=np.broadcast_to(np.asarray(counts, dtype=float), n),
        cells=list(rings),
        cell_types=cell_types,
        cell_names=cell_names,
        **further,
    )


def specimen_of_net(points: np.ndarray, rings: list[np.ndarray], reach: float, number: int) -> Specimen:
    """Specimen of the points (n, 2) of a net up to `reach` from the origin, labelled by the rings around them."""
    figures = vertex_figures(points, rings)
    kept = np.hypot(points[:, 0], points[:, 1]) <= reach
    labels, names = group_names([figure for figure, ok in zip(figures, kept, strict=True) if ok])
    index = np.cumsum(kept) - 1
    return specimen_of(points[kept], labels, names, number, rings=[index[r] for r in rings if kept[r].all()])


P = ParamSpec("P")
Simulated = tuple["BaseSignal", Truth]

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


# The entries that most simulators end with.
SHARED["rest"] = "\n    ".join(
    [
        SHARED["disorder"],
        SHARED["random_state"],
        SHARED["imaging"],
        "\n    Returns",
        "-------",
        SHARED["image"],
    ]
)


def family(simulator: Callable[P, Simulated]) -> Callable[P, Simulated]:
    """Complete a simulator's docstring by the entries of `SHARED`, and record its arguments in the metadata.

    The simulator returns an ``AtomicImage`` and a :class:`Truth`, and takes parameters of the imaging as ``**imaging``,
    which :func:`image_signal` records.
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
