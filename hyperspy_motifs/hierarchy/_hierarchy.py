"""The hierarchy, its levels, and their description in words."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ._constants import CONSTANTS


@dataclass(frozen=True)
class LabelledPoints:
    """Labelled points of the plane.

    Attributes
    ----------
    positions : numpy.ndarray of float, shape (n, 2)
        Positions x, y.
    labels : numpy.ndarray of int, shape (n,)
        Kind of each site.
    angles : numpy.ndarray of float, shape (n,), optional
        Angle of each site relative to the mean of its kind, in radians.
    reflected : numpy.ndarray of bool, shape (n,), optional
        Whether a site is the mirror image of the mean of its kind.
    folds : numpy.ndarray of int, shape (n_kinds,), optional
        Order of the rotational symmetry of each kind: its angles are defined modulo ``2 pi / fold``. 1 by default.
    """

    positions: np.ndarray
    labels: np.ndarray
    angles: np.ndarray | None = None
    reflected: np.ndarray | None = None
    folds: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.positions)
        if self.positions.shape != (n, 2):
            raise ValueError(f"The positions must have the shape (n, 2), not {self.positions.shape}.")
        for name in ("labels", "angles", "reflected"):
            values = getattr(self, name)
            if values is not None and values.shape != (n,):
                raise ValueError(f"There must be one value of {name} per site: {n}, not {values.shape}.")
        if self.folds is not None and n and len(self.folds) <= self.labels.max():
            raise ValueError("There must be one order of rotation in folds for each label.")

    def __len__(self) -> int:
        return len(self.positions)

    @cached_property
    def spacing(self) -> float:
        """Median distance of the nearest neighbours."""
        if len(self) < 2:
            return 0.0
        distance, _ = cKDTree(self.positions).query(self.positions, k=2)
        return float(np.median(distance[:, 1]))

    def groups(self) -> list[np.ndarray]:
        """Return the indices of the sites of each kind, the kinds in order."""
        order = np.argsort(self.labels, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(self.labels[order])) + 1) if len(order) else []

    def alike(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return whether the sites `first` and `second` (k,) could be translations of each other."""
        same = self.labels[first] == self.labels[second]
        if self.reflected is not None:
            same &= self.reflected[first] == self.reflected[second]
        if self.angles is not None:
            period = 2 * np.pi / (1 if self.folds is None else self.folds[self.labels[first]])
            turn = np.mod(self.angles[first] - self.angles[second] + period / 2, period) - period / 2
            same &= np.abs(turn) <= CONSTANTS.angle_share * period
        return same

    def subset(self, members: np.ndarray) -> LabelledPoints:
        """Return some of the sites, given by their indices."""
        angles = None if self.angles is None else self.angles[members]
        reflected = None if self.reflected is None else self.reflected[members]
        return LabelledPoints(self.positions[members], self.labels[members], angles, reflected, self.folds)

    def without_kinds(self) -> LabelledPoints:
        """Return the sites with a single kind."""
        return LabelledPoints(self.positions, np.zeros_like(self.labels))


@dataclass(frozen=True)
class Level:
    """One level of the hierarchy: its nodes, their classes and their parts.

    Attributes
    ----------
    kind : str
        ``vertex-figure``, ``composite``, ``half-cell``, ``unit-cell``, ``coarse-cell``, ``moire-cell``,
        ``domain`` or ``boundary``.
    centres : numpy.ndarray of float, shape (m, 2)
        Centre x, y of each node, in the units of the atoms.
    labels : numpy.ndarray of int, shape (m,)
        Class of each node, 0 the most frequent.
    names : tuple of str
        A name for each class.
    child_kind : str
        Kind of the parts: ``atom``, ``cell`` or the kind of a lower level.
    parts : numpy.ndarray of int, shape (p, 2)
        Columns child, node.
    fractions : numpy.ndarray of float, shape (p,)
        Share of the child that belongs to the node.
    adjacency : numpy.ndarray of int, shape (a, 3)
        Columns node, node, number of shared sides; each pair once, the lower first.
    columns : dict of str to numpy.ndarray of shape (m,)
        Further values of each node (``area``, ``angle``, ``on_border``, ...): float, int or bool.
    scalars : dict of str to float
        Values of the whole level (edges of the unit cell, ...).
    reason : str
        Reason for the level and its end, as text.
    """

    kind: str
    centres: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    child_kind: str
    parts: np.ndarray
    fractions: np.ndarray
    adjacency: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    scalars: dict[str, float] = field(default_factory=dict)
    reason: str = ""

    def __post_init__(self) -> None:
        m = len(self.labels)
        if self.centres.shape != (m, 2):
            raise ValueError(f"The centres must have the shape ({m}, 2), not {self.centres.shape}.")
        if self.parts.shape != (len(self.fractions), 2):
            raise ValueError("A level needs one fraction for each of its parts.")
        if m and self.labels.max() >= len(self.names):
            raise ValueError(f"A level of {self.labels.max() + 1} classes has {len(self.names)} names.")

    def __len__(self) -> int:
        return len(self.labels)

    def to_arrays(self) -> dict[str, Any]:
        """Return the level as a flat dictionary of arrays, strings and numbers."""
        arrays: dict[str, object] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, dict):
                arrays.update({f"{item.name}.{name}": entry for name, entry in value.items()})
            elif item.name == "names":
                arrays["names"] = "\n".join(value)
            else:
                arrays[item.name] = value
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any]) -> Level:
        """Build the level from the result of `to_arrays`."""
        plain: dict[str, Any] = {"columns": {}, "scalars": {}}
        for name, value in arrays.items():
            group, _, entry = name.partition(".")
            if not entry:
                plain[name] = value
            elif group == "columns":
                plain["columns"][entry] = np.asarray(value)
            else:
                plain["scalars"][entry] = float(value)
        plain["names"] = tuple(str(plain["names"]).split("\n"))
        for name in ("centres", "labels", "parts", "fractions", "adjacency"):
            plain[name] = np.asarray(plain[name])
        return cls(**plain)


