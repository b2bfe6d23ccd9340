"""Draw the explorer of the guide in Chromium: ``python docs/images/make_explorer.py``; needs playwright."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from bokeh.embed import file_html
from bokeh.resources import INLINE
from playwright.sync_api import sync_playwright

from hyperspy_motifs import data

signal, _ = data.monolayer("MoSe2", vacancies=0.06, shape=(512, 480), dose=8e4, random_state=5)
motifs = signal.find_motifs(radius=0.6, show_progressbar=False)
explorer = motifs.explore(view="notebook")
explorer.controls["layers"].active = [1]
# The list of defects, once opened, gives the text under the pointer its reasons.
explorer.tabs.active = 2
explorer.tabs.active = 0
explorer.state.select_motifs([2])
# Where the text hides neither the layout nor the magnifier.
rare = np.flatnonzero(motifs.labels == 2)
near = rare[np.argmin(np.hypot(*(motifs.pixel_positions[rare] - [40, 300]).T))]

with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
    page_file = Path(folder) / "explorer.html"
    page_file.write_text(file_html(explorer.layout, INLINE), encoding="utf-8")
    browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 880, "height": 1070})
    page.goto(page_file.as_uri())
    frame = page.locator(".bk-Figure").first
    frame.wait_for()
    page.wait_for_timeout(2000)
    box, figure = frame.bounding_box(), explorer.figures["image"]
    place = (
        (motifs.pixel_positions[near] + 0.5)
        / signal.data.shape[::-1]
        * [figure.frame_width, figure.frame_height]
    )
    # The frame of the figure ends 5 pixels before its border.
    corner = np.array([box["x"] + 5, box["y"] + box["height"] - 5 - figure.frame_height])
    page.mouse.move(*(corner + place), steps=3)
    page.wait_for_timeout(1000)
    page.screenshot(path=Path(__file__).with_name("explorer.png"))
