"""Dumbbells, rims, layers and wandering scans: what is one motif stays one, and what differs is another."""

import hyperspy.api as hs
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from hyperspy_motifs.atoms import measure_wander
from hyperspy_motifs.patches import estimate_local_scale


def image_of(shape, places, heights, width, counts, seed):
    """A signal of Gaussian columns at places x, y in pixels, with Poisson noise of `counts` at the highest."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.full(shape, 0.05)
    for (cx, cy), height in zip(places, heights, strict=True):
        rows = slice(max(int(cy - 6 * width), 0), max(int(cy + 6 * width), 0))
        columns = slice(max(int(cx - 6 * width), 0), max(int(cx + 6 * width), 0))
        square = (x[rows, columns] - cx) ** 2 + (y[rows, columns] - cy) ** 2
        image[rows, columns] += height * np.exp(-square / (2 * width**2))
    signal = hs.signals.Signal2D(np.random.default_rng(seed).poisson(counts * image).astype(float))
    signal.set_signal_type("atomic_image")
    return signal


def layers(rows, columns, spacing, seed=0, displaced=0.05, heights=(1.05, 0.99)):
    """Layers of five cells of one perovskite and five of another along y: places, kinds (0 and 1 at the corners), height."""
    rng = np.random.default_rng(seed)
    places, kinds, y = [], [], spacing / 2
    for row in range(rows):
        layer = (row // 5) % 2
        height = spacing * heights[layer]
        for column in range(columns):
            places += [
                (spacing * (column + 0.5), y),
                (spacing * (column + 1), y + height / 2 + spacing * displaced * (layer == 0)),
            ]
            kinds += [layer, 2 + layer]
        y += height
    return np.array(places) + rng.normal(0, 0.08, (len(places), 2)), np.array(kinds), int(y)


def nearest(motifs, places):
    """For each atom of the motifs the place next to it, and whether that is its own."""
    distance, index = cKDTree(places).query(motifs.pixel_positions)
    return index, distance < 3


def test_tilted_dumbbells_are_no_motif_of_their_own():
    # The one bond of an atom is tilted to either side, by 1.6 % of its length (standard deviation).
    rng, spacing, places, heights = np.random.default_rng(3), 17.0, [], []
    for row in range(21):
        for column in range(-1, 18):
            x, y = spacing * (column + row % 2 / 2), 9 + 0.82 * spacing * row
            places += [(x, y), (x, y + 0.36 * spacing)]
            heights += [1.0, 0.7]
    places = np.array(places) + rng.normal(0, 0.07, (len(places), 2))
    shape = (293, 279)
    inside = np.all((places > 3) & (places < np.array(shape[::-1]) - 3), axis=1)
    heights = np.array(heights)[inside] * rng.normal(1, 0.02, inside.sum())
    motifs = image_of(shape, places[inside], heights, 0.12 * spacing, 300, 3).find_motifs()
    upper = np.arange(len(places))[inside] % 2 == 0
    index, own = nearest(motifs, places[inside])
    whole = own & ~np.asarray(motifs.truncated)
    assert motifs.n_motifs == 2
    assert (
        len({(motif, kind) for motif, kind in zip(motifs.labels[whole], upper[index[whole]], strict=True)})
        == 2
    )


def test_the_rim_of_a_crystal_is_a_motif():
    rng, spacing = np.random.default_rng(0), 17.0
    places = np.array(
        [(spacing * (i + j / 2), 6 + 0.866 * spacing * j) for j in range(13) for i in range(-8, 20)]
    )
    places += rng.normal(0, 0.07, places.shape)
    shape = (263, 301)
    places = places[np.all((places > 3) & (places < np.array(shape[::-1]) - 3), axis=1)]
    motifs = image_of(shape, places, rng.normal(1, 0.03, len(places)), 3.0, 100, 0).find_motifs()
    last = places[:, 1] > places[:, 1].max() - spacing / 2
    index, own = nearest(motifs, places)
    x = places[index, 0]
    # Where the vacuum ends at the border the rim is cut.
    middle = own & (x > 3 * spacing) & (x < shape[1] - 3 * spacing)
    assert motifs.n_motifs == 2
    np.testing.assert_array_equal(motifs.labels[middle] == 1, last[index[middle]])


@pytest.fixture(scope="module")
def layered():
    places, kinds, height = layers(20, 17, 19.7, displaced=0, heights=(1, 1))
    shape = (height, 341)
    heights = np.array([1.0, 0.27, 0.11, 0.35])[kinds] * np.random.default_rng(1).normal(1, 0.03, len(kinds))
    return image_of(shape, places, heights, 2.2, 300, 2), places, kinds


def test_layers_of_other_composition_change_no_offset(layered):
    signal, places, _ = layered
    inside = np.all((places > 0) & (places < np.array(signal.data.shape[::-1]) - 1), axis=1)
    found = estimate_local_scale(signal.data, places[inside])
    assert np.ptp(found.offset) == 0
    assert np.ptp(found.scale) < 0.02 * found.scale.mean()
    # A wedge of the level is followed where there is one.
    slope = 60 * np.arange(signal.data.shape[0])[:, None] / signal.data.shape[0]
    assert np.ptp(estimate_local_scale(signal.data + slope, places[inside]).offset) > 30


def test_each_column_of_two_layered_perovskites_is_one_motif(layered):
    signal, places, kinds = layered
    motifs = signal.find_motifs()
    index, own = nearest(motifs, places)
    assert motifs.n_motifs == 4
    table = np.zeros((4, 4), int)
    np.add.at(table, (motifs.labels[own], kinds[index[own]]), 1)
    assert table.max(axis=1).sum() > 0.99 * own.sum()


def wandering(places, rate, seed=5):
    """Displacement along x of each place by a scan that wanders as a random walk of `rate` squared pixels per row."""
    first, last = int(places[:, 1].min()) - 2, int(places[:, 1].max()) + 2
    walk = np.cumsum(np.random.default_rng(seed).normal(0, np.sqrt(rate), last - first))
    walk -= gaussian_filter1d(walk, 60)
    return np.interp(places[:, 1], np.arange(first, last), walk)


def test_wander_of_the_scan_is_measured_and_layers_are_none():
    rate, found = 0.02, []
    for seed in range(5):
        places, _, _ = layers(26, 31, 18.3, seed)
        assert measure_wander(places, 13.0) == 0
        displaced = places + np.column_stack([wandering(places, rate, seed), np.zeros(len(places))])
        found.append(measure_wander(displaced, 13.0))
    # What displaces several rows alike is strain, and not counted.
    assert rate / 4 < np.median(found) < rate
    # Displacements of single columns are none, however large.
    single = places + np.random.default_rng(0).normal(0, 0.8, places.shape)
    assert measure_wander(single, 13.0) == 0


@pytest.mark.parametrize(
    "pattern", [(1, -1), (1, 1, -1, -1), (1, 0, -1), (0, 1, 0, -1), (1, 1, 1, -1, -1, -1)]
)
@pytest.mark.parametrize("amplitude", [0.01, 0.03])
def test_rows_displaced_by_a_superstructure_are_no_wander(pattern, amplitude):
    spacing, places = 20.0, []
    for row in range(37):
        shift = amplitude * spacing * pattern[row % len(pattern)]
        for column in range(31):
            places += [
                (spacing * (column + 0.5), spacing * (row + 0.5)),
                (spacing * (column + 1) + shift, spacing * (row + 1)),
            ]
    places = np.array(places) + np.random.default_rng(1).normal(0, 0.05, (len(places), 2))
    assert measure_wander(places, 14.1) == 0
    places[:, 0] += wandering(places, 0.02)
    assert measure_wander(places, 14.1) > 0.005


def test_rows_displaced_by_the_scan_are_no_motifs():
    spacing = 19.0
    places = np.array(
        [(spacing * (i + 0.6), spacing * (j + 0.6)) for j in range(-2, 20) for i in range(-2, 24)]
    )
    centres = places + spacing / 2
    both = np.concatenate([places, centres])
    both += np.random.default_rng(2).normal(0, 0.05, both.shape)
    both[:, 0] += wandering(both, 0.03)
    heights = np.repeat([1.0, 0.55], len(places))
    shape = (351, 407)
    inside = np.all((both > -12) & (both < np.array(shape[::-1]) + 12), axis=1)
    motifs = image_of(shape, both[inside], heights[inside], 3.0, 300, 4).find_motifs()
    assert motifs.n_motifs == 2
    assert motifs.quality.row_wander > 0.01
    assert any("the scan wanders" in line for line in motifs.quality.lines())


def test_precipitates_are_told_from_their_matrix():
    # All neighbours of a brighter column are brighter, too: their tails are no reason for its own brightness.
    rng, spacing, shape = np.random.default_rng(0), 18.0, (576, 648)
    j, i = (v.ravel() for v in np.mgrid[-1:40, -20:40])
    places = spacing * np.column_stack([i + j / 2, j * np.sqrt(3) / 2])
    centres = rng.uniform(0, 1, (12, 2)) * shape[::-1]
    bright = cKDTree(centres).query(places)[0] < 1.3 * spacing
    inside = np.all((places > -8) & (places < np.array(shape[::-1]) + 8), axis=1)
    places, bright = (places + rng.normal(0, 0.07, places.shape))[inside], bright[inside]
    heights = np.where(bright, 1.25, 1.0) * rng.normal(1, 0.03, len(places))
    motifs = image_of(shape, places, heights, 0.17 * spacing, 75, 18).find_motifs()
    index, own = nearest(motifs, places)
    whole = own & ~np.asarray(motifs.truncated)
    assert motifs.n_motifs == 2
    assert bright[index[whole]].sum() >= 30
    assert np.sum((motifs.labels[whole] == 1) != bright[index[whole]]) <= 3


def scored(motifs, places, kinds):
    """The best F1 of a motif for each kind, among atoms whose discs are whole."""
    index, own = nearest(motifs, places)
    whole = own & ~np.asarray(motifs.truncated)
    labels, kind = np.asarray(motifs.labels)[whole], kinds[index[whole]]
    size = np.bincount(labels)
    both = [np.bincount(labels[kind == k], minlength=len(size)) for k in np.unique(kind)]
    return [float((2 * b / (size + b.sum())).max()) for b in both]


def test_tilted_octahedra_have_four_sites_of_oxygen():
    # Of a place and of the kinds of its neighbours the four are alike; the displacements of 8 % of a cell are their own.
    rng, spacing, shape = np.random.default_rng(3), 30.0, (441, 469)
    j, i = (v.ravel() for v in np.mgrid[-2:18, -2:19])
    corner = spacing * np.column_stack([i, j])
    odd = (i + j) % 2
    way, half = spacing * 0.08 * (1 - 2 * odd), np.full(len(i), spacing / 2)
    oxygen = corner + np.column_stack([half, way]), corner + np.column_stack([-way, half])
    places = np.concatenate([corner, corner + spacing / 2, *oxygen])
    kinds = np.concatenate([0 * odd, 0 * odd + 1, 2 + odd, 4 + odd])
    inside = np.all((places > -8) & (places < np.array(shape[::-1]) + 8), axis=1)
    places, kinds = (places + rng.normal(0, 0.1, places.shape))[inside], kinds[inside]
    heights = np.array([1, 0.6, 0.25, 0.25, 0.25, 0.25])[kinds] * rng.normal(1, 0.02, len(kinds))
    motifs = image_of(shape, places, heights, 0.12 * spacing, 100, 3).find_motifs()
    assert min(scored(motifs, places, kinds)[2:]) > 0.95


def test_polar_domains_are_found_where_oxygen_is_seen():
    # Either cation is surrounded by oxygen, and neither replaces the other: neighbours explain no displacement.
    rng, spacing, shape = np.random.default_rng(5), 30.0, (467, 503)
    j, i = (v.ravel() for v in np.mgrid[-2:18, -2:19])
    down = i >= 8
    corner = spacing * np.column_stack([i, j])
    centre = corner + spacing * np.column_stack([np.full(len(i), 0.5), 0.5 + 0.05 * (1 - 2 * down)])
    oxygen = corner + spacing * np.array([0.5, 0]), corner + spacing * np.array([0, 0.5])
    places = np.concatenate([corner, centre, *oxygen])
    kinds = np.concatenate([0 * i, 1 + down, np.full(2 * len(i), 3)])
    inside = np.all((places > -8) & (places < np.array(shape[::-1]) + 8), axis=1)
    places, kinds = (places + rng.normal(0, 0.1, places.shape))[inside], kinds[inside]
    heights = np.array([1, 0.6, 0.6, 0.25])[kinds] * rng.normal(1, 0.02, len(kinds))
    motifs = image_of(shape, places, heights, 0.12 * spacing, 300, 5).find_motifs()
    assert min(scored(motifs, places, kinds)[1:3]) > 0.9


@pytest.mark.parametrize("seed", [1, 2])
def test_two_columns_that_alternate_are_told_by_their_neighbours(seed):
    # Their heights differ by less than two standard deviations of one column: the neighbours have the other height.
    # Below them are layers of two other columns, which the atoms at the interface are beside.
    rng, spacing, places, kinds = np.random.default_rng(seed), 15.8, [], []
    for row in range(34):
        for column in range(40):
            layer = (row // 5) % 2
            places += [
                (spacing * (column + 0.5), spacing * row),
                (spacing * (column + 1), spacing * (row + 0.5)),
            ]
            kinds += [2 * layer, 2 * layer + 1]
    places = np.array(places) + rng.normal(0, 0.07, (len(places), 2))
    kinds = np.array(kinds)
    shape = (523, 610)
    inside = np.all((places > 3) & (places < np.array(shape[::-1]) - 3), axis=1)
    places, kinds = places[inside], kinds[inside]
    heights = np.array([0.27, 0.31, 1.0, 0.11])[kinds] * rng.normal(1, 0.03, len(kinds))
    motifs = image_of(shape, places, heights, 1.8, 60, seed).find_motifs()
    index, own = nearest(motifs, places)
    whole = own & ~np.asarray(motifs.truncated)
    count = np.zeros((motifs.n_motifs, 4))
    np.add.at(count, (motifs.labels[whole], kinds[index[whole]]), 1)
    either = count[:, :2][count[:, :2].sum(axis=1) > count[:, 2:].sum(axis=1)]
    assert either.max(axis=1).sum() > 0.95 * either.sum()
