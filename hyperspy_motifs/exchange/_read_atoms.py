"""The table of everything that can be given as atoms, and structures in ångström, which are read in projection and written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hyperspy_motifs import store

from ._given_atoms import (
    ANGSTROM,
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
from ._tables import column_names, read_csv, read_points, read_table, require

if TYPE_CHECKING:
    from ase import Atoms

#: Atoms whose projections are closer belong to one column, in ångström: columns at this distance are not resolved even
#: by electron ptychography (Jiang et al., Nature 559, 343 (2018), doi:10.1038/s41586-018-0298-5).
COLUMN_DISTANCE = 0.39
#: Cartesian components that are x and y in the image, for each axis of projection; in cyclic order, so that the image
#: is right-handed.
_PLANES = {"z": (0, 1), "x": (1, 2), "y": (2, 0)}
#: Endings of files that ASE reads.
ENDINGS = (".xyz", ".extxyz", ".cif", ".vasp", ".poscar", ".pdb", ".xsf", ".traj")
#: A symbol with a number of atoms, and the number of the motif among those of one name.
_SYMBOL = re.compile(r"([A-Z][a-z]?)\d*(?: \(\d+\))?")
_UNKNOWN = "X"


def read_structure(structure: Any, axes: ImageAxes) -> GivenAtoms:
    """Projected columns of ASE ``Atoms``, or of anything with Cartesian coordinates in ångström as in pymatgen.

    x and y of the structure are those of the axes of the image. Atoms that project onto one column are averaged.
    """
    axis = axes.projection
    if axis not in _PLANES:
        raise ValueError(f"axis is {axis!r}; expected 'x', 'y' or 'z', the direction of projection.")
    if hasattr(structure, "get_positions"):
        points = structure.get_positions()
    else:
        points = structure.cart_coords
    points = np.asarray(points, float).reshape(-1, 3)[:, _PLANES[axis]]
    columns = project_columns(points)
    source = f"{type(structure).__name__}, projected along {axis}"
    return GivenAtoms(axes.from_length(columns, ANGSTROM, "The atoms of the structure"), None, source)


def read_structure_file(path: Path, axes: ImageAxes) -> GivenAtoms:
    """As :func:`read_structure`, from a file that ASE reads."""
    read = require("ase.io", f"Reading {path.name}", "ase").read
    try:
        atoms = read(path)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise ValueError(f"{path} cannot be read as a structure by ASE: {error}") from error
    return read_structure(atoms, axes)


def project_columns(points: ArrayLike) -> NDArray[np.float64]:
    """Mean of the points of each column (connected by steps of up to `COLUMN_DISTANCE`), in the order of their first points.

    Parameters
    ----------
    points : array_like, shape (n, 2)
        Projected atoms.

    Returns
    -------
    numpy.ndarray, shape (k, 2)
    """
    points = np.asarray(points, float).reshape(-1, 2)
    if not np.isfinite(points).all():
        return points
    pairs = cKDTree(points).query_pairs(COLUMN_DISTANCE, output_type="ndarray")
    n = len(points)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    n_columns, column = connected_components(graph, directed=False)
    if n_columns == n:
        return points
    sums = np.column_stack([np.bincount(column, points[:, k], n_columns) for k in (0, 1)])
    return sums / np.bincount(column, minlength=n_columns)[:, None]


def to_ase(
    positions: ArrayLike,
    units: str,
    *,
    labels: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    species: Mapping[int | str, str] | None = None,
    columns: Mapping[str, np.ndarray] | None = None,
    cell: ArrayLike | None = None,
) -> Any:
    """Atoms of the Atomic Simulation Environment, one for each column, at z = 0.

    Parameters
    ----------
    positions : array_like, shape (n, 2)
        x, y in `units`. They are not shifted or mirrored: as in the image, y points down and z away from the observer.
    units : str
        A unit of length, such as ``"nm"``.
    labels : array_like of int, shape (n,), optional
        Motif of each atom, written as ``tags``.
    names : sequence of str, optional
        Name of each motif. A chemical symbol, also with a number such as ``Se2``, gives the species.
    species : mapping, optional
        Chemical symbol of a motif, by its number or name; replaces that from the name. Motifs without a symbol have
        ``X``.
    columns : mapping of str to numpy.ndarray, optional
        Further ``arrays`` of the atoms.
    cell : array_like, shape (2, 2), optional
        Rows a and b of the unit cell in `units`, written as the cell without periodic boundaries.

    Returns
    -------
    ase.Atoms
        In ångström.

    Raises
    ------
    ValueError
        If `units` is no length, a symbol is unknown, or shapes do not match.
    ImportError
        If ASE is not installed.
    """
    ase = require("ase", "A structure in ångström")
    ratio = store.length_ratio(units, ANGSTROM)
    if ratio is None:
        raise ValueError(
            f"A structure is in ångström, the positions are in {units}. Calibrate the image first: "
            "s.axes_manager.signal_axes.set(scale=..., units='nm')."
        )
    points = ratio * np.asarray(positions, float).reshape(-1, 2)
    motifs = np.zeros(len(points), int) if labels is None else np.asarray(labels, int)
    if motifs.shape != (len(points),):
        raise ValueError(f"labels has shape {motifs.shape}, {len(points)} labels are expected.")
    n_motifs = int(motifs.max(initial=-1)) + 1
    titles = [str(k) for k in range(n_motifs)] if names is None else [str(name) for name in names]
    if len(titles) < n_motifs:
        raise ValueError(f"names has {len(titles)} names, but there are labels up to {n_motifs - 1}.")
    symbols = np.array(_symbols(titles, species or {}) or [_UNKNOWN])
    atoms = ase.Atoms(
        symbols=symbols[motifs].tolist(),
        positions=np.column_stack([points, np.zeros(len(points))]),
        tags=motifs,
    )
    for name, values in (columns or {}).items():
        atoms.set_array(name, np.asarray(values))
    if cell is not None:
        atoms.cell[:2, :2] = ratio * np.asarray(cell, float).reshape(2, 2)
    return atoms


def write_extxyz(
    path: str | PathLike[str],
    frames: Sequence[Atoms],
    *,
    box: ArrayLike | None = None,
    units: str = ANGSTROM,
) -> Path:
    """Write atoms as extended XYZ, which OVITO, ASE and others read.

    Parameters
    ----------
    path : path
        ``.xyz`` is appended if the name has no extension.
    frames : sequence of ase.Atoms
        One structure for each frame.
    box : array_like, shape (2, 2), optional
        Smallest and largest x, y of the field of view in `units`. It becomes the cell of the file, 1 Å thick and without
        periodic boundaries, and its corner the ``Origin`` that OVITO reads.
    units : str, optional
        A unit of length.

    Returns
    -------
    pathlib.Path
        The written file.

    Raises
    ------
    ImportError
        If ASE is not installed.
    """
    write = require("ase.io", "Extended XYZ", "ase").write
    file = Path(path)
    file = file if file.suffix else file.with_suffix(".xyz")
    copies = [atoms.copy() for atoms in frames]
    if box is not None:
        low, high = (store.length_ratio(units, ANGSTROM) or 1.0) * np.asarray(box, float).reshape(2, 2)
        for atoms in copies:
            atoms.set_cell([high[0] - low[0], high[1] - low[1], 1.0])
            # The plane of the atoms is the middle of the box.
            atoms.info["Origin"] = np.array([low[0], low[1], -0.5])
    write(file, copies, format="extxyz")
    return file


def _symbols(names: Sequence[str], species: Mapping[int | str, str]) -> list[str]:
    """Chemical symbol of each motif, by `species` or its name; X for those without one."""
    from ase.data import atomic_numbers

    unknown = [key for key in species if key not in names and key not in range(len(names))]
    if unknown:
        raise ValueError(
            f"species has {unknown[0]!r}, which is no motif; motifs are {', '.join(names)} (0 to {len(names) - 1})."
        )
    wrong = [symbol for symbol in species.values() if symbol not in atomic_numbers]
    if wrong:
        raise ValueError(f"species has {wrong[0]!r}, which is no chemical symbol.")
    symbols = []
    for number, name in enumerate(names):
        match = _SYMBOL.fullmatch(name)
        by_name = match[1] if match and match[1] in atomic_numbers else _UNKNOWN
        symbols.append(species.get(number, species.get(name, by_name)))
    return symbols


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
    matches: Callable[[object], bool]
    read: Callable[[Any, ImageAxes], GivenAtoms]


def _is_structure(source: object) -> bool:
    return hasattr(source, "get_positions") or hasattr(source, "cart_coords")


def _is_points(source: object) -> bool:
    return hasattr(source, "geom_type")


def _is_annotated(source: object) -> bool:
    return hasattr(source, "obsm") and "spatial" in source.obsm


def _read_annotated(source: Any, axes: ImageAxes) -> GivenAtoms:
    units = str(source.uns.get("units", axes.units))
    positions = axes.from_length(np.asarray(source.obsm["spatial"], float)[:, :2], units)
    frames = np.asarray(source.obs["frame"], np.int64) if "frame" in source.obs else None
    return GivenAtoms(positions, frames, f"AnnData, obsm['spatial'] in {units}")


def _is_lazy_frame(source: object) -> bool:
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


def read_atoms(source: object, axes: ImageAxes, *, axis: str = "z") -> GivenAtoms:
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
