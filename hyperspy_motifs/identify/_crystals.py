"""Structures of other tools as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from ._constants import CONSTANTS
from ._identify import Chemistry
from ._projection import ATOMIC_NUMBERS, Crystal


def read_crystal(structure: Any) -> Crystal:
    """A structure as arrays.

    Parameters
    ----------
    structure : str, path, ase.Atoms or pymatgen.Structure
        A name of :data:`hyperspy_motifs.data.structures.NAMES`; a file that ASE reads, such as CIF; an object.

    Returns
    -------
    Crystal
        Sites of mixed or partial occupancy, as ASE reads them from CIF files, have mean compositions.

    Raises
    ------
    ValueError
        If it is none of these, or has no unit cell.
    ImportError
        If ASE is not installed.
    """
    from hyperspy_motifs.data import structures
    from hyperspy_motifs.exchange import require

    if isinstance(structure, Crystal):
        return structure
    name = ""
    if isinstance(structure, str | Path):
        text, path = str(structure), Path(structure)
        if text in structures.NAMES:
            structure = structures.structure(text)
            name = text
        elif path.suffix and path.exists():
            name = path.stem
            try:
                structure = require("ase.io", f"Reading {path.name}", "ase").read(path)
            # The readers of ASE raise whatever they stumble over, also StopIteration and errors of their own.
            except Exception as error:
                why = str(error) or type(error).__name__
                raise ValueError(f"{path} cannot be read as a structure by ASE: {why}") from error
        else:
            raise ValueError(
                f"{text!r} is neither a file nor a structure of this package. Give an ase.Atoms, the path of a CIF file, or "
                f"one of {', '.join(structures.NAMES)}."
            )
    elif hasattr(structure, "lattice") and hasattr(structure, "cart_coords"):
        return _from_pymatgen(structure)
    if not hasattr(structure, "get_positions"):
        raise ValueError(
            f"structure is a {type(structure).__name__}; expected a name, the path of a file, an ase.Atoms or a "
            "pymatgen.Structure."
        )
    cell = np.asarray(structure.cell.array, float)
    if abs(np.linalg.det(cell)) < 1e-6:
        raise ValueError(
            "The structure has no unit cell; set three vectors: atoms.set_cell(...). A layer needs one along its normal, with "
            "vacuum: atoms.center(vacuum=10, axis=2)."
        )
    if not len(structure):
        raise ValueError("The structure has no atoms; expected a unit cell with one or more.")
    numbers, positions, occupancies = _with_occupancy(structure)
    name = name or str(structure.info.get("name", "")) or structure.get_chemical_formula(empirical=True)
    periodic = tuple(bool(p) for p in structure.pbc)
    if not any(periodic):
        periodic = (True, True, True)
    return Crystal(name, cell, positions, numbers, occupancies, periodic)  # type: ignore[arg-type]


def _with_occupancy(atoms: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers, positions and occupancies of the atoms, several for a mixed site."""
    from ase.data import atomic_numbers

    table = atoms.info.get("occupancy")
    kinds = atoms.arrays.get("spacegroup_kinds")
    if not table or kinds is None:
        return np.asarray(atoms.numbers, np.int64), np.asarray(atoms.positions, float), np.ones(len(atoms))
    rows = [
        (atomic_numbers[symbol], i, float(share))
        for i, kind in enumerate(np.asarray(kinds).tolist())
        for symbol, share in table[str(kind)].items()
    ]
    numbers, index, shares = (np.array(column) for column in zip(*rows, strict=True))
    return numbers, np.asarray(atoms.positions, float)[index], shares


def _from_pymatgen(structure: Any) -> Crystal:
    rows = [
        (int(element.Z), i, float(share))
        for i, site in enumerate(structure)
        for element, share in site.species.items()
    ]
    numbers, index, shares = (np.array(column) for column in zip(*rows, strict=True))
    return Crystal(
        structure.composition.reduced_formula,
        np.asarray(structure.lattice.matrix, float),
        np.asarray(structure.cart_coords, float)[index],
        numbers,
        shares,
    )


def chemistry_of(defects: str | Sequence[str] | None) -> Chemistry:
    """Elements that may occur beside those of the structure.

    Parameters
    ----------
    defects : "auto", None or sequence of str
        ``"auto"``: vacancies, antisites, adatoms and substitutes of like size and valence. None: columns as in the structure.
        Chemical symbols: the substitutes are these elements only.

    Returns
    -------
    Chemistry

    Raises
    ------
    ValueError
        For an unknown symbol.
    ImportError
        If ASE is not installed.
    """
    from hyperspy_motifs.exchange import require

    data = require("ase.data", "Identification")
    tables = data.chemical_symbols, data.covalent_radii
    if defects is None:
        return Chemistry(*tables, defects=False)
    if isinstance(defects, str):
        if defects == "auto":
            return Chemistry(*tables)
        defects = [defects]
    if not isinstance(defects, Iterable):
        raise ValueError(
            f'defects is {defects!r}; expected "auto", None, or symbols of elements such as ["W", "S"].'
        )
    wrong = [symbol for symbol in defects if symbol not in data.atomic_numbers]
    if wrong:
        raise ValueError(
            f'defects has {wrong[0]!r}; expected "auto", None, or symbols of elements such as ["W", "S"].'
        )
    return Chemistry(*tables, dopants=tuple(data.atomic_numbers[symbol] for symbol in defects))


def effective_numbers(scattering: Mapping[str, float] | None) -> np.ndarray:
    """Effective atomic numbers that reproduce a table of scattering.

    Parameters
    ----------
    scattering : mapping of str to float, or None
        Brightness of single atoms by their symbol, in any unit. Elements that are not listed follow the power law, with the
        gain of the listed ones around them.

    Returns
    -------
    ndarray
        By atomic number; the atomic numbers themselves without a table.

    Raises
    ------
    ValueError
        For an unknown symbol or a value that is not positive.
    """
    if not scattering:
        return ATOMIC_NUMBERS
    from hyperspy_motifs.exchange import require

    numbers = require("ase.data", "Identification").atomic_numbers
    wrong = [
        symbol
        for symbol, value in scattering.items()
        if symbol not in numbers or not isinstance(value, Real) or not value > 0
    ]
    if wrong:
        raise ValueError(f"scattering has {wrong[0]!r}; expected symbols of elements with positive values.")
    z = np.array([numbers[symbol] for symbol in scattering], float)
    own = np.array(list(scattering.values()), float) ** (1 / CONSTANTS.exponent)
    # The gain of an image is free, so that a table may have any unit. Elements between the listed ones are like these.
    order = np.argsort(z)
    gain = np.log(own / z)[order]
    return ATOMIC_NUMBERS * np.exp(np.interp(ATOMIC_NUMBERS, z[order], gain - gain.mean()))
