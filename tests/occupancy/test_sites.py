"""Sites: vacancies that were planted are found empty, missed columns return, false ones go, and disorder gains none."""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.spatial import cKDTree

from hyperspy_motifs import atoms, data
from hyperspy_motifs.occupancy import compare_models, complete, local_translations, same_kind

pytestmark = pytest.mark.usefixtures("two_radii")

SPECIMEN = {
    "shape": (250, 274),
    "pixel_size": 0.02,
    "dose": 8e4,
    "vacancies": 0.03,
    "double_vacancies": 0.03,
    "random_state": 5,
}


@pytest.fixture(scope="module")
def monolayer():
    image, truth = data.monolayer(**SPECIMEN)
    motifs = image.find_motifs(show_progressbar=False)
    return image, truth, motifs


def inside(points, shape, margin):
    rows, columns = shape
    return points[np.all((points > margin) & (points < np.array([columns, rows]) - 1 - margin), axis=1)]


def test_every_planted_double_vacancy_is_an_empty_site(monolayer):
    image, truth, motifs = monolayer
    planted = inside(truth.extra["vacancies"], image.data.shape, 0.5)
    sites = motifs.sites
    empty = sites.pixel_positions[~sites.occupied]
    assert len(planted) >= 5
    assert len(empty) == len(planted)
    distance, which = cKDTree(planted).query(empty)
    assert sorted(which) == list(range(len(planted)))
    spacing = motifs.parameters["spacing"] / image.axes_manager[0].scale
    assert distance.max() < 0.1 * spacing
    # The missing motif is the one of the full pairs of selenium.
    at_pair = cKDTree(truth.positions[truth.labels == 1]).query(motifs.pixel_positions)[0] < 2
    missing = np.bincount(motifs.labels[at_pair]).argmax()
    assert (sites.expected_motifs[~sites.occupied] == missing).all()
    assert (sites.probability[~sites.occupied] < 0.5).all()


def test_columns_with_one_atom_less_are_not_empty(monolayer):
    _, truth, motifs = monolayer
    single = truth.positions[truth.labels == truth.names.index("Se1")]
    empty = motifs.sites.pixel_positions[~motifs.sites.occupied]
    assert len(single) > 3
    assert cKDTree(empty).query(single)[0].min() > 5


def test_occupied_sites_are_the_atoms_in_their_order(monolayer):
    _, _, motifs = monolayer
    sites = motifs.sites
    n = len(motifs.positions)
    assert np.array_equal(sites.atoms[sites.occupied], np.arange(n))
    assert np.array_equal(sites.positions[:n], motifs.positions)
    assert np.allclose(sites.pixel_positions[:n], motifs.pixel_positions)
    text = motifs.summary()
    empty = np.unique(sites.expected_motifs[sites.vacant])
    assert all(f"sites of motif {k}" in text for k in empty)
    uncounted = sites.vacant.sum() - motifs.defects.counts["vacancy"]
    assert uncounted > 0
    assert f"too uncertain or too close to the border: {uncounted}" in text
    cut, n = int(motifs.cells.on_border.sum()), len(motifs.cells)
    assert f"{n - cut} cells: {n - cut} with 6 corners; {cut} more at the border" in text


def test_empty_sites_are_corners_of_hexagons_and_nodes_of_the_graph(monolayer):
    motifs = monolayer[0].deepcopy().motifs
    cells = motifs.cells
    assert set(cells.n_corners) == {6}
    open_corners = sum((polygon >= len(motifs.positions)).any() for polygon in cells.corners)
    assert open_corners > 8
    # Polygons are those of the atoms: they index the positions.
    assert [len(motifs.positions[polygon]) for polygon in cells.polygons] == (6 - cells.n_empty).tolist()
    assert "hexagon, 1 vacancy" in [c.name for c in cells.classes]
    vacancies = list(motifs.graph.find(kind="vacancy"))
    assert len(vacancies) == motifs.sites.vacant.sum()
    missing = {f"motif:{k}" for k in motifs.sites.expected_motifs[motifs.sites.vacant]}
    assert {motifs.graph.nodes[node]["missing"] for node in vacancies} == missing
    motifs.relabel({int(sorted(missing)[0].split(":")[1]): "Se2"})
    words = [motifs.graph.nodes[node]["description"] for node in motifs.graph.find(kind="cell-class")]
    assert "hexagon, 1 Se2 vacancy" in words
    assert all(motifs.graph.nodes[node]["probability"] < 0.5 for node in vacancies)
    ax = motifs.plot()
    assert f"empty sites ({len(vacancies)})" in [t.get_text() for t in ax.get_legend().get_texts()]
    plt.close(ax.figure)
    names = [marker.name for marker in motifs.export.markers(cells=True)]
    assert "vacancies" in names
    # Corners of exported polygons are places in the image, also those of empty sites.
    ring = motifs.export.geojson()["features"][0]["geometry"]["coordinates"][0]
    assert len(ring) == 7
    without = motifs.find_cells(vacancies=False)
    assert without.n_corners.max() > 6
    # Vacancies that are left are those of the list of defects, if it was read.
    assert all("defect" in motifs.graph.nodes[node] for node in motifs.graph.find(kind="vacancy"))


