"""Models that learn from further images: known motifs keep their numbers, new ones get their own."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

import hyperspy_motifs
from hyperspy_motifs.data import monolayer
from hyperspy_motifs.models import load_model

pytestmark = pytest.mark.usefixtures("two_radii")

BOND = 0.19  # nm


def image(seed, pixels=12, degrees=0, chalcogen=None, metal=None):
    """A MoSe2 monolayer of 2.9 nm x 3.4 nm at a number of pixels per bond, turned by some degrees, and its truth."""
    size = BOND / pixels
    return monolayer(
        shape=(int(2.9 / size), int(3.4 / size)), pixel_size=size, dose=5e5, rotation=degrees, vacancies=0.08,
        double_vacancies=0, metal_dopant=metal, chalcogen_dopant=chalcogen, random_state=seed,
    )  # fmt: skip


@pytest.fixture(scope="module")
def known():
    """A collection of two images of MoSe2 with vacancies."""
    images = [image(0)[0], image(1, 14, 20)[0]]
    return hyperspy_motifs.find_motifs(images, complete=False, show_progressbar=False)


@pytest.fixture(scope="module")
def doped():
    """An image in another orientation, with tellurium on some of the columns, and its truth."""
    return image(2, 13, 33, ("Te", 0.08))


@pytest.fixture(scope="module")
def grown(known, doped):
    return known.model.update([doped[0].deepcopy()])


@pytest.fixture(scope="module")
def applied(doped, grown):
    """Motifs of the image in which the new kind was found."""
    return doped[0].deepcopy().apply_model(grown, show_progressbar=False)


def motifs_of_species(motifs, truth):
    """The motif of most columns of each species."""
    nearest = cKDTree(truth.positions).query(motifs.pixel_positions)[1]
    return [np.bincount(motifs.labels[truth.labels[nearest] == k]).argmax() for k in range(len(truth.names))]


def test_a_new_kind_has_a_number_of_its_own(known, doped, grown, applied):
    truth = doped[1]
    assert grown.n_motifs == known.model.n_motifs + 1
    found = motifs_of_species(applied, truth)
    assert dict(zip(truth.names, found, strict=True))["Te2"] == known.model.n_motifs
    assert len(set(found)) == len(truth.names)
    nearest = cKDTree(truth.positions).query(applied.pixel_positions)[1]
    assert np.mean(np.array(found)[truth.labels[nearest]] == applied.labels) > 0.98


def test_known_images_keep_every_bit(known, grown):
    before, after = (image(5, 11, 50)[0].apply_model(m, show_progressbar=False) for m in (known.model, grown))
    np.testing.assert_array_equal(after.labels, before.labels)
    np.testing.assert_array_equal(after.probabilities, before.probabilities)
    np.testing.assert_array_equal(after.layout, before.layout)


def test_an_image_without_a_new_kind_leaves_the_model_as_it_is(known):
    assert known.model.update([image(6, 10, 41)[0]]) is known.model


def test_what_was_learned_is_known_afterwards(grown):
    assert grown.update([image(8, 12, 10, ("Te", 0.08))[0]]) is grown


def test_the_file_has_the_new_motifs_and_what_they_were_learned_on(known, grown, doped, applied, tmp_path):
    learned = known.model.facts["learned_on"]
    assert learned["images"] == 2
    assert learned["atoms"] == known.counts.sum()
    assert learned["pixel_sizes"] == pytest.approx([BOND / 14, BOND / 12])
    assert learned["units"] == "nm"
    again = load_model(grown.save(tmp_path / "model"))
    assert again.facts["learned_on"]["images"] == 3
    assert f"Model of {grown.n_motifs} motifs" in repr(again)
    assert "3 images" in repr(again)
    assert "1 of the motifs were added later" in repr(again)
    found = doped[0].deepcopy().apply_model(again, show_progressbar=False)
    np.testing.assert_array_equal(found.labels, applied.labels)
    np.testing.assert_array_equal(found.probabilities, applied.probabilities)


def test_old_and_new_images_are_one_collection(known, grown, applied):
    new = applied.signal.deepcopy()
    collection = hyperspy_motifs.open_collection([*(m.signal for m in known), new])
    assert collection.n_motifs == collection.model.n_motifs == grown.n_motifs
    assert (collection.counts[:2, -1] == 0).all()
    assert collection.counts[2, -1] >= 5
    # A new motif that is merged by hand stays merged.
    new.motifs.merge([1, grown.n_motifs - 1])
    other = image(9, 12, 10, ("Te", 0.08))[0].apply_model(new.motifs.model, show_progressbar=False)
    assert other.labels.max() < grown.n_motifs - 1


def test_a_model_of_one_image_learns_as_well():
    """Heavy dopants raise the contrast, the unit of brightness: all other columns are dimmer in units of it."""
    model = image(0)[0].find_motifs(complete=False, show_progressbar=False).model
    assert model.facts["learned_on"]["images"] == 1
    signal, truth = image(5, 12, 0, None, ("W", 0.06))
    grown = model.update([signal])
    assert grown.n_motifs == model.n_motifs + 1
    motifs = signal.apply_model(grown, show_progressbar=False)
    assert motifs_of_species(motifs, truth)[truth.names.index("W")] == model.n_motifs


def test_two_models_are_one(known, doped):
    """The second was learned on doped images alone, in another orientation."""
    second = hyperspy_motifs.find_motifs(
        [doped[0].deepcopy(), image(3, 14, 71, ("Te", 0.08))[0]], complete=False, show_progressbar=False
    )
    merged = known.model.merge(second.model)
    assert merged.n_motifs == known.model.n_motifs + 1
    signal, truth = image(10, 12, 55, ("Te", 0.08))
    motifs = signal.apply_model(merged, show_progressbar=False)
    found = motifs_of_species(motifs, truth)
    assert found[truth.names.index("Te2")] == known.model.n_motifs
    assert len(set(found)) == len(truth.names)
    assert known.model.merge(known.model) is known.model
    # Motifs of one species are nearest to each other in both.
    own = motifs_of_species(signal.apply_model(known.model, show_progressbar=False), truth)
    others = motifs_of_species(signal.apply_model(second.model, show_progressbar=False), truth)
    for species in ("Mo", "Se2"):
        k = truth.names.index(species)
        nearest, distance = known.model.nearest(others[k], of=second.model)
        assert nearest == own[k]
        apart = known.model.nearest(own[k])[1]
        assert apart > 5
        assert distance < 0.2 * apart


def test_a_merge_fits_the_brightness(known):
    """Heavy dopants raise the contrast: all other columns are dimmer in units of it, and are what they were."""
    model = image(12, 13, 0, ("Te", 0.15))[0].find_motifs(complete=False, show_progressbar=False).model
    assert known.model.merge(model).n_motifs == known.model.n_motifs + 1


def test_what_cannot_be_learned_is_refused(known):
    with pytest.raises(ValueError, match="No image was given"):
        known.model.update([])
    with pytest.raises(ValueError, match=r"Image 0 .* 2 frames"):
        known.model.update([monolayer(shape=(90, 100), random_state=0)[0].__class__(np.zeros((2, 90, 100)))])
    with pytest.raises(ValueError, match="no motif 99"):
        known.model.nearest(99)
    with pytest.raises(TypeError, match="MotifModel is expected"):
        known.model.merge(known)


@pytest.mark.parametrize("degrees", [0, 21, 44])
def test_a_merge_with_a_model_of_one_image_adds_no_known_motif(known, degrees):
    """The image is turned by any angle: its model does not know in which orientation others are."""
    model = image(7, 12, degrees)[0].find_motifs(complete=False, show_progressbar=False).model
    assert known.model.merge(model) is known.model


def test_a_new_motif_of_one_image_is_found_in_turned_images(known):
    model = image(2, 13, 44, ("Te", 0.08))[0].find_motifs(complete=False, show_progressbar=False).model
    merged = known.model.merge(model)
    assert merged.n_motifs == known.model.n_motifs + 1
    signal, truth = image(10, 12, 7, ("Te", 0.08))
    found = motifs_of_species(signal.apply_model(merged, show_progressbar=False), truth)
    assert found[truth.names.index("Te2")] == known.model.n_motifs
