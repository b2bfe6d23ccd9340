"""Discrete classes, or a continuum."""

import numpy as np
import pytest

from hyperspy_motifs import data
from hyperspy_motifs.atoms import nearest_neighbour_distance
from hyperspy_motifs.manifold import (
    dimension_profile,
    estimate_continuity,
    manifold_features,
    mutual_knn_components,
    within_component_variance,
)
from hyperspy_motifs.zernike import ZernikeBasis, get_moments


def _features(simulated, radii=(1.2, 2.4)):
    image, truth = simulated
    positions = truth.positions
    spacing = nearest_neighbour_distance(positions)
    found = [
        manifold_features(get_moments(image.data, positions, ZernikeBasis(8, radius * spacing))).values
        for radius in radii
    ]
    known = np.all([np.isfinite(x).all(axis=1) for x in found], axis=0)
    return [x[known] for x in found]


@pytest.fixture(scope="module")
def bilayer():
    return _features(data.twisted_bilayer(twist=8.0, shape=(500, 540), random_state=2))


@pytest.fixture(scope="module")
def monolayer():
    return _features(data.monolayer(shape=(330, 360), random_state=3))


def test_a_twisted_bilayer_is_continuous(bilayer):
    found = estimate_continuity(bilayer)
    assert found.kind == "continuous"
    assert found.certainty > 0.6


def test_a_monolayer_with_defects_is_discrete(monolayer):
    found = estimate_continuity(monolayer)
    assert found.kind == "discrete"
    assert found.certainty > 0.9
    assert found.gap_dimension < 1


def test_a_grain_boundary_is_discrete():
    found = estimate_continuity(_features(data.grain_boundary(shape=(320, 356), random_state=1)))
    assert found.kind == "discrete"
    assert found.certainty > 0.9


def test_one_class_of_noise_is_discrete():
    found = estimate_continuity(np.random.default_rng(1).normal(size=(1200, 20)))
    assert found.kind == "discrete"
    assert found.largest_dimension > 8


def test_classes_of_which_one_is_a_torus():
    rng = np.random.default_rng(2)
    wave = 2 * np.pi * rng.uniform(0, 1, (600, 2))
    torus = np.zeros((600, 12))
    torus[:, :4] = 40 * np.column_stack([np.cos(wave), np.sin(wave)])
    blobs = np.repeat(np.eye(12)[[5, 7]] * 400, 500, axis=0)
    X = np.concatenate([torus, blobs]) + rng.normal(size=(1600, 12))
    groups = np.repeat([0, 1, 2], [600, 500, 500])
    found = estimate_continuity(X, groups)
    assert found.kind == "partly continuous"
    assert found.groups[0].is_continuous
    assert not found.groups[1].is_continuous
    assert not found.groups[2].is_continuous
    assert found.share == pytest.approx(600 / 1600)


def test_discrete_is_no_surer_than_the_large_classes_are():
    # Two sublattices far apart, each a piece of a surface that is not much wider than its noise.
    rng = np.random.default_rng(4)
    X = rng.normal(size=(1200, 14))
    X[:, :2] += rng.uniform(0, 9, (1200, 2))
    groups = np.repeat([0, 1], 600)
    X[groups == 1, 5] += 300
    alone = estimate_continuity(X)
    told = estimate_continuity(X, groups)
    assert alone.kind == told.kind == "discrete"
    assert alone.certainty > 0.9
    assert told.certainty == pytest.approx(1 - max(g.probability for g in told.groups.values()))
    assert told.certainty < alone.certainty


def test_dimension_of_a_square_of_known_dimension():
    points = np.random.default_rng(0).uniform(size=(3000, 2))
    profile = dimension_profile(points)
    assert np.median(profile[:, :5]) == pytest.approx(2, abs=0.2)


def test_few_points_decide_nothing():
    assert estimate_continuity(np.random.default_rng(0).normal(size=(20, 3))).certainty == 0.5


@pytest.mark.parametrize(
    ("X", "groups"), [(np.full((50, 3), np.nan), None), (np.ones(50), None), (np.ones((50, 3)), np.zeros(9))]
)
def test_bad_input(X, groups):
    with pytest.raises(ValueError, match=r"atom"):
        estimate_continuity(X, groups)


def test_images_of_known_kind(shared_data):
    import hyperspy.api as hs

    for stem, kind in (("tbl_mos2_medium", "continuous"), ("sto_ferro_medium", "discrete")):
        folder = shared_data / "simulated"
        image = hs.load(folder / f"{stem}.hspy").data
        xy = np.load(folder / f"{stem}.truth.npz", allow_pickle=True)["xy"]
        # Whole discs only: partial ones take long.
        radius = 2.4 * nearest_neighbour_distance(xy)
        xy = xy[((xy > radius) & (xy < np.array(image.shape[::-1]) - 1 - radius)).all(axis=1)]
        moments = [get_moments(image, xy, ZernikeBasis(8, radius * f)) for f in (0.5, 1.0)]
        assert estimate_continuity([manifold_features(m).values for m in moments]).kind == kind


@pytest.mark.parametrize("d", [12, 20])
@pytest.mark.parametrize("n", [45, 90, 300])
def test_few_points_of_noise_are_no_continuum(n, d):
    """What few points show of their dimension is limited: that alone must not make a surface of them."""
    clouds = [np.random.default_rng(seed).normal(size=(n, d)) for seed in range(6)]
    assert max(estimate_continuity(cloud).probability for cloud in clouds) < 0.25


@pytest.mark.parametrize("n", [45, 90, 300])
def test_few_points_of_a_torus_are_a_continuum(n):
    rng = np.random.default_rng(n)
    angles = rng.uniform(0, 2 * np.pi, (n, 2))
    points = rng.normal(size=(n, 16))
    points[:, :4] += 8 * np.hstack([np.cos(angles), np.sin(angles)])
    found = estimate_continuity(points)
    assert found.is_continuous
    assert found.certainty > 0.9


