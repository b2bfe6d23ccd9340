"""The only module that imports atomap, and only on use: the import takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from hyperspy_motifs.common import MOST_IN_MEMORY

# Okabe and Ito: eight colours that colour-blind readers can distinguish; black comes last.
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000")


def peaks_by_atomap(response: np.ndarray) -> np.ndarray:
    """Find all maxima of a prepared image with atomap's ``get_atom_positions``.

    Parameters
    ----------
    response : ndarray of shape (rows, columns)
        The band-passed image; columns are its maxima.

    Returns
    -------
    ndarray of shape (n, 2)
        x (column), y (row) in pixels, whole numbers.
    """
    from atomap.atom_finding_refining import get_atom_positions

    lowest = response.min()
    height = max(MOST_IN_MEMORY // response.shape[1], 1)
    bands = []
    for top in range(0, len(response), height):
        # Each band includes one row of each neighbour, so that a maximum at its edge is compared with both sides.
        first, last = max(top - 1, 0), min(top + height + 1, len(response))
        # A larger separation would compare each maximum with the flanks of its neighbours and lose the faint
        # ones. The prepared image is smooth, so its maxima are as far apart as columns are. The finder ignores a
        # margin as wide as the separation, where columns are equally reliable: hence the padding.
        padded = np.pad(response[first:last] - lowest, 1)
        found = get_atom_positions(SimpleNamespace(data=padded), separation=1, threshold_rel=0.0)
        band = np.asarray(found, float).reshape(-1, 2) + np.array([-1.0, first - 1.0])
        bands.append(band[(band[:, 1] >= top) & (band[:, 1] < top + height)])
    peaks = np.concatenate(bands)
    if len(bands) == 1:
        return peaks
    heights = response[peaks[:, 1].astype(int), peaks[:, 0].astype(int)]
    return peaks[np.argsort(-heights, kind="stable")]


def positions_from_atomap(lattice: object) -> np.ndarray:
    """Return the positions of an atomap ``Sublattice`` or of all sublattices of an ``Atom_Lattice``.

    Parameters
    ----------
    lattice : atomap.sublattice.Sublattice or atomap.atom_lattice.Atom_Lattice

    Returns
    -------
    ndarray of shape (n, 2)
        x (column), y (row) in pixels, in the order of atomap.

    Raises
    ------
    TypeError
        If the object is neither.
    """
    if hasattr(lattice, "sublattice_list"):
        parts = [positions_from_atomap(sublattice) for sublattice in lattice.sublattice_list]
        return np.concatenate(parts) if parts else np.empty((0, 2))
    if hasattr(lattice, "atom_list"):
        return np.array([(a.pixel_x, a.pixel_y) for a in lattice.atom_list], float).reshape(-1, 2)
    raise TypeError(
        f"expected an atomap Sublattice or Atom_Lattice, not {type(lattice).__name__}; "
        "give positions as an array of shape (n, 2)"
    )


def to_atom_lattice(
    image: np.ndarray,
    positions: np.ndarray,
    labels: np.ndarray | None = None,
    pixel_size: float = 1.0,
    units: str = "pixel",
    names: Sequence[str] | None = None,
) -> Any:
    """Create atomap's ``Atom_Lattice`` with one sublattice for each label.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    positions : array_like of shape (n, 2)
        x (column), y (row) in pixels.
    labels : array_like of int of shape (n,), optional
        By default all columns form one sublattice.
    pixel_size : float
        In `units`.
    units : str
    names : sequence of str, optional
        Name of each label in ascending order; by default ``motif 0`` and so on.

    Returns
    -------
    atomap.atom_lattice.Atom_Lattice
        Its sublattices are in the order of the labels. atomap's neighbour search, which precedes its zone axes,
        needs at least nine columns in a sublattice.

    Raises
    ------
    ValueError
        If the numbers of positions, labels and names do not agree.
    """
    points = np.asarray(positions, float).reshape(-1, 2)
    classes = np.zeros(len(points), int) if labels is None else np.asarray(labels)
    if len(classes) != len(points):
        raise ValueError(f"there are {len(points)} positions but {len(classes)} labels")
    values = np.unique(classes)
    if names is None:
        names = [f"motif {value}" for value in values]
    if len(names) != len(values):
        raise ValueError(f"there are {len(values)} different labels but {len(names)} names")
    from atomap.api import Atom_Lattice, Sublattice

    data = np.asarray(image, float)
    sublattices = [
        Sublattice(
            points[classes == value],
            image=data,
            name=str(name),
            color=_COLOURS[k % len(_COLOURS)],
            pixel_size=pixel_size,
            units=units,
        )
        for k, (value, name) in enumerate(zip(values, names, strict=True))
    ]
    lattice = Atom_Lattice(image=data, name="motifs", sublattice_list=sublattices)
    lattice.pixel_size, lattice.units = pixel_size, units
    return lattice


def refine_by_atomap(image: np.ndarray, positions: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Refine columns one by one with atomap's two-dimensional Gaussian fit, and return the parameters.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
        Image with bright columns.
    positions : ndarray of shape (n, 2)
        x, y in pixels.
    radii : ndarray of shape (n,)
        Radius of the disc of each fit, in pixels.

    Returns
    -------
    ndarray of shape (n, 6)
        x, y, sigma_x, sigma_y, rotation (radians) and amplitude.
    """
    # Not imported from atomap.sublattice: that import is circular and only works after others.
    from atomap.api import Sublattice

    data = np.asarray(image, float)
    sublattice = Sublattice(positions, image=data - data.min())
    rows = []
    for atom, radius in zip(sublattice.atom_list, radii, strict=True):
        for rotation in (False, True):
            atom.refine_position_using_2d_gaussian(
                sublattice.original_image.astype(float), rotation_enabled=rotation, mask_radius=radius
            )
        rows.append(
            (atom.pixel_x, atom.pixel_y, atom.sigma_x, atom.sigma_y, atom.rotation, atom.amplitude_gaussian)
        )
    return np.array(rows, float).reshape(-1, 6)
