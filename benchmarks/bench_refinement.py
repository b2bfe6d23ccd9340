"""Sub-pixel refinement against atomap's two-dimensional Gaussian and against the Cramer-Rao bound.

    python benchmarks/bench_refinement.py [--columns 150] [--image FILE.hspy]

Without a file a honeycomb crystal of two species is drawn at a peak count of 60, roughly a monolayer at medium dose.
With one, `FILE.truth.npz` next to it must hold `xy` (n, 2) and `noise_free`. atomap refines the given number of
columns (it takes tens of milliseconds for each), the project all of them.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs.atoms import find_atoms, refine_atoms
from hyperspy_motifs.atoms._peaks import refine_by_atomap


def drawn_crystal(shape=(576, 576), distance=15.0, width=3.7, peak=60.0, seed=0):
    """Counts, expected counts and positions of a honeycomb of heavy and light columns."""
    a = distance * np.sqrt(3)
    n = int(2 * max(shape) / a)
    i, j = np.meshgrid(np.arange(-n, n), np.arange(-n, n))
    origin = np.column_stack([a * (i - j / 2).ravel(), a * np.sqrt(0.75) * j.ravel()]) + 200.3
    points = np.concatenate([origin, np.add(origin, [0, distance])])
    heights = np.repeat([peak, 0.55 * peak], len(origin))
    near = ((points > -distance) & (points < np.array(shape[::-1]) + distance)).all(axis=1)
    points, heights = points[near], heights[near]
    expected = np.full(shape, 0.05 * peak)
    rows, columns = np.arange(shape[0]), np.arange(shape[1])
    for (x, y), height in zip(points, heights, strict=True):
        expected += height * np.outer(
            np.exp(-((rows - y) ** 2) / (2 * width**2)), np.exp(-((columns - x) ** 2) / (2 * width**2))
        )
    inside = ((points >= 0) & (points < shape[::-1])).all(axis=1)
    return np.random.default_rng(seed).poisson(expected).astype(float), expected, points[inside]


def from_file(path: Path):
    """Counts, expected counts and positions of a simulated image with truth."""
    import hyperspy.api as hs

    image = np.asarray(hs.load(path, reader="HSPY").data, float)
    truth = np.load(path.with_name(path.name.split(".")[0] + ".truth.npz"))
    expected = truth["noise_free"] * (image.mean() / truth["noise_free"].mean())
    return image, expected, truth["xy"]


def cramer_rao_bound(expected, positions, spacing):
    """Median over the columns of the least median distance between an estimate and the truth, pixels.

    Fisher information of Poisson counts on amplitude, position, shape and background of each column, its
    Gaussian taken from a fit to the expected counts: no unbiased estimate is better.
    """
    model = refine_atoms(expected, positions, separation=spacing)
    rows, columns = np.mgrid[: expected.shape[0], : expected.shape[1]]
    reach = int(1.2 * spacing)
    bounds = []
    for k, (x, y) in enumerate(model.positions):
        if min(x, y, expected.shape[1] - x, expected.shape[0] - y) < 2 * spacing:
            continue
        window = np.s_[int(y) - reach : int(y) + reach + 1, int(x) - reach : int(x) + reach + 1]
        dx, dy = columns[window] - x, rows[window] - y
        cosine, sine = np.cos(model.angle[k]), np.sin(model.angle[k])
        u, v = cosine * dx + sine * dy, cosine * dy - sine * dx
        s, t = model.sigma[k] ** 2
        g = np.exp(-(u**2 / s + v**2 / t) / 2)
        f = model.amplitude[k] * g
        derivatives = (f * u / s, f * v / t, g, f * u * u, f * u * v, f * v * v, np.ones_like(g))
        jacobian = np.array([d.ravel() for d in derivatives])
        information = (jacobian / expected[window].ravel()) @ jacobian.T
        covariance = np.linalg.inv(information)
        bounds.append(np.sqrt((covariance[0, 0] + covariance[1, 1]) / 2))
    # The distance from the truth is Rayleigh distributed: its median is sqrt(2 ln 2) standard deviations.
    return float(np.sqrt(2 * np.log(2)) * np.median(bounds))


def error(found, true, shape, spacing):
    """Median distance between found and true columns two spacings or more inside the image."""
    distance, index = cKDTree(true).query(found)
    inner = ((true > 2 * spacing) & (true < np.array(shape[::-1]) - 2 * spacing)).all(axis=1)[index]
    return float(np.median(distance[inner & (distance < 0.4 * spacing)]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", type=int, default=150)
    parser.add_argument("--image", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    image, expected, true = from_file(args.image) if args.image else drawn_crystal()
    spacing = float(np.median(cKDTree(true).query(true, k=2)[0][:, 1]))
    start = np.rint(true[((true > 0) & (true < np.array(image.shape[::-1]) - 1)).all(axis=1)])
    refine_atoms(image, start, separation=spacing)  # compiles
    clock = time.perf_counter()
    ours = refine_atoms(image, start, separation=spacing)
    per_column = (time.perf_counter() - clock) / len(start)
    inner = ((start > 3 * spacing) & (start < np.array(image.shape[::-1]) - 3 * spacing)).all(axis=1)
    some = start[inner][: args.columns]
    radii = np.full(len(some), 0.4 * spacing)
    refine_by_atomap(image, some[:2], radii[:2])  # imports
    clock = time.perf_counter()
    theirs = refine_by_atomap(image, some, radii)
    per_column_atomap = (time.perf_counter() - clock) / len(some)
    bound = cramer_rao_bound(expected, true, spacing)
    same = ours.positions[inner][: args.columns]
    print(f"columns {len(start)}, spacing {spacing:.1f} px")
    print(f"time per column: project {1e6 * per_column:.0f} us, atomap {1e3 * per_column_atomap:.1f} ms, "
          f"ratio {per_column_atomap / per_column:.0f}")  # fmt: skip
    print(f"Cramer-Rao bound of the median error: {bound:.4f} px")
    print(f"median error, all columns: project {error(ours.positions, true, image.shape, spacing):.4f} px, "
          f"{error(ours.positions, true, image.shape, spacing) / bound:.2f} x the bound")  # fmt: skip
    print(f"median error, the same {len(some)} columns: project {error(same, true, image.shape, spacing):.4f} px, "
          f"atomap {error(theirs[:, :2], true, image.shape, spacing):.4f} px")  # fmt: skip
    clock = time.perf_counter()
    found = find_atoms(image)
    print(f"finding and refining {len(found)} columns: {time.perf_counter() - clock:.2f} s")


if __name__ == "__main__":
    main()
