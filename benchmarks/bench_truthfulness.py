"""False discoveries: what is found in images with nothing to find, and which rare motifs in clean lattices.

``python benchmarks/bench_truthfulness.py`` simulates 200 images (``--count``): noise, vacuum with scan lines, amorphous
matter and one blob, in which nothing should be found; and perfect lattices of four kinds at several doses, in which every
motif should be a site of the lattice. An answer counts as

- refused: an error with the reason;
- warned: a result that came with a warning, or is called a continuum;
- one motif: atoms, all alike (no structure is claimed);
- claimed: a result with several motifs and no warning.

For lattices, *more* counts images with more motifs than the lattice has sites, and *rare* those of them with a motif of less
than 5 % of the atoms; both count only what was claimed without a warning.
"""

from __future__ import annotations

import argparse
import csv
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

import hyperspy_motifs as hm

SHAPE = (150, 176)
SITES = {"square": 1, "triangular": 1, "honeycomb": 2, "kagome": 3}


def nothing(kind: str, seed: int):
    """An image in which there is nothing to find."""
    import hyperspy.api as hs

    rng = np.random.default_rng(seed)
    y, x = np.indices(SHAPE).astype(float)
    if kind == "amorphous":
        return hm.data.amorphous(shape=SHAPE, random_state=seed)[0]
    if kind == "noise":
        values = rng.poisson(float(rng.choice([3, 30, 300])), SHAPE)
    elif kind == "vacuum":
        values = rng.normal(0, 1, SHAPE) + rng.normal(0, 0.5, (SHAPE[0], 1)) + 0.01 * x * rng.normal()
    else:
        centre, width = rng.uniform(0.3, 0.7, 2) * SHAPE[::-1], rng.uniform(5, 30)
        blob = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * width**2))
        values = rng.poisson(20 + 100 * blob)
    signal = hs.signals.Signal2D(values.astype(float))
    signal.set_signal_type("atomic_image")
    return signal


def answer(signal) -> tuple[str, object, list[str]]:
    """The kind of result of ``find_motifs``, its motifs, and its messages."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            motifs = signal.find_motifs(show_progressbar=False)
        except ValueError as error:
            return "refused", None, [str(error)]
    said = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    if said:
        return "warned", motifs, said
    return ("one motif" if motifs.n_motifs == 1 else "claimed"), motifs, said


def mistakes(how: str, motifs, sites: int) -> list[str]:
    """What is claimed beyond the sites that there are."""
    if how != "claimed" or motifs.n_motifs <= sites:
        return []
    sizes = np.bincount(motifs.labels)
    return ["false"] if not sites else ["more", "rare"] if (sizes < 0.05 * sizes.sum()).any() else ["more"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--verbose", action="store_true", help="print the result for every image")
    parser.add_argument("-o", "--output", type=Path, help="write the table as CSV for the documentation")
    options = parser.parse_args()
    empty, lattices = ("noise", "vacuum", "amorphous", "blob"), tuple(SITES)
    table: dict[str, Counter] = defaultdict(Counter)
    for number in range(options.count):
        seed = options.seed + number
        kind = (empty + lattices)[number % 8]
        if kind in empty:
            how, motifs, said = answer(nothing(kind, seed))
        else:
            dose = float(np.random.default_rng(seed).choice([3e3, 1e4, 1e5]))
            signal, _ = hm.data.lattice(kind, shape=SHAPE, dose=dose, random_state=seed)
            how, motifs, said = answer(signal)
        wrong = mistakes(how, motifs, SITES.get(kind, 0))
        table[kind].update([how, *wrong])
        if wrong or options.verbose:
            sizes = np.bincount(motifs.labels).tolist() if motifs is not None else []
            print(
                f"{kind} {seed}: {how}, motifs of {sizes} atoms",
                *(f"  {s[:100]}" for s in said),
                sep="\n",
                flush=True,
            )
    columns = ("refused", "warned", "one motif", "claimed", "false", "more", "rare")
    if options.output:
        with options.output.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["image", "images", *columns])
            writer.writerows(
                [kind, sum(c[n] for n in columns[:4]), *(c[n] for n in columns)] for kind, c in table.items()
            )
    print(f"{'':12}" + "".join(f"{name:>11}" for name in columns))
    for kind, counts in table.items():
        print(f"{kind:12}" + "".join(f"{counts[name]:>11}" for name in columns))


if __name__ == "__main__":
    main()
