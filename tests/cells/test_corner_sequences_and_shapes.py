"""Canonical sequences, shapes, strain and orientation of cells."""

import numpy as np
import pytest

from hyperspy_motifs.cells import canonical_sequences, find_cells


def brute_force(sequence):
    n = len(sequence)
    forward = [tuple(sequence[(s + k) % n] for k in range(n)) for s in range(n)]
    backward = [tuple(sequence[(s - k) % n] for k in range(n)) for s in range(n)]
    return min(forward), min(backward), sum(f == tuple(sequence) for f in forward)


def test_canonical_words_against_all_rotations_and_reflections():
    rng = np.random.default_rng(0)
    sequences = [rng.integers(0, 3, rng.integers(3, 9)).tolist() for _ in range(400)]
    offsets = np.r_[0, np.cumsum([len(w) for w in sequences])]
    found = canonical_sequences(np.concatenate(sequences), offsets)
    for k, sequence in enumerate(sequences):
        forward, backward, symmetry = brute_force(sequence)
        letters = tuple(found.letters[offsets[k] : offsets[k + 1]].tolist())
        assert letters == min(forward, backward)
        assert found.handedness[k] == np.sign((forward > backward) * -1 + (forward < backward))
        assert found.symmetry[k] == symmetry
        step = -1 if found.handedness[k] < 0 else 1
        read = tuple(sequence[(found.start[k] + step * c) % len(sequence)] for c in range(len(sequence)))
        assert read == letters


def test_mirror_image_has_the_word_and_the_other_hand(tiling):
    points, _ = tiling("square", 12.3, 9.1)
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, len(points))
    here = find_cells(points, labels)
    there = find_cells(points * [1, -1], labels)
    place = {frozenset(p.tolist()): k for k, p in enumerate(there.polygons)}
    chiral = 0
    for k, polygon in enumerate(here.polygons):
        twin = place[frozenset(polygon.tolist())]
        assert here.corner_sequences[k] == there.corner_sequences[twin]
        assert here.handedness[k] == -there.handedness[twin]
        chiral += abs(int(here.handedness[k]))
    assert 5 < chiral < len(here)


def rows_of(shapes, columns=30):
    """Rows of parallelograms with unit base: the offset and height of each row, bottom to top."""
    x, y, rows = 0.0, 0.0, [np.column_stack([np.arange(columns), np.zeros(columns)])]
    for dx, dy in shapes:
        x, y = x + dx, y + dy
        rows.append(np.column_stack([np.arange(columns) + x, np.full(columns, y)]))
    return np.concatenate(rows).astype(float)


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.04])
def test_square_rectangle_and_rhomb_are_three_classes(noise):
    rhomb = (np.cos(np.deg2rad(60)), np.sin(np.deg2rad(60)))
    points = rows_of([(0, 1), (0, 1), (0, 1.35), (0, 1.35), (0, 1), rhomb, rhomb, (0, 1)] * 2)
    bonds = [(i, i + 1) for i in range(len(points) - 1) if (i + 1) % 30] + [
        (i, i + 30) for i in range(len(points) - 30)
    ]
    moved = points + np.random.default_rng(4).normal(0, noise, points.shape)
    cells = find_cells(moved, bonds=bonds)
    names = {c.shape: int(n) for c, n in zip(cells.classes, np.bincount(cells.labels), strict=True)}
    assert names == {"regular": 8 * 29, "rectangular": 4 * 29, "rhombic": 4 * 29}


