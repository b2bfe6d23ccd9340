"""What the motifs are, in words and numbers that a person can check."""

from __future__ import annotations

import html
from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hyperspy_motifs.clustering import motif_name
from hyperspy_motifs.common import robust_spread
from hyperspy_motifs.defects import compare_with_chance

__all__ = [
    "Descriptions", "MotifDescription", "Place", "Shell", "compare_brightness", "describe_place", "find_shell", "separate",
]  # fmt: skip

# Neighbours that are looked at: the first two shells of every lattice of the plane have at most 12.
_N_NEIGHBOURS = 12
# Neighbours per atom from which on a motif is named as a neighbour.
_LEAST_NUMBER = 0.05
#: Atoms and names below this probability of being right are uncertain: they are counted, with what else they resemble.
UNCERTAIN = 0.9
# Of a few hundred columns no larger probability differs from 1 significantly.
_MOST_SURE = 0.99
# Alignment of the pairs within an ellipse with axes of 3 to 1.
_ALIGNED = 0.5


@dataclass(frozen=True)
class Shell:
    """First shell of neighbours of the atoms of one motif.

    Attributes
    ----------
    reach : float
        Distance that separates the first shell from the second, in the units of the positions.
    motifs : tuple of int
        Motifs of the neighbours, the most frequent first; -1 for empty sites. Those of fewer than one in twenty atoms are
        left out.
    numbers, distances, scatters : tuple of float
        For each of these, their mean number per atom, median distance and the standard deviation of one distance.
    """

    reach: float
    motifs: tuple[int, ...]
    numbers: tuple[float, ...]
    distances: tuple[float, ...]
    scatters: tuple[float, ...]


def _scatter(values: NDArray[np.floating]) -> float:
    """Robust standard deviation."""
    return float(robust_spread(values - np.median(values)))


def _gap(distances: NDArray[np.floating]) -> float:
    """Distance in the largest relative gap between the mean first, second, ... neighbour distance of some points."""
    mean = distances.mean(axis=0)
    mean = mean[np.isfinite(mean)]
    if len(mean) < 2:
        return float(2 * mean.max(initial=0.0))
    last = int(np.argmax(mean[1:] / mean[:-1]))
    return float(np.sqrt(mean[last] * mean[last + 1]))


def find_shell(
    points: NDArray[np.floating],
    labels: NDArray[np.integer],
    members: NDArray[np.integer],
    margin: NDArray[np.floating],
) -> Shell | None:
    """First shell of some points.

    It ends at the largest relative gap between the mean distances of their nearest, second nearest, ... neighbours.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        Atoms, and empty sites.
    labels : ndarray of int, shape (n,)
        Motif of each; -1 for an empty site.
    members : ndarray of int, shape (k,)
        Rows of the points whose shell is described.
    margin : ndarray of shape (n,)
        Distance of each point from the border of the field.

    Returns
    -------
    Shell or None
        None if all members are closer to the border than their shell is wide, or there is no other point.
    """
    if len(points) < 2:
        return None
    distances, index = cKDTree(points).query(points[members], min(_N_NEIGHBOURS + 1, len(points)))
    distances, index = distances[:, 1:], index[:, 1:]
    whole = margin[members] >= distances[:, -1]
    reach = _gap(distances[whole] if whole.any() else distances)
    inside = margin[members] >= reach
    if not inside.any():
        return None
    near = distances[inside] < reach
    length, motif = distances[inside][near], labels[index[inside][near]]
    kinds, counts = np.unique(motif, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= _LEAST_NUMBER * inside.sum()]
    return Shell(
        reach,
        tuple(kinds[order].tolist()),
        tuple((counts[order] / inside.sum()).tolist()),
        tuple(float(np.median(length[motif == kinds[i]])) for i in order),
        tuple(_scatter(length[motif == kinds[i]]) for i in order),
    )


