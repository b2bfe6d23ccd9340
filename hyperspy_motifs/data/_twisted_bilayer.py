"""Two monolayers with a relative rotation, and their moire."""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter

from ._imaging import Imaging, expected_image, image_signal, simulate
from ._monolayer import dichalcogenide
from ._specimen import Simulated, Specimen, Truth, atomic_number, family, lattice_points, specimen_of

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
    **imaging: Any,
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