@pytest.mark.parametrize(("width", "first"), [(1.35, "rectangular"), (1.0, "regular")])
def test_of_equally_frequent_classes_the_shape_that_is_more_frequent_in_all_comes_first(width, first):
    """Squares and rectangles with one motif are as many; cells with the other motif are all of one shape."""
    steps = np.concatenate([np.full(6, 1.0), np.full(6, 1.35), np.full(8, width)])
    x = np.append(0, np.cumsum(steps))
    points = np.column_stack([np.tile(x, 6), np.repeat(np.arange(6.0), len(x))])
    labels = np.tile(np.arange(len(x)) > 12, 6)
    index = np.arange(len(points)).reshape(6, -1)
    bonds = np.concatenate(
        [
            np.column_stack([index[:, :-1].ravel(), index[:, 1:].ravel()]),
            np.column_stack([index[:-1].ravel(), index[1:].ravel()]),
        ]
    )
    cells = find_cells(points, labels, bonds=bonds)
    counts = np.bincount(cells.labels)
    classes = [
        (c.shape, n)
        for c, n in zip(cells.classes, counts.tolist(), strict=True)
        if set(c.corner_sequence) == {0}
    ]
    assert classes[0] == (first, 30)
    assert {shape for shape, _ in classes} == {"regular", "rectangular"}
    assert classes[1][1] == 30


@pytest.mark.parametrize(("ratio", "order"), [(1.0, 4), (1.08, 4), (1.12, 2), (1.3, 2)])
def test_strain_below_a_tenth_does_not_lower_the_symmetry_of_a_square(ratio, order):
    points = np.mgrid[0:7, 0:9].reshape(2, -1).T * [1.0, ratio]
    cells = find_cells(points)
    assert len(cells) == 48
    assert set(cells.symmetry.tolist()) == {order}


@pytest.mark.parametrize("name", ["square", "triangular", "honeycomb"])
@pytest.mark.parametrize("noise", [0.0, 0.03, 0.07])
def test_noise_does_not_split_a_class(tiling, name, noise):
    points, _ = tiling(name)
    exact = find_cells(points)
    cells = find_cells(points + np.random.default_rng(2).normal(0, noise, points.shape), bonds=exact.bonds)
    assert [c.shape for c in cells.classes] == ["regular"]


def test_strain_of_a_strained_half(tiling):
    points, _ = tiling("square", 40.3, 10.1)
    # The left half is undistorted, the right one 4 % longer along x.
    moved = points.copy()
    moved[:, 0] += 0.04 * np.clip(points[:, 0], 0, None)
    cells = find_cells(moved)
    left, right = cells.centres[:, 0] < -1, cells.centres[:, 0] > 1
    difference = cells.strain[right].mean(axis=0) - cells.strain[left].mean(axis=0)
    np.testing.assert_allclose(difference, [0.04, 0, 0], atol=0.002)
    np.testing.assert_allclose(cells.strain.mean(axis=0), 0, atol=0.02)


@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_shear_strain_is_in_the_frame_of_the_image(tiling, angle):
    points, _ = tiling("triangular", 40.3, 24.1)
    c, s = np.cos(angle), np.sin(angle)
    points = points @ [[c, s], [-s, c]]
    points = points[np.abs(points[:, 1]) < 5]
    right = points[:, 0] > 0
    moved = points.copy()
    moved[:, 1] += 0.05 * np.clip(points[:, 0], 0, None)
    cells = find_cells(moved)
    right, left = cells.centres[:, 0] > 1, cells.centres[:, 0] < -1
    difference = cells.strain[right].mean(axis=0) - cells.strain[left].mean(axis=0)
    assert difference[2] == pytest.approx(0.025, abs=0.002)


@pytest.mark.parametrize("name", ["honeycomb", "square"])
def test_orientation_turns_with_the_specimen(tiling, name):
    points, site = tiling(name)
    labels = site if name == "honeycomb" else None
    order = 3 if name == "honeycomb" else 4
    angle = 0.2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    here, there = find_cells(points, labels), find_cells(points @ turn.T, labels)
    place = {frozenset(p.tolist()): k for k, p in enumerate(there.polygons)}
    twin = [place[frozenset(p.tolist())] for p in here.polygons]
    step = (there.orientation[twin] - here.orientation) * order
    np.testing.assert_allclose(np.exp(1j * step), np.exp(1j * angle * order), atol=1e-6)
    assert np.abs(here.orientation).max() <= np.pi / order + 1e-9
