"""Hierarchy: the levels above the cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._level import Level

__all__ = ["Hierarchy"]


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
        arrays: dict[str, Any] = {
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
