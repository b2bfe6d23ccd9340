"""The facts of each motif as a paragraph."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, overload

import numpy as np

from hyperspy_motifs.naming import motif_name

from ._facts import Place, Shell

_FOLDS = {2: "twofold", 3: "threefold", 4: "fourfold", 6: "sixfold"}
_NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


@dataclass(frozen=True)
class MotifDescription:
    """What a motif is. In its text ± is the standard deviation of one atom; of shares and correlations, the standard error.

    Attributes
    ----------
    motif, name : int, str
    names : tuple of str
        Names of all motifs, for the text.
    units : str
        Of lengths.
    count : int
        Atoms.
    share, share_error : float
        Fraction of all atoms, and its standard error from the number of atoms.
    shell : Shell or None
        First shell of neighbours; None if all atoms are at the border, and for patches on a grid.
    reference : int
        Motif with which the brightness is compared: the one that most sites of these atoms have, or of another kind of site
        where that is the motif itself; -1 for none.
    brightness, brightness_scatter : float
        Height of the columns relative to the reference; NaN where it is unknown.
    point_group : str
        Of the mean patch, "" if no disc lies in the image.
    fold, rotation, rotation_error, mirror, mirror_error
        Order of the rotation axis, or of the one that is nearest to hold; the correlations of the mean patch with its rotated
        and mirrored copies, with their errors by noise.
    place : Place or None
        None for the frames of a stack.
    site : int
        Motif that most sites of these atoms have.
    nearest : int
        Motif that is most similar; -1 for none.
    separation, confused : float
        Its distance in standard deviations, and the fraction of confused atoms (:func:`hyperspy_motifs.describe.separate`).
    differences : tuple of str
        Moments that distinguish the two, the most important first.
    probability : float
        Mean probability of its atoms.
    n_uncertain, n_truncated : int
        Atoms with a probability below 0.9; atoms whose disc is cut by the border.
    """

    motif: int
    name: str
    names: tuple[str, ...]
    units: str
    count: int
    share: float
    share_error: float
    shell: Shell | None
    reference: int
    brightness: float
    brightness_scatter: float
    point_group: str
    fold: int
    rotation: float
    rotation_error: float
    mirror: float
    mirror_error: float
    place: Place | None
    site: int
    nearest: int
    separation: float
    confused: float
    differences: tuple[str, ...]
    probability: float
    n_uncertain: int
    n_truncated: int

    @property
    def sentences(self) -> tuple[str, ...]:
        """The facts, a sentence each: how many and where, coordination, brightness, symmetry, what is similar."""
        told = (self._number(), self._coordination(), self._brightness(), self._symmetry(), self._similar())
        return tuple(line for line in told if line)

    @property
    def text(self) -> str:
        """One paragraph."""
        return " ".join(self.sentences)

    def __repr__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Numbers and texts by name, without nesting."""
        own = ("names", "shell", "place", "differences")
        out = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in own}
        shell, place = self.shell, self.place
        out["neighbours"] = "" if shell is None else self._neighbours(shell)
        out["coordination"] = np.nan if shell is None else float(sum(shell.numbers))
        out["differences"] = "; ".join(self.differences)
        out |= {
            f"place_{f.name}": np.nan if place is None else getattr(place, f.name)
            for f in fields(Place)
            if f.name != "kind"
        }
        return {**out, "place": "" if place is None else place.kind, "text": self.text}

    def _called(self, motif: int) -> str:
        return "an empty site" if motif < 0 else motif_name(motif, self.names)

    def _number(self) -> str:
        name = self._called(self.motif)
        count = f"{self.count:,} {'atom' if self.count == 1 else 'atoms'}"
        text = f"{name[0].upper() if name == f'motif {self.motif}' else name[0]}{name[1:]}: {count}, "
        text += f"{100 * self.share:.3g} ± {100 * self.share_error:.1g} % of all"
        cut = f"; the border cuts the discs of {self.n_truncated}" if self.n_truncated else ""
        place = self.place
        if place is None:
            return f"{text}{cut}."
        own = self.site == self.motif
        sites = (
            f"{place.n_sites:,} {'sites of its own kind' if own else f'sites of {self._called(self.site)}'}"
        )
        text += f", on {100 * place.n_members / place.n_sites:.3g} % of the {sites}"
        where = {
            "random": f"at random (p = {place.p_value:.2g})",
            "clustered": f"clustered (p = {place.p_value:.2g})",
            "dispersed": f"farther apart than at random (p = {place.p_value:.2g})",
            "mixed": f"not at random, at some distances clustered and at others dispersed (p = {place.p_value:.2g})",
            "too few": "too few to say whether at random",
        }.get(place.kind)
        if where is None:
            return f"{text}{cut}."
        text += f", {where}"
        if place.is_line:
            text += f" along lines at {place.direction:.0f}° from x towards y (alignment {place.alignment:.2f} of 1)"
        return f"{text}{cut}."

    def _neighbours(self, shell: Shell) -> str:
        total = sum(shell.numbers)
        parts = []
        for motif, number, distance, scatter in zip(
            shell.motifs, shell.numbers, shell.distances, shell.scatters, strict=True
        ):
            many = f"{_many(number)} " if len(shell.motifs) > 1 else ""
            what = "empty sites" if motif < 0 else f"of {self._called(motif)}"
            parts.append(f"{many}{what} at {_length(distance, scatter)} {self.units}")
        joint = f"{_many(total)}: " if len(parts) > 1 else f"{_many(total)} "
        return joint + ", ".join(parts)

    def _coordination(self) -> str:
        if self.shell is None:
            alone = "All its atoms are at the border, where neighbours are unknown."
            return alone if self.n_truncated == self.count else ""
        return f"Nearest neighbours: {self._neighbours(self.shell)}."

    def _brightness(self) -> str:
        if not isfinite(self.brightness):
            return ""
        of = self._called(self.reference)
        place = ", on whose sites most of them are" if self.reference == self.site else ", on other sites"
        return f"Its columns are {_length(self.brightness, self.brightness_scatter)} times as high as those of {of}{place}."

    def _symmetry(self) -> str:
        if not self.point_group:
            return ""
        rotation = f"{_FOLDS[self.fold]} rotation {min(self.rotation, 1.0):.2f} ± {max(self.rotation_error, 0.005):.1g}"
        mirror = f"mirror {min(self.mirror, 1.0):.2f} ± {max(self.mirror_error, 0.005):.1g}"
        return f"Point group of the mean patch: {self.point_group} (correlations: {rotation}, {mirror})."

    def _similar(self) -> str:
        text = f"Mean probability {self.probability:.2f}"
        if self.n_uncertain:
            text += f", below 0.9 for {self.n_uncertain:,}"
        if self.nearest < 0:
            return f"{text}."
        near = f"The most similar one is {self._called(self.nearest)}"
        if isfinite(self.separation):
            share = f"{100 * self.confused:.2g} % of the" if self.confused > 0 else "no"
            near += f", {self.separation:.1f} standard deviations away along the discriminant of their moments, which takes "
            near += f"{share} atoms for the other in a cross-validation"
        if self.differences:
            near += f"; they differ in {'; '.join(self.differences)}"
        return f"{near}. {text}."


