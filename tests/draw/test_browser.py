"""The explorer in JupyterLab, in a browser: a real click selects an atom, a real key makes it a motif."""

import contextlib
import importlib.util
import json
import os
import re
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
SECONDS = 90
MISSING = [
    name
    for name in ("jupyterlab", "ipykernel", "jupyter_bokeh", "playwright")
    if importlib.util.find_spec(name) is None
]

# Motifs of a file; what the metadata of its image hold after each event is written to another one.
NOTEBOOK = """
import json, os
import hyperspy.api as hs
from hyperspy_motifs import store

signal = hs.load("found.hspy")
explorer = signal.motifs.explore()


def tell(change):
    state = {
        "change": change,
        "size": [explorer.figures["image"].frame_width, explorer.figures["image"].frame_height],
        "names": signal.motifs.names,
        "selection": explorer.state.selection.tolist(),
        "labels": store.read(signal).labels.tolist(),
        "edits": explorer.state.history,
    }
    with open("state.part", "w") as file:
        json.dump(state, file)
    os.replace("state.part", "state.json")


explorer.state.observe(tell)
tell("shown")
explorer
"""

# Numbers of faint and of opaque pixels of the discs of the atoms, in each picture of them.
DRAWN = """() => Bokeh.documents.flatMap((d) => [...d._all_models.values()])
  .filter((m) => m.type === "ColumnDataSource" && m.data.image?.[0].dtype === "uint32")
  .map((m) => [(a) => a > 0 && a < 255, (a) => a === 255].map((f) => m.data.image[0].filter((v) => f(v >>> 24)).length))"""


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
@pytest.mark.timeout(280)
def test_a_click_and_a_key_in_the_browser_reach_the_motifs(lab, tmp_path):
    from playwright.sync_api import TimeoutError as PlaywrightTimeoutError
    from playwright.sync_api import sync_playwright

    address, found = lab

    def state(change, name=None, value=None):
        """The last message of the notebook, if it tells of this change (and has this value)."""
        path = tmp_path / "state.json"
        told = json.loads(path.read_text()) if path.exists() else {"change": None}
        return told if told["change"] == change and (name is None or told[name] == value) else None

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        try:
            page = browser.new_page(viewport={"width": 1500, "height": 1500})
            page.goto(address)
            page.locator(".jp-Cell-inputArea").first.click(timeout=1000 * SECONDS)
            page.get_by_text("Kernel status: Idle").first.wait_for(state="attached", timeout=1000 * SECONDS)
            # On a busy machine the editor may not listen yet when the kernel does.
            started = page.locator(".jp-InputArea-prompt").filter(has_text=re.compile(r"[*\d]")).first
            for _ in range(3):
                page.keyboard.press("Shift+Enter")
                with contextlib.suppress(PlaywrightTimeoutError):
                    started.wait_for(timeout=200 * SECONDS)
                    break
            figure = page.locator(".bk-Figure").first
            figure.wait_for(timeout=1000 * SECONDS)
            shown = wait_for(lambda: state("shown"), "the widget")
            figure.scroll_into_view_if_needed()
            time.sleep(1)
            box = figure.bounding_box()
            rows, columns = found.signal.data.shape
            middle = found.positions.mean(axis=0)
            atom = int(np.argmin(((found.positions - middle) ** 2).sum(axis=1)))
            u, v = (found.pixel_positions[atom] + 0.5) / [columns, rows] * shown["size"]
            # The frame of the figure ends 5 pixels before its border.
            page.mouse.move(box["x"] + 5 + u, box["y"] + box["height"] - 5 - shown["size"][1] + v, steps=3)
            page.mouse.down()
            page.mouse.up()
            wait_for(lambda: state("selection", "selection", [atom]), "the click")
            page.screenshot(path=tmp_path / "screen.png")
            # In the image and in the layout: the selected atom alone is opaque.
            drawn = page.evaluate(DRAWN)
            assert len(drawn) == 2
            assert all(faint > solid > 0 for faint, solid in drawn)
            page.keyboard.press("n")
            keyed = wait_for(lambda: state("labels"), "the key")
            assert keyed["edits"] == ["new motif of 1 atoms"]
            # The rarest of all: one atom, as the others are as they were.
            alone = np.array(keyed["labels"])
            assert (alone == alone[atom]).sum() == 1
            others = np.delete(np.arange(len(alone)), atom)
            np.testing.assert_array_equal(alone[others], found.labels[others])
            page.keyboard.press("u")
            undone = wait_for(lambda: state("labels", "labels", found.labels.tolist()), "the undoing")
            assert undone["names"] == found.names
            assert undone["edits"] == []
            page.keyboard.press("?")
            page.get_by_text("select no atom").wait_for(timeout=1000 * SECONDS)
            page.keyboard.press("?")
            page.get_by_placeholder("name of the motif").fill("Mo")
            page.keyboard.press("Enter")
            names = [*found.names]
            names[found.labels[atom]] = "Mo"
            named = wait_for(lambda: state("labels", "names", names), "the name")
            assert named["labels"] == found.labels.tolist()
        finally:
            browser.close()
