"""Sites: what the places of the neighbours tell, whatever the neighbours are."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from hyperspy_motifs.clustering import NestedRadii
from hyperspy_motifs.clustering._motif_tree import merged_kinds
from hyperspy_motifs.clustering._site_classifier import SiteClassifier, sites_of_kinds
from hyperspy_motifs.data import m1_oxide
from hyperspy_motifs.sites import Neighbourhoods, find_sites
from hyperspy_motifs.zernike import ZernikeBasis, get_moments

SPACING = 12.0
SHAPE = (380, 420)
PIXEL = 0.015  # nm, of the oxide
# Four columns in a cell of 2.4 x 2.2 spacings, as far apart as atoms are; no two have equal neighbours.
CELL = np.array([[2.4, 0.0], [0.0, 2.2]])
SITES = np.array([[0.1, 0.2], [1.25, 0.05], [0.5, 1.2], [1.7, 1.1]])


def crystal(turn=0.0, flip=1.0, shear=0.0, jitter=0.008, seed=0):
    """x, y in pixels and the site of each atom, inside the image."""
    rng = np.random.default_rng(seed)
    i, j = np.mgrid[-25:25, -25:25].reshape(2, -1)
    corners = np.column_stack([i, j]) @ CELL
    points = (corners[:, None] + SITES).reshape(-1, 2) * [1.0, flip]
    sites = np.tile(np.arange(len(SITES)), len(corners))
    cosine, sine = np.cos(turn), np.sin(turn)
    points = points @ np.array([[cosine, sine], [-sine, cosine]])
    points = (points + rng.normal(0, jitter, points.shape)) * SPACING + np.array(SHAPE)[::-1] / 2
    points[:, 0] += shear * points[:, 1]
    inside = (points > 0).all(axis=1) & (points < np.array(SHAPE)[::-1] - 1).all(axis=1)
    return points[inside], sites[inside]


def neighbours(points):
    return Neighbourhoods.of(points, SHAPE, SPACING)


def with_gaps(points, sites, site, share, seed=3):
    gone = (sites == site) & (np.random.default_rng(seed).random(len(sites)) < share)
    return points[~gone], sites[~gone]


@pytest.fixture(scope="module")
def grains():
    """Two crystals, one turned by 0.7 rad and mirrored, with a fifth of the third site empty."""
    points, sites = with_gaps(*crystal(), 2, 0.2)
    others, their_sites = with_gaps(*crystal(0.7, -1.0, seed=1), 2, 0.2)
    left, right = points[:, 0] < 205, others[:, 0] > 215
    return np.concatenate([points[left], others[right]]), np.concatenate([sites[left], their_sites[right]])


def test_sites_are_those_of_the_cell_in_any_orientation_beside_empty_places(grains):
    points, truth = grains
    around = neighbours(points)
    kinds = np.zeros(len(points), dtype=np.int32)
    sites = find_sites(around, kinds, rotation_invariant=True)
    assert sites is not None
    found, probabilities, fits = sites.assign(around, kinds, around.kinds(kinds))
    away = (np.abs(points[:, 0] - 210) > 3 * SPACING) & around.whole
    assert adjusted_rand_score(truth[away], found[away]) > 0.99
    assert np.median(probabilities.max(axis=1)) > 0.999
    # The right grain is the mirror image of the left one, for every site.
    mirrored = fits.mirrored[np.arange(len(found)), found]
    for site in np.unique(found[away]):
        left, right = (
            mirrored[away & (found == site) & side] for side in (points[:, 0] < 210, points[:, 0] > 210)
        )
        assert max(left.mean(), 1 - left.mean()) > 0.95
        assert abs(left.mean() - right.mean()) > 0.9


def test_orientation_counts_where_it_is_asked_for(grains):
    points, truth = grains
    around = neighbours(points)
    kinds = np.zeros(len(points), dtype=np.int32)
    sites = find_sites(around, kinds, rotation_invariant=False)
    assert sites is not None
    found = sites.assign(around, kinds, around.kinds(kinds))[0]
    away = (np.abs(points[:, 0] - 210) > 3 * SPACING) & around.whole
    both = 2 * truth + (points[:, 0] > 210)
    assert adjusted_rand_score(both[away], found[away]) > 0.99


@pytest.mark.parametrize("rotation_invariant", [False, True])
@pytest.mark.parametrize("shear", [0.0, 0.04])
def test_one_site_with_vacancies_and_a_sheared_scan_is_no_finding(rotation_invariant, shear):
    i, j = np.mgrid[-25:25, -25:25].reshape(2, -1)
    rng = np.random.default_rng(4)
    points = np.column_stack([i + 0.5 * j, np.sqrt(0.75) * j]) + rng.normal(0, 0.03, (len(i), 2))
    points = points[rng.random(len(points)) > 0.08] * SPACING + np.array(SHAPE)[::-1] / 2
    # The shear grows from one side to the other, as by drift of the sample.
    points[:, 0] += shear * points[:, 1] * points[:, 1] / SHAPE[0]
    points = points[(points > 0).all(axis=1) & (points < np.array(SHAPE)[::-1] - 1).all(axis=1)]
    kinds = np.zeros(len(points), dtype=np.int32)
    assert find_sites(neighbours(points), kinds, rotation_invariant=rotation_invariant) is None


def test_neighbours_of_two_kinds_do_not_make_two_sites():
    """Two species at random on one lattice: what is next door is no site."""
    i, j = np.mgrid[:30, :30].reshape(2, -1)
    rng = np.random.default_rng(5)
    points = np.column_stack([i + 0.5, j + 0.5]) * SPACING + rng.normal(0, 0.2, (900, 2))
    kinds = (rng.random(900) < 0.5).astype(np.int32)
    around = Neighbourhoods.of(points, (360, 360), SPACING)
    assert find_sites(around, kinds, rotation_invariant=True) is None


def test_an_atom_onto_which_no_pattern_can_be_laid_is_as_far_from_all_sites():
    points, _ = crystal()
    around = neighbours(points)
    kinds = np.zeros(len(points), dtype=np.int32)
    sites = find_sites(around, kinds, rotation_invariant=True)
    stray = neighbours(np.array([[20.0, 4.0], [20.0 + 0.5 * SPACING, 5.0]]))
    found, probabilities, fits = sites.assign(stray, kinds[:2], stray.kinds(kinds[:2]))
    np.testing.assert_allclose(probabilities, 1 / len(sites.kind))
    assert np.isfinite(fits.costs).all()
    assert found.tolist() == [0, 0]


def test_kinds_that_cut_through_sites_are_one_kind():
    """The first radius split the atoms of four sites by chance, at 3.6 spreads, into three kinds."""
    points, truth = crystal(seed=6)
    kinds = np.random.default_rng(7).integers(0, 3, len(points)).astype(np.int32)
    around = neighbours(points)
    merges = [(0, kind, 3.6) for kind in range(1, 3)]
    sites, kind_of = sites_of_kinds(around, kinds, merges, False, 5)
    assert sites is not None
    assert kind_of.tolist() == [0] * 3
    merged = kind_of[kinds]
    found = sites.assign(around, merged, around.kinds(merged))[0]
    assert adjusted_rand_score(truth[around.whole], found[around.whole]) > 0.99


def test_kinds_that_have_sites_of_their_own_stay():
    points, truth = crystal(seed=7)
    around = neighbours(points)
    kinds = np.array([0, 0, 1, 0], dtype=np.int32)[truth]
    sites, kind_of = sites_of_kinds(around, kinds, [(0, 1, 30.0)], False, 5)
    assert kind_of.tolist() == [0, 1]
    found = sites.assign(around, kinds, around.kinds(kinds))[0]
    assert adjusted_rand_score(truth[around.whole], found[around.whole]) > 0.99
    assert sorted(sites.kind.tolist()) == [0, 0, 0, 1]


def test_kinds_that_are_clear_are_not_merged():
    merges = [(1, 4, 4.5), (0, 1, 3.6), (2, 3, 6.2), (0, 2, 22.8)]
    assert merged_kinds(merges, 5).tolist() == [0, 0, 1, 2, 0]
    assert merged_kinds([], 3).tolist() == [0, 1, 2]


def test_neighbours_are_of_the_same_frame():
    points = np.array([[10.0, 10], [22, 10], [10, 10], [10, 22]])
    around = Neighbourhoods.of(points, (40, 50), SPACING, frames=[0, 0, 1, 1])
    assert around.neighbours[:, 0].tolist() == [1, 0, 3, 2]
    np.testing.assert_allclose(around.offsets[:, 0], [[1, 0], [-1, 0], [0, 1], [0, -1]])
    assert around.kinds(np.array([7, 5, 3, 2]))[:, 0].tolist() == [5, 7, 2, 3]


@pytest.fixture(scope="module")
def oxide():
    """M1 oxide of thirteen sites, a fifth of its channels empty, turned, at a finite dose."""
    image, truth = m1_oxide(
        shape=(448, 480), empty_channels=0.2, rotation=11.0, dose=3e4, random_state=2, pixel_size=PIXEL
    )
    image.set_signal_type("atomic_image")
    motifs = image.find_motifs(
        atoms=truth.positions * PIXEL, rotation_invariant=True, show_progressbar=False, refine=False
    )
    return image, motifs, truth


def test_sites_of_the_oxide_come_first_and_fillings_of_channels_deeper(oxide):
    _, motifs, truth = oxide
    assert motifs.n_motifs <= 15
    x, y = np.asarray(motifs.pixel_positions).T
    inside = (x > 40) & (x < 440) & (y > 40) & (y < 408)
    assert adjusted_rand_score(truth.labels[inside], motifs.labels[inside]) > 0.97
    finest = motifs.labels_at(max(motifs.radii))
    assert finest.max() > motifs.labels.max()
    for motif in np.unique(finest):
        assert len(np.unique(motifs.labels[finest == motif])) == 1


def test_sites_read_the_next_image_and_go_through_a_file(oxide, tmp_path):
    _, motifs, _ = oxide
    other, truth = m1_oxide(
        shape=(312, 288), empty_channels=0.1, rotation=-37.0, dose=3e4, random_state=5, pixel_size=PIXEL
    )
    other.set_signal_type("atomic_image")
    # A fit may move a column at the border out of the image.
    known = (truth.positions > 3).all(axis=1) & (truth.positions < [284, 308]).all(axis=1)
    found = motifs.predict(other, atoms=truth.positions[known] * PIXEL, show_progressbar=False)
    x, y = np.asarray(found.pixel_positions).T
    inside = (x > 40) & (x < 248) & (y > 40) & (y < 272)
    assert adjusted_rand_score(truth.labels[known][inside], found.labels[inside]) > 0.97
    path = motifs.model.save(tmp_path / "oxide.npz")
    again = other.apply_model(path, atoms=truth.positions[known] * PIXEL, show_progressbar=False)
    np.testing.assert_array_equal(again.labels, found.labels)


@pytest.fixture(scope="module")
def imaged():
    """Moments and neighbours of the atoms of a crystal of one kind on four sites, and the sites."""
    points, truth = crystal(seed=8)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = np.full(SHAPE, 4.0)
    for x, y in points:
        part = np.s_[max(round(y) - 9, 0) : round(y) + 10, max(round(x) - 9, 0) : round(x) + 10]
        image[part] += 200 * np.exp(-((columns[part] - x) ** 2 + (rows[part] - y) ** 2) / (2 * 2.2**2))
    image = np.random.default_rng(9).poisson(image).astype(float)
    found = {r: get_moments(image, points, ZernikeBasis(8, r * SPACING), spacing=SPACING) for r in (0.6, 1.2)}
    return found.__getitem__, neighbours(points), truth


@pytest.fixture(scope="module")
def sited(imaged):
    return NestedRadii((0.6, 1.2)).fit(*imaged[:2])


def test_sites_of_one_kind_are_the_motifs(imaged, sited):
    around, truth = imaged[1:]
    assert sited.sites_ is not None
    assert sited.radius_ == 1.2
    assert "sites" in sited.reason_
    assert sited.labels_at_[0.6].max() == 0
    assert sited.labels_.max() == 3
    assert adjusted_rand_score(truth[around.whole], sited.labels_[around.whole]) > 0.99
    assert np.median(sited.probabilities_) > 0.9
    # One in a hundred has a p-value below 0.01, and not many more.
    assert (sited.outlier_scores_[around.whole] > 0.99).mean() < 0.03


def test_sites_need_the_neighbours_of_the_next_image(imaged, sited):
    moments, around, _ = imaged
    labels, probabilities, outlier_scores = sited.predict(moments, neighbours=around)
    np.testing.assert_array_equal(labels, sited.labels_)
    np.testing.assert_array_equal(probabilities, sited.probabilities_)
    np.testing.assert_array_equal(outlier_scores, sited.outlier_scores_)
    with pytest.raises(ValueError, match="the neighbours of the atoms are needed"):
        sited.predict(moments, 1.2)


def test_a_rare_kind_without_sites_is_a_motif_of_its_own():
    points, truth = crystal(seed=10)
    around = neighbours(points)
    kinds = np.zeros(len(points), dtype=np.int32)
    kinds[np.flatnonzero(truth == 1)[[3, 17, 60]]] = 1
    sites = find_sites(around, kinds, rotation_invariant=False)
    classifier = SiteClassifier.fit(sites, around, kinds)
    labels, probabilities, p_values = classifier.classify(around, kinds)
    assert len(np.unique(labels[kinds == 1])) == 1
    assert not np.isin(labels[kinds == 1], labels[kinds == 0]).any()
    usual = (kinds == 0) & around.whole
    assert adjusted_rand_score(truth[usual], labels[usual]) > 0.99
    assert (np.diff(np.bincount(labels)) <= 0).all()
    assert ((probabilities > 0) & (probabilities <= 1) & (p_values >= 0) & (p_values <= 1)).all()


def test_an_atom_whose_neighbours_are_displaced_has_a_low_p_value():
    points, _ = crystal(seed=11)
    around = neighbours(points)
    kinds = np.zeros(len(points), dtype=np.int32)
    classifier = SiteClassifier.fit(find_sites(around, kinds, rotation_invariant=False), around, kinds)
    whole = np.flatnonzero(around.whole)
    moved = points.copy()
    moved[whole[40]] += [0.2 * SPACING, 0.0]
    p_values = classifier.classify(neighbours(moved), kinds)[2]
    assert p_values[whole[40]] < 1e-6
    assert (p_values[around.whole] < 0.01).sum() < 60
    unmoved = classifier.classify(around, kinds)[2][around.whole]
    assert (unmoved < 0.01).mean() < 0.03
