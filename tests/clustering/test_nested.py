"""Motifs at nested radii, on images of known structure."""

import numba
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from hyperspy_motifs.clustering import MotifClustering, NestedRadii
from hyperspy_motifs.zernike import ZernikeBasis, get_moments

SPACING = 9.0


def render(positions, brightness, shape, peak, seed, width=2.0):
    """Columns as Gaussians, Poisson counts."""
    image = np.full(shape, 0.1)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    reach = 10
    for (x, y), weight in zip(positions, brightness, strict=True):
        c, r = round(x), round(y)
        part = np.s_[max(r - reach, 0) : max(r + reach + 1, 0), max(c - reach, 0) : max(c + reach + 1, 0)]
        image[part] += weight * np.exp(-((columns[part] - x) ** 2 + (rows[part] - y) ** 2) / (2 * width**2))
    return np.random.default_rng(seed).poisson(image * peak).astype(float)


def square_lattice(n_rows, n_columns, seed, jitter=0.1):
    """Positions of a square lattice that goes on beyond the image, x and y in pixels, and the shape of the image."""
    shape = (round(n_rows * SPACING), round(n_columns * SPACING))
    i, j = np.mgrid[-2 : n_rows + 2, -2 : n_columns + 2]
    ideal = np.column_stack([(j.ravel() + 0.5) * SPACING, (i.ravel() + 0.5) * SPACING])
    return ideal + np.random.default_rng(seed).normal(0, jitter, ideal.shape), shape, (i + j).ravel() % 2


def moments_of(image, positions):
    cache = {}

    def at(radius):
        if radius not in cache:
            cache[radius] = get_moments(image, positions, ZernikeBasis(8, radius * SPACING), spacing=SPACING)
        return cache[radius]

    return at


def inside(positions, shape):
    return ((positions > 0) & (positions < np.array(shape)[::-1] - 1)).all(axis=1)


@pytest.fixture(scope="module")
def alloy():
    """Two sublattices; 14 bright dopants and 20 vacancies (weak columns) on one of them."""
    positions, shape, species = square_lattice(27, 24, 0)
    rng = np.random.default_rng(1)
    truth = species.copy()
    deep = (positions > 15).all(axis=1) & (positions < np.array(shape)[::-1] - 15).all(axis=1)
    sites = rng.permutation(np.flatnonzero((species == 0) & deep))
    truth[sites[:14]] = 2
    truth[sites[14:34]] = 3
    image = render(positions, np.array([1.0, 0.6, 1.9, 0.35])[truth], shape, 60, 2)
    keep = inside(positions, shape)
    return moments_of(image, positions[keep]), truth[keep]


@pytest.fixture(scope="module")
def fitted(alloy):
    return NestedRadii().fit(alloy[0])


def test_species_are_found_through_the_smallest_radius(alloy, fitted):
    truth = alloy[1]
    labels = fitted.labels_at_[0.6]
    assert adjusted_rand_score(truth, labels) > 0.98
    for species in range(4):
        counts = np.bincount(labels[truth == species])
        motif = counts.argmax()
        assert counts[motif] / max((labels == motif).sum(), (truth == species).sum()) > 0.9


def test_neighbours_of_vacancies_are_found_through_the_next(alloy, fitted):
    """A larger radius sees the missing neighbour, and labels are nested."""
    small, large = fitted.labels_at_[0.6], fitted.labels_at_[1.2]
    assert large.max() > small.max()
    for motif in range(large.max() + 1):
        assert len(np.unique(small[large == motif])) == 1


def test_default_parts_sites_and_not_surroundings(fitted):
    assert fitted.radius_ == 0.6
    assert "motifs" in fitted.reason_
    np.testing.assert_array_equal(fitted.labels_, fitted.labels_at_[0.6])


def test_labels_are_by_frequency_and_every_atom_has_one(alloy, fitted):
    for radius in fitted.radii_:
        counts = np.bincount(fitted.labels_at_[radius])
        assert (np.diff(counts) <= 0).all()
        assert counts.sum() == len(alloy[1])
        assert fitted.layouts_[radius].shape == (len(alloy[1]), 2)
        assert np.isfinite(fitted.layouts_[radius]).all()
        p = fitted.probabilities_at_[radius]
        assert (p > 0).all()
        assert (p <= 1 + 1e-9).all()


