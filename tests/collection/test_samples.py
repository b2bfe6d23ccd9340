"""Images of one field are one sample of a comparison of groups."""

import numpy as np
import pytest

import hyperspy_motifs
from hyperspy_motifs.collection._samples import FieldOfImage, SharedFields, shared_fields
from hyperspy_motifs.data import monolayer

SIDE = (34, 40)
LARGE, MOVED, CROP = (0, 0, 310, 290), (40, 30, 330, 300), (90, 60, 240, 210)


def specimen(seed, share=0.06, kind="random"):
    """Places of columns, ten pixels apart, and their motifs: 2 are rare ones on the sites of motif 1."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(SIDE)
    labels = (rows + columns) % 2
    if kind == "superstructure":
        rare = (columns % 4 == 1) & (rows % 6 == 0)
    else:
        line = 8 * np.exp(-(((columns - SIDE[1] / 2) / 3) ** 2)) if kind == "boundary" else 1
        rare = (labels == 1) & (rng.random(SIDE) < share * line)
    labels[rare] = 2
    return np.column_stack([columns.ravel(), rows.ravel()]) * 10.0 + 5, labels.ravel()


def image_of(specimen, frame, seed, magnification=1.0):
    """A scan of a part of a specimen, x, y, width and height in pixels, in which 3 % of the rare atoms are not recognised."""
    rng = np.random.default_rng(1000 + seed)
    places, labels = specimen
    x, y, width, height = frame
    here = ((places >= [x, y]) & (places < [x + width, y + height])).all(axis=1)
    labels = np.where((labels == 2) & (rng.random(len(labels)) < 0.03), 1, labels)[here].astype(np.int32)
    positions = (places[here] - [x, y] + 0.3 * rng.standard_normal((here.sum(), 2))) * magnification
    blocks = rng.random((here.sum(), 25)).view(np.dtype((np.void, 200))).ravel()
    size = int(height * magnification), int(width * magnification)
    return FieldOfImage(positions, labels, 10.0 * magnification, 1.0, "px", size, blocks)


def pairs_of(fields):
    return {(i, j) for i, j, _ in shared_fields(fields, [str(k) for k in range(len(fields))]).pairs}


@pytest.mark.parametrize("seed", range(4))
def test_repeats_crops_and_other_magnifications_of_a_field_are_found_and_other_fields_are_not(seed):
    one, other = specimen(2 * seed), specimen(2 * seed + 1)
    fields = [
        image_of(one, LARGE, 0), image_of(other, LARGE, 1), image_of(one, MOVED, 2), image_of(one, CROP, 3, magnification=1.7)
    ]  # fmt: skip
    assert pairs_of(fields) == {(0, 2), (0, 3), (2, 3)}


@pytest.mark.parametrize("kind", ["superstructure", "boundary"])
def test_what_recurs_in_a_specimen_makes_no_repeat(kind):
    for seed in range(6):
        two = [image_of(specimen(2 * seed + k, 0.04, kind), LARGE, k) for k in range(2)]
        assert pairs_of(two) == set()


def test_what_two_images_of_a_field_show_counts_once():
    fields = [
        image_of(specimen(k), frame, k + 5) for k, frame in ((0, LARGE), (0, CROP), (1, LARGE), (2, LARGE))
    ]
    shared = shared_fields(fields, list("abcd"))
    rows, groups = shared.samples(["x", "x", "x", "y"])
    assert [own.tolist() for own in rows] == [[0, 1], [2], [3]]
    assert groups == ["x", "x", "y"]
    sizes = np.array([len(one.labels) for one in fields])[:, None]
    merged = shared.merged(sizes, rows)
    # The crop shows two more columns of 21 atoms.
    assert merged[0, 0] == pytest.approx(sizes[0, 0] + 42, abs=3)
    np.testing.assert_array_equal(merged[1:], sizes[2:])
    notes = shared.notes(["x", "x", "x", "y"])
    assert notes[0] == "a, b show one field and are one sample of group 'x', not 2"
    assert "the 3 samples are taken to be independent" in notes[-1]


def test_a_field_in_two_groups_is_a_sample_of_both_and_an_overlap_is_named():
    shared = SharedFields(tuple("abc"), (9, 9, 9), [(0, 1, 0.9), (1, 2, 0.2)])
    assert [own.tolist() for own in shared.samples(["x", "y", "y"])[0]] == [[0], [1], [2]]
    notes = shared.notes(["x", "y", "y"])
    assert "different groups show one field (a and b)" in notes[0]
    assert "overlap, less than half of the smaller one (b and c: 20 %)" in notes[1]


@pytest.fixture(scope="module")
def collection():
    """An image and a crop of it, and two further images, all without rare atoms."""
    plain = {
        "vacancies": 0,
        "double_vacancies": 0,
        "metal_dopant": None,
        "chalcogen_dopant": None,
        "dose": 4e5,
    }
    images = [monolayer(shape=(150, 172), random_state=k, **plain)[0] for k in range(3)]
    images.append(images[0].isig[12:, 9:].deepcopy())
    return hyperspy_motifs.find_motifs(images, complete=False, radius=0.6, show_progressbar=False)


def test_crops_are_recognised_by_their_pixels(collection):
    groups = ["x", "y", "y", "x"]
    found = collection.compare(groups, what=["motif", "bond"])
    assert found.n_images == {"x": 1, "y": 2}
    first, last = collection.images[0], collection.images[3]
    assert found.assumptions[0] == f"{first}, {last} show one field and are one sample of group 'x', not 2"
    assert f"assumed: {found.assumptions[0]}" in str(found)


def test_repeats_alone_are_no_group(collection):
    with pytest.raises(ValueError, match="images are the samples"):
        collection.compare(["x", "y", "z", "x"], what=["motif"])
    assert "one for each image" in collection.compare(["y", "y", "x", "x"], what=["motif"]).assumptions[-1]
