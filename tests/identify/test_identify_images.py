"""From an image to names: motifs, defects, stored results, models."""

import sys

import hyperspy.api as hs
import numpy as np
import pytest
from scipy.spatial import cKDTree

import hyperspy_motifs as hm

pytestmark = pytest.mark.usefixtures("two_radii")

pytest.importorskip("ase")


def truth_of_atoms(motifs, truth):
    distance, index = cKDTree(truth.positions).query(motifs.pixel_positions)
    names = np.array(truth.names)[truth.labels][index]
    return np.where(distance < 3, names, "")


@pytest.fixture(scope="module")
def monolayer():
    s, truth = hm.data.monolayer("MoSe2", random_state=4, shape=(260, 290), rotation=11.0)
    return s, truth, s.find_motifs()


@pytest.fixture(scope="module")
def named(monolayer):
    s, truth, motifs = monolayer
    return s, truth, motifs, motifs.identify("MoSe2")


def test_atoms_and_vacancies_get_their_names(named):
    s, truth, motifs, found = named
    true = truth_of_atoms(motifs, truth)
    assert (found.names == true)[true != ""].mean() > 0.99
    for name in ("Se1", "W", "S2"):
        both = ((found.names == name) & (true == name)).sum()
        assert 2 * both / ((found.names == name).sum() + (true == name).sum()) >= 0.9
    inside = truth.extra["vacancies"]
    inside = inside[((inside > 25) & (inside < np.array([290, 260]) - 25)).all(axis=1)]
    places = found.vacancies / s.axes_manager[0].scale
    assert cKDTree(places).query(inside)[0].max() < 3
    assert set(found.vacancy_names) == {"V_Se2"}
    assert found.probabilities[found.names == "Mo"].min() > 0.9
    assert found.headline().startswith("MoSe2 [001] explains")
    assert (
        found.summary()
        .splitlines()[0]
        .endswith("(of the structures that were given; others of like geometry are not excluded)")
    )


def test_vacancies_are_counted_among_their_sites(named):
    _, truth, motifs, found = named
    lines = {line.split(" ")[0]: line for line in found.changed_columns()}
    counts = truth.counts()
    number, sites = (
        int(lines["Se1"].split(f" {word} ")[0].split(" ")[-1].replace(",", "")) for word in ("in", "sites")
    )
    assert abs(number - counts["Se1"]) <= 2
    # Pairs, single atoms, empty sites and substitutes of pairs are all sites of one column.
    assert abs(sites - (len(motifs.labels) - (found.names == "Mo").sum() - (found.names == "W").sum())) <= 12
    assert "Mo" not in lines
    assert any(
        text.get_text().startswith("Se1 on sites of Se2 ")
        for text in motifs.plot.defects().get_legend().get_texts()
    )


def test_motifs_are_relabelled_and_the_names_are_stored(named, tmp_path):
    s, _, motifs, _ = named
    found = motifs.identify("MoSe2")
    assert motifs.names[:2] == ["Mo", "Se2"]
    s.save(tmp_path / "named.hspy")
    again = hs.load(tmp_path / "named.hspy").motifs
    assert again.names == motifs.names
    assert str(again.identification) == str(found)
    assert (again.identification.names == found.names).all()
    # Another name keeps the identification, which is of the same atoms.
    again.relabel({0: "metal"})
    assert again.identification.headline() == found.headline()
    # Motifs that are found again have neither its names nor the identification.
    anew = again.signal.find_motifs(radius=0.6, show_progressbar=False)
    assert anew.names[:2] == ["0", "1"]
    with pytest.raises(ValueError, match="were not identified"):
        _ = anew.identification
    assert again.identification.headline() == found.headline()


def test_the_stoichiometry_is_that_of_the_truth(named):
    _, truth, _, found = named
    counts = truth.counts()
    pairs = counts["Se2"] + counts["Se1"] + counts["S2"] + len(truth.extra["vacancies"])
    selenium = 2 * (2 * counts["Se2"] + counts["Se1"]) / pairs / 2
    value, error = found.stoichiometry()["Se"]
    assert abs(value - selenium) < 3 * error + 0.02
    assert 0 < error < 0.15
    # Niobium and bromine are hardly darker or brighter than the hosts: they are listed as possible, and are not counted.
    assert set(found.stoichiometry()) == {"Mo", "Se", "W", "S"}
    possible = {line.split(" in place of ")[1].split(" ")[0]: line for line in found.not_excluded()}
    assert "Nb" in possible["Mo"]
    assert "Br" in possible["Se2"]
    assert possible["Mo"] in str(found)


