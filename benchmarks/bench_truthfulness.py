"""False discoveries: what is found in images with nothing to find, in lattices of one motif, and in doped lattices.

``python benchmarks/bench_truthfulness.py`` simulates images of three sorts (``--count``):

- *Empty*: noise, vacuum with scan lines, amorphous matter, one blob. Nothing should be found.
- *Lattices* of four kinds at several doses: perfect, disordered (displaced columns), tilted (rotated in the field, with a probe
  that is longer in one direction), strained (a linear distortion and a slow sinusoidal one), with slopes of brightness and
  background. Every motif should be a site of the lattice.
- *Doped*: triangular lattices in which 1 % of the columns are 1.5 times as bright, with 10, 30 and 300 counts in the maximum of
  a column, in 256 x 256, 512 x 512 and 1024 x 1024 pixels (``--large``: 2048 x 2048). They have two motifs.

An answer counts as

- refused: an error that says why;
- warned: a result that came with a warning, or is called a continuum;
- one motif: atoms, all alike (no structure is claimed);
- claimed: a result with several motifs and no warning.

*False* counts empty images for which several motifs are claimed, *more* counts images with more motifs than are there, *fewer*
those with fewer; both with a warning or without. The share of lattices with more motifs than sites is printed for each
``alpha``, with the exact binomial interval of 95 %.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.stats import binomtest

import hyperspy_motifs as hm

SHAPE = (150, 176)
LATTICE_SHAPE = (224, 256)
SITES = {"square": 1, "triangular": 1, "honeycomb": 2, "kagome": 3}
EMPTY = ("noise", "vacuum", "amorphous", "blob")
STATES = ("perfect", "disordered", "tilted", "strained", "slopes")
ALPHAS = (0.1, 0.01, 0.001)
CHOSEN = 0.01  # the default
COUNTS, SIZES = (10, 30, 300), (256, 512, 1024)
COLUMNS = ("refused", "warned", "one motif", "claimed", "false", "more", "fewer")


def as_signal(values: np.ndarray):
    import hyperspy.api as hs

    signal = hs.signals.Signal2D(np.asarray(values, dtype=float))
    signal.set_signal_type("atomic_image")
    return signal


def nothing(kind: str, seed: int):
    """An image in which there is nothing to find."""
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
    return as_signal(values)


def one_motif(kind: str, state: str, seed: int):
    """A lattice in which every motif is a site."""
    rng = np.random.default_rng([seed, 1])
    options: dict = {"shape": LATTICE_SHAPE, "random_state": seed, "dose": float(rng.choice([3e3, 1e4, 1e5]))}
    if state == "disordered":
        options["disorder"] = float(rng.uniform(0.002, 0.01))
    elif state == "tilted":
        options["rotation"] = float(rng.uniform(0, 60))
    elif state == "strained":
        options |= {"strain": float(rng.uniform(0.005, 0.03)), "wobble": float(rng.uniform(0.2, 1.5))}
    elif state == "slopes":
        options |= {
            "contrast_variation": float(rng.uniform(0.05, 0.3)),
            "background_variation": float(rng.uniform(0.1, 1.0)),
        }
    if state != "tilted":
        return hm.data.lattice(kind, **options)[0]
    dose = options.pop("dose")
    expected = hm.data.lattice(kind, dose=None, **options)[0].data
    electrons = dose * 0.125**2  # per pixel of 0.0125 nm
    return as_signal(
        rng.poisson(electrons * gaussian_filter(np.asarray(expected, float), (rng.uniform(0.5, 3), 0)))
    )


def doped(size: int, counts: float, seed: int):
    """A triangular lattice in which 1 % of the columns are half as bright again, and how many these are."""
    rng = np.random.default_rng([seed, size, int(counts)])
    spacing, sigma, margin = 11.0, 2.2, 12.0
    a = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]]) * spacing
    angle = rng.uniform(0, np.pi / 3)
    a = a @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    reach = int(1.5 * size / spacing) + 4
    ij = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2), axis=-1).reshape(-1, 2)
    xy = ij @ a + size / 2 + rng.uniform(0, spacing, 2)
    xy = xy[((xy > -margin) & (xy < size + margin)).all(axis=1)]
    inner = np.flatnonzero(((xy > margin) & (xy < size - margin)).all(axis=1))
    n_bright = round(0.01 * ((xy > 0) & (xy < size)).all(axis=1).sum())
    bright = rng.permutation(inner)[:n_bright]
    weight = np.ones(len(xy))
    weight[bright] = 1.5
    image, half = np.zeros((size, size)), 9
    for (x, y), w in zip(xy, weight, strict=True):
        x0, y0 = round(x), round(y)
        left, right = max(x0 - half, 0), min(x0 + half + 1, size)
        top, bottom = max(y0 - half, 0), min(y0 + half + 1, size)
        if left < right and top < bottom:
            across = np.exp(-((np.arange(left, right) - x) ** 2) / (2 * sigma**2))
            down = np.exp(-((np.arange(top, bottom) - y) ** 2) / (2 * sigma**2))
            image[top:bottom, left:right] += w * down[:, None] * across
    return as_signal(rng.poisson(counts * (image + 0.05))), xy[bright]


def answer(signal, alpha: float = CHOSEN) -> tuple[str, object, list[str]]:
    """How ``find_motifs`` answers, the motifs where there are any, and what it says."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            motifs = signal.find_motifs(alpha=alpha, show_progressbar=False)
        except ValueError as error:
            return "refused", None, [str(error)]
    said = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    if said:
        return "warned", motifs, said
    return ("one motif" if motifs.n_motifs == 1 else "claimed"), motifs, said


