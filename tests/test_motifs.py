"""The whole chain on a simulated monolayer whose every column is known, and what a user does with the result."""

from dataclasses import replace

import hyperspy.api as hs
import numpy as np
import pytest
from scipy import ndimage
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score

from hyperspy_motifs import data, store
from hyperspy_motifs.cells import ring_statistics
from hyperspy_motifs.motifs import Motifs

SHAPE = (300, 364)


@pytest.fixture(scope="module")
def simulated():
    return data.monolayer(
        "MoSe2",
        vacancies=0.06,
        double_vacancies=0.0,
        metal_dopant=("W", 0.06),
        chalcogen_dopant=None,
        shape=SHAPE,
        dose=3e5,
        random_state=4,
    )


@pytest.fixture(scope="module")
def found(simulated):
    signal = simulated[0].deepcopy()
    signal.find_motifs(radius=0.6)
    return signal


@pytest.fixture
def motifs(found):
    return found.deepcopy().motifs


def matched(motifs, truth, margin=30):
    """Found and true atoms that are the same, away from the border."""
    distance, index = cKDTree(truth.positions).query(motifs.pixel_positions)
    pixels = motifs.pixel_positions
    inside = np.all((pixels > margin) & (pixels < np.array(SHAPE[::-1]) - margin), axis=1)
    return np.flatnonzero((distance < 4) & inside), index


def test_every_column_is_found_to_a_fraction_of_a_pixel(motifs, simulated):
    truth = simulated[1]
    rows, index = matched(motifs, truth)
    inside = np.all((truth.positions > 30) & (truth.positions < np.array(SHAPE[::-1]) - 30), axis=1)
    assert len(set(index[rows])) >= 0.99 * inside.sum()
    error = np.linalg.norm(motifs.pixel_positions[rows] - truth.positions[index[rows]], axis=1)
    assert np.median(error) < 0.2


def test_positions_are_x_then_y_in_nanometres(motifs, found):
    scale = found.axes_manager.signal_axes[0].scale
    np.testing.assert_allclose(motifs.positions, motifs.pixel_positions * scale)
    # More columns than rows: a swap of x and y would show.
    assert motifs.pixel_positions[:, 0].max() > SHAPE[0]
    assert motifs.pixel_positions[:, 1].max() < SHAPE[0]


def test_the_smallest_radius_tells_the_species(motifs, simulated):
    truth = simulated[1]
    rows, index = matched(motifs, truth)
    species, labels = truth.labels[index[rows]], motifs.labels_at(0.6)[rows]
    assert adjusted_rand_score(species, labels) > 0.9
    for rare in ("Se1", "W"):
        members = labels[species == truth.names.index(rare)]
        assert len(members) >= 5
        motif = np.bincount(members).argmax()
        # The motif that most of the rare atoms have belongs to them alone.
        assert np.mean(species[labels == motif] == truth.names.index(rare)) > 0.9
        assert np.mean(members == motif) > 0.8


def test_labels_are_numbered_by_frequency(motifs):
    assert (np.diff(motifs.counts) <= 0).all()
    assert motifs.counts.sum() == len(motifs.labels)
    assert motifs.probabilities.min() >= 0
    assert motifs.probabilities.max() <= 1


def test_the_same_again_bit_for_bit(simulated, motifs):
    again = simulated[0].deepcopy().find_motifs(radius=0.6)
    np.testing.assert_array_equal(again.positions, motifs.positions)
    np.testing.assert_array_equal(again.labels, motifs.labels)
    np.testing.assert_array_equal(again.layout, motifs.layout)


def test_cells_are_the_hexagons_of_the_honeycomb(motifs):
    cells = motifs.cells
    assert np.mean(cells.n_corners == 6) > 0.95
    a = 0.329
    inner = ~cells.on_border & (cells.n_corners == 6)
    assert np.median(cells.areas[inner]) == pytest.approx(np.sqrt(3) / 2 * a**2, rel=0.02)
    corners = motifs.labels[cells.polygons[int(np.flatnonzero(inner)[0])]]
    assert len(corners) == 6


def test_the_graph_holds_atoms_and_cells_with_their_types(motifs):
    graph = motifs.graph
    assert len(graph.find(level="atom")) == len(motifs.labels)
    hexagons = graph.find(level="cell", n_corners=6)
    assert len(hexagons) == int((motifs.cells.n_corners == 6).sum())
    children = graph.children(hexagons[0])
    assert len(children) == 6
    assert all(hexagons[0] in graph.parents(child) for child in children)


