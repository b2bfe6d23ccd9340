"""The relaxation of the atoms as figures, as a stack and as an animation."""

import numpy as np
import pytest


def test_layouts_are_compared_on_the_same_atoms(motifs):
    axes = motifs.plot.layouts(umap=False)
    titles = [ax.get_title() for ax in np.ravel(axes)]
    assert titles[:3] == ["principal components", "repulsion-dominated", "attraction-dominated"]


def test_the_film_is_a_stack_and_an_animation(motifs):
    film = motifs.export.relaxation(every=25, size=48)
    known = np.isfinite(motifs.features.data).all(axis=1).sum()
    np.testing.assert_array_equal(film.data.sum(axis=(1, 2)), known)
    assert film.axes_manager.navigation_axes[0].scale == 25
    animation = motifs.plot.relaxation(every=25)
    animation._init_draw()
    with pytest.raises(ValueError, match="whole number"):
        motifs.export.relaxation(every=0)
