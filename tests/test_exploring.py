"""What is done in the explorer's window reaches the metadata."""

import numpy as np
import pytest

from hyperspy_motifs import data, store


@pytest.fixture(scope="module")
def found():
    signal, _ = data.monolayer(shape=(170, 204), random_state=3)
    signal.find_motifs(lens=0.6)
    return signal


@pytest.fixture
def motifs(found):
    return found.deepcopy().motifs


def test_chosen_atoms_become_a_motif_of_the_image(motifs):
    explorer = motifs.explore()
    chosen = np.flatnonzero(motifs.labels == 0)[:9]
    explorer.select(chosen)
    n = motifs.n_motifs
    assert explorer.new_motif()
    labels = store.read(motifs.signal).labels
    assert len(np.unique(labels[chosen])) == 1
    assert (labels == labels[chosen[0]]).sum() == 9
    assert motifs.n_motifs == n + 1
    np.testing.assert_array_equal(explorer.labelling.labels, labels)


def test_merging_naming_and_undoing_step_by_step(motifs):
    explorer = motifs.explore()
    before = motifs.labels.copy()
    explorer.select_motifs([0, 1])
    assert explorer.merge()
    merged = motifs.labels.copy()
    assert motifs.n_motifs < before.max() + 1
    explorer.select_motifs([0])
    assert explorer.rename("both")
    assert motifs.names[0] == "both"
    explorer.undo()
    assert motifs.names[0] == "0"
    np.testing.assert_array_equal(motifs.labels, merged)
    explorer.undo()
    np.testing.assert_array_equal(motifs.labels, before)


def test_a_frame_without_atoms_is_refused(motifs):
    with pytest.raises(ValueError, match="Frame 7"):
        motifs.explore(frame=7)
