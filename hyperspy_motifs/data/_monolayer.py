"""Monolayers of transition metal dichalcogenides with point defects."""

from typing import Any, Literal

import numpy as np

from ._family import family
from ._imaging import Imaging
from ._rings import bonds_within, find_rings, group_names
from ._signal import simulate_signal
from ._specimen import Specimen, atomic_number, lattice_points
from ._truth import Truth

# Metal, chalcogen, lattice parameter in nm: those of the 2H crystals, rounded. Of molybdenum after T. Boker et al.,
# Phys. Rev. B 64 (2001) 235305; of tungsten after W. J. Schutte et al., J. Solid State Chem. 70 (1987) 207; NbSe2
# after M. Marezio et al., J. Solid State Chem. 4 (1972) 425.
MATERIALS = {
    "MoS2": ("Mo", "S", 0.316),
    "MoSe2": ("Mo", "Se", 0.329),
    "MoTe2": ("Mo", "Te", 0.352),
    "WS2": ("W", "S", 0.315),
    "WSe2": ("W", "Se", 0.328),
    "NbSe2": ("Nb", "Se", 0.344),
}


# Substitution at random: an element and the fraction of the sites; "auto" is 2 % of an isovalent one.
Dopant = tuple[str, float] | Literal["auto"] | None
ISOVALENT = {"Mo": "W", "W": "Mo", "Nb": "Ta", "S": "Se", "Se": "S", "Te": "Se"}


def dichalcogenide(material: str) -> tuple[str, str, float]:
    """Metal, chalcogen and lattice parameter of a dichalcogenide.

    Parameters
    ----------
    material : str
        For example ``"MoSe2"``.

    Returns
    -------
    metal, chalcogen : str
    parameter : float
        In nm.

    Raises
    ------
    ValueError
        If the material is not in the table.
    """
    if material not in MATERIALS:
        raise ValueError(f"material={material!r} is unknown; choose one of {', '.join(MATERIALS)}.")
    return MATERIALS[material]


def monolayer_specimen(
    material: str,
    reach: float,
    vacancies: float = 0.04,
    double_vacancies: float = 0.01,
    metal_dopant: Dopant = "auto",
    chalcogen_dopant: Dopant = "auto",
    random_state: int = 0,
) -> Specimen:
    """Columns of a 2H monolayer in a disc, with point defects on random sites.

    Parameters
    ----------
    material, vacancies, double_vacancies, metal_dopant, chalcogen_dopant
        See :func:`monolayer`.
    reach : float
        Radius of the disc in nm.
    random_state : int
        Seed of the sites.

    Returns
    -------
    Specimen
        Labels: metal, full chalcogen pair, then single vacancies and dopants, if requested. Columns without atoms are
        not listed; the site is in ``markers["vacancies"]``. Cells: hexagons, and the larger rings round double
        vacancies.
    """
    parameter = dichalcogenide(material)[2]
    vectors = parameter * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    points, site = lattice_points(vectors, np.array([[0.0, 0.0], [1 / 3, 1 / 3]]), reach)
    species = place_defects(
        site, material, vacancies, double_vacancies, metal_dopant, chalcogen_dopant, random_state
    )
    return dichalcogenide_specimen(points, site, *species, 0.75 * parameter)


def place_defects(
    site: np.ndarray,
    material: str,
    vacancies: float = 0.0,
    double_vacancies: float = 0.0,
    metal_dopant: Dopant = None,
    chalcogen_dopant: Dopant = None,
    random_state: int = 0,
) -> tuple[np.ndarray, list[tuple[str, str, float]]]:
    """Choose the species on each site of a dichalcogenide.

    Parameters
    ----------
    site : (n,) int array
        0 for a metal site, 1 for a chalcogen column.
    material, vacancies, double_vacancies, metal_dopant, chalcogen_dopant, random_state
        See :func:`monolayer_specimen`.

    Returns
    -------
    labels : (n,) int array
        Index into `species`, -1 for empty sites.
    species : list of (str, str, float)
        Name, element and number of atoms of each requested class.
    """
    metal, chalcogen, _ = dichalcogenide(material)
    substitutes = []
    for host, dopant in ((metal, metal_dopant), (chalcogen, chalcogen_dopant)):
        element, fraction = (ISOVALENT[host], 0.02) if dopant == "auto" else dopant or (host, 0.0)
        if element == host and fraction > 0:
            raise ValueError(f"{host} cannot be a dopant of {material}; give another element, or None.")
        substitutes.append((element, fraction))
    (metal_element, metal_fraction), (pair_element, pair_fraction) = substitutes
    edge = vacancies + double_vacancies
    for name, fraction in {
        "vacancies": vacancies,
        "double_vacancies": double_vacancies,
        "the fraction of metal_dopant": metal_fraction,
        "the fraction of chalcogen_dopant": pair_fraction,
        "the sum of all defects of the chalcogen columns": edge + pair_fraction,
    }.items():
        if not 0 <= fraction <= 1:
            raise ValueError(f"{name} is {fraction}; it must lie between 0 and 1.")
    chance = np.random.default_rng([random_state, 0]).random(len(site))
    labels = site.copy()
    labels[(site == 1) & (chance >= vacancies) & (chance < edge)] = -1
    species = [(metal, metal, 1.0), (f"{chalcogen}2", chalcogen, 2.0)]
    for name, element, number, which, low, high in (
        (f"{chalcogen}1", chalcogen, 1.0, 1, 0.0, vacancies),
        (metal_element, metal_element, 1.0, 0, 0.0, metal_fraction),
        (f"{pair_element}2", pair_element, 2.0, 1, edge, edge + pair_fraction),
    ):
        if high > low:
            labels[(site == which) & (chance >= low) & (chance < high)] = len(species)
            species.append((name, element, number))
    return labels, species


