"""Frames and images of a collection on the workers of dask.distributed: the same results, also when a worker is killed."""

import os
import signal
import sys
from pathlib import Path

import dask
import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest

import hyperspy_motifs as hm
from hyperspy_motifs.collection import _finding
from hyperspy_motifs.pipeline import _learning
from hyperspy_motifs.pipeline._atom_table import find_atoms_of_frame
from hyperspy_motifs.stacks import RemoteTask, run_frames, running_client

distributed = pytest.importorskip("distributed")

HERE = Path(__file__).parent
# Test modules are no package: workers find the functions of frames next to this file.
sys.path.insert(0, str(HERE))
from frame_functions import fails, slow_sum  # noqa: E402

N = 12


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(5)
    return rng.normal(size=(N, 20, 30))


@pytest.fixture(scope="module", autouse=True)
def scheduler_of_before():
    """Clients that are closed in another order than they were opened leave dask a scheduler that is gone."""
    before = dask.config.get("scheduler", None)
    yield
    if before is None:
        dask.config.config.pop("scheduler", None)


@pytest.fixture(scope="module")
def environment():
    with pytest.MonkeyPatch.context() as patch:
        root = str(Path(hm.__file__).parents[1])
        patch.setenv("PYTHONPATH", os.pathsep.join([root, str(HERE), os.environ.get("PYTHONPATH", "")]))
        yield


@pytest.fixture(scope="module")
def local_client(environment):
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    client = distributed.Client(cluster)
    yield client
    client.close()
    cluster.close()


def test_frames_go_to_the_workers_with_one_thread_each(local_client, images):
    assert running_client() is local_client
    jobs = [(k, (0.05,)) for k in range(N)]
    found = run_frames(slow_sum, lambda k: [images[k]], jobs, step="sum")
    assert list(found) == list(range(N))
    np.testing.assert_allclose([found[k]["sum"] for k in range(N)], images.sum(axis=(1, 2)))
    workers = {int(found[k]["pid"]) for k in range(N)}
    assert len(workers) == 2
    assert os.getpid() not in workers
    assert {int(found[k]["threads"]) for k in range(N)} == {1}


def test_dask_arrays_are_read_where_they_are_computed(local_client, images):
    lazy = da.from_array(images, chunks=(1, 20, 30))
    found = run_frames(slow_sum, lambda k: [lazy[k]], [(3, (0.0,)), (1, (0.0,))], step="sum")
    assert list(found) == [3, 1]
    np.testing.assert_allclose(found[3]["sum"], images[3].sum())


def test_an_open_file_that_cannot_be_sent_is_read_here(local_client, images, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "stack.h5", "w") as file:
        file["data"] = images
        lazy = da.from_array(file["data"], chunks=(1, 20, 30))
        found = run_frames(slow_sum, lambda k: [lazy[k]], [(2, (0.0,))], step="sum")
    np.testing.assert_allclose(found[2]["sum"], images[2].sum())


def test_an_error_in_a_frame_is_the_users(local_client):
    flat = np.ones((40, 50))
    with pytest.raises(ValueError, match="Frame 0 is constant"):
        run_frames(find_atoms_of_frame, lambda k: [flat], [(0, ("Frame 0", None, {}))], step="atoms")


HOW = {"radius": 0.11, "radius_units": "axes", "show_progressbar": False}
SAMPLE_ATOMS = 160  # of two of the frames


@pytest.fixture(scope="module")
def stack():
    """Four frames of MoSe2."""
    frames = [hm.data.monolayer(shape=(130, 140), frame=k, double_vacancies=0)[0] for k in range(4)]
    return hs.stack(frames, show_progressbar=False)


