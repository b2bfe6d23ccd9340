"""What follows from an identification: its words, the composition of the field, and its atoms in three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.common import signed_degrees

from ._composition import HOST, column_name

if TYPE_CHECKING:
    from ._identification import Identification, StructureReport
    from ._projection import Composition


# Names of defects in the first line.
_MOST_NAMED = 6
# Mean probability from which an element is worth a word.
_LEAST_SHARE = 1e-3

# What a probability among given structures does not say.
_SCOPE = "of the structures that were given; others of like geometry are not excluded"


def headline(found: Identification) -> str:
    """The result in one line."""
    best = found.best
    if found.refused:
        return f"none of these: {found.refused}"
    n = len(found.labels)
    shares = [(found.explained_by(one), one.name) for one in found.structures]
    shares = sorted((item for item in shares if item[0] > 0), reverse=True)
    if len(shares) > 1:
        text = f"{', '.join(f'{name} {100 * share:.1f} %' for share, name in shares)} of {n:,} atoms"
    else:
        text = f"{best.name} explains {100 * found.explained_by(best):.1f} % of {n:,} atoms"
    changed = np.append([s.kind != HOST for s in found.species], False)[found.labels]
    names, which, numbers = np.unique(
        np.concatenate([found.names[changed], found.vacancy_names]), return_inverse=True, return_counts=True
    )
    if len(names):
        sure = np.bincount(which, np.concatenate([found.probabilities[changed], found.vacancy_probabilities]))
        first = np.lexsort((names, -numbers))[:_MOST_NAMED]
        parts = [(f"{numbers[k]} {names[k]}", sure[k] / numbers[k]) for k in first]
        for lead, low, high in (("; ", 0.5, 2.0), ("; perhaps ", 0.0, 0.5)):
            some = [f"{part} ({p:.2f})" if p < 0.95 else part for part, p in parts if low <= p < high]
            text += lead + ", ".join(some) if some else ""
    named, unknown = int(((found.phases < 0) & (found.labels >= 0)).sum()), int((found.labels < 0).sum())
    if named:
        text += f"; {named} off the lattice, named by brightness alone"
    if unknown:
        text += f"; {unknown} unexplained"
    exchange, certainty = best.arrangements[0][1] < 0.95 and best.arrangements[1][0], best.arrangements[0][1]
    if exchange:
        text += f"; uncertain ({certainty:.2f}): or {exchange}"
    # Zinc oxide and gallium nitride have their columns at the same places: alone, either has the probability 1.
    return f"{text} ({_SCOPE})"


def not_excluded(found: Identification) -> list[str]:
    """See :meth:`Identification.not_excluded`."""
    elements = named_elements(found)
    lines = []
    for k, host in enumerate(found.species):
        rows = np.flatnonzero(found.labels == k)
        if host.kind != HOST or not len(rows):
            continue
        shares = np.zeros(len(found.species) + 1)
        np.add.at(shares, found.alternatives[rows], found.alternative_probabilities[rows] / len(rows))
        foreign: dict[str, float] = {}
        for share, one in zip(shares, found.species, strict=False):
            for z in {z for z, _ in one.composition} - elements if one.host == host.host else ():
                foreign[found.symbols[z]] = foreign.get(found.symbols[z], 0.0) + float(share)
        listed = [z for z in sorted(foreign, key=lambda z: -foreign[z]) if foreign[z] >= _LEAST_SHARE]
        if listed:
            total = sum(foreign[z] for z in listed)
            lines.append(
                f"{', '.join(listed)} in place of {host.name} (prior, {_percent(total)} % of its columns)"
            )
    return lines


def named_elements(found: Identification) -> set[int]:
    """Atomic numbers of the hosts and of all columns that have a name."""
    named = {*found.labels.tolist(), *(k for k, s in enumerate(found.species) if s.kind == HOST)} - {-1}
    return {z for k in named for z, _ in found.species[k].composition}


def changed_columns(found: Identification) -> list[str]:
    """See :meth:`Identification.changed_columns`."""
    named = found.labels >= 0
    labels = np.concatenate([found.labels[named], found.vacancy_labels]).astype(np.int64)
    sure = np.concatenate([found.probabilities[named], found.vacancy_probabilities])
    counts, lines = np.bincount(labels, minlength=len(found.species)), []
    for k in np.argsort(-counts, kind="stable").tolist():
        one = found.species[k]
        if one.kind == HOST or not counts[k]:
            continue
        of_host = [(s.host, s.structure) == (one.host, one.structure) for s in found.species]
        n = int(counts[of_host].sum())
        share = counts[k] / n
        error = np.sqrt(max(share * (1 - share), 1 / n) / n)
        lines.append(
            f"{one.name} ({one.kind}): {counts[k]:,} in {n:,} sites of {column_name(one.host, one.host, found.symbols)} "
            f"({_percent(share)} ± {_percent(error)} %), mean probability {sure[labels == k].mean():.2f}"
        )
    return lines


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.1 else f"{100 * share:.1f}"


def summary(found: Identification) -> str:
    """The result in words: structures, motifs with alternatives, stoichiometry."""
    lines = [headline(found), f"by {found.method}"]
    for report in found.structures:
        lines.append(f"  {_structure_line(report, found.calibrated)}")
        if report.arrangements and report.arrangements[0][1] < 0.99:
            others = ", ".join(f"{text} ({p:.2f})" for text, p in report.arrangements)
            lines.append(f"    assignments that cannot be excluded: {others}")
    if found.map_log_factor:
        lines.append(
            f"several structures in one field: log Bayes factor {found.map_log_factor:,.0f} against the best one alone"
        )
    if found.refused:
        lines.append("another structure or direction of view may fit: identify(..., zone_axis=(1, 1, 0))")
        return "\n".join(lines)
    lines.append("motifs")
    for row in found.motif_table():
        atoms = "atom" if row["atoms"] == 1 else "atoms"
        line = (
            f"  {row['motif']}: {row['name']}  {row['atoms']:,} {atoms}  probability {row['probability']:.2f}"
        )
        if row["alternatives"]:
            line += "; or " + ", ".join(f"{k} {v:.2f}" for k, v in row["alternatives"])
        if row["others"]:
            line += "; among them " + ", ".join(f"{v} {k}" for k, v in row["others"].items())
        lines.append(line)
    if len(found.vacancy_labels):
        names, numbers = np.unique(found.vacancy_names, return_counts=True)
        lines.append("empty sites: " + ", ".join(f"{n} {k}" for k, n in zip(names, numbers, strict=True)))
    present = np.unique(found.phases[found.phases >= 0]).tolist()
    for k in present:
        of = f" of {found.structures[k].name}" if len(present) > 1 else ""
        lines.append(f"stoichiometry{of}: {found.formula(k)}")
    if other := not_excluded(found):
        lines.append(f"brightness does not exclude: {'; '.join(other)}")
    if found.best.unseen:
        lines.append(f"columns that are not seen: {', '.join(found.best.unseen)}")
    return "\n".join(lines)


def _structure_line(report: StructureReport, calibrated: bool) -> str:
    text = f"{report.name}: explains {100 * report.explained:.1f} %"
    if report.explained == 0:
        return f"{text}; {report.refusal}"
    text += (
        f", log Bayes factor {report.log_evidence:,.0f} against random places, probability {report.probability:.3g} among "
        f"these, {report.fit_probability:.2g} against another crystal"
    )
    text += f"; rotated by {', '.join(signed_degrees(angle, 1) for angle in report.rotations)} degrees"
    scale = ", ".join(f"{value:.4g}" for value in report.scales)
    text += (
        f", {scale} times as large as the structure"
        if calibrated
        else f", one ångström is {scale} units of the axes, which have no unit of length"
    )
    text += f", distorted by {100 * max(report.distortions):.1f} %"
    if np.isfinite(report.exponent):
        text += f"; brightness as Z^{report.exponent:.2f}"
    return text


def stoichiometry(found: Identification, structure: int) -> dict[str, tuple[float, float]]:
    """Number of atoms of each element for a formula unit of the columns that are seen, and its standard deviation.

    Parameters
    ----------
    found : Identification
    structure : int
        Number of the structure.

    Returns
    -------
    dict of str to (float, float)
        The elements of the structure first; empty if no atom is one of its columns.
    """
    columns = found.structures[structure].cell_columns
    unit = gcd(*columns.values())
    hosts = {s.host: s.name for s in found.species if s.structure == structure and s.kind == HOST}
    total: dict[int, float] = {}
    variance: dict[int, float] = {}
    for host, name in hosts.items():
        share = columns[name] / unit
        for z, (amount, error) in _mean_composition(found, structure, host).items():
            total[z] = total.get(z, 0.0) + share * amount
            variance[z] = variance.get(z, 0.0) + (share * error) ** 2
    own = {z for host in hosts for z, _ in host}
    order = sorted(total, key=lambda z: (z not in own, -z))
    return {found.symbols[z]: (total[z], float(np.sqrt(variance[z]))) for z in order if total[z] > 0.0005}


def _mean_composition(
    found: Identification, structure: int, host: Composition
) -> dict[int, tuple[float, float]]:
    """Mean number of atoms of each element on the sites of a host, and its standard deviation."""
    # An element by which no column is named is not there until it is shown.
    elements = named_elements(found)
    of_host = np.array(
        [
            s.host == host and s.structure == structure and {z for z, _ in s.composition} <= elements
            for s in found.species
        ],
        dtype=bool,
    )
    rows = np.flatnonzero(np.append(of_host, False)[found.labels])
    n_sites = max(len(rows) + int(of_host[found.vacancy_labels].sum()), 1)
    shares = np.zeros((len(rows), len(found.species) + 1))
    for labels, weights in (
        (found.labels[rows, None], found.probabilities[rows, None]),
        (found.alternatives[rows], found.alternative_probabilities[rows]),
    ):
        np.add.at(shares, (np.arange(len(rows))[:, None], labels), weights)
    # An exchange of hosts, as with the opposite polarity, leaves the stoichiometry as it is.
    shares = shares[:, :-1] * of_host
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    group = found.motifs[rows] * (len(found.species) + 1) + found.labels[rows]
    out = {}
    for z in {z for s, here in zip(found.species, of_host, strict=True) if here for z, _ in s.composition}:
        number = np.array([dict(s.composition).get(z, 0.0) for s in found.species])
        total = 0.0
        for member in np.unique(group):
            each = shares[group == member]
            own = _variance(number, each)
            # The smallest share of each name is that of the name of the motif, which is common to its atoms.
            shared = min(float(_variance(number, each.min(axis=0)[None])[0]), float(own.min()))
            total += float((own - shared).sum()) + len(each) ** 2 * shared
        out[z] = (float((shares @ number).sum()) / n_sites, float(np.sqrt(total)) / n_sites)
    return out


def _variance(number: NDArray[np.integer], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of numbers (k,) by shares (n, k)."""
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    return np.maximum(shares @ number**2 - (shares @ number) ** 2, 0.0)


