"""Oxides: perovskites with displaced columns, and an idealised complex oxide of the M1 type."""

from functools import lru_cache

import numpy as np
from scipy.optimize import least_squares

from ._imaging import Imaging, simulate_signal
from ._specimen import (
    Simulated,
    Specimen,
    atomic_number,
    bonds_within,
    family,
    find_rings,
    lattice_points,
)

# Lattice parameter in nm, A, B: cubic or nearly so.
MATERIALS = {"SrTiO3": (0.3905, "Sr", "Ti"), "BaTiO3": (0.4, "Ba", "Ti"), "PbTiO3": (0.395, "Pb", "Ti")}
# Twenty cells along the beam at 200 kV; an atom contributes less than in a monolayer at 60 kV.
PEROVSKITE_OPTICS = {
    "ADF": {"pixel_size": 0.014, "dose": 2e4, "scattering": 1e-5, "probe_size": 0.11},
    "ABF": {"pixel_size": 0.014, "dose": 2e4, "scattering": 5e-3, "probe_size": 0.09, "tails": 0.05},
}
# Thickness of the specimen in unit cells: some 8 nm.
PEROVSKITE_CELLS = 20


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
        counts=np.full(len(points) + int(b_column.sum()), float(PEROVSKITE_CELLS)),
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
    **imaging: object,
) -> Simulated:
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
        ``extra["displacement"]`` (n, 2) in nm, along the axes of the specimen. ``extra["unlabelled"]`` (m, 2) in pixels
        are the columns of oxygen in annular dark field: finding them is no error. Cells: squares of four A columns.

    Examples
    --------
    >>> from hyperspy_motifs.data import perovskite
    >>> image, truth = perovskite(detector="ABF", shape=(200, 240))
    >>> truth.names
    ['Sr', 'Ti_plus_y', 'Ti_minus_y', 'O']
    """
    optics = Imaging.of(PEROVSKITE_OPTICS.get(detector, {}), {**imaging, "detector": detector})
    specimen = perovskite_specimen(material, optics.reach, displacement, wall_width, detector == "ABF")
    specimen = specimen.displaced(disorder, random_state)
    return simulate_signal(specimen, optics, f"Simulated {material} in {detector}", random_state)


OPTICS = {"shape": (768, 768), "pixel_size": 0.012, "dose": 2e4, "scattering": 1e-5}
CELL = np.array([2.113, 2.666])
# Thickness of the specimen in unit cells: 6 nm.
CELLS_ALONG_BEAM = 15
# Site: start of the relaxation (fractions of the cell, two digits), fraction of vanadium, occupancy. The
# first six are the pentagonal unit, then the linkers, two of them on two-fold axes, then the centres of the
# channels.
SITES = {
    "unit_centre": ((0.14, 0.32), 0.0, 1.0),
    "unit_ring_1": ((0.29, 0.34), 0.0, 1.0),
    "unit_ring_2": ((0.16, 0.44), 0.0, 1.0),
    "unit_ring_3": ((0.00, 0.37), 0.0, 1.0),
    "unit_ring_4": ((0.04, 0.22), 0.0, 1.0),
    "unit_ring_5": ((0.22, 0.21), 0.0, 1.0),
    "linker_1": ((0.33, 0.48), 0.45, 1.0),
    "linker_2": ((0.38, 0.22), 0.25, 1.0),
    "linker_3": ((0.12, 0.10), 0.3, 1.0),
    "axis_linker_1": ((0.0, 0.0), 0.65, 1.0),
    "axis_linker_2": ((0.0, 0.5), 0.4, 1.0),
    "hexagon_channel": ((0.45, 0.38), 0.0, 0.85),
    "heptagon_channel": ((0.18, 0.58), 0.0, 0.45),
}
NAMES = list(SITES)
# Numbers of sites in `NAMES`.
CENTRE, AXIS, CHANNELS = 0, (9, 10), (11, 12)
# Distances of metals in nm: centre to ring of a unit (shared edges), neighbours in its ring, shared corners
# elsewhere, and from a channel's centre to the metals around it.
UNIT, CORNER, HEXAGON, HEPTAGON = 0.33, 0.362, 0.348, 0.405
UNIT_RING = 2.0 * UNIT * np.sin(np.pi / 5.0)
# Longest distance of bonded columns in nanometres.
LONGEST = 0.42


def equivalent_sites(fractional: np.ndarray) -> np.ndarray:
    """Positions (4, n, 2) equivalent to fractional ones (n, 2) in p2gg: identity, two-fold rotation and two glides."""
    x, y = fractional.T
    copies = [(x, y), (-x, -y), (0.5 + x, 0.5 - y), (0.5 - x, 0.5 + y)]
    return np.stack([np.column_stack(copy) for copy in copies])


def _neighbours(fractional: np.ndarray) -> tuple[np.ndarray, ...]:
    """Neighbouring pairs: site, other site, operation and cell of the other, ideal distance."""
    copies = equivalent_sites(fractional)
    ideal = {11: HEXAGON, 12: HEPTAGON}
    rows = []
    for i in range(len(fractional)):
        for operation in range(4):
            apart = copies[operation] - fractional[i]
            cell = -np.rint(apart)
            length = np.linalg.norm((apart + cell) * CELL, axis=1)
            for j in map(int, np.flatnonzero((length > 0.01) & (length < LONGEST + 0.04))):
                channels = [k for k in (i, j) if k in CHANNELS]
                if len(channels) > 1 or (not channels and length[j] > LONGEST):
                    continue
                in_unit = max(i, j) < 6 and operation == 0
                plain = (UNIT if CENTRE in (i, j) else UNIT_RING) if in_unit else CORNER
                rows.append((i, j, operation, *cell[j], ideal[channels[0]] if channels else plain))
    table = np.array(rows)
    return (*table[:, :3].astype(int).T, table[:, 3:5], table[:, 5])


@lru_cache(maxsize=1)
def site_coordinates() -> np.ndarray:
    """Fractional coordinates (13, 2) of the sites in the order of `NAMES`, relaxed by springs.

    An idealised model, not a refinement: the network of neighbours of the M1 phase, with all distances of a kind relaxed to one
    length. The two sites on two-fold axes stay there.
    """
    start = np.array([SITES[name][0] for name in NAMES])
    first, second, operation, cell, ideal = _neighbours(start)
    free = np.setdiff1d(np.arange(len(start)), AXIS)
    # Channels only keep their rings open: oxygen holds the metals, but not the atoms in channels.
    stiffness = np.where(np.isin(first, CHANNELS) | np.isin(second, CHANNELS), 0.5, 1.0)

    def stretch(unknown: np.ndarray) -> np.ndarray:
        sites = start.copy()
        sites[free] = unknown.reshape(-1, 2)
        apart = equivalent_sites(sites)[operation, second] + cell - sites[first]
        return stiffness * (np.linalg.norm(apart * CELL, axis=1) - ideal)

    sites = start.copy()
    sites[free] = least_squares(stretch, start[free].ravel(), method="lm").x.reshape(-1, 2)
    return sites


def m1_oxide_specimen(
    reach: float,
    metal: str = "Mo",
    channel: str = "Te",
    empty_channels: float = 0.15,
    random_state: int = 0,
) -> Specimen:
    """Metal columns of the idealised oxide along its short axis, in a disc.

    Parameters
    ----------
    reach : float
        Radius of the disc in nm.
    metal, channel, empty_channels
        See :func:`m1_oxide`.
    random_state : int
        Seed of the empty channels and of the vanadium in each column.

    Returns
    -------
    Specimen
        Labels: the thirteen sites. Cells: pentagonal units (the corners of the ring, without the centre), triangles,
        and hexagonal and heptagonal channels, filled or empty. ``per_column["operation"]`` is the operation of the
        plane group from the site to the column (2 and 3 are glides), ``per_column["vanadium"]`` the fraction of
        vanadium in the column, ``markers["vacancies"]`` the centres of empty channels.
    """
    if not 0 <= empty_channels <= 1:
        raise ValueError(f"empty_channels={empty_channels} is a fraction; it must be 0 to 1.")
    copies = equivalent_sites(site_coordinates())
    site = np.tile(np.arange(len(NAMES)), 4)
    operation = np.repeat(np.arange(4), len(NAMES))
    # The two operations that keep a two-fold axis would count its column twice.
    distinct = ~(np.isin(site, AXIS) & np.isin(operation, (1, 3)))
    basis = copies.reshape(-1, 2)[distinct]
    points, row = lattice_points(np.diag(CELL), basis, reach)
    labels, operation = site[distinct][row], operation[distinct][row]
    rng = np.random.default_rng([random_state, 0])
    empty = np.isin(labels, CHANNELS) & (rng.random(len(points)) < empty_channels)
    vacancies = points[empty]
    points, labels, operation = points[~empty], labels[~empty], operation[~empty]
    vanadium_here = np.array([SITES[name][1] for name in NAMES])[labels]
    occupancy = np.array([SITES[name][2] for name in NAMES])[labels]
    vanadium = rng.binomial(CELLS_ALONG_BEAM, vanadium_here) / CELLS_ALONG_BEAM
    z = np.full(len(NAMES), atomic_number(metal))
    z[CENTRE] = atomic_number("Nb")
    z[list(CHANNELS)] = atomic_number(channel)
    rings, cell_types, cell_names = _cells(points, labels, vacancies)
    every = np.arange(len(points))
    return Specimen(
        positions=points,
        labels=labels,
        names=list(NAMES),
        column=np.concatenate([every, every]),
        numbers=np.concatenate([z[labels], np.full(len(points), atomic_number("V"))]),
        counts=CELLS_ALONG_BEAM * np.concatenate([occupancy * (1.0 - vanadium), occupancy * vanadium]),
        cells=rings,
        cell_types=cell_types,
        cell_names=cell_names,
        per_column={"operation": operation, "vanadium": vanadium},
        markers={"vacancies": vacancies},
    )


def _cells(
    points: np.ndarray, labels: np.ndarray, vacancies: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray, list[str]]:
    """Rings of the net of metals without the centres of the units, and their classes."""
    names = ["triangle", "pentagonal_unit", "hexagon", "hexagon_empty", "heptagon", "heptagon_empty"]
    plain = {3: 0, 5: 1, 6: 2, 7: 4}
    net = np.flatnonzero((labels != CENTRE) & ~np.isin(labels, CHANNELS))
    rings = [net[ring] for ring in find_rings(points[net], bonds_within(points[net], LONGEST))]
    # At the rim of the disc rings of any size may occur.
    rings = [ring for ring in rings if len(ring) in plain]
    types = np.array([plain[len(ring)] for ring in rings], dtype=int)
    centres = np.array([points[ring].mean(axis=0) for ring in rings]).reshape(-1, 2)
    for k in np.flatnonzero(types >= 2):
        if len(vacancies) and np.linalg.norm(vacancies - centres[k], axis=1).min() < 0.5 * UNIT:
            types[k] += 1
    return rings, types, names


@family
def m1_oxide(
    *,
    metal: str = "Mo",
    channel: str = "Te",
    empty_channels: float = 0.15,
    disorder: float = 0.003,
    random_state: int = 0,
    **imaging: object,
) -> Simulated:
    """Simulate an idealised complex oxide of the M1 type (Mo-V-Te-Nb-O) along its short axis.

    %(model)s It does not include oxygen. Pentagonal units, linked by further octahedra, enclose channels of six and
    of seven metals. The coordinates are those of an idealised model with the topology of the phase, relaxed by
    springs, and not of a refined crystal structure: errors may be some hundredths of a nanometre. The fractions of
    vanadium and of filled channels are only indicative.

    Parameters
    ----------
    metal, channel : str
        Symbols of the main metal and of the element in the channels.
    empty_channels : float
        Fraction of the channels, of six and of seven metals, that are empty.
    %(rest)s
    truth : Truth
        Labels: the thirteen sites, each of which occurs in four orientations (two for those on two-fold
        axes): ``extra["operation"]``, of which 2 and 3 are mirror images. ``extra["vanadium"]`` (n,) is the
        fraction of vanadium, ``extra["vacancies"]`` the centres of empty channels in pixels. Cells:
        ``"pentagonal_unit"``, ``"triangle"``, and hexagons and heptagons, filled or ``"..._empty"``; a
        unit's centre lies inside its pentagon and is no corner of a cell.

    Examples
    --------
    >>> from hyperspy_motifs.data import m1_oxide
    >>> image, truth = m1_oxide(shape=(300, 360), empty_channels=0.0)
    >>> len(truth.names)
    13
    """
    optics = Imaging.of(OPTICS, imaging)
    specimen = m1_oxide_specimen(optics.reach, metal, channel, empty_channels, random_state)
    specimen = specimen.displaced(disorder, random_state)
    return simulate_signal(specimen, optics, "Simulated M1-type oxide, idealised", random_state)
