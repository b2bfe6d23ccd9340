"""Kinds of sublattices stay apart, whatever their columns and their neighbours have in common."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from hyperspy_motifs.data import perovskite


@pytest.mark.parametrize(
    ("material", "shape", "n_species"),
    [
        # Lead and titanium are displaced against each other: the places of the neighbours of both are the same ones.
        ("PbTiO3", (330, 310), 2),
        # Half of the atoms are oxygen, turned by 90 degrees on every other site, so that each group has less than 15 %.
        ("SrTiO3", (370, 340), 3),
    ],
)
def test_a_motif_of_a_polar_perovskite_has_columns_of_one_species(material, shape, n_species):
    signal, truth = perovskite(material=material, shape=shape, dose=3e5, random_state=3)
    motifs = signal.find_motifs(show_progressbar=False)
    distance, nearest = cKDTree(truth.positions).query(motifs.pixel_positions)
    element = np.array([name.split("_")[0] for name in truth.names])[truth.labels[nearest]]
    species = np.unique(np.where(distance < 4, element, "O"), return_inverse=True)[1]
    assert (np.bincount(species) > 0.1 * len(species)).sum() == n_species
    most = [np.bincount(species[motifs.labels == k]).max() for k in range(motifs.n_motifs)]
    assert sum(most) > 0.98 * len(species)
