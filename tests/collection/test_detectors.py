"""Images of several detectors in one collection."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score

import hyperspy_motifs
from hyperspy_motifs.data import monolayer

pytestmark = pytest.mark.usefixtures("two_radii")


def field(seed, degrees, dose, rows=170):
    """An image of MoSe2 with a tenth of heavy dopants, and its truth; a seed is one specimen at all doses."""
    return monolayer(
        shape=(rows, rows + 30), pixel_size=0.0175, dose=dose, rotation=degrees, vacancies=0, double_vacancies=0,
        metal_dopant=("Ru", 0.12), chalcogen_dopant=None, random_state=seed,
    )  # fmt: skip


@pytest.fixture(scope="module")
def scans():
    """Two fields, turned by 40 degrees, each with a noisy first detector and a good second one of another gain."""
    out = []
    for seed, degrees in ((0, 0), (1, 40)):
        first, truth = field(seed, degrees, 4e4)
        second = field(seed, degrees, 2e6)[0]
        second.data = 7 * second.data + 100
        out.append((first, second, truth))
    return out


@pytest.fixture(scope="module")
def together(scans):
    return hyperspy_motifs.find_motifs(
        [first.deepcopy() for first, _, _ in scans], detectors=[second for _, second, _ in scans], radius=0.6,
        complete=False, show_progressbar=False,
    )  # fmt: skip


def agreement(motifs, truth):
    distance, nearest = cKDTree(truth.positions).query(motifs.pixel_positions)
    return adjusted_rand_score(truth.labels[nearest[distance < 4]], motifs.labels[distance < 4])


def test_the_second_detector_shows_what_the_first_does_not(scans, together):
    alone = hyperspy_motifs.find_motifs(
        [first.deepcopy() for first, _, _ in scans], radius=0.6, complete=False, show_progressbar=False
    )
    assert (alone.n_motifs, together.n_motifs) == (2, 3)
    for k, (_, second, truth) in enumerate(scans):
        assert agreement(together[k], truth) > 0.95
        assert len(together[k].detectors) == 2
        np.testing.assert_array_equal(together[k].detectors[1].data, second.data)
    assert together.model.facts["detectors"] == 2
    turned = together.orientations[1][0] - together.orientations[0][0]
    assert (turned + 40 + 60) % 120 - 60 == pytest.approx(0, abs=1)


def test_the_model_is_applied_and_updated_with_both_detectors(scans, together):
    first, truth = field(3, 75, 4e4)
    second = field(3, 75, 2e6)[0]
    motifs = first.apply_model(together.model, detectors=second, show_progressbar=False)
    assert agreement(motifs, truth) > 0.95
    assert together.model.update([first], detectors=[second]) is together.model
    assert together.model.merge(together.model) is together.model
    with pytest.raises(ValueError, match="one of 2 detectors, and 1 are given"):
        together.model.update([first])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda a, b: [a], "an entry for each of the 2 images"),
        (lambda a, b: [[a], [a, b]], "same number of further detectors"),
        (lambda a, b: [[], []], "one or more"),
        (lambda a, b: [a.isig[:-5, :], b], r"Image 0 .* pixels"),
    ],
)
def test_wrong_detectors_are_refused(scans, wrong, message):
    seconds = [second for _, second, _ in scans]
    with pytest.raises(ValueError, match=message):
        hyperspy_motifs.find_motifs(
            [first for first, _, _ in scans], detectors=wrong(*seconds), show_progressbar=False
        )