def test_means_look_like_the_atoms_they_stand_for(motifs):
    means = np.asarray(motifs.means.data)
    assert len(means) == motifs.n_motifs
    centre = means[:, means.shape[1] // 2, means.shape[2] // 2]
    heights = [np.median(motifs.to_dict()["amplitude"][motifs.labels == k]) for k in range(motifs.n_motifs)]
    # The brighter the columns of a motif, the brighter the middle of its mean.
    assert np.corrcoef(centre, heights)[0, 1] > 0.95


def test_what_lies_beyond_the_border_has_no_part_in_a_mean(motifs):
    size = motifs.means.data.shape[1]
    pixels = motifs.pixel_positions
    whole = np.all((pixels >= size // 2 + 1) & (pixels <= np.array(SHAPE[::-1]) - size // 2 - 2), axis=1)
    assert 0 < whole.sum() < len(whole)
    few = np.flatnonzero(whole)[3:60:11]
    labels = np.where(whole, 0, 1)
    labels[few] = 1
    motifs.relabel(labels)
    of_few = motifs.labels[few[0]]
    assert (motifs.labels == of_few).sum() == len(few) + (~whole).sum()
    steps = np.arange(size) - size // 2
    rows, columns = np.meshgrid(steps, steps, indexing="ij")
    image = np.asarray(motifs.signal.data, dtype=float)
    expected = np.mean(
        [map_coordinates(image, (rows + y, columns + x), order=3) for x, y in pixels[few]], axis=0
    )
    np.testing.assert_allclose(motifs.means.data[of_few], expected, atol=0.01 * expected.max())


def test_patches_and_features_follow_the_order_of_the_labels(motifs):
    assert motifs.patches.data.shape[0] == motifs.features.data.shape[0] == len(motifs.labels)
    middle = motifs.patches.data.shape[1] // 2
    mode = motifs.features.modes.tolist().index([0, 0])
    inside = np.isfinite(motifs.features.data[:, mode])
    patch_mean = motifs.patches.data[:, middle - 3 : middle + 4, middle - 3 : middle + 4].mean(axis=(1, 2))
    assert np.corrcoef(patch_mean[inside], motifs.features.data[inside, mode])[0, 1] > 0.9


def test_features_through_another_radius_see_a_larger_disc(motifs):
    assert motifs.at(1.2).features.radius == pytest.approx(2 * motifs.features.radius)
    with pytest.raises(ValueError, match="no radius 5"):
        motifs.labels_at(5)


def test_each_radius_has_its_certainties(motifs):
    np.testing.assert_array_equal(motifs.at(motifs.radius).probabilities, motifs.probabilities)
    for radius in motifs.radii:
        p = motifs.at(radius).probabilities
        assert p.shape == motifs.labels.shape
        assert 0 < p.min() <= p.max() <= 1
    assert motifs.at(2.4).probabilities.min() < 1
    with pytest.raises(ValueError, match="no radius 5"):
        motifs.at(5)


class TestEdits:
    def test_merge_makes_one_of_two_and_keeps_names(self, motifs):
        before = motifs.labels.copy()
        motifs.relabel({0: "metal", motifs.n_motifs - 1: "rarest"})
        last = motifs.n_motifs - 1
        motifs.merge([1, 2])
        assert motifs.n_motifs == last
        assert motifs.counts.sum() == len(before)
        merged = np.isin(before, [1, 2])
        assert len(np.unique(motifs.labels[merged])) == 1
        assert (motifs.labels[merged][0] != motifs.labels[~merged]).all()
        assert motifs.names[motifs.labels[before == 0][0]] == "metal"
        assert motifs.names[motifs.labels[before == last][0]] == "rarest"
        # The summary speaks of the motifs that there are now.
        assert f"  radius {motifs.radius:.3g} ({last} motif" in motifs.summary()

    def test_cells_are_named_anew_after_a_merge(self, motifs):
        bonds = motifs.cells.bonds.copy()
        motifs.merge(list(range(motifs.n_motifs)))
        assert {letter for word in motifs.cells.corner_sequences for letter in word} == {0}
        np.testing.assert_array_equal(motifs.cells.bonds, bonds)

    def test_undo_takes_the_last_edit_back_and_again_brings_it(self, motifs):
        before = motifs.labels.copy()
        motifs.merge([0, 1])
        merged = motifs.labels.copy()
        motifs.edit.undo()
        np.testing.assert_array_equal(motifs.labels, before)
        motifs.edit.undo()
        np.testing.assert_array_equal(motifs.labels, merged)

    def test_labels_by_hand_are_numbered_by_frequency(self, motifs):
        labels = np.where(np.arange(len(motifs.labels)) < 30, 7, 3)
        motifs.relabel(labels)
        assert motifs.n_motifs == 2
        assert (motifs.labels[:30] == 1).all()

    def test_split_of_a_motif_merged_before_finds_its_parts_again(self, motifs, simulated):
        before = motifs.labels.copy()
        motifs.merge([0, 1])
        together = int(motifs.labels[before == 0][0])
        motifs.split(together)
        both = np.isin(before, [0, 1])
        assert adjusted_rand_score(before[both], motifs.labels[both]) > 0.9

    def test_an_edit_reaches_the_metadata_and_other_views(self, motifs):
        other = motifs.signal.motifs
        n = other.n_motifs
        motifs.merge([0, 1])
        assert other.n_motifs == n - 1
        assert store.read(motifs.signal).labels.max() + 1 == n - 1

    @pytest.mark.parametrize(
        ("edit", "message"),
        [
            (lambda m: m.merge([0]), "two motifs or more"),
            (lambda m: m.merge([0, 99]), "no motif"),
            (lambda m: m.split(99), "no motif"),
            (lambda m: m.split(0, min_motif_size=4), "min_motif_size is 4; a whole number of 5 or more"),
            (lambda m: m.relabel({99: "x"}), "no motif"),
            (lambda m: m.relabel(np.zeros(3, int)), "one whole number"),
            (lambda m: m.edit.undo(), "nothing to undo"),
        ],
    )
    def test_wrong_edits_change_nothing(self, motifs, edit, message):
        before = motifs.labels.copy()
        with pytest.raises(ValueError, match=message):
            edit(motifs)
        np.testing.assert_array_equal(motifs.labels, before)


class TestWhatHyperspyDoesToIt:
    @pytest.mark.parametrize("ending", ["hspy", "zspy"])
    @pytest.mark.parametrize("lazy", [False, True])
    @pytest.mark.filterwarnings("ignore")
    def test_a_file_brings_everything_back(self, found, tmp_path, ending, lazy):
        found.save(tmp_path / f"image.{ending}")
        back = hs.load(tmp_path / f"image.{ending}", lazy=lazy)
        old, new = found.motifs, back.motifs
        for name in ("positions", "labels", "probabilities", "layout", "frames"):
            np.testing.assert_array_equal(getattr(new, name), getattr(old, name), err_msg=name)
        assert new.radii == old.radii
        assert new.radius == old.radius
        assert new.parameters == old.parameters
        assert new.names == old.names
        assert new.cells.corner_sequences == old.cells.corner_sequences
        np.testing.assert_array_equal(np.asarray(new.features.data), old.features.data)
        assert set(new.graph.edges) == set(old.graph.edges)
        np.testing.assert_allclose(np.asarray(new.means.data), old.means.data)

    def test_a_crop_keeps_the_atoms_and_whole_cells_that_remain(self, found):
        crop = found.isig[60:300, 40:]
        whole, left = found.motifs, crop.motifs
        tree = cKDTree(whole.positions)
        distance, index = tree.query(left.positions)
        assert distance.max() < 1e-9
        assert 0 < len(left.labels) < len(whole.labels)
        np.testing.assert_array_equal(left.labels, whole.labels[index])
        assert 0 < len(left.cells) < len(whole.cells)
        centres = cKDTree(whole.cells.centres)
        far, which = centres.query(left.cells.centres)
        assert far.max() < 1e-9
        assert [left.cells.corner_sequences[i] for i in range(len(left.cells))] == [
            whole.cells.corner_sequences[i] for i in which
        ]
        assert left.cells.on_border.sum() > 0
        assert len(left.graph.find(level="cell")) == len(left.cells)

    def test_empty_sites_follow_a_crop_and_new_units(self, found):
        copy = found.deepcopy()
        atoms = copy.motifs.positions
        middle = atoms[np.argmin(np.abs(atoms - np.median(atoms, axis=0)).sum(axis=1))]
        # A site beside the image's middle, as if an atom were missing there.
        vacant = middle + np.array([0.07, 0.05])
        cells = copy.motifs.find_cells(empty=[vacant])
        around = np.flatnonzero(cells.n_empty)
        assert len(around) > 0
        pixels = np.round(
            [axis.value2index(v) for axis, v in zip(copy.axes_manager.signal_axes, vacant, strict=True)]
        )
        x, y = pixels.astype(int)
        crop = copy.isig[x - 90 : x + 90, y - 70 : y + 70]
        left = crop.motifs.cells
        assert len(crop.motifs.positions) < left.vertices.max() + 1 == left.n_points + 1
        np.testing.assert_allclose(left.empty_sites, [vacant])
        assert left.n_empty.sum() == cells.n_empty.sum()
        np.testing.assert_allclose(
            np.sort(left.centres[left.n_empty > 0], axis=0), np.sort(cells.centres[around], axis=0)
        )
        assert crop.motifs.plot_cells("corners") is not None
        for axis in crop.axes_manager.signal_axes:
            axis.scale, axis.offset, axis.units = axis.scale * 10, axis.offset * 10, "Å"
        np.testing.assert_allclose(crop.motifs.cells.empty_sites, [10 * vacant])
        crop.motifs.merge([0, 1])
        assert crop.motifs.cells.n_empty.sum() == cells.n_empty.sum()

    def test_editing_a_crop_leaves_the_original_alone(self, found):
        crop = found.isig[60:300, 40:]
        before = found.motifs.labels.copy()
        crop.motifs.merge([0, 1])
        np.testing.assert_array_equal(found.motifs.labels, before)
        assert crop.motifs.n_motifs < found.motifs.n_motifs

    def test_arithmetic_keeps_it(self, found):
        np.testing.assert_array_equal((found * 3).motifs.labels, found.motifs.labels)

    def test_a_new_calibration_scales_positions_and_cells(self, found):
        other = found.deepcopy()
        for axis in other.axes_manager.signal_axes:
            axis.scale, axis.units = axis.scale * 10, "Å"
        assert other.motifs.units == "Å"
        np.testing.assert_allclose(other.motifs.positions, 10 * found.motifs.positions)
        np.testing.assert_allclose(other.motifs.cells.areas, 100 * found.motifs.cells.areas)
        np.testing.assert_allclose(other.motifs.cells.centres, 10 * found.motifs.cells.centres)

    def test_an_image_without_motifs_says_so(self, simulated):
        with pytest.raises(AttributeError, match=r"find_motifs\(\)"):
            _ = simulated[0].deepcopy().motifs
        with pytest.raises(ValueError, match=r"find_motifs\(\)"):
            Motifs(simulated[0].deepcopy())


class TestGivenAtoms:
    def test_positions_given_without_refinement_are_kept_to_the_bit(self, simulated):
        signal, truth = simulated[0].deepcopy(), simulated[1]
        scale = signal.axes_manager.signal_axes[0].scale
        motifs = signal.find_motifs(atoms=truth.positions * scale, refine=False, radius=0.6)
        np.testing.assert_allclose(motifs.pixel_positions, truth.positions, atol=1e-9)
        assert motifs.parameters["atoms"] == "given"

    def test_rough_positions_are_refined(self, simulated):
        signal, truth = simulated[0].deepcopy(), simulated[1]
        inside = np.all((truth.positions > 10) & (truth.positions < np.array(SHAPE[::-1]) - 10), axis=1)
        rough = truth.positions[inside] + np.random.default_rng(0).uniform(-1, 1, (inside.sum(), 2))
        motifs = signal.find_motifs(atoms=rough * signal.axes_manager.signal_axes[0].scale, radius=0.6)
        error = np.linalg.norm(motifs.pixel_positions - truth.positions[inside], axis=1)
        assert np.median(error) < 0.25

    def test_atoms_edited_by_hand_are_used(self, simulated):
        signal = simulated[0].deepcopy()
        table = signal.find_atoms()
        signal.remove_atoms(table.positions[[5, 20]])
        motifs = signal.find_motifs(radius=0.6)
        assert len(motifs.labels) == len(table) - 2
        assert motifs.parameters["atoms"] == "edited"


def test_a_radius_in_axis_units_is_the_only_one(simulated):
    signal = simulated[0].deepcopy()
    length = 0.6 * float(signal.estimate_atom_separation()[0])
    motifs = signal.find_motifs(radius=length, radius_units="axes", show_progressbar=False)
    assert motifs.radii == (motifs.radius,)
    assert motifs.radius * motifs.parameters["spacing"] == pytest.approx(length)
    assert motifs.parameters["options"]["radius"] == length
    patches = motifs.signal.get_atom_patches(radius=length, radius_units="axes")
    assert patches.radius == pytest.approx(motifs.patches.radius)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"radius": "small"}, ValueError, "radius is 'small'"),
        ({"radius": 40.0}, ValueError, "0.2 to 10"),
        ({"radius": 1.2, "radius_units": "nm"}, ValueError, "radius_units is 'nm'; expected 'nn' or 'axes'"),
        ({"radius": 100.0, "radius_units": "axes"}, ValueError, "units of the axes"),
        ({"separation": -1.0}, ValueError, "positive length"),
        ({"polarity": "up"}, ValueError, "'bright' or 'dark'"),
        ({"n_motifs": 0}, ValueError, "n_motifs is 0"),
        ({"min_motif_size": 4}, ValueError, "min_motif_size is 4; a whole number of 5 or more"),
        ({"n_max": 2.5}, ValueError, "whole number"),
        ({"atoms": [[0.5, 0.5]]}, ValueError, "at least 12"),
        ({"atoms": "all"}, TypeError, "Sublattice"),
    ],
)
def test_a_wrong_argument_is_refused_and_the_earlier_result_stays(motifs, arguments, error, message):
    before, edition = motifs.labels.copy(), store.edition(motifs.signal)
    with pytest.raises(error, match=message):
        motifs.signal.find_motifs(**arguments)
    assert store.edition(motifs.signal) == edition
    np.testing.assert_array_equal(motifs.labels, before)


