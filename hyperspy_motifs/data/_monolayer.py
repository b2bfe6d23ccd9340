"""Monolayers of transition metal dichalcogenides with point defects."""

from typing import Any

import numpy as np

from ._imaging import Imaging
from ._rings import bonds_within, find_rings, group_names
from ._signal import simulate_signal
from ._specimen import Specimen, atomic_number, lattice_points
from ._truth import Truth

# Metal, chalcogen, lattice parameter in nm of the 2H monolayers.
# T. Boker et al., Phys. Rev. B 64 (2001) 235305; R. G. Dickinson and L. Pauling, J. Am. Chem. Soc. 45 (1923)
# 1466; W. J. Schutte et al., J. Solid State Chem. 70 (1987) 207. Rounded.
MATERIALS = {
    "MoS2": ("Mo", "S", 0.316),
    "MoSe2": ("Mo", "Se", 0.329),
    "MoTe2": ("Mo", "Te", 0.352),
    "WS2": ("W", "S", 0.315),
    "WSe2": ("W", "Se", 0.328),
    "NbSe2": ("Nb", "Se", 0.344),
}


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
    metal_dopant: tuple[str, float] | None = ("W", 0.02),
    chalcogen_dopant: tuple[str, float] | None = ("S", 0.02),
    random_state: int = 0,
) -> Specimen:
    """Columns of a 2H monolayer in a disc, with point defects on random sites.

    Parameters
    ----------
    material : {"MoS2", "MoSe2", "MoTe2", "WS2", "WSe2", "NbSe2"}
    reach : float
        Radius of the disc in nm.
    vacancies : float
        Fraction of the chalcogen columns that miss one of their two atoms.
    double_vacancies : float
        Fraction of the chalcogen columns that miss both. No column is listed there; the site is in
        ``markers["vacancies"]``.
    metal_dopant : (str, float), optional
        An element and the fraction of the metal sites that it takes.
    chalcogen_dopant : (str, float), optional
        An element and the fraction of the chalcogen columns where it takes both sites.
    random_state : int
        Seed of the sites.

    Returns
    -------
    Specimen
        Labels: metal, full chalcogen pair, then single vacancies and dopants, as far as asked for. Cells:
        hexagons, and the larger rings round double vacancies.
    """
    metal, chalcogen, parameter = dichalcogenide(material)
    metal_fraction = metal_dopant[1] if metal_dopant else 0.0
    pair_fraction = chalcogen_dopant[1] if chalcogen_dopant else 0.0
    for name, fraction in (
        ("vacancies", vacancies), ("double_vacancies", double_vacancies),
        ("the fraction of metal_dopant", metal_fraction), ("the fraction of chalcogen_dopant", pair_fraction),
        ("the sum of all defects of the chalcogen sites", vacancies + double_vacancies + pair_fraction),
    ):  # fmt: skip
        if not 0 <= fraction <= 1:
            raise ValueError(f"{name} is {fraction}; it must lie between 0 and 1.")
    vectors = parameter * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    points, site = lattice_points(vectors, np.array([[0.0, 0.0], [1 / 3, 1 / 3]]), reach)
    chance = np.random.default_rng([random_state, 0]).random(len(points))
    names = [metal, f"{chalcogen}2", f"{chalcogen}1"]
    labels = site.copy()
    labels[(site == 1) & (chance < vacancies)] = 2
    edge = vacancies + double_vacancies
    empty = (site == 1) & (chance >= vacancies) & (chance < edge)
    z = np.array([atomic_number(metal), atomic_number(chalcogen), atomic_number(chalcogen)])
    count = np.array([1.0, 2.0, 1.0])
    if metal_dopant:
        labels[(site == 0) & (chance < metal_fraction)] = len(names)
        names.append(metal_dopant[0])
        z, count = np.append(z, atomic_number(metal_dopant[0])), np.append(count, 1.0)
    if chalcogen_dopant:
        labels[(site == 1) & (chance >= edge) & (chance < edge + pair_fraction)] = len(names)
        names.append(f"{chalcogen_dopant[0]}2")
        z, count = np.append(z, atomic_number(chalcogen_dopant[0])), np.append(count, 2.0)
    occupied = ~empty
    labels, kept = labels[occupied], points[occupied]
    used = np.isin(np.arange(len(names)), labels)
    bonds = _heteropolar_bonds(kept, site[occupied], parameter)
    rings = find_rings(kept, bonds)
    cell_types, cell_names = group_names([f"ring{len(ring)}" for ring in rings])
    return Specimen(
        positions=kept,
        labels=(np.cumsum(used) - 1)[labels],
        names=[name for name, ok in zip(names, used, strict=True) if ok],
        column=np.arange(len(kept)),
        numbers=z[labels],
        counts=count[labels],
        cells=rings,
        cell_types=cell_types,
        cell_names=cell_names,
        markers={"vacancies": points[empty]},
    )


def _heteropolar_bonds(points: np.ndarray, site: np.ndarray, parameter: float) -> np.ndarray:
    bonds = bonds_within(points, 0.75 * parameter)
    return bonds[site[bonds[:, 0]] != site[bonds[:, 1]]]


def monolayer(
    material: str = "MoSe2",
    *,
    vacancies: float = 0.04,
    double_vacancies: float = 0.01,
    metal_dopant: tuple[str, float] | None = ("W", 0.02),
    chalcogen_dopant: tuple[str, float] | None = ("S", 0.02),
    disorder: float = 0.002,
    random_state: int = 0,
    **imaging: Any,
) -> tuple[Any, Truth]:
    """Simulate a monolayer of a transition metal dichalcogenide with point defects.

    An incoherent-imaging model, no scattering simulation: see :class:`Imaging` for what it leaves out.
    Nothing relaxes round a defect.

    Parameters
    ----------
    material : {"MoS2", "MoSe2", "MoTe2", "WS2", "WSe2", "NbSe2"}
    vacancies, double_vacancies : float
        Fractions of the chalcogen columns that miss one or both of their atoms.
    metal_dopant : (str, float), optional
        An element and the fraction of the metal sites that it takes.
    chalcogen_dopant : (str, float), optional
        An element and the fraction of the chalcogen columns where it takes both sites.
    disorder : float
        Root mean square static displacement along x and along y, in nm.
    random_state : int
        Seed; the same seed gives the same image to the last bit.
    **imaging
        Parameters of :class:`Imaging`, such as ``shape``, ``pixel_size``, ``dose`` or ``rotation``.

    Returns
    -------
    image : AtomicImage
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
    parameters = {
        "function": "monolayer", "material": material, "vacancies": vacancies,
        "double_vacancies": double_vacancies,
        "metal_dopant": metal_dopant, "chalcogen_dopant": chalcogen_dopant, "disorder": disorder,
        "random_state": random_state,
    }  # fmt: skip
    return simulate_signal(specimen, optics, f"Simulated {material} monolayer", parameters)
