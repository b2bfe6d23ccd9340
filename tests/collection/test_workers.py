"""Images of a collection on the workers of dask.distributed: the same results, also when a worker is killed."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

import hyperspy_motifs
from hyperspy_motifs.collection import _finding
from hyperspy_motifs.data import monolayer

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Four images of MoSe2 of different sizes and rotations."""
    folder = tmp_path_factory.mktemp("images")
    for k in range(4):
        image = monolayer(
            shape=(150 + 4 * k, 160 + 9 * k), rotation=13 * k, double_vacancies=0, random_state=k
        )[0]
        image.save(folder / f"{k}.zspy")
    return sorted(folder.glob("*.zspy"))


@pytest.fixture(scope="module")
def client():
    root = str(Path(hyperspy_motifs.__file__).parents[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]))
        with distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
            yield client


def test_an_image_that_cannot_be_used_is_named(files, client):
    flat = monolayer(shape=(90, 100), random_state=0)[0]
    flat.data[:] = 7
    flat.metadata.General.title = "flat"
    with pytest.raises(ValueError, match=r"Image 1 \(flat\)"):
        hyperspy_motifs.find_motifs([files[0], flat], show_progressbar=False)


def test_results_are_those_of_one_process(files, client, monkeypatch):
    # The model is learned on two images, the others are assigned to it by the workers.
    monkeypatch.setattr(_finding, "_SAMPLE_ATOMS", 150)
    first = next(iter(client.run(os.getpid).values()))
    client.loop.call_later(2.0, os.kill, first, signal.SIGKILL)
    on_workers = hyperspy_motifs.find_motifs(files, show_progressbar=False)
    assert first not in client.run(os.getpid).values()
    monkeypatch.setattr("hyperspy_motifs.stacks.running_client", lambda: None)
    here = hyperspy_motifs.find_motifs(files, show_progressbar=False)
    assert "learned on 2 of them" in here[0].summary()
    for one, other in zip(on_workers, here, strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
        np.testing.assert_array_equal(one.layout, other.layout)
        np.testing.assert_array_equal(one.cells.vertices, other.cells.vertices)
        np.testing.assert_array_equal(one.features.data, other.features.data)
    assert on_workers.orientations == here.orientations
