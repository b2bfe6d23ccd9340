"""Size and power of the comparison of groups of images, on simulated counts.

    python benchmarks/group_comparison.py

Prints, for numbers of images in a group, rates of a motif and scatters of the rate between images, the share of p-values below
0.05 between equal groups, and between groups whose rates differ by a factor of 1.5. Then for whole studies: five images in each
group of a honeycomb with 2 % of vacancies in one sublattice, in which motifs, bonds, cells and six kinds of rare accidents are
counted, how often anything has a q-value of at most 0.05 if the groups are equal, and how often the vacancies have one if they
have 2 and 3 %.
"""

import numpy as np

from hyperspy_motifs.collection import compare_groups

ATOMS, RUNS = 1_850, 1_000


def share_below(rng: np.random.Generator, images: int, rate: float, scatter: float, ratio: float) -> float:
    """Return the share of runs with a p-value below 0.05."""
    rates = rate * np.exp(scatter * rng.standard_normal((RUNS, 2 * images)) - scatter**2 / 2)
    counts = rng.binomial(ATOMS, np.clip(rates * np.repeat([1, ratio], images), 0, 1))
    # Each run is a kind of its own: rows without any count are left out, and are no difference.
    found = compare_groups(counts.T, np.full(2 * images, ATOMS), ["a"] * images + ["b"] * images)
    return float(np.count_nonzero(found.p_values < 0.05)) / RUNS


def study(
    rng: np.random.Generator, rates: np.ndarray, scatter: float, side: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return counts and totals, shape (images, 15); number 2 are the vacancies."""
    counts, totals = [], []
    for rate in rates * np.exp(scatter * rng.standard_normal(len(rates)) - scatter**2 / 2):
        vacant = rng.random(side) < rate
        n, v = vacant.size, int(vacant.sum())
        corners = vacant.astype(int) + np.roll(vacant, 1, 0) + np.roll(vacant, 1, 1)
        cells = np.bincount(corners.ravel(), minlength=4)
        counts.append([n, n - v, v, 3 * (n - v), 3 * v, *cells, *rng.poisson(0.3, 6)])
        totals.append([2 * n] * 3 + [3 * n] * 2 + [n] * 10)
    return np.array(counts), np.array(totals)


def studies() -> None:
    """Print how often whole studies find a difference."""
    rng = np.random.default_rng(0)
    print("columns  scatter  equal: anything  2 and 3 %: vacancies")
    for side in ((30, 31), (44, 46)):
        for scatter in (0.0, 0.1, 0.3):
            found = []
            for ratio in (1.0, 1.5):
                rates = 0.02 * np.repeat([1, ratio], 5)
                runs = [
                    compare_groups(*study(rng, rates, scatter, side), list("aaaaabbbbb")) for _ in range(RUNS)
                ]
                found.append(
                    [
                        (one.significant().size > 0, "2" in np.array(one.names)[one.significant()])
                        for one in runs
                    ]
                )
            equal, apart = np.mean(found, axis=1)
            print(f"{side[0] * side[1]:7d}  {scatter:7.1f}  {equal[0]:15.3f}  {apart[1]:20.2f}", flush=True)


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(0)
    print("images  rate   scatter  equal  1.5 times")
    for images in (3, 5, 10):
        for rate in (0.002, 0.01, 0.05, 0.5):
            for scatter in (0.0, 0.3):
                equal, apart = (share_below(rng, images, rate, scatter, ratio) for ratio in (1.0, 1.5))
                print(f"{images:6d}  {rate:5.3f}  {scatter:7.1f}  {equal:5.3f}  {apart:5.2f}")
    studies()


if __name__ == "__main__":
    main()
