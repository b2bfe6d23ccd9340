"""Motifs of simulated crystals: multilayers, alloys, domains, tilted octahedra, dumbbells, rims, precipitates.

    python benchmarks/bench_crystals.py [NAME ...]

Columns are Gaussians with Poisson noise; places scatter by 0.3 to 0.4 % of the lattice parameter and heights by 2 to 3 %. For
each specimen: number of columns, motifs found and kinds of columns there are, adjusted Rand index, and the mean over kinds
of ten columns or more of the best F1 of a motif. `wander` displaces the rows of pixels along x by a random walk. Specimens of
these families showed what ``tests/trust/test_crystals.py`` tests; no constant was set on them.
"""

from __future__ import annotations

import sys
import time
import warnings

import hyperspy.api as hs
import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score

FEWEST = 10  # columns of a kind that is scored
NEAR = 4.0  # pixels between a column and its atom


class Crystal:
    """Places x, y in pixels, kinds and heights of columns, and the width of each."""

    def __init__(self, places, kinds, heights, shape, width, seed, scatter=0.07, spread=0.03):
        self.rng = np.random.default_rng(seed)
        places = np.array(places) + self.rng.normal(0, scatter, (len(places), 2))
        near = np.all((places > -8) & (places < np.array(shape[::-1]) + 8), axis=1)
        self.places, self.kinds, self.shape, self.width = places[near], np.array(kinds)[near], shape, width
        self.heights = np.array(heights, float)[near] * self.rng.normal(1, spread, near.sum())

    def image(self, counts, wander=0.0, patches=0):
        """An image with `counts` at the highest column."""
        image = np.zeros(self.shape)
        reach = int(np.ceil(5 * self.width))
        for (x, y), height in zip(self.places, self.heights, strict=True):
            rows = np.arange(max(round(y) - reach, 0), min(round(y) + reach + 1, self.shape[0]))
            columns = np.arange(max(round(x) - reach, 0), min(round(x) + reach + 1, self.shape[1]))
            square = (rows[:, None] - y) ** 2 + (columns - x) ** 2
            image[np.ix_(rows, columns)] += height * np.exp(-square / (2 * self.width**2))
        image /= image.max()
        if patches:
            soft = np.zeros(self.shape)
            soft[tuple(self.rng.integers(0, self.shape, (patches, 2)).T)] = 1
            soft = gaussian_filter(soft, self.shape[0] / 8)
            image += 0.5 * soft / soft.max()
        image = self.rng.poisson(counts * (image + 0.05)).astype(float)
        if wander:
            walk = np.cumsum(self.rng.normal(0, wander, self.shape[0]))
            walk -= gaussian_filter1d(walk, 15)
            x = np.arange(self.shape[1])
            image = np.array([np.interp(x + by, x, row) for by, row in zip(walk, image, strict=True)])
        return image


def multilayer(spacing, periods, seed, mixed=0.0, displaced=0.05, shape=(614, 681)):
    """Two perovskites in layers along y: four kinds of columns. A share `mixed` of the cells at interfaces is exchanged."""
    rng = np.random.default_rng(seed)
    places, kinds, y = [], [], 0.5 * spacing
    layer = ([0] * periods[0] + [1] * periods[1]) * 40
    for row in range(int(shape[0] / spacing) + 2):
        height = spacing * (1.05, 0.99)[layer[row]]
        for column in range(int(shape[1] / spacing) + 2):
            own = [layer[row]] * 2
            for site, beside in enumerate((layer[row - 1] if row else layer[0], layer[row + 1])):
                if beside != layer[row] and rng.random() < mixed:
                    own[site] = beside
            centre = y + height / 2 + spacing * displaced * (layer[row] == 0)
            places += [(spacing * (column + 0.5), y), (spacing * (column + 1), centre)]
            kinds += [own[0], 2 + own[1]]
        y += height
    heights = np.array([82.0, 38.0, 22.0, 44.0])[kinds] ** 1.7
    return Crystal(places, kinds, heights, shape, 0.114 * spacing, seed)


def honeycomb(heights, shares, seed, spacing=20.0, shape=(480, 570)):
    """Two sublattices; the second has kinds of the given shares, with heights after those of the two."""
    rng = np.random.default_rng(seed)
    i, j = (v.ravel() for v in np.mgrid[-40:80, -2:40])
    corner = spacing * np.column_stack([i + j / 2, j * np.sqrt(3) / 2])
    share = np.append(1 - sum(shares), shares)
    kinds = np.concatenate([np.zeros(len(i), int), 1 + rng.choice(len(share), len(i), p=share)])
    places = np.concatenate([corner, corner + spacing * np.array([0.5, np.sqrt(3) / 6])])
    return Crystal(places, kinds, np.array(heights)[kinds], shape, 0.16 * spacing, seed, scatter=0.12)


