"""The result of an identification: what every atom, every empty site and every motif is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ._constants import CONSTANTS
from ._projection import Composition
from ._summary import changed_columns, headline, not_excluded, stoichiometry, summary

#: Alternatives that are kept of each atom.
N_ALTERNATIVES = 3
_UNKNOWN = "?"


@dataclass(frozen=True)
class Species:
    """A composition on a site of a structure.

    Attributes
    ----------
    name : str
        Such as ``"Mo"``, ``"Se2"``, ``"Se1"`` or ``"V_Se2"``.
    kind : str
        ``"host"``, ``"vacancy"``, ``"substitution"``, ``"antisite"`` or ``"adatom"``.
    composition, host : tuple of (int, float)
        Atomic numbers and numbers of atoms; of the column, and of the site without a defect.
    structure : int
        Number of the structure.
    """

    name: str
    kind: str
    composition: Composition
    host: Composition
    structure: int


@dataclass(frozen=True)
class StructureReport:
    """How well one structure fits.

    Attributes
    ----------
    name : str
        With its zone axis.
    explained : float
        Share of the atoms that are its columns.
    log_evidence : float
        Logarithm of the Bayes factor against points at random. The difference of two structures is that of these.
    probability : float
        Against the other structures of the same call that are not refused.
    odds : dict of str to float
        Logarithms of the Bayes factors against another crystal with the same arrangement of columns, by what is compared: scale
        and distortion, brightness of the columns, share of wrong places. Empty if no orientation fits.
    spacing : float
        Mean distance of neighbours in a calibrated image over that in the structure, if no orientation fits; else 1.
    rotations : list of float
        Orientations of the grains in degrees, counter-clockwise as the image is seen.
    mirrored : list of bool
        Whether the crystal is seen from below in each orientation.
    orientations : list of int
        Number of each orientation, as in `Identification.grains`.
    scales : list of float
        Length in the image, in ångström, over that of the structure. Without a calibration, units of the axes for one
        ångström, which is a calibration if the structure is right.
    distortions : list of float
        Largest strain of each grain beyond the scale.
    arrangements : list of (str, float)
        Assignments of the kinds of columns that fit, with their probabilities, the one that is shown first.
    exponent : float
        Exponent of the atomic number in the brightness; NaN where brightness is not used.
    unseen : list of str
        Columns too faint to be seen.
    cell_columns : dict of str to int
        Number of columns of each host in the projected cell, of those that are seen.
    """

    name: str
    explained: float
    log_evidence: float
    probability: float
    odds: dict[str, float]
    spacing: float
    rotations: list[float]
    mirrored: list[bool]
    orientations: list[int]
    scales: list[float]
    distortions: list[float]
    arrangements: list[tuple[str, float]]
    exponent: float
    unseen: list[str]
    cell_columns: dict[str, int]

    @property
    def fit_probability(self) -> float:
        """Probability against another crystal with the same arrangement of columns, by the worst of the tests."""
        return float(expit(min(self.odds.values(), default=-np.inf)))

    @property
    def refusal(self) -> str:
        """Why the structure is refused; empty if it is not."""
        if self.explained == 0:
            return f"no orientation of it fits, neighbours are {self.spacing:.2f} times as far apart as in it"
        if self.fit_probability >= CONSTANTS.refused:
            return ""
        worst = min(self.odds, key=lambda what: self.odds[what])
        text = (
            f"its columns fit but the {worst} would be unlikely, probability {self.fit_probability:.2g} "
            "against another crystal of the same arrangement"
        )
        bright = worst == "brightness of the columns"
        return f'{text}; if this is no annular dark field, give detector="STM" or "ABF"' if bright else text


@dataclass(frozen=True, eq=False)
class Identification:
    """What the atoms of an image are, from candidate structures.

    Attributes
    ----------
    structures : list of StructureReport
        In the order of the call.
    species : list of Species
        The compositions that occur among the atoms, the empty sites and their alternatives.
    phases : ndarray of int of shape (n,)
        Structure of each atom; -1 if none explains it.
    grains : ndarray of int of shape (n,)
        Orientation of each atom among those of its structure; -1 as above.
    labels : ndarray of int of shape (n,)
        Species of each atom; -1 if it has none. An atom off the lattice (`phases` is -1), as in a boundary, may have one by its
        brightness alone.
    probabilities : ndarray of shape (n,)
        Probability of the species of each atom, or that it is none, in the arrangement that is shown.
    alternatives, alternative_probabilities : ndarray of shape (n, N_ALTERNATIVES)
        The next species and their probabilities; -1 and 0 where there are none.
    vacancies : ndarray of shape (v, 2)
        x, y of the sites of the structures without a column, in axis units.
    vacancy_labels : ndarray of int of shape (v,)
        Species (vacancies) of each.
    vacancy_probabilities : ndarray of shape (v,)
        That the site is empty.
    motifs : ndarray of int of shape (n,)
        Motif of each atom.
    columns : ndarray of int of shape (n,)
        Column of the unit cell of each atom; -1 if no structure explains it.
    heights : ndarray of shape (n,)
        Height of the unit cell of each atom along the beam, in ångström.
    column_heights : list of list of list of (int, float)
        For each structure and column, atomic number and height in ångström of its atoms.
    repeats : list of float
        Length of the repeat along the beam of each structure in ångström; 0 for a layer.
    method : str
        What was used: brightness and geometry, or geometry.
    refused : str
        Why no structure is accepted; empty if one is.
    map_log_factor : float
        Logarithm of the Bayes factor of a map of several structures against the best one alone; 0 without a map.
    calibrated : bool
        Whether the image has a unit of length, so that the scale counts.
    """

    structures: list[StructureReport]
    species: list[Species]
    phases: NDArray[np.int64]
    grains: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    alternatives: NDArray[np.int64]
    alternative_probabilities: NDArray[np.float64]
    vacancies: NDArray[np.float64]
    vacancy_labels: NDArray[np.int64]
    vacancy_probabilities: NDArray[np.float64]
    motifs: NDArray[np.int64]
    columns: NDArray[np.int64]
    heights: NDArray[np.float64]
    column_heights: list[list[list[tuple[int, float]]]]
    repeats: list[float]
    method: str
    refused: str
    map_log_factor: float
    calibrated: bool
    symbols: Sequence[str] = field(repr=False, default=())

    # ------------------------------------------------------------------ names

    @property
    def names(self) -> NDArray[np.str_]:
        """Name of each atom, shape (n,), such as ``"Se2"``; ``"?"`` for one that no structure explains."""
        known = np.array([*(s.name for s in self.species), _UNKNOWN])
        return known[self.labels]

    @property
    def vacancy_names(self) -> NDArray[np.str_]:
        """Name of each empty site, such as ``"V_Se2"``."""
        return np.array([s.name for s in self.species] or [_UNKNOWN])[self.vacancy_labels].astype(str)

    @property
    def explained(self) -> float:
        """Share of the atoms that a structure explains."""
        return float((self.phases >= 0).mean()) if len(self.labels) else 0.0

    @property
    def best(self) -> StructureReport:
        """The most probable structure."""
        return max(self.structures, key=lambda s: (s.probability, s.log_evidence))

    def _number_of(self, structure: int | str | None) -> int:
        """Number of a structure by its number or name, by default the best one."""
        names = [report.name for report in self.structures]
        if structure is None:
            return self.structures.index(self.best)
        if isinstance(structure, str) and structure in names:
            return names.index(structure)
        if isinstance(structure, int | np.integer) and 0 <= structure < len(names):
            return int(structure)
        known = ", ".join(f"{k} ({name!r})" for k, name in enumerate(names))
        raise ValueError(f"There is no structure {structure!r}; choose one of {known}.")

    def counts(self) -> dict[str, int]:
        """Number of atoms and empty sites of each name, the most frequent first."""
        every = np.concatenate([self.names, self.vacancy_names])
        names, numbers = np.unique(every, return_counts=True)
        order = np.lexsort((names, -numbers))
        return {str(names[k]): int(numbers[k]) for k in order}

    def motif_table(self) -> list[dict[str, Any]]:
        """Each motif with its name, the probability, and the alternatives.

        Returns
        -------
        list of dict
            ``motif``, ``atoms``, ``name``, ``probability`` (mean over its atoms), ``alternatives`` (name and probability),
            ``others`` (names of atoms that differ from their motif, with their numbers).
        """
        rows = []
        for motif in range(int(self.motifs.max(initial=-1)) + 1):
            here = np.flatnonzero(self.motifs == motif)
            if not len(here):
                continue
            shares = self._mean_shares(here)
            others, numbers = np.unique(self.names[here], return_counts=True)
            name = str(others[numbers.argmax()])
            probability = shares.pop(name)
            rows.append(
                {
                    "motif": motif,
                    "atoms": len(here),
                    "name": name,
                    "probability": probability,
                    "alternatives": [(k, v) for k, v in list(shares.items())[:3] if v >= 0.01],
                    "others": {str(k): int(v) for k, v in zip(others, numbers, strict=True) if k != name},
                }
            )
        return rows

    def _mean_shares(self, rows: NDArray[np.integer]) -> dict[str, float]:
        """Mean probability of the names over atoms, the largest first."""
        sums: dict[str, float] = {}
        known = [*(s.name for s in self.species), _UNKNOWN]
        for labels, weights in (
            (self.labels[rows], self.probabilities[rows]),
            *(
                (self.alternatives[rows, k], self.alternative_probabilities[rows, k])
                for k in range(self.alternatives.shape[1])
            ),
        ):
            for label in np.unique(labels).tolist():
                weight = float(weights[labels == label].sum())
                sums[known[label]] = sums.get(known[label], 0.0) + weight
        return {k: v / len(rows) for k, v in sorted(sums.items(), key=lambda item: (-item[1], item[0]))}

    def motif_names(self) -> dict[int, str]:
        """A name for each motif that a structure explains, for :meth:`~hyperspy_motifs.motifs.Motifs.relabel`.

        Motifs of one species are numbered: ``"TiO"``, ``"TiO (2)"``.
        """
        out: dict[int, str] = {}
        seen: dict[str, int] = {}
        for row in self.motif_table():
            name = row["name"]
            if name == _UNKNOWN:
                continue
            seen[name] = seen.get(name, 0) + 1
            out[row["motif"]] = name if seen[name] == 1 else f"{name} ({seen[name]})"
        return out

    # ------------------------------------------------------------------ stoichiometry

    def stoichiometry(self, structure: int | str | None = None) -> dict[str, tuple[float, float]]:
        """Number of atoms of each element for a formula unit of the columns that are seen, and its standard deviation.

        Every kind of site has its mean composition, and counts as often as in the unit cell, so that the border of the field
        plays no part. The error is that of the names: their probabilities, taken as common to all atoms of a motif and a name.

        Parameters
        ----------
        structure : int or str, optional
            Number of the structure in the call, or its name; by default the best one.

        Returns
        -------
        dict of str to (float, float)
            The elements of the structure first. Empty if the structure explains no atom.

        Raises
        ------
        ValueError
            If there is no such structure.
        """
        return stoichiometry(self, self._number_of(structure))

    def formula(self, structure: int | str | None = None) -> str:
        """The stoichiometry in words, such as ``Mo 0.98 ± 0.01, Se 1.95 ± 0.02``."""
        parts = self.stoichiometry(structure)
        number = self._number_of(structure)
        own = {self.symbols[z] for s in self.species if s.structure == number for z, _ in s.host}
        shown = {k: v for k, v in parts.items() if k in own or v[0] > v[1]}
        text = ", ".join(f"{name} {value:.3f} ± {error:.3f}" for name, (value, error) in shown.items())
        traces = [name for name, (value, _) in parts.items() if name not in shown and value >= 0.002]
        return f"{text}; not more than its error: {', '.join(traces)}" if traces else text

    def cell_formula(self, atoms: Sequence[int]) -> str:
        """Composition of the corners of a cell, such as ``Mo3 Se5``.

        Unexplained atoms are counted as ``?``.
        """
        amounts: dict[int, float] = {}
        unknown = 0
        for label in self.labels[list(atoms)].tolist():
            if label < 0:
                unknown += 1
                continue
            for z, number in self.species[label].composition:
                amounts[z] = amounts.get(z, 0.0) + number
        parts = [f"{self.symbols[z]}{amounts[z]:.3g}" for z in sorted(amounts, reverse=True)]
        return " ".join([*parts, *([f"?{unknown}"] if unknown else [])])

    # ------------------------------------------------------------------ words and tables

    def headline(self) -> str:
        """The result in one line."""
        return headline(self)

    def changed_columns(self) -> list[str]:
        """Columns that are no hosts, a line for each name: how many, in how many sites of which host, and how sure."""
        return changed_columns(self)

    def not_excluded(self) -> list[str]:
        """Elements that brightness does not tell from a host, and by which no column is named: a line for each host.

        They are no finding: their share is what was assumed beforehand. `stoichiometry` leaves them out.
        """
        return not_excluded(self)

    def explained_by(self, report: StructureReport) -> float:
        """Share of the atoms that one of the structures explains where it is the most probable."""
        number = self.structures.index(report)
        return float((self.phases == number).mean()) if len(self.phases) else 0.0

    def summary(self) -> str:
        """The result in words: structures, motifs with alternatives, stoichiometry."""
        return summary(self)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Identification: {self.headline()}>"

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain columns, one row per atom: name, probability, kind, structure, grain and alternatives."""
        kinds = np.array([*(s.kind for s in self.species), "unexplained"])
        names = np.array([*(s.name for s in self.species), ""])
        structures = np.array([*(s.name for s in self.structures), ""])
        out: dict[str, np.ndarray] = {
            "species": self.names,
            "species_probability": self.probabilities,
            "kind": kinds[self.labels],
            "structure": structures[self.phases],
            "grain": self.grains,
        }
        for k in range(self.alternatives.shape[1]):
            out[f"alternative_{k + 1}"] = names[self.alternatives[:, k]]
            out[f"alternative_{k + 1}_probability"] = self.alternative_probabilities[:, k]
        return out

    def select(self, name: str) -> NDArray[np.int64]:
        """Atoms of a name.

        Parameters
        ----------
        name : str
            One of :meth:`counts`.

        Returns
        -------
        ndarray of int
            Rows of the atoms.
        """
        known = {s.name for s in self.species} | {_UNKNOWN}
        if name not in known:
            raise ValueError(f"There is no species {name!r}; there are {', '.join(self.counts())}.")
        return np.flatnonzero(self.names == name)

    def state(self) -> Mapping[str, Any]:
        """Everything as arrays and JSON types, for storage; see :meth:`from_state`."""
        return {
            "structures": [vars(s) for s in self.structures],
            "species": [vars(s) for s in self.species],
            "column_heights": self.column_heights,
            "repeats": self.repeats,
            "method": self.method,
            "refused": self.refused,
            "map_log_factor": self.map_log_factor,
            "calibrated": self.calibrated,
            "symbols": list(self.symbols),
            **{name: getattr(self, name) for name in _ARRAYS},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Identification:
        """The inverse of :meth:`state`."""

        def composition(value: Any) -> Composition:
            return tuple((int(z), float(n)) for z, n in value)

        return cls(
            structures=[
                StructureReport(**{**s, "arrangements": [(str(a), float(p)) for a, p in s["arrangements"]]})
                for s in state["structures"]
            ],
            species=[
                Species(**{**s, "composition": composition(s["composition"]), "host": composition(s["host"])})
                for s in state["species"]
            ],
            column_heights=[
                [[(int(z), float(h)) for z, h in atoms] for atoms in columns]
                for columns in state["column_heights"]
            ],
            repeats=[float(v) for v in state["repeats"]],
            method=state["method"],
            refused=state["refused"],
            map_log_factor=float(state["map_log_factor"]),
            calibrated=bool(state["calibrated"]),
            symbols=[str(symbol) for symbol in state["symbols"]],
            **{name: state[name] for name in _ARRAYS},
        )


_ARRAYS = (
    "phases", "grains", "labels", "probabilities", "alternatives", "alternative_probabilities", "vacancies",
    "vacancy_labels", "vacancy_probabilities", "motifs", "columns", "heights",
)  # fmt: skip
