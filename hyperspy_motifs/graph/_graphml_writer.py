"""Writing of motif graphs as GraphML, faster than networkx and with all strings preserved."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from os import PathLike
from typing import Any

import networkx as nx
import numpy as np

from ._text_files import written_whole

_TYPES = {str: "string", int: "long", float: "double", bool: "boolean"}
_HEADER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<graphml xmlns="http://graphml.graphdrawing.org/xmlns" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns '
    'http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">\n'
)
# Characters that XML cannot represent, and text that resembles their escape.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]|\\\\(?=u[0-9a-f]{4})")
_SPECIAL = re.compile("[&<>\"'\t\n\r]")
_ENTITIES = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\t": "&#9;", "\n": "&#10;",
    "\r": "&#13;",
}  # fmt: skip


def escape(text: str) -> str:
    """Return `text` escaped for XML text and attributes.

    Characters that XML 1.0 forbids (control characters, lone surrogates) become a backslash, ``u`` and four
    hexadecimal digits; so does a backslash before text of this form, so that reading can restore it.
    """
    text = _FORBIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return _SPECIAL.sub(lambda match: _ENTITIES[match[0]], text)


class _Keys:
    """The attributes so far with their keys, and the escaped values of strings."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, str], tuple[str, type]] = {}
        self._openings: dict[tuple[str, str, type], str] = {}
        self._escaped: dict[str, str] = {}

    def data(self, domain: str, owner: Any, attributes: dict[Any, Any]) -> str:
        """Return the data elements of one node, edge or graph."""
        parts = []
        for name, value in attributes.items():
            kind = type(value)
            opening = self._openings.get((domain, name, kind))
            if opening is None:
                value = plain(value, name, owner)
                kind = type(value)
                opening = self._opening(domain, name, kind)
            if kind is str:
                text = self._escaped.get(value)
                if text is None:
                    text = self._escaped[value] = escape(value)
            elif kind is float:
                text = repr(value) if math.isfinite(value) else _not_finite(value)
            elif kind is bool:
                text = "true" if value else "false"
            else:
                text = str(value)
            parts.append(f"{opening}{text}</data>")
        return "".join(parts)

    def _opening(self, domain: str, name: Any, kind: type) -> str:
        if not isinstance(name, str):
            raise TypeError(f"The names of attributes must be strings, not {name!r}.")
        key, met = self.keys.setdefault((domain, name), (f"d{len(self.keys)}", kind))
        # igraph supports one type per attribute. Integers may be mixed with floats: 1 and 1.0 are equal.
        if {kind, met} == {int, float}:
            self.keys[domain, name] = (key, float)
        elif kind is not met:
            raise TypeError(
                f"The attribute {name!r} of a {domain} is {met.__name__} in one place and {kind.__name__} "
                "in another: give it one type or two names."
            )
        opening = self._openings[domain, name, kind] = f'<data key="{key}">'
        return opening

    def declarations(self) -> str:
        """Return the key elements."""
        return "".join(
            f'<key id="{key}" for="{domain}" attr.name="{escape(name)}" attr.type="{_TYPES[kind]}"/>\n'
            for (domain, name), (key, kind) in self.keys.items()
        )


def plain(value: Any, name: Any, owner: Any) -> str | int | float | bool:
    """Return an attribute as one of Python's own types; raise TypeError if this is not possible."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        if not -(2**63) <= int(value) < 2**63:
            raise TypeError(f"{name}={value} of {owner} does not fit the 64 bits of a GraphML long.")
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value)
    if isinstance(value, str):
        return str(value)
    raise TypeError(
        f"{name}={value!r} of {owner} cannot be written: attributes must be str, int, float or bool, "
        f"not {type(value).__name__}."
    )


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "INF" if value > 0 else "-INF"


def write_graphml(graph: nx.DiGraph, path: str | PathLike[str]) -> None:
    """Write `graph` as GraphML in UTF-8.

    Node ids must be strings, and attributes str, int, float or bool (NumPy's scalars are converted).
    The file is renamed to its final name only when it is complete.

    Raises
    ------
    TypeError
        If an id or an attribute is of another type; no file is written then.
    """
    keys = _Keys()
    body = list(_body(graph, keys))
    attributes = keys.data("graph", "the graph", graph.graph)
    with written_whole(path) as file:
        file.write(_HEADER)
        file.write(keys.declarations())
        file.write('<graph edgedefault="directed">\n')
        file.write(f"{attributes}\n")
        file.writelines(body)
        file.write("</graph>\n</graphml>\n")


def _body(graph: nx.DiGraph, keys: _Keys) -> Iterator[str]:
    ids = {}
    for node, attributes in graph.nodes.items():
        if not isinstance(node, str):
            raise TypeError(f"Node ids must be strings such as 'atom:12', not {node!r}.")
        ids[node] = escape(node)
        yield f'<node id="{ids[node]}">{keys.data("node", node, attributes)}</node>\n'
    for node, successors in graph.adj.items():
        source = ids[node]
        for other, attributes in successors.items():
            data = keys.data("edge", (node, other), attributes)
            yield f'<edge source="{source}" target="{ids[other]}">{data}</edge>\n'
