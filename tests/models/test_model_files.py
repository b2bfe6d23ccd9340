"""A model as a file: only arrays, the same predictions, clear errors for other files."""

import dataclasses

import numpy as np
import pytest

import hyperspy_motifs as hm
from hyperspy_motifs.models import DiscSource, from_arrays, load_model, to_arrays
from hyperspy_motifs.pipeline import MomentSource

pytestmark = pytest.mark.usefixtures("two_radii")


@pytest.fixture(scope="module")
def learned():
    image, _ = hm.data.monolayer(double_vacancies=0, shape=(220, 240), random_state=4)
    return image.find_motifs(radius=1.2, show_progressbar=False)


@pytest.fixture(scope="module")
def path(learned, tmp_path_factory):
    learned.relabel({0: "metal"})
    return learned.model.save(tmp_path_factory.mktemp("model") / "mose2")


@pytest.fixture
def other():
    return hm.data.monolayer(double_vacancies=0, shape=(200, 210), random_state=9)[0]


def test_the_file_predicts_as_the_result_does(learned, path, other):
    by_file = other.deepcopy().apply_model(path, show_progressbar=False)
    by_result = learned.predict(other, show_progressbar=False)
    np.testing.assert_array_equal(by_file.labels, by_result.labels)
    np.testing.assert_array_equal(by_file.probabilities, by_result.probabilities)
    np.testing.assert_array_equal(by_file.layout, by_result.layout)
    assert by_file.names[0] == "metal"


@pytest.mark.parametrize("radius", [0.6, 1.2])
def test_motifs_are_given_by_the_same_moments_as_they_are_found_by(radius, learned):
    image, pixels = learned.signal, learned.pixel_positions
    spacing = learned.parameters["spacing"] / image.axes_manager.signal_axes[0].scale
    found = MomentSource([image], pixels, learned.frames, spacing, 8)(radius)
    given = DiscSource([np.asarray(image.data, float)], pixels, spacing, {radius: 8})(radius)
    cut = (found.coverage > 0.56) & (found.coverage < 0.69)
    assert cut.any()
    assert given.valid[cut].all()
    for name in ("valid", "values", "noise_std"):
        np.testing.assert_array_equal(getattr(given, name), getattr(found, name))


def test_it_says_basis_noise_and_version(learned, path):
    known = load_model(path)
    assert path.suffix == ".npz"
    assert {radius: known.orders[radius] for radius in learned.radii} == dict.fromkeys(learned.radii, 8)
    # The simulated image counts electrons: one count each.
    assert known.facts["noise"]["gain"] == pytest.approx(1, rel=0.2)
    assert known.facts["package"] == hm.__version__
    assert known.spacing == pytest.approx(learned.parameters["spacing"])
    assert known.n_motifs == learned.n_motifs


@pytest.mark.parametrize("known", [True, False, None])
def test_the_file_says_whether_motifs_are_regions(known, learned, path, other):
    motif_model = load_model(path)
    assert motif_model.facts["continuous"] is False
    facts = {k: v for k, v in motif_model.facts.items() if k != "continuous"}
    if known is not None:
        facts["continuous"] = known
    again = from_arrays(to_arrays(dataclasses.replace(motif_model, facts=facts)))
    given = other.apply_model(again, atoms=other.find_atoms(show_progressbar=False), show_progressbar=False)
    assert given.is_continuous == bool(known)


def test_no_object_is_unpickled(path):
    with np.load(path, allow_pickle=False) as stored:
        assert all(stored[name].dtype.kind in "biufc" for name in stored.files)


def test_merged_motifs_stay_merged(learned, other):
    signal = learned.signal.deepcopy()
    motifs = signal.motifs
    n = motifs.n_motifs
    motifs.merge([n - 2, n - 1])
    predicted = other.apply_model(motifs.model, show_progressbar=False)
    assert predicted.n_motifs <= n - 1
    plain = learned.predict(other.deepcopy(), show_progressbar=False)
    assert len(np.unique(plain.labels)) >= len(np.unique(predicted.labels))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"\x80\x04."])
def test_other_files_are_refused(content, tmp_path, other):
    file = tmp_path / "other.npz"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="not a model"):
        other.apply_model(file)
    assert not other.metadata.has_item("Motifs")


@pytest.mark.parametrize(
    ("version", "said"), [(2, "an earlier version.*Find the motifs again"), (4, "a later version.*Update")]
)
def test_models_of_other_versions_are_refused(path, version, said):
    arrays = to_arrays(load_model(path))
    text = bytes(arrays["header"]).replace(b'"version": 3', b'"version": %d' % version)
    with pytest.raises(ValueError, match=said):
        from_arrays({**arrays, "header": np.frombuffer(text, np.uint8)})


def test_other_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.arange(3))
    with pytest.raises(ValueError, match="not a model"):
        load_model(tmp_path / "a.npz")