def dichalcogenide_specimen(
    points: np.ndarray,
    site: np.ndarray,
    labels: np.ndarray,
    species: list[tuple[str, str, float]],
    longest: float,
) -> Specimen:
    """Columns of a dichalcogenide, and the rings of its bonds between metal and chalcogen.

    Parameters
    ----------
    points : (n, 2) array
        x, y of all sites in nm.
    site : (n,) int array
        0 for a metal site, 1 for a chalcogen column.
    labels : (n,) int array
        Index into `species`, -1 for an empty site, which becomes a marker.
    species : list of (str, str, float)
        Name, element and number of atoms of each class.
    longest : float
        Longest bond in nm.

    Returns
    -------
    Specimen
    """
    occupied = labels >= 0
    kept, held = points[occupied], labels[occupied]
    bonds = bonds_within(kept, longest)
    side = site[occupied][bonds]
    rings = find_rings(kept, bonds[side[:, 0] != side[:, 1]])
    cell_types, cell_names = group_names([f"ring{len(ring)}" for ring in rings])
    return Specimen(
        positions=kept,
        labels=held,
        names=[name for name, _, _ in species],
        column=np.arange(len(kept)),
        numbers=np.array([atomic_number(element) for _, element, _ in species])[held],
        counts=np.array([number for _, _, number in species])[held],
        cells=rings,
        cell_types=cell_types,
        cell_names=cell_names,
        markers={"vacancies": points[~occupied]},
    )


@family
def monolayer(
    material: str = "MoSe2",
    *,
    vacancies: float = 0.04,
    double_vacancies: float = 0.01,
    metal_dopant: Dopant = "auto",
    chalcogen_dopant: Dopant = "auto",
    disorder: float = 0.002,
    random_state: int = 0,
    **imaging: Any,
) -> tuple[Any, Truth]:
    """Simulate a monolayer of a transition metal dichalcogenide with point defects.

    %(model)s
    There is no relaxation around defects.

    Parameters
    ----------
    material : {"MoS2", "MoSe2", "MoTe2", "WS2", "WSe2", "NbSe2"}
    vacancies, double_vacancies : float
        Fractions of the chalcogen columns that miss one or both of their atoms.
    metal_dopant : (str, float), "auto" or None
        An element and the fraction of the metal sites that it takes. ``"auto"``: 2 % of an isovalent one.
    chalcogen_dopant : (str, float), "auto" or None
        An element and the fraction of the chalcogen columns where it takes both sites.
    %(disorder)s
    %(random_state)s
    %(imaging)s

    Returns
    -------
    %(image)s
    truth : Truth
        Labels by species: metal, full pair, single vacancy, dopants. ``extra["vacancies"]`` holds the sites
        of double vacancies, (j, 2) in pixels.

    Examples
    --------
    >>> from hyperspy_motifs.data import monolayer
    >>> image, truth = monolayer("WSe2", metal_dopant=("Cr", 0.01), chalcogen_dopant=None, shape=(200, 240))
    >>> truth.names
    ['W', 'Se2', 'Se1', 'Cr']
    """
    optics = Imaging.of({}, imaging)
    specimen = monolayer_specimen(
        material, optics.reach, vacancies, double_vacancies, metal_dopant, chalcogen_dopant, random_state
    ).displaced(disorder, random_state)
    return simulate_signal(specimen, optics, f"Simulated {material} monolayer", random_state)
