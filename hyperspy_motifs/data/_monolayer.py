"""A monolayer with point defects, a movie of one, and two monolayers with a relative rotation."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from scipy.ndimage import maximum_filter

from ._imaging import Imaging, expected_image, image_signal, simulate, simulate_signal
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
)

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
    """Metal, chalcogen and lattice parameter in nm of a dichalcogenide, such as ``"MoSe2"``."""
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
    """Choose the species on each site (n,) of a dichalcogenide: 0 for a metal site, 1 for a chalcogen column.

    Returns the index (n,) of each into the requested species, -1 for empty sites, and the name, element and number of atoms of
    each of these. The other arguments are those of :func:`monolayer_specimen`.
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
    """Columns of a dichalcogenide at points (n, 2) in nm, and the rings of bonds of metal and chalcogen up to `longest` nm.

    `site`, `labels` (-1 for an empty site, which becomes a marker) and `species` are those of :func:`place_defects`.
    """
    occupied = labels >= 0
    kept, held = points[occupied], labels[occupied]
    bonds = bonds_within(kept, longest)
    side = site[occupied][bonds]
    rings = find_rings(kept, bonds[side[:, 0] != side[:, 1]])
    return specimen_of(
        kept,
        held,
        [name for name, _, _ in species],
        np.array([atomic_number(element) for _, element, _ in species])[held],
        np.array([number for _, _, number in species])[held],
        rings,
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
    **imaging: object,
) -> Simulated:
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
    %(rest)s
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


@family
def beam_damage(
    material: str = "MoSe2",
    *,
    n_frames: int = 8,
    knock_on: float = 0.03,
    refill: float = 0.0,
    vacancies: float = 0.02,
    drift: tuple[float, float] = (0.0, 0.0),
    disorder: float = 0.002,
    random_state: int = 0,
    **imaging: object,
) -> Simulated:
    """Simulate a movie of a dichalcogenide that loses chalcogen under the beam.

    From frame to frame every chalcogen column loses one of its atoms with the probability `knock_on`, if it has any,
    and an incomplete column regains one with the probability `refill`.

    %(model)s

    Parameters
    ----------
    material : {"MoS2", "MoSe2", "MoTe2", "WS2", "WSe2", "NbSe2"}
    n_frames : int
    knock_on, refill : float
        Probabilities per frame and column.
    vacancies : float
        Fraction of the chalcogen columns that miss one atom in the first frame.
    drift : (float, float)
        Displacement of the specimen from frame to frame along x and along y, in nm.
    %(disorder)s
        The same in all frames.
    %(random_state)s
    %(imaging)s

    Returns
    -------
    image : AtomicImage
        Navigation axis: frames; signal axes x and y in nm.
    truth : Truth
        Columns of all frames, one frame after another. ``extra``: ``frame`` (n,) and ``site`` (n,), which is the same
        for a column in all frames; ``transitions`` (4, 4), the number of transitions of sites between states: metal,
        full pair, single vacancy, empty.

    Examples
    --------
    >>> from hyperspy_motifs.data import beam_damage
    >>> movie, truth = beam_damage(n_frames=3, shape=(100, 120))
    >>> movie
    <AtomicImage, title: Simulated MoSe2 under the beam, dimensions: (3|120, 100)>
    """
    for name, value in {"knock_on": knock_on, "refill": refill, "vacancies": vacancies}.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}; it must lie between 0 and 1.")
    if n_frames < 1:
        raise ValueError(f"n_frames is {n_frames}; at least one frame is needed.")
    metal, chalcogen, parameter = dichalcogenide(material)
    vectors = parameter * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    optics = Imaging.of({}, imaging)
    away = n_frames * np.hypot(*drift)
    points, site = lattice_points(vectors, np.array([[0.0, 0.0], [1 / 3, 1 / 3]]), optics.reach + away)
    points = points + disorder * np.random.default_rng([random_state, 7]).normal(size=points.shape)
    species = [(metal, metal, 1.0), (f"{chalcogen}2", chalcogen, 2.0), (f"{chalcogen}1", chalcogen, 1.0)]
    rng = np.random.default_rng([random_state, 11])
    pair = site == 1
    # 0 metal, 1 full, 2 single vacancy, 3 empty: each step from 1 removes one atom.
    state = np.where(pair, 1 + (rng.random(len(site)) < vacancies), 0)
    number = np.arange(len(points))
    frames, truths, seen_states = [], [], []
    for k in range(n_frames):
        if k:
            lost = pair & (state < 3) & (rng.random(len(site)) < knock_on)
            gained = pair & (state > 1) & ~lost & (rng.random(len(site)) < refill)
            state = state + lost - gained
        optics_k = Imaging.of({}, {**imaging, "frame": k})
        held = np.where(state < 3, state, -1)
        moved = points + (k - (n_frames - 1) / 2) * np.asarray(drift)
        specimen = dichalcogenide_specimen(moved, site, held, species, 0.75 * parameter)
        specimen.per_column["site"] = number[held >= 0]
        image, truth = simulate(specimen, optics_k, random_state)
        frames.append(image)
        truths.append(truth)
        seen_states.append(state)
    signal = image_signal(np.stack(frames), optics, f"Simulated {material} under the beam")
    return signal, _joined(truths, np.array(seen_states))