def compare_brightness(
    heights: NDArray[np.floating], members: NDArray[np.bool_], reference: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Median height of some columns relative to that of others.

    Parameters
    ----------
    heights : ndarray of shape (n,)
        Height of each column above the background; NaN where it is unknown.
    members, reference : ndarray of bool, shape (n,)

    Returns
    -------
    ratio, scatter, weaker : float
        The ratio, the standard deviation of that of one column, and the probability that one of the columns is less high than
        one of the others, both drawn at random. NaN where no height is known.
    """
    known = np.isfinite(heights)
    own, others = heights[members & known], np.sort(heights[reference & known])
    if not len(own) or not len(others):
        return np.nan, np.nan, np.nan
    typical = float(np.median(others))
    above = 1 - (np.searchsorted(others, own, "left") + np.searchsorted(others, own, "right")) / (
        2 * len(others)
    )
    return float(np.median(own)) / typical, _scatter(own) / abs(typical), float(above.mean())


@dataclass(frozen=True)
class Place:
    """Where the atoms of a motif are among the sites on which they could be.

    Attributes
    ----------
    kind : {"everywhere", "random", "clustered", "dispersed", "mixed", "too few"}
        "everywhere" for more than half of the sites; otherwise what
        :func:`hyperspy_motifs.defects.compare_with_chance` finds.
    p_value : float
        Of the test; 1 without one.
    n_members, n_sites : int
        Numbers of the atoms and of the sites.
    alignment, direction : float
        Of clustered atoms: length of the mean of exp(2i angle) over the directions of all pairs within 12 nearest-neighbour
        distances, 0 for an island that is equally wide in all directions and 1 for a straight line; and the mean direction in
        degrees from x towards y, -90 to 90.
    """

    kind: str
    p_value: float
    n_members: int
    n_sites: int
    alignment: float = 0.0
    direction: float = 0.0

    @property
    def is_line(self) -> bool:
        """Whether the atoms are along lines: aligned like an ellipse that is three times as long as wide, or more."""
        return self.alignment > _ALIGNED


def place_words(kind: str, p_value: float) -> str:
    """A kind of :class:`Place` in words; empty for "everywhere"."""
    if kind in ("everywhere", "too few"):
        return "too few to say whether at random" if kind == "too few" else ""
    words = {
        "random": "at random", "dispersed": "farther apart than at random",
        "mixed": "not at random, at some distances clustered and at others dispersed",
    }  # fmt: skip
    return f"{words.get(kind, kind)} (p = {p_value:.2g})"


def describe_place(points: NDArray[np.floating], sites: NDArray[np.floating], spacing: float) -> Place:
    """Whether some atoms are at random on their sites, clustered or along a line.

    Parameters
    ----------
    points : ndarray of shape (k, 2)
        The atoms.
    sites : ndarray of shape (n, 2)
        The sites on which they could be, theirs among them.
    spacing : float
        Nearest-neighbour distance of the atoms.

    Returns
    -------
    Place
    """
    if len(points) > len(sites) / 2:
        return Place("everywhere", 1.0, len(points), len(sites))
    found = compare_with_chance(points, sites, spacing)
    place = Place(found.kind, found.p_value, len(points), len(sites))
    if found.kind not in ("clustered", "mixed"):
        return place
    pairs = cKDTree(points).query_pairs(float(found.distances[-1]), output_type="ndarray")
    x, y = (points[pairs[:, 1]] - points[pairs[:, 0]]).T
    # Directions are equal modulo 180 degrees, so their double angle is averaged.
    mean = np.mean(np.exp(2j * np.arctan2(y, x)))
    return replace(place, alignment=float(abs(mean)), direction=float(np.degrees(np.angle(mean)) / 2))


def separate(a: NDArray[np.floating], b: NDArray[np.floating]) -> tuple[float, float]:
    """How well a linear discriminant separates two groups, at points that it was not fitted to.

    Fisher's discriminant with the shrinkage of Ledoit and Wolf, cross-validated in five parts (or as many as the smaller group
    has points), so that the noise of small groups in many dimensions does not count as a difference.

    Parameters
    ----------
    a, b : ndarray of shapes (n, d), (m, d)

    Returns
    -------
    distance : float
        Of the means of the two along the discriminant, in standard deviations within them; NaN for groups of one point.
    confused : float
        Mean of the fractions of the points of either that are taken for the other.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    parts = min(5, len(a), len(b))
    if parts < 2:
        return np.nan, np.nan
    group = np.repeat([0, 1], [len(a), len(b)])
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=(0.5, 0.5))
    folds = StratifiedKFold(parts, shuffle=True, random_state=0)
    scores = cross_val_predict(model, np.vstack([a, b]), group, cv=folds, method="decision_function")
    first, second = scores[group == 0], scores[group == 1]
    pooled = np.sqrt((len(a) * first.var() + len(b) * second.var()) / (len(scores) - 2))
    confused = (np.mean(first > 0) + np.mean(second <= 0)) / 2
    return float((second.mean() - first.mean()) / max(pooled, np.finfo(float).tiny)), float(confused)


