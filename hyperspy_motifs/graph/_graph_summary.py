"""A motif graph as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _schema as schema

if TYPE_CHECKING:
    from ._motif_graph import MotifGraph


def summarise(graph: MotifGraph, most: int = 8) -> str:
    """Return the levels, their types and their neighbour rules as text.

    Parameters
    ----------
    graph : MotifGraph
        The graph.
    most : int
        Largest number of types and rules per level.
    """
    vacancies = len(graph.find(kind=schema.VACANCY))
    empty = f" and {vacancies} empty sites" if vacancies else ""
    lines = [
        f"Motif graph of {len(graph.level(schema.ATOM))} atoms{empty}, {graph.number_of_edges()} edges, in {_units(graph)}"
    ]
    for number, kind in graph.levels.items():
        nodes = graph.level(kind)
        types = sorted(graph.find(kind=schema.class_kind(kind)), key=lambda t: -graph.nodes[t]["size"])
        lines.append(f"Level {number}, {kind}: {len(nodes)} in {len(types)} {_plural('class', len(types))}")
        reason = graph.graph.get(f"reason:{kind}")
        if reason:
            lines.append(f"  {_short(reason, 200)}")
        for node in types[:most]:
            lines.append(f"  {_describe(graph, node, kind)}")
        if len(types) > most:
            lines.append(f"  and {len(types) - most} more")
        lines += [f"  {rule}" for rule in _rules(graph, types, most // 2)]
    if "bits_per_atom" in graph.graph:
        bits, error = graph.graph["bits_per_atom"], graph.graph.get("bits_per_atom_std", 0.0)
        lines.append(f"Disorder: {bits:.3f} ± {error:.3f} bits per atom")
    end = graph.graph.get("reason")
    return "\n".join([*lines, end] if end else lines)


def _units(graph: MotifGraph) -> str:
    return graph.graph.get("units", "px")


def _plural(word: str, n: int) -> str:
    return word if n == 1 else f"{word}es"


def _describe(graph: MotifGraph, node: str, kind: str) -> str:
    attributes = graph.nodes[node]
    name = attributes.get("name", "")
    # The name of a motif without one is its number, which the node ends with.
    called = "" if node.endswith(f":{name}") else f" {_short(name)}"
    text = f"{node}{called}: {attributes['size']}"
    if kind not in (schema.ATOM, "vertex-figure"):
        composition = graph.formula(node)
        text += f", contains {_short(composition)}" if composition not in ("", name) else ""
        if "area" in attributes:
            text += f", area {attributes['area']:.4g} {_units(graph)}²"
    return text


def _short(text: str, longest: int = 72) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _rules(graph: MotifGraph, types: list[str], most: int) -> list[str]:
    """Return the significant neighbours, the most significant first."""
    found = []
    for source in types:
        for target, d in graph.succ[source].items():
            if d["kind"] == schema.NEIGHBOURS and d["q"] <= 0.05:
                found.append((-abs(d["z"]), source, target, d))
    found.sort(key=lambda item: item[:3])
    lines = [
        f"{s} next to {t}: {d['observed']} times, {d['expected']:.1f} expected by chance, "
        f"{'enriched' if d['z'] > 0 else 'depleted'} (z = {d['z']:+.1f})"
        for _, s, t, d in found[:most]
    ]
    if len(found) > most:
        lines.append(f"and {len(found) - most} more pairs of classes that differ from chance")
    return lines