def mistakes(how: str, motifs, there: int) -> list[str]:
    """What is claimed beyond what there is, and what of it is missing."""
    if motifs is None:
        return []
    if not there:
        return ["false"] if how == "claimed" else []
    return ["more"] if motifs.n_motifs > there else ["fewer"] if motifs.n_motifs < there else []


def say(what: str, how: str, motifs, said: list[str]) -> None:
    sizes = np.bincount(motifs.labels[motifs.labels >= 0]).tolist() if motifs is not None else []
    print(f"{what}: {how}, motifs of {sizes} atoms", *(f"  {s[:110]}" for s in said), sep="\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300, help="lattices, and half as many empty images")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=2, help="doped lattices of every size and dose")
    parser.add_argument("--large", action="store_true", help="doped lattices of 2048 x 2048 pixels, too")
    parser.add_argument("--only", choices=("empty", "lattices", "doped"))
    parser.add_argument("--verbose", action="store_true", help="say what was answered for every image")
    parser.add_argument("-o", "--output", type=Path, help="write the table as CSV, as for the documentation")
    options = parser.parse_args()
    table: dict[str, Counter] = defaultdict(Counter)
    start = time.perf_counter()

    def count(row: str, what: str, there: int, how: str, motifs, said: list[str]) -> None:
        wrong = mistakes(how, motifs, there)
        table[row].update([how, *wrong])
        if wrong or options.verbose:
            say(what, how, motifs, said)

    if options.only in (None, "doped"):
        for size in SIZES + ((2048,) if options.large else ()):
            for counts in COUNTS:
                for seed in range(options.repeat if size < 1024 else 1):
                    signal, _ = doped(size, counts, seed)
                    what = f"doped(size={size}, counts={counts}, seed={seed})"
                    count(f"doped, {counts} counts", what, 2, *answer(signal))
    if options.only in (None, "empty"):
        for number in range(options.count // 2):
            kind, seed = EMPTY[number % 4], options.seed + number
            count(kind, f"nothing({kind!r}, {seed})", 0, *answer(nothing(kind, seed)))
    more, images = Counter(), 0
    if options.only in (None, "lattices"):
        for number in range(options.count):
            kind, state, seed = tuple(SITES)[number % 4], STATES[number // 4 % 5], options.seed + number
            signal, images = one_motif(kind, state, seed), images + 1
            for alpha in ALPHAS:
                found = answer(signal, alpha)
                wrong = mistakes(*found[:2], SITES[kind])
                more[alpha] += "more" in wrong
                certain = "more" not in wrong and (alpha < ALPHAS[0] or found[0] == "one motif")
                if alpha == CHOSEN or (certain and alpha > CHOSEN):
                    table[state].update([found[0], *wrong])
                if wrong or options.verbose:
                    say(f"one_motif({kind!r}, {state!r}, {seed}), alpha {alpha}", *found)
                if certain:  # what is not split at this alpha is not at a smaller one
                    break
    if options.output:
        with options.output.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["image", "images", *COLUMNS])
            writer.writerows(
                [kind, sum(c[n] for n in COLUMNS[:4]), *(c[n] for n in COLUMNS)] for kind, c in table.items()
            )
    print(f"\n{'':18}" + "".join(f"{name:>11}" for name in COLUMNS))
    for kind, counts in table.items():
        print(f"{kind:18}" + "".join(f"{counts[name]:>11}" for name in COLUMNS))
    for alpha in ALPHAS if images else ():
        low, high = binomtest(more[alpha], images).proportion_ci(0.95)
        print(
            f"alpha {alpha}: {more[alpha]} of {images} lattices with a motif too many ({low:.4f} to {high:.4f})"
        )
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
