"""From click to light in the explorer, next to redrawing the figure; and 10,000 atoms on an image.

Run with ``python benchmarks/bench_draw.py [number of atoms]``. The peers are what matplotlib and HyperSpy users
do: recolour a scatter plot and draw the figure again; add HyperSpy markers to a plot.
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
from matplotlib.backend_bases import MouseEvent

from hyperspy_motifs.draw import Explorer, ExplorerArrays, motif_colours, motif_markers, plot_motifs

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
    angle = 2 * np.pi * labels / N_MOTIFS
    layout = 20 * np.column_stack([np.cos(angle), np.sin(angle)]) + rng.normal(size=(n, 2))
    image = rng.random((side * 8, side * 8)).astype(np.float32)
    patches = np.broadcast_to(rng.random((31, 31)), (n, 31, 31))

    explorer = Explorer(ExplorerArrays(image, positions, labels, layout, patches=patches))
    canvas = explorer.figure.canvas
    canvas.draw()
    atoms = iter(rng.integers(0, n, 10_000))

    def send(name: str, ax: plt.Axes, place: np.ndarray) -> None:
        x, y = ax.transData.transform(place)
        canvas.callbacks.process(name, MouseEvent(name, canvas, x, y, button=1))

    def click() -> None:
        place = positions[next(atoms)]
        send("button_press_event", explorer.image_panel.ax, place)
        send("button_release_event", explorer.image_panel.ax, place)

    turn = np.linspace(0, 2 * np.pi, 40)
    loop = [20, 0] + 5 * np.column_stack([np.cos(turn), np.sin(turn)])

    def lasso() -> None:
        send("button_press_event", explorer.layout_panel.ax, loop[0])
        for place in loop[1:]:
            explorer._lasso[1].append(tuple(explorer.layout_panel.ax.transData.transform(place)))
        send("button_release_event", explorer.layout_panel.ax, loop[0])

    figure, axes = plt.subplots(1, 2, figsize=(12.5, 7.2))
    axes[0].imshow(image, cmap="gray")
    scatters = [
        ax.scatter(*points.T, s=9, c=motif_colours(labels))
        for ax, points in zip(axes, (positions, layout), strict=True)
    ]

    def recolour() -> None:
        colours = motif_colours(labels)
        colours[next(atoms)] = (1, 0, 0, 1)
        for scatter in scatters:
            scatter.set_facecolors(colours)
        figure.canvas.draw()

    peer = milliseconds(recolour, 5)
    print(f"{n} atoms, {N_MOTIFS} motifs; median of repeats")
    print(f"{'scatter recoloured, figure redrawn':45s} {peer:8.1f} ms   1")
    for text, action in (("explorer, click to highlight", click), ("explorer, lasso to highlight", lasso)):
        mine = milliseconds(action)
        print(f"{text:45s} {mine:8.1f} ms   {mine / peer:.3f}")
    print(f"{'atoms selected by the lasso':45s} {len(explorer.selection):8d}")

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
