"""Compositions that a column may have instead of its own: vacancies, substitutes, antisites and adatoms, by rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._constants import CONSTANTS
from ._projection import Composition, formula

#: Elements without a stable or long-lived isotope, and noble gases, do not occur as substitutes.
_UNSTABLE = frozenset({43, 61, *range(84, 90), 91})
_HEAVIEST = 92

HOST, KIND_VACANCY, KIND_SUBSTITUTE, KIND_ANTISITE, KIND_ADATOM = (
    "host", "vacancy", "substitution", "antisite", "adatom",
)  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """A composition that a column may have.

    Attributes
    ----------
    composition : tuple of (int, float)
        Empty for a missing column.
    kind : str
        ``"host"``, ``"vacancy"``, ``"substitution"``, ``"antisite"`` or ``"adatom"``.
    weight : float
        Prior probability.
    """

    composition: Composition
    kind: str
    weight: float


def column_name(composition: Composition, host: Composition, symbols: Sequence[str]) -> str:
    """A column in words: ``Mo``, ``Se2``, ``Se1`` for one atom on a site of two, ``V_Se2`` for none."""
    if not composition:
        return f"V_{formula(host, symbols)}"
    text = formula(composition, symbols)
    single = sum(n for _, n in composition) == 1 and sum(n for _, n in host) > 1
    return f"{text}1" if single else text


def candidates_of(
    host: Composition,
    hosts: Sequence[Composition],
    layer: bool,
    substitutes: dict[int, dict[int, float]],
    defects: bool = True,
) -> list[Candidate]:
    """Compositions of a column by rule.

    Parameters
    ----------
    host : composition
    hosts : sequence of compositions
        Of all columns that are seen.
    layer : bool
        Whether the column has the few atoms of a layer, of which single ones may be missing or replaced. A column of a
        crystal is changed as a whole.
    substitutes : dict
        For each element the atomic numbers that may replace it, with weights that sum to 1; see :func:`substitutes_of`.
    defects : bool, optional
        False: the host only.

    Returns
    -------
    list of Candidate
        The host first. Weights sum to 1.
    """
    found: dict[Composition, tuple[float, str]] = {}

    def add(amounts: dict[int, float], kind: str, weight: float) -> None:
        composition = tuple(sorted(((z, n) for z, n in amounts.items() if n > 0), reverse=True))
        if not composition or composition == host or weight <= 0:
            return
        before = found.get(composition, (0.0, kind))
        found[composition] = (before[0] + weight, before[1] if before[0] >= weight else kind)

    ordered = all(abs(n - round(n)) < 1e-6 for _, n in host)
    own = dict(host)
    elements = sorted({z for composition in hosts for z, _ in composition})
    if defects and layer and ordered:
        n_atoms = sum(own.values())
        for z in own:
            without = {**own, z: own[z] - 1}
            add(without, KIND_VACANCY, CONSTANTS.vacancy)
            for other, share in substitutes[z].items():
                weight = CONSTANTS.substitute * share
                # One atom, all atoms of the element, or one atom beside a vacancy.
                add({**without, other: without.get(other, 0) + 1}, KIND_SUBSTITUTE, weight)
                if own[z] > 1:
                    add({**own, z: 0, other: own[z]}, KIND_SUBSTITUTE, weight)
                    add({**own, z: 0, other: 1}, KIND_SUBSTITUTE, weight * CONSTANTS.vacancy)
            for other in elements:
                if other == z:
                    continue
                add({**without, other: without.get(other, 0) + 1}, KIND_ANTISITE, CONSTANTS.antisite)
                if n_atoms > 1:
                    add({other: 1}, KIND_ANTISITE, 0.5 * CONSTANTS.antisite)
        for other in elements:
            add({**own, other: own.get(other, 0) + 1}, KIND_ADATOM, CONSTANTS.adatom)
    elif defects and ordered:
        for composition in hosts:
            if all(abs(n - round(n)) < 1e-6 for _, n in composition):
                add(dict(composition), KIND_ANTISITE, CONSTANTS.antisite)
        for z, n in own.items():
            for other, share in substitutes[z].items():
                add(
                    {**own, z: 0, other: own.get(other, 0) + n}, KIND_SUBSTITUTE, CONSTANTS.substitute * share
                )
    total = sum(weight for weight, _ in found.values())
    first = Candidate(host, HOST, 1.0 - total)
    return [
        first,
        *(Candidate(c, kind, weight) for c, (weight, kind) in sorted(found.items(), key=lambda i: -i[1][0])),
    ]


def substitutes_of(
    number: int, radii: Sequence[float], given: Sequence[int] | None = None
) -> dict[int, float]:
    """Elements that may replace another, by Goldschmidt's rules: of like size and valence.

    Parameters
    ----------
    number : int
        Atomic number of the element that is replaced.
    radii : sequence of float
        Covalent radius of each atomic number in ångström.
    given : sequence of int, optional
        Atomic numbers known to be in the specimen; then these only, all equally likely.

    Returns
    -------
    dict of int to float
        Weights that sum to 1.
    """
    if given is not None:
        others = [z for z in given if z != number]
        return dict.fromkeys(others, 1.0 / len(others)) if others else {}
    group = _group(number)
    weights = {}
    for z in range(1, _HEAVIEST + 1):
        if z == number or z in _NOBLE or z in _UNSTABLE:
            continue
        difference = (radii[z] - radii[number]) / radii[number]
        weights[z] = float(
            np.exp(
                -0.5 * (difference / CONSTANTS.radius_spread) ** 2
                - abs(_group(z) - group) / CONSTANTS.group_spread
            )
        )
    top = max(weights.values())
    kept = {z: w for z, w in weights.items() if w >= CONSTANTS.least_substitute * top}
    total = sum(kept.values())
    return {z: w / total for z, w in kept.items()}


#: Atomic numbers of the noble gases, which end the periods.
_NOBLE = (2, 10, 18, 36, 54, 86)


def _group(number: int) -> int:
    """Group of the periodic table, 1 to 18; lanthanides and actinides are in 3."""
    if number == 1:
        return 1
    start = max(z for z in (0, *_NOBLE) if z < number)
    place, last = number - start, next((z for z in _NOBLE if z >= number), 118)
    from_end = 18 - (last - number)
    if place <= 2:
        return place
    if last - start == 32 and place <= 17:
        return 3
    return from_end