def domains(displaced, seed, spacing=22.0, shape=(664, 730)):
    """A perovskite with its smaller column displaced up or down in two domains."""
    j, i = (v.ravel() for v in np.mgrid[-1:33, -1:36])
    down = i >= 16
    corner = spacing * np.column_stack([i + 0.6, j + 0.6])
    centre = corner + spacing * np.column_stack([np.full(len(i), 0.5), 0.5 + displaced * (1 - 2 * down)])
    kinds = np.concatenate([np.zeros(len(i), int), 1 + down])
    return Crystal(
        np.concatenate([corner, centre]), kinds, np.array([1, 0.55, 0.55])[kinds], shape, 3.5, seed
    )


def with_oxygen(displaced, seed, spacing=30.0, shape=(467, 503)):
    """The same with its weak oxygen columns, which stay."""
    j, i = (v.ravel() for v in np.mgrid[-2:18, -2:19])
    down = i >= 8
    corner = spacing * np.column_stack([i, j])
    centre = corner + spacing * np.column_stack([np.full(len(i), 0.5), 0.5 + displaced * (1 - 2 * down)])
    oxygen = [corner + spacing * np.array(half) for half in ([0.5, 0], [0, 0.5])]
    kinds = np.concatenate([np.zeros(len(i), int), 1 + down, np.full(2 * len(i), 3)])
    heights = np.array([1, 0.6, 0.6, 0.25])[kinds]
    return Crystal(np.concatenate([corner, centre, *oxygen]), kinds, heights, shape, 3.6, seed, spread=0.02)


