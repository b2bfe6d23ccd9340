"""An identification in words: its first line, and a summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._candidates import HOST

if TYPE_CHECKING:
    from ._identification import Identification, StructureReport

# Names of defects in the first line.
_MOST_NAMED = 6


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
    changed = np.array([*(s.kind != HOST for s in found.species), False], dtype=bool)
    names, numbers = np.unique(
        np.concatenate([found.names[changed[found.labels]], found.vacancy_names]), return_counts=True
    )
    if len(names):
        first = np.lexsort((names, -numbers))[:_MOST_NAMED]
        text += "; " + ", ".join(f"{numbers[k]} {names[k]}" for k in first)
    named, unknown = int(((found.phases < 0) & (found.labels >= 0)).sum()), int((found.labels < 0).sum())
    if named:
        text += f"; {named} off the lattice, named by brightness alone"
    if unknown:
        text += f"; {unknown} unexplained"
    exchange, certainty = best.arrangements[0][1] < 0.95 and best.arrangements[1][0], best.arrangements[0][1]
    return f"{text}; uncertain ({certainty:.2f}): or {exchange}" if exchange else text


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
    text += f"; rotated by {', '.join(f'{angle:.1f}' for angle in report.rotations)} degrees"
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