def test_sites_follow_files_crops_and_calibration(monolayer, tmp_path):
    image, _, motifs = monolayer
    sites = motifs.sites
    image.save(tmp_path / "image.hspy")
    again = hs.load(tmp_path / "image.hspy").motifs.sites
    assert np.array_equal(again.positions, sites.positions)
    assert np.array_equal(again.occupied, sites.occupied)
    part = image.isig[40:200, 30:240]
    cropped = part.motifs.sites
    atoms_of_part = part.motifs
    assert np.array_equal(cropped.positions[cropped.occupied], atoms_of_part.positions)
    empty = inside(sites.pixel_positions[~sites.occupied] - [40, 30], (210, 160), -0.5)
    found = cropped.pixel_positions[~cropped.occupied]
    assert len(empty) == len(found) > 0
    assert np.allclose(np.sort(empty, axis=0), np.sort(found, axis=0))
    other = image.deepcopy()
    other.axes_manager[0].scale *= 2
    other.axes_manager[1].scale *= 2
    assert np.allclose(other.motifs.sites.pixel_positions, sites.pixel_positions)
    assert np.allclose(
        other.motifs.sites.position_uncertainty, 2 * sites.position_uncertainty, equal_nan=True
    )


def test_a_model_that_is_applied_completes_the_other_image(monolayer):
    _, _, motifs = monolayer
    other, truth = data.monolayer(**{**SPECIMEN, "random_state": 11})
    found = motifs.predict(other, show_progressbar=False)
    planted = inside(truth.extra["vacancies"], other.data.shape, 0.5)
    empty = found.sites.pixel_positions[found.sites.vacant]
    assert len(planted) > 3
    assert (cKDTree(empty).query(planted)[0] < 2).all()
    assert len(empty) == len(planted)


def test_given_atoms_are_not_changed_and_their_gaps_are_empty_sites(monolayer):
    _, _, motifs = monolayer
    given = motifs.positions
    middle = np.argmin(np.hypot(*(motifs.pixel_positions - [130, 120]).T))
    without = np.delete(given, middle, axis=0)
    other = data.monolayer(**SPECIMEN)[0]
    found = other.find_motifs(atoms=without, refine=False, show_progressbar=False)
    assert np.array_equal(found.positions, without)
    sites = found.sites
    gap = np.argmin(np.hypot(*(sites.positions[sites.atoms < 0] - given[middle]).T))
    assert np.hypot(*(sites.positions[sites.atoms < 0][gap] - given[middle])) < 0.02
    # The image shows a column there: the site is not said to be empty.
    assert sites.probability[sites.atoms < 0][gap] > 0.95


def test_a_sublattice_found_in_parts_is_completed(monolayer):
    image, truth, _ = monolayer
    pixels = np.asarray(image.data, float)
    found = atoms.find_atoms(pixels)
    pairs = cKDTree(truth.positions[truth.labels == 1]).query(found.positions)[0] < 2
    lost = pairs & (np.random.default_rng(3).random(len(pairs)) < 0.6)
    completed, sites = complete(pixels, found.select(~lost))
    assert lost.sum() > 80
    distance = cKDTree(completed.positions).query(found.positions[lost])[0]
    assert (distance < 1.0).mean() > 0.98
    assert len(completed) <= len(found) + 1
    assert len(sites) == len(completed) + (sites.atoms < 0).sum()


