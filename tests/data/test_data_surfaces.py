"""Surfaces traced by a scanning probe: positions of adatoms, effects of the scan, and detection of defects."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from hyperspy_motifs.data import Imaging, Specimen, Tip, silicon_7x7, silicon_7x7_specimen, topograph

pytestmark = pytest.mark.usefixtures("two_radii")

CELL = 7 * 0.5431 / np.sqrt(2)


def within(found, truth, distance):
    """Which of the found points lie at a true one."""
    return cKDTree(truth).query(found)[0] < distance


def test_twelve_adatoms_a_cell_six_round_every_corner_hole():
    specimen = silicon_7x7_specimen(reach=14.0, vacancies=0.0)
    density = (np.hypot(*specimen.positions.T) < 13.0).sum() / (np.pi * 13.0**2)
    assert density * CELL**2 * np.sqrt(0.75) == pytest.approx(12, rel=0.03)
    assert np.bincount(specimen.labels) / len(specimen.labels) == pytest.approx(np.full(4, 0.25), rel=0.05)
    holes = specimen.markers["corner_holes"]
    inner = holes[np.hypot(*holes.T) < 12.0]
    distance, ring = cKDTree(specimen.positions).query(inner, k=7)
    assert distance[:, :6] == pytest.approx(CELL * np.sqrt(3) / 7)
    assert (distance[:, 6] > 1.3 * distance[:, 5]).all()
    # Three of them belong to the faulted half, three to the other, and all six are corner adatoms.
    assert (np.sort(specimen.labels[ring[:, :6]], axis=1) == [0, 0, 0, 2, 2, 2]).all()


def test_adatoms_of_one_half_lie_two_surface_vectors_apart():
    specimen = silicon_7x7_specimen(reach=8.0, vacancies=0.0)
    faulted = specimen.positions[specimen.labels < 2]
    nearest = cKDTree(faulted).query(faulted[np.hypot(*faulted.T) < 6], k=2)[0][:, 1]
    assert nearest == pytest.approx(2 * 0.5431 / np.sqrt(2))


def test_a_height_map_is_as_high_as_its_adatoms():
    specimen = Specimen(
        positions=np.array([[0.0, 0.0], [1.5, 0.5]]),
        labels=np.array([0, 1]),
        names=["low", "high"],
        column=np.arange(2),
        numbers=np.full(2, 14),
        counts=np.ones(2),
        per_column={"height": np.array([0.07, 0.12])},
    )
    imaging = Imaging(shape=(120, 190), pixel_size=0.03, probe_size=0.4, dose=None, drift=(3.0, -4.0))
    heights, truth = topograph(specimen, imaging, Tip(noise=0.0, line_noise=0.0))
    there = map_coordinates(heights, truth.positions.T[::-1], order=3)
    assert there == pytest.approx([0.07, 0.12], rel=1e-3)


@pytest.mark.parametrize("drift", [(0.0, 0.0), (11.0, 0.0), (-7.0, 13.0)])
def test_drift_shears_and_stretches_the_frame_and_the_truth_follows(drift):
    imaging = Imaging(shape=(160, 210), drift=drift, rotation=9.0)
    still = Imaging(shape=(160, 210), rotation=9.0)
    points = np.random.default_rng(3).uniform(-0.5, 0.5, (31, 2))
    moved, at_rest = imaging.to_pixels(points), still.to_pixels(points)
    # What is met in row y has moved by the share of the drift that fell due since the middle of the frame.
    share = (moved[:, 1:] - 79.5) / 160
    assert moved - at_rest == pytest.approx(share * np.array(drift))
    assert imaging.to_specimen(moved) == pytest.approx(points)


def test_rows_wander_and_noise_is_as_strong_as_asked():
    flat = np.zeros((3000, 90))
    traced = Tip(noise=0.004, line_noise=0.01, memory=0.6).trace(flat, random_state=5)
    offset = traced.mean(axis=1)
    assert (traced - offset[:, None]).std() == pytest.approx(0.004, rel=0.02)
    assert offset.std() == pytest.approx(0.01 / np.sqrt(1 - 0.6**2), rel=0.05)
    assert np.corrcoef(offset[1:], offset[:-1])[0, 1] == pytest.approx(0.6, abs=0.05)
    tilted = Tip(noise=0.0, line_noise=0.0, tilt=(0.2, -0.1)).trace(np.zeros((50, 70)))
    assert tilted[10, -1] - tilted[10, 0] == pytest.approx(0.2)
    assert tilted[-1, 10] - tilted[0, 10] == pytest.approx(-0.1)


@pytest.mark.parametrize("wrong", [{"noise": -1.0}, {"memory": 1.0}, {"streaks": -2.0}])
def test_a_tip_refuses_what_cannot_be(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Tip(**wrong)


@pytest.mark.parametrize("wrong", [{"vacancies": 1.2}, {"reacted": -0.1}, {"drift": (0.0, 500.0)}])
def test_a_surface_refuses_what_cannot_be(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        silicon_7x7(shape=(60, 70), **wrong)


@pytest.fixture(scope="module")
def scan():
    image, truth = silicon_7x7(
        vacancies=0.025, reacted=0.1, rotation=23.0, drift=(6.0, -5.0), tilt=(0.05, -0.03), streaks=3,
        shape=(330, 360), random_state=4,
    )  # fmt: skip
    # A radius with only the adatom: heights separate the halves and reacted adatoms.
    return image, truth, image.find_motifs(radius=0.4, radius_units="axes", show_progressbar=False)


def test_every_adatom_is_found_under_scan_lines_tilt_and_drift(scan):
    image, truth, motifs = scan
    inner = ((truth.positions > 8) & (truth.positions < np.array(image.data.shape[::-1]) - 9)).all(axis=1)
    assert within(truth.positions[inner], motifs.pixel_positions, 3.0).mean() > 0.995
    found = motifs.pixel_positions
    inside = ((found > 8) & (found < np.array(image.data.shape[::-1]) - 9)).all(axis=1)
    assert within(found[inside], truth.positions, 3.0).mean() > 0.995


def test_reacted_adatoms_are_motifs_of_their_own_through_a_small_radius(scan):
    image, truth, motifs = scan
    # Not the maxima on the very edge, whose adatoms may lie outside of the frame.
    found = motifs.pixel_positions
    inner = ((found > 4) & (found < np.array(image.data.shape[::-1]) - 5)).all(axis=1)
    labels = motifs.labels[inner]
    distance, nearest = cKDTree(truth.positions).query(found[inner])
    reacted = (truth.labels[nearest] == truth.names.index("reacted")) & (distance < 3)
    assert reacted.sum() >= 10
    share = np.array([reacted[labels == k].mean() for k in range(labels.max() + 1)])
    # Some reacted adatoms are as high as those of the unfaulted half, within the noise of the tip.
    assert reacted[share[labels] > 0.5].sum() >= 0.7 * reacted.sum()
    assert reacted[share[labels] > 0.5].mean() > 0.9


def test_empty_sites_and_cells_with_more_corners_than_a_corner_hole_are_the_missing_adatoms(scan):
    image, truth, motifs = scan
    spacing = np.sqrt(3) / 7 * CELL / image.axes_manager.signal_axes[0].scale
    vacancies = truth.extra["vacancies"]
    margin = 2 * spacing
    frame = np.array(image.data.shape[::-1]) - margin
    inner = vacancies[((vacancies > margin) & (vacancies < frame)).all(axis=1)]
    assert len(inner) >= 5
    empty = motifs.sites.pixel_positions[~motifs.sites.occupied]
    assert within(inner, empty, 0.2 * spacing).all()
    assert within(empty, vacancies, 0.2 * spacing).all()
    cells = motifs.find_cells(vacancies=False)
    scale = image.axes_manager.signal_axes[0].scale
    large = cells.centres[cells.n_corners > 6] / scale
    hexagons = cells.centres[cells.n_corners == 6] / scale
    # A missing corner adatom joins its corner hole: the centre of what is left lies between the two.
    assert within(inner, large, 0.8 * spacing).all()
    assert within(large, vacancies, 0.8 * spacing).all()
    holes = truth.extra["corner_holes"]
    assert within(hexagons, holes, 0.3 * spacing).mean() > 0.9
