"""Motif graphs as JSON."""

from __future__ import annotations

import json
import math
import os
from os import PathLike
from typing import Any

import networkx as nx

from . import _schema as schema
from ._graphml_writer import plain
from ._text_files import written_whole


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
