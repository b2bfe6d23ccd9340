"""The motifs of a stored result, found again with other random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from hyperspy_motifs import store

from ._arguments import LARGEST_SEED, check_count
from ._detectors import detectors_of
from ._moment_source import source_of
from ._prediction import fitted_model


def labels_by_seed(signal: Any, record: store.Record, n_seeds: int) -> np.ndarray:
    """Labels at the chosen radius by each of `n_seeds` other seeds, shape (n_seeds, n)."""
    number = check_count(n_seeds, "n_seeds", 2, 1000)
    if record.parameters.get("learned", "here") != "here":
        raise ValueError(
            "These motifs were learned on a sample or on another image and then assigned to these atoms, without random "
            "numbers. The stability can be estimated only for motifs that find_motifs found in one image."
        )
    if detectors_of(signal, record) is None:
        raise ValueError(
            "These motifs were found in several detectors, whose images were not kept. Compare find_motifs(detectors=..., "
            "random_state=...) by other seeds with hyperspy_motifs.clustering.estimate_stability."
        )
    options = record.parameters["options"]
    first = int(options["random_state"])
    radius = float(record.radii[record.chosen])
    source = source_of(signal, record)
    found = []
    for step in range(1, number + 1):
        model = fitted_model(record, source, (first + step) % (LARGEST_SEED + 1))
        found.append(model.labels_at_[radius] if options["n_motifs"] is None else model.labels_)
    return np.array(found)
