"""The table of all defects of an image, their densities, and whether they are clustered."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree

from hyperspy_motifs.clustering import motif_name
from hyperspy_motifs.common import MOST_IN_A_LINE, REPORTED_LEVEL, write_csv

from ._outliers import SHOWN

# Distances in nearest-neighbour distances up to which pairs are counted, and their number.
_REACH = 12.0
_N_DISTANCES = 24
#: Random placements of a clustering test, wherever it is made: the least p-value is 0.005.
DRAWS = 199


@dataclass(frozen=True)
class Clustering:
    """Pairs of defects by distance, against chance.

    Attributes
    ----------
    distances : ndarray of shape (d,)
        Upper limits of the distances, in the units of the positions.
    observed : ndarray of shape (d,)
        Number of pairs up to each distance (Ripley's K without its constant factor).
    expected, lower, upper : ndarray of shape (d,)
        Mean by chance, and the global envelope: by chance, the whole curve lies inside with a probability of 95 %.
    p_value : float
        Of the global envelope test.
    kind : {"random", "clustered", "dispersed", "mixed", "too few"}
        What the curve shows where it leaves the envelope.
    n_members, n_sites : int
        Numbers of the defects and of the sites on which they could be.
    """

    distances: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    p_value: float
    kind: str
    n_members: int
    n_sites: int

    def __repr__(self) -> str:
        found = self.kind if self.kind == "too few" else f"{self.kind}, p = {self.p_value:.3g}"
        return f"<Clustering of {self.n_members:,} on {self.n_sites:,} sites: {found}>"


def compare_with_chance(
    defects: np.ndarray,
    sites: np.ndarray,
    spacing: float,
    *,
    n_permutations: int = DRAWS,
    random_state: int = 0,
) -> Clustering:
    """Test whether defects are clustered among the sites on which they could be.

    The number of pairs up to each distance is compared with that of as many defects on sites drawn at random without
    replacement. So the lattice and the border of the image act on both in the same way, and no border correction is needed.
    The test is over all distances at once: the largest studentised deviation from the mean (the global envelope test of
    Myllymäki et al. [1]_).

    Parameters
    ----------
    defects : ndarray of shape (k, 2)
        Some of the sites.
    sites : ndarray of shape (n, 2)
    spacing : float
        Nearest-neighbour distance of the sites.
    n_permutations : int, optional
    random_state : int, optional

    Returns
    -------
    Clustering
        "too few" below four defects, whose pairs show nothing.

    References
    ----------
    .. [1] M. Myllymäki et al., "Global envelope tests for spatial processes", J. R. Stat. Soc. B 79, 381 (2017).
    """
    extent = float(np.ptp(sites, axis=0).min()) if len(sites) else 0.0
    distances = np.linspace(
        1.05 * spacing, max(min(_REACH * spacing, 0.5 * extent), 1.1 * spacing), _N_DISTANCES
    )
    unknown, numbers = np.full(len(distances), np.nan), (len(defects), len(sites))
    if len(defects) < 4 or len(sites) < 2 * len(defects):
        return Clustering(distances, unknown, unknown, unknown, unknown, 1.0, "too few", *numbers)
    rng = np.random.default_rng(random_state)
    observed = _pairs(defects, distances)
    chance = np.array(
        [
            _pairs(sites[rng.choice(len(sites), len(defects), replace=False)], distances)
            for _ in range(n_permutations)
        ]
    )
    every = np.vstack([observed, chance])
    mean, scatter = every.mean(axis=0), np.maximum(every.std(axis=0), 0.5)
    largest = np.abs((every - mean) / scatter).max(axis=1)
    p_value = float(np.mean(largest >= largest[0]))
    limit = float(np.quantile(largest, 0.95))
    lower, upper = np.maximum(mean - limit * scatter, 0.0), mean + limit * scatter
    kind = "random"
    if p_value <= REPORTED_LEVEL:
        more, less = (observed > upper).any(), (observed < lower).any()
        kind = "mixed" if more and less else "clustered" if more else "dispersed"
    return Clustering(distances, observed, mean, lower, upper, p_value, kind, *numbers)


def _pairs(points: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Number of pairs of points up to each distance."""
    tree = cKDTree(points)
    return (tree.count_neighbors(tree, distances) - len(points)) / 2


class Density(NamedTuple):
    """Number and density of defects of one kind, with 95 % confidence intervals.

    Attributes
    ----------
    number : int
    per_area : float
        Per square unit of the axes.
    per_area_interval : tuple of float
        Of the mean of a Poisson distribution (Garwood).
    n_sites : int
        Sites on which there could be one.
    per_site : float
    per_site_interval : tuple of float
        Of a binomial fraction (Clopper and Pearson).
    """

    number: int
    per_area: float
    per_area_interval: tuple[float, float]
    n_sites: int
    per_site: float
    per_site_interval: tuple[float, float]


def _percent(share: float, digits: int = 2) -> str:
    """A share in per cent with so many significant digits, and all those before the decimal point."""
    value = 100 * share
    return f"{value:.0f}" if value >= 9.5 else f"{value:.{digits}g}"


class Densities(dict[str, Density]):
    """Densities by kind of defect; as text, one line per kind.

    Parameters
    ----------
    units : str, optional
        Unit of the axes.

    Examples
    --------
    >>> from hyperspy_motifs.defects import Densities, Density
    >>> densities = Densities(units="nm")
    >>> densities["vacancy"] = Density(4, 0.0166, (0.0045, 0.0424), 1766, 0.00227, (0.00062, 0.00579))
    >>> densities
    vacancy: 4 in 1,766 sites, 0.23 % (0.062 to 0.58 %); 0.017 per nm² (0.0045 to 0.042)
    """

    def __init__(self, *, units: str = "px") -> None:
        super().__init__()
        self.units = units

    def __repr__(self) -> str:
        width = max((len(kind) for kind in self), default=0)
        lines = []
        for kind, d in self.items():
            low, high = (_percent(x) for x in d.per_site_interval)
            area = " to ".join(f"{x:.2g}" for x in d.per_area_interval)
            lines.append(
                f"{kind:>{width}}: {d.number:,} in {d.n_sites:,} tested sites, {_percent(d.per_site)} % "
                f"({low} to {high} %); {d.per_area:.2g} per {self.units}² ({area})"
            )
        return "\n".join(lines) or "no defects"


VACANCY, ANOTHER, ODD_CELLS = "vacancy", "another motif", "odd cells"
#: Kinds in the order in which they are listed; what stands first is the kind of a place with several.
KINDS = (VACANCY, ANOTHER, "extra", "darker", "brighter", "moved", "other", ODD_CELLS)
# Words for single outliers of each kind, before and after the plural.
_SINGLE = {
    "extra": ("extra column", ""),
    "darker": ("darker atom", ""),
    "brighter": ("brighter atom", ""),
    "moved": ("moved atom", ""),
    "other": ("atom", " of another shape"),
}
# Two entries within this many nearest-neighbour distances are one place.
_SAME_PLACE = 0.5


@dataclass(frozen=True)
class Defects:
    """What departs from the frequent motifs, each place once: by frame, kind, and significance.

    Attributes
    ----------
    fdr : float
        False discovery rate over all entries.
    positions : numpy.ndarray of shape (k, 2)
        x, y in axis units.
    pixel_positions : numpy.ndarray of shape (k, 2)
        Column, row in pixels.
    frames : numpy.ndarray of int, shape (k,)
    kinds : numpy.ndarray of str, shape (k,)
        "vacancy", "another motif", "extra", "darker", "brighter", "moved", "other" or "odd cells".
    q_values : numpy.ndarray of shape (k,)
        Smallest false discovery rate at which the entry is listed.
    atoms : numpy.ndarray of int, shape (k,)
        Row in ``motifs.positions``; -1 for a vacancy and for odd cells.
    motifs : numpy.ndarray of int, shape (k,)
        Motif of the atom; -1 for a vacancy and for odd cells.
    expected : numpy.ndarray of int, shape (k,)
        Motif of most atoms with the same surroundings; of most corners of odd cells.
    ratios : numpy.ndarray of shape (k,)
        Intensity relative to the counterparts; NaN where not measured.
    evidence : numpy.ndarray of str, shape (k,)
        What shows it, in words and numbers.
    sites, site_motifs : numpy.ndarray, shapes (m, 2), (m,)
        Positions of all sites far enough from the border, and the motif expected on each.
    area : float
        Area of the field in which defects were looked for, in square axis units, over all frames.
    n_tested, n_at_border, n_unlike : int
        Numbers of atoms tested; too close to the border to say; in surroundings that do not repeat, of which at most the
        intensity is compared, with that of every kind of atom nearby.
    spacing : float
        Nearest-neighbour distance in axis units.
    units : str
    names : tuple of str
        Name of each motif, for the texts; empty for numbers.
    n_frames : int
        Number of images of the stack; in one of several the text has the frame of each place.
    """

    fdr: float
    positions: np.ndarray
    pixel_positions: np.ndarray
    frames: np.ndarray
    kinds: np.ndarray
    q_values: np.ndarray
    atoms: np.ndarray
    motifs: np.ndarray
    expected: np.ndarray
    ratios: np.ndarray
    evidence: np.ndarray
    sites: np.ndarray
    site_motifs: np.ndarray
    area: float
    n_tested: int
    n_at_border: int
    n_unlike: int
    spacing: float
    units: str
    names: tuple[str, ...] = ()
    n_frames: int = 1

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def counts(self) -> dict[str, int]:
        """Number of defects of each kind that occurs."""
        return {kind: int(n) for kind in KINDS if (n := np.count_nonzero(self.kinds == kind))}

    def select(self, which: object) -> Defects:
        """The defects of a kind, of several kinds, of a mask or of an index array.

        Parameters
        ----------
        which : str, sequence of str, or array of bool or int

        Returns
        -------
        Defects
        """
        if isinstance(which, str):
            which = [which]
        which = np.asarray(which)
        if not which.size:
            which = which.astype(np.int64)
        if which.dtype.kind in "U":
            unknown = sorted(set(which.tolist()) - set(KINDS))
            if unknown:
                raise ValueError(f"{', '.join(unknown)}: the kinds of defects are {', '.join(KINDS)}.")
            which = np.isin(self.kinds, which)
        per_row = {name: getattr(self, name)[which] for name in COLUMNS}
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in per_row}
        return Defects(**per_row, **rest)

    def densities(self) -> Densities:
        """Density of each kind that occurs, per area and per site, with 95 % confidence intervals.

        Returns
        -------
        Densities
            From the kind to its :class:`Density`; printed, one line per kind. The sites of a kind are those
            on which the same motif is expected as on the sites of its defects. Where no atom could be tested,
            the density per area is NaN.
        """
        out = Densities(units=self.units)
        area = self.area or np.nan
        for kind, count in self.counts.items():
            here = np.unique(self.expected[self.kinds == kind])
            n_sites = max(int(np.isin(self.site_motifs, here).sum()), count)
            low = stats.chi2.ppf(0.025, 2 * count) / 2
            high = stats.chi2.ppf(0.975, 2 * count + 2) / 2
            fraction = stats.binomtest(count, n_sites).proportion_ci(0.95)
            out[kind] = Density(
                count,
                count / area,
                (float(low / area), float(high / area)),
                n_sites,
                count / n_sites,
                (float(fraction.low), float(fraction.high)),
            )
        return out

    def test_clustering(
        self, kinds: str | Sequence[str] | None = None, *, n_permutations: int = DRAWS, random_state: int = 0
    ) -> Clustering:
        """Test whether the defects are clustered: pairs by distance, against defects on sites drawn at random.

        Parameters
        ----------
        kinds : str or sequence of str, optional
            Only these kinds; all by default.
        n_permutations, random_state : int, optional

        Returns
        -------
        Clustering

        Raises
        ------
        ValueError
            For the frames of a stack, which have no common field.
        """
        if len(np.unique(self.frames)) > 1:
            raise ValueError(
                "Defects of several frames have no common field: select those of one frame first."
            )
        chosen = self if kinds is None else self.select(kinds)
        sites = self.sites[np.isin(self.site_motifs, np.unique(chosen.expected))]
        return compare_with_chance(
            chosen.positions, sites, self.spacing, n_permutations=n_permutations, random_state=random_state
        )

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain one-dimensional columns, ready for ``pandas.DataFrame``."""
        return {
            "x": self.positions[:, 0],
            "y": self.positions[:, 1],
            "frame": self.frames,
            "kind": self.kinds,
            "q_value": self.q_values,
            "atom": self.atoms,
            "motif": self.motifs,
            "expected_motif": self.expected,
            "ratio": self.ratios,
            "evidence": self.evidence,
        }

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the columns of :meth:`to_dict` to a file of comma-separated values.

        Parameters
        ----------
        path : path

        Returns
        -------
        pathlib.Path
        """
        return write_csv(self.to_dict(), path)

    def label(self, row: int) -> str:
        """The kind of a defect for a legend, with its motif and that of its site."""
        kind, own, usual = self.kinds[row], self.motifs[row], self.expected[row]
        if kind != ANOTHER:
            return str(kind)
        name, other = (motif_name(k, self.names) for k in (own, usual))
        return f"{name}, rare on its site" if own == usual else f"{name} on sites of {other}"

    def headline(self) -> str:
        """Numbers of defects in one line."""
        parts = []
        lacking = np.unique(self.expected[self.kinds == VACANCY])
        # A list of many kinds of sites says less than their sum.
        for group in [lacking] if len(lacking) > MOST_IN_A_LINE else lacking[:, None]:
            count = int(np.count_nonzero((self.kinds == VACANCY) & np.isin(self.expected, group)))
            n_sites = max(int(np.count_nonzero(np.isin(self.site_motifs, group))), count)
            share = count / n_sites
            error = np.sqrt(max(share * (1 - share), 1 / n_sites) / n_sites)
            whose = motif_name(int(group[0]), self.names) if len(group) == 1 else f"{len(group)} motifs"
            parts.append(
                f"{count} {_plural('vacanc', count, 'y', 'ies')} in {n_sites:,} tested sites of "
                f"{whose} ({_percent(share)} ± {_percent(error, 1)} %)"
            )
        ratios = self.ratios[self.kinds == ANOTHER]
        if rare := len(ratios):
            weaker, stronger = int((ratios < 1).sum()), int((ratios > 1).sum())
            parts.append(
                f"{rare} {_plural('atom', rare)} of another motif than is usual on such sites "
                f"({weaker} weaker, {stronger} stronger)"
            )
        odd = int(np.count_nonzero(self.kinds == ODD_CELLS))
        if odd:
            parts.append(f"{odd} {_plural('group', odd)} of odd cells")
        single = [
            f"{count:,} {_plural(word, count)}{rest}"
            for kind, (word, rest) in _SINGLE.items()
            if (count := int(np.count_nonzero(self.kinds == kind)))
        ]
        parts.append(f"{', '.join(single) or 'no single outlier'} at {100 * self.fdr:g} % false discoveries")
        untested = []
        if self.n_at_border:
            untested.append(
                f"{self.n_at_border} {_plural('atom', self.n_at_border)} too close to the border to say"
            )
        if self.n_unlike:
            atoms = "" if untested else f" {_plural('atom', self.n_unlike)}"
            untested.append(
                f"{self.n_unlike}{atoms} in surroundings that do not repeat (tested by their intensity at most)"
            )
        return "; ".join([", ".join(parts), *([", ".join(untested)] if untested else [])])

    def __repr__(self) -> str:
        lines = [self.headline()]
        for k in range(min(len(self), SHOWN)):
            x, y = self.positions[k]
            where = f" in frame {self.frames[k]}" if self.n_frames > 1 else ""
            lines.append(
                f"  {self.kinds[k]:>10}{where} at ({x:.4g}, {y:.4g}) {self.units}: {self.evidence[k]} "
                f"(q = {self.q_values[k]:.2g})"
            )
        if len(self) > SHOWN:
            lines.append(f"  and {len(self) - SHOWN} more")
        return "\n".join(lines)


