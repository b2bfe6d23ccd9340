"""Alignment, magnitudes, chirality and symmetry of patterns."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hyperspy_motifs.zernike import (
    align,
    explain,
    get_chirality,
    get_symmetry,
    invariants,
    rotate_moments,
    to_complex,
    zernike_modes,
)

MODES = zernike_modes(10)
MIRROR = np.where(MODES[:, 1] < 0, -1.0, 1.0)


def noisy(pattern, sigma, count, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, (count, len(MODES)))
    return SimpleNamespace(values=pattern + noise, modes=MODES, noise_std=np.full(len(MODES), sigma))


def pattern(fold, seed=0, mirror=None):
    values = np.random.default_rng(seed).normal(size=len(MODES))
    values[MODES[:, 1] % fold != 0] = 0
    if mirror is not None:
        values[MODES[:, 1] < 0] = 0
        values = rotate_moments(values, MODES, mirror)
    return values


@pytest.fixture(scope="module")
def mixture():
    rng = np.random.default_rng(0)
    references = rng.normal(size=(6, len(MODES)))
    which, angle = rng.integers(0, 6, 200), rng.uniform(-np.pi, np.pi, 200)
    reflected = rng.random(200) < 0.5
    kept = references[which] * np.where(reflected[:, None], MIRROR, 1.0)
    return references, rotate_moments(kept, MODES, angle), which, angle, reflected


def test_alignment_finds_reference_angle_and_reflection(mixture):
    references, moments, which, angle, reflected = mixture
    found = align(moments, references, MODES, reflection=True)
    rows = np.arange(len(moments))
    assert (found.distance.argmin(axis=1) == which).all()
    assert_allclose(found.distance[rows, which], 0, atol=1e-6)
    assert (found.reflected[rows, which] == reflected).all()
    assert_allclose(np.exp(1j * found.angles[rows, which]), np.exp(1j * angle), atol=1e-6)


def test_alignment_is_the_minimum_over_all_angles(mixture):
    references, moments, *_ = mixture
    a, kept = to_complex(moments[:8], MODES)
    b, _ = to_complex(references, MODES)
    theta = np.linspace(-np.pi, np.pi, 3001)
    turned = b[:, None] * np.exp(1j * kept[:, 1] * theta[:, None])
    expected = np.sqrt((np.abs(a[:, None, None] - turned) ** 2).sum(axis=-1)).min(axis=-1)
    found = align(moments[:8], references, MODES).distance
    assert (found <= expected + 1e-9).all()
    assert_allclose(found**2, expected**2, atol=2e-3)


def test_angle_brings_the_reference_onto_the_pattern(mixture):
    references, moments, *_ = mixture
    found = align(moments[3], references[2], MODES)
    turned = rotate_moments(references[2], MODES, found.angles[0, 0])
    assert np.linalg.norm(moments[3] - turned) == pytest.approx(found.distance[0, 0], abs=1e-9)


def test_weights_must_leave_rotations_alone(mixture):
    references, moments, *_ = mixture
    weights = np.where(MODES[:, 0] > 4, 0.0, 1.0)
    low = align(moments, references, MODES, weights=weights).distance
    same = align(moments * weights, references * weights, MODES).distance
    assert_allclose(low, same, atol=1e-9)
    with pytest.raises(ValueError, match="same weight"):
        align(moments, references, MODES, weights=np.arange(1.0, len(MODES) + 1))


def test_invariants_do_not_turn_and_see_no_mirror():
    values = noisy(pattern(1), 1e-9, 1)
    turned = SimpleNamespace(**{**vars(values), "values": rotate_moments(values.values, MODES, 1.1)})
    mirrored = SimpleNamespace(**{**vars(values), "values": values.values * MIRROR})
    original, noise = invariants(values)
    assert original.shape == noise.shape == (1, 36)
    assert_allclose(invariants(turned)[0], original, atol=1e-6)
    assert_allclose(invariants(mirrored)[0], original, atol=1e-6)
    assert invariants(mirrored, chirality=True)[0][0, -1] == pytest.approx(
        -invariants(turned, chirality=True)[0][0, -1], abs=1e-6
    )


def test_magnitudes_are_debiased():
    true = noisy(pattern(1, seed=1), 0.0, 1)
    parts, kept = to_complex(true.values, MODES)
    exact = np.where(kept[:, 1] == 0, parts.real, np.abs(parts))[0]
    many = noisy(pattern(1, seed=1), 0.4, 4000)
    parts, _ = to_complex(many.values, MODES)
    raw, clean = np.where(kept[:, 1] == 0, parts.real, np.abs(parts)), invariants(many)[0]
    strong = exact > 4 * 0.4
    power_bias = (raw[:, strong] ** 2).mean(axis=0) - exact[strong] ** 2
    left = (clean[:, strong] ** 2).mean(axis=0) - exact[strong] ** 2
    turning = to_complex(many.values[:1], MODES)[1][strong, 1] > 0
    assert (power_bias[turning] > 0.2).all()
    assert_allclose(left[turning], 0, atol=0.12)


def test_chirality_has_a_sign_and_a_noise():
    handed = pattern(1, seed=5)
    right, spread = get_chirality(noisy(handed, 0.05, 500))
    left, _ = get_chirality(noisy(handed * MIRROR, 0.05, 500))
    assert abs(right.mean()) > 4 * right.std()
    assert left.mean() == pytest.approx(-right.mean(), abs=0.01)
    assert right.std() == pytest.approx(spread.mean(), rel=0.15)
    achiral, spread = get_chirality(noisy(pattern(1, seed=5, mirror=0.6), 0.05, 500))
    assert abs(achiral.mean()) < 0.2 * spread.mean()


@pytest.mark.parametrize("sigma", [0.02, 0.35])
@pytest.mark.parametrize("fold", [2, 3, 4])
def test_scores_of_a_fold_are_one_and_noise_does_not_lower_them(fold, sigma):
    values = pattern(fold, seed=7)
    found = get_symmetry(noisy(values, sigma, 3000), folds=(2, 3, 4, 5, 6))
    assert found.scores[:, found.folds.index(fold)].mean() == pytest.approx(1, abs=0.06)
    assert found.scores[:, found.folds.index(5)].mean() < 0.1
    column = found.folds.index(fold)
    assert found.scores[:, column].std() <= 1.5 * np.median(found.scores_std[:, column])


def test_score_is_the_mean_correlation_with_turned_copies():
    values = pattern(1, seed=3)
    high = values * (np.abs(MODES[:, 1]) >= 2)
    for fold in (2, 3, 4, 6):
        turned = [rotate_moments(high, MODES, 2 * np.pi * k / fold) for k in range(1, fold)]
        expected = np.mean([t @ high for t in turned]) / (high @ high)
        assert get_symmetry(noisy(values, 0, 1), (fold,)).scores[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize("angle", [0.0, 0.4, 1.3, 3.0])
def test_mirror_axis(angle):
    found = get_symmetry(noisy(pattern(1, seed=4, mirror=angle), 0.05, 200))
    assert found.mirror.mean() == pytest.approx(1, abs=0.01)
    assert_allclose(np.exp(2j * found.axis), np.exp(2j * angle), atol=0.05)
    chiral = get_symmetry(noisy(pattern(1, seed=4), 0.05, 200))
    assert chiral.mirror.mean() < 0.8


def test_nothing_but_noise_has_no_symmetry():
    found = get_symmetry(noisy(np.zeros(len(MODES)), 1.0, 3000))
    assert_allclose(found.scores.mean(axis=0), 0, atol=0.06)
    assert found.mirror.mean() < 0.4


def test_symmetry_needs_angular_orders_and_folds():
    with pytest.raises(ValueError, match="angular order"):
        get_symmetry(SimpleNamespace(values=np.ones((2, 3)), modes=zernike_modes(1), noise_std=np.ones(3)))
    with pytest.raises(ValueError, match="fold"):
        get_symmetry(noisy(pattern(2), 0.1, 2), folds=(1,))


def test_explain_names_the_mode_that_differs():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.1, (80, len(MODES)))
    labels = np.repeat([0, 1], 40)
    column = MODES.tolist().index([3, 3])
    values[labels == 1, column] += 0.5
    found = explain(values, labels, MODES, (1, 0))
    assert found.modes[0].tolist() == [3, 3]
    assert found.share[0] > 0.7
    assert found.share.sum() == pytest.approx(1)
    assert found.separation[0] == pytest.approx(5, rel=0.2)
    assert abs(found.certainty[1:]).max() < 4 < found.certainty[0]
    assert found.difference_in_order()[column] == pytest.approx(0.5, abs=0.1)
    assert "3-fold" in found.to_text(1)
    assert explain(values, labels, MODES, (1, -1)).modes[0].tolist() == [3, 3]


def test_explain_needs_groups():
    with pytest.raises(ValueError, match="two atoms"):
        explain(np.ones((4, len(MODES))), np.array([0, 0, 0, 1]), MODES, (0, 1))
    with pytest.raises(ValueError, match="do not match"):
        explain(np.ones((4, 3)), np.zeros(4), MODES, (0, 1))
