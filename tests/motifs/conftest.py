"""A simulated monolayer whose every column is known, and its motifs."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from hyperspy_motifs import data


@pytest.fixture(scope="session")
def simulated():
    return data.monolayer(
        "MoSe2",
        vacancies=0.06,
        double_vacancies=0.0,
        metal_dopant=("W", 0.06),
        chalcogen_dopant=None,
        shape=(300, 364),
        dose=3e5,
        random_state=4,
    )


@pytest.fixture(scope="session")
def found(simulated, first_two_radii):
    signal = simulated[0].deepcopy()
    with first_two_radii():
        signal.find_motifs(radius=0.6)
    return signal


@pytest.fixture
def motifs(found):
    return found.deepcopy().motifs


@pytest.fixture
def matched():
    """Found and true atoms that are the same, away from the border."""
    return _matched


def _matched(motifs, truth, margin=30):
    """Found and true atoms that are the same, away from the border."""
    distance, index = cKDTree(truth.positions).query(motifs.pixel_positions)
    pixels = motifs.pixel_positions
    inside = np.all((pixels > margin) & (pixels < np.array(motifs.signal.data.shape[::-1]) - margin), axis=1)
    return np.flatnonzero((distance < 4) & inside), index
