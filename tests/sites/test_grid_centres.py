"""A grid is advised where two layers overlap, and nowhere else."""

import numpy as np
import pytest

from hyperspy_motifs import data
from hyperspy_motifs.sites import choose_patch_centres


def test_a_twisted_bilayer_is_for_a_grid():
    # The field must hold more than a period of the moiré pattern: within one, the stacking is the same.
    signal, _ = data.twisted_bilayer(shape=(480, 501), random_state=3)
    found = choose_patch_centres(np.asarray(signal.data, float))
    assert found.kind == "grid"
    assert "columns overlap" in found.reason


@pytest.mark.parametrize("apart", [0.28, 0.42])
def test_dumbbells_are_for_peaks(apart):
    """Two columns that merge into one peak, the same everywhere, are the lattice itself."""
    rng, image = np.random.default_rng(2), np.zeros((220, 241))
    y, x = np.mgrid[:220, :241]
    for row in range(9, 220, 18):
        for column in range(8, 241, 15):
            for side in (-0.5, 0.5):
                image += np.exp(-0.5 * ((x - column) ** 2 + (y - row - side * apart * 15) ** 2) / 4.5**2)
    found = choose_patch_centres(image + rng.normal(0, 0.2, image.shape))
    assert found.kind == "peaks"


def test_noise_does_not_make_columns_overlap():
    signal, _ = data.monolayer(shape=(300, 321), dose=6e3, random_state=5)
    assert choose_patch_centres(np.asarray(signal.data, float)).kind == "peaks"
