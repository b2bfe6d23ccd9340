"""Large stacks: learned on a sample of the frames, applied to each, continued from a folder."""

import json
import shutil

import hyperspy.api as hs
import numpy as np
import pytest

import hyperspy_motifs as hm
from hyperspy_motifs.pipeline import _atom_finding, _learning
from hyperspy_motifs.stacks import Checkpoint, run_frames, sample_of_frames, spread_order

pytestmark = pytest.mark.usefixtures("two_radii")

ROWS, COLUMNS = 150, 168


@pytest.fixture(scope="module")
def movie():
    """Two by two frames of a monolayer that loses chalcogen."""
    frames = [
        hm.data.monolayer(
            vacancies=share,
            double_vacancies=0,
            metal_dopant=None,
            chalcogen_dopant=None,
            frame=k,
            shape=(ROWS, COLUMNS),
        )[0]
        for k, share in enumerate((0.05, 0.1, 0.15, 0.2))
    ]
    data = np.stack([f.data for f in frames]).reshape(2, 2, ROWS, COLUMNS)
    stack = hs.signals.Signal2D(data)
    for name, axis, old in zip(
        "xy", stack.axes_manager.signal_axes, frames[0].axes_manager.signal_axes, strict=True
    ):
        axis.name, axis.scale, axis.units = name, old.scale, old.units
    stack.set_signal_type("atomic_image")
    return stack


@pytest.fixture(scope="module")
def whole(movie):
    return movie.deepcopy().find_motifs(radius=0.6, show_progressbar=False)


@pytest.fixture(scope="module")
def small_sample():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_learning, "SAMPLE_ATOMS", 180)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run") / "checkpoint"


@pytest.fixture(scope="module")
def sampled(movie, small_sample, folder):
    lazy = movie.deepcopy().as_lazy()
    motifs = lazy.find_motifs(radius=0.6, checkpoint=folder, show_progressbar=False)
    return motifs


def test_a_sample_says_what_the_whole_says(whole, sampled):
    assert len(sampled.labels) == len(whole.labels)
    assert "2 frames" in sampled.summary()
    pixels = sampled.pixel_positions
    inner = np.all((pixels > 8) & (pixels < np.array([COLUMNS, ROWS]) - 9), axis=1)
    # The same partition with any numbers of the motifs.
    table = np.zeros((sampled.n_motifs, whole.n_motifs), int)
    np.add.at(table, (sampled.labels[inner], whole.labels[inner]), 1)
    assert table.max(axis=1).sum() >= 0.99 * inner.sum()
    assert np.all(np.diff(sampled.counts) <= 0)


def test_the_summary_of_a_stack_says_its_defects_once_they_were_read(whole):
    assert "atoms; motifs.defects has not been read yet" in whole.summary()
    assert len(whole.defects.select("another motif")) > 10
    assert f"atoms; {whole.defects.headline()}" in whole.summary()


def test_the_numbers_of_a_sampled_stack_are_one(sampled):
    np.testing.assert_array_equal(sampled.labels, sampled.labels_at(0.6))
    np.testing.assert_array_equal(sampled.tree.labels_at(0.6), sampled.labels)
    assert sampled.tree.size[0] == len(sampled.labels)
    assert np.isfinite(sampled.layout[sampled.probabilities > 0.9]).all()
    assert len(sampled.features.data) == len(sampled.labels)


def test_an_interrupted_run_goes_on_where_it_stopped(movie, small_sample, sampled, folder, monkeypatch):
    [file] = folder.glob("motifs-*_000002.npz")
    file.unlink()
    (folder / "atoms_000001.npz").unlink()
    computed = []
    for name in ("find_atoms_of_frame", "predict_frame"):
        module = _learning if name == "predict_frame" else _atom_finding
        function = getattr(module, name)

        def counted(images, number, *arguments, _name=name, _function=function):
            computed.append((_name, number))
            return _function(images, number, *arguments)

        monkeypatch.setattr(module, name, counted)
    again = movie.deepcopy().find_motifs(radius=0.6, checkpoint=folder, show_progressbar=False)
    assert computed == [("find_atoms_of_frame", 1), ("predict_frame", 2)]
    np.testing.assert_array_equal(again.labels, sampled.labels)
    np.testing.assert_array_equal(again.layout, sampled.layout)


def test_motifs_of_other_atoms_or_another_model_are_computed_anew(
    movie, small_sample, sampled, folder, tmp_path, monkeypatch
):
    """Files of another model, of which the numbers mean something else, lie in the folder and are left alone."""
    mixed = shutil.copytree(folder, tmp_path / "mixed")
    how = {"radius": 0.6, "show_progressbar": False}
    monkeypatch.setattr(_learning, "SAMPLE_ATOMS", 105)
    bare = shutil.copytree(folder, tmp_path / "bare", ignore=shutil.ignore_patterns("motifs-*"))
    other = movie.deepcopy().find_motifs(checkpoint=mixed, **how)
    alone = movie.deepcopy().find_motifs(checkpoint=bare, **how)
    assert "1 frames" in other.summary()
    np.testing.assert_array_equal(other.labels, alone.labels)
    np.testing.assert_array_equal(other.probabilities, alone.probabilities)
    assert len(list(mixed.glob("motifs-*_000002.npz"))) == 2
    # An atom less is another set of atoms, of the same frames.
    fewer = alone.signal.deepcopy()
    fewer.remove_atoms(fewer.atoms.positions[:1])
    assert len(fewer.find_motifs(checkpoint=mixed, **how).labels) == len(alone.labels) - 1