def test_a_stack_has_one_model_and_a_frame_for_every_atom(simulated):
    image = simulated[0]
    halves = [image.isig[:180, :240].data, image.isig[184:, 60:].data]
    stack = hs.signals.Signal2D(np.stack(halves))
    for axis, name in zip(stack.axes_manager.signal_axes, "xy", strict=True):
        axis.scale, axis.units, axis.name = 0.0125, "nm", name
    stack.set_signal_type("atomic_image")
    motifs = stack.find_motifs(radius=0.6)
    assert set(motifs.frames) == {0, 1}
    # The two frequent motifs of either frame are the same two.
    for frame in (0, 1):
        counts = np.bincount(motifs.labels[motifs.frames == frame], minlength=motifs.n_motifs)
        assert set(np.argsort(-counts)[:2]) == {0, 1}
    first = motifs.cells.vertices[motifs.cells.offsets[:-1]]
    for polygon, start in zip(motifs.cells.polygons, first, strict=True):
        assert (motifs.frames[polygon] == motifs.frames[start]).all()
    assert "Delaunay" in motifs.cells.reason
    assert "frame by frame" in motifs.cells.reason
    lazy = stack.as_lazy()
    lazy.set_signal_type("atomic_image")
    np.testing.assert_array_equal(lazy.find_motifs(radius=0.6).labels, motifs.labels)


