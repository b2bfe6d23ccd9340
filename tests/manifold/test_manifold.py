"""Manifold coordinates: registry of a twisted bilayer, extension, topology, disorder, sites."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor

from hyperspy_motifs import data
from hyperspy_motifs.atoms import nearest_neighbour_distance
from hyperspy_motifs.data import Imaging, simulate, twisted_bilayer_specimen
from hyperspy_motifs.data._monolayer import OPTICS
from hyperspy_motifs.manifold import Manifold, estimate_disorder, find_topology, manifold_features
from hyperspy_motifs.sites import choose_patch_centres
from hyperspy_motifs.zernike import ZernikeBasis, get_moments

RADIUS = 2.4


def _moments(image, positions):
    return get_moments(image, positions, ZernikeBasis(8, RADIUS * nearest_neighbour_distance(positions)))


def _explained(coordinates, registry):
    waves = np.column_stack([np.cos(2 * np.pi * registry), np.sin(2 * np.pi * registry)])
    folds = KFold(5, shuffle=True, random_state=0)
    guess = cross_val_predict(KNeighborsRegressor(10), coordinates, waves, cv=folds)
    return 1 - ((waves - guess) ** 2).sum() / ((waves - waves.mean(axis=0)) ** 2).sum()


@pytest.fixture(scope="module")
def bilayer():
    image, truth = data.twisted_bilayer(twist=6.0, shape=(560, 600), random_state=4)
    features = manifold_features(_moments(image.data, truth.positions))
    return image.data, truth, features


@pytest.fixture(scope="module")
def manifold(bilayer):
    _, truth, features = bilayer
    return Manifold().fit(features.values, truth.positions)


def test_coordinates_tell_the_registry(bilayer, manifold):
    _, truth, features = bilayer
    known = manifold.valid_
    assert _explained(manifold.coordinates_[known], truth.extra["registry"][known]) > 0.95
    # Not for a trivial reason: the plane of most variance does not.
    assert _explained(features.values[known][:, :2], truth.extra["registry"][known]) < 0.6


def test_atoms_at_the_border_get_coordinates(bilayer, manifold):
    _, truth, _ = bilayer
    assert not manifold.valid_.all()
    assert np.isfinite(manifold.coordinates_).all()
    assert _explained(manifold.coordinates_, truth.extra["registry"]) > 0.9


def test_a_moire_is_a_surface(manifold):
    assert 1.7 < manifold.dimension_ < 2.7
    assert manifold.topology_.kind == "torus"
    # Six waves of the first star of a hexagonal torus, then a gap.
    assert manifold.eigenvalues_[6] < 0.8 * manifold.eigenvalues_[5]


def test_transform_returns_what_was_fitted(bilayer, manifold):
    _, truth, features = bilayer
    again = manifold.transform(features.values, truth.positions)
    known = manifold.valid_
    for mode in range(6):
        assert np.corrcoef(again[known, mode], manifold.coordinates_[known, mode])[0, 1] > 0.99


def test_transform_of_another_image(bilayer, manifold):
    _, _, features = bilayer
    image, truth = data.twisted_bilayer(twist=6.0, shape=(440, 400), random_state=9)
    other = manifold_features(_moments(image.data, truth.positions), like=features)
    found = manifold.transform(other.values, truth.positions)
    assert found.shape == (len(truth.positions), 8)
    assert _explained(found, truth.extra["registry"]) > 0.85


def test_same_coordinates_for_any_number_of_threads(bilayer, manifold):
    from threadpoolctl import threadpool_limits

    _, truth, features = bilayer
    with threadpool_limits(2):
        two = Manifold().fit(features.values, truth.positions).coordinates_
    with threadpool_limits(1):
        one = Manifold().fit(features.values, truth.positions).coordinates_
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, manifold.coordinates_)


@pytest.mark.parametrize(("kind", "dimension"), [("ring", 1), ("interval", 1), ("plane", 2), ("torus", 2)])
def test_topology_of_known_spaces(kind, dimension):
    rng = np.random.default_rng(3)
    u, v = rng.uniform(0, 1, (2, 1500))
    wave = 2 * np.pi * np.column_stack([u, v])
    points = {
        "ring": np.column_stack([np.cos(wave[:, 0]), np.sin(wave[:, 0])]),
        "interval": np.column_stack([2 * u - 1, (2 * u - 1) ** 2]),
        "plane": np.column_stack([u, v, 0.3 * u * v]),
        "torus": np.column_stack([np.cos(wave), np.sin(wave)]),
    }[kind]
    padded = np.column_stack([points, rng.normal(0, 0.02, (1500, 3))])
    found = find_topology(padded, np.array([0.9] * points.shape[1] + [0.3] * 3))
    assert found.kind == kind
    assert found.dimension == pytest.approx(dimension, abs=0.5)


def test_plain_map_of_a_ring_orders_its_points():
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 700)
    X = 20 * np.column_stack([np.cos(angle), np.sin(angle)]) @ rng.normal(size=(2, 9)) + rng.normal(
        size=(700, 9)
    )
    first = Manifold(2).fit(X).coordinates_
    turned = np.exp(1j * angle)
    found = first[:, 0] + 1j * first[:, 1]
    overlap = max(abs(np.vdot(turned, found)), abs(np.vdot(turned.conj(), found)))
    assert overlap / np.linalg.norm(found) / np.linalg.norm(turned) > 0.97


def _planted(picometres, twist, seed):
    optics = Imaging.of(OPTICS, {"shape": (420, 480)})
    specimen = twisted_bilayer_specimen("MoS2", optics.reach, twist).displaced(0.0015, seed)
    positions = specimen.positions.copy()
    right = positions[:, 0] > 0
    positions[right] += np.random.default_rng(seed).normal(0, 1e-3 * picometres, (right.sum(), 2))
    moved = dataclasses.replace(specimen, positions=positions)
    return np.asarray(simulate(moved, optics, seed)[0], dtype=float)


def test_disorder_is_ranked_and_its_half_found():
    from sklearn.metrics import roc_auc_score

    from hyperspy_motifs.atoms import find_atoms

    values, areas = [], []
    for picometres in (3, 6, 12):
        image = _planted(picometres, 6.0, 11)
        xy = find_atoms(image, refine=False).positions
        disorder = estimate_disorder(manifold_features(_moments(image, xy)).whole, xy)
        clear = np.isfinite(disorder.excess) & (np.abs(xy[:, 0] - 240) > 30)
        values.append(disorder.value)
        areas.append(roc_auc_score(xy[clear, 0] > 240, disorder.excess[clear]))
    assert values == sorted(values)
    assert areas == sorted(areas)
    # Each atom by itself: nothing is averaged over neighbours.
    assert areas[0] > 0.7
    assert areas[-1] > 0.98


def test_bending_of_the_manifold_is_no_disorder():
    rng = np.random.default_rng(8)
    wave = rng.uniform(0, 2 * np.pi, (600, 2))
    X = rng.normal(size=(600, 30))
    X[:, :4] += 40 * np.hstack([np.cos(wave), np.sin(wave)])
    # Of 600 points the 24 nearest lie up to 0.7 radian away, where the torus has left its tangents by ten units of noise.
    assert estimate_disorder(X).value < 3


def test_coordinates_are_rough_where_they_scatter():
    rng = np.random.default_rng(2)
    xy = rng.uniform(0, 40, (1400, 2))
    X = rng.normal(size=(1400, 6))
    X[::70] = np.nan
    slopes = np.array([[0.2, 0.05, -0.1], [-0.03, 0.3, 0.1]])
    raw = xy @ slopes
    left = xy[:, 0] < 20
    raw[left] += rng.normal(0, 0.4, (left.sum(), 3))
    found = estimate_disorder(X, xy, manifold=SimpleNamespace(raw_coordinates_=raw)).roughness
    np.testing.assert_array_equal(np.isnan(found), np.isnan(X[:, 0]))
    # A slope is not rough; away from the scattered half, and from what lies beside it, nothing is.
    assert np.nanmax(found[xy[:, 0] > 25]) < 1e-9
    # The plane through the neighbours scatters itself, so that a little more than 0.4 is found.
    assert 0.4 < np.sqrt(np.nanmean(found[xy[:, 0] < 15] ** 2)) < 0.55
    assert np.isnan(estimate_disorder(X, xy).roughness).all()


def test_no_disorder_where_there_is_only_noise():
    rng = np.random.default_rng(5)
    t = rng.uniform(-30, 30, (2500, 2))
    X = np.column_stack([t, np.zeros((2500, 10))]) + rng.normal(size=(2500, 12))
    quiet = estimate_disorder(X)
    X[:1250] += 1.5 * rng.normal(size=(1250, 12))
    loud = estimate_disorder(X)
    assert quiet.value < 0.8
    assert loud.excess[:1250].mean() > 3 * abs(loud.excess[1250:].mean())


def test_columns_that_stand_apart_are_taken_as_they_are():
    image, truth = data.monolayer(shape=(260, 300))
    sites = choose_patch_centres(image.data, truth.positions)
    assert sites.kind == "peaks"
    assert len(sites.positions) == len(truth.positions)


def test_columns_stand_apart_on_a_slope_and_beside_a_blob_too():
    image, truth = data.silicon_7x7(shape=(232, 256), tilt=(0, 0), random_state=1)
    contrast = np.ptp(np.asarray(image.data))
    rows, columns = np.indices((232, 256))
    blob = np.exp(-((rows - 200) ** 2 + (columns - 30) ** 2) / (2 * 40**2))
    sites = choose_patch_centres(image.data + contrast * (4 * columns / 256 + 4 * blob), truth.positions)
    assert sites.kind == "peaks"
    assert choose_patch_centres(np.asarray(image.data), truth.positions).kind == "peaks"


def test_a_grid_where_columns_overlap():
    image, truth = data.twisted_bilayer(twist=6.0, shape=(320, 360))
    sites = choose_patch_centres(image.data, truth.positions)
    assert sites.kind == "grid"
    assert "overlap" in sites.reason
    assert nearest_neighbour_distance(sites.positions) == pytest.approx(sites.spacing, rel=0.02)
    assert (sites.positions >= 0).all()
    assert (sites.positions <= [359, 319]).all()


@pytest.mark.parametrize("bad", [np.ones(5), np.full((300, 4), np.nan)])
def test_features_that_cannot_be_used(bad):
    with pytest.raises(ValueError, match=r"atoms"):
        Manifold().fit(bad)
