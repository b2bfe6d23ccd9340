"""Sub-pixel positions: against where the columns were put and what their noise allows."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial import cKDTree

from hyperspy_motifs.atoms import nearest_neighbour_distance, refine_atoms

SHAPE = (150, 173)


@pytest.fixture(scope="module")
def columns():
    """Square lattice of shifted, overlapping columns of two heights and one width."""
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.arange(15, 160, 11.0), np.arange(14, 140, 11.0))
    points = np.column_stack([x.ravel(), y.ravel()]) + rng.uniform(-0.8, 0.8, (x.size, 2))
    heights = np.where((np.arange(x.size) % 2).astype(bool), 100.0, 40.0)
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = np.full(SHAPE, 10.0)
    for (px, py), height in zip(points, heights, strict=True):
        image += height * np.exp(-((cols - px) ** 2 + (rows - py) ** 2) / (2 * 2.6**2))
    return points, heights, image


def test_noise_free_columns_come_back(columns):
    points, heights, image = columns
    atoms = refine_atoms(image, np.rint(points))
    assert atoms.fitted.all()
    np.testing.assert_allclose(atoms.positions, points, atol=0.02)
    np.testing.assert_allclose(atoms.amplitude, heights, rtol=0.03)
    np.testing.assert_allclose(atoms.sigma, 2.6, rtol=0.03)
    np.testing.assert_allclose(atoms.ellipticity, 1, atol=0.03)


def test_tails_of_neighbours_do_not_pull(columns):
    """Without its neighbours' tails taken off, a light column between heavy ones is drawn to the nearest."""
    rows, cols = np.mgrid[:40, :61]
    points = np.array([[20.0, 20.0], [27.0, 20.3], [44.0, 20.0]])
    image = np.zeros((40, 61))
    for (x, y), height in zip(points, (100, 20, 100), strict=True):
        image += height * np.exp(-((cols - x) ** 2 + (rows - y) ** 2) / (2 * 2.4**2))
    atoms = refine_atoms(image, np.add(points, [[0, 0], [-0.6, 0.5], [0, 0]]), separation=8)
    assert np.hypot(*(atoms.positions[1] - points[1])) < 0.25
    alone = refine_atoms(image, np.add(points[1:2], [-0.6, 0.5]), separation=8)
    assert not alone.fitted[0] or np.hypot(*(alone.positions[0] - points[1])) > 1


def test_errors_reach_the_cramer_rao_bound_and_are_known(columns):
    points, heights, image = columns
    rng = np.random.default_rng(1)
    noise = 4.0
    errors, told = [], []
    for _ in range(4):
        atoms = refine_atoms(image + rng.normal(0, noise, SHAPE), np.rint(points))
        errors.append(atoms.positions - points)
        told.append(atoms.uncertainty)
    errors, told = np.array(errors), np.array(told)
    for height in (40.0, 100.0):
        which = heights == height
        # A Gaussian in white noise: the sum of its squared derivative is pi / 2 times its squared amplitude.
        bound = noise / (height * np.sqrt(np.pi / 2))
        spread = np.sqrt(np.mean(errors[:, which] ** 2))
        assert spread < 1.3 * bound
        assert np.median(told[:, which]) == pytest.approx(spread, rel=0.35)


def test_ellipse_and_its_angle(columns):
    rows, cols = np.mgrid[:100, :121]
    angle = 0.6
    points = np.stack(np.meshgrid(np.arange(16, 110, 14.0), np.arange(15, 90, 14.0)), -1).reshape(-1, 2)
    image = np.zeros((100, 121))
    for x, y in points:
        u = np.cos(angle) * (cols - x) + np.sin(angle) * (rows - y)
        v = -np.sin(angle) * (cols - x) + np.cos(angle) * (rows - y)
        image += np.exp(-0.5 * ((u / 3.0) ** 2 + (v / 2.0) ** 2))
    atoms = refine_atoms(image, points + 0.3)
    np.testing.assert_allclose(atoms.ellipticity, 1.5, rtol=0.05)
    np.testing.assert_allclose(atoms.angle, angle, atol=0.05)


def test_dark_columns_are_the_mirror_of_bright_ones(columns):
    points, _, image = columns
    bright = refine_atoms(image, np.rint(points))
    dark = refine_atoms(200 - image, np.rint(points), polarity="dark")
    np.testing.assert_allclose(dark.positions, bright.positions, atol=1e-6)
    np.testing.assert_allclose(dark.amplitude, -bright.amplitude, rtol=1e-6)
    np.testing.assert_allclose(dark.background, 200 - bright.background, rtol=1e-6)


