"""Collections of images that have little in common say so first."""

import numpy as np
import pytest

import hyperspy_motifs
from hyperspy_motifs import data
from hyperspy_motifs.collection._group_comparison import common_share, find_cautions

pytestmark = pytest.mark.usefixtures("two_radii")
PURE = {"dose": 4e5, "metal_dopant": None, "chalcogen_dopant": None, "double_vacancies": 0}


def monolayer(material, seed, degrees=0, **options):
    return data.monolayer(
        material,
        shape=(170, 190 + 7 * seed),
        rotation=degrees,
        random_state=seed,
        **{**PURE, **options},
    )[0]


def collection_of(*images):
    return hyperspy_motifs.find_motifs(images, complete=False, show_progressbar=False)


def test_the_share_in_common_motifs():
    counts = np.array([[50, 50, 0], [30, 0, 70], [0, 0, 9]])
    np.testing.assert_allclose(common_share(counts), [[1, 0.3, 0], [0.3, 1, 0.7], [0, 0.7, 1]])


def test_images_that_others_link_are_of_one_kind():
    counts = np.array([[90, 10, 0], [60, 40, 0], [20, 60, 20], [0, 45, 55]])
    names, none = list("abcd"), np.zeros_like(counts)
    assert find_cautions(names, counts, none) == []
    caution = find_cautions(names[:1] + names[2:], counts[[0, 2, 3]], none[1:])
    assert len(caution) == 1
    assert "groups has most of its atoms in common motifs with one of another: a | c, d." in caution[0]


def test_images_whose_atoms_only_come_nearest_to_the_motifs():
    counts, unlike = np.array([[80, 70, 9], [90, 44, 0]]), np.array([[2, 1, 8], [46, 24, 0]])
    (caution,) = find_cautions(["a", "b"], counts, unlike)
    assert caution.startswith("most atoms in b are unlike those of the same motifs in other images")


@pytest.mark.parametrize("other", ["MoS2", "WS2", "perovskite", "square"])
def test_unlike_materials_are_said_in_the_first_line(other, tmp_path):
    if other == "perovskite":
        image = data.perovskite(shape=(170, 190), random_state=1)[0]
    elif other == "square":
        image = data.lattice("square", shape=(170, 190), random_state=1)[0]
    else:
        image = monolayer(other, 1, 17)
    collection = collection_of(monolayer("MoSe2", 0), image)
    assert collection.summary().startswith("caution: ")
    assert collection.cautions()[0] in collection.report(tmp_path / "x.html").read_text(encoding="utf-8")


def test_one_material_at_other_doses_rotations_and_compositions_has_no_caution():
    images = [
        monolayer("MoSe2", 0), monolayer("MoSe2", 1, 17, dose=1e6), monolayer("MoSe2", 2, 34, metal_dopant=("W", 0.15)),
    ]  # fmt: skip
    assert collection_of(*images).cautions() == []
