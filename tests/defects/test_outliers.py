"""Outliers of an image, through ``motifs.find_outliers``."""

import csv
from dataclasses import replace

import hyperspy.api as hs
import numpy as np
import pytest
from matplotlib.colors import to_hex

from hyperspy_motifs.data import Imaging, monolayer, monolayer_specimen, simulate
from hyperspy_motifs.draw import motif_colour

pytestmark = pytest.mark.usefixtures("two_radii")

IMAGING = Imaging(shape=(300, 340), pixel_size=0.0125, dose=1e5)


@pytest.fixture(scope="module")
def planted():
    """A monolayer with a dim metal column at the first place and a moved one at the second, in pixels."""
    specimen = monolayer_specimen("MoSe2", IMAGING.reach, 0, 0, None, None)
    metal = specimen.labels == 0
    distance = [
        np.where(metal, np.hypot(*(specimen.positions - p).T), np.inf) for p in ((-0.8, 0.3), (0.9, -0.4))
    ]
    dim, moved = (int(d.argmin()) for d in distance)
    positions, counts = specimen.positions.copy(), specimen.counts.copy()
    counts[specimen.column == dim] *= 0.6
    positions[moved] += (0.03, 0.0)
    image, _ = simulate(replace(specimen, positions=positions, counts=counts).displaced(0.001, 0), IMAGING, 0)
    signal = hs.signals.Signal2D(image)
    signal.set_signal_type("atomic_image")
    signal.axes_manager.signal_axes.set(scale=0.0125, units="nm")
    signal.find_motifs(show_progressbar=False)
    return signal, IMAGING.to_pixels(specimen.positions[[dim, moved]])


def test_two_single_atoms_are_found_typed_and_described(planted):
    signal, places = planted
    outliers = signal.motifs.find_outliers()
    assert len(outliers) == 2
    found = [int(np.hypot(*(outliers.pixel_positions - p).T).argmin()) for p in places]
    assert np.abs(outliers.pixel_positions[found] - places).max() < 3
    assert list(outliers.kinds[found]) == ["darker", "moved"]
    assert outliers.ratios[found[0]] == pytest.approx(0.6, abs=0.1)
    assert "% darker" in outliers.descriptions[found[0]]
    assert outliers.displacements[found[1]] == pytest.approx([0.03, 0.0], abs=0.008)
    assert "moved by 0.3" in outliers.descriptions[found[1]]
    assert (outliers.q_values <= 0.05).all()
    assert "2 outliers at 5 % false discoveries" in repr(outliers)


