"""The only place where atomap is imported, and only when it is used: its import takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

# The finder makes several copies of what it is given: larger images are given to it in bands of so many pixels.
_BAND_PIXELS = 2**24
# Okabe and Ito: eight colours that the colour-blind tell apart; black comes last.
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000")


def peaks_by_atomap(response: np.ndarray) -> np.ndarray:
    """All maxima of a prepared image by atomap's ``get_atom_positions``.

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
    height = max(_BAND_PIXELS // response.shape[1], 1)
    bands = []
    for top in range(0, len(response), height):
        # With a row of each neighbour: what is highest there is no maximum of this band.
        first, last = max(top - 1, 0), min(top + height + 1, len(response))
        # A larger separation would compare each maximum with the flanks of its neighbours and lose the faint
        # ones: the prepared image is smooth, so its maxima are as far apart as columns are. The finder leaves
        # out a frame as wide as the separation, where columns are as good as anywhere: hence the padding.
        padded = np.pad(response[first:last] - lowest, 1)
        found = get_atom_positions(SimpleNamespace(data=padded), separation=1, threshold_rel=0.0)
        band = np.asarray(found, float).reshape(-1, 2) + np.array([-1.0, first - 1.0])
        bands.append(band[(band[:, 1] >= top) & (band[:, 1] < top + height)])
    peaks = np.concatenate(bands)
    if len(bands) == 1:
        return peaks
    heights = response[peaks[:, 1].astype(int), peaks[:, 0].astype(int)]
    return peaks[np.argsort(-heights, kind="stable")]


def positions_from_atomap(lattice: Any) -> np.ndarray:
    """Positions of an atomap ``Sublattice`` or of all sublattices of an ``Atom_Lattice``.

    Parameters
    ----------
    lattice : atomap.sublattice.Sublattice or atomap.atom_lattice.Atom_Lattice

    Returns
    -------
    ndarray of shape (n, 2)
        x (column), y (row) in pixels, as atomap has them.

    Raises
    ------
    TypeError
        When the object is neither.
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
    """atomap's ``Atom_Lattice`` with one sublattice for each label.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    positions : array_like of shape (n, 2)
        x (column), y (row) in pixels.
    labels : array_like of int of shape (n,), optional
        By default all columns make one sublattice.
    pixel_size : float
        In `units`.
    units : str
    names : sequence of str, optional
        Name of each label in ascending order; by default ``motif 0`` and so on.

    Returns
    -------
    atomap.atom_lattice.Atom_Lattice
        Its sublattices are in the order of the labels. atomap's neighbour search, which comes before its zone
        axes, asks for nine columns or more in a sublattice.

    Raises
    ------
    ValueError
        When the numbers of positions, labels and names do not agree.
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
    """Fit parameters of atomap's own two-dimensional Gaussian refinement, one column after the other.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
        With bright columns.
    positions : ndarray of shape (n, 2)
        x, y in pixels.
    radii : ndarray of shape (n,)
        Of the disc that is fitted, pixels.

    Returns
    -------
    ndarray of shape (n, 6)
        x, y, sigma_x, sigma_y, rotation (radians) and amplitude.
    """
    # Not from atomap.sublattice: that import only works after others (it is circular).
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