#: Fields of :class:`Defects` with one row per defect.
COLUMNS = (
    "positions", "pixel_positions", "frames", "kinds", "q_values", "atoms", "motifs", "expected", "ratios", "evidence",
)  # fmt: skip


def _plural(word: str, count: int, one: str = "", more: str = "s") -> str:
    return word + (one if count == 1 else more)


def merge_places(entries: dict[str, np.ndarray], spacing: float) -> dict[str, np.ndarray]:
    """List each place once: entries in order of priority, later ones at the same place add their evidence to the first.

    Parameters
    ----------
    entries : dict of str to ndarray
        Columns with one row per entry, among them ``positions`` (k, 2), ``frames`` and ``evidence``.
    spacing : float
        Nearest-neighbour distance in the units of `positions`.

    Returns
    -------
    dict of str to ndarray
    """
    positions, frames = entries["positions"], entries["frames"]
    if not len(positions):
        return entries
    evidence = list(entries["evidence"].tolist())
    kept: list[int] = []
    close = cKDTree(positions).query_ball_point(positions, _SAME_PLACE * spacing)
    taken: set[int] = set()
    for k, near in enumerate(close):
        first = next((j for j in sorted(near) if j in taken and frames[j] == frames[k]), None)
        if first is None:
            taken.add(k)
            kept.append(k)
        elif evidence[k] not in evidence[first]:
            evidence[first] += "; " + evidence[k]
    out = {name: values[kept] for name, values in entries.items()}
    out["evidence"] = np.array([evidence[k] for k in kept], dtype=str)
    return out
