"""One model over images that differ in everything but the specimen."""

import hyperspy.api as hs
import numpy as np
import pytest
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score

import hyperspy_motifs
from hyperspy_motifs.collection import MotifCollection
from hyperspy_motifs.data import grain_boundary, monolayer
from hyperspy_motifs.models import load_model

pytestmark = pytest.mark.usefixtures("two_radii")


@pytest.fixture(scope="module")
def analysed():
    """Three images with 10, 12 and 15 pixels a bond, turned by 0, 23 and 71 degrees, one of 8 bits, and their truth."""
    out = []
    for k, (degrees, bond, dose, gain) in enumerate(((0, 10, 1e6, 1), (23, 12, 2e5, 40), (71, 15, 6e5, 1))):
        size = 0.19 / bond
        signal, truth = monolayer(
            shape=(int(3.8 / size), int((4.4 - 0.2 * k) / size)), pixel_size=size, rotation=degrees, dose=dose, gain=gain,
            random_state=k, double_vacancies=0,
        )  # fmt: skip
        if k == 2:
            low, high = signal.data.min(), signal.data.max()
            signal.data = np.round(255 * (signal.data - low) / (high - low)).astype(np.uint8)
        out.append((signal, truth))
    collection = hyperspy_motifs.find_motifs([signal for signal, _ in out], show_progressbar=False)
    return collection, [truth for _, truth in out]


def labels_and_truth(collection, truths):
    found, true = [], []
    for motifs, truth in zip(collection, truths, strict=True):
        distance, nearest = cKDTree(truth.positions).query(motifs.pixel_positions)
        spacing = motifs.parameters["spacing"] / motifs.signal.axes_manager[0].scale
        # Of a column on the border half of the disc is unknown.
        columns, rows = motifs.signal.axes_manager.signal_shape
        inside = (
            np.minimum(motifs.pixel_positions, [columns, rows] - motifs.pixel_positions).min(axis=1)
            > 0.3 * spacing
        )
        near = (distance < 0.4 * spacing) & inside
        found.append(motifs.labels[near])
        true.append(truth.labels[nearest[near]])
    return np.concatenate(found), np.concatenate(true)


def test_every_atom_has_its_class_in_all_images(analysed):
    found, true = labels_and_truth(*analysed)
    assert adjusted_rand_score(true, found) > 0.99
    # Each species is one motif of all images, and they are of one model.
    for species in (0, 1):
        assert np.mean(found[true == species] == np.bincount(found[true == species]).argmax()) > 0.98


def test_the_rotation_of_each_image_is_found(analysed):
    angles = np.array([angle for angle, _ in analysed[0].orientations])
    relative = angles - angles[0] + [0, 23, 71]
    assert (relative + 60) % 120 - 60 == pytest.approx(0, abs=0.5)


def test_counts_are_those_of_the_images(analysed):
    collection, _ = analysed
    assert collection.counts.shape == (3, collection.n_motifs) == collection.count_errors.shape
    for motifs, row in zip(collection, collection.counts, strict=True):
        assert row.sum() == len(motifs.labels)
        np.testing.assert_array_equal(row[: motifs.n_motifs], motifs.counts)
    assert (collection.count_errors[collection.counts > 0] > 0).all()
    np.testing.assert_allclose(collection.fractions.sum(axis=1), 1)
    assert "3 images" in collection.summary()
    assert collection.summary().count("Simulated MoSe2 monolayer") == 3


def test_results_are_in_the_metadata_and_come_back_from_files(analysed, tmp_path):
    collection, _ = analysed
    collection[1].signal.save(tmp_path / "image.hspy")
    again = hs.load(tmp_path / "image.hspy").motifs
    np.testing.assert_array_equal(again.labels, collection[1].labels)
    assert again.radii == collection[0].radii
    assert "one model of 3 images" in again.summary()
    assert len(again.cells) > 20
    assert again.means.axes_manager.navigation_size == again.n_motifs


