"""Perfect lattices, monolayers, perovskites: densities, classes, displacements."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from hyperspy_motifs.data import lattice, monolayer, perovskite, twin_boundary

SHAPE = (240, 300)
FIELD = 240 * 300 * 0.0125**2


def heights(image, positions):
    return map_coordinates(image.astype(float), positions.T[::-1], order=3)


@pytest.mark.parametrize(
    ("kind", "neighbours", "per_area", "cells"),
    [
        ("square", 4, 1.0, {"ring4"}),
        ("triangular", 6, 2 / np.sqrt(3), {"ring3"}),
        ("honeycomb", 3, 4 / (3 * np.sqrt(3)), {"ring6"}),
        ("kagome", 4, np.sqrt(3) / 2, {"ring3", "ring6"}),
    ],
)
def test_lattice_has_its_density_neighbours_and_rings(kind, neighbours, per_area, cells):
    _, truth = lattice(kind, spacing=0.2, shape=SHAPE, rotation=9.0)
    assert len(truth.positions) == pytest.approx(per_area * FIELD / 0.2**2, rel=0.06)
    tree = cKDTree(truth.positions)
    inner = (np.abs(truth.positions - [149.5, 119.5]) < [110, 80]).all(axis=1)
    number = np.array([len(near) - 1 for near in tree.query_ball_point(truth.positions[inner], 1.1 * 16)])
    assert (number == neighbours).all()
    assert set(truth.cell_names) == cells
    assert min(truth.counts().values()) > 0


def test_sites_of_the_honeycomb_alternate():
    _, truth = lattice("honeycomb", spacing=0.2, shape=SHAPE)
    _, index = cKDTree(truth.positions).query(truth.positions, k=2)
    assert (truth.labels[index[:, 0]] != truth.labels[index[:, 1]]).all()


def test_perfect_monolayer_is_stoichiometric():
    _, truth = monolayer(
        "WSe2", vacancies=0.0, double_vacancies=0.0, metal_dopant=None, chalcogen_dopant=None, shape=SHAPE
    )
    assert truth.names == ["W", "Se2"]
    counts = truth.counts()
    area = 0.328**2 * np.sqrt(0.75)
    for name in truth.names:
        assert counts[name] == pytest.approx(FIELD / area, rel=0.06)
    assert truth.cell_names == ["ring6"]
    # A hexagon alternates between metal and chalcogen.
    assert all((np.diff(truth.labels[cell]) != 0).all() for cell in truth.cells)


def test_defects_come_in_the_fractions_asked_for():
    fractions = {"vacancies": 0.1, "double_vacancies": 0.05}
    _, truth = monolayer(
        "MoS2",
        **fractions,
        metal_dopant=("Re", 0.08),
        chalcogen_dopant=("Se", 0.04),
        shape=(700, 740),
        dose=None,
    )
    counts, empty = truth.counts(), len(truth.extra["vacancies"])
    chalcogen = counts["S2"] + counts["S1"] + counts["Se2"] + empty
    metal = counts["Mo"] + counts["Re"]

    def agrees(number, total, fraction):
        return abs(number - total * fraction) < 4 * np.sqrt(total * fraction * (1 - fraction))

    assert chalcogen == pytest.approx(metal, rel=0.05)
    assert agrees(counts["S1"], chalcogen, 0.1)
    assert agrees(empty, chalcogen, 0.05)
    assert agrees(counts["Se2"], chalcogen, 0.04)
    assert agrees(counts["Re"], metal, 0.08)


def test_intensities_follow_the_species():
    image, truth = monolayer(
        "MoSe2", vacancies=0.15, shape=SHAPE, dose=None, disorder=0.0, probe_size=0.07, tails=0.0
    )
    height = {
        name: np.median(heights(image.data, truth.positions)[truth.labels == k])
        for k, name in enumerate(truth.names)
        if (truth.labels == k).any()
    }
    base = image.data.min()
    assert (height["Se2"] - base) / (height["Se1"] - base) == pytest.approx(2.0, rel=0.05)
    assert (height["W"] - base) / (height["Mo"] - base) == pytest.approx((74 / 42) ** 1.7, rel=0.05)


def test_double_vacancy_joins_three_hexagons():
    _, truth = monolayer(
        double_vacancies=0.02, vacancies=0.0, metal_dopant=None, chalcogen_dopant=None, shape=(400, 440)
    )
    holes = truth.extra["vacancies"]
    rings = [truth.positions[cell].mean(axis=0) for cell in truth.cells if len(cell) == 12]
    assert len(rings) >= 2
    assert cKDTree(holes).query(np.array(rings))[0].max() < 1.0
    spacing = 0.329 / np.sqrt(3) / 0.0125
    assert cKDTree(truth.positions).query(holes)[0].min() > 0.9 * spacing


@pytest.mark.parametrize("material", ["MoS2", "MoSe2", "MoTe2", "WS2", "WSe2", "NbSe2"])
def test_classes_are_those_asked_for_in_every_material(material):
    _, truth = monolayer(material, shape=(60, 80))
    assert len(truth.names) == len(set(truth.names)) == 5
    _, pure = monolayer(
        material, vacancies=0.0, metal_dopant=None, chalcogen_dopant=("O", 0.1), shape=(60, 80)
    )
    assert len(pure.names) == 3
    assert pure.names[2] == "O2"


@pytest.mark.parametrize(("boundary", "odd", "bonds"), [("4|4P", 4, 4), ("8", 8, 2)])
@pytest.mark.parametrize("material", ["MoS2", "NbSe2"])
def test_twin_boundary_is_a_mirror_with_its_rings(material, boundary, odd, bonds):
    _, truth = twin_boundary(material, boundary=boundary, vacancies=0.0, disorder=0.0, shape=SHAPE)
    parameter = {"MoS2": 0.316, "NbSe2": 0.344}[material] / 0.0125
    number = np.bincount([len(cell) for cell in truth.cells], minlength=9)
    assert set(np.flatnonzero(number)) == {6, odd}
    assert number[odd] == pytest.approx(300 / parameter, abs=2.1)
    mirrored = truth.positions * [1, -1] + [0, 239]
    inner = (np.abs(truth.positions - [149.5, 119.5]) < [120, 90]).all(axis=1)
    distance, index = cKDTree(truth.positions).query(mirrored[inner])
    assert distance.max() < 1e-6
    np.testing.assert_array_equal(truth.labels[inner], truth.labels[index])
    on = inner & (truth.extra["domain"] == 0)
    assert (truth.labels[on] == 1).all()
    metal = truth.positions[truth.labels == 0]
    near = cKDTree(metal).query_ball_point(truth.positions[on], 0.75 * parameter)
    assert {len(each) for each in near} == {bonds}
    assert str(odd) in truth.extra["figure"][on][0]


@pytest.fixture(scope="module")
def ferroelectric():
    return perovskite(shape=SHAPE, displacement=0.02, disorder=0.0, rotation=0.0)


def test_displacement_changes_sign_at_the_wall(ferroelectric):
    _, truth = ferroelectric
    assert truth.names == ["Sr", "Ti_plus_y", "Ti_minus_y"]
    sr = truth.positions[truth.labels == 0]
    parameter = 0.3905 / 0.014
    for label, sign in ((1, 1), (2, -1)):
        ti = truth.positions[truth.labels == label]
        distance, index = cKDTree(sr).query(ti, k=4)
        whole = distance.max(axis=1) < 0.8 * parameter
        off = ti[whole] - sr[index[whole]].mean(axis=1)
        far = np.abs(ti[whole, 0] - 149.5) > 3 * parameter
        np.testing.assert_allclose(off[:, 0], 0.0, atol=1e-6)
        np.testing.assert_allclose(off[far, 1] * 0.014, sign * 0.02, rtol=0.05)
        assert (np.sign(ti[:, 0] - 149.5) == sign).all()
    moved = truth.extra["displacement"]
    assert np.abs(moved[truth.labels == 0]).max() == 0


def test_perovskite_has_one_b_column_in_every_square(ferroelectric):
    _, truth = ferroelectric
    centre = np.array([truth.positions[cell].mean(axis=0) for cell in truth.cells])
    ti = truth.positions[truth.labels > 0]
    assert cKDTree(ti).query(centre)[0].max() < 0.03 / 0.014
    assert all((truth.labels[cell] == 0).all() and len(cell) == 4 for cell in truth.cells)


def test_abf_shows_oxygen_dark():
    image, truth = perovskite(detector="ABF", shape=SHAPE, dose=None)
    counts = truth.counts()
    assert counts["O"] == pytest.approx(2 * counts["Sr"], rel=0.15)
    assert heights(image.data, truth.positions[truth.labels == 3]).max() < 0.9 * image.data.max()
    assert heights(image.data, truth.positions[truth.labels == 0]).max() < 0.9 * image.data.max()


def test_oxygen_scatters_in_adf_and_is_listed_apart(ferroelectric):
    signal, truth = ferroelectric
    free = truth.extra["noise_free"]
    parameter = 0.3905 / 0.014
    sr = truth.positions[truth.labels == 0]
    oxygen = truth.extra["unlabelled"]
    assert len(oxygen) == pytest.approx(2 * len(sr), rel=0.15)
    middle = oxygen[(np.abs(oxygen - [150, 120]) < 60).all(axis=1)]
    np.testing.assert_allclose(cKDTree(sr).query(middle)[0], parameter / 2, rtol=1e-6)
    assert (heights(free, middle) > 1.1 * free.min()).all()
    assert not any(name == "O" for name in truth.names)
    assert signal.data.mean() == pytest.approx(free.mean(), rel=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lattice("hexagonal"), "choose one of square"),
        (lambda: lattice(spacing=-1.0), "positive"),
        (lambda: lattice(element="Xx"), "element"),
        (lambda: lattice(disorder=-0.1), "0 or more"),
        (lambda: monolayer("graphene"), "MoSe2"),
        (lambda: monolayer(vacancies=0.8, double_vacancies=0.4), "between 0 and 1"),
        (lambda: monolayer("WSe2", metal_dopant=("W", 0.1)), "dopant"),
        (lambda: twin_boundary(boundary="5|7"), "choose one of"),
        (lambda: perovskite("NaCl"), "SrTiO3"),
        (lambda: perovskite(wall_width=0.0), "positive"),
        (lambda: perovskite(detector="BF"), "choose one of"),
    ],
)
def test_impossible_specimens_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_truth_shows_its_numbers_instead_of_its_arrays():
    _, truth = monolayer(shape=(120, 141), random_state=1)
    text = repr(truth)
    assert text.startswith(f"<Truth: {len(truth.positions)} columns (Mo: {truth.counts()['Mo']}, ")
    assert text.endswith(f"; {len(truth.cells)} cells>")
