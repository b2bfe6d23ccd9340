"""Perfect lattices of one species."""

from typing import Any

import numpy as np

from ._family import family
from ._imaging import Imaging
from ._rings import bonds_within, find_rings, group_names
from ._signal import simulate_signal
from ._specimen import Specimen, atomic_number, lattice_points
from ._truth import Truth

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