def build_model(
    identification: Identification,
    positions: NDArray[np.float64],
    mirrored: NDArray[np.bool_],
    radii: Sequence[float],
    repeats: int = 1,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Atoms of the field of view.

    Parameters
    ----------
    identification : Identification
    positions : ndarray of shape (n, 2)
        x, y of the columns in ångström, y down as in the image.
    mirrored : ndarray of bool of shape (n,)
        Whether the crystal is seen from below at each column.
    radii : sequence of float
        Covalent radii in ångström by atomic number.
    repeats : int, optional
        Thickness of a crystal in its repeats along the beam. A layer has one.

    Returns
    -------
    numbers : ndarray of int of shape (m,)
        Atomic numbers. Substitutes stand in the places of the atoms that they replace; where not all atoms of a column are
        there, the image does not show which, and those near the observer are missing.
    places : ndarray of shape (m, 3)
        x, y, z in ångström; y down and z away from the observer, which is a right-handed frame.
    columns : ndarray of int of shape (m,)
        Column of each atom.
    """
    numbers, places, columns = [], [], []
    for i in np.flatnonzero(identification.labels >= 0).tolist():
        species = identification.species[identification.labels[i]]
        column = int(identification.columns[i])
        known = identification.column_heights[species.structure]
        if column < 0:
            # Off the lattice, named by brightness: heights of the first column of this host.
            wanted = sorted(z for z, _ in species.host)
            column = next(k for k, atoms in enumerate(known) if sorted({z for z, _ in atoms}) == wanted)
        period = identification.repeats[species.structure]
        for z, height in _placed(dict(species.composition), known[column], radii):
            own = height + identification.heights[i]
            for k in range(repeats if period else 1):
                level = (own % period if period else own) + k * period
                numbers.append(z)
                places.append([*positions[i], level if mirrored[i] else -level])
                columns.append(i)
    points = np.array(places).reshape(-1, 3)
    if len(points):
        points[:, 2] -= points[:, 2].min()
    return np.array(numbers, np.int64), points, np.array(columns, np.int64)


def _placed(
    composition: dict[int, float], host: list[tuple[int, float]], radii: Sequence[float]
) -> list[tuple[int, float]]:
    """Atoms of a column with their heights: own elements in their places, others in the free ones, the rest above."""
    left = {z: max(round(n), 1) for z, n in composition.items()}
    # From below, so that atoms near the observer are those that are missing.
    free: list[float] = []
    out: list[tuple[int, float]] = []
    for z, height in sorted(host, key=lambda atom: atom[1]):
        if left.get(z, 0) > 0:
            left[z] -= 1
            out.append((z, height))
        else:
            free.append(height)
    for z in sorted(left, reverse=True):
        for _ in range(left[z]):
            if free:
                out.append((z, free.pop(0)))
            else:
                top = max(out, key=lambda atom: atom[1])
                out.append((z, top[1] + radii[z] + radii[top[0]]))
    return out