def test_the_painted_image_is_nearer_to_the_truth_than_any_gaussian_filter():
    signal, truth = data.monolayer(shape=(300, 364), dose=3e4, random_state=6)
    motifs = signal.find_motifs(radius=0.6)
    painted = motifs.reconstruct()
    assert type(painted) is type(signal)
    assert not store.has_result(painted)
    noisy = signal.data.astype(float)
    expected = truth.extra["noise_free"] * (noisy.mean() / truth.extra["noise_free"].mean())
    inside = np.zeros(noisy.shape, bool)
    inside[30:-30, 30:-30] = True
    assert np.isfinite(painted.data[inside]).mean() > 0.99
    inside &= np.isfinite(painted.data)
    error = np.std((painted.data - expected)[inside])
    filtered = [
        np.std((ndimage.gaussian_filter(noisy, w) - expected)[inside]) for w in np.arange(0.75, 4, 0.25)
    ]
    # Three decibels and more.
    assert error < min(filtered) / np.sqrt(2)


class TestPredict:
    def test_a_second_view_gets_the_same_motifs_under_the_same_numbers(self, motifs, simulated):
        other, truth = data.monolayer(
            "MoSe2",
            vacancies=0.06,
            double_vacancies=0.0,
            metal_dopant=("W", 0.06),
            chalcogen_dopant=None,
            shape=SHAPE,
            dose=3e5,
            random_state=9,
        )
        motifs.relabel({0: "most", 1: "second"})
        found = motifs.predict(other)
        assert found.names[:2] == ["most", "second"]
        rows, index = matched(found, truth)
        learned, known = matched(motifs, simulated[1])
        meaning = {
            k: np.bincount(simulated[1].labels[known[learned]][motifs.labels[learned] == k]).argmax()
            for k in np.unique(motifs.labels[learned])
        }
        species = np.array([meaning[k] for k in found.labels[rows]])
        assert np.mean(species == truth.labels[index[rows]]) > 0.97
        for rare in ("Se1", "W"):
            of_it = truth.labels[index[rows]] == truth.names.index(rare)
            assert np.mean(species[of_it] == truth.names.index(rare)) > 0.8

    def test_merged_motifs_stay_merged(self, motifs):
        motifs.merge([0, 1])
        other = motifs.signal.isig[:200, :].deepcopy()
        store.remove(other)
        found = motifs.predict(other)
        whole = {
            tuple(p): k for p, k in zip(np.round(motifs.positions, 3).tolist(), motifs.labels, strict=True)
        }
        pairs = [
            (whole[tuple(p)], k)
            for p, k in zip(np.round(found.positions, 3).tolist(), found.labels, strict=True)
            if tuple(p) in whole
        ]
        assert len(pairs) > 30
        assert np.mean([a == b for a, b in pairs]) > 0.95

    def test_what_is_unlike_all_motifs_is_strange(self, motifs):
        other = motifs.signal.deepcopy()
        store.remove(other)
        pixels = motifs.pixel_positions
        centre = int(np.argmin(np.hypot(*(pixels - [180, 150]).T)))
        column, row = np.rint(pixels[centre]).astype(int)
        other.change_dtype("float64")
        rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
        peak = 6 * other.data.max() * np.exp(-((columns - column) ** 2 + (rows - row) ** 2) / (2 * 4.0**2))
        other.data += peak
        found = motifs.predict(other)
        nearest = int(np.argmin(np.hypot(*(found.pixel_positions - [column, row]).T)))
        outlier_score = found.to_dict()["outlier_score"]
        assert 1 - outlier_score[nearest] < 1 / len(outlier_score)
        assert np.median(outlier_score) < 0.9
        assert found.probabilities[nearest] < 0.5
        assert np.median(found.probabilities) > 0.9