def test_columns_that_other_cells_do_not_have_are_removed():
    image, truth = data.monolayer(
        shape=(250, 274),
        pixel_size=0.02,
        dose=4e4,
        vacancies=0,
        double_vacancies=0,
        metal_dopant=None,
        chalcogen_dopant=None,
    )
    pixels = np.asarray(image.data, float)
    found = atoms.find_atoms(pixels)
    centres = np.array([truth.positions[cell].mean(axis=0) for cell in truth.cells])
    ghosts = centres[np.random.default_rng(4).random(len(centres)) < 0.2]
    claimed = atoms.refine_atoms(pixels, np.concatenate([found.positions, ghosts]))
    completed, sites = complete(pixels, claimed)
    left = cKDTree(completed.positions).query(ghosts)[0]
    assert len(ghosts) > 15
    assert (left > 3).all()
    assert len(completed) == len(found)
    assert (sites.atoms >= 0).all()


def test_columns_at_the_border_are_placed_as_well_as_others():
    # Sulfur beside molybdenum beyond the border takes its flank, and moves towards it.
    imaging = {"shape": (250, 274), "pixel_size": 0.0125, "probe_size": 0.09, "rotation": 7.0, "dose": 2e5}
    image, truth = data.monolayer("MoS2", **imaging, random_state=2)
    found = atoms.find_atoms(image.data)
    completed, _ = complete(image.data, found)
    error, _ = cKDTree(truth.positions).query(completed.positions)
    extent = np.array(image.data.shape[::-1]) - 1
    edge = np.minimum(completed.positions, extent - completed.positions).min(axis=1) / found.separation
    known = error < 0.4 * found.separation
    rim, inner = known & (edge > 0.3) & (edge < 1), known & (edge > 2)
    assert np.sqrt(np.mean(error[rim] ** 2)) < 1.3 * np.sqrt(np.mean(error[inner] ** 2))


def test_empty_channels_of_a_large_cell_are_found():
    """The shortest translations of the M1 oxide are eight nearest-neighbour distances long."""
    image, truth = data.m1_oxide(shape=(640, 700), dose=3e4, random_state=5)
    pixels = np.asarray(image.data, float)
    found = atoms.find_atoms(pixels)
    _, sites = complete(pixels, found)
    empty = inside(sites.positions[sites.atoms < 0], pixels.shape, 4 * found.separation)
    channels = inside(truth.extra["vacancies"], pixels.shape, 4 * found.separation)
    assert len(channels) >= 5
    reach = 0.5 * found.separation
    assert (cKDTree(channels).query(empty)[0] < reach).all()
    assert (cKDTree(empty).query(channels)[0] < reach).mean() >= 0.8


def test_overlapping_lattices_gain_few_columns():
    image, truth = data.twisted_bilayer(twist=6.0, shape=(400, 440), random_state=4)
    pixels = np.asarray(image.data, float)
    found = atoms.find_atoms(pixels)
    completed, _ = complete(pixels, found)
    reach = 0.5 * found.separation

    def missed(columns):
        return (cKDTree(columns.positions).query(truth.positions)[0] > reach).sum()

    def nowhere(columns):
        return (cKDTree(truth.positions).query(columns.positions)[0] > reach).sum()

    # About a tenth of the columns of both layers have no maximum, and heights are measured between those that have one.
    assert missed(found) > 20
    assert nowhere(completed) < nowhere(found) + 0.04 * len(found)
    assert missed(completed) < missed(found)


def test_disorder_gains_no_site():
    rng = np.random.default_rng(6)
    points = []
    while len(points) < 300:
        p = rng.uniform(4, [236, 196])
        if not points or np.hypot(*(np.array(points) - p).T).min() > 9:
            points.append(p)
    points = np.array(points)
    y, x = np.mgrid[:200, :240]
    image = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / 12) for a, b in points)
    image = image + rng.normal(0, 0.05, image.shape)
    found = atoms.refine_atoms(image, points)
    completed, sites = complete(image, found)
    assert len(completed) == 300
    assert (sites.atoms >= 0).all()
    assert (sites.probability > 0.5).all()


