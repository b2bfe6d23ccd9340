"""Lattices have no more motifs than sites, whatever the scan and the border do to them."""

import pytest

from hyperspy_motifs import data


@pytest.mark.parametrize(
    ("lattice", "sites", "distortion"),
    [
        pytest.param("square", 1, {"strain": 0.028, "wobble": 1.01, "random_state": 1012}, id="rows shift"),
        pytest.param("triangular", 1, {"strain": 0.00635, "wobble": 1.07, "random_state": 1013}, id="waves"),
        pytest.param("kagome", 3, {"random_state": 1023}, id="few whole discs"),
        # Atoms of one row are displaced alike; without regard to that there are ten motifs.
        pytest.param("square", 1, {"dose": 1e6, "row_jitter": 0.8, "random_state": 2}, id="rows jitter"),
    ],
)
def test_a_lattice_has_no_more_motifs_than_sites(lattice, sites, distortion):
    signal, truth = data.lattice(lattice, shape=(224, 256), **{"dose": 1e5, **distortion})
    motifs = signal.find_motifs(show_progressbar=False)
    assert len(motifs.positions) >= 0.85 * len(truth.positions)
    assert motifs.n_motifs <= sites
