"""Find planted single defects, and count false ones, beside other methods and an oracle.

    python benchmarks/bench_defects.py [--seeds 20] [--size 768] [--materials MoSe2 graphene] [-o docs/guide/defects.csv]
    python benchmarks/bench_defects.py --quick

Every material is simulated at three doses; with `--quick` at the middle one, in two pairs of images of 512 pixels. Of each
pair one has no defects, and the other has four single ones: a column missing, one 30 % dimmer, one 30 % brighter and one
moved by 0.15 nearest-neighbour distances, far from each other and from the border. Recall is in percent of each kind, in the
order missing / dimmer / brighter / moved; `false` is the number of false ones per image without defects, and `any` the
fraction of these images with any.

defects           motifs.defects
scilink           type_sublattice_defects of SciLink 0.0.83 with two sublattices, given our columns; only where it is
                  installed with AtomAI, which need Python 3.12 and PyTorch
robust z          height of the fit of a column against the median of its motif, 5 robust standard deviations
isolation forest  scikit-learn's, on the Zernike features of motifs.features: the most outlying 0.2 % of the atoms
oracle            likelihood ratio of the two expected images within two nearest-neighbour distances, with the place,
                  kind and size of the defect and all other columns known; Bonferroni over all columns at 0.05
"""

import argparse
import csv
import warnings
from dataclasses import replace
from pathlib import Path

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import norm
from sklearn.ensemble import IsolationForest

try:
    from scilink.skills.image_analysis.atomic_stem.atom_finding import type_sublattice_defects
except ImportError:
    type_sublattice_defects = None

from hyperspy_motifs.data import (
    Imaging,
    lattice_specimen,
    m1_oxide_specimen,
    monolayer_specimen,
    perovskite_specimen,
    simulate,
)

KINDS = ("missing", "dimmer", "brighter", "moved")
METHODS = ("defects", "scilink", "robust z", "isolation forest", "oracle")
MATERIALS = {
    "MoSe2": ({"pixel_size": 0.0125}, (3e4, 1e5, 3e5)),
    "graphene": ({"pixel_size": 0.0094, "probe_size": 0.075}, (3e5, 1e6, 3e6)),
    "SrTiO3": ({"pixel_size": 0.014, "scattering": 1e-5, "probe_size": 0.11}, (2e3, 6e3, 2e4)),
    "M1": ({"pixel_size": 0.012, "scattering": 1e-5}, (6e3, 2e4, 6e4)),
}
# Nearest-neighbour distances between defects, and from the border.
APART, INSIDE = 5.0, 4.0


def specimen_of(material, reach, seed):
    """Columns without defects, with a little static disorder."""
    if material == "MoSe2":
        return monolayer_specimen("MoSe2", reach, 0, 0, None, None).displaced(0.002, seed)
    if material == "graphene":
        return lattice_specimen("honeycomb", reach, 0.142, "C").displaced(0.001, seed)
    if material == "SrTiO3":
        return perovskite_specimen("SrTiO3", reach, displacement=0.0).displaced(0.0015, seed)
    return m1_oxide_specimen(reach, random_state=seed).displaced(0.002, seed)


def plant(specimen, imaging, seed):
    """The specimen with one defect of each kind; their places in pixels, and the nearest-neighbour distance in pixels."""
    rng = np.random.default_rng([seed, 99])
    pixels = imaging.to_pixels(specimen.positions, seed)
    seen = specimen.labels >= 0
    spacing = float(np.median(cKDTree(pixels[seen]).query(pixels[seen], k=2)[0][:, 1]))
    extent = np.array(imaging.shape[::-1]) - 1
    inner = np.flatnonzero(seen & (np.minimum(pixels, extent - pixels).min(axis=1) > INSIDE * spacing))
    chosen = []
    for k in rng.permutation(inner):
        if all(np.hypot(*(pixels[k] - pixels[j])) > APART * spacing for j in chosen):
            chosen.append(int(k))
        if len(chosen) == len(KINDS):
            break
    else:
        raise ValueError(
            f"{len(KINDS)} defects {APART:g} distances of {spacing:.0f} pixels apart do not fit into {imaging.shape}: "
            "choose a larger --size."
        )
    missing, dim, bright, moved = chosen
    positions, counts = specimen.positions.copy(), specimen.counts.astype(float)
    counts[specimen.column == dim] *= 0.7
    counts[specimen.column == bright] *= 1.3
    counts[specimen.column == missing] = 0.0
    angle = rng.uniform(0, 2 * np.pi)
    positions[moved] += 0.15 * spacing * imaging.pixel_size * np.array([np.cos(angle), np.sin(angle)])
    return replace(specimen, positions=positions, counts=counts), pixels[chosen], spacing


