"""Moments of the discs around atoms: sub-pixel centres, noise, background, discs at the border."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage

from hyperspy_motifs.patches import sample_patches
from hyperspy_motifs.zernike import (
    DiscImage,
    NoiseModel,
    ZernikeBasis,
    choose_basis,
    choose_n_max,
    estimate_noise,
    get_moments,
    invariants,
    limit_n_max,
    stack_moments,
    whiten,
)
from hyperspy_motifs.zernike._disc_basis import _legendre
from hyperspy_motifs.zernike._disc_moments import _model

SHAPE = (310, 350)
RAW = {"normalise": False}


def lattice(shift=(0.0, 0.0), spacing=18.0, jitter=0.0, seed=0):
    x, y = np.meshgrid(np.arange(14, 340, spacing), np.arange(11, 300, spacing))
    points = np.stack([x.ravel(), y.ravel()], axis=1) + shift
    return points + jitter * np.random.default_rng(seed).uniform(-1, 1, points.shape)


def render(points, heights=1.0, sigma=3.0, shape=SHAPE):
    heights = np.broadcast_to(heights, len(points))
    rows, columns = np.arange(shape[0]), np.arange(shape[1])
    across = np.exp(-((columns - points[:, 0, None]) ** 2) / (2 * sigma**2)) * heights[:, None]
    down = np.exp(-((rows - points[:, 1, None]) ** 2) / (2 * sigma**2))
    return down.T @ across


def clear_of_border(points, margin=15):
    return points[np.all((points > margin) & (points < np.array(SHAPE)[::-1] - margin), axis=1)]


@pytest.fixture(scope="module")
def basis():
    return ZernikeBasis(10, 11.5)


def test_blocks_give_what_patches_give(basis):
    points = lattice(jitter=0.5)[:60]
    image = render(points) + 0.3
    moments = get_moments(image, points, basis, noise=NoiseModel(0, 1), **RAW)
    whole = moments.coverage > 1 - 1e-9
    expected = basis.transform(sample_patches(image, points, basis.radius).astype(float))
    assert whole.sum() > 20
    assert_allclose(moments.values[whole], expected[whole], atol=1e-5)


def test_sub_pixel_shift_moves_features_little():
    """The same pattern at 36 sub-pixel places; rounding to pixels would move features by 0.1."""
    basis = ZernikeBasis(12, 14.0)
    rng = np.random.default_rng(3)
    found = []
    for shift in rng.uniform(-0.5, 0.5, (36, 2)):
        points = 60.0 + shift + np.array([[0, 0], [11.5, 0], [-5.75, 9.96], [-5.75, -9.96]])
        image = render(points, [1, 0.6, 0.6, 0.3], 2.5, (121, 123))
        found.append(get_moments(image, points[:1], basis, noise=NoiseModel(0, 1), **RAW).values[0])
    found = np.array(found)
    mean = found.mean(axis=0)
    assert np.linalg.norm(found - mean, axis=1).mean() / np.linalg.norm(mean) <= 0.005


@pytest.mark.parametrize(
    ("gain", "read", "scale", "dark"),
    [(1, 0, 40, 0), (3, 5, 50, 0), (0, 2, 30, 0), (2, 0, 80, 100), (1, 3, 40, -50)],
)
def test_noise_is_estimated(gain, read, scale, dark):
    rng = np.random.default_rng(0)
    clean = scale * (0.1 + render(lattice(jitter=0.4)))
    image = (rng.poisson(clean / gain) * gain if gain else clean) + rng.normal(0, read or 1e-9, SHAPE)
    model = estimate_noise(image + dark)
    expected = NoiseModel(gain, read).variance(clean).mean()
    for level in (0.2, 0.5, 1.0):
        true = NoiseModel(gain, read).variance(level * scale)
        assert model.variance(level * scale + dark) == pytest.approx(true, rel=0.12)
    assert model.variance(clean + dark).mean() == pytest.approx(expected, rel=0.08)
    assert model.gain == pytest.approx(gain, rel=0.1, abs=0.02)


def test_noise_of_moments_is_predicted(basis):
    """Standard deviation over repeated Poisson images against the one that is given."""
    points = lattice(jitter=0.5)
    clean = 2 + 40 * render(points)
    rng = np.random.default_rng(1)
    points = clear_of_border(points)
    truth = get_moments(clean, points, basis, noise=NoiseModel(1, 0), **RAW)
    noisy = [get_moments(rng.poisson(clean), points, basis, noise=NoiseModel(1, 0), **RAW) for _ in range(6)]
    ratio = np.array([(m.values - truth.values) / m.noise_std for m in noisy]).std(axis=(0, 1))
    assert_allclose(ratio, 1, atol=0.08)
    assert ratio.mean() == pytest.approx(1, abs=0.02)


def test_slow_gain_and_background_are_undone(basis):
    points = lattice(jitter=0.3)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = 10 + 100 * render(points)
    drift = image * (1 + 0.3 * columns / SHAPE[1]) + 15 * np.sin(rows / SHAPE[0] * 3)
    quiet = NoiseModel(0, 1)
    plain = get_moments(image, points, basis, noise=quiet)
    drifted = get_moments(drift, points, basis, noise=quiet)
    raw = get_moments(drift, points, basis, noise=quiet, normalise=False)
    size = np.linalg.norm(plain.values[plain.valid], axis=1).mean()
    error = np.linalg.norm((drifted.values - plain.values)[plain.valid], axis=1).mean() / size
    assert error < 0.08
    # As they are, contrast and background follow the drift.
    raw = raw.values[raw.valid][:, 1:]
    assert np.ptp(np.linalg.norm(raw, axis=1)) > 0.2 * np.linalg.norm(raw, axis=1).mean()


def test_a_single_heavy_column_stays_visible_and_spoils_no_neighbour(basis):
    points = lattice(jitter=0.2)
    heights = np.ones(len(points))
    dopant = int(np.argmin(np.linalg.norm(points - [170, 150], axis=1)))
    with_dopant = heights.copy()
    with_dopant[dopant] = 2.5
    quiet = NoiseModel(0, 1e-3)
    before, after = (
        get_moments(20 + 100 * render(points, h), points, basis, noise=quiet) for h in (heights, with_dopant)
    )
    change = np.linalg.norm(after.values - before.values, axis=1) / np.linalg.norm(before.values, axis=1)
    distance = np.linalg.norm(points - points[dopant], axis=1)
    assert change[dopant] > 0.9
    # Beyond its own disc the dopant leaves next to nothing behind: a little in the background, over two neighbour distances.
    far = (distance > 2 * basis.radius + 9) & before.valid
    assert change[far].max() < 0.04


@pytest.mark.parametrize("transform", [lambda f: f, lambda f: 7 * f - 300, lambda f: -f])
def test_default_has_no_unit_and_no_zero(basis, transform):
    """Scanning probes have arbitrary zeros, dark-field images any gain, bright field the other sign."""
    points = lattice(jitter=0.3)
    image = 10 + 100 * render(points)
    one = get_moments(image, points, basis, noise=NoiseModel(0, 1))
    other = get_moments(transform(image), points, basis, noise=NoiseModel(0, 1))
    sign = np.sign(transform(np.array([0.0, 1.0])) @ [-1, 1])
    assert_allclose(other.values[one.valid], sign * one.values[one.valid], atol=2e-3)


@pytest.fixture(scope="module")
def cut_from_a_larger_image():
    """Positions in an image, the image, and the larger one that it is a part of (40 pixels all round)."""
    x, y = np.meshgrid(np.arange(-22, 390, 18.0), np.arange(-25, 350, 18.0))
    everywhere = np.stack([x.ravel(), y.ravel()], axis=1)
    everywhere += 0.3 * np.random.default_rng(0).uniform(-1, 1, everywhere.shape)
    inside = np.all((everywhere >= 0) & (everywhere <= np.array(SHAPE)[::-1] - 1), axis=1)
    heights = np.ones(len(everywhere))

    def image(missing=None):
        shown = heights.copy()
        if missing is not None:
            shown[np.argmin(np.linalg.norm(everywhere - missing, axis=1))] = 0
        wide = 10 + 100 * render(everywhere + 40, shown, shape=(SHAPE[0] + 80, SHAPE[1] + 80))
        return wide[40:-40, 40:-40], wide

    return everywhere[inside], image


def test_discs_at_the_border(cut_from_a_larger_image):
    """Cut discs get moments near those of whole discs; those cut by more than 30 % get none."""
    basis = ZernikeBasis(8, 22.0)
    points, image = cut_from_a_larger_image
    narrow, wide = image()
    truth = get_moments(wide, points + 40, basis, noise=NoiseModel(0, 1), **RAW)
    cut = get_moments(narrow, points, basis, noise=NoiseModel(0, 1), **RAW)
    partial = cut.valid & (cut.coverage < 1 - 1e-6)
    assert partial.sum() > 30
    whole = cut.valid & ~partial
    assert_allclose(cut.values[whole], truth.values[whole], atol=0.05)
    size = np.linalg.norm(truth.values[partial], axis=1)
    error = np.linalg.norm((cut.values - truth.values)[partial], axis=1) / size
    assert error.max() < 0.08
    assert error.mean() < 0.04
    assert np.isnan(cut.values[~cut.valid]).all()
    assert (cut.coverage[~cut.valid] < 0.7).all()
    assert (~cut.valid).sum() > 0
    assert (cut.noise_std[partial] >= 0.99 * cut.noise_std[whole].min()).all()
    # The error of the missing part agrees with its estimated uncertainty.
    missed = (cut.values - truth.values)[partial] / cut.noise_std[partial]
    assert 0.5 < np.sqrt(np.mean(missed**2)) < 1.6
    further = get_moments(narrow, points, basis, noise=NoiseModel(0, 1), min_coverage=0.6, **RAW)
    assert (further.valid == (further.coverage >= 0.6)).all()
    assert further.valid.sum() > cut.valid.sum()


def test_what_frames_share_cannot_be_written_to():
    """Nodes and the model of cut discs are kept for the next frame: nobody may change them."""
    shared = [*_legendre(6), _model(6, 5.5)[1]]
    assert shared[0] is _legendre(6)[0]
    for array in shared:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize("neighbour", [(18, 0), (0, 18)])
def test_a_cut_disc_still_shows_its_vacancy(cut_from_a_larger_image, neighbour):
    """The prior must not hide a missing neighbour: a vacancy inside the image stays visible."""
    basis = ZernikeBasis(8, 22.0)
    points, image = cut_from_a_larger_image
    edge = int(np.argmin(np.linalg.norm(points - [14, 155], axis=1)))
    # The atom itself and whole discs to learn from: the other cut discs would only cost time.
    centre = np.linalg.norm(points - [175, 155], axis=1) < 100
    points, edge = np.concatenate([points[[edge]], points[centre]]), 0
    narrow, wide = zip(image(), image(points[edge] + neighbour), strict=True)
    found, true = (
        [get_moments(im, at, basis, noise=NoiseModel(0, 0.5), **RAW) for im in images]
        for images, at in ((narrow, points), (wide, points + 40))
    )
    assert 0.7 <= found[0].coverage[edge] < 0.9
    change = found[1].values[edge] - found[0].values[edge]
    true_change = true[1].values[edge] - true[0].values[edge]
    assert change @ true_change > 0.85 * np.linalg.norm(change) * np.linalg.norm(true_change)
    assert np.linalg.norm(change - true_change) / np.linalg.norm(true_change) < 0.6


def test_orders_follow_the_noise():
    points = lattice(jitter=0.4)
    clean = 0.2 + render(points)
    basis = ZernikeBasis(18, 14.0)
    rng = np.random.default_rng(5)
    points = clear_of_border(points)
    chosen = [choose_n_max(get_moments(rng.poisson(clean * dose), points, basis)) for dose in (1000, 20, 2)]
    assert chosen[0].n_max > chosen[1].n_max > chosen[2].n_max >= 4
    assert chosen[0].n_max <= 16
    spectrum = chosen[1]
    assert (spectrum.n == np.arange(19)).all()
    beyond = spectrum.n > spectrum.n_max
    assert (spectrum.signal[beyond] < 10 * spectrum.noise[beyond]).all()
    assert str(spectrum.n_max) in spectrum.reason


def test_basis_is_chosen_by_noise_and_pixels():
    points = lattice(jitter=0.4)
    rng = np.random.default_rng(5)
    bright, spectrum = choose_basis(rng.poisson(1000 * (0.2 + render(points))), points, 14.0)
    dim, _ = choose_basis(rng.poisson(3 * (0.2 + render(points))), points, 14.0)
    assert bright.n_max == spectrum.n_max > dim.n_max
    assert bright.radius == 14.0
    tiny, _ = choose_basis(rng.poisson(1000 * (0.2 + render(points))), points, 2.7)
    assert tiny.n_max <= limit_n_max(2.7) == 4


def test_whiten_takes_one_scale_a_feature():
    values = np.ones((3, 2))
    noise = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]])
    assert_allclose(whiten(values, noise), [[1, 0.5]] * 3)
    assert_allclose(whiten(values, noise[0]), [[1, 0.5]] * 3)
    with pytest.raises(ValueError, match="not positive"):
        whiten(values, [1.0, 0.0])
    with pytest.raises(ValueError, match="does not fit"):
        whiten(values, [1.0, 2.0, 3.0])


def test_two_detectors_side_by_side(basis):
    points = lattice(jitter=0.3)
    rng = np.random.default_rng(0)
    first = get_moments(rng.poisson(50 * render(points) + 2), points, basis)
    second = get_moments(rng.poisson(9 * render(points, sigma=4) + 2), points, basis)
    both = stack_moments([first, second])
    assert both.values.shape == (len(points), 2 * len(basis.modes))
    typical = np.sqrt(np.nanmean(both.noise_std[both.valid] ** 2, axis=0))
    assert_allclose(typical, 1, rtol=0.2)
    features, noise = invariants(both)
    assert features.shape == noise.shape == (len(points), 2 * 36)
    turned, _ = invariants(both.rotate(0.7))
    assert_allclose(turned[both.valid], features[both.valid], atol=0.02 * features[both.valid].max())
    with pytest.raises(ValueError, match="atoms"):
        stack_moments([first, second.take(slice(0, 5))])


def test_select_keeps_sine_and_cosine_together(basis):
    points = lattice()
    moments = get_moments(render(points) + 1, points, basis, noise=NoiseModel(0, 1e-3))
    chosen = moments.select(m=[0, 3], n=range(6))
    assert chosen.modes.tolist() == [[0, 0], [2, 0], [3, -3], [3, 3], [4, 0], [5, -3], [5, 3]]
    assert chosen.values.shape == chosen.noise_std.shape == (len(points), 7)
    assert chosen.n_max == 5
    with pytest.raises(ValueError, match="No mode"):
        moments.select(n=50)


@pytest.mark.parametrize("kind", [">f4", "<u2", "f2", ">i4", "f8"])
def test_any_real_type(basis, kind):
    points = clear_of_border(lattice(jitter=0.3))[:40]
    image = np.rint(200 * render(points) + 7)
    expected = get_moments(image, points, basis)
    found = get_moments(image.astype(kind), points, basis)
    assert_allclose(found.values, expected.values, atol=1e-4)


def test_threads_do_not_change_a_bit(basis):
    import numba

    points = lattice(jitter=0.4)
    image = np.random.default_rng(0).poisson(20 * render(points) + 3)
    found = []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(threads)
        found.append(get_moments(image, points, basis))
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    assert np.array_equal(found[0].values, found[1].values, equal_nan=True)
    assert np.array_equal(found[0].noise_std, found[1].noise_std)


def test_no_atoms(basis):
    moments = get_moments(np.random.default_rng(0).random((64, 70)), np.empty((0, 2)), basis)
    assert moments.values.shape == (0, len(basis.modes))
    assert len(moments) == 0


def test_a_spacing_must_be_positive(basis):
    points = lattice()
    with pytest.raises(ValueError, match="spacing"):
        get_moments(render(points), points, basis, spacing=0.0)


def test_moments_of_a_finely_sampled_image_are_those_of_its_block_means():
    from hyperspy_motifs.zernike import fine_step

    assert [fine_step(s) for s in (5.0, 14.6, 31.9, 33.0, 50.0, 179.0)] == [1, 1, 1, 2, 3, 11]
    points = lattice(jitter=0.3)
    coarse = 20 + 100 * render(points)
    fine = ndimage.zoom(coarse, 3, order=5, grid_mode=True, mode="nearest")
    quiet = NoiseModel(0, 1e-3)
    one = get_moments(coarse, points, ZernikeBasis(6, 12.0), noise=quiet)
    other = DiscImage(fine, (points + 0.5) * 3 - 0.5, noise=quiet, step=3).moments(ZernikeBasis(6, 36.0))
    assert other.radius == 36.0
    both = one.valid & other.valid & (one.coverage > 0.999)
    assert_allclose(other.values[both], one.values[both], atol=0.02)
