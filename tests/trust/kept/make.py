"""Make the kept file of the schema that this version writes: ``python tests/trust/kept/make.py``, once per schema."""

import sys
from pathlib import Path

import numpy as np

from hyperspy_motifs import data, store

target = Path(__file__).parent / f"schema_{store.SCHEMA_VERSION}.hspy"
if target.exists():
    sys.exit(f"{target.name} is there: a kept file is what an earlier version wrote, and is not made anew")
image, _ = data.monolayer(shape=(96, 118), random_state=0)
image.change_dtype("float32")
image.find_atoms()
motifs = image.find_motifs(n_max=4)
motifs.relabel({0: "Mo–S₂"})
motifs = image.motifs
image.save(target, chunks=image.data.shape)
np.savez_compressed(
    target.with_suffix(".npz"),
    labels=motifs.labels,
    positions=motifs.positions,
    radius_labels=np.array([motifs.labels_at(radius) for radius in motifs.radii]),
    cells=motifs.cells.labels,
)
