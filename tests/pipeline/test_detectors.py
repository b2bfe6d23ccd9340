"""Motifs of several detectors can do all that those of one image can."""

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs import data, store

QUIET = {"show_progressbar": False}


def two_detectors(seed, shape=(130, 158)):
    """A monolayer by two detectors: the second has another contrast and noise of its own."""
    first, _ = data.monolayer(shape=shape, random_state=seed)
    counts = np.clip(np.asarray(first.data, float) + 5, 0, None)
    rng = np.random.default_rng(seed + 50)
    second = first._deepcopy_with_new_data(rng.poisson(40 * np.sqrt(counts)).astype(np.float32))
    return first, second


@pytest.fixture(scope="module")
def learned():
    first, second = two_detectors(3)
    first.find_motifs(detectors=second, radius=1.2, **QUIET)
    return first, second


@pytest.fixture
def motifs(learned, tmp_path):
    """Motifs that were saved and loaded."""
    learned[0].save(tmp_path / "image.hspy")
    return hs.load(tmp_path / "image.hspy").motifs


def test_features_at_every_radius_are_those_of_both_images(motifs, learned):
    np.testing.assert_array_equal(motifs.detectors[1].data, learned[1].data)
    for radius in motifs.radii:
        features = motifs.at(radius).features
        assert features.n_detectors == 2
        assert features.data.shape == (len(motifs.labels), 2 * len(features.of_detector(1).modes))
    single = learned[1].deepcopy()
    alone = single.find_motifs(motifs.positions, refine=False, radius=2.4, **QUIET).features
    both = motifs.at(2.4).features.of_detector(1)
    known = np.isfinite(alone.data).all(axis=1) & np.isfinite(both.data).all(axis=1)
    assert known.sum() > 20
    np.testing.assert_allclose(both.data[known], alone.data[known], atol=1e-4)
    np.testing.assert_allclose(both.noise_std[known], alone.noise_std[known], rtol=1e-3)


def test_patches_of_each_detector_are_reconstructed_and_explained(motifs, learned):
    whole = np.flatnonzero(~motifs.truncated)
    for number, image in enumerate(learned):
        patches = np.asarray(image.get_atom_patches(motifs.positions, radius=1.2).data)
        found = np.asarray(motifs.features.reconstruct(detector=number).data)
        atoms = image.get_atom_patches(motifs.positions, radius=1.2).atoms
        rows = [int(np.flatnonzero(atoms == k)[0]) for k in whole]
        inside = np.isfinite(found[whole[0]]) & (found[whole[0]] != 0)
        agreement = [
            np.corrcoef(patches[row][inside], found[k][inside])[0, 1]
            for row, k in zip(rows, whole, strict=True)
        ]
        # The second detector is noisy, and moments do not describe noise.
        assert np.median(agreement) > 0.6
        axes = motifs.features.plot_explanation(motifs.labels, detector=number)
        assert len(np.ravel(axes)) > 3
    with pytest.raises(ValueError, match="no detector 2"):
        motifs.features.of_detector(2)


def test_the_model_is_applied_to_both_detectors_of_another_scan(motifs, tmp_path):
    path = motifs.model.save(tmp_path / "model.npz")
    first, second = two_detectors(4)
    found = motifs.predict(first, detectors=second, **QUIET)
    truth, _ = two_detectors(4)
    by_own = truth.find_motifs(found.positions, refine=False, detectors=second, radius=1.2, **QUIET)
    table = np.zeros((found.n_motifs, by_own.n_motifs), int)
    np.add.at(table, (found.labels, by_own.labels), 1)
    assert table.max(axis=1).sum() > 0.95 * len(found.labels)
    assert found.features.n_detectors == 2
    again, other = two_detectors(4)
    applied = again.apply_model(path, detectors=[other], **QUIET)
    np.testing.assert_array_equal(applied.labels, found.labels)
    with pytest.raises(ValueError, match="found in 2 detectors, 1 are given"):
        motifs.predict(first, **QUIET)


def test_stability_and_continuity_use_both_detectors(motifs):
    found = motifs.get_stability(2)
    # Of 70 atoms.
    assert found.mean_agreement > 0.8
    assert not motifs.continuity.is_continuous
    other = motifs.signal.deepcopy()
    coordinates = motifs.manifold.transform(other.motifs)
    assert len(coordinates) == len(motifs.labels)


@pytest.mark.parametrize(
    "move", [lambda s: s.isig[20:, :140], lambda s: s.isig[::-1], lambda s: s.swap_axes(0, 1).isig[10:]]
)
def test_the_images_of_the_detectors_follow_the_first_one(learned, move):
    first, second = learned
    moved = move(first)
    np.testing.assert_array_equal(moved.motifs.detectors[1].data, move(second).data)
    assert np.isfinite(moved.motifs.at(0.6).features.data).any()


def test_where_the_images_are_not_kept_only_the_chosen_radius_is_known(learned):
    smaller = learned[0].rebin(scale=(2, 2))
    assert smaller.motifs.features.n_detectors == 2
    with pytest.raises(ValueError, match="not kept"):
        _ = smaller.motifs.detectors
    with pytest.raises(ValueError, match="only the features at the chosen radius"):
        _ = smaller.motifs.at(2.4).features
    record = store.read(smaller)
    assert record.detectors is None
