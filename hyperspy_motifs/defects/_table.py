"""The table of all defects of an image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree

from hyperspy_motifs.naming import motif_name

from ._clustering import Clustering, compare_with_chance
from ._densities import Densities, Density
from ._outliers import write_csv

VACANCY, RARE, ODD_CELLS = "vacancy", "rare motif", "odd cells"
#: Kinds in the order in which they are listed; what stands first is the kind of a place with several.
KINDS = (VACANCY, RARE, "extra", "darker", "brighter", "moved", "other", ODD_CELLS)
# Two entries within this many nearest-neighbour distances are one place.
_SAME_PLACE = 0.5


@dataclass(frozen=True)
class Defects:
    """What departs from the frequent motifs, each place once.

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
        "vacancy", "rare motif", "extra", "darker", "brighter", "moved", "other" or "odd cells".
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

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def counts(self) -> dict[str, int]:
        """Number of defects of each kind that occurs."""
        return {kind: int(n) for kind in KINDS if (n := np.count_nonzero(self.kinds == kind))}

    def select(self, which: Any) -> Defects:
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
        self, kinds: str | Sequence[str] | None = None, *, n_permutations: int = 999, random_state: int = 0
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

    def headline(self) -> str:
        """Numbers of defects in one line."""
        parts = []
        for motif in np.unique(self.expected[self.kinds == VACANCY]).tolist():
            count = int(np.count_nonzero((self.kinds == VACANCY) & (self.expected == motif)))
            n_sites = max(int(np.count_nonzero(self.site_motifs == motif)), count)
            share = count / n_sites
            error = np.sqrt(max(share * (1 - share), 1 / n_sites) / n_sites)
            parts.append(
                f"{count} {_plural('vacanc', count, 'y', 'ies')} in {n_sites:,} sites of {motif_name(motif, self.names)} "
                f"({100 * share:.2g} ± {100 * error:.1g} %)"
            )
        rare = int(np.count_nonzero(self.kinds == RARE))
        if rare:
            parts.append(f"{rare} {_plural('atom', rare)} of rare motifs on other sites")
        odd = int(np.count_nonzero(self.kinds == ODD_CELLS))
        if odd:
            parts.append(f"{odd} {_plural('group', odd)} of odd cells")
        single = len(self) - rare - odd - int(np.count_nonzero(self.kinds == VACANCY))
        parts.append(f"{single} {_plural('outlier', single)} at {100 * self.fdr:g} % false discoveries")
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
        for k in range(min(len(self), _SHOWN)):
            x, y = self.positions[k]
            lines.append(
                f"  {self.kinds[k]:>10} at ({x:.4g}, {y:.4g}) {self.units}: {self.evidence[k]} (q = {self.q_values[k]:.2g})"
            )
        if len(self) > _SHOWN:
            lines.append(f"  and {len(self) - _SHOWN} more")
        return "\n".join(lines)


#: Fields of :class:`Defects` with one row per defect.
COLUMNS = (
    "positions", "pixel_positions", "frames", "kinds", "q_values", "atoms", "motifs", "expected", "ratios", "evidence",
)  # fmt: skip
_SHOWN = 20


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
