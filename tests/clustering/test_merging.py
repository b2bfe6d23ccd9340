"""One motif or two, density clusters, tree and choice of the radius."""

import numpy as np
import pytest

from hyperspy_motifs.clustering import (
    MotifTree,
    by_frequency,
    density_clusters,
    density_gap,
)
from hyperspy_motifs.clustering._choice import choose_lens
from hyperspy_motifs.clustering._classifier import GaussianClasses
from hyperspy_motifs.clustering._features import Axes
from hyperspy_motifs.clustering._merging import _Judges, _quantile, merge_alike, merging_order
from hyperspy_motifs.clustering._parting import part
from hyperspy_motifs.clustering._separation import HalfSums
from hyperspy_motifs.relaxation import ForceRelaxedLayout


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_separation_is_that_of_the_means(rng):
    X = rng.normal(size=(3000, 7))
    labels = np.repeat([0, 1], [2000, 1000])
    X[labels == 1, 3] += 6
    assert HalfSums(X, labels).separation(0, 1) == pytest.approx(6, rel=0.08)


def test_separation_of_one_cloud_is_none(rng):
    """A direction found by chance on one half means nothing on the other."""
    X = rng.normal(size=(60, 20))
    labels = np.arange(60) % 2
    assert abs(HalfSums(X, labels).separation(0, 1)) < 1.5


@pytest.mark.parametrize("sizes", [(400, 400), (2000, 40), (3000, 12)])
def test_two_clouds_have_a_valley(sizes):
    rng = np.random.default_rng(sum(sizes))
    assert density_gap(rng.normal(0, 1, sizes[0]), rng.normal(6.5, 1, sizes[1])) > 7


@pytest.mark.parametrize("n", [1, 2, 5, 40, 41])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_quantile_of_what_is_sorted(rng, n, share):
    values = np.sort(rng.normal(size=n))
    assert _quantile(values, share) == np.quantile(values, share)


@pytest.mark.parametrize("distance", [2.5, 3.5, 4.5, 5.5, 6.5])
def test_a_valley_is_sure_when_its_mean_over_the_halves_is(distance):
    rng = np.random.default_rng(int(2 * distance))
    X = rng.normal(size=(240, 6))
    labels = np.repeat([0, 1], [160, 80])
    X[labels == 1, 2] += distance
    judges = _Judges(X, labels, 0, None)
    mean = np.mean([density_gap(*split.projections(0, 1)) for split in judges.splits])
    assert judges.sees_valley(0, 1) == (mean >= 7)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.98])
@pytest.mark.parametrize("kind", ["gaussian", "uniform", "tail"])
def test_a_cut_continuum_is_close_or_has_none(kind, share):
    rng = np.random.default_rng(5)
    line = {
        "gaussian": rng.normal(0, 3, 900),
        "uniform": rng.uniform(-8, 8, 900),
        "tail": rng.gamma(2, 2, 900),
    }[kind]
    line = line + rng.normal(0, 1, 900)
    edge = np.quantile(line, share)
    a, b = line[line < edge], line[line >= edge]
    spread = np.sqrt((a.var() + b.var()) / 2)
    close = abs(a.mean() - b.mean()) / spread < 3.5
    assert close or density_gap(a / spread, b / spread) < 7


def test_drift_is_one_motif_and_a_rare_species_another(rng):
    """Atoms of slowly drifting contrast, cut into five, and seven of another species."""
    X = rng.normal(size=(907, 12))
    drift = rng.uniform(-9, 9, 900)
    X[:900, 0] += drift
    X[900:, 1] += 9
    labels = np.append(np.digitize(drift, [-6, -2, 2, 6]), np.full(7, 5))
    merged = merge_alike(X, labels, 3.5)
    assert np.bincount(merged).tolist() == [900, 7]