class TestCells:
    def test_the_metal_alone_tiles_triangles(self, motifs, simulated):
        truth = simulated[1]
        rows, index = matched(motifs, truth)
        species = np.array(truth.names)[truth.labels[index[rows]]]
        metal = np.isin(species, ["Mo", "W"])
        heavy = [k for k in range(motifs.n_motifs) if metal[motifs.labels[rows] == k].mean() > 0.5]
        cells = motifs.find_cells(motifs=heavy)
        assert np.mean(cells.n_corners == 3) > 0.95
        inner = ~cells.on_border & (cells.n_corners == 3)
        assert np.median(cells.areas[inner]) == pytest.approx(np.sqrt(3) / 4 * 0.329**2, rel=0.02)
        assert set(motifs.labels[cells.vertices]) <= set(heavy)
        assert len(motifs.cells) == len(cells)

    def test_patches_of_cells_are_dark_in_the_middle_of_a_hexagon(self, motifs):
        patches = motifs.export.cell_patches(radius=0.15)
        hexagons = motifs.cells.n_corners[patches.atoms] == 6
        mean = patches.data[hexagons].mean(axis=0)
        middle = mean.shape[0] // 2
        assert mean[middle, middle] == pytest.approx(float(mean.min()), abs=0.1 * float(np.ptp(mean)))

    def test_cells_can_be_coloured_by_all_that_is_known_of_them(self, motifs):
        import matplotlib.pyplot as plt

        for choice in ("class", "corners", "shape", "handedness", "centre_atom"):
            (cells,) = motifs.plot_cells(choice).collections
            assert len(cells.get_facecolors()) == len(motifs.cells)
        angles = motifs.plot_cells("orientation").collections[0]
        period = 360 / motifs.cells.symmetry
        turn = angles.get_array() / (angles.get_clim()[1] if len(np.unique(period)) == 1 else 1)
        expected = np.degrees(motifs.cells.orientation) / period
        np.testing.assert_allclose(np.exp(2j * np.pi * turn), np.exp(2j * np.pi * expected), atol=1e-9)
        assert angles.get_clim()[0] == 0
        np.testing.assert_allclose(angles.cmap(0.0), angles.cmap(1.0), atol=0.02)  # cyclic
        for choice, component in (("strain_xx", 0), ("strain_yy", 1), ("strain_xy", 2)):
            strain = motifs.plot_cells(choice).collections[0]
            np.testing.assert_allclose(strain.get_array(), 100 * motifs.cells.strain[:, component])
            low, high = strain.get_clim()
            assert low == -high < 0
        area = motifs.plot_cells("strain").collections[0]
        np.testing.assert_allclose(area.get_array(), 100 * motifs.cells.strain[:, :2].sum(axis=1))
        with pytest.raises(ValueError, match=r"orientation.*strain"):
            motifs.plot_cells("colour")
        plt.close("all")

    def test_graph_knows_its_image_and_classes_their_pictures(self, motifs):
        import matplotlib.pyplot as plt

        ax = motifs.graph.plot(motifs.graph.find(level="cell")[:3])
        np.testing.assert_array_equal(ax.images[0].get_array(), motifs.signal.data)
        drawn = motifs.plot.hierarchy(most=3)
        rows = {d["kind"] for _, d in motifs.graph.types.nodes(data=True)} - {
            "domain-class",
            "boundary-class",
        }
        assert len(drawn.images) >= len(rows)
        # The mean of the brightest motif is brightest in its middle.
        picture = drawn.images[0].get_array()
        middle = np.array(picture.shape) // 2
        assert picture[tuple(middle)] > np.quantile(picture.data, 0.9)
        plt.close("all")

    def test_cells_are_grouped_by_what_the_image_shows_in_them(self, motifs):
        sizes = motifs.cells.n_corners
        groups = motifs.cluster_cells(n_corners=6)
        assert set(np.unique(groups[sizes != 6]).tolist()) <= {-1}
        assert np.sum(groups[sizes == 6] >= 0) > 0.7 * np.sum(sizes == 6)
        with pytest.raises(ValueError, match="n_corners is 11"):
            motifs.cluster_cells(n_corners=11)

    def test_most_rings_of_a_honeycomb_are_hexagons(self, motifs):
        found = ring_statistics(motifs.cells, border=True)
        assert found.sizes[np.argmax(found.counts)] == 6