def test_a_folder_that_was_written_before_the_sample_was_spread_is_refused(
    movie, small_sample, folder, tmp_path
):
    old = shutil.copytree(folder, tmp_path / "old")
    run = json.loads((old / "run.json").read_text(encoding="utf-8"))
    del run["format"]
    (old / "run.json").write_text(json.dumps(run), encoding="utf-8")
    with pytest.raises(ValueError, match="another version of this package"):
        movie.deepcopy().find_motifs(radius=0.6, checkpoint=old, show_progressbar=False)


def test_a_folder_of_another_run_is_refused_and_the_result_stays(movie, sampled, folder):
    stack = sampled.signal
    before = stack.motifs.labels
    with pytest.raises(ValueError, match="another run"):
        stack.find_motifs(checkpoint=folder, show_progressbar=False)
    np.testing.assert_array_equal(stack.motifs.labels, before)


def test_a_sampled_stack_comes_back_from_a_file_with_its_model(sampled, tmp_path):
    stack = sampled.signal
    stack.save(tmp_path / "stack.zspy", show_progressbar=False)
    loaded = hs.load(tmp_path / "stack.zspy", lazy=True)
    np.testing.assert_array_equal(loaded.motifs.labels, sampled.labels)
    other = loaded.inav[1:2, 0:1]
    other.compute(show_progressbar=False)
    predicted = loaded.motifs.predict(other, show_progressbar=False)
    np.testing.assert_array_equal(predicted.labels, sampled.labels[sampled.frames == 1])


def test_every_beginning_of_the_order_of_frames_is_spread():
    for n in (0, 1, 2, 7, 16, 100):
        order = spread_order(n)
        np.testing.assert_array_equal(np.sort(order), np.arange(n))
        for k in range(1, n):
            gaps = np.diff([*np.sort(order[:k]), n])
            assert gaps.max() <= 2 * gaps.min() + 2


def test_frames_of_a_sample_are_spread_and_hold_no_more_than_asked():
    counts = dict(enumerate([90, 0, 100, 110, 100, 95, 0, 105, 100, 100]))
    assert spread_order(10).tolist() == [0, 5, 2, 7, 1, 6, 3, 8, 4, 9]
    np.testing.assert_array_equal(sample_of_frames(counts, 10, 300), [0, 2, 5])
    np.testing.assert_array_equal(sample_of_frames(counts, 10, 390), [0, 2, 5, 7])
    np.testing.assert_array_equal(sample_of_frames(counts, 10, 10_000), [0, 2, 3, 4, 5, 7, 8, 9])
    assert len(sample_of_frames(counts, 10, 10)) == 1


def test_a_dark_frame_is_no_sample_of_frames_that_are_large():
    counts = {0: 14} | dict.fromkeys(range(1, 16), 25_000)
    assert sample_of_frames(counts, 16, 20_000).tolist() == [0, 8]
    assert sample_of_frames({0: 14, 8: 25_000}, 16, 20_000).tolist() == [0, 8]
    # Similar frames have at most the requested number, unless a single frame has more.
    for count in (1, 1500, 6000, 9000, 11_000, 19_000):
        chosen = sample_of_frames(dict.fromkeys(range(64), count), 64, 20_000)
        assert len(chosen) == min(20_000 // count, 64)
    assert sample_of_frames(dict.fromkeys(range(16), 25_000), 16, 20_000).tolist() == [0]


def test_a_sample_is_known_once_its_frames_are_and_stays_what_it_is():
    counts = {0: 90, 5: 95, 2: 100}
    assert sample_of_frames(counts, 10, 300) is None
    counts[7] = 105
    now = sample_of_frames(counts, 10, 300)
    assert sample_of_frames(counts | dict.fromkeys([1, 3, 4, 6, 8, 9], 10), 10, 300).tolist() == now.tolist()


def _double(images, number, offset):
    if number == 3:
        raise KeyboardInterrupt
    return {"twice": 2 * images[0] + offset}


def test_what_was_done_before_an_interrupt_is_kept(tmp_path):
    checkpoint = Checkpoint(tmp_path / "run", {"options": 1})
    images = np.arange(5.0)[:, None, None] * np.ones((1, 2, 3))
    jobs = [(k, (k,)) for k in range(5)]
    with pytest.raises(KeyboardInterrupt):
        run_frames(_double, lambda k: [images[k]], jobs, step="step", checkpoint=checkpoint)
    assert [checkpoint.load("step", k) is not None for k in range(5)] == [True, True, True, False, False]
    np.testing.assert_array_equal(checkpoint.load("step", 2)["twice"], np.full((2, 3), 6.0))
    assert not list((tmp_path / "run").glob(".*"))


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    np.savez(tmp_path / "precious.npz", a=1)
    with pytest.raises(ValueError, match="other files"):
        Checkpoint(tmp_path, {"options": 1})


def test_defects_are_listed_by_frame(whole):
    defects = whole.defects
    assert len(np.unique(defects.frames)) > 1
    assert (np.diff(defects.frames) >= 0).all()
    assert f"in frame {defects.frames[0]} at (" in str(defects).splitlines()[1]
