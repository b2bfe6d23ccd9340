"""The report answers in words, is clicked in, needs no network, and does not execute code in names."""

import base64
import html
import importlib.util
import io
import json
import re
import shutil
import warnings
from html.parser import HTMLParser
from types import SimpleNamespace

import hyperspy
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from hyperspy_motifs import data
from hyperspy_motifs.cells import RadiusBonds
from hyperspy_motifs.draw import linked_source, linked_table
from hyperspy_motifs.motifs import Page

pytestmark = pytest.mark.usefixtures("two_radii")

HOSTILE = '</script><script>alert("1")</script> & <b>'
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)


class Reader(HTMLParser):
    """Tags, sources, pictures, static tables as lists of rows of texts, and the text outside scripts."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.links, self.images, self.tables, self.captions = [], [], [], [], []
        self.policy, self.text, self._open = "", "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        self._open.append(tag)
        self.links += [v for k, v in attributes if k in ("src", "href", "srcset", "action", "data")]
        assert not [k for k in values if k.startswith("on")]
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]
        if tag == "img":
            self.images.append(values)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag == "caption":
            self.captions.append("")

    def handle_endtag(self, tag):
        while self._open.pop() != tag:
            pass

    def handle_data(self, text):
        if not {"script", "style"} & set(self._open):
            self.text += text
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += text
        if "caption" in self._open:
            self.captions[-1] += text

    def table(self, beginning):
        (index,) = [i for i, caption in enumerate(self.captions) if caption.startswith(beginning)]
        return self.tables[index]


def models(text, name):
    """All models of one kind in the linked views of a page, as dicts of their attributes with their id."""
    written = re.search(r"docs_json = '(.*?)';\n", text)[1]
    document = json.loads(html.unescape(written.encode().decode("unicode_escape")))
    found = []

    def walk(value):
        if isinstance(value, dict):
            if value.get("name") == name:
                found.append({"id": value["id"], **value.get("attributes", {})})
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(document)
    return found


@pytest.fixture(scope="module")
def found():
    signal, _ = data.monolayer(shape=(170, 204), random_state=3)
    motifs = signal.find_motifs(radius=0.6)
    motifs.relabel({1: HOSTILE})
    signal.metadata.General.title = f"Sample 7 {HOSTILE}"
    return motifs


@pytest.fixture(scope="module")
def written(found, tmp_path_factory):
    plt.close("all")
    path = found.report(tmp_path_factory.mktemp("report") / "out.html")
    assert plt.get_fignums() == []
    return path


@pytest.fixture(scope="module")
def page(written):
    return Reader(written.read_text(encoding="utf-8"))


@pytest.fixture
def page_one(monkeypatch):
    """Reports end after their answers, except for the sections on neighbours and methods."""
    views = SimpleNamespace(atoms=0, cells=0, defects=0)
    for section in ("_linked_views", "_motifs", "_defects", "add_cells", "add_levels"):
        monkeypatch.setattr(f"hyperspy_motifs.motifs._report.{section}", lambda *_: views)


def test_the_page_fetches_nothing_and_names_cannot_run(page, written):
    assert page.links
    assert all(link.startswith("data:image/") for link in page.links)
    assert not {"link", "iframe", "object", "embed", "b"} & set(page.tags)
    assert page.policy.startswith("default-src 'none'")
    assert "http" not in page.policy
    assert HOSTILE not in written.read_text(encoding="utf-8")
    assert HOSTILE in page.text


def test_every_figure_is_a_picture_with_words_for_those_who_cannot_see_it(page):
    assert len(page.images) >= 5
    for image in page.images:
        assert len(image["alt"]) > 15
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))))
        # Something is drawn in it.
        assert np.ptp(pixels[..., :3]) > 128


def test_page_one_answers_in_words_with_numbers(page, found):
    first = page.text[: page.text.index("The image, the layout")]
    for question in ("Structure", "Cell", "Motifs", "Defects", "Image", "Uncertain"):
        assert question in first
    assert f"motif 0: {found.counts[0]:,} atoms" in first
    assert found.defects.headline() in first
    assert "honeycomb" in first or "lattice" in first
    assert f"per {found.units}²" in first


def test_views_and_tables_share_their_data(written, found):
    text = written.read_text(encoding="utf-8")
    sources = {s["id"]: s["data"]["entries"] for s in models(text, "ColumnDataSource")}
    columns = {key: dict(entries) for key, entries in sources.items()}
    (atoms,) = [key for key, held in columns.items() if "probability" in held and "u" in held]
    assert len(columns[atoms]["name"]) == len(found.labels)
    assert set(columns[atoms]["name"]) == set(np.array(found.names)[np.unique(found.labels)])
    # Image, layout and the table of all atoms have the same source.
    using = [m for kind in ("GlyphRenderer", "DataTable") for m in models(text, kind)]
    of_atoms = [m for m in using if atoms in json.dumps(m.get("data_source", m.get("source")))]
    assert len(of_atoms) >= 2 * len(np.unique(found.labels))
    (motifs,) = [held for held in columns.values() if "neighbours" in held]
    assert motifs["motif"] == found.names
    for k, rows in enumerate(motifs["rows"]):
        np.testing.assert_array_equal(rows, np.flatnonzero(found.labels == k))


def test_heads_of_tables_are_text():
    table = linked_table(linked_source({"area (<b>²)": np.ones(3)}))
    assert table.columns[0].title == "area (&lt;b&gt;²)"


def test_the_page_can_be_reproduced_and_cited(page, found):
    code = page.text[page.text.index("import hashlib") : page.text.index("Estimated from the image")]
    assert f"radius={found.parameters['options']['radius']!r}, random_state=0" in code
    names = {"image": found.signal.deepcopy()}
    exec(code.replace("hs.load('FILE')", "image"), names)
    assert names["motifs"].signal is names["image"]
    np.testing.assert_array_equal(names["motifs"].labels, found.labels)
    names["image"].data[0, 0] += 1
    with pytest.raises(AssertionError):
        exec(code.replace("hs.load('FILE')", "image"), names)
    assert "doi:10.1126/sciadv.abk1005" in page.text
    estimated = dict(page.table("Estimated"))
    assert float(estimated["spacing"]) == pytest.approx(found.parameters["spacing"], rel=1e-4)
    assert dict(page.table("Versions"))["hyperspy"] == hyperspy.__version__


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed")
def test_a_click_on_a_row_of_a_table_selects_the_atoms_in_the_image(written, found):
    from playwright.sync_api import sync_playwright

    selected = """() => {
      const source = Bokeh.documents[0]._all_models.values().find(m => m.type == 'ColumnDataSource' && 'u' in m.data);
      return [...source.selected.indices];
    }"""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            tab = browser.new_page(viewport={"width": 1300, "height": 1000})
            errors = []
            tab.on("pageerror", lambda error: errors.append(str(error)))
            tab.goto(written.as_uri())
            row = tab.locator(".slick-row").nth(1)
            row.wait_for(timeout=30_000)
            row.locator(".slick-cell").first.click()
            tab.wait_for_function(f"({selected})().length > 0", timeout=10_000)
            chosen = tab.evaluate(selected)
            assert sorted(chosen) == np.flatnonzero(found.labels == 1).tolist()
            assert errors == []
        finally:
            browser.close()


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_continuum_is_shown_by_its_coordinates(found, tmp_path, monkeypatch, dimensions):
    coordinates = found.positions[:, [0, 1, 0]][:, :dimensions] ** 2
    manifold = SimpleNamespace(coordinates=coordinates, dimension=1.04 * dimensions)
    monkeypatch.setattr(type(found), "is_continuous", True)
    monkeypatch.setattr(type(found), "manifold", manifold)
    for section in ("_motifs", "_defects", "add_cells", "add_levels", "add_neighbours", "_how"):
        monkeypatch.setattr(f"hyperspy_motifs.motifs._report.{section}", lambda *_: None)
    text = found.report(tmp_path / "out.html").read_text(encoding="utf-8")
    assert len(Reader(text).images) == min(dimensions, 2)
    assert f"along {dimensions}." in text


def test_unclear_cells_are_stated_first(found, tmp_path, page_one):
    motifs = found.signal.deepcopy().motifs
    assert "caution" not in motifs.summary()
    ends = motifs.positions[motifs.cells.bonds]
    lengths = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
    # A limit inside the distribution of one bond length.
    cells = motifs.find_cells(RadiusBonds(float(np.quantile(lengths, 0.85))), vacancies=False)
    assert len(cells)
    assert cells.clarity < 0.3
    assert motifs.summary().startswith("caution: bonds are unclear")
    text = motifs.report(tmp_path / "unclear.html").read_text(encoding="utf-8")
    assert text.index("Caution: bonds are unclear") < text.index("<h2>")


def test_unit_cells_that_place_few_atoms_are_stated_first(found, tmp_path, page_one):
    motifs = found.signal.deepcopy().motifs
    level = next(level for level in motifs.hierarchy.levels if "match" in level.scalars)
    assert level.scalars["match"] > 0.7
    level.scalars["match"] = 0.64
    assert motifs.summary().startswith(
        "caution: the translations of the unit cells map only 64 % of the atoms"
    )
    text = motifs.report(tmp_path / "few.html").read_text(encoding="utf-8")
    assert text.index("map only 64 %") < text.index("<h2>")


def test_a_report_that_fails_leaves_the_old_one_and_no_window(found, tmp_path, monkeypatch, page_one):
    path = tmp_path / "out.html"
    path.write_text("old")

    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Page, "write", fail)
    for section in ("_linked_views", "_motifs", "_defects", "add_cells", "add_levels"):
        monkeypatch.setattr(
            f"hyperspy_motifs.motifs._report.{section}",
            lambda *_: SimpleNamespace(atoms=0, cells=0, defects=0),
        )
    with pytest.raises(KeyboardInterrupt):
        found.report(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.html"]
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("where", "error", "says"),
    [
        (".", ValueError, "is a folder"),
        ("out.pdf", ValueError, "such as out.html"),
        ("absent/out.html", FileNotFoundError, "does not exist"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(found, tmp_path, where, error, says):
    with pytest.raises(error, match=says):
        found.report(tmp_path / where)


def test_a_frame_without_atoms_is_refused(found, tmp_path):
    with pytest.raises(ValueError, match="Frame 5"):
        found.report(tmp_path / "out.html", frame=5)


def test_numbers_and_unwritable_text_of_a_page(tmp_path):
    page = Page("title", "about")
    page.table("Numbers", {"name": ["one\udcff", "two"], "a": [-0.123456, float("nan")], "b": [3, None]})
    page.write(tmp_path / "page.html")
    (table,) = Reader((tmp_path / "page.html").read_text(encoding="utf-8")).tables
    assert table == [["name", "a", "b"], ["one?", "−0.1235", "3"], ["two", "–", "–"]]


def test_the_report_begins_with_what_is_wrong_with_the_image(tmp_path, page_one):
    signal, _ = data.monolayer(shape=(210, 241), random_state=3)
    image = np.asarray(signal.data, float)
    image += np.random.default_rng(1).normal(0, 0.4 * image.std(), (210, 1))
    image[:, -20:] = np.nan
    signal.data = image
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        motifs = signal.find_motifs(radius=0.6, show_progressbar=False)
    told = Reader(motifs.report(tmp_path / "out.html").read_text(encoding="utf-8")).text
    assert "without data" in told
    assert "scan lines with offsets of" in told
    assert all(line in told for line in motifs.quality.lines())
