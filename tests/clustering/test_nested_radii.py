"""Motifs and environments at nested radii, on images of known structure."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from hyperspy_motifs.clustering import NestedRadii, from_state, to_state
from hyperspy_motifs.data import twin_boundary_specimen
from hyperspy_motifs.sites import Neighbourhoods
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


def triangular_lattice(n_rows, n_columns, seed, jitter=0.1):
    shape = (round(n_rows * SPACING * np.sqrt(0.75)), round(n_columns * SPACING))
    i, j = np.mgrid[-2 : n_rows + 2, -2 - n_rows : n_columns + 2]
    ideal = np.column_stack([(j + 0.5 * i).ravel(), np.sqrt(0.75) * i.ravel()]) * SPACING + 3.7
    return ideal + np.random.default_rng(seed).normal(0, jitter, ideal.shape), shape


def moments_of(image, positions):
    cache = {}

    def at(radius):
        if radius not in cache:
            cache[radius] = get_moments(image, positions, ZernikeBasis(8, radius * SPACING), spacing=SPACING)
        return cache[radius]

    return at


def inside(positions, shape):
    return ((positions > 0) & (positions < np.array(shape)[::-1] - 1)).all(axis=1)


def seen(positions, brightness, shape, peak, seed, keep=True, width=2.0):
    """Moments and neighbours of the columns inside the image."""
    image = render(positions, brightness, shape, peak, seed, width)
    keep = keep & inside(positions, shape)
    return moments_of(image, positions[keep]), Neighbourhoods.of(positions[keep], shape, SPACING)


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
    found = seen(positions, np.array([1.0, 0.6, 1.9, 0.35])[truth], shape, 60, 2)
    return *found, truth[inside(positions, shape)]


@pytest.fixture(scope="module")
def fitted(alloy):
    return NestedRadii().fit(*alloy[:2])


def test_species_are_the_motifs_at_the_smallest_radius(alloy, fitted):
    truth = alloy[2]
    labels = fitted.labels_at_[0.6]
    assert adjusted_rand_score(truth, labels) > 0.98
    assert labels.max() == 3
    for species in range(4):
        counts = np.bincount(labels[truth == species])
        motif = counts.argmax()
        assert counts[motif] / max((labels == motif).sum(), (truth == species).sum()) > 0.9


def test_motifs_are_the_kinds_where_kinds_explain_the_rest(fitted):
    assert fitted.radius_ == 0.6
    assert "4 motifs" in fitted.reason_
    assert "explain" in fitted.reason_
    assert fitted.sites_ is None
    np.testing.assert_array_equal(fitted.labels_, fitted.labels_at_[0.6])


def test_neighbours_of_vacancies_are_environments_at_the_next_radius(alloy, fitted):
    neighbours, truth = alloy[1:]
    near = np.hypot(*np.moveaxis(neighbours.offsets, -1, 0)) < 1.2
    around = np.where(near & (neighbours.neighbours >= 0), truth[neighbours.neighbours], -1)
    environments = fitted.labels_at_[1.2]
    weak, bright = (around == 3).sum(axis=1), (around == 2).sum(axis=1)
    usual = np.bincount(environments[(truth == 1) & (weak == 0) & (bright == 0)]).argmax()
    beside = (truth == 1) & (weak == 1) & (bright == 0)
    assert beside.sum() > 30
    counts = np.bincount(environments[beside])
    assert counts.argmax() != usual
    assert counts.max() > 0.95 * beside.sum()
    # It holds nothing but those.
    assert beside[environments == counts.argmax()].mean() > 0.95


def test_environments_divide_motifs(fitted):
    for small, large in zip(fitted.radii_, fitted.radii_[1:], strict=False):
        coarse, fine = fitted.labels_at_[small], fitted.labels_at_[large]
        assert fine.max() >= coarse.max()
        for motif in range(fine.max() + 1):
            assert len(np.unique(coarse[fine == motif])) == 1
    assert fitted.labels_at_[1.2].max() > fitted.labels_.max()


def test_labels_are_by_frequency_and_every_atom_has_one(alloy, fitted):
    n = len(alloy[2])
    np.testing.assert_allclose(fitted.outlier_scores_, 0.5, atol=0.5)
    for radius in fitted.radii_:
        counts = np.bincount(fitted.labels_at_[radius])
        assert (np.diff(counts) <= 0).all()
        assert counts.sum() == n
        assert fitted.layouts_[radius].shape == (n, 2)
        assert np.isfinite(fitted.layouts_[radius]).all()
        np.testing.assert_allclose(fitted.probabilities_at_[radius], 0.5, atol=0.5 + 1e-9)


def test_tree_is_the_labels_of_all_radii(alloy, fitted):
    tree = fitted.tree_
    for radius in fitted.radii_:
        np.testing.assert_array_equal(tree.labels_at(radius), fitted.labels_at_[radius])
    assert tree.size[0] == len(alloy[2])
    for node, below in enumerate(tree.children()):
        assert not below or tree.size[below].sum() == tree.size[node]


def test_number_of_motifs_can_be_asked_for(alloy, fitted):
    """Vacancies join the sites that they resemble; the sublattices and the bright dopants stay."""
    truth = alloy[2]
    labels = fitted.cut(3)
    assert labels.max() == 2
    regular = truth < 2
    assert adjusted_rand_score(truth[regular], labels[regular]) > 0.98
    again = NestedRadii(n_motifs=3).fit(*alloy[:2])
    np.testing.assert_array_equal(again.labels_, labels)
    assert len(np.unique(fitted.cut(1))) == 1


def assert_predicts_itself(model, moments, neighbours, fit=None):
    fit = model if fit is None else fit
    for radius, (labels, probabilities, outlier_scores) in model.predict_all(moments, neighbours).items():
        np.testing.assert_array_equal(labels, fit.labels_at_[radius])
        np.testing.assert_array_equal(probabilities, fit.probabilities_at_[radius])
        if radius == fit.radius_:
            np.testing.assert_array_equal(outlier_scores, fit.outlier_scores_)


def assert_restored(model, moments, neighbours):
    """A model that comes back from arrays gives the labels, probabilities and scores of the fit."""
    state = to_state(model)
    assert all(isinstance(value, np.ndarray) and value.dtype != object for value in state.values())
    again = from_state(state)
    assert_predicts_itself(again, moments, neighbours, fit=model)
    # Once more through arrays: nothing is lost.
    for name, value in to_state(again).items():
        np.testing.assert_array_equal(value, state[name])


def test_prediction_of_the_same_atoms_gives_the_labels_of_the_fit_also_when_it_was_stored(alloy, fitted):
    assert_predicts_itself(fitted, *alloy[:2])
    assert_restored(fitted, *alloy[:2])


@pytest.mark.parametrize("with_neighbours", [False, True])
def test_models_for_any_rotation_can_be_stored(alloy, with_neighbours):
    moments, neighbours = alloy[0], alloy[1] if with_neighbours else None
    model = NestedRadii((0.6, 1.2), rotation_invariant=True).fit(moments, neighbours)
    assert_predicts_itself(model, moments, neighbours)
    assert_restored(model, moments, neighbours)


@pytest.fixture(scope="module")
def domains():
    """A square lattice in which every second column of one half is shifted by half of a pixel: one kind, three sites."""
    positions, shape, sublattice = square_lattice(22, 33, 9, jitter=0.05)
    right = positions[:, 0] > shape[1] / 2
    moved = positions + np.column_stack([0.6 * (right & (sublattice == 0)), np.zeros(len(positions))])
    keep = inside(moved, shape)
    truth = np.where(right, 1 + sublattice, 0)[keep]
    distance = np.abs(moved[keep, 0] - shape[1] / 2) / SPACING
    return *seen(moved, np.ones(len(moved)), shape, 80, 10, width=1.5), truth, distance


def test_displacements_that_no_kinds_explain_are_motifs(domains):
    moments, neighbours, truth, distance = domains
    clear = (distance > 2) & neighbours.whole
    # The image alone shows it, and so do the places of the neighbours.
    for given in (None, neighbours):
        model = NestedRadii().fit(moments, given)
        assert model.labels_at_[0.6].max() == 0
        assert model.radius_ > 0.6
        assert model.labels_.max() == 2
        assert adjusted_rand_score(truth[clear], model.labels_[clear]) > 0.97
        assert_predicts_itself(model, moments, given)
        assert_restored(model, moments, given)


@pytest.mark.parametrize(("n_rows", "n_columns"), [(29, 26), (37, 33)])
def test_a_doped_lattice_has_two_motifs_at_any_size(n_rows, n_columns):
    """One column in a hundred is half as bright again, at thirty counts."""
    positions, shape = triangular_lattice(n_rows, n_columns, 3)
    rng = np.random.default_rng(5)
    here = rng.permutation(np.flatnonzero(inside(positions, shape)))
    deep = (np.minimum(positions[here], np.array(shape)[::-1] - positions[here]) > SPACING).all(axis=1)
    doped = np.zeros(len(positions), dtype=bool)
    doped[here[deep][: round(0.01 * len(here))]] = True
    model = NestedRadii().fit(*seen(positions, np.where(doped, 1.5, 1.0), shape, 30, 6))
    assert int(model.labels_.max()) + 1 == 2
    assert model.radius_ == 0.6
    np.testing.assert_array_equal(model.labels_ == 1, doped[inside(positions, shape)])


def test_model_of_one_image_reads_another(alloy, fitted):
    positions, shape, species = square_lattice(23, 19, 7)
    stranger = np.flatnonzero(inside(positions, shape))[210]
    brightness = np.array([1.0, 0.6])[species]
    brightness[stranger] = 5.0
    moments, neighbours = seen(positions, brightness, shape, 60, 8)
    keep = inside(positions, shape)
    labels, probabilities, outlier_score = fitted.predict(moments, neighbours=neighbours)
    usual = np.flatnonzero(keep) != stranger
    expected = [np.bincount(fitted.labels_[alloy[2] == s]).argmax() for s in (0, 1)]
    assert (labels == np.array(expected)[species[keep]])[usual].mean() > 0.97
    assert probabilities[usual].mean() > 0.9
    assert outlier_score[~usual][0] > 0.999
    assert probabilities[~usual][0] < 0.01
    assert np.median(outlier_score[usual]) < 0.9


@pytest.mark.parametrize(("peak", "rotation_invariant", "drift"), [(30, False, 0.25), (3, True, 0.0)])
def test_perfect_lattice_is_one_motif_through_every_radius(peak, rotation_invariant, drift):
    positions, shape, _ = square_lattice(21, 23, 4, jitter=0.12)
    x, y = (positions / np.array(shape)[::-1]).T
    brightness = 1 + drift * np.sin(3 * x + 1) * np.cos(2 * y)
    moments, neighbours = seen(positions, brightness, shape, peak, 5)
    model = NestedRadii(rotation_invariant=rotation_invariant).fit(moments, neighbours)
    assert [int(model.labels_at_[radius].max()) + 1 for radius in model.radii_] == [1, 1, 1, 1]


def test_outlier_scores_of_a_perfect_lattice_are_those_of_no_outliers():
    positions, shape, _ = square_lattice(29, 37, 14, jitter=0.1)
    model = NestedRadii().fit(*seen(positions, np.ones(len(positions)), shape, 50, 15))
    n = len(model.labels_)
    for level in (0.01, 0.1):
        error = 3 * np.sqrt(level * (1 - level) / n)
        assert (model.outlier_scores_ > 1 - level).mean() <= level + error


def test_neighbours_of_missing_columns_are_environments(alloy):
    positions, shape, _ = square_lattice(25, 28, 11)
    rng = np.random.default_rng(12)
    keep = np.ones(len(positions), dtype=bool)
    deep = (np.minimum(positions, np.array(shape)[::-1] - positions) > 3 * SPACING).all(axis=1)
    gone: list[int] = []
    for atom in rng.permutation(np.flatnonzero(deep)):
        if all(np.linalg.norm(positions[atom] - positions[other]) > 3.5 * SPACING for other in gone):
            gone.append(int(atom))
    gone = gone[:9]
    keep[gone] = False
    moments, neighbours = seen(positions, keep * 1.0, shape, 60, 13, keep)
    model = NestedRadii().fit(moments, neighbours)
    xy = positions[keep & inside(positions, shape)]
    apart = np.linalg.norm(xy[:, None] - positions[gone], axis=2).min(axis=1)
    assert model.labels_.max() == 0
    beside = apart < 1.2 * SPACING
    assert beside.sum() == 36
    environments = model.labels_at_[1.2]
    np.testing.assert_array_equal(environments == environments[beside][0], beside)


def test_one_radius_and_progress_that_grows_to_one(alloy):
    told = []
    model = NestedRadii(0.6, progress=told.append).fit(*alloy[:2])
    assert model.radii_ == (0.6,)
    assert "only" in model.reason_
    assert adjusted_rand_score(alloy[2], model.labels_) > 0.98
    assert told == sorted(told)
    assert told[-1] == 1


def test_radii_that_do_not_grow_and_an_alpha_that_is_no_probability_are_refused(alloy):
    for radii in [(1.2, 0.6), (0.6, 0.6), (-1.0, 0.6), (), (0.6, np.inf), (np.nan,)]:
        with pytest.raises(ValueError, match="growing positive radii"):
            NestedRadii(radii).fit(*alloy[:2])
    for alpha in [0, 1, -0.1, 1.5, float("nan"), True, "0.01", None]:
        with pytest.raises(ValueError, match=r"alpha is .*; a probability between 0 and 1"):
            NestedRadii(0.6, alpha=alpha).fit(*alloy[:2])


def test_other_bad_arguments_are_refused(alloy, fitted):
    with pytest.raises(ValueError, match="min_motif_size is 4"):
        NestedRadii(min_motif_size=4).fit(*alloy[:2])
    with pytest.raises(ValueError, match="none of the fitted"):
        fitted.predict(alloy[0], radius=5.0)
    moments = alloy[0](0.6)
    unseen = replace(moments, valid=np.zeros(len(moments.values), dtype=bool))
    with pytest.raises(ValueError, match="No atom has its disc"):
        NestedRadii(0.6).fit(lambda radius: unseen)


def test_added_columns_are_told_from_the_lattice():
    """Twelve columns of the bright species in the middle of a square of two species: their neighbours see a tail of them.

    Some of these neighbours may form a motif of their own, at most one for every kind of atom.
    """
    positions, shape, species = square_lattice(27, 24, 5)
    deep = (positions > 25).all(axis=1) & (positions < np.array(shape)[::-1] - 25).all(axis=1)
    chosen = np.random.default_rng(6).permutation(np.flatnonzero(deep & (species == 0)))
    places: list[np.ndarray] = []
    for place in positions[chosen] + SPACING / 2:
        if all(np.hypot(*(place - other)) > 3 * SPACING for other in places) and len(places) < 12:
            places.append(place)
    positions = np.concatenate([positions, places])
    truth = np.concatenate([species, np.full(len(places), 2)])
    found = seen(positions, np.array([1.0, 0.6, 1.0])[truth], shape, 200, 7, width=1.6)
    truth = truth[inside(positions, shape)]
    labels = NestedRadii().fit(*found).labels_
    assert labels.max() <= 4
    assert adjusted_rand_score(truth, labels) > 0.9
    assert np.isin(labels[truth == 2], [0, 1]).sum() <= 1  # of the motifs of the lattice


def test_rows_beside_a_boundary_are_surroundings():
    """Two halves of a lattice are shifted along the boundary: the neighbours of its rows have moved, those of others not."""
    rows, columns = 20, 22
    i, j = np.mgrid[-2 : rows + 2, -2 : columns + 2]
    positions = np.column_stack([(j + 0.5 * (i % 2)).ravel(), i.ravel() * np.sqrt(0.75)]) * SPACING + 3.7
    upper = (i >= rows // 2).ravel()
    positions[upper, 0] += 0.5 * SPACING
    positions += np.random.default_rng(8).normal(0, 0.1, positions.shape)
    shape = (round(rows * SPACING * np.sqrt(0.75)), columns * 9)
    moments, neighbours = seen(positions, np.ones(len(positions)), shape, 80, 9)
    model = NestedRadii(rotation_invariant=True).fit(moments, neighbours)
    row = i.ravel()[inside(positions, shape)]
    at_boundary = np.isin(row, (rows // 2 - 1, rows // 2))
    rest = np.unique(model.labels_[~at_boundary], return_counts=True)[1]
    assert rest.max() > 0.98 * rest.sum()
    assert model.labels_.max() <= 2


@pytest.mark.parametrize("rotation_invariant", [True, False])
def test_atoms_that_a_twin_boundary_deforms_are_surroundings_of_those_with_another_coordination(
    rotation_invariant,
):
    """A row of 4-rings: its chalcogens have four neighbours, the metals beside them three at other places.

    Where the grains count as different, the row is between kinds of either, and one motif all the same.
    """
    net = twin_boundary_specimen("MoSe2", 4.2, vacancies=0.0)
    shape = (round(14 * SPACING), round(41 * SPACING))
    positions = net.positions / (0.329 / np.sqrt(3)) * SPACING + np.array(shape)[::-1] / 2
    positions += np.random.default_rng(3).normal(0, 0.05, positions.shape)
    metal = np.array(net.names)[net.labels] == "Mo"
    found = seen(positions, np.where(metal, 0.7, 1.0), shape, 400, 4, width=1.6)
    keep = inside(positions, shape)
    domain = net.per_column["domain"][keep]
    model = NestedRadii(rotation_invariant=rotation_invariant).fit(*found)
    grain = 0 if rotation_invariant else 2 * (domain > 0)
    truth = np.where(domain == 0, 4, metal[keep] + grain)
    assert model.labels_.max() == (2 if rotation_invariant else 4)
    whole = found[1].whole
    assert adjusted_rand_score(truth[whole], model.labels_[whole]) > 0.99
    assert_predicts_itself(model, *found)
