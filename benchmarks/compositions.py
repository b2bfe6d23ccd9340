"""One model of five images of a material with different shares of a dopant, which change the contrast of all its columns.

    python benchmarks/compositions.py [SEED]

The images have 10 to 20 pixels a bond, any rotation, doses that differ by up to a factor of five, and 0, 6, 0, 20 and 10 % of
the dopant. Prints the agreement of the motifs with the species over all images, and the numbers of motifs and of species.
"""

import sys

import numpy as np
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score

from hyperspy_motifs import find_motifs
from hyperspy_motifs.data import monolayer

FIELD, BOND = (3.6, 4.2), 0.19  # nm
SHARES = (0, 0.06, 0, 0.2, 0.1)
#: Material, and its dopant of the metal or of the chalcogen sites.
FAMILIES = (
    ("MoSe2", "W", "metal_dopant"), ("MoSe2", "Te", "chalcogen_dopant"), ("MoS2", "W", "metal_dopant"),
    ("MoS2", "Se", "chalcogen_dopant"), ("WS2", "Mo", "metal_dopant"),
)  # fmt: skip


def simulated(family, seed):
    """Return the images and their truths."""
    material, dopant, site = family
    rng, out = np.random.default_rng([seed, 11]), []
    for k, share in enumerate(SHARES):
        size = BOND / rng.uniform(10, 20)
        composition = {
            "metal_dopant": None,
            "chalcogen_dopant": None,
            site: (dopant, share) if share else None,
        }
        out.append(
            monolayer(
                material, shape=tuple(int(length / size) for length in FIELD), pixel_size=size,
                rotation=rng.uniform(0, 90), dose=5e5 * rng.uniform(0.4, 2), vacancies=0.06, double_vacancies=0,
                random_state=100 * seed + k, **composition,
            )
        )  # fmt: skip
    return out


def main(seed: int) -> None:
    """Print a line for each material and dopant."""
    for family in FAMILIES:
        images = simulated(family, seed)
        collection = find_motifs([signal for signal, _ in images], show_progressbar=False)
        found, true = [], []
        for motifs, (signal, truth) in zip(collection, images, strict=True):
            places, (rows, columns) = motifs.pixel_positions, signal.data.shape
            spacing = motifs.parameters["spacing"] / signal.axes_manager.signal_axes[0].scale
            distance, nearest = cKDTree(truth.positions).query(places)
            # Of a column on the border half of the disc is unknown.
            edge = np.minimum(places, [columns, rows] - places).min(axis=1)
            known = (distance < 0.4 * spacing) & (edge > 0.3 * spacing)
            found.append(motifs.labels[known])
            true.append(np.array(truth.names)[truth.labels[nearest[known]]])
        labels, species = np.concatenate(found), np.concatenate(true)
        print(
            f"{family[0]} with {family[1]}: {adjusted_rand_score(species, labels):.3f}, {len(np.unique(labels))} motifs of "
            f"{len(np.unique(species))} species",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
