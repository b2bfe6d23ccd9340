"""Motifs of images whose scan lines are displaced, and what the errors that are added to the moments do to them.

    python benchmarks/bench_scan_errors.py

The rows of each lattice are parallel to the scan lines. For each standard deviation of the displacements, and of the
errors that are added, in units of the measured one (`zernike._moments._VARIED`): number of motifs and adjusted
Rand index, means of some images.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score

from hyperspy_motifs import data
from hyperspy_motifs.zernike import _moments

VARIED = (0.0, 1.0, 1.4, 2.0)
SEEDS = 4
SHAPE = (300, 317)


def main():
    # The two sites of a honeycomb, and the two displacements of the perovskite, differ at larger radii.
    families = (
        ("square", lambda **k: data.lattice("square", **k)),
        ("triangular", lambda **k: data.lattice("triangular", **k)),
        ("honeycomb", lambda **k: data.lattice("honeycomb", spacing=0.2, **k)),
        ("perovskite", lambda **k: data.perovskite(**k)),
        ("MoSe2", lambda **k: data.monolayer(**k)),
    )
    print(f"lattice       jitter   added: {'              '.join(f'{v:.1f}' for v in VARIED)}")
    for name, family in families:
        for jitter in (0.0, 0.2, 0.4, 0.8):
            cells = []
            for varied in VARIED:
                _moments._VARIED = varied
                found = [_found(family, jitter, seed) for seed in range(SEEDS)]
                number, agreement = np.mean(found, axis=0)
                cells.append(f"{number:5.1f}  {agreement:5.3f}")
            print(f"{name:12}  {jitter:5.1f}      {'    '.join(cells)}", flush=True)


def _found(family, jitter, seed):
    signal, truth = family(shape=SHAPE, row_jitter=jitter, dose=1e6, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        motifs = signal.find_motifs(show_progressbar=False)
    place = motifs.positions / abs(signal.axes_manager.signal_axes[0].scale)
    distance, site = cKDTree(truth.positions).query(place)
    near = distance < 3
    return motifs.n_motifs, adjusted_rand_score(truth.labels[site[near]], motifs.labels[near])


if __name__ == "__main__":
    main()
