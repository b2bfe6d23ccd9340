"""The report contains the result, needs no network, and does not execute code in names."""

import base64
import io
import warnings
from html.parser import HTMLParser
from types import SimpleNamespace

import hyperspy
import matplotlib.pyplot as plt
import numpy as np
import pytest

from hyperspy_motifs import data
from hyperspy_motifs.cells import RadiusBonds
from hyperspy_motifs.motifs._page import Page

HOSTILE = '<script>alert("1")</script> & <b>'


class Reader(HTMLParser):
    """Tags that are open, sources, text, and tables as lists of rows of texts."""

    EMPTY = frozenset({"meta", "img", "br"})

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.links, self.images, self.tables, self.captions = [], [], [], [], []
        self._open = []
        self.policy = ""
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        if tag not in self.EMPTY:
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
        assert self._open.pop() == tag

    def handle_data(self, text):
        if "td" in self._open or "th" in self._open:
            self.tables[-1][-1][-1] += text
        if "caption" in self._open:
            self.captions[-1] += text

    def table(self, beginning):
        (index,) = [i for i, caption in enumerate(self.captions) if caption.startswith(beginning)]
        return self.tables[index]


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


def test_the_page_fetches_and_runs_nothing(page):
    assert page.links
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert not {"script", "link", "iframe", "object", "embed", "b"} & set(page.tags)
    assert page.policy.startswith("default-src 'none'")


def test_every_figure_is_a_picture_with_words_for_those_who_cannot_see_it(page):
    assert len(page.images) >= 5
    for image in page.images:
        assert len(image["alt"]) > 15
        pixels = plt.imread(io.BytesIO(base64.b64decode(image["src"].partition(",")[2])))
        assert pixels.shape[1] == pytest.approx(int(image["width"]) * 160 / 96, abs=2)
        # Something is drawn in it.
        assert np.ptp(pixels[..., :3]) > 0.5


def test_motifs_are_told_with_their_numbers(page, found):
    head, *rows = page.table("The motifs")
    assert head[:3] == ["motif", "atoms", "share (%)"]
    assert [row[0] for row in rows] == found.names
    assert [int(row[1]) for row in rows] == found.counts.tolist()
    assert sum(float(row[2]) for row in rows) == pytest.approx(100, abs=0.1)


def test_cells_are_told_with_what_they_hold(page, found):
    head, *rows = page.table("Classes of cells")
    sizes, areas = np.bincount(found.cells.labels), found.cells.areas
    assert [int(row[head.index("cells")]) for row in rows[: len(sizes)]] == sizes.tolist()
    expected = found.graph.nodes["cell-class:0"]["area"]
    told = float(rows[0][head.index("area (nm²)")])
    assert told == pytest.approx(expected, rel=1e-3)
    assert areas.min() <= told <= areas.max()
    assert rows[0][head.index("composition")] == found.graph.formula("cell-class:0")


def test_parameters_and_versions_are_told(page, found):
    options = dict(page.table("Arguments of find_motifs"))
    assert options["radius"] == "0.6"
    assert options["n_motifs"] == "not given"
    estimated = dict(page.table("Estimated"))
    assert float(estimated["spacing"]) == pytest.approx(found.parameters["spacing"], rel=1e-4)
    assert dict(page.table("Versions"))["hyperspy"] == hyperspy.__version__


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_continuum_is_shown_by_its_coordinates(found, tmp_path, monkeypatch, dimensions):
    coordinates = found.positions[:, [0, 1, 0]][:, :dimensions] ** 2
    manifold = SimpleNamespace(coordinates=coordinates, dimension=1.04 * dimensions)
    monkeypatch.setattr(type(found), "is_continuous", True)
    monkeypatch.setattr(type(found), "manifold", manifold)
    for section in ("_motifs", "add_cells", "add_levels", "add_neighbours", "_how"):
        monkeypatch.setattr(f"hyperspy_motifs.motifs._report.{section}", lambda *_: None)
    text = found.report(tmp_path / "out.html").read_text(encoding="utf-8")
    assert len(Reader(text).images) == min(dimensions, 2)
    assert f"along {dimensions}." in text


def test_unclear_cells_are_stated_first(found, tmp_path):
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


def test_unit_cells_that_place_few_atoms_are_stated_first(found, tmp_path):
    motifs = found.signal.deepcopy().motifs
    level = next(level for level in motifs.hierarchy.levels if "match" in level.scalars)
    assert level.scalars["match"] > 0.7
    level.scalars["match"] = 0.64
    assert motifs.summary().startswith(
        "caution: the translations of the unit cells map only 64 % of the atoms"
    )
    text = motifs.report(tmp_path / "few.html").read_text(encoding="utf-8")
    assert text.index("map only 64 %") < text.index("<h2>")


def test_a_report_that_fails_leaves_the_old_one_and_no_window(found, tmp_path, monkeypatch):
    path = tmp_path / "out.html"
    path.write_text("old")

    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Page, "write", fail)
    monkeypatch.setattr("hyperspy_motifs.motifs._report.add_cells", lambda *_: None)
    monkeypatch.setattr("hyperspy_motifs.motifs._report.add_levels", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        found.report(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.html"]
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("where", "error", "says"),
    [(".", ValueError, "is a folder"), ("absent/out.html", FileNotFoundError, "does not exist")],
)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(found, tmp_path, where, error, says):
    with pytest.raises(error, match=says):
        found.report(tmp_path / where)


def test_a_frame_without_atoms_is_refused(found, tmp_path):
    with pytest.raises(ValueError, match="Frame 5"):
        found.report(tmp_path / "out.html", frame=5)


def test_numbers_and_unwritable_text_of_a_page(tmp_path):
    page = Page("title", "about")
    page.table("Numbers", ["name", "a", "b"], [["one\udcff", -0.123456, 3], ["two", float("nan"), None]])
    page.write(tmp_path / "page.html")
    (table,) = Reader((tmp_path / "page.html").read_text(encoding="utf-8")).tables
    assert table == [["name", "a", "b"], ["one?", "−0.1235", "3"], ["two", "–", "–"]]


def test_the_report_begins_with_what_is_wrong_with_the_image(tmp_path):
    signal, _ = data.monolayer(shape=(210, 241), random_state=3)
    image = np.asarray(signal.data, float)
    image += np.random.default_rng(1).normal(0, 0.4 * image.std(), (210, 1))
    image[:, -20:] = np.nan
    signal.data = image
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        motifs = signal.find_motifs(radius=0.6, show_progressbar=False)
    text = motifs.report(tmp_path / "out.html").read_text(encoding="utf-8")
    assert text.index("<h2>Image</h2>") < text.index("<h2>Motifs</h2>")
    told = text[text.index("<h2>Image</h2>") : text.index("<h2>Motifs</h2>")]
    assert "without data" in told
    assert "scan lines with offsets of" in told
    assert all(line in told for line in motifs.quality.lines())
