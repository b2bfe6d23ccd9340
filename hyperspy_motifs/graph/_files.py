"""Files of a graph, which are there whole or not at all: GraphML, and tables."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from typing import NoReturn
from xml.parsers import expat

import networkx as nx
import numpy as np

from hyperspy_motifs.common import written_whole

from . import _schema as schema
from ._schema import Value

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

    def data(self, domain: str, owner: object, attributes: dict[str, Value]) -> str:
        """Return the data elements of one node, edge or graph."""
        parts = []
        for name, value in attributes.items():
            kind = type(value)
            opening = self._openings.get((domain, name, kind))
            if opening is None:
                value = plain(value, name, owner)
                kind = type(value)
                opening = self._opening(domain, name, kind)
            if isinstance(value, str):
                text = self._escaped.get(value)
                if text is None:
                    text = self._escaped[value] = escape(value)
            elif isinstance(value, float):
                text = repr(value) if math.isfinite(value) else _not_finite(value)
            elif isinstance(value, bool):
                text = "true" if value else "false"
            else:
                text = str(value)
            parts.append(f"{opening}{text}</data>")
        return "".join(parts)

    def _opening(self, domain: str, name: str, kind: type) -> str:
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


def plain(value: object, name: object, owner: object) -> Value:
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


_ESCAPED = re.compile(r"\\u([0-9a-f]{4})")
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def unescape(text: str) -> str:
    """Restore characters that XML cannot represent."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "\\u" in text else text


def _boolean(text: str) -> bool:
    return _BOOLEANS[text.strip().lower()]


def _integer(text: str) -> int:
    value = int(text)
    if not -(2**63) <= value < 2**63:
        raise ValueError("more than 64 bits")
    return value


_READERS: dict[str, Callable[[str], Value]] = {
    "string": unescape, "int": _integer, "long": _integer, "float": float, "double": float,
    "boolean": _boolean,
}  # fmt: skip