def _joined(truths: list[Truth], states: np.ndarray) -> Truth:
    """One truth of all frames, and the transitions of the sites that were in the field before and may be after."""
    transitions = np.zeros((4, 4), int)
    for before, after, here in zip(states[:-1], states[1:], truths[:-1], strict=True):
        seen = here.extra["site"]
        np.add.at(transitions, (before[seen], after[seen]), 1)
    return Truth(
        positions=np.concatenate([t.positions for t in truths]),
        labels=np.concatenate([t.labels for t in truths]),
        names=truths[0].names,
        extra={
            "frame": np.repeat(np.arange(len(truths)), [len(t.positions) for t in truths]),
            "site": np.concatenate([t.extra["site"] for t in truths]),
            "transitions": transitions,
            "noise_free": np.stack([t.extra["noise_free"] for t in truths]),
            "rotation": truths[0].extra["rotation"],
        },
    )


# At 80 kV an atom contributes less than at 60 kV.
OPTICS = {"shape": (768, 768), "pixel_size": 0.011, "dose": 4e5, "scattering": 3e-5, "probe_size": 0.11}
# Stackings of high symmetry: shift of the upper metal from the lower metal, in fractions of the lattice
# vectors.
STACKINGS = {"AA": (0.0, 0.0), "AB": (1 / 3, 1 / 3), "BA": (2 / 3, 2 / 3)}
CHALCOGEN = (1 / 3, 1 / 3)


def lattice_vectors(parameter: float) -> np.ndarray:
    """Vectors of a hexagonal layer, 60 degrees apart, as rows (2, 2)."""
    return parameter * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])


def _turn(degrees: float) -> np.ndarray:
    """Matrix that rotates row vectors from x towards y."""
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def moire_period(parameter: float, twist: float) -> float:
    """Period of the moire of two equal lattices rotated by `twist` degrees, a / (2 sin(twist / 2))."""
    return parameter / (2.0 * float(np.sin(np.deg2rad(abs(twist)) / 2.0)))


def registry(points: np.ndarray, parameter: float, twist: float) -> np.ndarray:
    """Local shift (n, 2) of the upper metal from the lower metal, in fractions 0 to 1 of the lattice vectors.

    Where the lattice coordinates of a point (n, 2) in the lower and in the upper layer are f and g, the metals of the layers
    lie where f and g are integers, and the upper ones are shifted by f - g. The origin is an axis through metal over metal, and
    each layer is rotated by half of the twist in degrees.
    """
    inverse = np.linalg.inv(lattice_vectors(parameter))
    lower, upper = (points @ _turn(-side * twist / 2.0) @ inverse for side in (-1, 1))
    return (lower - upper) % 1.0


def registry_distance(shift: np.ndarray, parameter: float) -> np.ndarray:
    """Distances (n, 3) of registries (n, 2), fractions of the lattice vectors, to the stackings AA, AB and BA."""
    vectors = lattice_vectors(parameter)
    images = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)])
    stackings = np.array(list(STACKINGS.values()))
    apart = (shift[:, None, None] - stackings[None, :, None] + images[None, None]) @ vectors
    return np.linalg.norm(apart, axis=-1).min(axis=2)


