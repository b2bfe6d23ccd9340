"""When the motifs of a large stack are learned on a worker, while atoms are still being found."""

import numpy as np
import pytest

from hyperspy_motifs.pipeline import FindOptions, _atom_finding, _learning
from hyperspy_motifs.pipeline._learning import SampleLearning, learn_on_sample
from hyperspy_motifs.signals import AtomicImage
from hyperspy_motifs.stacks import spread_order

N, ROWS, COLUMNS = 8, 20, 30
ATOMS = np.argwhere(np.ones((5, 6)))[:, ::-1] * 5.0
OPTIONS = FindOptions(radius=0.6)
LAST = "the last"


class Task:
    """Stands for a task on a worker: what it was given, and whether it has failed by now."""

    def __init__(self, client, function, images, number, arguments):
        self.function, self.images, self.number, self.arguments = function, images, number, arguments
        self.failed = self.left = False

    def raise_early(self):
        if self.failed:
            raise ValueError("These atoms cannot be told apart.")

    def result(self):
        return LAST

    def cancel(self):
        self.left = True


@pytest.fixture
def cluster(monkeypatch):
    begun = []

    def task(*arguments):
        begun.append(Task(*arguments))
        return begun[-1]

    monkeypatch.setattr(_learning, "running_client", object)
    monkeypatch.setattr(_learning, "RemoteTask", task)
    # Three frames of thirty atoms.
    monkeypatch.setattr(_learning, "SAMPLE_ATOMS", 95)
    return begun


@pytest.fixture(scope="module")
def detectors():
    data = np.arange(N)[:, None, None] * np.ones((ROWS, COLUMNS))
    return [AtomicImage(data), AtomicImage(-data)]


def watch(detectors, numbers):
    learning = SampleLearning(detectors, OPTIONS)
    for number in numbers:
        learning.watch(number, {"positions": ATOMS + number / 100})
    return learning


def test_learning_begins_once_the_frames_of_the_sample_are_there(cluster, detectors):
    # In the order 0, 4, 2, 6 the sample is 0, 2 and 4, and frame 6 is known not to fit.
    learning = watch(detectors, [0, 3, 6, 4])
    assert not cluster
    assert learning.result() is None
    learning.watch(2, {"positions": ATOMS + 0.02})
    [task] = cluster
    assert task.function is learn_on_sample
    assert [image[0, 0] for image in task.images] == [0, 2, 4, 0, -2, -4]
    frames, pixels, spacing, radii, options = task.arguments
    np.testing.assert_array_equal(frames, np.repeat([0, 2, 4], len(ATOMS)))
    np.testing.assert_array_equal(pixels, np.concatenate([ATOMS, ATOMS + 0.02, ATOMS + 0.04]))
    assert spacing == pytest.approx(5)
    assert 0.6 in radii
    assert options is OPTIONS
    for number in (1, 5, 7):
        learning.watch(number, {"positions": ATOMS})
    assert len(cluster) == 1
    assert learning.result() == LAST
    learning.cancel()
    assert task.left


def test_nothing_is_learned_meanwhile_where_the_sample_is_known_last(cluster, detectors):
    assert watch(detectors, [0, 4, 6, 1, 3, 5, 7, 2]).result() is None
    assert not cluster


def test_nothing_is_learned_meanwhile_without_a_cluster(cluster, detectors, monkeypatch):
    monkeypatch.setattr(_learning, "running_client", lambda: None)
    assert watch(detectors, range(N)).result() is None
    assert not cluster


@pytest.mark.parametrize(("less", "begun"), [(0, 1), (1, 0)])
def test_images_of_more_pixels_than_can_be_sent_stay_here(cluster, detectors, monkeypatch, less, begun):
    monkeypatch.setattr(_learning, "MOST_SENT_PIXELS", 2 * 3 * ROWS * COLUMNS - less)
    assert watch(detectors, [0, 4, 2, 6]).result() == (LAST if begun else None)
    assert len(cluster) == begun


def test_an_error_in_learning_ends_the_search_for_atoms(cluster, detectors):
    learning = watch(detectors, [0, 4, 2, 6])
    learning.watch(1, {"positions": ATOMS})
    cluster[0].failed = True
    with pytest.raises(ValueError, match="These atoms cannot be told apart"):
        learning.watch(3, {"positions": ATOMS})


def test_a_dark_frame_does_not_tell_the_distance_of_neighbours(cluster, detectors):
    learning = SampleLearning(detectors, OPTIONS)
    learning.watch(0, {"positions": ATOMS[:8] / 3})
    for number in (4, 2, 6, 1):
        learning.watch(number, {"positions": ATOMS})
    [task] = cluster
    assert set(task.arguments[0]) == {0, 2, 4}
    assert task.arguments[2] == pytest.approx(5)


def test_frames_are_read_in_the_order_of_the_sample_only_where_one_is_waited_for(detectors, monkeypatch):
    def told(function, images_of, jobs, **how):
        raise InterruptedError([number for number, _ in jobs])

    monkeypatch.setattr(_atom_finding, "running_client", object)
    monkeypatch.setattr(_atom_finding, "run_frames", told)
    for watched, order in ((None, list(range(N))), (lambda *found: None, spread_order(N).tolist())):
        with pytest.raises(InterruptedError) as options:
            _atom_finding.find_atoms(detectors[0], None, False, watch=watched)
        assert options.value.args[0] == order
