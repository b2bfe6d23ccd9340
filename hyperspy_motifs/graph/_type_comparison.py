"""Differences between the types of two graphs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from hyperspy_motifs.hierarchy import benjamini_hochberg

from . import _schema as schema

if TYPE_CHECKING:
    from ._relations import RelationGraph


class Difference(NamedTuple):
    """A class, or a pair of neighbouring classes, in two graphs.

    Attributes
    ----------
    key : tuple of str
        Kind and name of the class; for a pair, kind and both names.
    first, second : int
        Numbers in the two graphs.
    of_first, of_second : int
        Numbers of all of the kind.
    z : float
        Difference of the shares in units of its standard deviation; positive: more in the second.
    q : float
        False discovery rate at which the difference is significant.
    """

    key: tuple[str, ...]
    first: int
    second: int
    of_first: int
    of_second: int
    z: float
    q: float


@dataclass(frozen=True)
class TypeComparison:
    """Comparison of the classes and rules of two graphs.

    Attributes
    ----------
    classes : tuple of Difference
        All classes of either graph.
    rules : tuple of Difference
        All pairs of classes that are neighbours in either graph.
    """

    classes: tuple[Difference, ...]
    rules: tuple[Difference, ...]

    @property
    def only_first(self) -> list[tuple[str, ...]]:
        """Classes that only the first graph has."""
        return [d.key for d in self.classes if d.second == 0]

    @property
    def only_second(self) -> list[tuple[str, ...]]:
        """Classes that only the second graph has."""
        return [d.key for d in self.classes if d.first == 0]

    def differing(self, level: float = 0.05) -> list[Difference]:
        """Return the classes and rules whose share differs, at a false discovery rate of `level`."""
        return [d for d in (*self.classes, *self.rules) if d.q <= level]

    def summary(self) -> str:
        """Return the differences as text."""
        lines = [
            f"{len(self.classes)} classes, {len(self.only_first)} in the first graph only, "
            f"{len(self.only_second)} in the second only."
        ]
        for title, entries in (("classes", self.classes), ("neighbours", self.rules)):
            found = sorted((d for d in entries if d.q <= 0.05), key=lambda d: -abs(d.z))
            lines.append(f"{len(found)} of {len(entries)} {title} differ in their share:")
            lines += [
                f"  {' '.join(d.key)}: {d.first} of {d.of_first}, then {d.second} of {d.of_second} (z = {d.z:+.1f})"
                for d in found
            ]
        return "\n".join(lines)


def compare_types(first: RelationGraph, second: RelationGraph) -> TypeComparison:
    """Compare the numbers of all classes, and of their neighbours, as shares of their kind.

    Classes are the same if kind and name are. Shares are compared by the two-proportion z-test, the p-values
    corrected by the method of Benjamini and Hochberg.

    Parameters
    ----------
    first, second : RelationGraph
        Graphs with types, usually those of whole images.

    Returns
    -------
    TypeComparison
    """
    classes = _differences(_sizes(first), _sizes(second))
    rules = _differences(_neighbours(first), _neighbours(second))
    return TypeComparison(classes, rules)


def _name(graph: RelationGraph, node: str) -> str:
    return str(graph.nodes[node].get("name", node))


def _sizes(graph: RelationGraph) -> dict[tuple[str, ...], int]:
    sizes: dict[tuple[str, ...], int] = {}
    for node, d in graph.nodes.items():
        if schema.is_type_kind(d.get("kind", "")):
            key = (d["kind"], _name(graph, node))
            sizes[key] = sizes.get(key, 0) + int(d.get("size", 0))
    return sizes


def _neighbours(graph: RelationGraph) -> dict[tuple[str, ...], int]:
    counts: dict[tuple[str, ...], int] = {}
    for u, d in graph.nodes.items():
        if not schema.is_type_kind(d.get("kind", "")):
            continue
        for v, edge in graph.succ[u].items():
            if edge.get("kind") == schema.NEIGHBOURS:
                key = (d["kind"], *sorted((_name(graph, u), _name(graph, v))))
                counts[key] = counts.get(key, 0) + int(edge["observed"])
    return counts


def _differences(
    first: dict[tuple[str, ...], int], second: dict[tuple[str, ...], int]
) -> tuple[Difference, ...]:
    keys = sorted(set(first) | set(second))
    if not keys:
        return ()
    a = np.array([first.get(key, 0) for key in keys], dtype=float)
    b = np.array([second.get(key, 0) for key in keys], dtype=float)
    _, kind = np.unique([key[0] for key in keys], return_inverse=True)
    n, m = np.bincount(kind, a)[kind], np.bincount(kind, b)[kind]
    pooled = (a + b) / np.maximum(n + m, 1)
    variance = pooled * (1 - pooled) * (1 / np.maximum(n, 1) + 1 / np.maximum(m, 1))
    testable = (variance > 0) & (n > 0) & (m > 0)
    z = np.where(
        testable, (b / np.maximum(m, 1) - a / np.maximum(n, 1)) / np.sqrt(np.where(testable, variance, 1)), 0
    )
    q = benjamini_hochberg(np.where(testable, 2 * special.ndtr(-np.abs(z)), 1.0))
    counts = np.column_stack([a, b, n, m]).astype(int).tolist()
    return tuple(
        Difference(keys[i], c[0], c[1], c[2], c[3], float(z[i]), float(q[i])) for i, c in enumerate(counts)
    )
