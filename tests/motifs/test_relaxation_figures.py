"""The relaxation of the atoms as figures and as an animation."""

import numpy as np
import pytest


def test_layouts_are_compared_on_the_same_atoms(motifs):
    axes = motifs.plot.layouts(umap=False)
    titles = [ax.get_title() for ax in np.ravel(axes)]
    assert titles[:3] == ["principal components", "repulsion-dominated", "attraction-dominated"]


def test_the_animation_shows_every_atom_at_every_step(motifs):
    known = np.isfinite(motifs.features.data).all(axis=1).sum()
    animation = motifs.plot.relaxation(every=25)
    animation._init_draw()
    shown = sum(len(points.get_offsets()) for points in animation._fig.axes[0].collections)
    assert shown == known
    with pytest.raises(ValueError, match="whole number"):
        motifs.plot.relaxation(every=0)
