"""Positions of atomic columns from atomap, AtomAI and StatSTEM."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._given_atoms import ANGSTROM, GivenAtoms, ImageAxes

# ------------------------------------------------------------------ atomap


def is_atomap(source: Any) -> bool:
    """Whether `source` is an atomap ``Sublattice`` or ``Atom_Lattice``."""
    return hasattr(source, "sublattice_list") or hasattr(source, "atom_list")


def read_atomap(lattice: Any, axes: ImageAxes) -> GivenAtoms:
    """Positions of an atomap ``Sublattice``, or of all sublattices of an ``Atom_Lattice``; x, y in pixels."""
    from hyperspy_motifs.atoms import positions_from_atomap

    image = getattr(lattice, "image", None)
    pixels = positions_from_atomap(lattice)
    shape = image.shape if isinstance(image, np.ndarray) else None
    name = type(lattice).__name__
    return GivenAtoms(
        axes.from_pixels(pixels, shape, f"The atoms of the {name}"), None, f"atomap {name}, x and y in pixels"
    )


def read_atomap_file(path: Path, axes: ImageAxes) -> GivenAtoms:
    """Positions from a file of atomap's ``Atom_Lattice.save``, sublattice by sublattice; x, y in pixels."""
    import h5py

    found: list[NDArray[np.float64]] = []
    numbers: list[int] = []
    shape = None
    with h5py.File(path, "r") as file:
        for group in file.values():
            if isinstance(group, h5py.Group) and "atom_positions" in group:
                found.append(np.asarray(group["atom_positions"], float).reshape(-1, 2))
                numbers.append(int(group.attrs.get("sublattice_index", len(numbers))))
                image = group.get("original_image_data", group.get("modified_image_data"))
                shape = shape if image is None else image.shape
    if not found:
        raise ValueError(
            f"{path} holds no atom lattice of atomap. An image is analysed by loading it: hs.load({path.name!r})."
        )
    # The positions come in the order of the sublattices, not of their names.
    pixels = np.concatenate([found[k] for k in np.argsort(numbers, kind="stable")])
    return GivenAtoms(
        axes.from_pixels(pixels, shape, f"The atoms in {path.name}"), None, "atomap file, x and y in pixels"
    )


# ------------------------------------------------------------------ AtomAI


def is_atomai(source: Any) -> bool:
    """Whether `source` has the form of AtomAI's coordinates: a dictionary from frame to rows (row, column, class)."""
    if not isinstance(source, Mapping) or not source:
        return False
    numbered = all(isinstance(key, int | np.integer) for key in source)
    return numbered and all(np.ndim(rows) == 2 and np.shape(rows)[1] == 3 for rows in source.values())


def read_atomai(coordinates: Mapping[int, Any], axes: ImageAxes) -> GivenAtoms:
    """Positions of AtomAI's ``predict``, ``Locator`` and refinement: row, column in pixels, class."""
    keys = sorted(coordinates)
    found = [np.asarray(coordinates[key], float)[:, 1::-1] for key in keys]
    frames = np.repeat(np.asarray(keys, np.int64), [len(pixels) for pixels in found])
    return GivenAtoms(
        axes.from_pixels(np.concatenate(found)), frames, "AtomAI coordinates, row and column in pixels"
    )


# ------------------------------------------------------------------ StatSTEM


def is_statstem(source: Any) -> bool:
    """Whether `source` is a dictionary with the structures ``input`` or ``output`` of StatSTEM."""
    return isinstance(source, Mapping) and any(
        _statstem_coordinates(source, key) for key in ("output", "input")
    )


def read_statstem_file(path: Path, axes: ImageAxes) -> GivenAtoms:
    """Positions from a MATLAB file of StatSTEM whose ``output`` or ``input`` is a structure."""
    from scipy.io import loadmat

    try:
        content = loadmat(path, simplify_cells=True)
    except NotImplementedError as error:
        raise ValueError(
            f"{path} is a MATLAB file of version 7.3. Save it in MATLAB with save(..., '-v7')."
        ) from error
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a MATLAB file: {error}") from error
    if not is_statstem(content):
        raise ValueError(
            f"{path} holds no structure output or input with coordinates and dx, as StatSTEM writes. Objects of classes are "
            "converted in MATLAB: output = struct(output); save('atoms.mat', 'output', '-v7')."
        )
    return read_statstem(content, axes)


def read_statstem(content: Mapping[str, Any], axes: ImageAxes) -> GivenAtoms:
    """Positions of StatSTEM: the fitted ones of ``output``, or else those of ``input``.

    StatSTEM counts pixels from 1, and gives x and y in ångström as the number of the pixel times ``dx``.
    """
    key = "output" if _statstem_coordinates(content, "output") else "input"
    part = content[key]
    step = part.get("dx", content.get("dx"))
    if step is None and isinstance(content.get("input"), Mapping):
        step = content["input"].get("dx")
    if step is None:
        raise ValueError(
            f"The structure {key} of StatSTEM has no pixel size dx, so its coordinates cannot be read."
        )
    image = next(
        (np.shape(c["obs"]) for c in (content.get("input"), part) if isinstance(c, Mapping) and "obs" in c),
        None,
    )
    pixels = _statstem_xy(part) / float(step) - 1.0
    source = f"StatSTEM {key}, x and y in {ANGSTROM}"
    return GivenAtoms(axes.from_pixels(pixels, image, "The atoms of StatSTEM"), None, source)


def _statstem_coordinates(content: Mapping[str, Any], key: str) -> bool:
    part = content.get(key)
    if not isinstance(part, Mapping):
        return False
    return "coordinates" in part or {"BetaX", "BetaY"} <= part.keys()


def _statstem_xy(part: Mapping[str, Any]) -> NDArray[np.float64]:
    if "coordinates" in part:
        return np.atleast_2d(np.asarray(part["coordinates"], float))[:, :2]
    return np.column_stack([np.ravel(part[key]).astype(float) for key in ("BetaX", "BetaY")])
