"""Atoms in doubt at the first radius are told by a wider one; those that are not keep their class."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from hyperspy_motifs import data
from hyperspy_motifs.clustering import NestedRadii
from hyperspy_motifs.clustering._classifier import GaussianClasses
from hyperspy_motifs.clustering._doubt import Doubt
from hyperspy_motifs.clustering._features import Axes
from hyperspy_motifs.clustering._state import from_state, to_state
from hyperspy_motifs.clustering._view import View
from hyperspy_motifs.clustering._wider_lens import WiderLens, _together, judge_doubtful, wider_lens
from hyperspy_motifs.models import DiscSource


def known(n, d):
    return Doubt(np.full(n, -1, dtype=np.int64), np.zeros((0, d)))


def seen(X):
    n, d = X.shape
    return View(np.ones(d), None, X, np.ones(n, dtype=bool), known(n, d))


@pytest.fixture(scope="module")
def two_kinds():
    """Two kinds, three spreads apart at the first radius and six at the wider one."""
    rng = np.random.default_rng(6)
    truth = np.repeat([0, 1], [500, 310])
    near, wide = rng.normal(size=(810, 4)), rng.normal(size=(810, 7))
    near[:, 0] += 3.0 * truth
    wide[:, 2] += 6.0 * truth
    axes = Axes.fit(near)
    labels = GaussianClasses.fit(axes.apply(near), truth).predict_proba(axes.apply(near)).argmax(axis=1)
    labels = labels.astype(np.int32)
    first = GaussianClasses.fit(axes.apply(near), labels)
    return truth, near, wide, axes, first, labels


def test_the_wider_lens_decides_where_the_first_is_in_doubt(two_kinds):
    truth, near, wide, axes, first, labels = two_kinds
    told = judge_doubtful(axes, first, seen(near), seen(wide), labels, 5)
    assert told is not None
    _, judged, probabilities = told
    assert (labels != truth).mean() > 0.04  # a Gaussian has 6.7 % beyond 1.5 spreads
    assert (judged != truth).mean() < 0.2 * (labels != truth).mean()
    assert probabilities.min() > 0


def test_a_column_that_is_plain_is_not_overruled_by_its_surroundings(two_kinds):
    """Rare surroundings that look like those of the other kind do not make it that kind."""
    truth, near, wide, axes, first, labels = two_kinds
    plain = np.flatnonzero(
        (truth == 0) & (labels == 0) & (first.predict_proba(axes.apply(near))[:, 0] > 0.995)
    )
    assert len(plain) > 50
    odd = wide.copy()
    odd[plain[:6], 2] += 6.0
    _, judged, _ = judge_doubtful(axes, first, seen(near), seen(odd), labels, 5)
    np.testing.assert_array_equal(judged[plain], 0)


def test_where_the_wider_lens_sees_nothing_the_first_decides(two_kinds):
    truth, near, wide, axes, first, labels = two_kinds
    components = axes.apply(near)
    odds = first.predict_proba(components)
    wider = WiderLens.fit(components, wide, labels, np.ones(len(wide), dtype=bool))
    everyone = np.arange(len(truth))
    blind = np.broadcast_to(
        1e8 * np.eye(wider.axes.vectors.shape[1]), (len(truth), *[wider.axes.vectors.shape[1]] * 2)
    )
    nothing = np.zeros(0, dtype=np.int64), np.zeros((0, components.shape[1], components.shape[1]))
    told = wider.tell(components, odds, wide, (nothing, (everyone, blind)))
    # Shrinkage in more dimensions moves the border between the classes a little.
    np.testing.assert_allclose(told, odds, atol=0.1)
    assert (told.argmax(axis=1) != odds.argmax(axis=1)).mean() < 0.01


def test_a_rare_class_is_not_lost(two_kinds):
    """Noise that was taken for a class of its own, and that the wider radius would give away, keeps its atoms."""
    truth, near, wide, axes, _, _ = two_kinds
    rng = np.random.default_rng(1)
    labels = truth.astype(np.int32)
    labels[rng.permutation(np.flatnonzero(truth == 0))[:6]] = 2
    three = GaussianClasses.fit(axes.apply(near), labels)
    told = judge_doubtful(axes, three, seen(near), seen(wide), labels, 5)
    assert told is None or np.bincount(told[1], minlength=3)[2] >= 5


@pytest.mark.parametrize(
    ("radii", "expected"),
    [((0.6, 1.2, 1.7, 2.4), 1.7), ((0.6, 1.2), 1.2), ((0.6, 2.4), None), ((0.6,), None)],
)
def test_it_reaches_to_the_second_neighbours(radii, expected):
    assert wider_lens(radii) == expected


def wrong_displacements(labels, positions, truth):
    """B columns whose motif is mostly of the other domain."""
    distance, nearest = cKDTree(positions).query(truth.positions)
    displaced = np.abs(truth.extra["displacement"]).max(axis=1) > 0.008  # nm; within the wall it is nil
    b = (truth.labels > 0) & (distance < 3) & displaced
    found, upwards = labels[nearest[b]], truth.labels[b] == 1
    majority = {k: upwards[found == k].mean() > 0.5 for k in np.unique(found)}
    return int(np.sum([majority[k] for k in found] != upwards)), int(b.sum())


def test_displaced_columns_of_a_noisy_ferroelectric():
    """Thirteen picometres hardly show within the disc of one column, and plainly against its neighbours."""
    alone = together = total = 0
    for seed in (11, 13, 14):
        image, truth = data.perovskite(shape=(390, 410), dose=4e4, random_state=seed)
        found = image.find_motifs(show_progressbar=False)
        radius = 0.6 * found.parameters["spacing"]
        single = image.deepcopy().find_motifs(radius=radius, radius_units="axes", show_progressbar=False)
        wrong, n = wrong_displacements(found.labels_at(0.6), found.pixel_positions, truth)
        alone += wrong_displacements(single.labels, single.pixel_positions, truth)[0]
        together += wrong
        total += n
    assert total > 550
    assert together < 0.3 * alone
    assert together < 0.005 * total


def test_what_was_learned_comes_back_from_a_file():
    image, _ = data.perovskite(shape=(230, 250), dose=3e4, random_state=2)
    found = image.find_motifs(show_progressbar=False)
    spacing = found.parameters["spacing"] / image.axes_manager.signal_axes[0].scale
    source = DiscSource([np.asarray(image.data, float)], found.pixel_positions, spacing, {0.6: 8})
    model = NestedRadii().fit(source)
    assert model._partings[0.6][0].wider is not None
    again = from_state(to_state(model))
    labels, probabilities, _ = model.predict(source, 0.6)
    restored = again.predict(source, 0.6)
    np.testing.assert_array_equal(labels, restored[0])
    np.testing.assert_array_equal(probabilities, restored[1])
    np.testing.assert_array_equal(labels, model.labels_at_[0.6])


def test_doubts_of_both_radii_stand_beside_each_other():
    rng = np.random.default_rng(3)
    rows = np.array([1, 2, 4, 7, 11, 12])
    uncertain = tuple(
        (which, rng.normal(size=(3, d, d)))
        for which, d in ((np.array([2, 5, 11]), 2), (np.array([1, 2, 12]), 3))
    )
    uncertain[1][1][2] = 0  # nothing on top: as good as known
    expected = np.zeros((13, 5, 5))
    expected[uncertain[0][0], :2, :2] = uncertain[0][1]
    expected[uncertain[1][0], 2:, 2:] = uncertain[1][1]
    some, covariance = _together(rows, uncertain, 2, 5)
    np.testing.assert_array_equal(rows[some], [1, 2, 11])
    np.testing.assert_array_equal(covariance, expected[[1, 2, 11]])
