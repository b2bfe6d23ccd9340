"""Edits of a result: merged, split and named motifs, and the way back."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from hyperspy_motifs import store


def test_merge_makes_one_of_two_and_keeps_names(motifs):
    before = motifs.labels.copy()
    motifs.relabel({0: "metal", motifs.n_motifs - 1: "rarest"})
    last = motifs.n_motifs - 1
    motifs.merge([1, 2])
    assert motifs.n_motifs == last
    assert motifs.counts.sum() == len(before)
    merged = np.isin(before, [1, 2])
    assert len(np.unique(motifs.labels[merged])) == 1
    assert (motifs.labels[merged][0] != motifs.labels[~merged]).all()
    assert motifs.names[motifs.labels[before == 0][0]] == "metal"
    assert motifs.names[motifs.labels[before == last][0]] == "rarest"
    # The summary speaks of the motifs that there are now.
    assert f"  radius {motifs.radius:.3g} ({last} motif" in motifs.summary()


def test_cells_are_named_anew_after_a_merge(motifs):
    bonds = motifs.cells.bonds.copy()
    motifs.merge(list(range(motifs.n_motifs)))
    assert {letter for word in motifs.cells.corner_sequences for letter in word} == {0}
    np.testing.assert_array_equal(motifs.cells.bonds, bonds)


def test_undo_takes_the_last_edit_back_and_again_brings_it(motifs):
    before = motifs.labels.copy()
    motifs.merge([0, 1])
    merged = motifs.labels.copy()
    motifs.edit.undo()
    np.testing.assert_array_equal(motifs.labels, before)
    motifs.edit.undo()
    np.testing.assert_array_equal(motifs.labels, merged)


def test_labels_by_hand_are_numbered_by_frequency(motifs):
    labels = np.where(np.arange(len(motifs.labels)) < 30, 7, 3)
    motifs.relabel(labels)
    assert motifs.n_motifs == 2
    assert (motifs.labels[:30] == 1).all()


def test_split_of_a_motif_merged_before_finds_its_parts_again(motifs, simulated):
    before = motifs.labels.copy()
    motifs.merge([0, 1])
    together = int(motifs.labels[before == 0][0])
    motifs.split(together)
    both = np.isin(before, [0, 1])
    assert adjusted_rand_score(before[both], motifs.labels[both]) > 0.9


def test_an_edit_reaches_the_metadata_and_other_views(motifs):
    other = motifs.signal.motifs
    n = other.n_motifs
    motifs.merge([0, 1])
    assert other.n_motifs == n - 1
    assert store.read(motifs.signal).labels.max() + 1 == n - 1


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: m.merge([0]), "two motifs or more"),
        (lambda m: m.merge([0, 99]), "no motif"),
        (lambda m: m.split(99), "no motif"),
        (lambda m: m.split(0, min_motif_size=4), "min_motif_size is 4; a whole number of 5 or more"),
        (lambda m: m.relabel({99: "x"}), "no motif"),
        (lambda m: m.relabel(np.zeros(3, int)), "one whole number"),
        (lambda m: m.edit.undo(), "nothing to undo"),
    ],
)
def test_wrong_edits_change_nothing(motifs, edit, message):
    before = motifs.labels.copy()
    with pytest.raises(ValueError, match=message):
        edit(motifs)
    np.testing.assert_array_equal(motifs.labels, before)
