"""Perfect lattices, tilings of squares and triangles, and images without a lattice: vacuum, amorphous material, noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from ._imaging import Imaging, detect, image_signal, simulate_signal, slow_field
from ._specimen import (
    Simulated,
    Specimen,
    Truth,
    atomic_number,
    bonds_within,
    family,
    find_rings,
    lattice_points,
    specimen_of,
    specimen_of_net,
)

# Vectors of the cell and sites in units of the nearest-neighbour distance; names of the sites.
LATTICES = {
    "square": ([[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0]], ["A"]),
    "triangular": ([[1.0, 0.0], [0.5, np.sqrt(0.75)]], [[0.0, 0.0]], ["A"]),
    "honeycomb": ([[np.sqrt(3.0), 0.0], [np.sqrt(0.75), 1.5]], [[0.0, 0.0], [1 / 3, 1 / 3]], ["A", "B"]),
    "kagome": ([[2.0, 0.0], [1.0, np.sqrt(3.0)]], [[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]], ["A", "B", "C"]),
}


def lattice_specimen(kind: str, reach: float, spacing: float = 0.25, element: str = "Mo") -> Specimen:
    """Columns of a perfect lattice in a disc.

    Parameters
    ----------
    kind, spacing, element
        See :func:`lattice`.
    reach : float
        Radius of the disc in nm.

    Returns
    -------
    Specimen
        Sites that are not related by a translation (the two of the honeycomb, the three of the kagome lattice) have
        different labels, although they are equal up to a rotation. Its cells are the faces of the nearest-neighbour
        net.
    """
    if kind not in LATTICES:
        raise ValueError(f"kind={kind!r} is unknown; choose one of {', '.join(LATTICES)}.")
    if not spacing > 0:
        raise ValueError(f"spacing={spacing} nm must be positive.")
    vectors, basis, names = LATTICES[kind]
    points, site = lattice_points(spacing * np.array(vectors), np.array(basis), reach)
    rings = find_rings(points, bonds_within(points, 1.2 * spacing))
    return specimen_of(points, site, list(names), atomic_number(element), rings=rings)


@family
def lattice(
    kind: str = "triangular",
    *,
    spacing: float = 0.25,
    element: str = "Mo",
    disorder: float = 0.0,
    random_state: int = 0,
    **imaging: object,
) -> Simulated:
    """Simulate a perfect lattice of one species.

    %(model)s

    Parameters
    ----------
    kind : {"square", "triangular", "honeycomb", "kagome"}
        The honeycomb has sites in two orientations, the kagome lattice in three; the labels distinguish them.
    spacing : float
        Distance of nearest neighbours in nm.
    element : str
        Symbol of the element.
    %(rest)s
    truth : Truth

    Examples
    --------
    >>> from hyperspy_motifs.data import lattice
    >>> image, truth = lattice("square", shape=(96, 128), spacing=0.2)
    >>> image.data.shape
    (96, 128)
    >>> truth.cell_names
    ['ring4']
    """
    optics = Imaging.of({}, imaging)
    specimen = lattice_specimen(kind, optics.reach, spacing, element).displaced(disorder, random_state)
    return simulate_signal(specimen, optics, f"Simulated {kind} lattice", random_state)


# Stampfli's inflation: vertices become dodecagons that share sides, so lengths grow by 2 + sqrt(3).
INFLATION = 2.0 + np.sqrt(3.0)
SNUB = 0.25 * (np.sqrt(3.0) - 1.0)
# Vectors of the cell and its sites, in units of the edge.
ORDERED = {
    "sigma": (
        np.sqrt(INFLATION) * np.eye(2),
        [[SNUB, 0.5 + SNUB], [-SNUB, 0.5 - SNUB], [0.5 - SNUB, SNUB], [0.5 + SNUB, -SNUB]],
    ),
    # Rows of squares between rows of triangles; the second site lies one edge above the first.
    "elongated": (
        np.array([[1.0, 0.0], [0.5, 1.0 + np.sqrt(0.75)]]),
        [[0.0, 0.0], [-0.5 / (1.0 + np.sqrt(0.75)), 1.0 / (1.0 + np.sqrt(0.75))]],
    ),
}
KINDS = ("sigma", "elongated", "stampfli", "random")


def _ring_of_points(number: int, radius: float, first: float) -> np.ndarray:
    angle = np.deg2rad(first + 360.0 / number * np.arange(number))
    return radius * np.column_stack([np.cos(angle), np.sin(angle)])


def _distinct(points: np.ndarray) -> np.ndarray:
    """Points without duplicates; the first of coincident points is kept."""
    pairs = cKDTree(points).query_pairs(0.1, output_type="ndarray")
    return np.delete(points, np.unique(pairs.max(axis=1)), axis=0) if len(pairs) else points


def inflate(vertices: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """One Stampfli inflation [1]_ of the vertices (n, 2) of a tiling of squares and triangles with edge 1.

    Every vertex becomes a dodecagon: a hexagon of six triangles in a ring of six squares and six triangles. The
    dodecagons of neighbours share a side; a gap between them is a triangle, or a square with a triangle on each side,
    whose corners are corners of the dodecagons. The interior of the dodecagons `turned` (n,) is rotated by 30 degrees:
    both choices give a tiling, as all edges run along multiples of 30 degrees.

    .. [1] P. Stampfli, Helv. Phys. Acta 59 (1986) 1260.
    """
    outer = _ring_of_points(12, np.sqrt(INFLATION), 15.0)
    inner = np.where(turned[:, None, None], _ring_of_points(6, 1.0, 30.0), _ring_of_points(6, 1.0, 0.0))
    centres = INFLATION * vertices
    parts = [centres[:, None], centres[:, None] + inner, centres[:, None] + outer]
    return _distinct(np.concatenate(parts, axis=1).reshape(-1, 2))


def square_triangle_vertices(kind: str, radius: float, random_state: int = 0) -> np.ndarray:
    """Vertices (n, 2) of a tiling with edge 1 of the `kind` of :func:`square_triangle`, in a disc of `radius`."""
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is unknown; choose one of {', '.join(KINDS)}.")
    if kind in ORDERED:
        vectors, basis = ORDERED[kind]
        return lattice_points(vectors, np.array(basis), radius)[0]
    rng = np.random.default_rng([random_state, 6])
    steps = 1
    while 1.5 * INFLATION**steps < radius:
        steps += 1
    vertices = inflate(np.zeros((1, 2)), np.zeros(1, dtype=bool))
    for step in range(steps):
        turned = rng.random(len(vertices)) < 0.5 if kind == "random" else np.zeros(len(vertices), dtype=bool)
        vertices = inflate(vertices, turned)
        # Points that the following inflations move out of the disc are omitted.
        needed = radius / INFLATION ** (steps - 1 - step) + 3.0
        vertices = vertices[np.hypot(vertices[:, 0], vertices[:, 1]) <= needed]
    return vertices[np.hypot(vertices[:, 0], vertices[:, 1]) <= radius]


def square_triangle_specimen(
    kind: str, reach: float, edge: float = 0.3, element: str = "Mo", random_state: int = 0
) -> Specimen:
    """Columns on the vertices of a tiling of squares and triangles, in a disc.

    Parameters
    ----------
    kind, edge, element
        See :func:`square_triangle`.
    reach : float
        Radius of the disc in nm.
    random_state : int
        Seed of the random tiling.

    Returns
    -------
    Specimen
        Labels: the sizes of the tiles around the vertex, such as ``"3.3.4.3.4"``. Cells: the tiles.
    """
    if not edge > 0:
        raise ValueError(f"edge={edge} nm must be positive.")
    # Vertices at the rim lack tiles; they must lie outside the requested disc.
    points = square_triangle_vertices(kind, reach / edge + 2.5, random_state)
    rings = find_rings(points, bonds_within(points, 1.2))
    net = specimen_of_net(points, rings, reach / edge, atomic_number(element))
    squares = np.array([len(cell) == 4 for cell in net.cells], dtype=int)
    return replace(net, positions=edge * net.positions, cell_types=squares, cell_names=["triangle", "square"])


@family
def square_triangle(
    kind: str = "random",
    *,
    edge: float = 0.3,
    element: str = "Mo",
    disorder: float = 0.0,
    random_state: int = 0,
    **imaging: object,
) -> Simulated:
    """Simulate columns on the vertices of a tiling of squares and equilateral triangles.

    %(model)s

    Parameters
    ----------
    kind : {"sigma", "elongated", "stampfli", "random"}
        ``"sigma"``: the net 3.3.4.3.4 of the sigma phase, two triangles per square. ``"elongated"``: 3.3.3.4.4, rows
        of squares between rows of triangles. ``"stampfli"``: the dodecagonal quasi-crystal by inflation [1]_, with 4
        / sqrt(3) triangles per square in the limit. ``"random"``: the same inflation with random rotations of the
        interior of each dodecagon by 30 degrees.
    edge : float
        Edge of the tiles in nm.
    element : str
        Symbol of the one element.
    %(rest)s
    truth : Truth
        Labels: the sizes of the tiles around the vertex. Cells: triangles and squares.

    References
    ----------
    .. [1] P. Stampfli, Helv. Phys. Acta 59 (1986) 1260.

    Examples
    --------
    >>> from hyperspy_motifs.data import square_triangle
    >>> image, truth = square_triangle("sigma", shape=(200, 240))
    >>> truth.names
    ['3.3.4.3.4']
    """
    optics = Imaging.of({}, imaging)
    specimen = square_triangle_specimen(kind, optics.reach, edge, element, random_state)
    specimen = specimen.displaced(disorder, random_state)
    return simulate_signal(specimen, optics, f"Simulated square-triangle tiling, {kind}", random_state)


def amorphous_specimen(
    reach: float, areal_density: float = 300.0, element: str = "C", random_state: int = 0
) -> Specimen:
    """Atoms at random positions in a disc, as in a projection of amorphous material.

    Parameters
    ----------
    reach : float
        Radius of the disc in nm.
    areal_density, element
        See :func:`amorphous`.
    random_state : int
        Seed of the positions.

    Returns
    -------
    Specimen
        Its atoms have no labels.
    """
    if not areal_density > 0:
        raise ValueError(f"areal_density={areal_density} atoms per nm^2 must be positive.")
    rng = np.random.default_rng([random_state, 8])
    n = rng.poisson(areal_density * np.pi * reach**2)
    # The square root makes the density uniform over the disc.
    radius, angle = reach * np.sqrt(rng.random(n)), 2.0 * np.pi * rng.random(n)
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return specimen_of(points, np.full(n, -1), [], atomic_number(element))


@family
def amorphous(
    *, areal_density: float = 300.0, element: str = "C", random_state: int = 0, **imaging: object
) -> Simulated:
    """Simulate amorphous material without columns.

    %(model)s Atoms are placed independently, so there is no short-range order.

    Parameters
    ----------
    areal_density : float
        Atoms per square nanometre; about 100 per nanometre of thickness for amorphous carbon.
    element : str
        Symbol of the element.
    %(random_state)s
    **imaging
        Parameters of :class:`Imaging`, such as ``shape``, ``pixel_size`` or ``dose``.

    Returns
    -------
    %(image)s
    truth : Truth
        Without columns.

    Examples
    --------
    >>> from hyperspy_motifs.data import amorphous
    >>> image, truth = amorphous(shape=(96, 128))
    >>> len(truth.positions)
    0
    """
    optics = Imaging.of({}, imaging)
    specimen = amorphous_specimen(optics.reach, areal_density, element, random_state)
    return simulate_signal(specimen, optics, f"Simulated amorphous {element}", random_state)


def crystal_edge_specimen(
    crystal: Specimen, matter: Specimen, width: float, vacuum: float, amorphous: float
) -> Specimen:
    """A crystal with an amorphous rim, next to vacuum.

    Parameters
    ----------
    crystal, matter : Specimen
        Both cover the field.
    width : float
        Width of the field in nm.
    vacuum, amorphous : float
        Fractions of the field: vacuum on the right, the rim next to it. The boundaries are wavy.

    Returns
    -------
    Specimen
    """
    for name, fraction in (("vacuum", vacuum), ("amorphous", amorphous), ("their sum", vacuum + amorphous)):
        if not 0 <= fraction <= 1:
            raise ValueError(f"{name} is {fraction} of the field; it must lie between 0 and 1.")

    def depth(points: np.ndarray) -> np.ndarray:
        """Distance of points from the edge of all matter, in units of the width."""
        return 0.5 - vacuum - points[:, 0] / width + 0.02 * np.sin(12.0 * points[:, 1] / width)

    solid = crystal.where(lambda points: depth(points) >= amorphous)
    rim = matter.where(lambda points: (depth(points) < amorphous) & (depth(points) >= 0))
    return solid.beside(rim)


@family
def crystal_edge(
    kind: str = "triangular",
    *,
    vacuum: float = 0.3,
    amorphous: float = 0.15,
    spacing: float = 0.25,
    element: str = "Mo",
    disorder: float = 0.002,
    random_state: int = 0,
    **imaging: object,
) -> Simulated:
    """Simulate a crystal next to an amorphous rim and vacuum: only the crystal has columns.

    %(model)s The
    rim has the areal density of atoms of the crystal, at random positions.

    Parameters
    ----------
    kind : {"square", "triangular", "honeycomb", "kagome"}
        Lattice of the crystal, see :func:`lattice`.
    vacuum, amorphous : float
        Fractions of the field.
    spacing : float
        Distance of nearest neighbours in nm.
    element : str
        Symbol of the element.
    %(rest)s
    truth : Truth

    Examples
    --------
    >>> from hyperspy_motifs.data import crystal_edge
    >>> image, truth = crystal_edge("square", shape=(200, 240), vacuum=0.5)
    >>> bool(truth.positions[:, 0].max() < 0.5 * 240)
    True
    """
    optics = Imaging.of({}, imaging)
    crystal = lattice_specimen(kind, optics.reach, spacing, element).displaced(disorder, random_state)
    # The density of carbon makes the rim as bright as the crystal on average: single heavy atoms would be columns.
    ratio = (atomic_number(element) / atomic_number("C")) ** optics.exponent
    density = ratio * len(crystal.positions) / (np.pi * optics.reach**2)
    matter = amorphous_specimen(optics.reach, density, "C", random_state)
    specimen = crystal_edge_specimen(crystal, matter, optics.shape[1] * optics.pixel_size, vacuum, amorphous)
    return simulate_signal(specimen, optics, f"Simulated edge of a {kind} lattice", random_state)


@family
def noise(*, level: float = 0.005, random_state: int = 0, **imaging: Any) -> Simulated:
    """Simulate an image of noise without structure.

    Parameters
    ----------
    level : float
        Fraction of the beam that reaches the detector everywhere; ``background_variation`` of the imaging,
        here in units of the level, makes it vary slowly.
    %(random_state)s
    **imaging
        Parameters of :class:`Imaging`, such as ``shape``, ``pixel_size``, ``dose`` or ``read_noise``.

    Returns
    -------
    %(image)s
    truth : Truth
        Without columns.

    Examples
    --------
    >>> from hyperspy_motifs.data import noise
    >>> image, truth = noise(shape=(96, 128), dose=1e4)
    >>> len(truth.positions)
    0
    """
    if not level >= 0:
        raise ValueError(f"level={level} must be 0 or more.")
    optics = Imaging.of({}, imaging)
    slow = slow_field(optics.shape, np.random.default_rng([random_state, 2]))
    expected = level * (1.0 + optics.background_variation * 0.5 * (1.0 + slow))
    truth = Truth(
        positions=np.zeros((0, 2)),
        labels=np.zeros(0, dtype=int),
        names=[],
        extra={
            "noise_free": (expected * optics.electrons_per_pixel).astype(np.float32),
            "rotation": optics.rotation,
        },
    )
    image = detect(expected, optics, random_state)
    return image_signal(image, optics, "Simulated noise"), truth