def test_an_atom_lattice_has_one_sublattice_a_motif(motifs):
    lattice = motifs.export.atom_lattice()
    assert len(lattice.sublattice_list) == motifs.n_motifs
    for sublattice, count in zip(lattice.sublattice_list, motifs.counts, strict=True):
        assert len(sublattice.x_position) == count
    again = motifs.signal.deepcopy().find_motifs(atoms=lattice, refine=False, radius=0.6)
    assert len(again.labels) == len(motifs.labels)
    assert (
        adjusted_rand_score(
            motifs.labels, again.labels[cKDTree(again.pixel_positions).query(motifs.pixel_positions)[1]]
        )
        > 0.95
    )


class TestRelaxation:
    def test_layouts_are_compared_on_the_same_atoms(self, motifs):
        axes = motifs.plot.layouts(umap=False)
        titles = [ax.get_title() for ax in np.ravel(axes)]
        assert titles[:3] == ["principal components", "repulsion-dominated", "attraction-dominated"]

    def test_the_film_is_a_stack_and_an_animation(self, motifs):
        film = motifs.export.relaxation(every=25, size=48)
        known = np.isfinite(motifs.features.data).all(axis=1).sum()
        np.testing.assert_array_equal(film.data.sum(axis=(1, 2)), known)
        assert film.axes_manager.navigation_axes[0].scale == 25
        animation = motifs.plot.relaxation(every=25)
        animation._init_draw()
        with pytest.raises(ValueError, match="whole number"):
            motifs.export.relaxation(every=0)

    def test_the_tree_cuts_to_any_number(self, motifs):
        tree = motifs.tree
        assert tree.size[0] == len(motifs.labels)
        for k in (1, 2, 3):
            assert len(np.unique(tree.cut(k))) == k


