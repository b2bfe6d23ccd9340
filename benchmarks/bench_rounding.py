"""Whether places that were rounded to the pixels of a simulation are told from places that were not.

    python benchmarks/bench_rounding.py

Families of lattices, turned and distorted, with displacements that alternate, that form waves, domains and boundaries. Their
places are taken as they are, or rounded to steps of 0.8 to 1.4 pixels, with errors of 0.03, 0.1 and 0.2 pixels after that. For
some least lengths of the mean phase (`atoms._processing._AGREES`): share of the axes along which rounding is found.
"""

from __future__ import annotations

import numpy as np

from hyperspy_motifs.atoms import _processing
from hyperspy_motifs.common import STRICT_LEVEL

LEAST = (0.2, 0.3, 0.4, 0.5, 0.6)
SEEDS = 30
SIZE = 450.0


def main():
    families = "square honeycomb centred alternating chequered threefold wave domains layers boundary".split()
    print("family        rounded   least: " + "   ".join(f"{v:4.1f}" for v in LEAST))
    for family in families:
        for rounded in (False, True):
            shares = []
            for least in LEAST:
                _processing._AGREES = least
                found = [_found(family, rounded, seed) for seed in range(SEEDS)]
                shares.append(np.mean(found))
            print(
                f"{family:12}  {rounded!s:7}          {'   '.join(f'{v:4.2f}' for v in shares)}", flush=True
            )


def _found(family, rounded, seed):
    rng = np.random.default_rng(seed)
    spacing, drift, angle = rng.uniform(7, 14), rng.choice([0, 0.5, 1.5]), rng.choice([0, 0, 5, 30])
    places = _turned(_lattice(family, spacing), angle) + SIZE / 2 + rng.uniform(0, spacing, 2)
    places = places[np.all((places > 3) & (places < SIZE - 3), axis=1)]
    places += drift * np.column_stack([np.sin(places[:, 1] / 90), np.cos(places[:, 0] / 130)])
    if rounded:
        step = rng.uniform(0.8, 1.4)
        places = np.rint(places / step) * step
    places += rng.normal(0, rng.choice([0.03, 0.1, 0.2]), places.shape)
    return [p < STRICT_LEVEL / 2 for p in _processing.measure_rounding(places).p]


def _lattice(family, spacing):
    number = int(0.8 * SIZE / spacing) + 2
    i, j = (v.ravel() for v in np.mgrid[-number:number, -number:number])
    square = np.column_stack([i, j])
    triangular = np.column_stack([i + j / 2, j * np.sqrt(3) / 2])
    honeycomb = (
        np.sqrt(3) * spacing * np.concatenate([triangular, triangular + np.array([0.5, np.sqrt(3) / 6])])
    )
    # Displacements of a twentieth of the distance, along y.
    along = {
        "alternating": (-1.0) ** j,
        "chequered": (-1.0) ** (i + j),
        "threefold": np.sin(2 * np.pi * j / 3),
        "wave": np.sin(2 * np.pi * j / 7.3),
    }
    if family in along:
        return spacing * np.column_stack([i, j + 0.05 * along[family]])
    if family == "honeycomb":
        return honeycomb
    if family == "boundary":
        left, right = _turned(honeycomb, 10), _turned(honeycomb, -11)
        return np.concatenate([left[left[:, 0] < 0], right[right[:, 0] > spacing / 2]])
    if family == "square":
        return spacing * square
    sign = {"centred": 0, "domains": np.where(i > 0, 1, -1), "layers": np.where(j > 0, 1, -1)}[family]
    centre = np.column_stack([i + 0.5, j + 0.5 + 0.03 * sign])
    return np.sqrt(2) * spacing * np.concatenate([square, centre])


def _turned(points, degrees):
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return points @ np.array([[c, s], [-s, c]])


if __name__ == "__main__":
    main()
