"""Rings found in positions that scatter: share of right rings by size, and the constant of the bond model.

python benchmarks/bench_bonds.py [--truth FILE.truth.npz] [--scatter 0.1 0.15] [--seeds 0 1 2 3 4] [--added 0.4 0.6 0.8]

Without a file, tilings of unit edge are used. A file has positions ``xy``, and rings as ``cell_vertices`` and
``cell_offsets``. The constant ``added_scatter`` was set on seeds 0 to 4 of amorphous carbon; seeds 5 to 9 were
looked at once afterwards.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from hyperspy_motifs.cells import _bond_model, find_cells

ROOT = np.sqrt(3)
#: Translations and sites of tilings of unit edge.
TILINGS = {
    "4^4": ((1, 0), (0, 1), [(0, 0)]),
    "3^6": ((1, 0), (0.5, ROOT / 2), [(0, 0)]),
    "6^3": ((ROOT, 0), (ROOT / 2, 1.5), [(0, 0), (ROOT / 2, 0.5)]),
    "3.6.3.6": ((2, 0), (1, ROOT), [(0, 0), (1, 0), (0.5, ROOT / 2)]),
}


def tiling(name: str, side: float = 34.0) -> np.ndarray:
    """Points (n, 2) of a tiling in a square field."""
    a, b, sites = TILINGS[name]
    k = np.arange(-60, 61)
    i, j = (v.ravel()[:, None] for v in np.meshgrid(k, k))
    points = ((i * np.array(a, float) + j * np.array(b, float))[:, None] + np.array(sites, float)).reshape(
        -1, 2
    )
    return points[(np.abs(points - 0.05) < side / 2).all(axis=1)]


def rings_by_size(rings: list[np.ndarray]) -> dict[int, set[frozenset[int]]]:
    out: dict[int, set[frozenset[int]]] = {}
    for ring in rings:
        out.setdefault(len(ring), set()).add(frozenset(ring.tolist()))
    return out


def scores(points: np.ndarray, true: dict[int, set[frozenset[int]]]) -> tuple[dict[int, float], float, float]:
    """F1 of each size of rings, clarity, and seconds."""
    start = time.perf_counter()
    cells = find_cells(points, merge_centred_rings=False)
    seconds = time.perf_counter() - start
    found = rings_by_size(cells.polygons)
    f1 = {n: 2 * len(t & found.get(n, set())) / (len(t) + len(found.get(n, set()))) for n, t in true.items()}
    return f1, cells.clarity, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--scatter", type=float, nargs="+", default=[0.0, 0.05, 0.1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--added", type=float, nargs="+", default=[_bond_model.CONSTANTS.added_scatter])
    args = parser.parse_args()
    fields = {}
    if args.truth is not None:
        with np.load(args.truth) as truth:
            rings = np.split(truth["cell_vertices"], truth["cell_offsets"][1:-1])
            fields[args.truth.name] = truth["xy"], rings_by_size(rings)
    else:
        for name in TILINGS:
            points = tiling(name)
            fields[name] = points, rings_by_size(find_cells(points).polygons)
    for name, (points, true) in fields.items():
        print(name, {n: len(rings) for n, rings in sorted(true.items())})
        for added in args.added:
            _bond_model.CONSTANTS = replace(_bond_model.CONSTANTS, added_scatter=added)
            for scatter in args.scatter:
                rows = []
                for seed in args.seeds:
                    moved = points + np.random.default_rng(seed).normal(0, scatter, points.shape)
                    rows.append(scores(moved, true))
                sizes = " ".join(
                    f"{n}: {np.mean([f1[n] for f1, _, _ in rows]):.3f} ({min(f1[n] for f1, _, _ in rows):.3f})"
                    for n in sorted(true)
                )
                clarity = np.mean([clarity for _, clarity, _ in rows])
                seconds = np.mean([seconds for _, _, seconds in rows])
                print(
                    f"  added {added:g}, scatter {scatter:g}: F1 mean (least) {sizes}; clarity {clarity:.2f}; {seconds:.2f} s"
                )


if __name__ == "__main__":
    main()