def test_the_vacuum_beside_a_crystal_has_no_empty_sites():
    image, truth = data.crystal_edge(shape=(200, 230), random_state=2)
    pixels = np.asarray(image.data, float)
    found = atoms.find_atoms(pixels)
    completed, sites = complete(pixels, found)
    assert len(found) > 60
    # No column is added, and no true one is lost; noise in the vacuum may go.
    assert (cKDTree(found.positions).query(completed.positions)[0] < 2).all()
    assert (cKDTree(completed.positions).query(truth.positions)[0] < 0.3 * found.separation).all()
    # Where the edge meets the border of the image, what lies beyond is unknown.
    empty = sites.positions[sites.atoms < 0]
    assert len(inside(empty, pixels.shape, found.separation)) == 0


def test_translations_are_those_of_the_lattice_and_follow_its_strain():
    i, j = np.mgrid[:16, :19].reshape(2, -1)
    x = 10 * i + 0.02 * i**2
    lattice = np.column_stack([x, 12.0 * j])
    both = np.concatenate([lattice, lattice + np.array([5, 6])])
    heights = np.repeat([1.0, 0.5], len(lattice))
    image = np.ones((240, 190), bool)
    found = local_translations(both, heights, 7.8, image)
    middle = np.argmin(np.hypot(*(both - [60, 110]).T))
    vectors = found.vectors[middle][found.valid[middle]]
    along = vectors[np.argmin(np.hypot(*(vectors - [10, 0]).T))]
    assert np.allclose(along, [10 + 0.02 * (2 * (60 / 10.1) + 1), 0], atol=0.06)
    # The vector between the two kinds is none.
    assert np.hypot(*(vectors - [5, 6]).T).min() > 3


def test_probability_separates_empty_and_occupied_sites_by_their_noise():
    rng = np.random.default_rng(8)
    m, doubt = 400, 0.2
    occupied = rng.random(m) > 0.1
    amplitudes = np.where(occupied, 1.0, 0.0) + rng.normal(0, doubt, m)
    links = np.array([(k, k + d) for k in range(m) for d in range(1, 9) if k + d < m])
    found = compare_models(amplitudes, np.full(m, doubt), same_kind(links, m), np.ones(m, bool))
    assert ((found.probability > 0.5) == occupied).mean() > 0.97
    # A probability is one of being right.
    unsure = (found.probability > 0.05) & (found.probability < 0.95)
    wrong = np.where(occupied, 1 - found.probability, found.probability)
    assert abs(wrong.mean() - ((found.probability > 0.5) != occupied).mean()) < 0.02
    assert unsure.mean() < 0.15
    assert np.median(np.abs(found.expected - 1)) < 0.1


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_atoms_given_in_hollows_have_no_amplitude(monolayer):
    image, truth, _ = monolayer
    pixels = np.asarray(image.data, float)
    metal, pair = (truth.positions[truth.labels == k] for k in (0, 1))
    bond = pair[cKDTree(pair).query(metal[len(metal) // 2])[1]] - metal[len(metal) // 2]
    # Twice the bond from a metal atom is the middle of a hexagon.
    hollows = inside(metal + 2 * bond, pixels.shape, 6)
    given = atoms.refine_atoms(pixels, hollows)
    unchanged, sites = complete(pixels, given, change=False)
    assert (given.amplitude < 0).mean() > 0.9
    assert np.array_equal(unchanged.positions, given.positions)
    assert np.array_equal(sites.atoms[: len(given)], np.arange(len(given)))


@pytest.mark.parametrize(("material", "dose"), [("BaTiO3", 1e5), ("SrTiO3", 2e4), ("BaTiO3", 3e3)])
def test_oxygen_between_heavy_columns_is_found_whole_or_not_at_all(material, dose):
    """Its columns have 4 to 8 % of the height of the heavy ones, and stand in the dark, where counting leaves less noise."""
    imaging = data.Imaging(
        shape=(230, 251), pixel_size=0.013, probe_size=0.08, dose=dose, scattering=1e-5, rotation=18
    )
    specimen = data.perovskite_specimen(material, imaging.reach, displacement=0.0, oxygen=True)
    counts, truth = data.simulate(specimen.displaced(0.0015, 2), imaging, 2)
    image = counts.astype(float)
    columns, _ = complete(image, atoms.find_atoms(image))
    found = cKDTree(columns.positions).query(truth.positions)[0] < 4
    inner = ((truth.positions > 20) & (truth.positions < [230, 209])).all(axis=1)
    oxygen = truth.labels == truth.names.index("O")
    assert found[inner & ~oxygen].mean() > 0.98
    share = found[inner & oxygen].mean()
    assert share > 0.98 if dose > 1e4 else share < 0.02
