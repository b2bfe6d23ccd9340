"""Mirror twin boundaries of dichalcogenide monolayers."""

from typing import Any

import numpy as np

from ._family import family
from ._imaging import Imaging
from ._monolayer import Dopant, dichalcogenide, dichalcogenide_specimen, place_defects
from ._rings import vertex_figures
from ._signal import simulate_signal
from ._specimen import Specimen, lattice_points
from ._truth import Truth

BOUNDARIES = ("4|4P", "8")
# Metals on both sides of a 4|4P boundary are farther apart; 0.28 nm is between the value of the metal and reported
# values.
FACING = 0.28


def twin_boundary_specimen(
    material: str,
    reach: float,
    boundary: str = "4|4P",
    vacancies: float = 0.02,
    metal_dopant: Dopant = None,
    random_state: int = 0,
) -> Specimen:
    """Columns of two domains that are mirror images of each other in the line y = 0, in a disc.

    Parameters
    ----------
    material, boundary, vacancies, metal_dopant
        See :func:`twin_boundary`.
    reach : float
        Radius of the disc in nm.
    random_state : int
        Seed of the sites.

    Returns
    -------
    Specimen
        Labels by species. Cells: rings. ``per_column["domain"]``: 0 on the boundary, 1 and -1 on its sides;
        ``per_column["figure"]``: sizes of the rings around the column.
    """
    if boundary not in BOUNDARIES:
        raise ValueError(f"boundary={boundary!r} is unknown; choose one of {', '.join(BOUNDARIES)}.")
    parameter = dichalcogenide(material)[2]
    vectors = parameter * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    outer = reach + 2.0 * parameter
    points, site = lattice_points(vectors, np.array([[0.0, 0.0], [1 / 3, 1 / 3]]), outer)
    # A row of chalcogen columns lies on the mirror line, with bonds to two metals or one metal on each side.
    row = parameter / np.sqrt(12.0)
    points[:, 1] = row - points[:, 1] if boundary == "4|4P" else points[:, 1] - row
    upper, on = points[:, 1] > 0.5 * row, np.abs(points[:, 1]) < 0.5 * row
    opening = 0.5 * FACING - row if boundary == "4|4P" else 0.0
    domain = points[upper] + [0.0, opening]
    whole = np.concatenate([points[on] * [1.0, 0.0], domain, domain * [1.0, -1.0]])
    sites = np.concatenate([site[on], site[upper], site[upper]])
    side = np.repeat([0, 1, -1], [on.sum(), upper.sum(), upper.sum()])
    labels, species = place_defects(sites, material, vacancies, 0.0, metal_dopant, None, random_state)
    net = dichalcogenide_specimen(whole, sites, labels, species, 0.75 * parameter)
    net.per_column["domain"] = side
    net.per_column["figure"] = np.array(vertex_figures(len(whole), whole, net.cells))
    return net.where(lambda where: np.hypot(where[:, 0], where[:, 1]) <= reach)


@family
def twin_boundary(
    material: str = "MoSe2",
    *,
    boundary: str = "4|4P",
    vacancies: float = 0.02,
    metal_dopant: Dopant = None,
    disorder: float = 0.002,
    random_state: int = 0,
    **imaging: Any,
) -> tuple[Any, Truth]:
    """Simulate a mirror twin boundary of a dichalcogenide monolayer, with its 4-rings or 8-rings.

    %(model)s The boundary runs through the middle of the image, along x where the rotation is 0. It is geometric and
    not relaxed.

    Parameters
    ----------
    material : {"MoS2", "MoSe2", "MoTe2", "WS2", "WSe2", "NbSe2"}
    boundary : {"4|4P", "8"}
        A row of chalcogen columns is common to both domains. ``"4|4P"``: each is bonded to two metals of
        either side, which makes a row of 4-rings that share corners. ``"8"``: each bridges one metal of
        either side, which makes a row of 8-rings.
    vacancies : float
        Fraction of the chalcogen columns that miss one of their two atoms.
    metal_dopant : (str, float), "auto" or None
        An element and the fraction of the metal sites that it takes.
    %(disorder)s
    %(random_state)s
    %(imaging)s

    Returns
    -------
    %(image)s
    truth : Truth
        Labels by species. Cells: the rings. ``extra["domain"]`` (n,): 0 on the boundary, 1 and -1 on its
        sides; ``extra["figure"]`` (n,): sizes of the rings around the column, such as ``"4.6.4.6"``.

    References
    ----------
    .. [1] W. Zhou et al., Nano Lett. 13 (2013) 2615, doi:10.1021/nl4007479.

    Examples
    --------
    >>> from hyperspy_motifs.data import twin_boundary
    >>> image, truth = twin_boundary(boundary="8", shape=(200, 240))
    >>> sorted(truth.cell_names)
    ['ring6', 'ring8']
    """
    optics = Imaging.of({}, imaging)
    specimen = twin_boundary_specimen(
        material, optics.reach, boundary, vacancies, metal_dopant, random_state
    ).displaced(disorder, random_state)
    return simulate_signal(specimen, optics, f"Simulated {material} twin boundary", random_state)
