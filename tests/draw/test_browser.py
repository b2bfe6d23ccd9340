"""The explorer in JupyterLab, in a browser: a real click on the canvas lights an atom, a real key makes it a motif."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
SECONDS = 50
# Looked for, not imported: ipympl takes over the figures of the whole process.
MISSING = [
    name
    for name in ("jupyterlab", "ipykernel", "ipympl", "playwright")
    if importlib.util.find_spec(name) is None
]

# Motifs of a file; what the metadata of its image hold after each event is written to another one.
NOTEBOOK = """
%matplotlib widget
import json, os
import hyperspy.api as hs
import numpy as np
from hyperspy_motifs import store

signal = hs.load("found.hspy")
explorer = signal.motifs.explore()
figure = explorer.figure
figure.canvas.header_visible = False


def tell(event):
    ax = explorer.image_panel.ax
    box = figure.bbox
    state = {
        "event": event.name if event else "shown",
        "places": (ax.transData.transform(signal.motifs.positions) / [box.width, box.height]).tolist(),
        "name_box": np.mean(explorer._name_box.ax.get_position().get_points(), axis=0).tolist(),
        "names": signal.motifs.names,
        "selection": explorer.selection.tolist(),
        "labels": store.read(signal).labels.tolist(),
    }
    with open("state.part", "w") as file:
        json.dump(state, file)
    os.replace("state.part", "state.json")


for name in ("button_release_event", "key_press_event"):
    figure.canvas.mpl_connect(name, tell)
tell(None)
"""


def notebook_file(source):
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": kernel},
        "cells": [{**cell, "source": source.strip()}],
    }


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def found_motifs(folder):
    """Motifs of an image in the file that the notebook loads."""
    from hyperspy_motifs import data

    signal, _ = data.monolayer(shape=(120, 150), random_state=3)
    motifs = signal.find_motifs(radius=0.6, show_progressbar=False)
    signal.save(folder / "found.hspy")
    return motifs


@pytest.fixture
def lab(tmp_path):
    """Address of a JupyterLab whose folder holds the notebook, and the motifs that it loads."""
    (tmp_path / "explore.ipynb").write_text(json.dumps(notebook_file(NOTEBOOK)))
    port = free_port()
    # Of this interpreter, and of no settings but its own.
    homes = {
        name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"} | homes
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        f"--port={port}",
        "--ip=127.0.0.1",
        "--allow-root",
    ]
    command += ["--IdentityProvider.token=", "--ServerApp.port_retries=0", "--LabApp.news_url=None"]
    with open(tmp_path / "server.log", "w") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        # While the server starts.
        motifs = found_motifs(tmp_path)
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/api"), "JupyterLab")
        yield f"http://127.0.0.1:{port}/lab/tree/explore.ipynb?reset", motifs
    finally:
        # It ends its kernels before it ends.
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def answers(address):
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def wait_for(condition, what, seconds=SECONDS):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError(f"{what} did not come within {seconds} s")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
@pytest.mark.timeout(180)
def test_a_click_and_a_key_in_the_browser_reach_the_motifs(lab, tmp_path):
    from playwright.sync_api import sync_playwright

    address, found = lab

    def state(event, name=None, value=None):
        """The last message of the notebook, if it belongs to this event (and has this value)."""
        path = tmp_path / "state.json"
        told = json.loads(path.read_text()) if path.exists() else {"event": None}
        return told if told["event"] == event and (name is None or told[name] == value) else None

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": 1500, "height": 1100})
            page.goto(address)
            page.locator(".jp-Cell-inputArea").first.click(timeout=1000 * SECONDS)
            page.get_by_text("Kernel status: Idle").first.wait_for(state="attached", timeout=1000 * SECONDS)
            page.keyboard.press("Shift+Enter")
            canvas = page.locator(".jupyter-matplotlib-canvas-div canvas").last
            canvas.wait_for(timeout=1000 * SECONDS)
            shown = wait_for(lambda: state("shown"), "the figure")
            canvas.scroll_into_view_if_needed()
            time.sleep(1)
            box = canvas.bounding_box()
            middle = found.positions.mean(axis=0)
            atom = int(np.argmin(((found.positions - middle) ** 2).sum(axis=1)))
            u, v = shown["places"][atom]
            page.mouse.move(box["x"] + u * box["width"], box["y"] + (1 - v) * box["height"])
            page.mouse.down()
            page.mouse.up()
            clicked = wait_for(lambda: state("button_release_event"), "the click")
            assert clicked["selection"] == [atom]
            page.keyboard.press("n")
            keyed = wait_for(lambda: state("key_press_event"), "the key")
            page.screenshot(path=tmp_path / "screen.png")
            # The rarest of all: one atom, as the others are as they were.
            alone = np.array(keyed["labels"])
            assert (alone == alone[atom]).sum() == 1
            others = np.delete(np.arange(len(alone)), atom)
            np.testing.assert_array_equal(alone[others], found.labels[others])
            page.keyboard.press("u")
            undone = wait_for(
                lambda: state("key_press_event", "labels", found.labels.tolist()), "the undoing"
            )
            assert undone["labels"] == found.labels.tolist()
            u, v = undone["name_box"]
            page.mouse.click(box["x"] + u * box["width"], box["y"] + (1 - v) * box["height"])
            wait_for(lambda: state("button_release_event"), "the click into the box")
            page.keyboard.type("Mo", delay=100)
            page.keyboard.press("Enter")
            names = [*found.names]
            names[found.labels[atom]] = "Mo"
            named = wait_for(lambda: state("key_press_event", "names", names), "the name")
            assert named["labels"] == found.labels.tolist()
        finally:
            browser.close()
