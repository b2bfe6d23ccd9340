"""The explorer in JupyterLab and the report, in a browser: real clicks and keys, dark and light."""

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
        "colour_by": explorer.state.colour_by,
        "shown": int(explorer.state.shown.sum()),
        "opacity": explorer.controls["opacity"].value,
        "radius": explorer.state.radius,
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


# What has the focus, as the text or the class of the element, and whether a frame shows it.
FOCUS = """() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  if (!(element?.getRootNode() instanceof ShadowRoot)) return null;
  const rows = element.matches(".grid-canvas"), shown = element.closest(".slick-viewport") ?? element;
  const text = element.placeholder || (/BUTTON/.test(element.tagName) || element.matches(".bk-tab, .slick-header-column")
    ? element.innerText.trim() : rows ? "rows" : element.type ?? element.classList[0]);
  return [text, getComputedStyle(shown).outlineStyle === "solid"];
}"""

# Least contrast of a text to what it is written on (WCAG 2.2), of all visible texts of the explorer or page, and this text.
CONTRAST = """() => {
  const parse = (text) => {
    const numbers = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith("color(") ? numbers.map((n, k) => k < 3 ? 255 * n : n) : numbers;
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((n) => n / 255).map((n) => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const visit = (node, below) => {
    for (const element of node.children) {
      if (!element.checkVisibility() || /STYLE|SCRIPT|CANVAS/.test(element.tagName)) continue;
      const style = getComputedStyle(element), back = parse(style.backgroundColor);
      const paper = back.length === 4 && back[3] < 0.5 ? below : back;
      const text = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("");
      // An icon needs less.
      if (/\\w/.test(text) || element.matches("input[type=text], select")) {
        const [a, b] = [light(parse(style.color)), light(paper)];
        found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), text || element.tagName]);
      }
      visit(element, paper);
      if (element.shadowRoot) visit(element.shadowRoot, paper);
    }
  };
  const root = document.querySelector(".motif-explorer") ?? document.body;
  const paper = getComputedStyle(root).backgroundColor;
  visit(root.shadowRoot ?? root, parse(paper));
  return [light(parse(paper)), ...found.sort((a, b) => a[0] - b[0])[0], found.length];
}"""


def tab_to(page, wanted, most=40):
    """Press Tab until something has the focus; the texts of what had it on the way, each framed."""
    stops = []
    while len(stops) < most:
        page.keyboard.press("Tab")
        text, framed = page.evaluate(FOCUS) or (None, True)
        assert framed, f"nothing shows that {text} has the focus"
        stops.append(text)
        if text == wanted:
            return stops
    raise AssertionError(f"Tab does not reach {wanted}, but {stops}")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        yield started
        started.close()


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
    motifs = signal.find_motifs(show_progressbar=False)
    signal.save(folder / "found.hspy")
    return motifs


@pytest.fixture
def lab(tmp_path):
    """Address of a JupyterLab whose folder holds the notebook, and the motifs that it loads."""
    (tmp_path / "explore.ipynb").write_text(json.dumps(notebook_file(NOTEBOOK)))
    port = free_port()
    # Of this interpreter, and of no settings but its own.
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTERLAB_SETTINGS_DIR")
    homes = {name: str(tmp_path / name) for name in names}
    themes = tmp_path / "JUPYTERLAB_SETTINGS_DIR/@jupyterlab/apputils-extension/themes.jupyterlab-settings"
    themes.parent.mkdir(parents=True)
    themes.write_text('{"theme": "JupyterLab Dark"}')
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


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
needs_packages = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


