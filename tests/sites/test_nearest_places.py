"""Places of nearest neighbours, on lattices of known structure."""

import numpy as np
import pytest

from hyperspy_motifs.sites import Neighbourhoods, distances_from_places, nearest_places

SPACING, REACH = 10.0, 1.25


def square(n_rows, n_columns, jitter, seed=0):
    i, j = np.mgrid[:n_rows, :n_columns]
    ideal = np.column_stack([j.ravel(), i.ravel()]) * SPACING
    return ideal + np.random.default_rng(seed).normal(0, jitter * SPACING, ideal.shape), (
        n_rows * 10,
        n_columns * 10,
    )


def inner(atoms):
    return np.flatnonzero((np.abs(atoms.window) > REACH).all(axis=1))


@pytest.mark.parametrize("rotation_invariant", [False, True])
def test_places_of_a_square_lattice(rotation_invariant):
    positions, shape = square(11, 14, 0.02)
    atoms = Neighbourhoods.of(positions, shape, SPACING)
    atoms = atoms.take(inner(atoms))
    places = nearest_places(atoms, REACH, rotation_invariant=rotation_invariant)
    assert places.shape == (4, 2)
    np.testing.assert_allclose(np.hypot(*places.T), 1, atol=0.03)
    # Opposite places add up to nothing, whatever the rotation.
    np.testing.assert_allclose(places.sum(axis=0), 0, atol=0.15)
    off = distances_from_places(atoms, places, REACH, rotation_invariant=rotation_invariant)
    assert off.shape == (len(atoms.offsets),)
    # Atom and neighbour are both displaced along x and y; a rotation takes some of it.
    assert 0.015 < np.median(off) <= 0.042


def test_an_absent_neighbour_is_no_displacement_and_a_moved_one_is():
    positions, shape = square(11, 14, 0.0)
    plain = Neighbourhoods.of(positions, shape, SPACING)
    places = nearest_places(plain.take(inner(plain)), REACH, rotation_invariant=False)
    centre, beside = 5 * 14 + 6, 5 * 14 + 7
    absent = Neighbourhoods.of(np.delete(positions, beside, axis=0), shape, SPACING).take(np.array([centre]))
    assert distances_from_places(absent, places, REACH, rotation_invariant=False)[0] < 1e-6
    moved = positions.copy()
    moved[beside, 1] += 0.2 * SPACING
    found = Neighbourhoods.of(moved, shape, SPACING).take(np.array([centre]))
    # One of four neighbours moved by 0.2.
    assert distances_from_places(found, places, REACH, rotation_invariant=False)[0] == pytest.approx(0.1)
