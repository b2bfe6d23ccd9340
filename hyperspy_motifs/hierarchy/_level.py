"""Level: the common form of all levels above the cells."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

__all__ = ["Level"]


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
        arrays: dict[str, Any] = {}
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
