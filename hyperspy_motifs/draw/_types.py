"""Names, colours and shapes of the types of a motif graph."""

from __future__ import annotations

import textwrap
from typing import Any

import networkx as nx

from ._palette import cell_colours, motif_colour, motif_marker


def is_type(attributes: dict[str, Any]) -> bool:
    """Whether a node of a motif graph is a type (a motif, a class) and not an instance of one."""
    kind = str(attributes.get("kind", ""))
    return kind == "motif" or kind.endswith("-class")


def type_nodes(graph: nx.DiGraph, kind: str) -> list[str]:
    """Nodes of the types of one kind, in the order of their numbers."""
    nodes = [node for node, attributes in graph.nodes(data=True) if attributes.get("kind") == kind]
    if not nodes:
        kinds = sorted({str(a["kind"]) for _, a in graph.nodes(data=True) if is_type(a)})
        raise ValueError(f"the graph has no types of kind {kind!r}; it has {', '.join(kinds) or 'none'}.")
    return sorted(nodes, key=type_number)


def type_number(node: str) -> int:
    """Number of a type: 5 of ``'cell-class:5'``."""
    number = str(node).rpartition(":")[2]
    return int(number) if number.isdecimal() else 0


def short_name(name: str, width: int = 14, lines: int | None = None) -> str:
    """Name with repetitions written once (``Mo Se Mo Se`` is ``(Mo Se)×2``), broken into lines of `width`.

    With `lines` at most this number, the last of which ends in an ellipsis if the name is truncated.
    """
    words = str(name).split()
    for period in range(1, len(words) // 2 + 1):
        times, rest = divmod(len(words), period)
        if not rest and words == words[:period] * times:
            inner = " ".join(words[:period])
            words = (f"({inner})×{times}" if period > 1 else f"{inner}×{times}").split()
            break
    text = " ".join(words)
    broken = textwrap.wrap(text, width, max_lines=lines, placeholder=" …")
    return "\n".join(broken) or str(name)


def type_style(node: str, attributes: dict[str, Any]) -> tuple[Any, Any]:
    """Colour and marker of a type: those of the motif, or a polygon with the corners of the cell class.

    Levels above the cells are grey, because other colours could be confused with those of cells.
    """
    number = type_number(node)
    if attributes.get("kind") == "motif":
        return motif_colour(number), motif_marker(number)
    if attributes.get("kind") != "cell-class":
        return "0.88", "o"
    corners = int(attributes.get("n_corners", 0))
    colour = tuple(cell_colours([number])[0])
    # A square is drawn on its side, other polygons on a corner.
    return colour, (corners, 0, 45 if corners == 4 else 0) if corners >= 3 else "o"