def test_saved_images_are_a_collection_again(analysed, tmp_path):
    collection, _ = analysed
    files = [tmp_path / f"{k}.hspy" for k in range(len(collection))]
    for motifs, file in zip(collection, files, strict=True):
        motifs.signal.save(file)
    again = hyperspy_motifs.open_collection(files)
    np.testing.assert_array_equal(again.counts, collection.counts)
    assert again.orientations == collection.orientations
    alone = monolayer(shape=(110, 132), random_state=9)[0]
    with pytest.raises(ValueError, match=r"Image 1 .* has no motifs"):
        hyperspy_motifs.open_collection([files[0], alone])
    alone.find_motifs(radius=0.6, show_progressbar=False)
    with pytest.raises(ValueError, match="motifs of its own"):
        hyperspy_motifs.open_collection([files[0], alone])
    alone.apply_model(collection.model, show_progressbar=False)
    wider = hyperspy_motifs.open_collection([*files, alone])
    np.testing.assert_array_equal(wider[3].labels, alone.motifs.labels)
    assert np.isnan(wider.orientations[3][0])


def test_the_model_is_saved(analysed, tmp_path):
    model = load_model(analysed[0].model.save(tmp_path / "model"))
    assert model.facts["title"] == "3 images"
    assert model.n_motifs == analysed[0].n_motifs


def test_names_are_given_to_all_images(analysed):
    collection, _ = analysed
    collection.relabel({0: "Mo"})
    assert collection.names[0] == "Mo"
    assert all(motifs.names[0] == "Mo" for motifs in collection)
    with pytest.raises(ValueError, match=rf"no motif 99; motifs are 0 to {collection.n_motifs - 1}"):
        collection.relabel({1: "Se2", 99: "none"})
    assert collection.names[1] == "1"


def test_a_motif_that_some_images_lack_can_be_named_alone(analysed):
    """Of six motifs an image has the first two, and another has all."""
    model = analysed[0].model
    images = [monolayer(shape=(90, 100 + 10 * k), random_state=k)[0] for k in range(2)]
    for k, image in enumerate(images):
        labels = image.find_motifs(complete=False, show_progressbar=False).labels
        image.motifs.relabel(np.arange(len(labels)) % (2 if k == 0 else 6))
    collection = MotifCollection(
        images, model, names=["a", "b"], orientations=[(-0.02, False), (359.9, False)]
    )
    assert [motifs.n_motifs for motifs in collection] == [2, 6]
    caution, *lines = collection.summary().splitlines()
    assert caution.startswith("caution: the images share few motifs")
    assert "alone" not in lines[1]
    assert "turned" not in lines[1]
    assert "turned by -0.1°" in lines[2]
    assert f"{collection.counts[1, 2:].sum()} in motifs of this image alone" in lines[2]
    collection.relabel({5: "rare"})
    assert collection.names == ["0", "1", "2", "3", "4", "rare"]
    assert collection[0].names == ["0", "1"]
    # Merged in one image alone, the numbers mean other motifs there.
    before = collection.counts
    collection[1].merge([0, 1])
    with pytest.warns(UserWarning, match="Motifs of b were edited"):
        assert collection.counts[1, 0] == before[1, :2].sum()
    collection[1].edit.undo()
    np.testing.assert_array_equal(collection.counts, before)


def test_names_of_images_never_repeat(analysed):
    collection, _ = analysed
    before = collection.images
    collection.images = ["a", "a", "a 1"]
    assert collection.images == ["a 2", "a 3", "a 1"]
    collection.images = before


def test_groups_of_images_are_compared(analysed):
    found = analysed[0].compare(["a", "b", "a"], what=["motif", "bond", "cell", "vacancy"])
    assert set(found.families) <= {"motif", "bond", "cell", "vacancy"}
    assert "cell" in found.families
    counts, names = analysed[0].counts, analysed[0].names
    for k, (family, name) in enumerate(zip(found.families, found.names, strict=True)):
        if family == "motif":
            number = names.index(name)
            assert found.fractions[k] == pytest.approx(counts[1, number] / counts[1].sum())
            assert found.reference_fractions[k] == pytest.approx(
                counts[::2, number].sum() / counts[::2].sum()
            )
    columns = found.to_dict()
    assert all(len(values) == len(found) for values in columns.values())
    with pytest.raises(ValueError, match="2 groups were given for 3 images"):
        analysed[0].compare(["a", "b"])
    with pytest.raises(ValueError, match=r"Give the group of each of the 3 images \(Simulated"):
        analysed[0].compare()
    for groups in (5, "aba"):
        with pytest.raises(ValueError, match="expected a list with the group of each image"):
            analysed[0].compare(groups)
    for what in (["atoms"], []):
        with pytest.raises(ValueError, match="expected a list of motif"):
            analysed[0].compare(["a", "b", "a"], what=what)


