"""Tables of a graph, and queries in Cypher."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable
from os import PathLike
from typing import Any

import networkx as nx

from ._graphml import written_whole


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