def test_few_points_of_one_cloud_are_seldom_two_motifs_and_those_of_two_are():
    """The layout of few points proposes what suits them all; those that are held out afterwards chose it with the others."""
    split = {0.0: 0, 9.0: 0}
    for distance in split:
        for seed in range(60):
            noise = np.random.default_rng(seed)
            X = noise.normal(size=(45, 40))
            X += noise.uniform(-5, 5, (45, 1)) * noise.normal(size=40) / np.sqrt(40)  # a slope of brightness
            X[:15, 1] += distance
            components = Axes.fit(X).apply(X)
            layout = ForceRelaxedLayout().fit_transform(components)
            split[distance] += int(part(components, layout).max() > 0)
    assert split[0.0] <= 1
    assert split[9.0] >= 57


def test_merging_order_is_that_of_separation(rng):
    centres = np.zeros((4, 9))
    centres[1, 0], centres[2, 1], centres[3, 2] = 6, 14, 40
    labels = np.repeat(np.arange(4), [300, 200, 100, 60])
    X = centres[labels] + rng.normal(size=(660, 9))
    merges = merging_order(X, labels)
    assert [(a, b) for a, b, _ in merges] == [(0, 1), (0, 2), (0, 3)]
    assert merges[0][2] == pytest.approx(6, rel=0.1)


def test_density_clusters_find_clumps_of_six(rng):
    clumps = np.array([[0, 0], [12, 0], [0, 15]])
    y = np.repeat([0, 1, 2], [300, 90, 6])
    layout = clumps[y] + rng.normal(0, 0.6, (396, 2))
    labels = density_clusters(layout, 5)
    for group in range(3):
        inside = labels[(y == group) & (labels >= 0)]
        assert len(inside) > 0
        assert not np.isin(inside, labels[(y != group)]).any()


def test_density_clusters_of_few_points_are_one():
    assert density_clusters(np.zeros((3, 2))).tolist() == [0, 0, 0]


def test_by_frequency():
    assert by_frequency(np.array([7, 3, 3, 9, 9, 3])).tolist() == [2, 0, 0, 1, 1, 0]
    assert by_frequency(np.array([5, 2])).tolist() == [0, 1]


def test_classes_tell_strangers(rng):
    labels = np.repeat([0, 1], [400, 50])
    X = rng.normal(size=(450, 8))
    X[labels == 1, 2] += 8
    classes = GaussianClasses.fit(X, labels)
    assert (classes.predict_proba(X).argmax(axis=1) == labels).mean() > 0.99
    np.testing.assert_allclose(classes.predict_proba(X).sum(axis=1), 1)
    assert np.median(classes.outlier_score(X)) == pytest.approx(0.5, abs=0.02)
    assert classes.outlier_score(np.full((1, 8), 6.0))[0] > 0.9999


@pytest.fixture(scope="module")
def tree():
    """Radius 0.6 parts 10 atoms into 6 and 4, radius 1.2 the six into 3, 2 and 1."""
    return MotifTree(
        parent=np.array([-1, 0, 0, 1, 1, 3, 3], np.int32),
        radius=np.array([0, 0.6, 0.6, 1.2, 1.2, 1.2, 1.2]),
        size=np.array([10, 6, 4, 5, 1, 3, 2], np.int32),
        height=np.array([9.0, 7, 0, 5, 0, 0, 0]),
        leaf_of=np.array([5, 5, 5, 6, 6, 4, 2, 2, 2, 2], np.int32),
        merges=np.array([[0.6, 0, 1, 9], [1.2, 1, 2, 5], [1.2, 1, 3, 7], [1.2, 0, 1, 9]]),
    )


def test_tree_gives_the_labels_of_every_radius(tree):
    assert tree.labels_at(0.6).tolist() == [0] * 6 + [1] * 4
    assert tree.labels_at(1.2).tolist() == [1, 1, 1, 2, 2, 3, 0, 0, 0, 0]


def test_tree_is_cut_into_any_number(tree):
    assert tree.cut(1).tolist() == [0] * 10
    assert tree.cut(2).tolist() == tree.labels_at(0.6).tolist()
    assert tree.cut(3).tolist() == [0] * 5 + [2] + [1] * 4
    assert tree.cut(9).tolist() == tree.labels_at(1.2).tolist()
    with pytest.raises(ValueError, match="at least one"):
        tree.cut(0)


