"""Whether probabilities of names are frequencies of being right: predicted against true, over small simulated images.

    python benchmarks/bench_name_probabilities.py [--images 60] [--first 0] [--any-dopant] [-o name_probabilities.csv]

Material, dose, probe, tails, background, exponent of the atomic number, defects, rotation, distortion and the error of the
calibration (2 %; one image of four has none) are drawn at random. Every image is identified from all structures of its
geometry, and then from the right one alone. With ``--any-dopant`` the images are of dichalcogenides whose substitutes are of
any group, in place of isovalent ones. A row holds the probabilities in one range: their number, mean, and share right.
"""

import argparse
import csv
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
from bench_names import true_names

from hyperspy_motifs import data

LAYERS = ["MoS2", "MoSe2", "MoTe2", "WS2", "WSe2", "NbSe2"]
PEROVSKITES = ["SrTiO3", "BaTiO3", "PbTiO3"]
MATERIALS = [*LAYERS, *PEROVSKITES, "graphene"]
DOPANTS = {
    "metal_dopant": ["Ti", "V", "Cr", "Zr", "Nb", "Hf", "Ta", "Re"],
    "chalcogen_dopant": ["O", "Cl", "As", "Br"],
}
RANGES = [0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.0]


def simulated(number, any_dopant):
    """An image, its truth, its material, the structures of its geometry, and names that the structure calls otherwise."""
    rng = np.random.default_rng([number, 26])
    materials = LAYERS if any_dopant else MATERIALS
    material = materials[number % len(materials)]
    imaging = {
        "shape": (180, 200),
        "random_state": number,
        "rotation": rng.uniform(0, 60),
        "tails": rng.uniform(0.05, 0.3),
        "background": rng.uniform(0, 0.4),
        "background_variation": rng.uniform(0, 0.2),
        "contrast_variation": rng.uniform(0, 0.1),
        "strain": rng.uniform(0, 0.015),
        "z_exponent": rng.uniform(1.4, 1.9),
    }
    if material in LAYERS:
        some = {
            "vacancies": rng.uniform(0, 0.08),
            "dose": 10 ** rng.uniform(4.5, 5.7),
            "probe_size": rng.uniform(0.08, 0.115),
        }
        if any_dopant:
            others = {key: [e for e in elements if e not in material] for key, elements in DOPANTS.items()}
            some |= {key: (str(rng.choice(elements)), 0.02) for key, elements in others.items()}
        return *data.monolayer(material, **some, **imaging), material, [*LAYERS, "hBN"], {}
    if material in PEROVSKITES:
        some = {"dose": 10 ** rng.uniform(3.6, 4.6), "probe_size": rng.uniform(0.085, 0.125)}
        return *data.perovskite(material, **some, **imaging), material, PEROVSKITES, {"Ti": "TiO"}
    some = {
        "spacing": 0.1421,
        "element": "C",
        "pixel_size": 0.01,
        "probe_size": rng.uniform(0.06, 0.085),
        "dose": 2e6,
    }
    return *data.lattice("honeycomb", **some, **imaging), material, ["graphene", "hBN", "MoS2"], None


def probabilities_of(number, any_dopant):
    """Probabilities of structures, of atoms and of defects, each with whether it is right."""
    image, truth, material, structures, other_names = simulated(number, any_dopant)
    rng = np.random.default_rng([number, 27])
    for axis in image.axes_manager.signal_axes:
        axis.scale *= np.exp(rng.normal(0, 0.02))
        axis.units = "" if number % 4 == 3 else axis.units
    motifs = image.find_motifs(show_progressbar=False)
    several = motifs.identify(structures, relabel=False)
    alone = motifs.identify(material, relabel=False)
    true = true_names(motifs, truth, other_names)
    known = (true != "") & (alone.names != "?")
    hosts = [s.name for s in alone.species if s.kind == "host"]
    atoms = np.column_stack([alone.probabilities, alone.names == true])[known]
    return {
        "structure": [(s.probability, s.name.split(" ")[0] == material) for s in several.structures],
        "atom": atoms,
        "defect": atoms[~np.isin(alone.names, hosts)[known]],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first image")
    parser.add_argument("--any-dopant", action="store_true")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    each = [
        probabilities_of(number, options.any_dopant)
        for number in range(options.first, options.first + options.images)
    ]
    rows = []
    for what in each[0]:
        values = np.concatenate([np.reshape(one[what], (-1, 2)) for one in each]).astype(float)
        place = np.digitize(values[:, 0], RANGES[1:-1])
        for k, (low, high) in enumerate(pairwise(RANGES)):
            here = values[place == k]
            if len(here):
                predicted, right = here.mean(axis=0)
                row = {"name of": what, "probability": f"{low} to {high}", "number": len(here)}
                rows.append({**row, "predicted": f"{predicted:.3f}", "right": f"{right:.3f}"})
                print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    if options.output:
        with options.output.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
