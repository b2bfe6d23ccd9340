"""One model of six simulated images that differ in everything but the specimen.

    python benchmarks/six_images.py [SEED] [--single]

A MoSe2 monolayer with vacancies and two dopants at 10 to 40 pixels per nearest-neighbour distance, three doses, six rotations,
different fields of view and gains, one image with 8 bits. Prints the agreement of the motifs with the species, image by image
and over all atoms, with the numbers of the collection. With --single, also that of six single runs: matched by hand, each motif
to that of the first image which holds most of the same species; motifs of other species keep numbers of their own.
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


def matched_by_hand(found: list, true: list) -> list:
    """Return labels in which each motif has the number of the motif of the first image that holds most of its species."""
    first = {k: int(np.bincount(found[0][true[0] == k]).argmax()) for k in np.unique(true[0]).tolist()}
    out, free = [], 1000
    for labels, species in zip(found, true, strict=True):
        numbers, taken = np.zeros(labels.max() + 1, int), set()
        for motif in np.argsort(-np.bincount(labels), kind="stable").tolist():
            of_species = first.get(int(np.bincount(species[labels == motif]).argmax()), -1)
            if of_species in taken or of_species < 0:
                of_species, free = free, free + 1
            taken.add(of_species)
            numbers[motif] = of_species
        out.append(numbers[labels])
    return out


def main(seed: int, single: bool) -> None:
    """Print the agreement."""
    images = simulated(seed)
    collection = find_motifs([signal for signal, _ in images], show_progressbar=False)
    print(collection)
    found, true = labels_and_species(collection, images)
    print(f"{adjusted_rand_score(np.concatenate(true), np.concatenate(found)):.4f}  over all")
    if single:
        found, true = labels_and_species(
            [signal.find_motifs(show_progressbar=False) for signal, _ in images], images
        )
        together = np.concatenate(matched_by_hand(found, true))
        print(
            f"{adjusted_rand_score(np.concatenate(true), together):.4f}  over all, of single runs matched by hand"
        )


def labels_and_species(each, images):
    """Return labels and species of the atoms of each image that are columns of the truth, and print their agreement."""
    found, true = [], []
    for motifs, (signal, truth) in zip(each, images, strict=True):
        spacing = motifs.parameters["spacing"] / signal.axes_manager.signal_axes[0].scale
        distance, nearest = cKDTree(truth.positions).query(motifs.pixel_positions)
        near = distance < 0.4 * spacing
        found.append(motifs.labels[near])
        true.append(truth.labels[nearest[near]])
        print(
            f"{adjusted_rand_score(true[-1], found[-1]):.4f}  {near.sum()} of {len(truth.labels)} columns found"
        )
    return found, true


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:] if text != "--single"]
    main(numbers[0] if numbers else 0, "--single" in sys.argv)
