"""Size and power of the comparison of groups of images, on simulated counts.

    python benchmarks/group_comparison.py

Prints, for numbers of images in a group, rates of a motif and scatters of the rate between images, the share of p-values below
0.05 between equal groups, and between groups whose rates differ by a factor of 1.5.
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


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(0)
    print("images  rate   scatter  equal  1.5 times")
    for images in (3, 5, 10):
        for rate in (0.002, 0.01, 0.05, 0.5):
            for scatter in (0.0, 0.3):
                equal, apart = (share_below(rng, images, rate, scatter, ratio) for ratio in (1.0, 1.5))
                print(f"{images:6d}  {rate:5.3f}  {scatter:7.1f}  {equal:5.3f}  {apart:5.2f}")


if __name__ == "__main__":
    main()