def test_sublattices_that_gaps_part_are_a_continuum_all_the_same():
    """What one sublattice sees over a moire is a sheet, and so is what the other sees: they need not touch."""
    rng = np.random.default_rng(5)
    angles = rng.uniform(0, 2 * np.pi, (1400, 2))
    X = rng.normal(size=(1400, 20))
    X[:, :4] += 25 * np.hstack([np.cos(angles), np.sin(angles)])
    X[700:, 4] += 120
    found = estimate_continuity(X)
    assert found.gap_dimension < 1
    assert found.is_continuous
    assert found.certainty > 0.9


@pytest.mark.parametrize(("share", "continuous"), [(0.005, False), (0.2, True)])
def test_a_class_that_drifts_is_none_unless_it_drifts_by_much(share, continuous):
    """Distortions of the scan move patches by a percent of their contrast; the same, twentyfold, is a change of structure."""
    rng = np.random.default_rng(6)
    contrast = 60.0**2
    X = rng.normal(size=(900, 20))
    X[:, :2] += np.sqrt(6 * share * contrast) * (rng.uniform(0, 1, (900, 2)) - 0.5)
    found = estimate_continuity(X, contrast=contrast)
    assert found.variation == pytest.approx(share, rel=0.2)
    assert found.is_continuous == continuous


def test_pieces():
    rng = np.random.default_rng(7)
    X = rng.normal(size=(300, 12))
    X[200:, 3] += 60
    piece = mutual_knn_components(X)
    assert not set(piece[:200]) & set(piece[200:])
    # Noise is not variation: within its error of sqrt(2 d / n), in units of the contrast.
    assert abs(within_component_variance(X - X.mean(axis=0), 100.0)) < 0.05


@pytest.mark.parametrize(("material", "twist", "seed"), [("MoS2", 3.0, 100), ("WSe2", 5.0, 101)])
def test_bilayers_of_held_out_seeds(material, twist, seed):
    found = _judged(
        data.twisted_bilayer(material, twist=twist, shape=(420, 460), random_state=seed, dose=1e5)
    )
    assert found.kind == "continuous"
    assert found.certainty > 0.9


def test_crystals_of_held_out_seeds():
    distorted = {"wobble": 2.0, "drift": (5.0, 4.0), "contrast_variation": 0.2, "background_variation": 0.5}
    for simulated in (
        data.monolayer(shape=(360, 400), random_state=100, **distorted),
        data.lattice("square", spacing=0.2, shape=(360, 400), random_state=101, strain=0.02, **distorted),
    ):
        found = _judged(simulated)
        assert found.kind == "discrete"
        assert found.certainty > 0.9


def _judged(simulated):
    image, truth = simulated
    spacing = nearest_neighbour_distance(truth.positions)
    found = [
        manifold_features(get_moments(image.data, truth.positions, ZernikeBasis(8, radius * spacing)))
        for radius in (1.2, 2.4)
    ]
    known = np.all([np.isfinite(one.values).all(axis=1) for one in found], axis=0)
    contrast = (found[0].axes.centre ** 2).sum() + (found[0].values[known] ** 2).sum(axis=1).mean()
    return estimate_continuity([one.values[known] for one in found], contrast=contrast)


@pytest.mark.parametrize("n", [400, 1500])
def test_classes_that_touch_are_no_continuum(n):
    """Two domains whose atoms differ by little more than noise are one piece that varies much, and yet there are two."""
    rng = np.random.default_rng(9)
    X = rng.normal(size=(n, 20))
    X[:, 0] += np.where(np.arange(n) < n // 2, -2.5, 2.5)
    found = estimate_continuity(X, contrast=70.0)
    assert found.variation > 0.06
    assert found.kind == "discrete"
    assert found.certainty > 0.9


def test_a_domain_wall_is_no_continuum():
    image, truth = data.perovskite(displacement=0.015, dose=8e3, shape=(420, 400), random_state=115)
    found = _judged((image, truth))
    assert found.kind == "discrete"


def test_a_piece_of_a_few_atoms_does_not_speak_for_many_classes():
    rng = np.random.default_rng(10)
    classes = np.repeat(rng.normal(size=(60, 20)) * 40, 6, axis=0) + rng.normal(size=(360, 20))
    chain = rng.normal(size=(40, 20))
    chain[:, 0] += np.linspace(-30, 30, 40)
    X = np.concatenate([classes, chain])
    assert within_component_variance(X - X.mean(axis=0), 2000.0) == 0
    assert within_component_variance(chain - chain.mean(axis=0), 2000.0) > 0.1


@pytest.mark.parametrize("seed", range(4))
def test_atoms_of_an_interface_join_no_classes(seed):
    """Twelve points between two classes of 300 and 311: what varies from one class to the other is no continuum."""
    rng, along, apart = np.random.default_rng(seed), np.eye(20)[0], 10
    between = rng.standard_normal((12, 20)) * np.where(along, 0.3, 1)
    between += np.linspace(0, apart, 12)[:, None] * along
    classes = rng.standard_normal((300, 20)), rng.standard_normal((311, 20)) + apart * along
    points = np.concatenate([*classes, between])
    found = estimate_continuity(points - points.mean(axis=0), contrast=200.0)
    assert found.variation < 0.01
    # Points that fill the way between them evenly are a continuum.
    filled = rng.standard_normal((623, 20)) + rng.uniform(0, apart, 623)[:, None] * along
    assert estimate_continuity(filled - filled.mean(axis=0), contrast=200.0).variation > 0.02
