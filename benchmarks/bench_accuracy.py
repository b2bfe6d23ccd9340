"""Accuracy on simulated images: are the columns found, where are they, and are their motifs those of the truth?

    python benchmarks/bench_accuracy.py                    # prints the table
    python benchmarks/bench_accuracy.py -o docs/guide/accuracy.csv

No argument of ``find_motifs`` is given except ``rotation_invariant`` where a site occurs in several orientations. Seeds
are 101 and up; nothing in the package was tuned on them. Columns nearer to the edge of the image than half a
nearest-neighbour distance are left out: half of them lies outside.
"""

import argparse
import csv
import sys

import hyperspy.api as hs
import numpy as np
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score, f1_score

from hyperspy_motifs import data

ROTATED = {"rotation_invariant": True}
FIELD = {"shape": (600, 640)}


def mose2(**options):
    return lambda seed: data.monolayer("MoSe2", **{**FIELD, "vacancies": 0.05, **options}, random_state=seed)


CASES = {
    "MoSe2, defects, 3e5 e/Å²": (mose2(), {}),
    "MoSe2, defects, 3e4 e/Å²": (mose2(dose=3e4), {}),
    "MoSe2, defects, 1e4 e/Å²": (mose2(dose=1e4), {}),
    "MoSe2, defects, 17° in the scan": (mose2(rotation=17.0), {}),
    "WSe2, 2 % Cr, 1e5 e/Å²": (
        lambda seed: data.monolayer(
            "WSe2", metal_dopant=("Cr", 0.02), chalcogen_dopant=None, vacancies=0.03, double_vacancies=0,
            dose=1e5, shape=(560, 600), random_state=seed,
        ),
        {},
    ),
    "graphene, 21.8° boundary": (lambda seed: data.grain_boundary(shape=(440, 480), random_state=seed), ROTATED),
    "square-triangle tiling, random": (
        lambda seed: data.square_triangle("random", shape=(480, 520), random_state=seed),
        ROTATED,
    ),
    "PbTiO3 wall, ABF": (
        lambda seed: data.perovskite(
            "PbTiO3", detector="ABF", displacement=0.02, shape=(400, 440), random_state=seed
        ),
        {},
    ),
    "M1 oxide, 2e4 e/Å²": (lambda seed: data.m1_oxide(shape=(700, 720), random_state=seed), ROTATED),
    "Si(111)-(7x7), STM": (
        lambda seed: data.silicon_7x7(rotation=9.0, streaks=3, shape=(330, 360), random_state=seed),
        ROTATED,
    ),
}  # fmt: skip


def match(found, truth, reach):
    """Pairs of found and true points that are each other's nearest, nearer than a reach."""
    apart, nearest = cKDTree(truth).query(found)
    back = cKDTree(found).query(truth)[1]
    pair = np.flatnonzero((back[nearest] == np.arange(len(found))) & (apart < reach))
    return pair, nearest[pair], apart[pair]


def by_majority(labels, truth):
    """Each motif called by the class that most of its atoms have."""
    table = np.zeros((labels.max() + 1, truth.max() + 1), dtype=int)
    np.add.at(table, (labels, truth), 1)
    return table.argmax(axis=1)[labels]


def measure(make, options, seed):
    """Figures of one image."""
    image, truth = make(seed)
    motifs = image.find_motifs(show_progressbar=False, **options)
    shape = np.array(image.data.shape[::-1])
    spacing = np.median(cKDTree(truth.positions).query(truth.positions, k=2)[0][:, 1])

    def inside(points):
        return ((points > 0.5 * spacing) & (points < shape - 1 - 0.5 * spacing)).all(axis=1)

    found = motifs.pixel_positions
    pair, partner, apart = match(found, truth.positions, 0.5 * spacing)
    hits = inside(truth.positions[partner])
    precision = hits.sum() / max(1, (inside(found) | np.isin(np.arange(len(found)), pair[hits])).sum())
    recall = hits.sum() / inside(truth.positions).sum()
    labels = [motifs.labels_at(radius)[pair[hits]] for radius in motifs.radii]
    known = truth.labels[partner[hits]]
    chosen = motifs.labels[pair[hits]]
    return {
        "found": 2 * precision * recall / (precision + recall),
        "error": np.sqrt(np.mean(apart[hits] ** 2) / 2),
        "classes": len(np.unique(known)),
        "motifs": motifs.n_motifs,
        "ARI": adjusted_rand_score(known, chosen),
        "best": max(adjusted_rand_score(known, at) for at in labels),
        "class": f1_score(known, by_majority(chosen, known), average="macro", zero_division=0.0),
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", help="write the table to this CSV file")
    parser.add_argument("--seeds", type=int, default=3, help="images of each case (default: 3)")
    parser.add_argument("--only", default="", help="cases whose name contains this text")
    chosen = parser.parse_args(arguments)
    hs.preferences.General.show_progressbar = False
    rows = []
    for name, (make, options) in CASES.items():
        if chosen.only not in name:
            continue
        each = [measure(make, options, 101 + k) for k in range(chosen.seeds)]
        row = {"image": name}
        for key in each[0]:
            values = [figures[key] for figures in each]
            row[key] = (
                f"{np.mean(values):.3f}" if isinstance(values[0], float) else f"{np.median(values):.0f}"
            )
        row["worst"] = f"{min(figures['ARI'] for figures in each):.3f}"
        rows.append(row)
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if chosen.output:
        with open(chosen.output, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