def twisted_bilayer_specimen(material: str, reach: float, twist: float) -> Specimen:
    """Columns of both layers of a twisted bilayer, in a disc.

    Parameters
    ----------
    material : str
        A dichalcogenide, see :func:`monolayer`.
    reach : float
        Radius of the disc in nm.
    twist : float
        Rotation of the upper relative to the lower layer in degrees, half of it for each, from parallel stacking.

    Returns
    -------
    Specimen
        Columns of both layers, labelled by species, including overlapping ones; ``per_column["layer"]`` is 0 or
        1. Metal is above metal at the origin.
    """
    metal, chalcogen, parameter = dichalcogenide(material)
    z = np.array([atomic_number(metal), atomic_number(chalcogen)])
    points, site = lattice_points(lattice_vectors(parameter), np.array([(0.0, 0.0), CHALCOGEN]), reach)
    layer = np.repeat([0, 1], len(points))
    labels = np.tile(site, 2)
    both = np.concatenate([points @ _turn(-twist / 2.0), points @ _turn(twist / 2.0)])
    names, counts = [metal, f"{chalcogen}2"], np.array([1.0, 2.0])[labels]
    return specimen_of(both, labels, names, z[labels], counts, per_column={"layer": layer})


def find_maxima(image: np.ndarray) -> np.ndarray:
    """Maxima x, y (n, 2) in pixels of a positive image without noise.

    They are refined by parabolas along rows and columns through the logarithm, exact for a single Gaussian.
    """
    row, column = np.nonzero(image == maximum_filter(image, size=3))
    inside = (row > 0) & (row < image.shape[0] - 1) & (column > 0) & (column < image.shape[1] - 1)
    row, column = row[inside], column[inside]
    height = np.log(image)

    def vertex(before: np.ndarray, here: np.ndarray, after: np.ndarray) -> np.ndarray:
        return 0.5 * (before - after) / (before - 2.0 * here + after)

    middle = height[row, column]
    x = column + vertex(height[row, column - 1], middle, height[row, column + 1])
    y = row + vertex(height[row - 1, column], middle, height[row + 1, column])
    return np.column_stack([x, y])


@family
def twisted_bilayer(
    material: str = "MoS2",
    *,
    twist: float = 3.0,
    disorder: float = 0.0015,
    random_state: int = 0,
    **imaging: object,
) -> Simulated:
    """Simulate a twisted bilayer, whose local stacking changes gradually across the moire.

    %(model)s The
    layers are rigid: there is no relaxation towards stackings of low energy.

    Parameters
    ----------
    material : {"MoS2", "MoSe2", "MoTe2", "WS2", "WSe2", "NbSe2"}
    twist : float
        Rotation of the upper relative to the lower layer in degrees, from parallel stacking; more than 0, at most 30.
    %(rest)s
    truth : Truth
        Columns of the two layers overlap, so the positions are the maxima of the image without noise.
        Labels: the nearest of the stackings AA, AB and BA, a discretisation of a continuous quantity. In
        ``extra``: ``registry`` (n, 2), the local shift of the upper metal from the lower in fractions of the
        lattice vectors; ``registry_distance`` (n, 3) to the three stackings in nm; ``moire_vectors`` (2, 2)
        as rows in nm, before rotation and distortion; ``moire_period`` in nm; ``columns`` (k, 2) in pixels,
        ``column_species`` and ``layer`` (k,) of all columns.

    Examples
    --------
    >>> from hyperspy_motifs.data import twisted_bilayer
    >>> image, truth = twisted_bilayer(twist=5.0, shape=(300, 360))
    >>> print(round(truth.extra["moire_period"], 2))
    3.62
    """
    if not 0 < twist <= 30:
        raise ValueError(f"twist={twist} degrees must be more than 0 and at most 30.")
    optics = Imaging.of(OPTICS, imaging)
    parameter = dichalcogenide(material)[2]
    specimen = twisted_bilayer_specimen(material, optics.reach, twist).displaced(disorder, random_state)
    image, columns = simulate(specimen, optics, random_state)
    steady = replace(optics, row_jitter=0.0, contrast_variation=0.0, background_variation=0.0)
    maxima = find_maxima(expected_image(specimen, steady, random_state))
    shift = registry(optics.to_specimen(maxima, random_state), parameter, twist)
    apart = registry_distance(shift, parameter)
    across = (_turn(twist / 2.0) - _turn(-twist / 2.0)) @ np.linalg.inv(lattice_vectors(parameter))
    truth = Truth(
        positions=maxima,
        labels=apart.argmin(axis=1),
        names=list(STACKINGS),
        extra={
            **columns.extra,
            "registry": shift,
            "registry_distance": apart,
            "moire_vectors": np.linalg.inv(across),
            "moire_period": moire_period(parameter, twist),
            "columns": columns.positions,
            "column_species": np.array(columns.names)[columns.labels],
        },
    )
    return image_signal(image, optics, f"Simulated twisted bilayer of {material}"), truth
