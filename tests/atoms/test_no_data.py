"""What is no data: found where it was put, and nothing is found on it."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

import hyperspy_motifs as hm
from hyperspy_motifs.atoms import fill_no_data, find_atoms, find_no_data
from hyperspy_motifs.zernike import ZernikeBasis, get_moments

SPACING = 14.6


def image_of(seed=0, shape=(231, 262), dose=1e5):
    signal, truth = hm.data.monolayer(shape=shape, dose=dose, random_state=seed)
    return np.asarray(signal.data, float), truth.positions


def border(image):
    image[:14], image[:, -21:] = 0, 0
    return image


def mean_border(image):
    image[-17:] = image.mean()
    return image


def edge_row(image):
    image[:13] = image[13]
    return image


def corners(image):
    return ndimage.rotate(image, 9, reshape=False, order=3, cval=image.mean())


def bar(image):
    image[205:215, 20:90] = image.max()
    image[190:198, 30:60:2] = image.max()
    return image


def columns_of_zero(image):
    image[:, 100] = 0
    image[:, 180:182] = 0
    return image


def dead_rows(image):
    for row, value in ((56, image[56].min()), (69, image.max()), (83, 0)):
        image[row] = value
    return image


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (border, [(np.s_[:14], 1.0), (np.s_[30:200, 20:220], 0.0), (np.s_[:, -21:], 1.0)]),
        (mean_border, [(np.s_[-17:], 1.0), (np.s_[:200], 0.0)]),
        (edge_row, [(np.s_[:13], 1.0), (np.s_[20:], 0.0)]),
        (corners, [(np.s_[:4, 60:80], 1.0), (np.s_[50:180, 50:210], 0.0)]),
        (bar, [(np.s_[205:215, 20:90], 1.0), (np.s_[190:198, 31:59], 1.0), (np.s_[:180], 0.0)]),
        (columns_of_zero, [(np.s_[:, 100], 1.0), (np.s_[:, 180:182], 1.0), (np.s_[:, :98], 0.0)]),
        (dead_rows, [(np.s_[[56, 69, 83]], 1.0), (np.s_[57:69], 0.0), (np.s_[70:83], 0.0)]),
    ],
)
@pytest.mark.parametrize("eight_bit", [False, True])
def test_fill_bars_and_lines_are_found(spoil, where, eight_bit):
    image, _ = image_of()
    image = spoil(image)
    if eight_bit:
        image = np.rint(255 * (image - image.min()) / np.ptp(image)).astype(np.uint8)
    mask = find_no_data(image).mask
    for part, share in where:
        assert mask[part].mean() == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("dose", [300, 3e3, 1e5, None])
def test_an_image_that_was_only_taken_is_all_data(dose):
    for seed, family in enumerate((hm.data.monolayer, hm.data.perovskite, hm.data.grain_boundary)):
        signal, _ = family(shape=(180, 203), dose=dose, random_state=seed)
        assert find_no_data(np.asarray(signal.data, float)).mask.sum() <= 1


def test_a_clipped_vacuum_is_data():
    y, x = np.mgrid[:160, :191]
    image = 5 * np.exp(-((x - 90) ** 2 + (y - 80) ** 2) / 1800) * (1.2 + np.cos(x / 2) * np.cos(y / 2))
    image = np.maximum(image + np.random.default_rng(0).normal(0, 0.05, image.shape) - 0.3, 0)
    assert (image == 0).mean() > 0.3
    assert not find_no_data(image).mask.any()


def test_hot_pixels_are_found_and_bright_dopants_are_not():
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:150, :171]
    image = 100 + rng.normal(0, 3, x.shape)
    for k, (cx, cy) in enumerate((cx, cy) for cx in range(8, 170, 9) for cy in range(8, 150, 9)):
        image += (400 if k % 40 == 7 else 60) * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 0.9**2))
    assert not find_no_data(image).mask.any()
    hot = rng.integers(3, 147, (30, 2))
    image[hot[:, 0], hot[:, 1]] = 900.0
    image[40, 60] = -500.0
    found = np.argwhere(find_no_data(image).mask)
    assert cKDTree(found).query(np.concatenate([hot, [[40, 60]]]))[0].max() == 0
    assert len(found) <= 31


@pytest.mark.parametrize("spoil", [border, mean_border, edge_row, corners, bar, dead_rows])
def test_no_columns_where_there_is_no_data(spoil):
    image, positions = image_of(3)
    if spoil is corners:
        angle, middle = np.deg2rad(9), (np.array(image.shape[::-1]) - 1) / 2
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        positions = (positions - middle) @ turn.T + middle
    image = spoil(image)
    missing = find_no_data(image)
    atoms = find_atoms(fill_no_data(image, missing.mask, missing.wide), mask=missing.wide)
    away = ndimage.distance_transform_edt(~missing.wide)

    def depth(points):
        column, row = np.clip(np.rint(points).astype(int), 0, np.array(image.shape[::-1]) - 1).T
        return away[row, column]

    def inner(points):
        margin = np.minimum(points, np.array(image.shape[::-1]) - 1 - points).min(axis=1)
        return np.minimum(margin, depth(points)) > SPACING

    assert (depth(atoms.positions) > 0).all()
    assert cKDTree(positions).query(atoms.positions[inner(atoms.positions)])[0].max() < 4
    assert cKDTree(atoms.positions).query(positions[inner(positions)])[0].max() < 4


def test_a_disc_that_is_cut_by_a_mask_is_like_one_at_the_border():
    image, positions = image_of(5)
    inside = ((positions > 30) & (positions < [230, 200])).all(axis=1)
    points = positions[inside]
    basis = ZernikeBasis(6, 1.2 * SPACING)
    mask = np.zeros(image.shape, bool)
    mask[:, 150:] = True
    spoilt = np.where(mask, 1e4, image)
    missing = find_no_data(spoilt, mask)
    masked = get_moments(fill_no_data(spoilt, missing.mask, missing.wide), points, basis, mask=missing.wide)
    cropped = get_moments(image[:, :150], points[points[:, 0] < 149], basis)
    left = points[:, 0] < 149
    assert masked.coverage[left] == pytest.approx(cropped.coverage, abs=0.02)
    assert (masked.coverage[points[:, 0] > 152 + basis.radius] == 0).all()
    assert not masked.valid[points[:, 0] > 155].any()
    cut = left & masked.valid & (masked.coverage < 1)
    assert cut.sum() > 5
    whole = get_moments(image, points, basis)
    away = (masked.values - whole.values * (whole.scale / masked.scale)[:, None])[cut] / masked.noise_std[cut]
    assert np.median(np.abs(away)) < 2


def test_masks_of_users():
    import hyperspy.api as hs

    signal, truth = hm.data.monolayer(shape=(160, 181), random_state=1)
    scale = signal.axes_manager.signal_axes[0].scale
    mask = np.zeros((160, 181), bool)
    mask[:, 120:] = True
    with pytest.warns(UserWarning, match="without data"):
        atoms = signal.find_atoms(mask=mask, show_progressbar=False)
    assert atoms.pixel_positions[:, 0].max() < 120
    assert len(atoms) > 0.5 * len(truth.positions)
    roi = hs.roi.CircleROI(90 * scale, 80 * scale, 40 * scale)
    with pytest.warns(UserWarning, match="without data"):
        atoms = signal.find_atoms(mask=roi, show_progressbar=False)
    assert np.hypot(*(atoms.pixel_positions - [90, 80]).T).min() > 39
    half = signal.isig[:90, :]
    with pytest.warns(UserWarning, match="without data"):
        atoms = half.find_atoms(show_progressbar=False)
    assert np.hypot(*(atoms.pixel_positions - [90, 80]).T).min() > 39
    everywhere = signal.find_atoms(mask=False, show_progressbar=False)
    assert len(everywhere) > len(truth.positions) * 0.95
    with pytest.raises(ValueError, match=r"\(160, 181\)"):
        signal.find_atoms(mask=mask.T)