def test_outliers_have_patches_and_a_table(planted, tmp_path):
    outliers = planted[0].motifs.find_outliers()
    assert outliers.patches.axes_manager.navigation_size == 2
    with outliers.to_csv(tmp_path / "outliers.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == list(outliers.kinds)
    assert float(rows[0]["x"]) == pytest.approx(outliers.positions[0, 0])


def test_a_stricter_rate_finds_fewer_or_as_many(planted):
    motifs = planted[0].motifs
    assert len(motifs.find_outliers(fdr=1e-12)) <= len(motifs.find_outliers(fdr=0.05))


@pytest.mark.parametrize("fdr", [0, 1, -0.1, "low", None, True])
def test_a_rate_that_is_none_is_refused(planted, fdr):
    with pytest.raises(ValueError, match="between 0 and 1"):
        planted[0].motifs.find_outliers(fdr=fdr)


def test_defects_are_one_table_that_is_saved_with_the_image(planted, tmp_path):
    signal, places = planted
    defects = signal.motifs.defects
    assert len(defects) == len(places)
    assert np.sort(defects.pixel_positions, axis=0) == pytest.approx(np.sort(places, axis=0), abs=3)
    assert set(defects.kinds) == {"darker", "moved"}
    signal.save(tmp_path / "image.hspy")
    loaded = hs.load(tmp_path / "image.hspy")
    assert loaded.metadata.has_item("Motifs.defects")
    again = loaded.motifs.defects
    for name in ("positions", "kinds", "q_values", "evidence", "sites", "atoms"):
        assert np.array_equal(getattr(again, name), getattr(defects, name))
    assert (again.area, again.units, again.n_at_border) == (defects.area, "nm", defects.n_at_border)


def test_stored_defects_are_forgotten_by_a_crop_and_by_other_labels(planted):
    signal = planted[0].deepcopy()
    before = signal.motifs.defects
    part = signal.isig[:, : int(planted[1][:, 1].min()) - 30]
    assert len(part.motifs.defects) == 0
    assert part.motifs.defects.n_tested < before.n_tested
    signal.motifs.merge([0, 1])
    assert not signal.metadata.has_item("Motifs.defects")
    assert len(signal.motifs.defects) == len(before)


def test_stored_defects_stay_where_atoms_and_labels_stay(planted, monkeypatch):
    from hyperspy_motifs.pipeline import _defect_finding

    signal = planted[0].deepcopy()
    before = signal.motifs.defects
    monkeypatch.setattr(_defect_finding, "find_defects", None)  # nothing is computed again
    motifs = signal.motifs.relabel({0: "Se2"})
    motifs.find_cells("delaunay")
    motifs.edit.hierarchy(composites=False)
    motifs.edit.undo()
    np.testing.assert_array_equal(motifs.defects.positions, before.positions)
    assert motifs.defects.evidence.tolist() == before.evidence.tolist()


def test_the_evidence_has_the_present_names_of_the_motifs():
    signal, _ = monolayer(shape=(230, 256), metal_dopant=("W", 0.06), random_state=2)
    motifs = signal.find_motifs(radius=0.6, show_progressbar=False)
    rare = motifs.defects.select("another motif")
    assert len(rare) > 0
    motif, usual = int(rare.motifs[0]), int(rare.expected[0])
    assert f"motif {motif} where motif {usual} is usual" in rare.evidence[0]
    motifs.relabel({motif: "W", usual: "Mo"})
    assert "W where Mo is usual" in motifs.defects.select("another motif").evidence[0]
    ax = motifs.plot.defects("another motif")
    drawn = {c.get_label().rsplit(" (")[0]: to_hex(c.get_edgecolors()[0]) for c in ax.collections}
    # In the colour of the motif in all other figures.
    assert drawn["W on sites of Mo"] == motif_colour(motif).lower()
    assert motifs.defects.headline() in motifs.summary()
    assert motifs.defects.names[motif] == "W"


def test_the_summary_says_defects_first(planted):
    first = planted[0].motifs.summary().splitlines()[0]
    assert first.startswith("honeycomb, a = 0.329 nm, 2 motifs, ")
    assert "1 darker atom, 1 moved atom at 5 % false discoveries" in first
    assert "too close to the border" in first


def test_defects_are_marked_on_the_image(planted):
    motifs = planted[0].motifs
    ax = motifs.plot_defects()
    texts = sorted(text.get_text() for text in ax.get_legend().get_texts())
    assert texts == ["darker (1)", "moved (1)"]
    marked = np.concatenate([np.asarray(c.get_offsets()) for c in ax.collections])
    assert np.sort(marked, axis=0) == pytest.approx(np.sort(motifs.defects.positions, axis=0))
    assert motifs.plot_defects("moved").get_legend().get_texts()[0].get_text() == "moved (1)"


def test_atoms_of_a_mirror_boundary_are_no_point_defects(shared_data):
    signal = hs.load(shared_data / "simulated" / "mose2_mirror_medium.hspy")
    signal.set_signal_type("atomic_image")
    truth = np.load(shared_data / "simulated" / "mose2_mirror_medium.truth.npz")
    names = [str(name) for name in truth["motif_names"]]
    odd = truth["xy"][np.isin(truth["motif"], [names.index("W"), names.index("Se1")])]
    found = signal.find_motifs(show_progressbar=False).defects.pixel_positions
    distance = np.hypot(*(found[:, None] - odd).transpose(2, 0, 1))
    assert (distance.min(axis=0) < 5).sum() >= 8
    assert (distance.min(axis=1) >= 5).sum() <= 2


def test_silicon_in_graphene_is_listed_though_dopants_are_near_each_other(shared_data):
    found = np.load(shared_data / "real" / "si_graphene.npz")
    frame = 0
    signal = hs.signals.Signal2D(found["images"][frame])
    signal.set_signal_type("atomic_image")
    listed = signal.find_motifs(show_progressbar=False).defects.pixel_positions
    silicon = found["si_xy"][found["si_frame"] == frame]
    assert len(silicon) == 3
    assert np.hypot(*(listed[:, None] - silicon).transpose(2, 0, 1)).min(axis=0).max() < 6


def test_patches_on_a_grid_are_not_atoms(planted):
    signal = planted[0].isig[:150, :130]
    motifs = signal.deepcopy().find_motifs("grid", show_progressbar=False)
    with pytest.raises(ValueError, match="patches on a grid"):
        motifs.find_outliers()


def test_the_graph_marks_defects_and_vacancies(planted, tmp_path):
    from hyperspy_motifs.graph import MotifGraph

    motifs = planted[0].motifs
    defects = motifs.defects
    motifs.graph.to_graphml(tmp_path / "graph.graphml")
    graph = MotifGraph.from_graphml(tmp_path / "graph.graphml")
    marked = {
        node: graph.nodes[node]["defect"] for node in graph.find(kind="atom") if "defect" in graph.nodes[node]
    }
    assert marked == {f"atom:{k}": kind for k, kind in zip(defects.atoms, defects.kinds, strict=True)}
    graph.add_defects(np.array([-1]), np.array([[0.5, 0.7]]), np.array(["vacancy"]), np.array([0.01]), 0.19)
    added = graph.find(kind="vacancy", defect="vacancy")
    assert [(graph.nodes[v]["x"], graph.nodes[v]["y"]) for v in added] == [(0.5, 0.7)]


def test_the_text_of_a_stack_has_the_frame_of_each_outlier(planted):
    outliers = planted[0].motifs.find_outliers()
    assert "in frame" not in repr(outliers)
    of_stack = repr(replace(outliers, frames=np.array([2, 0]), n_frames=3)).splitlines()
    assert [line.split(" at (")[0].split()[-1] for line in of_stack[1:]] == ["2", "0"]
    assert all(" in frame " in line for line in of_stack[1:])
