"""Features on their own: in HyperSpy's hands, sliced, cropped, saved; those of patches and those of the image."""

import hyperspy.api as hs
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from hyperspy_motifs import data
from hyperspy_motifs.zernike import ZernikeBasis, get_moments, get_patch_moments

pytestmark = pytest.mark.usefixtures("two_radii")

N_MAX = 6


@pytest.fixture(scope="module")
def image():
    """An image with atoms of which some are cut by the border and some have no moments."""
    signal, truth = data.monolayer(shape=(200, 224), random_state=3)
    near = np.all((truth.positions >= 0) & (truth.positions <= [223, 199]), axis=1)
    scale = signal.axes_manager.signal_axes[0].scale
    signal.find_motifs(
        truth.positions[near] * scale, refine=False, radius=0.24, radius_units="axes", n_max=N_MAX
    )
    return signal


@pytest.fixture(scope="module")
def features(image):
    found = image.motifs.features
    unknown = np.isnan(found.data).any(axis=1)
    assert 3 < unknown.sum() < len(unknown) / 4
    return found


@pytest.fixture(scope="module")
def unknown(features):
    return np.isnan(features.data).any(axis=1)


def test_hyperspy_analyses_what_is_known(features, unknown):
    s = features.deepcopy()
    s.decomposition(print_info=False)
    loadings, factors = s.get_decomposition_loadings().data, s.get_decomposition_factors().data
    np.testing.assert_array_equal(np.isnan(loadings).all(axis=0), unknown)
    expected = np.linalg.svd(features.data[~unknown], full_matrices=False)[1]
    np.testing.assert_allclose(
        np.linalg.norm(loadings[:, ~unknown], axis=1)[:4] * np.linalg.norm(factors, axis=1)[:4],
        expected[:4],
        rtol=1e-3,
    )
    s.cluster_analysis("decomposition", n_clusters=2, number_of_components=4, random_state=0)
    members = s.get_cluster_labels().data.sum(axis=0)
    np.testing.assert_array_equal(members[~unknown], 1)
    assert s.estimate_number_of_clusters("decomposition", max_clusters=4, number_of_components=4) >= 2


def test_lazy_features_are_analysed_as_well(features, unknown):
    s = features.as_lazy()
    s.decomposition(print_info=False, output_dimension=3)
    loadings = np.asarray(s.get_decomposition_loadings().data)
    np.testing.assert_array_equal(np.isnan(loadings).all(axis=0), unknown)
    eager = features.deepcopy()
    eager.decomposition(print_info=False, output_dimension=3)
    known = eager.get_decomposition_loadings().data[:, ~unknown]
    # HyperSpy's lazy decomposition goes block by block and is not exact.
    assert abs(np.corrcoef(loadings[0, ~unknown], known[0])[0, 1]) > 0.98
    np.testing.assert_array_equal(s.take([4, 2]).data, features.data[[4, 2]])


def test_a_mask_of_the_user_is_kept(features, unknown):
    s = features.deepcopy()
    mask = np.arange(len(unknown)) < 20
    s.decomposition(print_info=False, navigation_mask=mask)
    np.testing.assert_array_equal(np.isnan(s.get_decomposition_loadings().data).all(axis=0), unknown | mask)


def test_slices_of_atoms_know_their_noise(features):
    part = features.inav[7:50].inav[3:-1]
    np.testing.assert_array_equal(part.atoms, np.arange(10, 49))
    np.testing.assert_array_equal(part.noise_std, features.noise_std[10:49])
    np.testing.assert_array_equal(part.get_moments().values, features.data[10:49])
    one = features.inav[12]
    assert one.atoms.tolist() == [12]
    np.testing.assert_array_equal(one.get_moments().noise_std, features.noise_std[12:13])


def test_slices_of_modes_know_their_meaning(features):
    part = features.isig[3:6]
    assert part.modes.tolist() == [[2, -2], [2, 0], [2, 2]]
    chosen = features.select(n=2)
    np.testing.assert_array_equal(part.data, chosen.data)
    np.testing.assert_array_equal(part.noise_std, chosen.noise_std)
    np.testing.assert_allclose(part.rotate(0.4).data, features.rotate(0.4).data[:, 3:6], atol=1e-6)
    np.testing.assert_allclose(part.reconstruct().data, chosen.reconstruct().data, atol=1e-6)
    with pytest.raises(ValueError, match="partner"):
        features.isig[3:5].rotate(0.4)


