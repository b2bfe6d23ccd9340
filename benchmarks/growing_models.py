"""How well a model learns motifs that it does not know, and how often it learns some where there are none.

    python benchmarks/growing_models.py [SEEDS]

For each material, a model of three images with vacancies is updated with an image of the same specimen, at another pixel size,
dose and rotation, and with images that also have one kind of dopant. Printed are the number of new motifs, and how many of the
dopants of a further image get them, with how many others. A model of that and another doped image is also merged.
"""

import sys

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs import find_motifs
from hyperspy_motifs.data import monolayer

FIELD = (4.4, 5.0)  # nm
SHARE = 0.05
#: Dopants of the metal and of the chalcogen sites.
MATERIALS = {
    "MoSe2": (("W", None), (None, "S"), (None, "Te")),
    "WS2": (("Mo", None), (None, "Se")),
    "MoTe2": (("W", None), (None, "Se")),
}


def simulated(material, seed, dopants=(None, None)):
    """Return an image with 11 to 20 pixels a bond, a dose of 2e5 to 1e6 and a random rotation, and its truth."""
    rng = np.random.default_rng([seed, 7])
    size = 0.19 / rng.uniform(11, 20)
    metal, chalcogen = ((element, SHARE) if element else None for element in dopants)
    return monolayer(
        material, shape=tuple(int(length / size) for length in FIELD), pixel_size=size, dose=10 ** rng.uniform(5.3, 6),
        rotation=rng.uniform(0, 60), double_vacancies=0, metal_dopant=metal, chalcogen_dopant=chalcogen, random_state=seed,
    )  # fmt: skip


def score(model, n_known, material, seed, dopants):
    """Return the dopants, and those of them and other atoms that have a new motif, in a further image."""
    signal, truth = simulated(material, seed, dopants)
    motifs = signal.apply_model(model, show_progressbar=False)
    distance, nearest = cKDTree(truth.positions).query(motifs.pixel_positions)
    spacing = motifs.parameters["spacing"] / signal.axes_manager.signal_axes[0].scale
    # Of a column on the border half of the disc is unknown.
    rows, columns = signal.data.shape
    inside = (
        np.minimum(motifs.pixel_positions, [columns, rows] - motifs.pixel_positions).min(axis=1)
        > 0.3 * spacing
    )
    here = (distance < 0.4 * spacing) & inside
    doped = (truth.labels[nearest] == len(truth.names) - 1)[here]
    new = (motifs.labels >= n_known)[here]
    return int(doped.sum()), int((doped & new).sum()), int((~doped & new).sum())


def main(seeds: int) -> None:
    """Print a line for each material, dopant and seed, and the sums."""
    same, total = [], np.zeros((2, 3), int)
    for material, kinds in MATERIALS.items():
        for seed in range(seeds):
            first = 100 * seed
            known = find_motifs(
                [simulated(material, first + k)[0] for k in range(3)], show_progressbar=False
            ).model
            grown = known.update([simulated(material, first + 3)[0]])
            same.append(grown.n_motifs - known.n_motifs)
            print(f"{material} {seed}: {known.n_motifs} motifs; same specimen: {same[-1]} new")
            for dopants in kinds:
                image = simulated(material, first + 4, dopants)[0]
                grown = known.update([image])
                merged = known.merge(
                    find_motifs(
                        [image, simulated(material, first + 5, dopants)[0]], show_progressbar=False
                    ).model
                )
                rows = [
                    score(model, known.n_motifs, material, first + 6, dopants) for model in (grown, merged)
                ]
                total += rows
                print(
                    f"  {dopants[0] or dopants[1]}: "
                    + "; ".join(
                        f"{word} {model.n_motifs - known.n_motifs} new, {found} of {n} dopants, {others} others"
                        for word, model, (n, found, others) in zip(
                            ("update", "merge"), (grown, merged), rows, strict=True
                        )
                    ),
                    flush=True,
                )
    print(f"same specimen: {sum(v > 0 for v in same)} of {len(same)} models learn something")
    for word, (n, found, others) in zip(("update", "merge"), total, strict=True):
        print(f"{word}: {found} of {n} dopants, {others} others")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
