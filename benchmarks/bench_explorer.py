"""From an event to the changed view in both explorers, next to redrawing a figure of matplotlib.

Run with ``python benchmarks/bench_explorer.py [number of atoms]``. The time of the notebook is that of the kernel: the browser
draws a selection and the text under the pointer without it. Where Chromium and playwright are installed, the same explorer is
measured in it, headless and without a graphics card, from the event to the second frame after the change. The window is one of
Qt, where there is a screen (or Xvfb) and PyQt6 or PySide6, and is drawn in memory elsewhere; the stack has two such frames.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
from bench_draw import milliseconds
from matplotlib.backend_bases import MouseEvent

from hyperspy_motifs import store
from hyperspy_motifs.draw import motif_colours
from hyperspy_motifs.motifs import Motifs
from hyperspy_motifs.pipeline import find_cells

N_MOTIFS, SPACING = 12, 8.0
HAS_QT = "DISPLAY" in os.environ and any(importlib.util.find_spec(name) for name in ("PyQt6", "PySide6"))


def square_lattice(n: int, n_frames: int = 1) -> Motifs:
    """Motifs of `n` atoms on a square lattice in each frame, a tenth of them uncertain."""
    rng = np.random.default_rng(0)
    side = int(np.ceil(np.sqrt(n)))
    positions = (np.indices((side, side)).reshape(2, -1).T[:n] + 0.5) * SPACING
    # Two species in turn, and 3 % of rare kinds in their places.
    rare = rng.random(n) < 0.03
    labels = np.where(rare, rng.integers(2, N_MOTIFS, n), (positions // SPACING).sum(axis=1).astype(int) % 2)
    angle = 2 * np.pi * labels / N_MOTIFS
    layout = 20 * np.column_stack([np.cos(angle), np.sin(angle)]) + rng.normal(size=(n, 2))
    shape = (n_frames,) * (n_frames > 1) + (side * int(SPACING),) * 2
    signal = hs.signals.Signal2D(rng.random(shape).astype(np.float32))
    signal.set_signal_type("atomic_image")
    probabilities = rng.random(n) ** 0.05
    frames = np.repeat(np.arange(n_frames), n)
    labels, probabilities = np.tile(labels, n_frames), np.tile(probabilities, n_frames)
    positions, layout = np.tile(positions, (n_frames, 1)), np.tile(layout, (n_frames, 1))
    record = store.Record(
        positions=positions, frames=frames, labels=labels, probabilities=probabilities,
        radii=np.array([0.6, 1.2]), radius_labels=np.stack([labels, labels // 2]),
        radius_probabilities=np.stack([probabilities, probabilities]), layouts=np.stack([layout, layout]), chosen=0,
        stamp=store.Stamp.of(signal), atoms={"amplitude": rng.random(n * n_frames)},
        parameters={"spacing": SPACING, "n_max": 8, "options": {}},
    )  # fmt: skip
    if n_frames > 1:
        store.write(signal, record)
        return signal.motifs
    bonds = np.argwhere(np.abs(np.diff(positions, axis=0)).sum(axis=1) == SPACING).ravel()
    across = np.arange(n - side)
    pairs = np.concatenate([np.column_stack([bonds, bonds + 1]), np.column_stack([across, across + side])])
    store.write(signal, record)
    store.write(signal, store.Record(**{**vars(record), "cells": find_cells(record, pairs, None)}))
    return signal.motifs


# Sets a property of a model of the page, as a user does, and waits for new data of the kernel (`answered`), for the pictures of
# the atoms that are drawn after it, and for two frames.
IN_BROWSER = """async ([source, model, property, values, answered]) => {
  const [atoms, target] = [source, model].map((id) => Bokeh.documents[0].get_model_by_id(id));
  const drawn = () => new Promise((end) => requestAnimationFrame(() => requestAnimationFrame(end)));
  const pictures = [...Bokeh.documents[0]._all_models.values()].filter((m) => m.data?.image?.[0].dtype === "uint32");
  const once = (signal) => new Promise((end) => {
    const heard = () => { signal.disconnect(heard); end(); };
    signal.connect(heard);
  });
  const times = [];
  for (const value of values) {
    await drawn();
    const start = performance.now();
    const painted = () => Promise.all(pictures.map((m) => once(m.change)));
    const answer = answered ? once(atoms.properties.data.change).then(painted) : painted();
    target[property] = value;
    await answer;
    await drawn();
    times.push(performance.now() - start);
    await new Promise((end) => setTimeout(end, 1000));
  }
  return times;
}"""


def measure_in_browser(motifs: Motifs, selections: list[list[int]]) -> None:
    """Print the times of a page that a server of Bokeh shows in a headless Chromium."""
    from bokeh.server.server import Server
    from playwright.sync_api import sync_playwright

    made: dict[str, Any] = {}
    ready = threading.Event()

    def application(document: Any) -> None:
        made["explorer"] = motifs.explore(view="notebook")
        document.add_root(made["explorer"].layout)

    def serve() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        made["server"] = server = Server({"/": application}, port=0, websocket_max_message_size=2**30)
        server.start()
        ready.set()
        server.io_loop.start()

    threading.Thread(target=serve, daemon=True).start()
    ready.wait()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 1300})
        page.goto(f"http://localhost:{made['server'].port}/")
        picture = page.locator(".bk-Figure").first
        picture.wait_for(timeout=120_000)
        page.wait_for_timeout(3000)
        explorer = made["explorer"]
        source, controls = explorer.sources["atoms"], explorer.controls

        def report(text: str, model: Any, name: str, values: list[Any], answered: bool = True) -> None:
            times = page.evaluate(IN_BROWSER, [source.id, model.id, name, values, answered])
            print(f"{'Chromium: ' + text:55s} {np.median(times):8.1f}")

        report("lasso of 5,000", source.selected, "indices", selections * 3, answered=False)
        radii = controls["radius"].categories
        report("radius", controls["radius"], "value", [*radii[::-1], *radii[::-1], *radii[::-1]])
        source.document.add_next_tick_callback(explorer.state.new_motif)
        page.wait_for_timeout(3000)
        report("undo or redo", controls["key"], "value", [f"{key} {i}" for i in range(3) for key in "ur"])
        box, times = picture.bounding_box(), []
        for step in range(7):
            page.mouse.move(box["x"] - 5, box["y"] - 5)
            page.wait_for_timeout(300)
            start = time.perf_counter()
            page.mouse.move(box["x"] + box["width"] / 2 + 7 * step, box["y"] + box["height"] / 2)
            page.locator(".bk-Tooltip").first.wait_for(state="visible", timeout=5000)
            times.append(1e3 * (time.perf_counter() - start))
        print(f"{'Chromium: text under the pointer':55s} {np.median(times):8.1f}")
        browser.close()


def main(n: int) -> None:
    """Print the table."""
    motifs = square_lattice(n)
    rng = np.random.default_rng(1)
    atoms = iter(rng.integers(0, n, 10_000))
    print(f"{n} atoms, {len(motifs.cells)} cells, {motifs.n_motifs} motifs; median of repeats, ms")
    start = time.perf_counter()
    notebook = motifs.explore(view="notebook")
    print(f"{'notebook: opened, in the kernel':55s} {1e3 * (time.perf_counter() - start):8.1f}")
    selected = notebook.sources["atoms"].selected
    state = notebook.state
    some = [rng.choice(n, min(n, 5000), replace=False).tolist() for _ in range(2)]
    turn = iter(range(10_000))

    def lasso() -> None:
        selected.indices = some[next(turn) % 2]

    def merged() -> None:
        state.select_motifs([0, 1])
        state.merge()

    def measure(view: str, actions: dict[str, Callable[[], Any]]) -> None:
        for text, action in actions.items():
            print(f"{view + ': ' + text:55s} {milliseconds(action, 7):8.1f}")

    def undone() -> None:
        state.undo()
        state.redo()

    def other_radius() -> None:
        state.radius = motifs.radii[1] if state.radius == motifs.radii[0] else motifs.radii[0]

    def condition() -> None:
        state.condition = "" if state.condition else "probability < 0.9 and motif == 2"

    measure("notebook", {"lasso of 5,000": lasso, "radius": other_radius, "condition": condition})
    state.radius, state.condition = motifs.radii[0], ""
    merged()
    measure("notebook", {"undo and redo, the two": undone})
    state.undo()
    state.close()
    if shutil.which("chromium") and importlib.util.find_spec("playwright"):
        measure_in_browser(motifs, some)

    plt.switch_backend("qtagg" if HAS_QT else "Agg")
    start = time.perf_counter()
    window = motifs.explore(view="window")
    canvas = window.figure.canvas
    # A window draws when it is idle.
    draw = canvas.flush_events if HAS_QT else canvas.draw
    draw()
    state = window.state
    print(f"{'window: opened and drawn':55s} {1e3 * (time.perf_counter() - start):8.1f}")

    def send(name: str, ax: plt.Axes, place: np.ndarray) -> None:
        x, y = ax.transData.transform(place)
        canvas.callbacks.process(name, MouseEvent(name, canvas, x, y, button=1))

    def click() -> None:
        place = motifs.positions[next(atoms)]
        send("button_press_event", window.image_panel.ax, place)
        send("button_release_event", window.image_panel.ax, place)

    def drawn(action: Callable[[], None]) -> Callable[[], None]:
        def call() -> None:
            action()
            draw()

        return call

    def point() -> None:
        send("motion_notify_event", window.image_panel.ax, motifs.positions[next(atoms)])

    point()
    measure("window", {"atom under the pointer": drawn(point), "click": drawn(click)})
    measure("window", {"lasso of 5,000": drawn(lambda: state.select(some[next(turn) % 2]))})
    measure("window", {"radius": drawn(other_radius), "condition": drawn(condition)})
    state.radius, state.condition = motifs.radii[0], ""
    merged()
    draw()
    measure("window", {"undo and redo, the two": lambda: [drawn(act)() for act in (state.undo, state.redo)]})
    plt.close("all")
    figure, axes = plt.subplots(1, 2, figsize=(12.5, 7.2))
    axes[0].imshow(motifs.signal.data, cmap="gray")
    scatters = [
        ax.scatter(*points.T, s=9, c=motif_colours(motifs.labels))
        for ax, points in zip(axes, (motifs.positions, motifs.layout), strict=True)
    ]

    def recolour() -> None:
        colours = motif_colours(motifs.labels)
        colours[next(atoms)] = (1, 0, 0, 1)
        for scatter in scatters:
            scatter.set_facecolors(colours)
        figure.canvas.draw()

    measure("matplotlib", {"two scatter plots recoloured and redrawn": recolour})
    plt.close("all")
    motifs = square_lattice(n, 2)
    motifs.signal.plot()
    canvas = motifs.explore(view="window").figure.canvas
    draw = canvas.flush_events if HAS_QT else canvas.draw
    draw()
    axes = motifs.signal.axes_manager

    def next_frame() -> None:
        axes.indices = (1 - axes.indices[0],)
        draw()

    measure("window", {"next frame of a stack, from HyperSpy's navigator": next_frame})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