def test_atoms_are_taken_in_any_order(features):
    part = features.take([9, 4, 31])
    assert part.atoms.tolist() == [9, 4, 31]
    np.testing.assert_array_equal(part.data, features.data[[9, 4, 31]])
    np.testing.assert_array_equal(part.noise_std, features.noise_std[[9, 4, 31]])
    assert part.select(m=3).atoms.tolist() == [9, 4, 31]
    assert features.take(np.arange(len(features.data)) < 5).atoms.tolist() == [0, 1, 2, 3, 4]


def test_none_are_taken_and_one_is_no_choice(features):
    none = features.take([])
    assert none.data.shape == (0, features.data.shape[1])
    assert none.atoms.shape == (0,)
    with pytest.raises(ValueError, match="one atom"):
        features.inav[3].take([0])


def test_transposed_and_stacked_features_are_sliced_as_any_signal(features):
    few = features.take(np.arange(11, 20))
    n, k = few.data.shape
    assert n < k
    np.testing.assert_array_equal(few.T.inav[n + 3].data, few.data[:, n + 3])
    np.testing.assert_array_equal(few.T.isig[2:5].data, few.data[2:5].T)
    double = hs.stack([few, few], axis=0, show_progressbar=False)
    np.testing.assert_array_equal(double.inav[n + 1 : n + 3].data, few.data[1:3])


def test_a_crop_of_the_image_keeps_the_noise_with_its_atoms(image, features):
    part = image.isig[30:180, 20:170].motifs
    whole = image.motifs.positions.tolist()
    old = [whole.index(xy) for xy in part.positions.tolist()]
    moments = part.features.get_moments()
    np.testing.assert_array_equal(moments.values, features.data[old])
    np.testing.assert_array_equal(moments.noise_std, features.noise_std[old])
    np.testing.assert_array_equal(part.features.atoms, np.arange(len(old)))


def test_features_come_back_from_a_file(features, tmp_path):
    features.take([5, 2, 8]).save(tmp_path / "features.hspy")
    for lazy in (False, True):
        back = hs.load(tmp_path / "features.hspy", lazy=lazy)
        assert back.inav[1:].atoms.tolist() == [2, 8]
        np.testing.assert_array_equal(back.inav[1:].noise_std, features.noise_std[[2, 8]])


def test_patches_have_the_features_of_the_image(image, features, unknown):
    found = image.motifs.patches.get_zernike_features(N_MAX)
    np.testing.assert_array_equal(np.isnan(found.data).any(axis=1), unknown)
    np.testing.assert_allclose(found.data[~unknown], features.data[~unknown], atol=2e-5)
    # A patch knows the noise of its pixels on average; the image that of each, and what its background may be wrong by.
    ratio = found.noise_std[~unknown] / features.noise_std[~unknown]
    assert 0.3 < ratio.min() < 0.9 < np.median(ratio) < 1.15
    assert ratio.max() < 1.6


def test_patches_and_their_features_are_of_the_same_atoms(image, unknown):
    patches = image.get_atom_patches(radius=0.24, radius_units="axes")
    np.testing.assert_array_equal(patches.atoms, np.flatnonzero(~unknown))
    features = patches.get_zernike_features(N_MAX)
    np.testing.assert_array_equal(features.atoms, patches.atoms)
    part = patches.inav[5:60]
    np.testing.assert_array_equal(part.get_zernike_features(N_MAX).atoms, patches.atoms[5:60])


