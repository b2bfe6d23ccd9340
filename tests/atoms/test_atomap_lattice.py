"""Positions from atomap and back: what goes out must satisfy atomap's own functions."""

import numpy as np
import pytest

from hyperspy_motifs.atoms import find_atoms, positions_from_atomap, to_atom_lattice


@pytest.fixture(scope="module")
def perovskite():
    """A and B columns, B moved by (0.5, -0.3) pixels off the centre of its cell."""
    shape = (130, 151)
    x, y = np.meshgrid(np.arange(12, 145, 18.0), np.arange(10, 125, 18.0))
    a = np.column_stack([x.ravel(), y.ravel()])
    b = a + 9.0 + [0.5, -0.3]
    b = b[(b[:, 0] < 145) & (b[:, 1] < 125)]
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = np.full(shape, 0.1)
    for points, height in ((a, 1.0), (b, 0.6)):
        for px, py in points:
            image += height * np.exp(-((columns - px) ** 2 + (rows - py) ** 2) / (2 * 2.4**2))
    return image, np.vstack([a, b]), np.repeat([0, 1], [len(a), len(b)])


def test_one_sublattice_a_label(perovskite):
    image, points, labels = perovskite
    lattice = to_atom_lattice(image, points, labels, 0.02, "nm", ["A", "B"])
    assert [s.name for s in lattice.sublattice_list] == ["A", "B"]
    for k, name in enumerate("AB"):
        sublattice = lattice.get_sublattice(name)
        assert (sublattice.pixel_size, sublattice.units) == (0.02, "nm")
        np.testing.assert_array_equal(positions_from_atomap(sublattice), points[labels == k])
    np.testing.assert_array_equal(positions_from_atomap(lattice), points)


def test_zone_axes_and_polarisation_of_atomap(perovskite):
    image, points, labels = perovskite
    lattice = to_atom_lattice(image, points, labels)
    a, b = lattice.sublattice_list
    a.construct_zone_axes()
    first, second = a.zones_axis_average_distances[:2]
    assert sorted([tuple(np.abs(first)), tuple(np.abs(second))]) == [(0.0, 18.0), (18.0, 0.0)]
    vectors = a.get_polarization_from_second_sublattice(first, second, b)
    moved = np.array(vectors.metadata.vector_list)[:, 2:4]
    np.testing.assert_allclose(np.abs(np.median(moved, axis=0)), [0.5, 0.3], atol=0.05)


def test_atomaps_own_refinement_is_offered(perovskite):
    image, points, _ = perovskite
    part, inside = image[:70, :75], (points < [75, 70]).all(axis=1)
    atoms = find_atoms(part, refine="atomap")
    distance = np.hypot(*(atoms.positions[:, None] - points[inside][None]).T)
    inner = ((atoms.positions > 8) & (atoms.positions < [67, 62])).all(axis=1)
    assert inner.sum() >= 9
    assert np.median(distance.min(axis=0)[inner]) < 0.2
    assert atoms.fitted[inner].all()
    # atomap takes the lowest value of the disc for the background, which makes its columns narrow.
    assert np.median(atoms.sigma[inner]) == pytest.approx(2.4, rel=0.25)


def test_what_is_no_lattice_is_refused(perovskite):
    image, points, labels = perovskite
    with pytest.raises(TypeError, match="Sublattice"):
        positions_from_atomap([1, 2])
    with pytest.raises(ValueError, match="labels"):
        to_atom_lattice(image, points, labels[:-1])
    with pytest.raises(ValueError, match="names"):
        to_atom_lattice(image, points, labels, names=["one"])
