"""Results of a collection in a folder: written as they come, the same as in memory, and continued after an interrupt."""

import gc
import shutil
import weakref

import hyperspy.api as hs
import numpy as np
import pytest

import hyperspy_motifs
from hyperspy_motifs.collection import _finding, _measuring, _saved_images
from hyperspy_motifs.data import monolayer

pytestmark = pytest.mark.usefixtures("two_radii")

HOW = {"radius": 0.6, "show_progressbar": False}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Four images of different sizes and orientations; the model is learned on two of them."""
    folder = tmp_path_factory.mktemp("images")
    for k in range(4):
        image = monolayer(
            shape=(126 + 4 * k, 134 + 9 * k), rotation=13 * k, double_vacancies=0, random_state=k
        )[0]
        image.metadata.General.title = f"field {k}/4"
        image.save(folder / f"{k}.hspy")
    return sorted(folder.glob("*.hspy"))


@pytest.fixture(scope="module")
def small_sample():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_finding, "_SAMPLE_ATOMS", 110)
        yield


@pytest.fixture(scope="module")
def in_memory(files, small_sample):
    return hyperspy_motifs.find_motifs(files, **HOW)


@pytest.fixture(scope="module")
def saved(files, small_sample, tmp_path_factory):
    given = [hs.load(file) for file in files]
    collection = hyperspy_motifs.find_motifs(given, results=tmp_path_factory.mktemp("run") / "study", **HOW)
    # The images that were given stay as they are.
    assert not any(image.metadata.has_item("Motifs") for image in given)
    return collection


def same(one, other):
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_array_equal(one.count_errors, other.count_errors)
    assert one.orientations == other.orientations
    assert one.images == other.images
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)
        np.testing.assert_array_equal(a.probabilities, b.probabilities)
        np.testing.assert_array_equal(a.layout, b.layout)
        np.testing.assert_array_equal(a.cells.vertices, b.cells.vertices)
        np.testing.assert_array_equal(a.features.data, b.features.data)
        np.testing.assert_array_equal(a.signal.data, b.signal.data)


def test_saved_results_are_those_in_memory(in_memory, saved):
    assert "learned on 2 of them" in saved[0].summary()
    same(saved, in_memory)
    groups = ["a", "a", "b", "b"]
    np.testing.assert_array_equal(saved.compare(groups).p_values, in_memory.compare(groups).p_values)
    assert saved.graph.summary() == in_memory.graph.summary()


def test_a_folder_is_a_collection_again(saved, in_memory, tmp_path):
    same(hyperspy_motifs.open_collection(saved[0].signal.tmp_parameters.folder), in_memory)
    with pytest.raises(ValueError, match="no folder of results"):
        hyperspy_motifs.open_collection(tmp_path)


def test_an_interrupted_run_continues_and_gives_the_same(
    files, small_sample, in_memory, tmp_path, monkeypatch
):
    """The third of four images fails once; those before it are neither measured nor assigned again."""
    measured, task = [], _measuring.measure

    def fails(images, number, forms, how):
        measured.append(number)
        if len(measured) == 4:
            raise KeyboardInterrupt
        return task(images, number, forms, how)

    monkeypatch.setattr(_measuring, "measure", fails)
    study = tmp_path / "study"
    with pytest.raises(KeyboardInterrupt):
        hyperspy_motifs.find_motifs(files, results=study, **HOW)
    with pytest.raises(ValueError, match="Results of 1 of the 4 images"):
        hyperspy_motifs.open_collection(study)
    same(hyperspy_motifs.find_motifs(files, results=study, **HOW), in_memory)
    # Each image once, and that of the interrupt twice.
    assert sorted(measured) == sorted([*range(4), measured[3]])
    with pytest.raises(ValueError, match="results of another run"):
        hyperspy_motifs.find_motifs(files, results=study, **{**HOW, "radius": 1.2})


def test_an_edit_of_an_image_in_use_counts(saved, in_memory):
    motifs = saved[1]
    motifs.merge([0, 1])
    with pytest.warns(UserWarning, match="were edited"):
        assert saved.counts[1, 0] == in_memory.counts[1, :2].sum()
    motifs.edit.undo()


def test_names_are_kept_in_the_files(saved):
    saved.relabel({0: "Mo", 1: "Se2"})
    again = hyperspy_motifs.open_collection(saved[0].signal.tmp_parameters.folder)
    assert again.names[:2] == saved.names[:2] == ["Mo", "Se2"]
    assert all(motifs.names[:2] == ["Mo", "Se2"] for motifs in again)


def test_a_folder_of_other_images_is_rejected(files, small_sample, tmp_path):
    """Images of the same names and axes, but with other pixels, or with further detectors."""
    images = [hs.load(file) for file in files[:2]]
    how = {**HOW, "results": tmp_path / "study", "random_state": np.int64(1)}
    found = hyperspy_motifs.find_motifs(images, **how)
    np.testing.assert_array_equal(hyperspy_motifs.find_motifs(images, **how).counts, found.counts)
    others = [image.deepcopy() for image in images]
    others[1].data = others[1].data[::-1].copy()
    with pytest.raises(ValueError, match=r"\(pixels differ\)\. Use another folder for results="):
        hyperspy_motifs.find_motifs(others, **how)
    with pytest.raises(ValueError, match="detectors, pixels differ"):
        hyperspy_motifs.find_motifs(images, detectors=others, **how)


def test_a_run_without_its_model_is_not_complete(saved, files, small_sample, in_memory, tmp_path):
    """The run was killed after the last image of the fit, before its model was written."""
    study = tmp_path / "study"
    shutil.copytree(saved[0].signal.tmp_parameters.folder, study)
    (study / "model.npz").unlink()
    with pytest.raises(ValueError, match=r"model of the images in .* is missing"):
        hyperspy_motifs.open_collection(study)


def test_what_the_microscope_wrote_is_kept_and_another_mask_is_noticed(small_sample, tmp_path):
    images = [monolayer(shape=(126 + 4 * k, 134), double_vacancies=0, random_state=k)[0] for k in range(2)]
    for k, image in enumerate(images):
        image.original_metadata.set_item("Microscope.camera_length", 100 + k)
    mask = np.zeros(images[0].data.shape, bool)
    mask[:20, :30] = True
    images[0].find_atoms(mask=mask, show_progressbar=False)
    how = {**HOW, "results": tmp_path / "study"}
    found = hyperspy_motifs.find_motifs(images, **how)
    lengths = [motifs.signal.original_metadata.Microscope.camera_length for motifs in found]
    assert lengths == [100, 101]
    mask[:, :40] = True
    images[0].find_atoms(mask=mask, show_progressbar=False)
    with pytest.raises(ValueError, match=r"\(masks differ\)"):
        hyperspy_motifs.find_motifs(images, **how)


def test_one_image_is_open_at_a_time(files, small_sample, tmp_path, monkeypatch):
    """Ten thousand files cannot all be open."""
    opened, most = [], []
    original = _saved_images.store.open_image

    def counted(image, number):
        signal = original(image, number)
        opened.append(weakref.ref(signal))
        gc.collect()
        most.append(sum(one() is not None for one in opened))
        return signal

    monkeypatch.setattr(_saved_images.store, "open_image", counted)
    gc.freeze()  # only what comes from here on is searched for garbage, which takes less time
    hyperspy_motifs.find_motifs(files, results=tmp_path / "study", **HOW)
    assert len(opened) >= len(files)
    assert max(most) <= 2