#: Weight of an unseen label (Krichevsky and Trofimov 1981).
_KT = 0.5
#: Cells of a table for each value that is numbered; with more of them sorting is as quick.
_MOST_CELLS = 32


@dataclass(frozen=True)
class Description:
    """Length of the description of labels on a graph.

    Attributes
    ----------
    bits : float
        Bits of all labels, including the choice of the number of neighbours.
    per_node : numpy.ndarray of float, shape (n,)
        Bits of each node.
    n_neighbours : int
        Number of neighbours with the best prediction.
    """

    bits: float
    per_node: np.ndarray
    n_neighbours: int


def describe(labels: np.ndarray, edges: np.ndarray, centres: np.ndarray, n_labels: int) -> Description:
    """Return the length of a code for the labels of all nodes.

    The tiles are encoded one after the other across the field. Each label is predicted from those of up to three
    previous neighbours, by the frequency of each label after these so far, and costs ``-log2 p`` bits (prequential
    coding, Dawid 1984, with the estimator of Krichevsky and Trofimov). The code needs no table of probabilities. For
    a periodic tiling its length increases with the logarithm of the size, for a random one in proportion to the size.

    Parameters
    ----------
    labels : numpy.ndarray of int, shape (n,)
        Label of each node, from 0.
    edges : numpy.ndarray of int, shape (e, 2)
        Neighbours.
    centres : numpy.ndarray of float, shape (n, 2)
        Positions x, y.
    n_labels : int
        Number of possible labels.

    Returns
    -------
    Description

    References
    ----------
    A. P. Dawid, J. R. Stat. Soc. A 147, 278 (1984); R. Krichevsky and V. Trofimov, IEEE Trans. Inf.
    Theory 27, 199 (1981).
    """
    n = len(labels)
    if n == 0:
        return Description(0.0, np.empty(0), 0)
    along = centres @ np.array([np.cos(CONSTANTS.tile_direction), np.sin(CONSTANTS.tile_direction)])
    order = np.argsort(along, kind="stable")
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    before = _laid_before(labels[order], rank[edges].reshape(-1, 2), n)
    best: Description | None = None
    for k in range(CONSTANTS.previous_tiles + 1):
        context = np.zeros(n, dtype=np.int64)
        if k:
            # The order of the neighbours' labels does not matter.
            for nearest in np.sort(before[:, :k], axis=1).T:
                context = numbered(context * (n_labels + 1) + nearest + 1)
        # Of all pairs of context and label few occur, so that a table of them would be mostly empty.
        pair = numbered(context * n_labels + labels[order])
        bits = _prequential(pair, context, n_labels)
        total = float(bits.sum()) + np.log2(CONSTANTS.previous_tiles + 1)
        if best is None or total < best.bits:
            per_node = np.empty(n)
            per_node[order] = bits
            best = Description(total, per_node, k)
        if not len(edges):
            break
    assert best is not None
    return best


def _laid_before(labels: np.ndarray, edges: np.ndarray, n: int) -> np.ndarray:
    """Return the labels (n, 3) of the last neighbours before each node; -1 for none."""
    late, early = np.divmod(np.sort(edges.max(axis=1) * n + (n - 1 - edges.min(axis=1))), n)
    early = n - 1 - early
    place = np.arange(len(late)) - np.searchsorted(late, late)
    before = np.full((n, CONSTANTS.previous_tiles), -1)
    kept = place < CONSTANTS.previous_tiles
    before[late[kept], place[kept]] = labels[early[kept]]
    return before


def numbered(values: np.ndarray) -> np.ndarray:
    """Return the number of each value (n,), an integer from 0, among the distinct ones in their order."""
    largest = int(values.max(initial=-1))
    if largest > _MOST_CELLS * len(values):
        return np.unique(values, return_inverse=True)[1].ravel()
    there = np.zeros(largest + 1, dtype=bool)
    there[values] = True
    return (np.cumsum(there) - 1)[values]