@needs_chromium
@needs_packages
@pytest.mark.timeout(280)
def test_clicks_and_keys_in_jupyterlab_reach_the_motifs(browser, lab, tmp_path):
    from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

    address, found = lab

    def state(change, name=None, value=None):
        """The last message of the notebook, if it tells of this change (and has this value)."""
        path = tmp_path / "state.json"
        told = json.loads(path.read_text()) if path.exists() else {"change": None}
        return told if told["change"] == change and (name is None or told[name] == value) else None

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
    rows, columns = found.signal.data.shape
    middle = found.positions.mean(axis=0)
    atom = int(np.argmin(((found.positions - middle) ** 2).sum(axis=1)))
    u, v = (found.pixel_positions[atom] + 0.5) / [columns, rows] * shown["size"]
    # On a busy machine the page may still move.
    for _ in range(5):
        box = figure.bounding_box()
        # The frame of the figure ends 5 pixels before its border.
        page.mouse.move(box["x"] + 5 + u, box["y"] + box["height"] - 5 - shown["size"][1] + v, steps=3)
        page.mouse.down()
        page.mouse.up()
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: state("selection", "selection", [atom]), "the click", SECONDS / 5)
            break
    assert state("selection", "selection", [atom])
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
    page.get_by_placeholder("name of the motif").click()
    page.keyboard.type("Mo")
    page.keyboard.press("Enter")
    names = [*found.names]
    names[found.labels[atom]] = "Mo"
    named = wait_for(lambda: state("labels", "names", names), "the name")
    assert named["labels"] == found.labels.tolist()

    # The theme of JupyterLab is the dark one.
    paper, contrast, text, _ = page.evaluate(CONTRAST)
    assert paper < 0.1
    assert contrast > 4.5, text

    # All without the mouse, which is elsewhere.
    page.mouse.move(5, 5)
    page.locator(".bk-CategoricalSlider .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    wait_for(lambda: state("labels", "radius", found.radii[1]), "the other radius")
    page.keyboard.press("ArrowLeft")
    wait_for(lambda: state("labels", "radius", found.radius), "the radius")
    tab_to(page, "select-one")
    page.keyboard.press("p")
    wait_for(lambda: state("values", "colour_by", "probability"), "other colours")
    tab_to(page, "probability < 0.9")
    page.keyboard.type("motif == 0")
    page.keyboard.press("Enter")
    wait_for(lambda: state("shown", "shown", int((found.labels == 0).sum())), "the condition")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.press("Enter")
    wait_for(lambda: state("shown", "shown", len(found.labels)), "all atoms")
    tab_to(page, "number")
    page.keyboard.type(str(atom))
    page.keyboard.press("Enter")
    tab_to(page, "noUi-handle")
    page.keyboard.press("ArrowLeft")
    tab_to(page, "bk-layer")
    page.keyboard.press("ArrowRight")
    stepped = wait_for(
        lambda: (told := state("selection")) and told["selection"] != [atom] and told, "a step"
    )
    assert stepped["opacity"] == pytest.approx(shown["opacity"] - 0.05)
    (neighbour,) = stepped["selection"]
    right, down = found.positions[neighbour] - found.positions[atom]
    assert right >= abs(down)
    page.keyboard.press("ArrowLeft")
    wait_for(lambda: state("selection", "selection", [atom]), "a step back")
    stops = tab_to(page, "new motif (n)")
    # The tools of two figures, and both boxes of what is shown.
    assert stops.count("bk-OnOffButton") >= 8
    assert stops.count("checkbox") == 2
    page.keyboard.press("Enter")
    edits = [f"name {found.names[found.labels[atom]]} Mo", "new motif of 1 atoms"]
    wait_for(lambda: state("labels", "edits", edits), "a button")
    assert tab_to(page, "undo (u)") == ["merge (m)", "split (x)", "undo (u)"]
    page.keyboard.press("Enter")
    wait_for(lambda: state("labels", "labels", found.labels.tolist()), "the undoing by a button")
    page.keyboard.press("Escape")
    wait_for(lambda: state("selection", "selection", []), "no selection")
    # The table is one stop behind its heads, and its rows are chosen by arrows.
    stops = tab_to(page, "rows")
    assert stops[-7:] == ["mean", "motif", "name", "atoms", "share", "probability", "rows"]
    page.keyboard.press("ArrowDown")
    first = np.flatnonzero(found.labels == 0).tolist()
    wait_for(lambda: state("selection", "selection", first), "the first row")
    page.keyboard.press("ArrowDown")
    second = np.flatnonzero(found.labels == 1).tolist()
    wait_for(lambda: state("selection", "selection", second), "the second row")
    stops = tab_to(page, "?")
    assert stops.count("checkbox") == found.n_motifs
    assert stops[-8:] == ["name of the motif", "color", "motifs", "about", "defects", "edits", "save", "?"]
    page.keyboard.press("Enter")
    page.get_by_text("select no atom").wait_for(timeout=1000 * SECONDS)
    page.close()


@needs_chromium
@pytest.mark.skipif("playwright" in MISSING, reason="not installed: playwright")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_is_used_by_keyboard_and_legible_dark_and_light(browser, motifs_of_report, scheme):
    path, found = motifs_of_report
    page = browser.new_page(color_scheme=scheme)
    page.goto(path.as_uri())
    page.locator(".bk-DataTable").last.wait_for()
    paper, contrast, text, n = page.evaluate(CONTRAST)
    assert (paper > 0.5) == (scheme == "light")
    assert contrast > 4.5, text
    assert n > 100
    stops = tab_to(page, "rows")
    assert stops.count("bk-layer") == 2
    assert stops.count("checkbox") == found.n_motifs
    page.keyboard.press("ArrowDown")
    selected = "() => Bokeh.documents[0]._all_models.values().find((m) => m.data?.probability && m.data.u).selected.indices"
    assert page.evaluate(selected) == np.flatnonzero(found.labels == 0).tolist()
    # Enter on a head sorts.
    page.keyboard.press("Shift+Tab")
    heads = page.locator(".bk-DataTable").first.locator(
        ".slick-sort-indicator-asc, .slick-sort-indicator-desc"
    )
    assert heads.count() == 0
    page.keyboard.press("Enter")
    assert heads.count() == 1
    page.close()


@pytest.fixture(scope="module")
def motifs_of_report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    motifs = found_motifs(folder)
    return motifs.report(folder / "report.html"), motifs
