"""Images as users have them, by default arguments; what is right was established by eye and with other programs."""

import warnings

import hyperspy.api as hs
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import ConvexHull

from hyperspy_motifs.atoms import nearest_neighbour_distance


def load(folder, name):
    path = folder / "field" / name
    if path.suffix == ".png":
        from PIL import Image

        pixels = np.asarray(Image.open(path), float)
        signal = hs.signals.Signal2D(pixels[..., :3].mean(axis=-1) if pixels.ndim == 3 else pixels)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            signal = hs.load(path)
    signal.set_signal_type("atomic_image")
    return signal


def motifs_of(signal):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return signal.find_motifs(random_state=0, show_progressbar=False)


def test_two_species_on_a_strong_background(shared_data):
    motifs = motifs_of(load(shared_data, "two_species_background.png"))
    assert motifs.n_motifs == 2
    assert len(motifs.labels) == pytest.approx(249, abs=3)
    assert np.bincount(motifs.labels).min() > 100


def test_both_sublattices_of_a_noisy_sulfide(shared_data):
    """The faint sublattice is found where most of the bright one is: some nine in ten."""
    signal = hs.signals.Signal2D(np.load(shared_data / "field" / "mos2_noisy.npy").astype(float))
    signal.set_signal_type("atomic_image")
    motifs = motifs_of(signal)
    bright, faint = motifs.counts
    assert bright == pytest.approx(917, abs=10)
    assert 0.89 < faint / bright <= 1


def test_a_particle_in_vacuum_is_no_continuum(shared_data):
    motifs = motifs_of(load(shared_data, "nanoparticle.hspy"))
    assert len(motifs.labels) == 256
    # The inside is one motif; the four edges may be others.
    assert motifs.n_motifs <= 5
    edges = ConvexHull(motifs.pixel_positions).equations
    inside = (motifs.pixel_positions @ edges[:, :2].T + edges[:, 2]).max(axis=1) < -5
    assert np.mean(motifs.labels[inside] == 0) > 0.98
    assert not motifs.is_continuous
    assert "continu" not in motifs.summary()


def test_dark_columns_of_a_bright_field_perovskite(shared_data):
    table = load(shared_data, "perovskite_abf.hspy").find_atoms(show_progressbar=False)
    assert table.facts["polarity"] == "dark"
    assert len(table) == pytest.approx(630, abs=10)


def test_tunnels_between_dumbbells_are_empty(shared_data):
    signal = load(shared_data, "dumbbells.png")
    table = signal.find_atoms(show_progressbar=False)
    assert len(table) == pytest.approx(975, abs=5)
    column, row = np.rint(table.pixel_positions).astype(int).T
    means = ndimage.uniform_filter(np.asarray(signal.data, float), 7)[row.clip(0, 729), column.clip(0, 729)]
    # Empty tunnels have 58, dumbbells 170.
    assert np.sum(means < 90) < 5


def test_a_screenshot_has_atoms_in_its_image_alone(shared_data):
    with pytest.warns(UserWarning, match="without data"):
        table = load(shared_data, "screenshot.png").find_atoms(show_progressbar=False)
    x, y = table.pixel_positions.T
    assert len(table) > 8900
    assert (x > 66).all()
    assert (x < 558).all()
    assert (y > 33).all()
    assert (y < 524).all()


def test_columns_beside_the_fill_of_a_turned_image(shared_data):
    image = np.asarray(load(shared_data, "sto.ser").data, float)[:400, :460]
    full = ndimage.rotate(np.ones_like(image), 12, reshape=False, order=1) > 0.99
    for fill in (0.0, image.mean()):
        turned = hs.signals.Signal2D(ndimage.rotate(image, 12, reshape=False, cval=fill))
        turned.set_signal_type("atomic_image")
        with pytest.warns(UserWarning, match="without data"):
            table = turned.find_atoms(show_progressbar=False)
        column, row = np.rint(table.pixel_positions).astype(int).T
        assert full[row.clip(0, 399), column.clip(0, 459)].all()
        assert len(table) == pytest.approx(1283 * full.sum() / 1024**2, rel=0.03)


def test_columns_many_pixels_apart(shared_data):
    table = load(shared_data, "mos2_finely_sampled.hspy").find_atoms(show_progressbar=False)
    assert len(table) == 24
    assert nearest_neighbour_distance(table.pixel_positions) == pytest.approx(179, abs=2)


def test_both_grains_of_a_gold_boundary(shared_data):
    motifs = motifs_of(load(shared_data, "gold_boundary.png"))
    assert len(motifs.labels) == pytest.approx(730, abs=15)
    assert motifs.parameters["separation"] == pytest.approx(18.5, abs=0.5)
    x = motifs.pixel_positions[:, 0]
    left, right = (motifs.labels[side] for side in (x < 120, x > 350))
    grains = [int(np.bincount(side).argmax()) for side in (left, right)]
    assert grains[0] != grains[1]
    assert min((left == grains[0]).mean(), (right == grains[1]).mean()) > 0.95