def test_tree_is_the_labels_of_all_radii(alloy, fitted):
    tree = fitted.tree_
    for radius in fitted.radii_:
        np.testing.assert_array_equal(tree.labels_at(radius), fitted.labels_at_[radius])
    assert tree.size[0] == len(alloy[1])
    children = tree.children()
    for node, below in enumerate(children):
        if below:
            assert tree.size[below].sum() == tree.size[node]


def test_number_of_motifs_can_be_asked_for(alloy, fitted):
    """Vacancies join the sites that they resemble; the sublattices and the bright dopants stay."""
    truth = alloy[1]
    labels = fitted.cut(3)
    assert labels.max() == 2
    regular = truth < 2
    assert adjusted_rand_score(truth[regular], labels[regular]) > 0.98


def test_the_same_for_any_number_of_threads_and_nearly_for_any_seed(alloy, fitted):
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    again = NestedRadii().fit(alloy[0])
    numba.set_num_threads(before)
    for radius in fitted.radii_:
        np.testing.assert_array_equal(again.labels_at_[radius], fitted.labels_at_[radius])
        np.testing.assert_array_equal(again.layouts_[radius], fitted.layouts_[radius])
    other = NestedRadii(random_state=3).fit(alloy[0])
    assert adjusted_rand_score(other.labels_, fitted.labels_) > 0.98


def test_model_of_one_image_reads_another(alloy, fitted):
    positions, shape, species = square_lattice(23, 19, 7)
    stranger = np.flatnonzero(inside(positions, shape))[210]
    brightness = np.array([1.0, 0.6])[species]
    brightness[stranger] = 5.0
    image = render(positions, brightness, shape, 60, 8)
    keep = inside(positions, shape)
    labels, probabilities, outlier_score = fitted.predict(moments_of(image, positions[keep]))
    usual = np.flatnonzero(keep) != stranger
    expected = [np.bincount(fitted.labels_[alloy[1] == s]).argmax() for s in (0, 1)]
    assert (labels == np.array(expected)[species[keep]])[usual].mean() > 0.97
    assert probabilities[usual].mean() > 0.9
    assert outlier_score[~usual][0] > 0.999
    assert np.median(outlier_score[usual]) < 0.9


@pytest.mark.parametrize(("peak", "rotation_invariant", "drift"), [(30, False, 0.25), (3, True, 0.0)])
def test_perfect_lattice_is_one_motif_through_every_radius(peak, rotation_invariant, drift):
    positions, shape, _ = square_lattice(21, 23, 4, jitter=0.12)
    x, y = (positions / np.array(shape)[::-1]).T
    brightness = 1 + drift * np.sin(3 * x + 1) * np.cos(2 * y)
    image = render(positions, brightness, shape, peak, 5)
    keep = inside(positions, shape)
    model = NestedRadii(rotation_invariant=rotation_invariant).fit(moments_of(image, positions[keep]))
    assert [int(model.labels_at_[radius].max()) + 1 for radius in model.radii_] == [1, 1, 1, 1]


def test_one_radius(alloy):
    model = NestedRadii(0.6).fit(alloy[0])
    assert model.radii_ == (0.6,)
    assert "only one" in model.reason_
    assert adjusted_rand_score(alloy[1], model.labels_) > 0.98


def test_bad_arguments_are_told(alloy, fitted):
    with pytest.raises(ValueError, match="growing positive radii"):
        NestedRadii((1.2, 0.6)).fit(alloy[0])
    with pytest.raises(ValueError, match="min_motif_size is 4"):
        NestedRadii(min_motif_size=4).fit(alloy[0])
    with pytest.raises(ValueError, match="none of the fitted"):
        fitted.predict(alloy[0], radius=5.0)


@parametrize_with_checks([MotifClustering()])
def test_clusterer_follows_the_rules_of_estimators(estimator, check):
    check(estimator)


def test_clusterer_keeps_a_rare_group_and_joins_noise():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (500, 6)), rng.normal(0, 1, (300, 6)) + 9 * np.eye(6)[0]])
    X = np.concatenate([X, rng.normal(0, 1, (8, 6)) + 11 * np.eye(6)[1]])
    model = MotifClustering().fit(X)
    assert np.bincount(model.labels_).tolist() == [500, 300, 8]
    assert MotifClustering(2).fit(X).labels_.max() == 1
    assert model.outlier_score(np.full((1, 6), 30.0))[0] > 0.9999