class GraphMLReader:
    """Reads one GraphML file with an event parser; the name of the file is for the messages."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: dict[str, dict[str, Value]] = {}
        self.edges: list[tuple[str, str, dict[str, Value]]] = []
        self.attributes: dict[str, Value] = {}
        self._keys: dict[str, tuple[str, str, Callable[[str], Value]]] = {}
        self._path: list[str] = []
        self._owner: tuple[str, dict[str, Value]] | None = None
        self._key: tuple[str, Callable[[str], Value]] | None = None
        self._text: list[str] = []
        self._graphs = 0
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        # Any document type is rejected before an entity in it can be declared or expanded.
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.EntityDeclHandler = self._doctype
        self._parser.ExternalEntityRefHandler = self._doctype

    def read(self, path: str | PathLike[str]) -> None:
        """Parse the file; raise ValueError with the line of the error."""
        with open(path, "rb") as file:
            try:
                self._parser.ParseFile(file)
            except expat.ExpatError as error:
                raise ValueError(
                    f"{self.name} is not well-formed GraphML, or is truncated: {error}. Export it again."
                ) from None
        self._check()

    def _fail(self, problem: str) -> NoReturn:
        raise ValueError(f"{self.name}, line {self._parser.CurrentLineNumber}: {problem}")

    def _doctype(self, *_: object) -> NoReturn:
        self._fail(
            "the file declares a document type or entities, which could be malicious and which no "
            "motif graph contains."
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        path = self._path
        parent = path[-1] if path else ""
        path.append(tag)
        if tag == "data":
            self._start_data(attributes)
        elif tag in ("node", "edge") and parent == "graph":
            self._start_item(tag, attributes)
        elif tag == "key" and parent == "graphml":
            self._start_key(attributes)
        elif tag == "graph" and parent == "graphml":
            self._start_graph(attributes)
        elif tag == "graphml" and not parent:
            return
        elif tag in ("desc", "default") and parent in ("graphml", "graph", "key", "node", "edge"):
            return
        else:
            self._fail(
                f"there is an element <{tag[:40]}> in <{parent[:40]}>, which motif graphs do not contain."
            )

    def _start_data(self, attributes: dict[str, str]) -> None:
        if self._owner is None or self._key is not None:
            self._fail("a <data> element stands outside nodes, edges and the graph.")
        key = self._keys.get(attributes.get("key", ""))
        if key is None:
            self._fail(f"the data key {attributes.get('key', '')[:40]!r} was not declared.")
        domain, name, reader = key
        if domain not in (self._owner[0], "all"):
            self._fail(f"the attribute {name[:40]!r} of a {domain} is given to a {self._owner[0]}.")
        self._key = (name, reader)
        self._text.clear()

    def _start_item(self, tag: str, attributes: dict[str, str]) -> None:
        data: dict[str, Value] = {}
        try:
            if tag == "node":
                node = unescape(attributes["id"])
                if node in self.nodes:
                    self._fail(f"the node {node[:40]!r} occurs twice.")
                self.nodes[node] = data
            else:
                source, target = unescape(attributes["source"]), unescape(attributes["target"])
                self.edges.append((source, target, data))
        except KeyError as error:
            self._fail(f"a <{tag}> has no {error.args[0]!r}.")
        if attributes.get("directed", "true") != "true":
            self._fail("an edge is undirected, but motif graphs are directed.")
        self._owner = (tag, data)

    def _start_key(self, attributes: dict[str, str]) -> None:
        kind = attributes.get("attr.type", "string")
        if kind not in _READERS:
            self._fail(f"the attribute type {kind[:40]!r} is not one of {', '.join(_READERS)}.")
        try:
            name = unescape(attributes["attr.name"])
            self._keys[attributes["id"]] = (attributes.get("for", "all"), name, _READERS[kind])
        except KeyError as error:
            self._fail(f"a <key> has no {error.args[0]!r}.")

    def _start_graph(self, attributes: dict[str, str]) -> None:
        self._graphs += 1
        if self._graphs > 1:
            self._fail("there is more than one graph.")
        if attributes.get("edgedefault") != "directed":
            self._fail("the graph is not directed, but motif graphs are.")
        self._owner = ("graph", self.attributes)

    def _characters(self, text: str) -> None:
        if self._key is not None:
            self._text.append(text)

    def _end(self, tag: str) -> None:
        tag = self._path.pop()
        if tag == "data" and self._key is not None and self._owner is not None:
            name, reader = self._key
            text = "".join(self._text)
            try:
                self._owner[1][name] = reader(text)
            except (ValueError, KeyError):
                self._fail(f"{text[:40]!r} is not a possible value of the attribute {name[:40]!r}.")
            self._key = None
        elif tag in ("node", "edge"):
            self._owner = ("graph", self.attributes)
        elif tag == "graph":
            self._owner = None

    def _check(self) -> None:
        """Reject well-formed files that are not motif graphs."""
        schema.check_graph(self.name, self.attributes)
        for node, attributes in self.nodes.items():
            schema.checked(self.name, node, attributes, schema.NODE_TYPES)
        for source, target, attributes in self.edges:
            if source not in self.nodes or target not in self.nodes:
                raise ValueError(
                    f"{self.name} has an edge from {source[:40]!r} to {target[:40]!r}, which are not both "
                    "nodes."
                )
            schema.checked(self.name, (source, target), attributes, schema.EDGE_TYPES)


def read_graphml(graph: nx.DiGraph, path: str | PathLike[str]) -> None:
    """Fill the empty `graph` from a file.

    Raises
    ------
    ValueError
        If the file is not a motif graph, is damaged, or could be malicious.
    FileNotFoundError
        If the file does not exist.
    """
    reader = GraphMLReader(os.path.basename(os.fspath(path)))
    reader.read(path)
    graph.graph.update(reader.attributes)
    graph.add_nodes_from(reader.nodes.items())
    graph.add_edges_from(reader.edges)
    if graph.number_of_edges() != len(reader.edges):
        raise ValueError(f"{reader.name} contains the same edge twice.")


def write_tables(graph: nx.DiGraph, folder: str | PathLike[str]) -> None:
    """Write ``nodes.csv`` and ``edges.csv`` into `folder`.

    The first columns are ``id``, and ``source`` and ``target``; the attributes follow in the order of their first
    occurrence.
    """
    os.makedirs(folder, exist_ok=True)
    _write(os.path.join(folder, "nodes.csv"), ["id"], (((n,), d) for n, d in graph.nodes.items()))
    edges = (((u, v), d) for u, v, d in graph.edges(data=True))
    _write(os.path.join(folder, "edges.csv"), ["source", "target"], edges)


def _write(path: str, first: list[str], rows: Iterable[tuple[tuple[str, ...], dict[str, Value]]]) -> None:
    kept = list(rows)
    columns = list(dict.fromkeys(name for _, attributes in kept for name in attributes))
    with written_whole(path, newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*first, *columns])
        writer.writerows([*key, *(attributes.get(name, "") for name in columns)] for key, attributes in kept)