def find(image):
    """Positions in pixels that each method calls a defect."""
    signal = hs.signals.Signal2D(image)
    signal.set_signal_type("atomic_image")
    motifs = signal.find_motifs(show_progressbar=False)
    pixels, heights, kinds = (
        motifs.pixel_positions,
        motifs.to_dict()["amplitude"],
        motifs.labels_at(motifs.radii[0]),
    )
    z = np.zeros(len(pixels))
    for kind in np.unique(kinds):
        own = heights[kinds == kind]
        middle = np.median(own)
        z[kinds == kind] = (own - middle) / max(1.4826 * np.median(np.abs(own - middle)), 1e-12)
    features = np.nan_to_num(np.asarray(motifs.features.data, float).reshape(len(pixels), -1))
    score = IsolationForest(random_state=0).fit(features).score_samples(features)
    return {
        "defects": motifs.defects.pixel_positions,
        **by_scilink(image, pixels),
        "robust z": pixels[np.abs(z) > 5],
        "isolation forest": pixels[score <= np.quantile(score, 0.002)],
    }


def by_scilink(image, pixels):
    """Vacancies and dopants by SciLink, if it is installed."""
    if type_sublattice_defects is None:
        return {}
    found = type_sublattice_defects(image, pixels, n_sublattices=2)["metrics"]
    listed = [(one["x"], one["y"]) for kind in ("vacancies", "dopants") for one in found.get(kind, [])]
    plt.close("all")
    return {"scilink": np.reshape(listed, (-1, 2))}


def oracle(image, without, with_defects, places, spacing, n_columns):
    """Whether the likelihood ratio shows each planted defect."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    # Brightness and background of a simulation are relative to the median column, which the defects change: they show at
    # themselves only.
    away = cKDTree(places).query(np.column_stack([x.ravel(), y.ravel()]))[0].reshape(x.shape) > 3 * spacing
    without = np.polyval(np.polyfit(without[away], with_defects[away], 1), without)
    shown = []
    for place in places:
        near = np.hypot(x - place[0], y - place[1]) < 2 * spacing
        weight = np.log(with_defects[near] / without[near])
        z = ((image[near] - without[near]) * weight).sum() / np.sqrt((without[near] * weight**2).sum())
        shown.append(norm.sf(z) * n_columns <= 0.05)
    return np.array(shown)


def inner_places(places, shape, spacing):
    """Those where something could have been planted."""
    extent = np.array(shape[::-1]) - 1
    return (
        places[np.minimum(places, extent - places).min(axis=1) > INSIDE * spacing] if len(places) else places
    )


def measure(material, dose, seeds, size):
    """Hits by method and kind, and false ones of every image without defects by method."""
    hits = {method: np.zeros(len(KINDS)) for method in METHODS}
    false = {method: [] for method in METHODS[:-1]}
    for seed in seeds:
        imaging = Imaging.of({"shape": (size, size), "rotation": 7.0, "dose": dose}, MATERIALS[material][0])
        perfect = specimen_of(material, imaging.reach, seed)
        planted, places, spacing = plant(perfect, imaging, seed)
        (clean, before), (image, after) = (simulate(s, imaging, seed) for s in (perfect, planted))
        expected = [truth.extra["noise_free"].astype(float) for truth in (before, after)]
        for method, found in find(image).items():
            if len(found):
                hits[method] += cKDTree(found).query(places)[0] < 0.5 * spacing
        for method, found in find(clean).items():
            false[method].append(len(inner_places(found, clean.shape, spacing)))
        hits["oracle"] += oracle(image, *expected, places, spacing, len(before.positions))
    return hits, false


def main():
    """Print a row for each material, dose and method, and write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--size", type=int, default=768)
    parser.add_argument("--materials", nargs="+", default=list(MATERIALS), choices=list(MATERIALS))
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--quick", action="store_true", help="a few minutes: two seeds, 512 pixels, one dose")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.size = 2, 512
    if type_sublattice_defects is None:
        print("SciLink and AtomAI are not installed: their typing of defects is left out.")
    warnings.simplefilter("ignore", UserWarning)
    rows = []
    for material in options.materials:
        for dose in MATERIALS[material][1][1:2] if options.quick else MATERIALS[material][1]:
            hits, false = measure(material, dose, range(options.seeds), options.size)
            for method in METHODS:
                if method == "scilink" and type_sublattice_defects is None:
                    continue
                recall = "/".join(f"{100 * hit / options.seeds:.0f}" for hit in hits[method])
                wrong = false.get(method, [])
                rows.append(
                    {
                        "material": material,
                        "electrons per square angstrom": f"{dose:g}",
                        "method": method,
                        "recall in %": recall,
                        "false": f"{np.mean(wrong):.2f}" if wrong else "",
                        "any": f"{np.mean(np.array(wrong) > 0):.2f}" if wrong else "",
                    }
                )
                print(*rows[-1].values(), sep="  ", flush=True)
    if options.output:
        with options.output.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