def _prequential(pairs: NDArray[np.int64], contexts: NDArray[np.int64], n_labels: int) -> NDArray[np.float64]:
    """Return the bits of each label, predicted from previous labels after the same context.

    `pairs` are the numbers of the pairs of context and label.
    """
    return -np.log2((_times_before(pairs) + _KT) / (_times_before(contexts) + _KT * n_labels))


def _times_before(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each value (n,) occurs before its place."""
    order = np.argsort(values, kind="stable")
    sorted_values = values[order]
    times = np.empty(len(values), dtype=np.int64)
    times[order] = np.arange(len(values)) - np.searchsorted(sorted_values, sorted_values)
    return times


@dataclass(frozen=True)
class Disorder:
    """Bits per atom.

    Attributes
    ----------
    bits_per_atom : float
        Length of the description over the number of atoms: 0 for an infinite crystal; it increases as cells become
        less predictable from their neighbours.
    std : float
        Its standard error, from the spread between blocks of the field.
    """

    bits_per_atom: float
    std: float


def bits_per_atom(labels: np.ndarray, edges: np.ndarray, centres: np.ndarray, n_atoms: int) -> Disorder:
    """Return the length of the description of a tiling per atom.

    Parameters
    ----------
    labels : numpy.ndarray of int, shape (m,)
        Class of each cell, from 0.
    edges : numpy.ndarray of int, shape (e, 2)
        Cells that share a side.
    centres : numpy.ndarray of float, shape (m, 2)
        Their centres x, y.
    n_atoms : int
        Number of atoms.

    Returns
    -------
    Disorder

    Raises
    ------
    ValueError
        If there are no atoms.
    """
    if n_atoms < 1:
        raise ValueError("The bits per atom need at least one atom.")
    description = describe(labels, edges, centres, int(labels.max(initial=-1)) + 1)
    return Disorder(description.bits / n_atoms, _block_error(description.per_node, centres) / n_atoms)


def _block_error(bits: np.ndarray, centres: np.ndarray) -> float:
    """Return the standard error of the sum of `bits`, whose neighbours are correlated."""
    if len(bits) < 2:
        return 0.0
    low, extent = centres.min(axis=0), np.maximum(np.ptp(centres, axis=0), 1e-12)
    place = np.minimum(
        (CONSTANTS.error_blocks * (centres - low) / extent).astype(np.int64), CONSTANTS.error_blocks - 1
    )
    block = place[:, 0] * CONSTANTS.error_blocks + place[:, 1]
    count = np.bincount(block, minlength=CONSTANTS.error_blocks**2)
    used = count > 0
    # Blocks at an irregular edge are smaller: the excess over their share of the bits is used.
    excess = np.bincount(block, bits, minlength=CONSTANTS.error_blocks**2)[used] - bits.mean() * count[used]
    n = int(used.sum())
    return float(np.sqrt((excess**2).sum() * n / max(n - 1, 1)))


@dataclass(frozen=True)
class Hierarchy:
    """The levels above the cells, in ascending order.

    Attributes
    ----------
    levels : tuple of Level
        Level ``2 + i`` of the graph is ``levels[i]``: 0 are the atoms, 1 the cells.
    scalars : dict of str to float
        Values of the whole: ``bits_per_atom``, ``bits_per_atom_std``, ...
    reason : str
        Reason for the last level, as text.
    atom_domains : numpy.ndarray of int, shape (n,)
        Domain of each atom (node ``domain:i`` if there is a level of domains); -1 for none.
    """

    levels: tuple[Level, ...]
    scalars: dict[str, float]
    reason: str
    atom_domains: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def level(self, kind: str) -> Level:
        """Return the (topmost) level of a kind.

        Raises
        ------
        ValueError
            If it does not exist.
        """
        for level in reversed(self.levels):
            if level.kind == kind:
                return level
        kinds = ", ".join(level.kind for level in self.levels) or "none"
        raise ValueError(f"The hierarchy has no level of the kind {kind!r}; it has {kinds}.")

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of the levels, in ascending order."""
        return tuple(level.kind for level in self.levels)

    def to_arrays(self) -> dict[str, Any]:
        """Return a flat dictionary of arrays, strings and numbers, from which `from_arrays` restores the
        hierarchy."""
        arrays: dict[str, object] = {
            "n_levels": len(self.levels),
            "reason": self.reason,
            "atom_domains": self.atom_domains,
        }
        arrays.update({f"scalars.{name}": value for name, value in self.scalars.items()})
        for i, level in enumerate(self.levels):
            arrays.update({f"level{i}.{name}": value for name, value in level.to_arrays().items()})
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any]) -> Hierarchy:
        """Build the hierarchy from the result of `to_arrays`."""
        groups: dict[str, dict[str, Any]] = {}
        for name, value in arrays.items():
            group, _, entry = name.partition(".")
            groups.setdefault(group, {})[entry] = value
        levels = [Level.from_arrays(groups[f"level{i}"]) for i in range(int(arrays["n_levels"]))]
        scalars = {name: float(value) for name, value in groups.get("scalars", {}).items()}
        return cls(tuple(levels), scalars, str(arrays["reason"]), np.asarray(arrays["atom_domains"]))