def test_order_of_the_columns_does_not_matter(columns):
    points, _, image = columns
    order = np.random.default_rng(2).permutation(len(points))
    plain, mixed = refine_atoms(image, np.rint(points)), refine_atoms(image, np.rint(points)[order])
    np.testing.assert_allclose(mixed.positions, plain.positions[order], atol=1e-9)


def test_bit_identical_for_any_number_of_threads(columns, tmp_path):
    points, _, image = columns
    np.savez(
        tmp_path / "in.npz",
        points=np.rint(points),
        image=image + np.random.default_rng(3).normal(0, 3, SHAPE),
    )
    script = (
        "import numpy as np, sys; from hyperspy_motifs.atoms import refine_atoms;"
        "d = np.load(sys.argv[1]); a = refine_atoms(d['image'], d['points']);"
        "sys.stdout.write(a.positions.tobytes().hex() + a.uncertainty.tobytes().hex())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "in.npz")],
            env={**os.environ, "NUMBA_NUM_THREADS": threads},
            capture_output=True, check=True, text=True,
        ).stdout
        for threads in ("1", "2")
    }  # fmt: skip
    assert len(outputs) == 1


def test_centre_of_mass_and_failed_fits_are_not_called_fitted(columns):
    points, _, image = columns
    atoms = refine_atoms(image, np.rint(points), method="center_of_mass")
    assert not atoms.fitted.any()
    assert np.isnan(atoms.uncertainty).all()
    assert np.median(np.hypot(*(atoms.positions - points).T)) < 0.3
    flat = image.copy()
    flat[:60, :60] = 10.0
    outside = points[(points > 68).any(axis=1)]
    atoms = refine_atoms(flat, np.vstack([np.rint(outside), [30, 28]]), separation=11)
    assert atoms.fitted[:-1].all()
    assert not atoms.fitted[-1]


def test_positions_outside_the_image_are_refused(columns):
    points, _, image = columns
    with pytest.raises(ValueError, match="1 of 3 positions"):
        refine_atoms(image, [[5, 5], [20, 20], [400, 3]])
    with pytest.raises(ValueError, match="method"):
        refine_atoms(image, points, method="guess")


def test_nearest_neighbour_distance():
    rng = np.random.default_rng(4)
    x, y = np.meshgrid(np.arange(8) * 3.0, np.arange(9) * 5.0)
    points = np.column_stack([x.ravel(), y.ravel()])
    assert nearest_neighbour_distance(points) == 3.0
    jittered = points + rng.normal(0, 0.05, points.shape)
    assert nearest_neighbour_distance(jittered) == pytest.approx(3, rel=0.05)
    assert nearest_neighbour_distance(np.vstack([points, points[:3]])) == pytest.approx(3)
    with pytest.raises(ValueError, match="n >= 2"):
        nearest_neighbour_distance([[1, 2]])
    with pytest.raises(ValueError, match="coincide"):
        nearest_neighbour_distance([[1, 2], [1, 2]])


def test_select_keeps_rows_together(columns):
    points, heights, image = columns
    atoms = refine_atoms(image, np.rint(points))
    heavy = atoms.select(heights > 50)
    assert len(heavy) == int((heights > 50).sum())
    assert (heavy.amplitude > 70).all()
    assert cKDTree(points[heights > 50]).query(heavy.positions)[0].max() < 0.1


def test_blobs_that_are_no_gaussians_and_overlap_stay_where_they_are():
    # Tips and molecules in scanning probe images are flat-topped and touch. Whole steps of fits that each take what
    # the neighbours leave then overshoot, and backgrounds fall far below the image.
    rng = np.random.default_rng(1)
    i, j = np.meshgrid(np.arange(-20, 20), np.arange(-20, 20))
    points = 11.0 * np.column_stack([(i + 0.5 * j).ravel(), (np.sqrt(3) / 2 * j).ravel()]) + [71.3, 62.6]
    points += rng.normal(0, 0.4, points.shape)
    shape = (126, 143)
    points = points[((points > -8) & (points < np.array(shape[::-1]) + 8)).all(axis=1)]
    rows, columns = np.indices(shape)
    image = 0.01 * rng.normal(size=shape)
    for x, y in points:
        image += np.exp(-((np.hypot(columns - x, rows - y) / 5.5) ** 4))
    start = points[((points > 0) & (points < np.array(shape[::-1]) - 1)).all(axis=1)]
    found = refine_atoms(image, np.rint(start))
    inner = ((start > 12) & (start < np.array(shape[::-1]) - 12)).all(axis=1)
    error = cKDTree(found.positions).query(start[inner])[0]
    assert np.median(error) < 0.4
    assert np.percentile(error, 95) < 1.0
    assert np.median(found.background) > image.min() - 1
