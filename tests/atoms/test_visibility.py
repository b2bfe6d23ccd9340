"""A column is claimed where the image has a maximum, and every maximum that continues the lattice is a column."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from hyperspy_motifs.atoms import find_atoms, order_of_sites
from hyperspy_motifs.atoms._peaks import ScaleSpace
from hyperspy_motifs.atoms._visibility import VisibleMaxima
from hyperspy_motifs.data import Imaging, Specimen, grain_boundary, monolayer, simulate, twisted_bilayer

SHAPE = (190, 211)


def columns_image(points, heights, width, shape=SHAPE):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for (x, y), height in zip(points, heights, strict=True):
        image += height * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2))
    return image


@pytest.fixture(scope="module")
def square():
    x, y = np.meshgrid(np.arange(10.0, 205, 13), np.arange(9.0, 185, 13))
    points = np.column_stack([x.ravel(), y.ravel()])
    return points, columns_image(points, np.ones(len(points)), 3.1)


def test_the_filter_takes_noise_off_and_leaves_the_signal(square):
    _, image = square
    noisy = image + np.random.default_rng(0).normal(0, 0.3, SHAPE)
    filtered, left = ScaleSpace(noisy, 3.0).denoised()
    error = (filtered - filtered.mean()) - (image - image.mean())
    assert np.std(error) < 0.4 * 0.3
    flipped, _ = ScaleSpace(noisy, 3.0).denoised(-1.0)
    np.testing.assert_allclose(flipped, -filtered, atol=1e-6)
    alone = filtered - ScaleSpace(image, 3.0).denoised()[0]
    assert left == pytest.approx(np.std(alone), rel=0.5)


def test_of_two_claims_to_one_maximum_the_nearer_is_seen(square):
    points, image = square
    strays = np.vstack([points[40:42] + np.array([3.5, 0]), points[70:71] + np.array([6.5, 6.5])])
    claims = np.concatenate([points, strays])
    visible = VisibleMaxima(image, 0.0, claims, 13.0)
    assert visible.seen[: len(points)].all()
    assert not visible.seen[len(points) :].any()
    assert len(visible.unclaimed()) == 0


def test_maxima_of_the_lattice_are_asked_for_and_others_are_not(square):
    points, image = square
    stray = np.array([[75.5, 74.0]])
    image = image + columns_image(stray, [0.3], 1.2)
    kept = np.ones(len(points), bool)
    kept[[50, 97, 101]] = False
    more = VisibleMaxima(image, 0.01, points[kept], 13.0).unclaimed()
    assert sorted(map(tuple, more)) == sorted(map(tuple, points[~kept]))
    # A single maximum slightly above the noise is rejected, a sublattice of such maxima is accepted.
    assert len(VisibleMaxima(image, 0.4, points[kept], 13.0).unclaimed()) == 0
    half = (points.sum(axis=1) / 13).astype(int) % 2 == 0
    more = VisibleMaxima(image, 0.4, points[half], 13.0 * np.sqrt(2)).unclaimed()
    assert cKDTree(more).query(points[~half])[0].max() == 0


def false_and_missed(atoms, truth, shape):
    spacing = float(np.median(cKDTree(truth).query(truth, k=2)[0][:, 1]))

    def inner(p):
        return p[((p > 2 * spacing) & (p < np.array(shape[::-1]) - 2 * spacing)).all(axis=1)]

    false = np.mean(cKDTree(truth).query(inner(atoms.positions))[0] > 0.4 * spacing)
    missed = np.mean(cKDTree(atoms.positions).query(inner(truth))[0] > 0.4 * spacing)
    return false, missed


def test_no_columns_inside_the_merged_columns_of_a_moire():
    image, truth = twisted_bilayer("MoS2", twist=4.0, shape=(340, 361), dose=None, random_state=1)
    false, missed = false_and_missed(find_atoms(image.data.astype(float)), truth.positions, image.data.shape)
    assert false < 0.01
    assert missed < 0.03


def test_no_atoms_on_the_bonds_of_graphene_at_low_dose():
    image, truth = grain_boundary(shape=(300, 321), dose=4e5, random_state=2)
    false, missed = false_and_missed(find_atoms(image.data.astype(float)), truth.positions, image.data.shape)
    assert false == 0
    assert missed == 0


def test_sulphur_beside_tungsten():
    """Its columns have a seventh of the contrast, 4.5 pixels away."""
    image, truth = monolayer(
        "WS2", shape=(160, 181), pixel_size=0.04, probe_size=0.11, dose=3e5, rotation=7, random_state=3
    )
    atoms = find_atoms(image.data.astype(float))
    false, _ = false_and_missed(atoms, truth.positions, image.data.shape)
    assert false < 0.005
    inside = ((truth.positions > 9) & (truth.positions < [172, 151])).all(axis=1)
    sulphur = truth.positions[inside & (truth.labels == truth.names.index("S2"))]
    assert np.mean(cKDTree(atoms.positions).query(sulphur)[0] < 1.8) > 0.9


def test_dumbbells_of_two_elements_at_low_dose():
    a, c, apart = 0.384, 0.543, 0.136
    grid = np.stack(np.meshgrid(np.arange(-12, 13), np.arange(-12, 13)), -1).reshape(-1, 1, 2)
    basis = np.array([[0, 0], [0, apart / c], [0.5, 0.5], [0.5, 0.5 + apart / c]])
    points = ((grid + basis) * [a, c]).reshape(-1, 2)
    n = len(points)
    kinds = np.tile([0, 1, 0, 1], n // 4)
    specimen = Specimen(
        points, kinds, ["Ga", "As"], np.arange(n), np.array([31, 33])[kinds], np.full(n, 20.0)
    )
    optics = Imaging(
        shape=(240, 261), pixel_size=0.0113, dose=1e4, probe_size=0.09, rotation=11, scattering=1e-5
    )
    image, truth = simulate(specimen, optics, 1)
    atoms = find_atoms(image.astype(float))
    assert atoms.separation == pytest.approx(apart / 0.0113, rel=0.08)
    false, missed = false_and_missed(atoms, truth.positions, image.shape)
    assert max(false, missed) < 0.02


def test_a_few_pairs_do_not_repeat():
    """Sites at random have no order, however few they are; a lattice has."""
    rng = np.random.default_rng(4)
    for n in (20, 60, 400):
        points = rng.uniform(0, 200, (n, 2))
        assert np.median(order_of_sites(points, 200 / np.sqrt(n) / 2, by_others=True)) < 0.2
    y, x = np.mgrid[:9, :11] * 12.0
    lattice = np.column_stack([x.ravel(), y.ravel()]) + rng.normal(0, 0.3, (99, 2))
    assert np.median(order_of_sites(lattice, 12.0, by_others=True)) > 0.8


@pytest.mark.parametrize("factor", [1.7, 2.3])
def test_grain_of_an_enlarged_image_is_no_sublattice(factor):
    signal, truth = grain_boundary(shape=(300, 321), random_state=32)
    large = ndimage.zoom(
        np.asarray(signal.data, float), factor, order=3, grid_mode=True, mode="grid-constant"
    )
    found = find_atoms(large).positions
    true = (truth.positions + 0.5) * factor - 0.5
    assert len(found) == pytest.approx(len(true), abs=25)
    assert np.percentile(cKDTree(true).query(found)[0], 97) < 0.2 * 12 * factor


def test_shallow_maxima_are_columns_unless_most_candidates_have_none(square):
    points, image = square
    noise = 0.02
    flat = np.zeros(SHAPE)
    flat[:, :110] = image[:, :110]
    points = points[points[:, 0] < 100]
    x, y = np.meshgrid(np.arange(134.0, 200, 9), np.arange(6.0, 180, 9))
    places = np.column_stack([x.ravel(), y.ravel()])
    bumps = places[:: len(places) // 10]
    flat += columns_image(bumps, np.full(len(bumps), 2.2 * noise), 2.0)
    for candidates, part in ((bumps, 1.0), (places, 0.0)):
        visible = VisibleMaxima(flat, noise, np.concatenate([points, candidates]), 13.0)
        assert visible.seen[len(points) :].sum() >= len(bumps)
        assert visible.clear(slice(len(points), None)).mean() == part
