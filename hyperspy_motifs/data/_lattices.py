"""Perfect lattices, and perovskites with displaced columns."""

from typing import Any

import numpy as np

from ._imaging import Imaging, simulate_signal
from ._rings import bonds_within, find_rings, group_names
from ._specimen import Specimen, Truth, atomic_number, family, lattice_points

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
    cell_types, cell_names = group_names([f"ring{len(ring)}" for ring in rings])
    n = len(points)
    return Specimen(
        positions=points,
        labels=site,
        names=list(names),
        column=np.arange(n),
        numbers=np.full(n, atomic_number(element)),
        counts=np.ones(n),
        cells=rings,
        cell_types=cell_types,
        cell_names=cell_names,
    )


@family
def lattice(
    kind: str = "triangular",
    *,
    spacing: float = 0.25,
    element: str = "Mo",
    disorder: float = 0.0,
    random_state: int = 0,
    **imaging: Any,
) -> tuple[Any, Truth]:
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
    %(disorder)s
    %(random_state)s
    %(imaging)s

    Returns
    -------
    %(image)s
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


# Lattice parameter in nm, A, B: cubic or nearly so.
MATERIALS = {"SrTiO3": (0.3905, "Sr", "Ti"), "BaTiO3": (0.4, "Ba", "Ti"), "PbTiO3": (0.395, "Pb", "Ti")}
# Twenty cells along the beam at 200 kV; an atom contributes less than in a monolayer at 60 kV.
OPTICS = {
    "ADF": {"pixel_size": 0.014, "dose": 2e4, "scattering": 1e-5, "probe_size": 0.11},
    "ABF": {"pixel_size": 0.014, "dose": 2e4, "scattering": 5e-3, "probe_size": 0.09, "tails": 0.05},
}
# Thickness of the specimen in unit cells: some 8 nm.
CELLS_ALONG_BEAM = 20


def perovskite_specimen(
    material: str,
    reach: float,
    displacement: float = 0.013,
    wall_width: float = 0.25,
    oxygen: bool = False,
) -> Specimen:
    """Columns of a perovskite along [001] with a 180 degree domain wall at x = 0, in a disc.

    Parameters
    ----------
    material, displacement, wall_width
        See :func:`perovskite`.
    reach : float
        Radius of the disc in nm.
    oxygen : bool
        Whether columns of oxygen only are part of the truth. They are always part of the specimen.

    Returns
    -------
    Specimen
        Labels A, B displaced to larger y, B displaced to smaller y, and O if requested. The displacement
        of every column is in ``per_column["displacement"]``, x, y in nm. Cells: squares of four A columns.
    """
    if material not in MATERIALS:
        raise ValueError(f"material={material!r} is unknown; choose one of {', '.join(MATERIALS)}.")
    if not wall_width > 0:
        raise ValueError(f"wall_width={wall_width} nm must be positive.")
    parameter, a_site, b_site = MATERIALS[material]
    basis = np.array([[0.0, 0.0], [0.5, 0.5], [0.5, 0.0], [0.0, 0.5]])
    points, site = lattice_points(parameter * np.eye(2), basis, reach)
    b_column = site == 1
    shift = np.zeros_like(points)
    shift[b_column, 1] = displacement * np.tanh(points[b_column, 0] / wall_width)
    labels = np.array([0, 1, 3, 3])[site]
    labels[b_column & (shift[:, 1] < 0)] = 2
    if not oxygen:
        labels[labels == 3] = -1
    every = np.arange(len(points))
    # Oxygen is in the B columns and in separate columns.
    own = np.array([atomic_number(a_site), atomic_number(b_site), 8, 8])[site]
    corners = _squares(points, site, parameter)
    return Specimen(
        positions=points + shift,
        labels=labels,
        names=[a_site, f"{b_site}_plus_y", f"{b_site}_minus_y", *(["O"] if oxygen else [])],
        column=np.concatenate([every, every[b_column]]),
        numbers=np.concatenate([own, np.full(b_column.sum(), 8)]),
        counts=np.full(len(points) + int(b_column.sum()), float(CELLS_ALONG_BEAM)),
        cells=corners,
        cell_types=np.zeros(len(corners), dtype=int),
        cell_names=["A_square"],
        per_column={"displacement": shift},
    )


def _squares(points: np.ndarray, site: np.ndarray, parameter: float) -> list[np.ndarray]:
    """Squares of A columns, counter-clockwise."""
    a_column = np.flatnonzero(site == 0)
    cell = np.rint(points[a_column] / parameter).astype(int)
    corner = {(int(i), int(j)): int(column) for column, (i, j) in zip(a_column, cell, strict=True)}
    turn = ((0, 0), (1, 0), (1, 1), (0, 1))
    rings = ([corner.get((i + di, j + dj)) for di, dj in turn] for i, j in corner)
    return [np.array(ring) for ring in rings if None not in ring]


@family
def perovskite(
    material: str = "SrTiO3",
    *,
    detector: str = "ADF",
    displacement: float = 0.013,
    wall_width: float = 0.25,
    disorder: float = 0.0015,
    random_state: int = 0,
    **imaging: Any,
) -> tuple[Any, Truth]:
    """Simulate a perovskite along [001] with a ferroelectric domain wall, in bright or dark contrast.

    %(model)s; annular bright field in particular is only an absorption that increases weakly with the atomic number.
    The wall is ideal, runs through the centre of the image along y for a rotation of 0, and only B columns are
    displaced.

    Parameters
    ----------
    material : {"SrTiO3", "BaTiO3", "PbTiO3"}
    detector : {"ADF", "ABF"}
        Annular dark field: bright columns, those of oxygen too weak to be part of the truth. Annular bright
        field: dark columns, oxygen among them.
    displacement : float
        Displacement of the B column from the centre of its cell along y, in nm; the sign changes at the wall.
    wall_width : float
        The displacement follows tanh(x / `wall_width`), in nm.
    %(disorder)s
    %(random_state)s
    **imaging
        Further parameters of :class:`Imaging`, such as ``shape``, ``pixel_size``, ``dose`` or ``rotation``.

    Returns
    -------
    %(image)s
    truth : Truth
        Labels: A, B displaced to larger or to smaller y, and O in annular bright field.
        ``extra["displacement"]`` (n, 2) in nm, along the axes of the specimen. Cells: squares of four A
        columns.

    Examples
    --------
    >>> from hyperspy_motifs.data import perovskite
    >>> image, truth = perovskite(detector="ABF", shape=(200, 240))
    >>> truth.names
    ['Sr', 'Ti_plus_y', 'Ti_minus_y', 'O']
    """
    optics = Imaging.of(OPTICS.get(detector, {}), {**imaging, "detector": detector})
    specimen = perovskite_specimen(material, optics.reach, displacement, wall_width, detector == "ABF")
    specimen = specimen.displaced(disorder, random_state)
    return simulate_signal(specimen, optics, f"Simulated {material} in {detector}", random_state)
