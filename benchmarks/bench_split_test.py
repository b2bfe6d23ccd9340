"""Level and power of the test of a split: how often groups are invented, and which rare groups are found.

``python benchmarks/bench_split_test.py`` simulates point clouds in 20 dimensions.

- *Level*: clouds of one group; the share that ``MotifClustering(alpha=...)`` splits. None of the families has a valley:
  Gaussian; Student t with 4 degrees of freedom, of all axes together and of each axis; uniform along one axis (a slope of
  brightness); gamma (skewed); a sinusoidal distortion of at most 1.2 spreads, too small for two modes.
- *Power*: 3, 5, 10 or 20 of 2,000 points are shifted by 3 to 8 spreads, all in one random direction; the share of clouds in
  which one of the groups is the rare one with F1 above 0.8. Isolation Forest is told how many points are rare. Without rare
  points (0), a result of several groups is an invented one.

``MotifClustering`` has ``min_cluster_size=5``, which forbids groups of 3; it is shown with 3, too. Gaussian mixtures have 1 to
4 components, chosen by BIC, on the first 5 principal axes or all 20. The points that HDBSCAN calls noise count as one of its
groups, in its favour.

``--csv docs/guide/split_test.csv`` writes the table of the documentation, ``--quick`` takes some two minutes.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import binomtest
from sklearn.cluster import HDBSCAN
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from hyperspy_motifs.clustering import MotifClustering

DIMENSIONS, POINTS = 20, 2000
ALPHAS = (0.1, 0.01, 0.001)
CLOUDS = {60: 200, 200: 100, 1000: 60, 4000: 25}  # number of clouds of each family by number of points
RARE, SEPARATIONS = (3, 5, 10, 20), (3, 4, 5, 6, 7, 8)
FOUND = 0.8
COLUMNS = ("test", "case", "points", "alpha", "separation", "clouds", "counted", "share", "low", "high")


def direction(rng: np.random.Generator) -> np.ndarray:
    """Return a random unit vector."""
    vector = rng.normal(size=DIMENSIONS)
    return vector / np.linalg.norm(vector)


def gaussian(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(n, DIMENSIONS))


def student(n: int, rng: np.random.Generator) -> np.ndarray:
    return gaussian(n, rng) / np.sqrt(rng.chisquare(4, (n, 1)) / 4)


def student_axes(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_t(4, (n, DIMENSIONS))


def slope(n: int, rng: np.random.Generator) -> np.ndarray:
    return gaussian(n, rng) + np.outer(rng.uniform(-0.5, 0.5, n) * rng.uniform(3, 30), direction(rng))


def skewed(n: int, rng: np.random.Generator) -> np.ndarray:
    shape = rng.uniform(1, 4)
    return (rng.gamma(shape, size=(n, DIMENSIONS)) - shape) / np.sqrt(shape)


def distorted(n: int, rng: np.random.Generator) -> np.ndarray:
    phase, amplitude = rng.uniform(0, 2 * np.pi, n), rng.uniform(0.3, 1.2)
    wave = np.outer(np.sin(phase), direction(rng)) + np.outer(np.cos(phase), direction(rng))
    return gaussian(n, rng) + amplitude * wave


FAMILIES: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "Gaussian": gaussian,
    "Student t, together": student,
    "Student t, each axis": student_axes,
    "slope": slope,
    "skewed": skewed,
    "distorted": distorted,
}


def row(
    test: str, case: str, points: int, alpha: float | str, separation: float | str, counted: int, of: int
):
    """Return one row of the table, with the exact binomial interval of 95 %."""
    low, high = binomtest(counted, of).proportion_ci(0.95)
    return (
        test,
        case,
        points,
        alpha,
        separation,
        of,
        counted,
        f"{counted / of:.4f}",
        f"{low:.4f}",
        f"{high:.4f}",
    )


def level(scale: float, seed: int, verbose: bool) -> list[tuple]:
    """Return the share of clouds of one group that are split."""
    table = []
    for n, number in CLOUDS.items():
        number = max(round(scale * number), 4)
        for family, (name, simulate) in enumerate(FAMILIES.items()):
            split = dict.fromkeys(ALPHAS, 0)
            for cloud in range(number):
                X = simulate(n, np.random.default_rng([seed, family, n, cloud]))
                for alpha in ALPHAS:  # what is not split at the largest alpha is not at a smaller one
                    sizes = np.bincount(MotifClustering(alpha=alpha).fit_predict(X))
                    if len(sizes) < 2:
                        break
                    split[alpha] += 1
                    if verbose:
                        print(
                            f"  {name}, n = {n}, seed {[seed, family, n, cloud]}, {alpha}: {sizes}",
                            flush=True,
                        )
            table += [row("level", name, n, alpha, "", split[alpha], number) for alpha in ALPHAS]
    return table


def mixture(X: np.ndarray, covariance: str) -> np.ndarray:
    """Return the labels of the Gaussian mixture of the lowest BIC."""
    fits = [GaussianMixture(k, covariance_type=covariance, random_state=0).fit(X) for k in range(1, 5)]
    return min(fits, key=lambda fit: fit.bic(X)).predict(X)


def answers(X: np.ndarray, n_rare: int) -> dict[str, np.ndarray]:
    """Return the labels by every method."""
    axes = PCA(random_state=0).fit_transform(X)
    found = {
        "MotifClustering": MotifClustering().fit_predict(X),
        "MotifClustering, 3": MotifClustering(min_cluster_size=3).fit_predict(X),
    }
    for k in (5, DIMENSIONS):
        for covariance in ("tied", "full"):
            found[f"BIC, {covariance}, {k} axes"] = mixture(axes[:, :k], covariance)
        found[f"HDBSCAN, {k} axes"] = HDBSCAN(min_cluster_size=5, copy=True).fit_predict(axes[:, :k])
    if n_rare:
        score = IsolationForest(random_state=0).fit(X).score_samples(X)
        found["Isolation Forest"] = (np.argsort(np.argsort(score)) < n_rare).astype(int)
    return found


def best_f1(labels: np.ndarray, rare: np.ndarray) -> float:
    """Return F1 of the group that agrees best with the rare one."""
    groups = [labels == name for name in np.unique(labels)]
    return max(2 * (group & rare).sum() / (group.sum() + rare.sum()) for group in groups)


def power(number: int, seed: int) -> list[tuple]:
    """Return the share of clouds in which the rare group is found."""
    cases = [(0, 0)] + [(n_rare, separation) for n_rare in RARE for separation in SEPARATIONS]
    table = []
    for n_rare, separation in cases:
        counted: dict[str, int] = {}
        rare = np.arange(POINTS) < n_rare
        for cloud in range(number):
            rng = np.random.default_rng([seed, 99, n_rare, separation, cloud])
            X = gaussian(POINTS, rng)
            X[rare] += separation * direction(rng)
            for method, labels in answers(X, n_rare).items():
                right = best_f1(labels, rare) > FOUND if n_rare else len(np.unique(labels)) > 1
                counted[method] = counted.get(method, 0) + int(right)
        name = "power" if n_rare else "invented"
        table += [row(name, method, n_rare, 0.01, separation, k, number) for method, k in counted.items()]
    return table


def show(table: list[tuple]) -> None:
    """Print the table, one line for each case."""
    for name in ("level", "invented", "power"):
        lines: dict[tuple, list] = {}
        for entry in (r for r in table if r[0] == name):
            column = f"alpha {entry[3]}" if name == "level" else f"{entry[4]}"
            key = (entry[1], entry[2], entry[5])
            lines.setdefault(key, []).append((column, entry))
        if not lines:
            continue
        print(f"\n{name}: " + ", ".join(column for column, _ in next(iter(lines.values()))))
        for (case, points, clouds), entries in sorted(lines.items(), key=lambda line: line[0][1]):
            shares = "  ".join(
                f"{float(e[7]):.3f} ({float(e[8]):.3f}-{float(e[9]):.3f})"
                if name != "power"
                else f"{float(e[7]):5.2f}"
                for _, e in entries
            )
            print(f"{case:22} {points:5} points, {clouds:4} clouds: {shares}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, help="write the table, as for the documentation")
    parser.add_argument("--quick", action="store_true", help="a tenth of the clouds")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="factor of the number of clouds of one group"
    )
    parser.add_argument("--count", type=int, default=8, help="clouds for each rare group")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("level", "power"))
    parser.add_argument("--verbose", action="store_true", help="print every cloud of one group that is split")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    scale, count = (0.1, 2) if options.quick else (options.scale, options.count)
    table, start = [], time.perf_counter()
    if options.only != "power":
        table += level(scale, options.seed, options.verbose)
        show(table)
    if options.only != "level":
        rows = power(count, options.seed)
        show(rows)
        table += rows
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(table)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