def test_figures_and_tables(analysed, tmp_path):
    collection, _ = analysed
    ax = collection.plot_populations(groups=["a", "b", "a"])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == collection.names
    # A name that begins with an underscore is in the legend like any other.
    ax = collection.plot_similarity(groups=["_a", "b", "_a"])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["_a", "b"]
    assert len(ax.texts) == 3
    for plot in (collection.plot_populations, collection.plot_similarity):
        with pytest.raises(ValueError, match="2 groups were given for 3 images"):
            plot(groups=["a", "b"])
    distances = collection.similarity
    assert np.allclose(distances, distances.T)
    assert not distances.diagonal().any()
    rows = collection.to_csv(tmp_path / "counts.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + 3 * collection.n_motifs


def test_what_is_no_image_is_named(analysed):
    image = analysed[0][0].signal
    with pytest.raises(TypeError, match="Image 1 is a ndarray; expected a signal"):
        hyperspy_motifs.find_motifs([image, np.zeros((60, 70))])
    with pytest.raises(ValueError, match="list of images is expected, not a int"):
        hyperspy_motifs.find_motifs(5)
    with pytest.raises(TypeError, match="slice"):
        analysed[0][0:2]


@pytest.mark.parametrize("wrong", [[], "image.hspy", None])
def test_less_than_two_images_are_refused(analysed, wrong):
    images = [analysed[0][0].signal] if wrong is None else wrong
    with pytest.raises(ValueError, match="expected"):
        hyperspy_motifs.find_motifs(images)


def test_an_image_that_fails_is_named_and_the_others_stay_as_they_are(analysed):
    empty = hs.signals.Signal2D(np.zeros((60, 70)))
    empty.set_signal_type("atomic_image")
    empty.metadata.General.title = "dark"
    image = analysed[0][0].signal
    before = image.motifs.labels
    with pytest.raises(ValueError, match=r"Image 1 \(dark\): .*constant"):
        hyperspy_motifs.find_motifs([image, empty], show_progressbar=False)
    np.testing.assert_array_equal(image.motifs.labels, before)


def test_the_graph_has_the_images_as_its_highest_level(analysed, tmp_path):
    collection, _ = analysed
    graph = collection.graph
    assert (graph.levels[0], list(graph.levels.values())[-1]) == ("atom", "image")
    assert graph.level("image") == ["image:0", "image:1", "image:2"]
    for k, motifs in enumerate(collection):
        assert len(graph.find(kind="atom", image=k)) == len(motifs.labels)
        assert graph.nodes[f"image:{k}"]["name"] == collection.images[k]
    # A motif is one node of all images, and all atoms are below an image.
    assert graph.nodes["motif:0"]["size"] == collection.counts[:, 0].sum()
    atom = graph.find(kind="atom", image=1)[50]
    above = {atom}
    while parents := {p for node in above for p in graph.parents(node)}:
        above = parents
    assert above == {"image:1"}
    own = [motifs.graph.edges["motif:0", "motif:1"]["observed"] for motifs in collection]
    ends = ("motif:0", "motif:1") if graph.has_edge("motif:0", "motif:1") else ("motif:1", "motif:0")
    assert graph.edges[ends]["observed"] == sum(own)
    graph.to_graphml(tmp_path / "collection.graphml")
    again = type(graph).from_graphml(tmp_path / "collection.graphml")
    assert again.nodes == graph.nodes
    assert "image: 3 in 1 class" in graph.summary()


def test_the_model_is_applied_to_another_turned_image(analysed, tmp_path):
    """Another pixel size, dose and rotation than those of the collection: the numbers mean the same."""
    collection, truths = analysed
    size = 0.19 / 16
    signal, truth = monolayer(
        shape=(int(3.8 / size), int(4.3 / size)), pixel_size=size, rotation=112, dose=4e5, gain=7, random_state=9,
        double_vacancies=0,
    )  # fmt: skip
    signal.apply_model(collection.model.save(tmp_path / "model.npz"), show_progressbar=False)
    found, true = labels_and_truth([signal.motifs], [truth])
    assert adjusted_rand_score(true, found) > 0.99
    own, own_truth = labels_and_truth(collection, truths)
    for species in (0, 1, 2):
        assert np.bincount(found[true == species]).argmax() == np.bincount(own[own_truth == species]).argmax()
    # The result carries the known atoms, so that it can be applied again.
    assert signal.motifs.model.facts["aligned"]


def test_images_beyond_the_sample_are_read_from_files_and_assigned_to_its_motifs(monkeypatch, tmp_path):
    """Learned on the first of two turned images, as for hundreds of them."""
    from hyperspy_motifs.collection import _finding

    monkeypatch.setattr(_finding, "_SAMPLE_ATOMS", 100)
    images = [
        monolayer(
            shape=(190, 210 + 20 * k), pixel_size=0.0165, rotation=31 * k, random_state=k, double_vacancies=0
        )
        for k in range(2)
    ]
    for k, (signal, _) in enumerate(images):
        signal.metadata.General.title = ""
        signal.save(tmp_path / f"{k}.hspy")
    files = [tmp_path / "0.hspy", str(tmp_path / "1.hspy")]
    collection = hyperspy_motifs.find_motifs(files, show_progressbar=False)
    assert all(motifs.signal._lazy for motifs in collection)
    assert collection.images == ["0", "1"]
    assert "2 images, learned on 1 of them" in collection[1].summary()
    found, true = labels_and_truth(collection, [truth for _, truth in images])
    assert adjusted_rand_score(true, found) > 0.98
    assert (
        collection.orientations[1][0] - collection.orientations[0][0] + 31 + 60
    ) % 120 - 60 == pytest.approx(0, abs=0.5)
    assert collection[1].radii == collection[0].radii


def test_a_noisy_image_does_not_hide_a_rare_motif_of_another():
    """Ruthenium is 8 % brighter than molybdenum: seen at a high dose, unless the noise of the other image is mixed in."""
    images = [
        monolayer(
            shape=(190, 230), pixel_size=0.019, rotation=25 * k, dose=dose, vacancies=0, double_vacancies=0,
            metal_dopant=("Ru", 0.1), chalcogen_dopant=None, random_state=k,
        )
        for k, dose in enumerate((2e6, 4e4))
    ]  # fmt: skip
    collection = hyperspy_motifs.find_motifs(
        [signal for signal, _ in images], radius=0.6, complete=False, show_progressbar=False
    )
    found, true = labels_and_truth([collection[0]], [images[0][1]])
    assert adjusted_rand_score(true, found) == 1
    assert collection.n_motifs == 3
    found, true = labels_and_truth([collection[1]], [images[1][1]])
    assert np.mean(found[true == 1] == 2) < 0.1


def test_grains_of_several_orientations_have_the_same_motifs():
    """A boundary between two grains of graphene in each image: no angle turns both grains of one into those of the other."""
    images = [grain_boundary(shape=(180, 230 + 9 * k), random_state=k) for k in range(2)]
    collection = hyperspy_motifs.find_motifs(
        [signal for signal, _ in images], rotation_invariant=True, complete=False, show_progressbar=False
    )
    found, true = labels_and_truth(collection, [truth for _, truth in images])
    assert np.mean(found[true == 0] == 0) > 0.97
    # In the rings of five and seven.
    assert np.mean(found[true > 0] == 0) < 0.6
    assert collection.orientations == [(0.0, False)] * 2


def test_the_unit_of_the_radii_is_not_the_distance_of_neighbours():
    images = [monolayer(shape=(128 + 6 * k, 150), double_vacancies=0, random_state=k)[0] for k in range(2)]
    collection = hyperspy_motifs.find_motifs(images, length=0.5, radius=0.3, show_progressbar=False)
    motifs = collection[0]
    assert "nearest neighbours 0.18" in motifs.summary()
    assert motifs.describe()[0].shell.distances[0] < 0.2
    # A radius is said in that length, and a further image has discs of the same size.
    for text in (motifs.summary(), collection.summary(), repr(collection.model)):
        assert "radius 0.15 nm (0.3 of the length 0.5 nm" in text
    further = monolayer(shape=(133, 150), double_vacancies=0, random_state=5)[0]
    further.axes_manager.signal_axes.set(scale=12.5, units="pm")
    assert further.apply_model(collection.model, show_progressbar=False).parameters[
        "spacing"
    ] == pytest.approx(500)
