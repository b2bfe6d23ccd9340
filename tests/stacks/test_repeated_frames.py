"""A movie of one field: an atom that is seen many times is one atom."""

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs.data import monolayer

pytestmark = pytest.mark.usefixtures("two_radii")

N = 8


def stack_of(images, noise, seed=0):
    """Images with noise, in units of their contrast."""
    rng = np.random.default_rng(seed)
    images = np.array(images, float)
    stack = hs.signals.Signal2D(images + noise * images.std() * rng.standard_normal(images.shape))
    stack.set_signal_type("atomic_image")
    return stack


@pytest.fixture(scope="module")
def specimen():
    return monolayer(
        shape=(138, 150), dose=1e8, double_vacancies=0, vacancies=0.2, metal_dopant=None, chalcogen_dopant=None,
        random_state=1,
    )  # fmt: skip


def test_a_movie_has_the_motifs_of_its_field(specimen):
    image, _ = specimen
    alone = stack_of([image.data], 0.06).find_motifs(show_progressbar=False)
    motifs = stack_of([image.data] * N, 0.06).find_motifs(show_progressbar=False)
    assert motifs.n_motifs == alone.n_motifs == 3
    frames = motifs.to_dict()["frame"]
    for number in range(N):
        counts = np.bincount(motifs.labels[frames == number], minlength=3)
        np.testing.assert_allclose(counts, alone.counts, atol=2)
    assert "each once" in motifs.summary()


def test_a_column_that_goes_is_the_only_change(specimen):
    """From the fourth frame on: it is gone in as many frames as a motif needs atoms."""
    image, truth = specimen
    rows, columns = image.data.shape
    x, y = gone = next(
        p for p, kind in zip(truth.positions, truth.labels, strict=True)
        if kind == 1 and (p > 60).all() and (p < [columns - 60, rows - 60]).all()
    )  # fmt: skip
    height = float(image.data[round(y), round(x)] - np.percentile(image.data, 2))
    place = np.exp(-((np.arange(columns) - x) ** 2 + (np.arange(rows)[:, None] - y) ** 2) / (2 * 4.2**2))
    movie = stack_of([image.data - (height * place if k > 2 else 0) for k in range(N)], 0.06)
    sites = movie.find_motifs(show_progressbar=False).movie.follow("sites")
    events = sites.events()
    assert events["frame"].tolist() == [3]
    assert events["after"].tolist() == ["empty"]
    np.testing.assert_allclose([events["x"][0], events["y"][0]], gone, atol=1)


def test_frames_of_other_fields_are_all_used():
    fields = [
        monolayer(
            shape=(140, 151), dose=1e7, double_vacancies=0, vacancies=0, metal_dopant=None,
            chalcogen_dopant=None, random_state=k,
        )[0].data
        for k in range(3)
    ]  # fmt: skip
    motifs = stack_of(fields, 0.05).find_motifs(radius=0.6, show_progressbar=False)
    assert "learned on" not in motifs.summary()
    assert motifs.n_motifs == 2
