"""Layouts side by side, and the film as images: what they show is there."""

import numpy as np
import pytest

from hyperspy_motifs.relaxation import ForceRelaxedLayout, film_frames, layouts_to_compare


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


def test_every_point_is_in_every_frame_at_its_place(groups):
    history = ForceRelaxedLayout(history=20, random_state=0).fit(groups).history_
    images, low, step = film_frames(history, size=64)
    assert images.shape == (len(history), 64, 64)
    np.testing.assert_array_equal(images.sum(axis=(1, 2)), len(groups))
    rows, columns = np.mgrid[:64, :64]
    mean_x = (images * (low + step * (columns + 0.5))).sum(axis=(1, 2)) / len(groups)
    np.testing.assert_allclose(mean_x, history[:, :, 0].mean(axis=1), atol=step)
    mean_y = (images * (low + step * (rows + 0.5))).sum(axis=(1, 2)) / len(groups)
    np.testing.assert_allclose(mean_y, history[:, :, 1].mean(axis=1), atol=step)


def test_a_layout_without_time_is_refused(groups):
    with pytest.raises(ValueError, match="frames, n, 2"):
        film_frames(groups[:, :2])
