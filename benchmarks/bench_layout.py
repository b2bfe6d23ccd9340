"""Time the force-relaxed layout against motif-learn and umap-learn in one run, and how it grows; time all radii together.

python benchmarks/bench_layout.py            # 10,000 points of 66 features
python benchmarks/bench_layout.py --growth   # 5,000 to 200,000 points
python benchmarks/bench_layout.py --radii   # all radii of a monolayer of 8,000 atoms, moments known
python benchmarks/bench_layout.py --no-peers
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs.relaxation import ForceRelaxedLayout


def features(n, d=66, seed=0):
    """Motifs of two frequent sites, eight surroundings of defects each and rare species; unit noise."""
    rng = np.random.default_rng(seed)
    share = np.array([0.4, 0.35] + [0.015] * 16 + [0.005, 0.005])
    centres = np.concatenate(
        [rng.normal(0, 6, (2, d)), rng.normal(0, 1.2, (16, d)), rng.normal(0, 6, (2, d))]
    )
    centres[2:18] += centres[np.arange(16) % 2]
    labels = rng.choice(len(share), n, p=share / share.sum())
    return (centres[labels] + rng.normal(0, 1, (n, d))).astype(np.float32)


def seconds(function, repeats=1):
    """Best wall time and best processor time (of all threads: it does not depend on other load)."""
    best, busy = np.inf, np.inf
    for _ in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            function()
        best, busy = min(best, time.perf_counter() - start), min(busy, time.process_time() - cpu)
    return best, busy


def compare(peers):
    X = features(10_000)
    ForceRelaxedLayout().fit(X[:500])
    ours = seconds(lambda: ForceRelaxedLayout().fit(X), 3)
    report("hyperspy_motifs", ours, ours)
    if not peers:
        return
    try:
        from mtflearn.manifold import ForceGraph8
    except ImportError:
        print("motif-learn is not installed")
    else:
        seconds(lambda: relax_peer(ForceGraph8, X[:500]))
        other = seconds(lambda: relax_peer(ForceGraph8, X))
        report("motif-learn", other, ours)
    try:
        from umap import UMAP
    except ImportError:
        print("umap-learn is not installed")
    else:
        UMAP(n_neighbors=12, random_state=0).fit(X[:500])
        other = seconds(lambda: UMAP(n_neighbors=12).fit(X))
        report("umap-learn", other, ours)


def report(name, times, ours):
    wall, cpu = times
    print(
        f"{name:16s} {wall:7.2f} s ({wall / ours[0]:5.1f} x)   processor {cpu:7.2f} s ({cpu / ours[1]:5.1f} x)",
        flush=True,
    )


def relax_peer(graph, X):
    """Both stages of motif-learn with its own defaults and the Euclidean metric."""
    return graph(metric="euclidean").fit_transform(X)


def growth():
    sizes = np.array([5_000, 10_000, 20_000, 50_000, 100_000, 200_000])
    ForceRelaxedLayout().fit(features(32_000, 20))
    times = []
    for n in sizes:
        X = features(n, 20)
        times.append(seconds(lambda X=X: ForceRelaxedLayout().fit(X))[0])
        print(f"{n:8d} points of 20 features  {times[-1]:7.2f} s", flush=True)
    exponent = np.log(times[-1] / times[0]) / np.log(sizes[-1] / sizes[0])
    print(f"growth exponent from {sizes[0]} to {sizes[-1]}: {exponent:.2f}")


def radii():
    """Layouts, groups, merges and sites at the four radii, as in find_motifs."""
    from hyperspy_motifs import data
    from hyperspy_motifs.clustering import RADII, NestedRadii
    from hyperspy_motifs.models import DiscSource

    for side in (300, 1550):
        signal, truth = data.monolayer(shape=(side, side), random_state=0)
        inside = np.all((truth.positions >= 0) & (truth.positions <= side - 1), axis=1)
        xy = truth.positions[inside]
        spacing = float(np.median(cKDTree(xy).query(xy, k=2)[0][:, 1]))
        source = DiscSource([np.asarray(signal.data, float)], xy, spacing, dict.fromkeys(RADII, 8))
        for radius in RADII:
            source(radius)
        neighbours = source.neighbours()
        # The small one is for compilation.
        wall, cpu = seconds(lambda s=source, n=neighbours: NestedRadii().fit(s, n), 1 if side < 1000 else 5)
    print(f"four radii, {len(xy)} atoms  {wall:7.2f} s   processor {cpu:7.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--radii", action="store_true")
    parser.add_argument("--no-peers", action="store_true")
    arguments = parser.parse_args()
    if arguments.growth:
        growth()
    elif arguments.radii:
        radii()
    else:
        compare(not arguments.no_peers)


if __name__ == "__main__":
    main()
