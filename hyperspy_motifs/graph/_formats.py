"""Other forms of a graph: tables, node-link JSON, and Cypher."""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections.abc import Iterable
from os import PathLike
from typing import Any

import networkx as nx

from . import _schema as schema
from ._graphml import plain, written_whole


def write_tables(graph: nx.DiGraph, folder: str | PathLike[str]) -> None:
    """Write ``nodes.csv`` and ``edges.csv`` into `folder`.

    The first columns are ``id``, and ``source`` and ``target``; the attributes follow in the order of their first
    occurrence.
    """
    os.makedirs(folder, exist_ok=True)
    _write(os.path.join(folder, "nodes.csv"), ["id"], (((n,), d) for n, d in graph.nodes.items()))
    edges = (((u, v), d) for u, v, d in graph.edges(data=True))
    _write(os.path.join(folder, "edges.csv"), ["source", "target"], edges)


def _write(path: str, first: list[str], rows: Iterable[tuple[tuple[Any, ...], dict[str, Any]]]) -> None:
    kept = list(rows)
    columns = list(dict.fromkeys(name for _, attributes in kept for name in attributes))
    with written_whole(path, newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*first, *columns])
        writer.writerows([*key, *(attributes.get(name, "") for name in columns)] for key, attributes in kept)


def write_node_link(graph: nx.DiGraph, path: str | PathLike[str]) -> None:
    """Write `graph` as node-link JSON, as networkx' ``node_link_data`` with ``edges="edges"``.

    Raises
    ------
    TypeError
        If an id or an attribute is of another type; no file is written then.
    """
    nodes = []
    for node, attributes in graph.nodes.items():
        if not isinstance(node, str):
            raise TypeError(f"Node ids must be strings such as 'atom:12', not {node!r}.")
        nodes.append({**_row(attributes, node), "id": node})
    edges = [{**_row(d, (u, v)), "source": u, "target": v} for u, v, d in graph.edges(data=True)]
    data = {
        "directed": True, "multigraph": False, "graph": _row(graph.graph, "the graph"), "nodes": nodes,
        "edges": edges,
    }  # fmt: skip
    with written_whole(path) as file:
        json.dump(data, file, allow_nan=False)


def _row(attributes: dict[str, Any], owner: Any) -> dict[str, Any]:
    row = {}
    for name, value in attributes.items():
        value = plain(value, name, owner)
        row[name] = None if isinstance(value, float) and not math.isfinite(value) else value
    return row


def read_node_link(graph: nx.DiGraph, path: str | PathLike[str]) -> None:
    """Fill the empty `graph` from a file.

    Raises
    ------
    ValueError
        If the file is not a motif graph, or is damaged.
    """
    name = os.path.basename(os.fspath(path))
    with open(path, encoding="utf-8") as file:
        try:
            data = json.load(file)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{name} is not JSON, or is truncated: {error}. Export it again.") from None
    if not isinstance(data, dict) or not isinstance(data.get("graph"), dict):
        raise ValueError(f"{name} is not a graph in node-link form.")
    attributes = _values(name, "the graph", data["graph"])
    schema.check_graph(name, attributes)
    if data.get("directed") is not True or data.get("multigraph") is True:
        raise ValueError(f"{name} is not a directed graph without parallel edges.")
    nodes = {}
    for row in _rows(name, data, "nodes"):
        node = row.pop("id", None)
        if not isinstance(node, str) or node in nodes:
            raise ValueError(
                f"{name}: the id {str(node)[:40]!r} of a node is missing, not a string, or not unique."
            )
        nodes[node] = schema.checked(name, node, _values(name, node, row), schema.NODE_TYPES)
    edges = {}
    for row in _rows(name, data, "edges"):
        ends = row.pop("source", None), row.pop("target", None)
        if not all(isinstance(end, str) and end in nodes for end in ends) or ends in edges:
            raise ValueError(f"{name}: an edge {str(ends)[:80]} occurs twice, or does not connect nodes.")
        edges[ends] = schema.checked(name, ends, _values(name, ends, row), schema.EDGE_TYPES)
    graph.graph.update(attributes)
    graph.add_nodes_from(nodes.items())
    graph.add_edges_from((u, v, d) for (u, v), d in edges.items())


def _rows(name: str, data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    rows = data.get(key)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{name}: its {key} are not a list of objects.")
    return rows


def _values(name: str, owner: Any, row: dict[str, Any]) -> dict[str, Any]:
    values = {key: math.nan if value is None else value for key, value in row.items()}
    for key, value in values.items():
        if not isinstance(value, str | int | float | bool):
            raise ValueError(f"{name}: {key[:40]!r} of {str(owner)[:60]} is neither text nor a number.")
    return values


def run_query(graph: nx.DiGraph, cypher: str) -> dict[str, list[Any]]:
    """Run a query on a copy of the graph in which kinds are labels.

    Raises
    ------
    ImportError
        If grand-cypher is not installed.
    TypeError
        If the query is not a string.
    ValueError
        If the query cannot be parsed or executed.
    """
    if not isinstance(cypher, str):
        raise TypeError(f"A query must be a string in openCypher, not {type(cypher).__name__}.")
    try:
        from grandcypher import GrandCypher
        from lark.exceptions import LarkError
    except ImportError as error:
        raise ImportError(
            "Queries in openCypher need grand-cypher: pip install 'hyperspy_motifs[query]'. "
            "find() works without it."
        ) from error
    host: nx.DiGraph = nx.DiGraph()
    for node, attributes in graph.nodes.items():
        host.add_node(node, **attributes, __labels__=_labels(attributes))
    for u, v, attributes in graph.edges(data=True):
        host.add_edge(u, v, **attributes, __labels__=_labels(attributes))
    try:
        found = GrandCypher(host).run(_double_quoted(cypher))
    except LarkError as error:
        raise ValueError(f"The query cannot be parsed: {_first_line(error)}") from error
    except Exception as error:
        # grand-cypher raises various exceptions for unsupported queries: KeyError, NotImplementedError ...
        raise ValueError(
            f"The query failed ({type(error).__name__}: {_first_line(error)}). Try find() instead."
        ) from error
    return {str(name): [_plain(value) for value in values] for name, values in found.items()}


# Strings in double and in single quotes; an escaped quote does not end them.
_TEXTS = re.compile(r""""(?:[^"\\]|\\.)*"|'((?:[^'\\]|\\.)*)'""", re.DOTALL)

# Replacement of quotes inside double quotes; other escaped characters do not change.
_MARKS = re.compile(r'\\.|"', re.DOTALL)
_IN_DOUBLE = {"\\'": "'", '"': '\\"'}


def _double_quoted(cypher: str) -> str:
    """Return the query with its strings in double quotes, which grand-cypher requires; openCypher has both."""

    def quoted(text: re.Match[str]) -> str:
        inner = text.group(1)
        if inner is None:
            return text.group()
        return '"' + _MARKS.sub(lambda mark: _IN_DOUBLE.get(mark.group(), mark.group()), inner) + '"'

    return _TEXTS.sub(quoted, cypher)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "no reason given")


def _labels(attributes: dict[str, Any]) -> set[str]:
    kind = str(attributes.get("kind", ""))
    # openCypher's names have no hyphens.
    return {kind, kind.replace("-", "_")}


def _plain(value: Any) -> Any:
    """Return a found value without the labels that were added for the query."""
    if isinstance(value, dict):
        return {name: entry for name, entry in value.items() if name != "__labels__"}
    return value