def tilted(displaced, oxygen, seed, spacing=26.0, shape=(441, 469)):
    """A perovskite whose oxygen columns, of a height, alternate by a displacement: four sites of oxygen, two of each cation."""
    j, i = (v.ravel() for v in np.mgrid[-2:20, -2:21])
    corner = spacing * np.column_stack([i, j])
    way = spacing * displaced * (1 - 2 * ((i + j) % 2))
    beside = corner + np.column_stack([np.full(len(i), spacing / 2), way])
    above = corner + np.column_stack([-way, np.full(len(i), spacing / 2)])
    kinds = np.concatenate([site + (i + j) % 2 for site in (0, 2, 4, 6)])
    places = np.concatenate([corner, corner + spacing / 2, beside, above])
    heights = np.array([1, 0.6, oxygen, oxygen])[kinds // 2]
    return Crystal(places, kinds, heights, shape, 0.12 * spacing, seed, scatter=0.1, spread=0.02)


def dimerised(seed, spacing=20.0, shape=(837, 570)):
    """Rows of metal that are paired along y, with two kinds of chalcogen between them."""
    j, i = (v.ravel() for v in np.mgrid[-1:27, -1:31])
    long = spacing * np.sqrt(3)
    sites = [
        (0, 0.07 * spacing),
        (spacing / 2, long / 2 - 0.07 * spacing),
        (0, long / 3),
        (spacing / 2, long * 5 / 6),
    ]
    places = np.concatenate([np.column_stack([spacing * i + x, long * j + y]) for x, y in sites])
    kinds = np.repeat([0, 1, 2, 3], len(i))
    return Crystal(places, kinds, np.array([1, 1, 0.5, 0.5])[kinds], shape, 3.0, seed)


def dumbbells(seed, fault=False, spacing=17.0, shape=(707, 673)):
    """A zincblende along [110], with a fault in the middle."""
    j, i = (v.ravel() for v in np.mgrid[-1:53, -2:43])
    x = spacing * (i + 0.5 * (j % 2) + (fault & (j > 25)) / 3)
    upper = np.column_stack([x, 0.82 * spacing * j + 5])
    kinds = np.repeat([0, 1], len(i))
    places = np.concatenate([upper, upper + np.array([0, 0.36 * spacing])])
    return Crystal(places, kinds, np.array([1, 0.7])[kinds], shape, 0.12 * spacing, seed, spread=0.02)


def rim(seed, spacing=18.0, shape=(576, 648)):
    """A triangular lattice that ends in vacuum; the last row is a kind of its own."""
    j, i = (v.ravel() for v in np.mgrid[-1:23, -16:40])
    places = spacing * np.column_stack([i + j / 2, j * np.sqrt(3) / 2])
    return Crystal(places, (j == 22).astype(int), np.ones(len(i)), shape, 0.17 * spacing, seed)


def precipitates(ratio, radius, seed, spacing=18.0, shape=(576, 648)):
    """A triangular lattice in which the columns of twelve small areas are brighter by a factor."""
    rng = np.random.default_rng(seed)
    j, i = (v.ravel() for v in np.mgrid[-1:40, -20:40])
    places = spacing * np.column_stack([i + j / 2, j * np.sqrt(3) / 2])
    apart = np.hypot(*(places[:, None] - rng.uniform(0, 1, (12, 2)) * shape[::-1]).transpose(2, 0, 1))
    kinds = (apart.min(axis=1) < radius * spacing).astype(int)
    return Crystal(places, kinds, np.array([1, ratio])[kinds], shape, 0.17 * spacing, seed)


# Crystal, counts at the highest column, and what is done to the image.
SPECIMENS = {
    "multilayer": (multilayer(19.7, (5, 5), 0), 300, {}),
    "multilayer, mixed": (multilayer(19.7, (5, 5), 1, mixed=0.15), 300, {}),
    "multilayer, wander": (multilayer(19.7, (5, 5), 2, mixed=0.15), 300, {"wander": 0.15}),
    "multilayer, patches": (multilayer(15.8, (5, 5), 3, mixed=0.15), 60, {"patches": 5}),
    "multilayer, short": (multilayer(18.0, (2, 3), 4), 150, {}),
    "two weights": (honeycomb([1, 0.82, 0.41], [0.02], 5), 100, {}),
    "weak sublattice": (honeycomb([1, 0.25, 0.14], [0.03], 6), 300, {}),
    "three dopants": (honeycomb([1, 0.6, 0.9, 0.3, 1.3], [0.02, 0.015, 0.01], 7), 150, {"patches": 4}),
    "alloy": (honeycomb([0.4, 0.8, 0.4], [0.5], 8), 20, {}),
    "domains, 5 %": (domains(0.05, 9), 300, {}),
    "domains, 3 %": (domains(0.03, 10), 500, {}),
    "domains, wander": (domains(0.06, 11), 300, {"wander": 0.2}),
    "domains with oxygen": (with_oxygen(0.05, 20), 300, {}),
    "tilted, 4 %": (tilted(0.04, 0.3, 21), 400, {}),
    "tilted, 6 %": (tilted(0.06, 0.25, 22), 400, {}),
    "tilted, 8 %, low dose": (tilted(0.08, 0.25, 23, spacing=30.0), 100, {}),
    "dimerised": (dimerised(12), 300, {}),
    "dimerised, wander": (dimerised(13), 300, {"wander": 0.2}),
    "dumbbells": (dumbbells(14), 300, {}),
    "dumbbells, fault": (dumbbells(15, fault=True), 300, {}),
    "rim": (rim(16), 150, {}),
    "rim, low dose": (rim(17), 25, {}),
    "precipitates, small": (precipitates(1.25, 1.3, 18), 100, {}),
    "precipitates": (precipitates(1.25, 2.2, 19), 100, {}),
}


def main(names):
    print("specimen               columns  motifs  kinds    ARI  macro F1  seconds")
    for name in names or SPECIMENS:
        crystal, counts, done = SPECIMENS[name]
        signal = hs.signals.Signal2D(crystal.image(counts, **done))
        signal.set_signal_type("atomic_image")
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            motifs = signal.find_motifs(show_progressbar=False)
        seconds = time.perf_counter() - start
        distance, column = cKDTree(crystal.places).query(motifs.pixel_positions)
        near = distance < NEAR
        labels, kinds = np.asarray(motifs.labels)[near], crystal.kinds[column[near]]
        scores = [_best_f1(kinds == k, labels) for k in np.unique(kinds) if np.sum(kinds == k) >= FEWEST]
        rand = adjusted_rand_score(kinds, labels)
        print(
            f"{name:22} {near.sum():7} {motifs.n_motifs:7} {len(np.unique(kinds)):6} {rand:6.3f} {np.mean(scores):9.3f}"
            f" {seconds:8.1f}",
            flush=True,
        )


def _best_f1(kind, labels):
    both, size = np.bincount(labels[kind], minlength=labels.max() + 1), np.bincount(labels)
    return (2 * both / (size + kind.sum())).max()


if __name__ == "__main__":
    main(sys.argv[1:])