def test_the_model_has_its_vacancies_and_relaxes(named):
    from ase.calculators.lj import LennardJones

    _, _, _, found = named
    atoms = found.to_ase()
    counts = {name: int((found.names == name).sum()) for name in ("Mo", "Se2", "Se1", "W", "S2")}
    symbols = np.array(atoms.get_chemical_symbols())
    assert (symbols == "W").sum() == counts["W"]
    assert (symbols == "S").sum() == 2 * counts["S2"]
    # A pair lies above and below the metals, half the distance of the planes away.
    heights = {name: atoms.positions[symbols == name, 2] for name in ("Mo", "Se")}
    assert np.unique(np.abs(heights["Se"] - heights["Mo"][0]).round(2)).tolist() == [1.67]
    bonds = atoms.get_all_distances()[np.ix_(symbols == "Mo", symbols == "Se")]
    assert bonds.min() == pytest.approx(np.hypot(3.29 / np.sqrt(3), 1.67), abs=0.2)
    small = atoms[np.hypot(*(atoms.positions[:, :2] - atoms.positions[:, :2].mean(axis=0)).T) < 6]
    small.calc = LennardJones(sigma=2.2, epsilon=0.5, rc=6.0)
    assert np.isfinite(small.get_potential_energy())


def test_names_reach_cells_figures_tables_and_graph(named):
    _, _, motifs, _ = named
    found = motifs.identify("MoSe2")
    cells = found.cell_names()
    assert max(set(cells), key=cells.count) == "hexagon Mo3 Se6"
    assert "hexagon Mo3 Se5" in cells
    texts = [text.get_text() for text in found.plot().get_legend().get_texts()]
    assert any(text.startswith("Se1 (") for text in texts)
    table = found.to_dict()
    assert len(table["species"]) == len(motifs.labels)
    assert (table["species"] == found.names).all()
    first = int(np.flatnonzero(found.names == "Se1")[0])
    assert motifs.graph.nodes[f"atom:{first}"]["species"] == "Se1"
    assert "MoSe2 [001] explains" in motifs.summary()


def test_phases_are_compared_and_wrong_ones_refused(monolayer):
    _, _, motifs = monolayer
    found = motifs.identify(["graphene", "MoSe2", "SrTiO3"], relabel=False)
    assert found.best.name == "MoSe2 [001]"
    assert found.structures[0].refusal
    wrong = motifs.identify("graphene", relabel=False)
    assert wrong.headline().startswith("none of these")
    assert "not excluded" not in wrong.headline()
    assert "direction of view may fit" in str(wrong)
    assert "direction of view" not in str(found)
    assert (wrong.names == "?").all()
    with pytest.raises(ValueError, match="no structure was accepted"):
        wrong.to_ase()


def test_dopants_that_are_known_are_the_only_ones(monolayer):
    _, _, motifs = monolayer
    found = motifs.identify("MoSe2", defects=["W", "S"], relabel=False)
    names = {s.name for s in found.species}
    assert "W" in names
    assert not {"Ta", "Re", "P2"} & names
    w = found.names == "W"
    assert found.probabilities[w].mean() > 0.7
    none = motifs.identify("MoSe2", defects=None, relabel=False)
    assert set(none.names) <= {"Mo", "Se2", "?"}


def test_wrong_arguments_are_explained(monolayer):
    _, _, motifs = monolayer
    with pytest.raises(ValueError, match="neither a file"):
        motifs.identify("MoSe3")
    with pytest.raises(ValueError, match="detector"):
        motifs.identify("MoSe2", detector="TEM")
    with pytest.raises(ValueError, match="symbols of elements"):
        motifs.identify("MoSe2", defects=["tungsten"])
    with pytest.raises(ValueError, match="symbols of elements"):
        motifs.identify("MoSe2", defects=5)
    with pytest.raises(ValueError, match="list of structures is empty"):
        motifs.identify([])
    nothing = motifs.signal.isig[:3, :2].motifs
    assert not len(nothing.labels)
    with pytest.raises(ValueError, match="no atoms in this part"):
        nothing.identify("MoSe2")


def test_stored_names_are_read_where_ase_is_not_installed(named, tmp_path, monkeypatch):
    s, _, motifs, _ = named
    s.save(tmp_path / "named.hspy")
    before = str(motifs.identification)
    for module in ("ase", "ase.data"):
        monkeypatch.setitem(sys.modules, module, None)
    again = hs.load(tmp_path / "named.hspy").motifs
    assert "structure: MoSe2 [001] explains" in again.summary()
    assert str(again.identification) == before
