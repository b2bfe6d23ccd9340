"""Prototype structures as ASE ``Atoms``, made by rule from lattice parameters with their sources.

``structure("MoSe2")`` makes one of :data:`NAMES`. They are candidates for
:meth:`hyperspy_motifs.motifs.Motifs.identify`, which also takes a name directly.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ._monolayer import MATERIALS as DICHALCOGENIDES
from ._oxides import CELL, SITES, equivalent_sites, site_coordinates
from ._silicon_surface import CENTRES, CORNERS, HEIGHTS, SURFACE_VECTOR

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["NAMES", "structure"]

# Half of the distance of the chalcogen planes of 2H layers in ångström, T. Boker et al., Phys. Rev. B 64 (2001) 235305
# (Mo) and W. J. Schutte et al., J. Solid State Chem. 70 (1987) 207 (W); NbSe2 after M. Marezio et al., J. Solid State
# Chem. 4 (1972) 425. The same values serve for 1T layers, whose planes are about as far apart.
_HALF_THICKNESS = {"MoS2": 1.58, "MoSe2": 1.67, "MoTe2": 1.81, "WS2": 1.57, "WSe2": 1.68, "NbSe2": 1.68}
# Room temperature lattice parameters in ångström. Rock salt to diamond: R. W. G. Wyckoff, Crystal Structures (1963).
_CUBIC = {
    "Al": ("fcc", 4.0495), "Cu": ("fcc", 3.6149), "Ni": ("fcc", 3.524), "Pd": ("fcc", 3.8907), "Ag": ("fcc", 4.0857),
    "Pt": ("fcc", 3.9242), "Au": ("fcc", 4.0782), "Fe": ("bcc", 2.8665), "Mo": ("bcc", 3.147), "W": ("bcc", 3.1652),
    "Nb": ("bcc", 3.3004), "Ta": ("bcc", 3.3013), "Si": ("diamond", 5.4309), "Ge": ("diamond", 5.6575),
    "GaAs": ("zincblende", 5.6533), "InP": ("zincblende", 5.8687), "CdTe": ("zincblende", 6.482),
    "ZnSe": ("zincblende", 5.6686), "MgO": ("rocksalt", 4.2112), "NiO": ("rocksalt", 4.1771),
}  # fmt: skip
# a, c in ångström and the shift of the B site along c in fractions: cubic SrTiO3, tetragonal BaTiO3 (G. H. Kwei et al.,
# J. Phys. Chem. 97 (1993) 2368) and PbTiO3 (R. J. Nelmes and W. F. Kuhs, Solid State Commun. 54 (1985) 721).
_PEROVSKITES = {
    "SrTiO3": (3.905, 3.905, (0.5, 0.5, 0.0, 0.5)),
    "BaTiO3": (3.9925, 4.0365, (0.5224, 0.4895, -0.0244, 0.4895)),
    "PbTiO3": (3.902, 4.156, (0.5377, 0.6118, 0.1117, 0.6118)),
}
# Empty space on both sides of a layer in ångström.
_VACUUM = 10.0


def structure(name: str) -> Atoms:
    """Make a prototype structure.

    Parameters
    ----------
    name : str
        One of :data:`NAMES`: 2H dichalcogenides by their formula and 1T ones as ``"1T-MoS2"``; ``"graphene"``, ``"hBN"``;
        ``"SrTiO3"``, ``"BaTiO3"``, ``"PbTiO3"``; metals, ``"Si"``, ``"Ge"``, compounds of the zincblende and rock salt types
        by their formula; ``"Si(111)-7x7"``, only the adatoms; ``"M1"``, an idealised complex oxide.

    Returns
    -------
    ase.Atoms
        The conventional cell, layers with vacuum along c and periodic in the plane only. ``info["source"]`` names where the
        parameters come from. Disordered sites have ``info["occupancy"]`` as in structures that ASE reads from CIF files.

    Raises
    ------
    ValueError
        If the name is unknown.
    ImportError
        If ASE is not installed.

    Examples
    --------
    >>> from hyperspy_motifs.data import structures
    >>> structures.structure("MoSe2").get_chemical_formula()
    'MoSe2'
    """
    if name not in _MAKERS:
        raise ValueError(
            f"There is no structure {name!r}; there are {', '.join(NAMES)}. Any other: an ase.Atoms, or the path of a CIF file."
        )
    atoms = _MAKERS[name](name)
    atoms.info["name"] = name
    return atoms


def _atoms(symbols: list[str], fractions: object, cell: object, source: str, layer: bool = False) -> Atoms:
    from hyperspy_motifs.exchange import require

    ase = require("ase", "A structure")
    atoms = ase.Atoms(symbols, scaled_positions=fractions, cell=cell, pbc=[True, True, not layer])
    atoms.info["source"] = source
    return atoms


def _hexagonal(a: float, c: float) -> np.ndarray:
    return np.array([[a, 0.0, 0.0], [-0.5 * a, np.sqrt(0.75) * a, 0.0], [0.0, 0.0, c]])


def _dichalcogenide(name: str) -> Atoms:
    formula = name.removeprefix("1T-")
    metal, chalcogen, parameter = DICHALCOGENIDES[formula]
    half = _HALF_THICKNESS[formula]
    c = 2 * (half + _VACUUM)
    lower = (2 / 3, 1 / 3) if name.startswith("1T-") else (1 / 3, 2 / 3)
    fractions = [[0, 0, 0.5], [1 / 3, 2 / 3, 0.5 + half / c], [*lower, 0.5 - half / c]]
    source = "a of the 2H crystals, rounded, as in hyperspy_motifs.data.monolayer"
    return _atoms([metal, chalcogen, chalcogen], fractions, _hexagonal(10 * parameter, c), source, True)


def _honeycomb(name: str) -> Atoms:
    symbols, a = {"graphene": (["C", "C"], 2.461), "hBN": (["B", "N"], 2.504)}[name]
    fractions = [[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
    return _atoms(symbols, fractions, _hexagonal(a, 2 * _VACUUM), "Wyckoff, Crystal Structures (1963)", True)


def _cubic(name: str) -> Atoms:
    kind, a = _CUBIC[name]
    symbols = re.findall(r"[A-Z][a-z]?", name)
    corner = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    if kind == "fcc":
        fractions, species = corner, symbols * 4
    elif kind == "bcc":
        fractions, species = np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), symbols * 2
    else:
        shift = {"diamond": 0.25, "zincblende": 0.25, "rocksalt": 0.5}[kind]
        fractions = np.concatenate([corner, corner + shift])
        species = [symbols[0]] * 4 + [symbols[-1]] * 4
    return _atoms(species, fractions, a * np.eye(3), "Wyckoff, Crystal Structures (1963)")


def _perovskite(name: str) -> Atoms:
    a, c, (b, o1, o2, o3) = _PEROVSKITES[name]
    fractions = [[0, 0, 0], [0.5, 0.5, b], [0.5, 0.0, o1], [0.5, 0.5, o2], [0.0, 0.5, o3]]
    source = "cubic at room temperature" if name == "SrTiO3" else "tetragonal, polar along c; see the module"
    return _atoms([name[:2], "Ti", "O", "O", "O"], fractions, np.diag([a, a, c]), source)


def _silicon_7x7(name: str) -> Atoms:
    adatoms = np.array(CORNERS + CENTRES) / 7.0
    plane = np.concatenate([adatoms, 1.0 - adatoms])
    c = 2 * _VACUUM
    heights = 0.5 + 10 * np.repeat(HEIGHTS, len(CORNERS)) / c
    # The corners of the simulator enclose 60 degrees.
    a = 70.0 * SURFACE_VECTOR
    cell = np.array([[a, 0.0, 0.0], [0.5 * a, np.sqrt(0.75) * a, 0.0], [0.0, 0.0, c]])
    source = "adatoms of the dimer-adatom-stacking-fault model, K. Takayanagi et al., J. Vac. Sci. Technol. A 3 (1985) 1502"
    return _atoms(["Si"] * 12, np.column_stack([plane, heights]), cell, source, True)


def _m1(name: str) -> Atoms:
    copies = equivalent_sites(site_coordinates()) % 1.0
    symbols: list[str] = []
    fractions: list[list[float]] = []
    occupancy: dict[str, dict[str, float]] = {}
    kinds: list[int] = []
    for number, (site, (_, vanadium, occupied)) in enumerate(SITES.items()):
        channel = site.endswith("channel")
        occupancy[str(number)] = (
            {"Te": occupied}
            if channel
            else {"Mo": round(1 - vanadium, 2), "V": vanadium}
            if vanadium
            else {"Nb" if site == "unit_centre" else "Mo": 1.0}
        )
        places = np.unique(np.round(copies[:, number], 6) % 1.0, axis=0)
        main = max(occupancy[str(number)], key=lambda s: occupancy[str(number)][s])
        for x, y in places.tolist():
            symbols.append(main)
            fractions.append([x, y, 0.5])
            kinds.append(number)
    # A metal column holds one metal and one oxygen, at the apex, for each repeat.
    for (x, y, _), kind in list(zip(fractions, kinds, strict=True)):
        if kind < len(SITES) - 2:
            symbols.append("O")
            fractions.append([x, y, 0.0])
            kinds.append(len(SITES))
    occupancy[str(len(SITES))] = {"O": 1.0}
    cell = np.diag([10 * CELL[0], 10 * CELL[1], 4.0])
    source = "idealised, relaxed by springs, without the oxygen between the metals; see data.m1_oxide"
    atoms = _atoms(symbols, fractions, cell, source)
    atoms.info["occupancy"] = occupancy
    atoms.set_array("spacegroup_kinds", np.array(kinds))
    return atoms


_MAKERS: dict[str, Callable[[str], Atoms]] = {
    **dict.fromkeys(DICHALCOGENIDES, _dichalcogenide),
    **dict.fromkeys([f"1T-{name}" for name in DICHALCOGENIDES], _dichalcogenide),
    **dict.fromkeys(("graphene", "hBN"), _honeycomb),
    **dict.fromkeys(_PEROVSKITES, _perovskite),
    **dict.fromkeys(_CUBIC, _cubic),
    "Si(111)-7x7": _silicon_7x7,
    "M1": _m1,
}
#: Names of the structures.
NAMES: tuple[str, ...] = tuple(_MAKERS)