class TestWhatAReaderFound:
    """Ways of use that once went wrong."""

    def test_everything_still_works_after_a_new_calibration(self, found):
        other = found.deepcopy()
        for axis in other.axes_manager.signal_axes:
            axis.scale, axis.units = axis.scale * 1000, "pm"
        old, new = found.motifs, other.motifs
        np.testing.assert_allclose(new.patches.data, old.patches.data)
        np.testing.assert_allclose(new.means.data, old.means.data)
        assert new.parameters["spacing"] == pytest.approx(1000 * old.parameters["spacing"])
        assert new.at(1.2).features.data.shape == old.at(1.2).features.data.shape

    def test_a_table_of_a_larger_field_is_refused(self, simulated):
        signal = simulated[0].deepcopy()
        table = signal.find_atoms()
        with pytest.raises(ValueError, match="outside the image"):
            signal.isig[:150, :150].find_motifs(atoms=table)

    def test_what_was_known_of_atoms_survives_an_edit_by_hand(self, simulated):
        signal = simulated[0].deepcopy()
        table = signal.find_atoms()
        signal.remove_atoms(table.positions[[5]])
        motifs = signal.find_motifs(radius=0.11, radius_units="axes")
        np.testing.assert_array_equal(motifs.to_dict()["amplitude"], np.delete(table.amplitude, 5))
        assert motifs.parameters["polarity"] == "bright"

    def test_a_part_without_atoms_says_so(self, motifs):
        empty = motifs.signal.isig[:2, :2].motifs
        assert len(empty.labels) == 0
        assert "no atoms" in empty.summary()

    def test_a_frame_picked_from_a_stack_keeps_its_motifs(self, simulated):
        image = simulated[0].isig[:200, :150]
        other = image._deepcopy_with_new_data(image.data[::-1, ::-1].copy())
        stack = hs.stack([image, other, image])
        stack.set_signal_type("atomic_image")
        stack.axes_manager[0].scale = 0.5
        motifs = stack.find_motifs(radius=0.11, radius_units="axes")
        for k, by in ((1, 1), (1, 0.5), (2, -1)):
            picked = stack.inav[by]
            np.testing.assert_array_equal(picked.motifs.positions, motifs.positions[motifs.frames == k])
            np.testing.assert_array_equal(picked.motifs.labels, motifs.labels[motifs.frames == k])
            assert set(picked.motifs.frames) == {0}
        # A slice of a slice, on which an edit is written, and the stack itself as it was.
        part = stack.inav[1:].inav[0].isig[:, :100]
        part.motifs.relabel({0: "a"})
        assert 50 < len(part.motifs.labels) < (motifs.frames == 1).sum()
        assert len(stack.motifs.labels) == len(motifs.labels)
        # Where HyperSpy does not slice, nothing is known.
        lost = stack.max(axis=0)
        lost.set_signal_type("atomic_image")
        with pytest.warns(UserWarning, match="none of the frames"):
            assert not hasattr(lost, "motifs")

    @pytest.mark.parametrize("argument", [{"random_state": None}, {"refine": "foo"}])
    def test_arguments_are_checked_before_any_work(self, motifs, argument):
        with pytest.raises(ValueError, match=next(iter(argument))):
            motifs.signal.find_motifs(**argument)


