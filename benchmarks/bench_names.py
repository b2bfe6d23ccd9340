"""Name the columns of simulated images from structures, beside wrong ones.

    python benchmarks/bench_names.py [--seeds 2] [--size 400] [-o docs/guide/names.csv]

Every specimen is identified from the structures in its row, the right one first. `right` is the share of the atoms with the
name of the truth, `first` how often the right structure was the most probable one, `defects` the F1 score of the names that
are no hosts, and `seconds` the processor time of ``identify``.
"""

import argparse
import csv
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs import data

PEROVSKITES = ["SrTiO3", "BaTiO3", "graphene"]
# Simulator, its arguments, the structures with the right one first, and names of the truth that the structure calls otherwise.
CASES = {
    "MoSe2, 3e5": (data.monolayer, {"material": "MoSe2"}, ["MoSe2", "graphene"], {}),
    "MoSe2, 3e4": (data.monolayer, {"material": "MoSe2", "dose": 3e4}, ["MoSe2", "graphene"], {}),
    "WS2, 1e5": (data.monolayer, {"material": "WS2", "dose": 1e5}, ["WS2", "1T-WS2"], {}),
    "MoS2, 3e5": (data.monolayer, {"material": "MoS2", "wobble": 1.0}, ["MoS2", "hBN"], {}),
    "NbSe2, 1e5": (data.monolayer, {"material": "NbSe2", "dose": 1e5}, ["NbSe2"], {}),
    "twin of MoSe2": (data.twin_boundary, {}, ["MoSe2"], {}),
    "boundary of graphene": (data.grain_boundary, {}, ["graphene", "MoS2"], None),
    "SrTiO3": (data.perovskite, {"material": "SrTiO3"}, PEROVSKITES, {"Ti": "TiO"}),
    "BaTiO3": (data.perovskite, {"material": "BaTiO3"}, ["BaTiO3", "SrTiO3"], {"Ti": "TiO"}),
    "PbTiO3": (data.perovskite, {"material": "PbTiO3"}, ["PbTiO3", "SrTiO3"], {"Ti": "TiO"}),
}


def true_names(motifs, truth, other_names):
    """Name of each atom in the truth, and an empty one for an atom that is none."""
    if other_names is None:
        names = np.full(len(truth.names), "C")
    else:
        names = np.array([other_names.get(name.split("_")[0], name.split("_")[0]) for name in truth.names])
    distance, index = cKDTree(truth.positions).query(motifs.pixel_positions)
    spacing = np.median(cKDTree(truth.positions).query(truth.positions, k=2)[0][:, 1])
    return np.where(distance < 0.3 * spacing, names[truth.labels[index]], "")


def score(simulator, arguments, structures, other_names, size, seed):
    image, truth = simulator(shape=(size, size + 32), random_state=seed, rotation=7.0 * seed, **arguments)
    motifs = image.find_motifs(show_progressbar=False)
    start = time.process_time()
    found = motifs.identify(structures)
    seconds = time.process_time() - start
    true = true_names(motifs, truth, other_names)
    hosts = {s.name for s in found.species if s.kind == "host"}
    named, real = ~np.isin(found.names, [*hosts, "?"]) & (true != ""), ~np.isin(true, [*hosts, ""])
    both = (named & real & (found.names == true)).sum()
    return {
        "right": (found.names == true)[true != ""].mean(),
        "first": float(found.best is found.structures[0] and not found.refused),
        "defects": 2 * both / (named.sum() + real.sum()) if real.any() else np.nan,
        "seconds": seconds,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--size", type=int, default=400)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for name, case in CASES.items():
        scores = [score(*case, options.size, 100 + seed) for seed in range(options.seeds)]
        row = {
            "specimen": name,
            **{key: round(float(np.mean([s[key] for s in scores])), 4) for key in scores[0]},
        }
        rows.append(row)
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if options.output:
        with options.output.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
