"""Time and memory of the motif graph, next to networkx' and igraph's own GraphML.

Run as ``python benchmarks/bench_graph.py [number of unit cells along a side]``; the default makes 50,000 atoms.
Times are wall clock, in brackets processor time: on a busy machine only the latter is meaningful.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from hyperspy_motifs.cells import find_cells
from hyperspy_motifs.graph import MotifGraph
from hyperspy_motifs.hierarchy import build_hierarchy, neighbour_statistics


def honeycomb(n: int, a: float = 20.0) -> tuple[np.ndarray, np.ndarray]:
    """Two atoms in each of n x n cells, 5 % of them of four rare motifs, jittered by 1 % of a bond."""
    rng = np.random.default_rng(0)
    i, j = (v.ravel() for v in np.meshgrid(np.arange(n), np.arange(n)))
    first = np.column_stack([a * (i + 0.5 * (j % 2)), a * np.sqrt(3) / 2 * j])
    points = np.vstack([first, first + np.array([a / 2, a / np.sqrt(12)])])
    labels = np.repeat([0, 1], len(first))
    rare = rng.random(len(labels)) < 0.05
    labels[rare] = rng.integers(2, 6, rare.sum())
    return points + rng.normal(0, 0.01 * a / np.sqrt(3), points.shape), labels


def timed(name: str, call: Callable[[], Any], target: float | None = None) -> Any:
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    aim = "" if target is None else f"   target {target:g} s"
    print(f"{name:44s} {wall:8.3f} s ({cpu:7.3f} s){aim}", flush=True)
    return result


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 158
    points, labels = honeycomb(n)
    small, few = honeycomb(6)
    build_hierarchy(small, few, find_cells(small, few))
    MotifGraph.from_arrays(small, few, cells=find_cells(small, few))
    cells = timed("cells", lambda: find_cells(points, labels))
    print(f"{len(points)} atoms, {len(cells)} cells, {len(cells.classes)} classes of cells")
    timed(
        "1,000 permutations of the labels",
        lambda: neighbour_statistics(labels, cells.bonds, n_permutations=1000),
    )
    graph = timed(
        "graph: atoms, cells, types", lambda: MotifGraph.from_arrays(points, labels, cells=cells), 4
    )
    print(f"{graph.number_of_nodes()} nodes, {graph.number_of_edges()} edges")
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours.graphml", Path(folder) / "theirs.graphml"
        timed("GraphML out", lambda: graph.to_graphml(ours), 8)
        back = timed("GraphML in", lambda: MotifGraph.from_graphml(ours), 12)
        print(
            f"equal after reading: {nx.utils.graphs_equal(back, graph)}; {ours.stat().st_size / 1e6:.0f} MB"
        )
        del back
        timed("find(level='cell', n_corners=6)", lambda: graph.find(level="cell", n_corners=6), 0.05)
        timed("find(level='atom', type=0)", lambda: graph.find(level="atom", type=0), 0.05)
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB, target 2 GB")
        timed("networkx.write_graphml", lambda: nx.write_graphml(graph, theirs))
        timed("networkx.read_graphml", lambda: nx.read_graphml(ours))
        try:
            import igraph
        except ImportError:
            print("igraph is not installed")
        else:
            timed("igraph.Graph.Read_GraphML", lambda: igraph.Graph.Read_GraphML(str(ours)))
    hierarchy = timed("hierarchy", lambda: build_hierarchy(points, labels, cells))
    print(f"levels: {', '.join(hierarchy.kinds)}; {hierarchy.reason}")
    whole = timed(
        "graph with all levels",
        lambda: MotifGraph.from_arrays(points, labels, cells=cells, hierarchy=hierarchy),
    )
    print(f"{whole.number_of_nodes()} nodes, {whole.number_of_edges()} edges")


if __name__ == "__main__":
    main()
