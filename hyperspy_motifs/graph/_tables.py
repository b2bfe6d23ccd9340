"""Motif graphs as tables."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from os import PathLike
from typing import Any

import networkx as nx

from ._text_files import written_whole


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
