"""Layouts side by side."""

import numpy as np
import pytest

from hyperspy_motifs.relaxation import ForceRelaxedLayout, layouts_to_compare


@pytest.fixture(scope="module")
def groups():
    rng = np.random.default_rng(3)
    return np.concatenate([rng.normal(0, 1, (70, 6)), rng.normal(9, 1, (45, 6))])


def test_the_stages_are_those_of_the_layout(groups):
    found = layouts_to_compare(groups, umap=False)
    assert list(found) == ["principal components", "repulsion-dominated", "attraction-dominated"]
    relaxed = ForceRelaxedLayout(random_state=0).fit(groups)
    np.testing.assert_array_equal(found["attraction-dominated"], relaxed.stage_embeddings_[-1])


def test_attraction_draws_groups_together(groups):
    found = layouts_to_compare(groups, umap=False)

    def spread(layout):
        inside = np.sqrt(layout[:70].var(axis=0).sum() + layout[70:].var(axis=0).sum())
        return inside / np.linalg.norm(layout[:70].mean(axis=0) - layout[70:].mean(axis=0))

    assert spread(found["attraction-dominated"]) < spread(found["repulsion-dominated"])