_FOLDS = {2: "twofold", 3: "threefold", 4: "fourfold", 6: "sixfold"}
_NUMBERS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip


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
    brightness, brightness_scatter, weaker : float
        Height of the columns relative to the reference, and the probability that one is less high than one of the reference;
        NaN where it is unknown.
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
    weaker: float
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
        if not self.count:  # in a crop, or in one image of many with one model
            return (f"{self._named()}: no atoms here.",)
        lines = (self._number(), self._coordination(), self._brightness(), self._symmetry(), self._similar())
        return tuple(line for line in lines if line)

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
        out |= {f"place_{f.name}": getattr(place, f.name, np.nan) for f in fields(Place) if f.name != "kind"}
        return {**out, "place": "" if place is None else place.kind, "text": self.text}

    def headline(self) -> str:
        """The motif in a line: how many atoms, and, if on sites of another motif, how high in comparison."""
        text = f"{self._called(self.motif)}: {_atoms(self.count)} ({100 * self.share:.2g} %)"
        if self.site in (-1, self.motif) or not isfinite(self.brightness):
            return text
        text += f", most on sites of {self._called(self.site)} and {self._height()}"
        return ": ".join(filter(None, (text, self.meaning)))

    @property
    def meaning(self) -> str:
        """What the heights say of atoms on sites of another motif, without a structure; empty if they are alike."""
        sure = max(self.weaker, 1 - self.weaker)
        if self.site in (-1, self.motif) or not sure >= UNCERTAIN:
            return ""
        what, differs = "columns with more atoms or heavier ones", "stronger"
        if self.weaker > 0.5:
            what, differs = "columns that lack atoms (vacancies) or hold lighter ones", "weaker"
        many = f"> {_MOST_SURE}" if sure > _MOST_SURE else f"{sure:.2f}"
        return f"probably {what}, if height grows with the atomic number (one is {differs} with a probability of {many})"

    def _height(self) -> str:
        return f"{_length(self.brightness, self.brightness_scatter)} times as high"

    def _called(self, motif: int) -> str:
        return "an empty site" if motif < 0 else motif_name(motif, self.names)

    def _named(self) -> str:
        name = self._called(self.motif)
        return f"{name[0].upper() if name == f'motif {self.motif}' else name[0]}{name[1:]}"

    def _number(self) -> str:
        text = f"{self._named()}: {_atoms(self.count)}, "
        text += f"{100 * self.share:.3g} ± {100 * self.share_error:.1g} % of all"
        cut = f"; the border cuts the discs of {self.n_truncated}" if self.n_truncated else ""
        if (place := self.place) is None:
            return f"{text}{cut}."
        kind = "its own kind" if self.site == self.motif else self._called(self.site)
        text += f", on {100 * place.n_members / place.n_sites:.3g} % of the {place.n_sites:,} sites of {kind}"
        where = place_words(place.kind, place.p_value)
        text += f", {where}" if where else ""
        if place.is_line and where:
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
            at_border = self.n_truncated == self.count
            return "All its atoms are at the border, where neighbours are unknown." if at_border else ""
        return f"Nearest neighbours: {self._neighbours(self.shell)}."

    def _brightness(self) -> str:
        if not isfinite(self.brightness):
            return ""
        of = self._called(self.reference)
        place = ", on whose sites most of them are" if self.reference == self.site else ", on other sites"
        after = ": ".join(filter(None, (place, self.meaning)))
        return f"Its columns are {self._height()} as those of {of}{after}."

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
            near += f", {self.separation:.1f} standard deviations away along the discriminant of their moments, which takes "
            near += f"{100 * self.confused:.2g} % of the atoms for the other in a cross-validation"
        if self.differences:
            near += f"; they differ in {'; '.join(self.differences)}"
        return f"{near}. {text}."


def _atoms(count: int) -> str:
    return f"{count:,} {'atom' if count == 1 else 'atoms'}"


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


class Descriptions(tuple[MotifDescription, ...]):
    """The descriptions of all motifs, in their order; ``print`` shows one paragraph for each."""

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