@pytest.fixture(scope="module")
def here(stack):
    """Motifs of the stack, found by this process alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_learning, "SAMPLE_ATOMS", SAMPLE_ATOMS)
        for place in ("stacks", "pipeline._learning"):
            patch.setattr(f"hyperspy_motifs.{place}.running_client", lambda: None)
        return stack.deepcopy().find_motifs(**HOW)


def test_motifs_are_learned_on_a_worker_while_others_find_atoms_and_are_the_same(
    local_client, stack, here, monkeypatch, tmp_path
):
    monkeypatch.setattr(_learning, "SAMPLE_ATOMS", SAMPLE_ATOMS)
    # A run without workers can use a folder from the workers, for any order of its files.
    on_workers = stack.deepcopy().find_motifs(checkpoint=tmp_path / "run", **HOW)
    for file in (tmp_path / "run").glob("*_00000[13].npz"):
        file.unlink()
    monkeypatch.setattr("hyperspy_motifs.stacks.running_client", lambda: None)
    monkeypatch.setattr("hyperspy_motifs.pipeline._learning.running_client", lambda: None)
    continued = stack.deepcopy().find_motifs(checkpoint=tmp_path / "run", **HOW)
    # The model is the same to the last bit, with one thread there and with several here.
    assert len({file.name.split("_")[0] for file in (tmp_path / "run").glob("motifs-*.npz")}) == 1
    for other in (here, continued):
        np.testing.assert_array_equal(on_workers.positions, other.positions)
        np.testing.assert_array_equal(on_workers.labels, other.labels)
        np.testing.assert_array_equal(on_workers.probabilities, other.probabilities)
        np.testing.assert_array_equal(on_workers.layout, other.layout)
        assert on_workers.summary() == other.summary()


def test_an_error_while_motifs_are_learned_on_a_worker_is_the_users(local_client, stack, monkeypatch):
    monkeypatch.setattr(_learning, "SAMPLE_ATOMS", 100)
    monkeypatch.setattr(_learning, "learn_on_sample", fails)
    # The first frame alone is the sample: its task is begun while others wait.
    with pytest.raises(ValueError, match="These atoms cannot be told apart"):
        stack.deepcopy().find_motifs(**HOW)


def test_an_error_in_a_task_shows_before_its_result_is_asked_for(local_client, images):
    failed = RemoteTask(local_client, fails, [images[0]], 0, ())
    busy = RemoteTask(local_client, slow_sum, [images[1]], 1, (2.0,))
    busy.raise_early()
    distributed.wait(failed._future)
    with pytest.raises(ValueError, match="These atoms cannot be told apart"):
        failed.raise_early()
    busy.cancel()
    busy.raise_early()


def test_a_client_that_is_closed_hides_no_error(environment, images):
    def closing(number, result):
        client.close()
        raise ValueError("This is what happened")

    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as one,
        distributed.Client(one) as client,
    ):
        task = RemoteTask(client, slow_sum, [images[0]], 0, (0.0,))
        with pytest.raises(ValueError, match="This is what happened"):
            run_frames(
                slow_sum, lambda k: [images[k]], [(k, (0.0,)) for k in range(N)], step="sum", found=closing
            )
        task.cancel()
        assert task.result() is None or task.result()["sum"].shape == ()


def test_a_task_that_is_lost_gives_nothing_and_one_that_is_done_its_result(local_client, images):
    lost = RemoteTask(local_client, slow_sum, [images[0]], 0, (2.0,))
    done = RemoteTask(local_client, slow_sum, [images[1]], 1, (0.0,))
    lost.cancel()
    assert lost.result() is None
    np.testing.assert_allclose(done.result()["sum"], images[1].sum())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three images of MoSe2 of different sizes and rotations."""
    folder = tmp_path_factory.mktemp("images")
    for k in range(3):
        image = hm.data.monolayer(
            shape=(126 + 4 * k, 134 + 9 * k), rotation=13 * k, double_vacancies=0, random_state=k
        )[0]
        image.save(folder / f"{k}.zspy")
    return sorted(folder.glob("*.zspy"))


def test_an_image_of_a_collection_that_cannot_be_used_is_named(files, local_client):
    flat = hm.data.monolayer(shape=(90, 100), random_state=0)[0]
    flat.data[:] = 7
    flat.metadata.General.title = "flat"
    with pytest.raises(ValueError, match=r"Image 1 \(flat\)"):
        hm.find_motifs([files[0], flat], show_progressbar=False)


def test_results_of_a_collection_are_those_of_one_process(files, local_client, monkeypatch, tmp_path):
    # The model is learned on two images, the third is assigned to it by the workers.
    monkeypatch.setattr(_finding, "_SAMPLE_ATOMS", 110)
    on_workers = hm.find_motifs(files, radius=0.6, show_progressbar=False)
    in_files = _with_a_killed_worker(local_client, files, monkeypatch, results=tmp_path / "study")
    monkeypatch.setattr("hyperspy_motifs.stacks.running_client", lambda: None)
    here = hm.find_motifs(files, radius=0.6, show_progressbar=False)
    assert "learned on 2 of them" in here[0].summary()
    for one, other in [*zip(on_workers, here, strict=True), *zip(in_files, here, strict=True)]:
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
        np.testing.assert_array_equal(one.layout, other.layout)
        np.testing.assert_array_equal(one.cells.vertices, other.cells.vertices)
        np.testing.assert_array_equal(one.features.data, other.features.data)
    assert on_workers.orientations == in_files.orientations == here.orientations


def _with_a_killed_worker(client, files, monkeypatch, **how):
    """A collection, of which one of the two workers dies after the model is learned, with what it measured meanwhile."""
    if not hasattr(signal, "SIGKILL"):
        return hm.find_motifs(files, radius=0.6, show_progressbar=False, **how)
    learned = _finding._learned

    def and_kills(*arguments):
        out = learned(*arguments)
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        return out

    with monkeypatch.context() as patch:
        patch.setattr(_finding, "_learned", and_kills)
        return hm.find_motifs(files, radius=0.6, show_progressbar=False, **how)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_a_worker_that_is_killed_costs_no_result(local_client, images):
    first = next(iter(local_client.run(os.getpid).values()))
    finished = []

    def done():
        finished.append(len(finished))
        if len(finished) == 3:
            os.kill(first, signal.SIGKILL)

    found = run_frames(
        slow_sum, lambda k: [images[k]], [(k, (0.3,)) for k in range(N)], step="sum", done=done
    )
    assert len(finished) == N
    np.testing.assert_allclose([found[k]["sum"] for k in range(N)], images.sum(axis=(1, 2)))
    assert [int(found[k]["pid"]) for k in range(N)].count(first) < N // 2
