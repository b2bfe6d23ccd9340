"""Reading of motif graphs from untrusted GraphML files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from os import PathLike
from typing import Any, NoReturn
from xml.parsers import expat

import networkx as nx

from . import _schema as schema

_CHUNK = 1 << 20
_MAX_KEYS = 10_000
_MAX_TEXT = 1 << 20
_MAX_DEPTH = 8
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


_READERS: dict[str, Callable[[str], Any]] = {
    "string": unescape, "int": _integer, "long": _integer, "float": float, "double": float,
    "boolean": _boolean,
}  # fmt: skip


class GraphMLReader:
    """Reads one GraphML file with an event parser; memory depends on its content, not on declared sizes.

    Parameters
    ----------
    name : str
        Name of the file, for the messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: dict[str, dict[str, Any]] = {}
        self.edges: list[tuple[str, str, dict[str, Any]]] = []
        self.attributes: dict[str, Any] = {}
        self._keys: dict[str, tuple[str, str, Callable[[str], Any]]] = {}
        self._announced: dict[str, int] = {}
        self._path: list[str] = []
        self._owner: tuple[str, dict[str, Any]] | None = None
        self._key: tuple[str, Callable[[str], Any]] | None = None
        self._text: list[str] = []
        self._length = 0
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
                while chunk := file.read(_CHUNK):
                    self._parser.Parse(chunk, False)
                self._parser.Parse(b"", True)
            except expat.ExpatError as error:
                raise ValueError(
                    f"{self.name} is not well-formed GraphML, or is truncated: {error}. Export it again."
                ) from None
        self._check()

    def _fail(self, problem: str) -> NoReturn:
        raise ValueError(f"{self.name}, line {self._parser.CurrentLineNumber}: {problem}")

    def _doctype(self, *_: Any) -> NoReturn:
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
        if len(path) > _MAX_DEPTH:
            self._fail("the elements are nested too deeply for a motif graph.")

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
        self._length = 0

    def _start_item(self, tag: str, attributes: dict[str, str]) -> None:
        data: dict[str, Any] = {}
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
        if len(self._keys) >= _MAX_KEYS:
            self._fail(f"more than {_MAX_KEYS} attributes are declared.")
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
        for name in ("parse.nodes", "parse.edges"):
            if name in attributes:
                if not attributes[name].isdecimal() or len(attributes[name]) > 18:
                    self._fail(f"{name}={attributes[name][:40]!r} is not a possible value.")
                self._announced[name] = int(attributes[name])
        self._owner = ("graph", self.attributes)

    def _characters(self, text: str) -> None:
        if self._key is not None:
            self._length += len(text)
            if self._length > _MAX_TEXT:
                self._fail(f"an attribute is longer than {_MAX_TEXT} characters.")
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
        for name, found in (("parse.nodes", len(self.nodes)), ("parse.edges", len(self.edges))):
            if self._announced.get(name, found) != found:
                raise ValueError(
                    f"{self.name} declares {self._announced[name]} {name[6:]} but contains {found}: "
                    "it is damaged."
                )
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