def test_filled_and_empty_channels_fall_apart_by_what_the_image_shows():
    s, truth = data.m1_oxide(shape=(740, 700), empty_channels=0.4, random_state=3)
    names = np.array(truth.names)[truth.labels]
    filler = np.char.endswith(names, "channel")
    positions = truth.positions * s.axes_manager[0].scale
    framework = positions[~filler]
    motifs = s.find_motifs(framework, refine=False, radius=0.6, show_progressbar=False)
    cells = motifs.cells
    groups = motifs.cluster_cells(n_corners=6)
    looked = np.flatnonzero(groups >= 0)
    assert len(looked) >= 8
    distance = np.linalg.norm(cells.centres[looked][:, None] - positions[filler], axis=2).min(axis=1)
    filled = distance < 0.1
    assert 0 < filled.sum() < len(looked)
    assert groups.max() == 1
    assert len(set(groups[looked][filled])) == len(set(groups[looked][~filled])) == 1


def test_atoms_whose_disc_is_cut_are_told_and_a_motif_of_them_is_named_so(found):
    signal = found.deepcopy()
    pixels = signal.motifs.pixel_positions
    radius = 0.6 * signal.motifs.parameters["spacing"] / signal.axes_manager[0].scale
    gap = np.min(
        [pixels[:, 0], pixels[:, 1], SHAPE[1] - 1 - pixels[:, 0], SHAPE[0] - 1 - pixels[:, 1]], axis=0
    )
    np.testing.assert_array_equal(signal.motifs.truncated, gap < radius)
    assert 0 < signal.motifs.truncated.sum() < 0.1 * len(gap)
    assert "truncated by the border" not in signal.motifs.summary()
    np.testing.assert_array_equal(signal.motifs.to_dict()["truncated"], gap < radius)

    labels = np.where(gap < radius, signal.motifs.n_motifs, signal.motifs.labels)
    record = store.read(signal)
    store.write(signal, replace(record, labels=labels.astype(record.labels.dtype)))
    expected = f"({int((gap < radius).sum())} of them truncated by the border)"
    assert sum(line.endswith(expected) for line in signal.motifs.summary().splitlines()) == 1


def test_a_crop_has_its_own_border(found):
    cropped = found.isig[50:, :].motifs
    assert cropped.truncated[np.argmin(cropped.pixel_positions[:, 0])]
    assert not cropped.truncated[np.argmin(np.abs(cropped.pixel_positions - 120).sum(axis=1))]
