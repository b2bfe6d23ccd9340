"""The table of everything that can be given as atoms; the first entry that matches reads it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ._given_atoms import (
    GivenAtoms,
    ImageAxes,
    is_atom_table,
    is_atomai,
    is_atomap,
    is_markers,
    is_peaks,
    is_statstem,
    read_atom_table,
    read_atomai,
    read_atomap,
    read_atomap_file,
    read_markers,
    read_peaks,
    read_statstem,
    read_statstem_file,
)
from ._structures import ENDINGS, read_structure, read_structure_file
from ._tables import column_names, read_csv, read_points, read_table


class Format(NamedTuple):
    """One kind of object that holds atoms.

    Attributes
    ----------
    name : str
        As in messages.
    matches : callable
        Whether an object is of this kind.
    read : callable
        ``read(source, axes)`` gives :class:`GivenAtoms`.
    """

    name: str
    matches: Callable[[Any], bool]
    read: Callable[[Any, ImageAxes], GivenAtoms]


def _is_structure(source: Any) -> bool:
    return hasattr(source, "get_positions") or hasattr(source, "cart_coords")


def _is_points(source: Any) -> bool:
    return hasattr(source, "geom_type")


def _is_annotated(source: Any) -> bool:
    return hasattr(source, "obsm") and "spatial" in source.obsm


def _read_annotated(source: Any, axes: ImageAxes) -> GivenAtoms:
    units = str(source.uns.get("units", axes.units))
    positions = axes.from_length(np.asarray(source.obsm["spatial"], float)[:, :2], units)
    frames = np.asarray(source.obs["frame"], np.int64) if "frame" in source.obs else None
    return GivenAtoms(positions, frames, f"AnnData, obsm['spatial'] in {units}")


def _is_lazy_frame(source: Any) -> bool:
    return hasattr(source, "collect_schema") and hasattr(source, "collect")


def _read_npy(path: Path, axes: ImageAxes) -> GivenAtoms:
    try:
        return _read_array(np.load(path, allow_pickle=False), axes)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read_array(source: Any, axes: ImageAxes) -> GivenAtoms:
    """Positions as an array; its values are checked where it is used."""
    if hasattr(source, "axes_manager"):
        raise TypeError(
            f"atoms is a {type(source).__name__}. Give its atoms: signal.motifs, signal.atoms or "
            "signal.find_peaks(interactive=False)."
        )
    try:
        if np.iscomplexobj(source):
            raise TypeError("complex numbers are not positions")
        positions = np.asarray(source, dtype=float)
        if not positions.ndim:
            raise TypeError("a number is no list of positions")
    except (TypeError, ValueError) as error:
        raise TypeError(f"atoms is a {type(source).__name__}; expected {_expected()}.") from error
    if positions.ndim == 2 and positions.shape[1] == 3:
        raise ValueError(
            f"atoms has shape {positions.shape}. Give atoms[:, :2] if the columns are x, y, z in the units of the axes, and "
            "{0: atoms} if they are row, column, class in pixels, as in AtomAI."
        )
    if positions.ndim != 2 or positions.shape[1] != 2:
        raise ValueError(
            f"atoms has shape {positions.shape}; expected (n, 2): one row an atom, columns x and y in the units of the axes."
        )
    return GivenAtoms(positions, None, f"array, x and y in {axes.units}")


def _read_file(source: str | os.PathLike[str], axes: ImageAxes) -> GivenAtoms:
    path = Path(source)
    reader = FILES.get(path.suffix.lower())
    if reader is None:
        raise TypeError(
            f'atoms is {str(source)!r}, which is no file of atoms; expected {_expected()}, or "grid" in find_motifs.'
        )
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path} (searched in {path.resolve().parent}).")
    return reader(path, axes)


def _expected() -> str:
    kinds = ", ".join(one.name for one in (OBJECTS[-1], *OBJECTS[1:-1]))
    return f"{kinds}, or a file with the ending {', '.join(FILES)}"


#: Reader of a file by its ending.
FILES: dict[str, Callable[[Path, ImageAxes], GivenAtoms]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".txt": read_csv,
    ".npy": _read_npy,
    ".hdf5": read_atomap_file,
    ".h5": read_atomap_file,
    ".mat": read_statstem_file,
    **dict.fromkeys(ENDINGS, read_structure_file),
}

#: Every kind of object; the first that matches reads it.
OBJECTS: tuple[Format, ...] = (
    Format("path of a file", lambda source: isinstance(source, str | os.PathLike), _read_file),
    Format("AtomTable or Motifs", is_atom_table, read_atom_table),
    Format("result of find_peaks", is_peaks, read_peaks),
    Format("HyperSpy markers", is_markers, read_markers),
    Format("atomap Sublattice or Atom_Lattice", is_atomap, read_atomap),
    Format("ASE Atoms or pymatgen Structure", _is_structure, read_structure),
    Format("AnnData with obsm['spatial']", _is_annotated, _read_annotated),
    Format("GeoDataFrame of points", _is_points, read_points),
    Format("dictionary of AtomAI's coordinates", is_atomai, read_atomai),
    Format("StatSTEM's structures", is_statstem, read_statstem),
    Format("polars LazyFrame", _is_lazy_frame, lambda source, axes: read_table(source.collect(), axes)),
    Format(
        "data frame or dictionary of columns", lambda source: column_names(source) is not None, read_table
    ),
    Format("(n, 2) array of x, y in the units of the axes", lambda source: True, _read_array),
)


def read_atoms(source: Any, axes: Any, *, axis: str = "z") -> GivenAtoms:
    """Positions of atoms from an object or a file of another tool, in the units of an image.

    Parameters
    ----------
    source : object or path
        An (n, 2) array of x, y in the units of the axes; ``AtomTable`` or ``Motifs``; the result of HyperSpy's
        ``find_peaks``; HyperSpy markers; atomap's ``Sublattice`` or ``Atom_Lattice``; ASE ``Atoms`` and pymatgen
        structures; ``AnnData``; a pandas, polars or geopandas data frame or a dictionary of columns, such as
        ``motifs.to_dict()``; AtomAI's dictionary of coordinates; StatSTEM's structures. Or a file: ``.csv`` with names
        of columns, ``.npy``, atomap's ``.hdf5``, StatSTEM's ``.mat``, and structures that ASE reads (``.xyz``,
        ``.cif`` ...).
    axes : AtomicImage or tuple of two HyperSpy axes (x, y)
        The image, or its signal axes.
    axis : {"z", "x", "y"}
        Direction along which a three-dimensional structure is projected; x, y of the image are then (x, y), (y, z) or
        (z, x) of the structure.

    Returns
    -------
    GivenAtoms
        ``positions`` are x, y in the units of the axes, shape (n, 2), with the offset of the axes. As an array it is
        its positions.

    Raises
    ------
    TypeError
        If `source` is of none of these kinds.
    ValueError
        If it cannot be read, or its units cannot be converted to those of the axes.
    FileNotFoundError
        If there is no such file.
    ImportError
        If a package that reads it is not installed.

    Examples
    --------
    >>> import hyperspy.api as hs
    >>> import numpy as np
    >>> from hyperspy_motifs.exchange import read_atoms
    >>> s = hs.signals.Signal2D(np.zeros((30, 40)))
    >>> s.axes_manager.signal_axes.set(scale=0.1, offset=-1.0, units="nm")
    >>> read_atoms({"row": [10, 20], "column": [30, 5]}, s).positions.tolist()
    [[2.0, 0.0], [-0.5, 1.0]]
    """
    axes = replace(ImageAxes.of(axes), projection=axis)
    given = next(one for one in OBJECTS if one.matches(source)).read(source, axes)
    if axes.n_frames == 1 and given.frames is not None and len(np.unique(given.frames)) == 1:
        # One frame of a movie, for an image of its own.
        return replace(given, frames=np.zeros(len(given), np.int64))
    return given
