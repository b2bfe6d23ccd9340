"""One model of six simulated images that differ in everything but the specimen.

    python benchmarks/six_images.py [SEED]

A MoSe2 monolayer with vacancies and two dopants at 10 to 40 pixels per nearest-neighbour distance, three doses, six rotations,
different fields of view and gains, one image with 8 bits. Prints the agreement of the motifs with the species, image by image
and over all atoms, with the numbers of the collection.
"""

import sys

import numpy as np
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score

from hyperspy_motifs import find_motifs
from hyperspy_motifs.data import monolayer

BOND = 0.19  # nm
#: Pixels per bond, electrons per square angstrom, degrees, counts per electron, rows and columns in nm.
IMAGES = (
    (10, 1e6, 0, 1, (9.0, 8.0)), (14, 1e5, 17, 1, (7.0, 8.0)), (18, 3e5, 43, 30, (8.0, 6.0)),
    (24, 1e6, 8, 1, (6.0, 6.5)), (32, 1e5, 71, 5, (5.0, 6.0)), (40, 3e5, 29, 1, (4.2, 5.0)),
)  # fmt: skip
EIGHT_BITS = 3


def simulated(seed: int):
    """Return the images and their truths."""
    out = []
    for k, (pixels, dose, degrees, gain, field) in enumerate(IMAGES):
        size = BOND / pixels
        signal, truth = monolayer(
            shape=tuple(int(length / size) for length in field), pixel_size=size, dose=dose, rotation=degrees, gain=gain,
            random_state=10 * seed + k,
        )  # fmt: skip
        if k == EIGHT_BITS:
            low, high = signal.data.min(), signal.data.max()
            signal.data = np.round((signal.data - low) / (high - low) * 255).astype(np.uint8)
        out.append((signal, truth))
    return out


def main(seed: int) -> None:
    """Print the agreement."""
    images = simulated(seed)
    collection = find_motifs([signal for signal, _ in images], show_progressbar=False)
    print(collection)
    found, true = [], []
    for motifs, (signal, truth) in zip(collection, images, strict=True):
        spacing = motifs.parameters["spacing"] / signal.axes_manager.signal_axes[0].scale
        distance, nearest = cKDTree(truth.positions).query(motifs.pixel_positions)
        near = distance < 0.4 * spacing
        found.append(motifs.labels[near])
        true.append(truth.labels[nearest[near]])
        print(
            f"{adjusted_rand_score(true[-1], found[-1]):.4f}  {near.sum()} of {len(truth.labels)} columns found"
        )
    print(f"{adjusted_rand_score(np.concatenate(true), np.concatenate(found)):.4f}  over all")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
