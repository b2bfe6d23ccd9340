"""Regions that are offered on a continuum: no random number has a part in them, and they mean something."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score

from hyperspy_motifs import data
from hyperspy_motifs.clustering import _regions


def test_other_random_numbers_find_the_same_regions(bilayer):
    stability = bilayer[0].get_stability(2)
    np.testing.assert_array_equal(stability.labels, [bilayer[2]] * 2)


def test_they_are_said_to_be_regions(bilayer):
    motifs = bilayer[0]
    assert "regions of a continuum" in str(motifs)
    assert motifs.continuity.certainty > 0.9
    assert motifs.continuity.variation > 0.1


def test_they_lie_round_the_stackings(bilayer):
    # Of a field of whole moire cells; a cut through the torus elsewhere would agree by chance only.
    motifs, truth, labels = bilayer
    _, nearest = cKDTree(truth.positions).query(motifs.pixel_positions)
    assert motifs.n_motifs == 3
    assert adjusted_rand_score(truth.labels[nearest], labels) > 0.6


def test_finer_regions_are_parts_of_coarser_ones(bilayer):
    motifs = bilayer[0]
    fine, coarse = motifs.labels_at(2.4), motifs.labels_at(1.2)
    assert fine.max() > coarse.max()
    for region in range(int(fine.max()) + 1):
        assert len(np.unique(coarse[fine == region])) == 1
    for k in (1, 2, 3, 5):
        assert len(np.unique(motifs.tree.cut(k))) == k
    np.testing.assert_array_equal(motifs.tree.labels_at(1.2), coarse)
    assert motifs.probabilities.min() > 0
    assert motifs.probabilities.max() <= 1


def test_another_exposure_of_the_field_is_read_alike(bilayer):
    motifs, _, labels = bilayer
    other, _ = data.twisted_bilayer(twist=6.0, shape=(480, 500), random_state=4, frame=1)
    found = motifs.predict(other.isig[:400, :400], show_progressbar=False)
    apart, nearest = cKDTree(motifs.pixel_positions).query(found.pixel_positions)
    same = (found.labels == labels[nearest])[apart < 2]
    assert same.mean() > 0.85
    # The coordinates of the same atoms are nearly the same, too, told from the motifs or from bare atoms.
    own = motifs.manifold.coordinates[nearest][apart < 2]
    there = motifs.manifold.transform(found)
    assert there.shape == (len(found.labels), own.shape[1])
    for mode in range(4):
        assert np.corrcoef(there[apart < 2, mode], own[:, mode])[0, 1] > 0.97
    bare = motifs.manifold.transform(found.signal, atoms=found.positions)
    np.testing.assert_allclose(bare, there, atol=1e-6)


def test_coordinates_of_what_cannot_be_read(bilayer):
    motifs = bilayer[0]
    with pytest.raises(TypeError, match="AtomicImage"):
        motifs.manifold.transform(np.ones((8, 8)))
    with pytest.raises(ValueError, match=r"atoms="):
        motifs.manifold.transform(data.noise(shape=(64, 64))[0])


def test_it_is_said_why_there_are_fewer_regions(bilayer):
    with pytest.warns(UserWarning, match="continuum") as told:
        motifs = (
            bilayer[0].signal.isig[:240, :250].find_motifs(n_motifs=300, radius=1.2, show_progressbar=False)
        )
    assert 3 < motifs.n_motifs < 300
    assert any("a region of a continuum needs" in str(one.message) for one in told)


def test_a_disc_of_one_column_does_not_change_the_verdict_nor_the_number_of_regions_that_is_asked_for(
    bilayer,
):
    # How much surroundings vary is told by the nearest neighbours. A crop has a spacing of its own.
    image, spacing = bilayer[0].signal.isig[:240, :250], bilayer[0].parameters["spacing"]
    found = []
    for radius in (0.6, 1.2):
        with pytest.warns(UserWarning, match="continuum"):
            motifs = image.find_motifs(
                radius=radius * spacing, radius_units="axes", n_motifs=4, show_progressbar=False
            )
        assert motifs.n_motifs == 4
        found.append(motifs.continuity)
        spacing = motifs.parameters["spacing"]
    assert found[0].is_continuous
    assert found[0].variation == pytest.approx(found[1].variation, rel=0.015)


# A radius of one column may be added to the usual ones: it shows kinds of atoms, as the smallest does.
def test_probabilities_are_numbers_where_atoms_are_far_from_all_others(bilayer, monkeypatch):
    told = _regions._before_the_gap

    def with_odd_ones(manifold):
        where = told(manifold).copy()
        where[:2] += 1e3 * (1 + np.arange(2)[:, None]) * np.abs(where).max()
        return where

    monkeypatch.setattr(_regions, "_before_the_gap", with_odd_ones)
    with pytest.warns(UserWarning, match="continuum"):
        motifs = bilayer[0].signal.isig[:240, :250].find_motifs(radius=0.7, show_progressbar=False)
    assert motifs.labels_at(1.2).max() == 2
    for radius in motifs.radii:
        assert np.isfinite(motifs.at(radius).probabilities).all()
        assert np.bincount(motifs.labels_at(radius)).min() >= 5
