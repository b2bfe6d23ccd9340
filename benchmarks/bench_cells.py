"""Bonds, faces and classes of a disordered honeycomb: time, growth, and the ratio to motif-learn in the same run.

python benchmarks/bench_cells.py [--peer-atoms 40000] [--largest 100000]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from hyperspy_motifs.cells import find_cells


def honeycomb(n_atoms: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Honeycomb of about `n_atoms` points of bond length 1, jittered by 3 %, with 3 % of wrong labels."""
    rng = np.random.default_rng(seed)
    side = int(np.sqrt(n_atoms / 2))
    i, j = np.meshgrid(np.arange(side), np.arange(side))
    root = np.sqrt(3)
    origin = np.column_stack([(i.ravel() + 0.5 * j.ravel()) * root, 1.5 * j.ravel()])
    points = (origin[:, None] + np.array([[0, 0], [root / 2, 0.5]])).reshape(-1, 2)
    labels = np.tile([0, 1], len(origin))
    odd = rng.random(len(labels)) < 0.03
    labels[odd] = rng.integers(2, 5, odd.sum())
    return points + rng.normal(0, 0.03, points.shape), labels


def best_of(repeats: int, function, *args) -> float:
    """Least time of several calls, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(*args)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-atoms", type=int, default=40000)
    parser.add_argument("--largest", type=int, default=100000)
    args = parser.parse_args()
    find_cells(*honeycomb(1000))  # compiles
    times = []
    for n in (args.largest // 10, args.largest // 3, args.largest):
        points, labels = honeycomb(n)
        seconds = best_of(3, find_cells, points, labels)
        times.append((len(points), seconds))
        print(f"find_cells {len(points):7d} atoms: {seconds:7.3f} s")
    growth = np.log(times[-1][1] / times[0][1]) / np.log(times[-1][0] / times[0][0])
    print(f"growth exponent {growth:.2f}")
    try:
        from mtflearn.graph.find_regions import find_regions
        from mtflearn.graph.vnn import vnn_graph
    except ImportError:
        print("motif-learn is not installed: no comparison")
        return
    points, labels = honeycomb(args.peer_atoms)
    ours = best_of(3, find_cells, points, labels)
    start = time.perf_counter()
    regions = find_regions(points, vnn_graph(points))
    theirs = time.perf_counter() - start
    print(
        f"{len(points)} atoms: motif-learn {theirs:.2f} s ({len(regions)} regions, no classes), "
        f"here {ours:.3f} s ({len(find_cells(points, labels))} cells with classes), ratio {theirs / ours:.0f}"
    )


if __name__ == "__main__":
    main()
