"""What the result of a simulated monolayer, whose every column is known, says."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from scipy.ndimage import map_coordinates
from sklearn.metrics import adjusted_rand_score

from hyperspy_motifs import data, store

pytestmark = pytest.mark.usefixtures("two_radii")

# Rows and columns of the monolayer of these tests.
SHAPE = (300, 364)


def test_every_column_is_found_to_a_fraction_of_a_pixel(motifs, simulated, matched):
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


def test_the_smallest_radius_tells_the_species(motifs, simulated, matched):
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
    assert motifs.at(1.2).probabilities.min() < 1
    with pytest.raises(ValueError, match="no radius 5"):
        motifs.at(5)


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


def test_the_tree_cuts_to_any_number(motifs):
    tree = motifs.tree
    assert tree.size[0] == len(motifs.labels)
    for k in (1, 2, 3):
        assert len(np.unique(tree.cut(k))) == k


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


def test_an_earlier_result_keeps_its_answers_when_motifs_are_found_again(motifs):
    signal = motifs.signal.isig[:190, :150]
    motifs, view = signal.motifs, signal.motifs
    motifs.edit.relabel({0: "Se"})
    assert view.names[0] == "Se", "an edit is one of the result, for every view of it"
    labels, counts, cells = motifs.labels, motifs.counts, motifs.cells.n_corners
    options = {"radius": 0.2, "radius_units": "axes", "refine": False, "n_motifs": 2}
    some = motifs.positions[20:]
    motifs.edit.relabel({1: "Mo"})
    now = signal.find_motifs(atoms=some, **options)
    assert (now.n_motifs, len(now.labels)) == (2, len(labels) - 20)
    assert motifs.names[1] == "Mo", "an edit is kept though nothing was read after it"
    for earlier in (motifs, view):
        np.testing.assert_array_equal(earlier.labels, labels)
        np.testing.assert_array_equal(earlier.counts, counts)
        np.testing.assert_array_equal(earlier.cells.n_corners, cells)
        assert (earlier.names[0], earlier.radius) == ("Se", 0.6)
        assert len(earlier.means.data) == earlier.n_motifs
    # What is done to it later is done to a copy of the image.
    assert motifs.edit.merge([0, 1]).n_motifs == len(counts) - 1
    assert motifs.signal.motifs.n_motifs == len(counts) - 1
    assert np.shares_memory(motifs.signal.data, signal.data)
    assert signal.motifs.n_motifs == now.n_motifs == 2


def test_the_result_of_an_image_that_has_changed_is_not_that_of_the_changed_image(motifs):
    signal = motifs.signal.isig[:190, :150]
    motifs = signal.motifs
    signal.data = signal.data[::-1, ::-1] ** 2
    now = signal.find_motifs(radius=0.2, radius_units="axes", n_motifs=2)
    for _ in range(2):
        with pytest.warns(UserWarning, match="dropped"), pytest.raises(ValueError, match="pixels"):
            _ = motifs.n_motifs
    np.testing.assert_array_equal(signal.motifs.labels, now.labels)


def test_edits_are_those_of_a_result_that_was_stored_without_a_name(motifs):
    signal = motifs.signal.isig[:190, :150]
    del signal.metadata.Motifs.result
    motifs, view = signal.motifs, signal.motifs
    motifs.edit.relabel({0: "Se"})
    assert (motifs.names[0], view.names[0], signal.motifs.names[0]) == ("Se", "Se", "Se")


def test_an_earlier_result_keeps_its_mask(motifs):
    signal = motifs.signal.isig[:190, :150]
    motifs = signal.motifs
    tested = motifs.find_outliers().n_tested
    mask = np.zeros(signal.data.shape, bool)
    mask[:, :60] = True
    options = {"radius": 0.2, "radius_units": "axes", "n_motifs": 2, "mask": mask}
    now = signal.find_motifs(**options)
    assert len(now.labels) < len(motifs.labels)
    assert motifs.find_outliers().n_tested == tested
