"""Atoms drawn on an image, next to HyperSpy's markers.

Run with ``python benchmarks/bench_draw.py [number of atoms]``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import matplotlib as mpl

mpl.use("Agg")

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np

from hyperspy_motifs.draw import motif_markers, plot_motifs

N_MOTIFS = 12


def milliseconds(action: Callable[[], object], repeats: int = 15) -> float:
    """Median time of `action`, after one run to warm up."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def main(n: int) -> None:
    """Print the table."""
    rng = np.random.default_rng(0)
    side = int(np.ceil(np.sqrt(n)))
    positions = (np.indices((side, side)).reshape(2, -1).T[:n] + 0.5) * 8.0
    labels = np.minimum(rng.geometric(0.4, n) - 1, N_MOTIFS - 1)
    image = rng.random((side * 8, side * 8)).astype(np.float32)
    print(f"{n} atoms, {N_MOTIFS} motifs; median of repeats")

    def hyperspy_markers() -> None:
        signal = hs.signals.Signal2D(image)
        signal.plot(colorbar=False)
        signal.add_marker(motif_markers(positions, labels), render_figure=False)
        signal._plot.signal_plot.figure.canvas.draw()
        plt.close("all")

    def own_figure() -> None:
        plot_motifs(positions, labels, image).figure.canvas.draw()
        plt.close("all")

    peer = milliseconds(hyperspy_markers, 3)
    mine = milliseconds(own_figure, 3)
    print(f"{'HyperSpy plot with markers, drawn':45s} {peer:8.1f} ms   1")
    print(f"{'plot_motifs, drawn':45s} {mine:8.1f} ms   {mine / peer:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