def test_choice_stops_where_only_defects_part():
    sites = np.repeat([0, 1], [60, 40]).astype(np.int32)
    defects = np.repeat([0, 2, 1, 3], [55, 5, 37, 3]).astype(np.int32)
    apart = np.array([[1.2, 0, 1, 12.0], [1.2, 0, 2, 9], [1.2, 0, 3, 9]])
    mixed = np.zeros(100, np.int32)
    radius, reason, _ = choose_lens((0.6, 1.2), {0.6: sites, 1.2: defects}, apart)
    assert radius == 0.6
    assert "2 motifs" in reason
    mixture = {
        0.6: by_frequency(np.repeat([0, 1], [90, 10])),
        1.2: by_frequency(np.repeat([0, 1, 2], [50, 40, 10])),
    }
    assert choose_lens((0.6, 1.2), mixture, apart)[0] == 1.2
    # Sites were sought and there are several, or none: then the mixture is one of surroundings.
    assert choose_lens((0.6, 1.2), mixture, apart, True)[0] == 1.2
    assert choose_lens((0.6, 1.2), mixture, apart, False)[0] == 0.6
    one = {0.6: mixed, 1.2: mixture[1.2]}
    assert choose_lens((0.6, 1.2), one, apart, False)[0] == 1.2
    # A tiling by chance: most vertices alike, a fifth and a twentieth of another kind, many surroundings.
    tiling = np.repeat([0, 1, 2], [74, 20, 6]).astype(np.int32)
    chance = {0.6: mixed, 1.2: tiling, 2.4: by_frequency(np.arange(100) % 25)}
    wide = np.array([[1.2, 0, 1, 30.0], [1.2, 0, 2, 40.0]])
    assert choose_lens((0.6, 1.2, 2.4), chance, wide, False)[0] == 1.2
    near = np.array([[1.2, 0, 1, 4.0], [1.2, 0, 2, 9]])
    assert choose_lens((0.6, 1.2), mixture, near)[0] == 0.6
    late = {
        0.6: mixed,
        1.2: by_frequency(np.repeat([0, 1], [98, 2])),
        1.7: by_frequency(np.repeat([0, 1], [90, 10])),
    }
    assert choose_lens((0.6, 1.2, 1.7), late, apart)[::2] == (1.7, 1.7)
    # A boundary of which the larger radius alone separates one kind of vertex; and one where it separates surroundings too.
    missing, crowd = (
        {0.6: mixed}
        | {radius: by_frequency(np.repeat([0, 1, 2], [100 - n, n - 2, 2])) for radius, n in told.items()}
        for told in ({1.2: 4, 1.7: 7}, {1.2: 7, 1.7: 11})
    )
    assert choose_lens((0.6, 1.2, 1.7), missing, apart, False)[0] == 1.7
    assert choose_lens((0.6, 1.2, 1.7), crowd, apart, False)[0] == 1.2


def test_the_least_separated_pair_is_merged_first():
    """The queue of near pairs merges what a search through the table of all pairs would, nine groups being near to all."""
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(9), rng.integers(12, 40, 9))
    X = rng.normal(size=(9, 4))[labels] * 2.0 + rng.normal(size=(len(labels), 4))
    expected, searched = [], HalfSums(X, labels)
    while len(groups := searched.groups) > 1:
        pairs = [(int(a), int(b)) for k, a in enumerate(groups) for b in groups[k + 1 :]]
        a, b = min(pairs, key=lambda pair: searched.separation(*pair))
        separation = searched.separation(a, b)
        if separation >= 4:
            break
        expected.append((a, b, separation))
        searched.merge(a, b)
    assert 2 <= len(expected) < 8
    queued = HalfSums(X, labels)
    assert queued.agglomerate(4) == expected
    np.testing.assert_array_equal(queued.labels, searched.labels)
