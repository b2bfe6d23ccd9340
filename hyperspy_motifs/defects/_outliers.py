"""Single atoms that differ from their counterparts, as a user reads them, and small groups of cells of unusual size."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hyperspy_motifs.clustering import MIN_MOTIF_SIZE
from hyperspy_motifs.common import STRICT_LEVEL, signed_degrees, write_csv

if TYPE_CHECKING:
    from hyperspy_motifs.cells import Cells


# Kinds in the order of the tests: intensity (below, above), place, shape.
KINDS = ("darker", "brighter", "moved", "other")


@dataclass(frozen=True)
class Outliers:
    """Single atoms that differ from their counterparts at a false discovery rate, in order of significance.

    Attributes
    ----------
    fdr : float
        Expected fraction of false ones among them, at most.
    atoms : numpy.ndarray of int, shape (k,)
        Index of each atom; -1 for a site without a column.
    frames : numpy.ndarray of int, shape (k,)
    positions : numpy.ndarray of shape (k, 2)
        x, y in axis units.
    pixel_positions : numpy.ndarray of shape (k, 2)
        Column, row in pixels.
    kinds : numpy.ndarray of str, shape (k,)
        What differs most: "missing", "extra", "darker", "brighter" (in the image), "moved" or "other" (the
        shape).
    q_values : numpy.ndarray of shape (k,)
        Smallest false discovery rate at which the atom is an outlier.
    p_values : numpy.ndarray of shape (k, 3)
        Of intensity, place and shape; NaN where not tested.
    ratios : numpy.ndarray of shape (k,)
        Intensity relative to the counterparts; 0 for a site without a column.
    displacements : numpy.ndarray of shape (k, 2)
        From the place that the neighbours predict: x, y in axis units.
    motifs : numpy.ndarray of int, shape (k,)
        Closest motif: the one that the atom has.
    expected : numpy.ndarray of int, shape (k,)
        Motif of most of its counterparts.
    descriptions : list of str
        What differs, in words and numbers.
    n_tested, n_at_border, n_unlike : int
        Numbers of atoms tested; too close to the border to say; and in surroundings that do not repeat, of which at most the
        intensity is compared, with that of every kind of atom nearby.
    units : str
        Of positions.
    n_frames : int
        Number of images of the stack; in one of several the text has the frame of each atom.
    """

    fdr: float
    atoms: np.ndarray
    frames: np.ndarray
    positions: np.ndarray
    pixel_positions: np.ndarray
    kinds: np.ndarray
    q_values: np.ndarray
    p_values: np.ndarray
    ratios: np.ndarray
    displacements: np.ndarray
    motifs: np.ndarray
    expected: np.ndarray
    descriptions: list[str]
    n_tested: int
    n_at_border: int
    n_unlike: int
    units: str
    n_frames: int = 1
    _get_patches: Callable[[], object] | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.atoms)

    @property
    def patches(self) -> Any:
        """The disc around each of them (:class:`~hyperspy_motifs.signals.AtomPatches`).

        Raises
        ------
        ValueError
            If there are none.
        """
        if not len(self) or self._get_patches is None:
            raise ValueError("There are no outliers, and so no patches of them.")
        return self._get_patches()

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain one-dimensional columns, ready for ``pandas.DataFrame``."""
        return {
            "atom": self.atoms,
            "x": self.positions[:, 0],
            "y": self.positions[:, 1],
            "frame": self.frames,
            "kind": self.kinds,
            "q_value": self.q_values,
            "p_intensity": self.p_values[:, 0],
            "p_place": self.p_values[:, 1],
            "p_shape": self.p_values[:, 2],
            "ratio": self.ratios,
            "displacement_x": self.displacements[:, 0],
            "displacement_y": self.displacements[:, 1],
            "motif": self.motifs,
            "expected_motif": self.expected,
            "description": np.array(self.descriptions, dtype=str),
        }

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the columns of :meth:`to_dict` to a file of comma-separated values."""
        return write_csv(self.to_dict(), path)

    def __repr__(self) -> str:
        lines = [
            f"{len(self)} outlier{'s' if len(self) != 1 else ''} at {100 * self.fdr:g} % false discoveries among "
            f"{self.n_tested} atoms tested; {self.n_at_border} too close to the border to say, {self.n_unlike} in "
            "surroundings that do not repeat (tested by their intensity at most)"
        ]
        for k in range(min(len(self), SHOWN)):
            x, y = self.positions[k]
            where = f" in frame {self.frames[k]}" if self.n_frames > 1 else ""
            lines.append(
                f"  {self.kinds[k]:>8}{where} at ({x:.4g}, {y:.4g}) {self.units}: {self.descriptions[k]} "
                f"(q = {self.q_values[k]:.2g})"
            )
        if len(self) > SHOWN:
            lines.append(f"  and {len(self) - SHOWN} more")
        return "\n".join(lines)


# Rows of a list that is printed.
SHOWN = 20


def outlier_kinds(p_values: np.ndarray, ratios: np.ndarray, bright: bool, extra: np.ndarray) -> np.ndarray:
    """What differs most about each atom.

    Parameters
    ----------
    p_values : ndarray of shape (k, 3)
        Of intensity, place and shape; NaN where not tested.
    ratios : ndarray of shape (k,)
        Intensities relative to the counterparts.
    bright : bool
        Whether columns are bright; a weak dark column is brighter in the image.
    extra : ndarray of bool, shape (k,)
        Atoms in places where there should be none.

    Returns
    -------
    ndarray of str, shape (k,)
        "extra", "darker", "brighter", "moved" or "other".
    """
    test = np.where(np.isfinite(p_values), p_values, np.inf).argmin(axis=1)
    weaker = ratios < 1
    looks = np.where(weaker == bright, "darker", "brighter")
    kinds = np.where(test == 0, looks, np.array(["", "moved", "other"])[test])
    return np.where(extra, "extra", kinds)


def describe_outlier(
    kind: str,
    ratio: float,
    p_values: np.ndarray,
    displacement: np.ndarray,
    width: float,
    units: str,
    towards: str,
    bright: bool = True,
) -> str:
    """What differs about an atom, in words and numbers; what is significant on its own at 0.001 is mentioned.

    Parameters
    ----------
    kind : str
        See :func:`outlier_kinds`.
    ratio : float
        Intensity relative to the counterparts.
    p_values : ndarray of shape (3,)
        Of intensity, place and shape.
    displacement : ndarray of shape (2,)
        In `units`.
    width : float
        Relative to the counterparts.
    units : str
        Lengths in nm and pm are given in angstrom.
    towards : str
        Direction of the displacement (:func:`direction_words`).
    bright : bool, optional
        Whether columns are bright; a weak dark column is brighter in the image.

    Returns
    -------
    str
    """
    if kind == "extra":
        return "in a place where the surroundings have no atom elsewhere"
    words = []
    if kind in ("darker", "brighter") or p_values[0] < STRICT_LEVEL:
        change = round(100 * abs(ratio - 1))
        words.append(f"{change} % {'darker' if (ratio < 1) == bright else 'brighter'}")
    if kind == "moved" or p_values[1] < STRICT_LEVEL:
        words.append(f"moved by {_length(float(np.hypot(*displacement)), units)} {towards}")
    if kind == "other" or p_values[2] < STRICT_LEVEL:
        change = round(100 * (width - 1))
        words.append(
            f"{abs(change)} % {'wider' if change > 0 else 'narrower'}" if change else "another shape"
        )
    return ", ".join(words)


_ANGSTROM = {"nm": 10.0, "pm": 0.01, "\u00c5": 1.0, "A": 1.0, "angstrom": 1.0}


def _length(value: float, units: str) -> str:
    if units in _ANGSTROM:
        return f"{value * _ANGSTROM[units]:.2f} \u00c5"
    return f"{value:.2g} {units}"


def direction_words(displacement: np.ndarray, neighbours: np.ndarray) -> str:
    """Direction of a displacement in words, relative to the neighbours.

    Parameters
    ----------
    displacement : ndarray of shape (2,)
        x, y.
    neighbours : ndarray of shape (m, 2)
        Offsets of the neighbours.

    Returns
    -------
    str
        With angles in degrees from x towards y.
    """
    angle = np.degrees(np.arctan2(displacement[1], displacement[0]))
    around = np.degrees(np.arctan2(neighbours[:, 1], neighbours[:, 0]))
    off = np.abs((around - angle + 180) % 360 - 180)
    if len(off) and off.min() <= _ALONG:
        return f"towards the neighbour at {signed_degrees(around[off.argmin()])} degrees"
    if len(off) and off.max() >= 180 - _ALONG:
        return f"away from the neighbour at {signed_degrees(around[off.argmax()])} degrees"
    return f"at {signed_degrees(angle)} degrees"


# Degrees from the line to a neighbour within which a displacement is along it.
_ALONG = 20.0


# Sizes of at least this share of the cells are usual.
_USUAL = 0.2
# Kinds of groups that occur as often as a motif are structure, such as the dislocations of a boundary.
# Cells of the largest group that is one point defect: the flower defect of graphene, six pentagons and six heptagons.
_LARGEST = 12


def find_odd_cells(cells: Cells) -> tuple[list[np.ndarray], float]:
    """Find groups of adjacent cells with an unusual number of corners, such as the four of a Stone-Wales defect.

    A group that touches a cell at the border is left out, because its other cells are not known: so are boundaries that
    cross the image.

    Parameters
    ----------
    cells : Cells
        By the automatic bond rule, whose clarity is the expected share of right cells.

    Returns
    -------
    groups : list of ndarray of int
        Numbers of the cells of each group.
    q_value : float
        Expected number of wrong cells inside the border, relative to the cells of the groups.
    """
    inner = ~cells.on_border
    if cells.rule != "auto" or not inner.any():
        return [], 1.0
    sizes, n = cells.n_corners, len(cells)
    usual = np.bincount(sizes[inner], minlength=int(sizes.max()) + 1) >= _USUAL * inner.sum()
    odd = ~usual[sizes]
    first, other = cells.adjacency[:, :2].T
    joined = odd[first] & odd[other]
    table = coo_array((np.ones(joined.sum()), (first[joined], other[joined])), shape=(n, n))
    _, group = connected_components(table, directed=False)
    beside = np.concatenate([first[~inner[other]], other[~inner[first]], np.flatnonzero(~inner)])
    judged = odd & ~np.isin(group, group[beside[odd[beside]]])
    groups = [np.flatnonzero(group == k) for k in np.unique(group[judged]).tolist()]
    kinds = [tuple(np.sort(sizes[members]).tolist()) for members in groups]
    rare = [
        members
        for members, kind in zip(groups, kinds, strict=True)
        if len(members) <= _LARGEST and kinds.count(kind) < MIN_MOTIF_SIZE
    ]
    wrong = float((1 - cells.clarity) * inner.sum())
    return rare, min(1.0, wrong / max(sum(map(len, rare)), 1))
