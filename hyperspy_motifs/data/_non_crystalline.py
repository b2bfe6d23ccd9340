"""Non-crystalline images: vacuum, amorphous material, and noise."""

from typing import Any

import numpy as np

from ._imaging import Imaging, detect, image_signal, simulate_signal, slow_field
from ._lattices import lattice_specimen
from ._specimen import Simulated, Specimen, Truth, atomic_number, family, specimen_of


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
    *, areal_density: float = 300.0, element: str = "C", random_state: int = 0, **imaging: Any
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
    **imaging: Any,
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
