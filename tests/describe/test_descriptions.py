"""The paragraph of each motif tells what is in the image."""

import numpy as np
import pytest

from hyperspy_motifs import data

pytestmark = pytest.mark.usefixtures("two_radii")


@pytest.fixture(scope="module")
def motifs():
    signal, _ = data.monolayer(
        "MoSe2", vacancies=0.06, double_vacancies=0, shape=(300, 324), dose=8e4, random_state=5
    )
    return signal.find_motifs(radius=0.6, show_progressbar=False)


@pytest.fixture(scope="module")
def described(motifs):
    return motifs.describe()


def test_sites_have_three_neighbours_at_the_bond_length(motifs, described):
    for k, other in ((0, 1), (1, 0)):
        shell = described[k].shell
        assert shell.motifs[0] == other
        assert sum(shell.numbers) == pytest.approx(3, abs=0.05)
        assert shell.distances[0] == pytest.approx(motifs.parameters["spacing"], rel=0.05)
        assert described[k].point_group == "3m"
        assert "three" in described[k].text


def test_a_vacancy_is_told_by_its_place_and_brightness(motifs, described):
    """One of two selenium atoms is missing in the third motif."""
    vacancy = described[2]
    selenium = vacancy.site
    assert vacancy.reference == selenium == 1
    assert vacancy.nearest in (0, 1)
    # Of two selenium atoms the columns are 1, of one about 0.5.
    assert 0.3 < vacancy.brightness < 0.75
    assert vacancy.separation > 4
    assert vacancy.place.kind == "random"
    assert vacancy.place.n_sites == pytest.approx(len(motifs.labels) / 2, rel=0.1)
    # Probably, as a lighter atom looks alike: what weaker columns mean is said with how sure it is that they are weaker.
    assert vacancy.weaker > 0.99
    for said in (
        "at random",
        "sites of motif 1",
        "of motif 0",
        "probably columns that lack atoms (vacancies)",
    ):
        assert said in vacancy.text
    assert "lack atoms" in vacancy.headline()
    assert not any("lack atoms" in described[k].text for k in (0, 1))
    assert described[selenium].place.kind == "everywhere"


def test_names_are_used_and_the_graph_and_a_table_have_the_descriptions(motifs):
    motifs.relabel({2: "V_Se"})
    try:
        found = motifs.describe()
        assert found[2].text.startswith("V_Se: ")
        node = motifs.graph.nodes["motif:2"]
        assert node["description"] == found[2].text
        table = found.to_dict()
        assert {len(column) for column in table.values()} == {motifs.n_motifs}
        np.testing.assert_array_equal(table["count"], motifs.counts)
        assert table["coordination"][0] == pytest.approx(3, abs=0.05)
        assert repr(found) == "\n\n".join(table["text"])
    finally:
        motifs.edit.undo()


def test_a_notebook_shows_names_as_text(motifs, described):
    motifs.relabel({0: "<b>Mo</b>"})
    try:
        assert "<b>" not in motifs.describe()._repr_html_()
    finally:
        motifs.edit.undo()


def test_a_part_without_whole_discs_or_some_classes_of_cells_is_described_and_drawn(motifs):
    alone = motifs.subset([int(np.argmin(motifs.positions.sum(axis=1)))])
    assert "at the border" in repr(alone.describe())
    # Motifs that are elsewhere in the image only are not described.
    *others, rare = motifs.subset(np.flatnonzero(motifs.labels == 2)).describe()
    assert [one.text for one in others] == ["Motif 0: no atoms here.", "Motif 1: no atoms here."]
    assert rare.text.startswith("Motif 2: ")
    left = np.flatnonzero(motifs.labels < 2)
    part = motifs.subset(left)
    assert 0 < len(np.unique(part.cells.labels)) < len(part.cells.classes)
    whole, drawn = ([t.get_text() for t in m.plot_cells().get_legend().get_texts()] for m in (motifs, part))
    assert {text.rpartition(" (")[0] for text in drawn} <= {text.rpartition(" (")[0] for text in whole}


def test_the_picture_shows_both_motifs_and_where_they_differ(motifs):
    axes = motifs.plot.description(2)
    assert [ax.get_title().split("\n")[0] for ax in axes[:2]] == ["2", str(motifs.describe()[2].nearest)]
    assert axes[-1].get_title().endswith("%")
    with pytest.raises(ValueError, match="There is no motif 17"):
        motifs.plot.description(17)