def test_layout_of_what_is_known(features, unknown):
    layout = features.get_layout(random_state=2)
    np.testing.assert_array_equal(np.isnan(layout).any(axis=1), unknown)
    known = features.take(~unknown)
    np.testing.assert_array_equal(layout[~unknown], known.get_layout(random_state=2))
    turned = known.rotate(np.linspace(0, 6, len(known.data)))
    still, same = (f.get_layout(rotation_invariant=True) for f in (known, turned))
    # What is left of a rotation are the last bits, which the forces may grow: the neighbourhoods stay.
    near = [np.argsort(np.linalg.norm(v[:, None] - v, axis=2), axis=1)[:, 1:9] for v in (still, same)]
    common = np.mean([len(np.intersect1d(a, b)) for a, b in zip(*near, strict=True)]) / 8
    plain = np.argsort(np.linalg.norm(turned.data[:, None] - turned.data, axis=2), axis=1)[:, 1:9]
    spoiled = np.mean([len(np.intersect1d(a, b)) for a, b in zip(near[0], plain, strict=True)]) / 8
    assert common > spoiled + 0.3
    with pytest.raises(ValueError, match="at least two"):
        features.take(unknown).get_layout()


def test_invariants_do_not_turn(features, unknown):
    known = features.take(~unknown)
    before = known.get_invariants(chirality=True)
    after = known.rotate(np.linspace(0, 6, len(known.data))).get_invariants(chirality=True)
    spread = before.data.std(axis=0)
    np.testing.assert_allclose(after.data, before.data, atol=0.01 * spread.max())
    assert np.abs(known.rotate(1.0).data - known.data).max() > spread.max()
    assert before.data.shape[1] == known.get_invariants().data.shape[1] + 1


def test_one_angle_or_one_an_atom(features):
    with pytest.raises(ValueError, match="one per pattern"):
        features.rotate(np.zeros(7))


class TestPatchMoments:
    def test_border_by_limits_as_by_the_image(self):
        rng = np.random.default_rng(0)
        y, x = np.mgrid[:70, :90]
        image = np.cos(0.7 * x + 0.1 * y) + np.cos(0.5 * y - 0.2 * x) + 0.01 * rng.normal(size=x.shape)
        points = np.column_stack([rng.uniform(4, 85, 200), rng.uniform(4, 65, 200)])
        basis = ZernikeBasis(5, 7.3)
        expected = get_moments(image, points, basis, normalise=False)
        from hyperspy_motifs.patches import sample_patches
        from hyperspy_motifs.zernike import window_limits

        patches = sample_patches(image, points, basis.radius)
        limits = np.stack(window_limits(points, image.shape, basis.size), axis=1)
        found = get_patch_moments(patches, basis, limits=limits)
        np.testing.assert_allclose(found.coverage, expected.coverage)
        np.testing.assert_array_equal(found.valid, expected.valid)
        assert (found.valid & (found.coverage < 1)).sum() > 10
        np.testing.assert_allclose(found.values, expected.values, atol=1e-4)
        # Counts on a high pedestal: a constant has the moments of the disc alone.
        raised = get_patch_moments(patches.astype(float) + 1e4, basis, limits=limits)
        constant = 1e4 * basis.weights.sum(axis=1)
        np.testing.assert_allclose(
            (raised.values - constant)[found.valid], found.values[found.valid], atol=3e-3
        )
        blind = get_patch_moments(patches, basis)
        assert blind.valid.all()
        cut = found.valid & (found.coverage < 0.9)
        assert np.abs(blind.values - expected.values)[cut].max() > 0.02

    def test_no_bit_depends_on_the_number_of_threads(self):
        basis = ZernikeBasis(8, 13.3)
        patches = np.random.default_rng(2).normal(size=(777, basis.size, basis.size)).astype(np.float32)
        found = []
        for threads in (1, 2):
            with threadpool_limits(limits=threads, user_api="blas"):
                found.append(get_patch_moments(patches, basis).values)
        np.testing.assert_array_equal(*found)

    def test_noise_is_that_of_sampled_pixels(self):
        rng = np.random.default_rng(1)
        image = rng.normal(0, 3, (200, 230))
        points = np.column_stack([rng.uniform(12, 217, 1500), rng.uniform(12, 187, 1500)])
        from hyperspy_motifs.patches import sample_patches

        basis = ZernikeBasis(4, 6.4)
        found = get_patch_moments(sample_patches(image, points, basis.radius), basis, noise_std=3.0)
        np.testing.assert_allclose(found.values.std(axis=0), found.noise_std[0], rtol=0.08)
