"""A result in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from hyperspy_motifs.clustering import motif_name
from hyperspy_motifs.common import MOST_IN_A_LINE
from hyperspy_motifs.defects import ANOTHER, VACANCY
from hyperspy_motifs.describe import UNCERTAIN, place_words
from hyperspy_motifs.store import UNKNOWN_UNITS, neighbour_distance, radius_words

if TYPE_CHECKING:
    from hyperspy_motifs.clustering import TurnedMotif
    from hyperspy_motifs.defects import Defects

    from ._motifs import Motifs

# Motifs in a summary and in the table of a notebook, which are a glance; the report and `describe` have them all.
MOST_SHOWN = 12
# Orientations of one motif from which on a summary advises to take them as one: more than a domain and its twin have.
_MANY_ORIENTATIONS = 3
_REMEDY = "find_motifs(rotation_invariant=True)"
# Fraction of the atoms that the translations of a unit cell map onto atoms of their motif; below it, this is said first.
_LEAST_MATCH = 0.7
# Relative difference of the two lengths of a unit cell, and of its angle in degrees from 60 or 90, that drift explains.
_SAME_LENGTH, _SAME_ANGLE = 0.04, 3.0


def cautions(motifs: Motifs) -> list[str]:
    """What may make a result wrong, a sentence each: to be read before anything else."""
    return [
        *motifs.quality.refusals(),
        *motifs.cells.cautions(),
        *_uncertain_levels(motifs),
        *_orientations(motifs),
    ]


def _orientations(motifs: Motifs) -> list[str]:
    """That one motif is there in several orientations, as in a polycrystal or a large unit cell, and what to do."""
    copies = motifs._turned()
    # Two orientations are those of a honeycomb, a twin or a domain, which a user may want to see.
    most = max(Counter(copy.copy_of for copy in copies).values(), default=0) + 1
    if most < _MANY_ORIENTATIONS:
        return []
    return [
        f"the {motifs.n_motifs} motifs are {motifs.n_motifs - len(copies)} in up to {most} orientations: {_REMEDY} takes the "
        "orientations of a motif as one"
    ]


def _turned(motifs: Motifs) -> list[str]:
    """Which motifs are others in another orientation."""
    copies = motifs._turned()
    if not copies or _orientations(motifs):
        return []
    words = [
        f"{motif_name(found.motif, motifs.names)} is {motif_name(found.copy_of, motifs.names)}"
        f"{' mirrored' if found.mirrored else ''}{_by(found)}"
        for found in copies[:MOST_IN_A_LINE]
    ]
    rest = len(copies) - len(words)
    return [
        f"in another orientation: {', '.join(words)}{f' and {rest} more' if rest else ''} ({_REMEDY} takes them as one)"
    ]


def _by(found: TurnedMotif) -> str:
    """The angle of a rotation in words; that of a mirrored copy depends on the axis of the mirror."""
    return "" if found.mirrored else f" turned by {abs(np.degrees(found.angle)):.0f}°"


def _uncertain_levels(motifs: Motifs) -> list[str]:
    """Unit cells whose translations map too few atoms onto atoms of their motif; not of a stack, where it takes a while."""
    many = len(np.unique(motifs.frames)) > 1
    levels = [] if many or motifs.hierarchy is None else motifs.hierarchy.levels
    return [
        f"the translations of the unit cells map only {100 * level.scalars['match']:.0f} % of the atoms onto atoms of their "
        "motif"
        for level in levels
        if level.scalars.get("match", 1.0) < _LEAST_MATCH
    ]


def summarise(motifs: Motifs) -> str:
    """Atoms, radius and why, motifs with counts, and cells, as lines of text."""
    parameters = motifs.parameters
    lines = [_atoms(motifs, parameters)]
    if not len(motifs.labels):
        return "no atoms in this part of the image"
    lines[:0] = _defects(motifs)
    identified = motifs._identification()
    if identified is not None:
        lines.insert(0, f"structure: {identified.headline()}")
    quality = motifs.quality
    lines[:0] = [f"caution: {line}" for line in cautions(motifs)]
    lines += [f"image: {line}" for line in quality.lines()]
    if motifs.units == UNKNOWN_UNITS:
        lines.append(
            "image: the scale of its axes has no unit: lengths are in the units of that scale, whatever they are"
        )
    radii = ", ".join(f"{radius:.3g}: {motifs.labels_at(radius).max() + 1}" for radius in motifs.radii)
    radius = radius_words(motifs.radius, parameters, motifs.units)
    lines.append(f"radius {radius} (motifs at each radius: {radii})")
    if parameters.get("reason"):
        lines.append(f"  {chosen_radius(motifs)}")
    if motifs.is_continuous:
        lines.append(
            "  the neighbourhoods change gradually: the motifs are regions of a continuum, not classes"
        )
    centres = parameters.get("patch_centres", {})
    if parameters.get("atoms") != "grid" and centres.get("kind") == "grid":
        lines.append(f'  {centres["reason"]}; find_motifs(atoms="grid") uses patches on a grid instead')
    lines.append(_counted(motifs.n_motifs, "motif"))
    present = np.flatnonzero(motifs.counts)
    shown = present[:MOST_SHOWN] if len(present) > MOST_SHOWN + 1 else present
    width = max(len(motifs.names[k]) for k in shown)
    truncated = motifs.truncated
    for k in shown.tolist():
        name, count = motifs.names[k], int(motifs.counts[k])
        sure = float(np.mean(motifs.probabilities[motifs.labels == k]))
        share = 100 * count / len(motifs.labels)
        atoms = "atom " if count == 1 else "atoms"
        line = f"  {name:>{width}}  {count:6d} {atoms}  {share:5.1f} %  mean probability {sure:.2f}"
        # A motif of cut surroundings is one of the border and not of the specimen.
        cut = int(np.count_nonzero(truncated & (motifs.labels == k)))
        lines.append(f"{line}  ({cut} of them truncated by the border)" if 2 * cut > count else line)
    if rest := motifs.counts[present[len(shown) :]].tolist():
        lines.append(
            f"  and {len(rest)} rarer ones of {min(rest)} to {max(rest)} atoms, {sum(rest):,} together: motifs.describe()"
        )
    lines += _turned(motifs) + _empty_sites(motifs)
    if identified is not None and (known := _known_defects(motifs)) is not None:
        lines += _two_counts(motifs, known)
    lines += _environments(motifs) + _uncertain(motifs)
    lines.append(_cells(motifs))
    return "\n".join(lines)


def answers(motifs: Motifs) -> list[tuple[str, list[str]]]:
    """What was found, by question, each in a few lines: the first page of the report."""
    identified = motifs._identification()
    many = [described.headline() for described in motifs.describe()[:MOST_SHOWN]]
    if motifs.n_motifs > MOST_SHOWN:
        many.append(f"and {motifs.n_motifs - MOST_SHOWN} rarer ones")
    structure = [*_lattice(motifs), *_domains(motifs)]
    out = [
        (
            "Structure",
            ["not identified: no structure was given" if identified is None else identified.headline()],
        ),
        *([("By name", changed)] if identified and (changed := identified.changed_columns()) else []),
        ("Atoms", [_atoms(motifs, motifs.parameters)]),
        ("Cell", [*([", ".join(structure)] if structure else []), _cells(motifs)]),
        ("Motifs", [chosen_radius(motifs), *many, *_turned(motifs)]),
    ]
    one_frame = len(np.unique(motifs.frames)) == 1
    defects = _known_defects(motifs)
    if defects is not None:
        found = [
            *_missing(defects),
            defects.headline(),
            *repr(defects.densities()).splitlines(),
            *_empty_sites(motifs),
            *_two_counts(motifs, defects),
        ]
        found += _places(motifs, defects) if one_frame else []
        if len(defects):
            found.append("the places are ringed in the image below and listed in the table of defects")
        out.append(("Defects", found))
    quality = [*motifs.quality.lines()] or ["no fault was found in it"]
    unsure = [*cautions(motifs), *_uncertain(motifs)] or ["no atom has a probability below 0.5"]
    if identified and (
        doubtful := int(((identified.probabilities < UNCERTAIN) & (identified.labels >= 0)).sum())
    ):
        unsure.append(f"{_counted(doubtful, 'atom')} with a name of a probability below {UNCERTAIN:g}")
    return [*out, ("Image", quality), ("Uncertain", unsure)]


def _places(motifs: Motifs, defects: Defects) -> list[str]:
    """Where vacancies, and the motifs that are listed on sites of others, are on their sites; as `describe` has the latter."""
    out = []
    vacant = defects.test_clustering(VACANCY)
    if vacant.kind != "too few":
        out.append(
            f"where: {vacant.n_members:,} vacancies on {vacant.n_sites:,} tested sites: "
            f"{place_words(vacant.kind, vacant.p_value)}"
        )
    described = motifs.describe()
    for motif in np.unique(defects.motifs[defects.kinds == ANOTHER]).tolist():
        place, site = described[motif].place, described[motif].site
        words = "" if place is None or site == motif else place_words(place.kind, place.p_value)
        if words and place is not None and place.kind != "too few":
            whose = f"all {place.n_members:,} atoms of {motif_name(motif, motifs.names)}"
            out.append(
                f"where: {whose} on {place.n_sites:,} sites of {motif_name(site, motifs.names)}: {words}"
            )
    return out


def _missing(defects: Defects) -> list[str]:
    """How many vacancies there are, as far as heights tell without a structure."""
    whole = defects.counts.get(VACANCY, 0)
    # Of a dark image the darker columns have the larger heights.
    by_height = np.isin(defects.kinds, (ANOTHER, "darker", "brighter"))
    weaker = int(np.count_nonzero(by_height & (defects.ratios < 1)))
    text = f"vacancies of whole columns: {whole:,}"
    if weaker:
        text += f"; columns weaker than their counterparts, which lack atoms or hold lighter ones: {weaker:,}"
    return [f"{text}, of {len(defects.site_motifs):,} tested sites"]


def _known_defects(motifs: Motifs) -> Defects | None:
    """The defects; None of patches on a grid, and of a stack where they have not been looked for, which takes a while."""
    if motifs.parameters.get("atoms") == "grid":
        return None
    return motifs.defects if len(np.unique(motifs.frames)) == 1 else motifs._stored_defects()


def _two_counts(motifs: Motifs, defects: Defects) -> list[str]:
    """Which vacancies are counted where, if a structure names others than the test finds."""
    identified = motifs._identification()
    if identified is None or len(identified.vacancy_labels) == defects.counts.get(VACANCY, 0):
        return []
    counted = Counter(identified.vacancy_names.tolist())
    named = ", ".join(f"{n} {name}" for name, n in sorted(counted.items())) or "none"
    return [
        f"two counts of vacancies: {defects.counts.get(VACANCY, 0):,} are empty sites of the motifs, away from the border, at "
        f"{100 * defects.fdr:g} % false discoveries; {len(identified.vacancy_labels):,} are places of the structure without a "
        f"column, wherever it was fitted and without that test ({named})"
    ]


def chosen_radius(motifs: Motifs) -> str:
    """Return in words the radius in use, how many `motifs` there are now, and why this radius was taken."""
    many = _counted(motifs.n_motifs, "motif")
    why = motifs.parameters.get("reason")
    # The stored reason begins with the radius and the motifs that were found; these may have been edited since.
    return f"radius {motifs.radius:.3g} ({many})" + (f": {why.split('): ', 1)[-1]}" if why else "")


def as_html(motifs: Motifs) -> str:
    """What a notebook shows: atoms, radius and why, and the motifs in their colours with counts. Computes no cells."""
    from hyperspy_motifs.draw import motif_colour

    parameters = motifs.parameters
    if not len(motifs.labels):
        return "<p>Motifs: no atoms lie in this part of the image.</p>"
    lines = [f"<b>Motifs</b> of {escape(_atoms(motifs, parameters))}", escape(chosen_radius(motifs))]
    if motifs.is_continuous:
        lines.append(
            "the neighbourhoods change gradually: the motifs are regions of a continuum, not classes"
        )
    rows = []
    present = np.flatnonzero(motifs.counts)
    for k in present[:MOST_SHOWN].tolist():
        count = int(motifs.counts[k])
        share = 100 * count / len(motifs.labels)
        sure = float(np.mean(motifs.probabilities[motifs.labels == k]))
        name = swatch(motif_colour(k), motifs.names[k])
        rows.append(
            f"<tr><td style='text-align:left'>{name}</td><td>{count:,}</td><td>{share:.1f} %</td><td>{sure:.2f}</td></tr>"
        )
    if len(present) > MOST_SHOWN:
        rows.append(f"<tr><td colspan=4>and {len(present) - MOST_SHOWN} more</td></tr>")
    head = (
        "<tr><th style='text-align:left'>motif</th><th>atoms</th><th>share</th><th>mean probability</th></tr>"
    )
    return (
        f"<div>{'<br>'.join(lines)}</div><table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"
    )


def swatch(colour: str, text: str) -> str:
    """`text` as HTML with a square of `colour` (hexadecimal RGB) before it."""
    shape = "display:inline-block;width:.8em;height:.8em;border:1px solid #555;margin-right:.45em;background:"
    return f'<span style="{shape}{colour}"></span>{escape(text)}'


def _atoms(motifs: Motifs, parameters: Mapping[str, object]) -> str:
    if parameters.get("atoms") == "grid":
        text = f"{len(motifs.labels):,} patches on a grid, not atoms"
    else:
        text = _counted(len(motifs.labels), "atom")
    if parameters.get("atoms") == "given" and parameters.get("read_as"):
        text += f" (given: {parameters['read_as']})"
    if len(np.unique(motifs.frames)) > 1:
        text += f" in {len(np.unique(motifs.frames))} frames"
    if "spacing" in parameters:
        text += f", nearest neighbours {neighbour_distance(parameters):.4g} {motifs.units} apart"
    if parameters.get("polarity"):
        text += f", {parameters['polarity']} columns"
    return text


def _defects(motifs: Motifs) -> list[str]:
    """Lattice, numbers of motifs and atoms, and defects, in one line; in a stack defects that have been looked for."""
    if motifs.parameters.get("atoms") == "grid":
        return []
    if len(np.unique(motifs.frames)) > 1:
        known = motifs._stored_defects()
        many = [_counted(motifs.n_motifs, "motif"), _counted(len(motifs.labels), "atom")]
        found = "motifs.defects has not been read yet" if known is None else known.headline()
    else:
        many = [
            *_lattice(motifs),
            *_domains(motifs),
            _counted(motifs.n_motifs, "motif"),
            _counted(len(motifs.labels), "atom"),
        ]
        found = motifs.defects.headline()
    return [f"{', '.join(many)}; {found}"]


def _lattice(motifs: Motifs) -> list[str]:
    """The lattice of the unit cells, of the largest grain if there are several, and its parameters in words."""
    levels = [] if motifs.hierarchy is None else motifs.hierarchy.levels
    cell = next((level.scalars for level in levels if level.kind == "unit-cell"), None)
    if cell is None or cell["match"] < _LEAST_MATCH:
        return []
    a, b, angle = cell["a"], cell["b"], cell["angle"]
    equal = abs(a - b) <= _SAME_LENGTH * max(a, b)
    if equal and min(abs(angle - 60), abs(angle - 120)) <= _SAME_ANGLE:
        corners = motifs.cells.n_corners
        name = "honeycomb" if 2 * np.count_nonzero(corners == 6) > len(corners) else "hexagonal lattice"
    elif abs(angle - 90) <= _SAME_ANGLE:
        name = "square lattice" if equal else "rectangular lattice"
    else:
        name = "rhombic lattice" if equal else "oblique lattice"
    if equal:
        return [name, f"a = {(a + b) / 2:.3g} {motifs.units}"]
    return [name, f"a = {a:.3g} {motifs.units}", f"b = {b:.3g} {motifs.units}"]


def _domains(motifs: Motifs) -> list[str]:
    """Domains with the boundaries between them in words, or the period of the superstructure that they would be parts of."""
    levels = {} if motifs.hierarchy is None else {level.kind: level for level in motifs.hierarchy.levels}
    if "moire-cell" in levels:
        return [f"period of the surroundings {levels['moire-cell'].scalars['period']:.3g} {motifs.units}"]
    if "domain" not in levels:
        return []
    text = f"{_counted(len(levels['domain'].labels), 'domain')} of {_counted(len(levels['domain'].names), 'kind')}"
    if "boundary" in levels:
        boundary = levels["boundary"]
        many = f"{len(boundary.labels)} boundar{'y' if len(boundary.labels) == 1 else 'ies'}"
        text += f", {many} ({_counted(int(boundary.columns['n_cells'].sum()), 'cell')})"
    return [text]


def _empty_sites(motifs: Motifs) -> list[str]:
    """How many sites of each motif are empty."""
    sites = motifs.sites
    empty = sites.vacant
    if not empty.any():
        return []
    kinds = np.unique(sites.expected_motifs[empty])
    # A list of many kinds says less than their sum.
    groups = [kinds] if len(kinds) > MOST_IN_A_LINE else kinds[:, None]
    parts = []
    for group in groups:
        of_kind = np.isin(sites.expected_motifs, group)
        whose = motif_name(int(group[0]), motifs.names) if len(group) == 1 else f"{len(group)} motifs"
        parts.append(f"{int((of_kind & empty).sum()):,} of {int(of_kind.sum()):,} sites of {whose}")
    text = f"empty sites, with those near the border: {', '.join(parts)}"
    if motifs.parameters.get("atoms") == "grid" or len(np.unique(motifs.frames)) > 1:
        return [text]
    unlisted = int(empty.sum()) - motifs.defects.counts.get(VACANCY, 0)
    if unlisted > 0:
        text += f"; not counted as vacancies, as too uncertain or too close to the border: {unlisted:,}"
    return [text]


def _environments(motifs: Motifs) -> list[str]:
    """How many environments there are beyond the radius of the motifs."""
    beyond = [(r, int(motifs.labels_at(r).max()) + 1) for r in motifs.radii if r > motifs.radius]
    if not beyond or motifs.is_continuous or max(n for _, n in beyond) <= motifs.n_motifs:
        return []
    numbers = ", ".join(f"{n} at radius {r:.3g}" for r, n in beyond)
    return [f"environments, which the kinds of the neighbours explain: {numbers}"]


def _uncertain(motifs: Motifs) -> list[str]:
    """How many atoms are uncertain, and how many are truncated."""
    doubtful = int(np.count_nonzero(motifs.probabilities < 0.5))
    truncated = int(np.count_nonzero(motifs.truncated))
    if not doubtful and not truncated:
        return []
    uncertain = (
        f"{_counted(doubtful, 'atom')} {'is' if doubtful == 1 else 'are'} uncertain (probability below 0.5)"
    )
    return [f"{uncertain}; the border cuts the discs of {truncated}"]


def _cells(motifs: Motifs) -> str:
    cells = motifs.cells
    if not len(cells):
        return "no cells"
    # The border makes cells of other corners, unless there are no others.
    inner = ~cells.on_border if not cells.on_border.all() else np.ones(len(cells), bool)
    sizes, counts = np.unique(cells.n_corners[inner], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    named = ", ".join(f"{counts[i]:,} with {sizes[i]} corners" for i in order[:6])
    text = f"{_counted(int(inner.sum()), 'cell')}: {named}" + (" and others" if len(order) > 6 else "")
    if not inner.all():
        text += f"; {len(cells) - int(inner.sum()):,} more at the border"
    n_open = sum(bool((polygon >= cells.n_points).any()) for polygon in cells.corners)
    if not n_open:
        return text
    sites = motifs.sites
    missing = [motif_name(k, motifs.names) for k in np.unique(sites.expected_motifs[sites.vacant]).tolist()]
    whose = f" of {' or '.join(missing)}" if len(missing) <= MOST_IN_A_LINE else ""
    return f"{text}; {n_open} of them have an empty site{whose} as a corner"


def _counted(number: int, word: str) -> str:
    """A number with its word, in the plural but for one."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