def _many(number: float) -> str:
    """A mean number of neighbours, as a word where it is whole."""
    whole = round(number)
    return _NUMBERS[whole] if abs(number - whole) < 0.05 and whole < len(_NUMBERS) else f"{number:.2g}"


def _length(value: float, scatter: float) -> str:
    """A value with its scatter, to the same digit: two of the scatter's where it begins with 1."""
    if not scatter > 1e-4 * abs(value):
        return f"{value:.4g}"
    digits = max(0, -int(np.floor(np.log10(scatter))) + (1 if f"{scatter:.0e}"[0] == "1" else 0))
    return f"{value:.{digits}f} ± {scatter:.{digits}f}"


class Descriptions(Sequence[MotifDescription]):
    """The descriptions of all motifs, in their order; ``print`` shows one paragraph for each.

    Parameters
    ----------
    descriptions : sequence of MotifDescription
    """

    def __init__(self, descriptions: Sequence[MotifDescription]) -> None:
        self._items = tuple(descriptions)

    @overload
    def __getitem__(self, index: int) -> MotifDescription: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[MotifDescription]: ...
    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[MotifDescription]:
        return iter(self._items)

    def __repr__(self) -> str:
        return "\n\n".join(item.text for item in self)

    def _repr_html_(self) -> str:
        from hyperspy_motifs.draw import motif_colour

        line = '<p style="border-left:.5em solid {};padding-left:.6em;max-width:46em">{}</p>'
        return "".join(line.format(motif_colour(item.motif), html.escape(item.text)) for item in self)

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain columns, one row per motif, ready for ``pandas.DataFrame``."""
        rows = [item.to_dict() for item in self]
        return {key: np.array([row[key] for row in rows]) for key in rows[0]} if rows else {}
