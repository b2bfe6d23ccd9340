"""
Principal components and the force-relaxed layout
=================================================

The same features as principal components, after the repulsion-dominated stage, and after the
attraction-dominated stage, and the relaxation as a movie.
"""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# %%
# Zernike moments of the discs around all atoms, each in units of its noise. These functions are used by
# ``find_motifs``; they work on plain arrays and in pixels.

s, truth = hm.data.monolayer("MoSe2", shape=(512, 512), random_state=2)
positions = truth.positions
radius = 1.2 * hm.atoms.nearest_neighbour_distance(positions)
moments = hm.zernike.get_moments(s.data, positions, hm.zernike.ZernikeBasis(n_max=8, radius=radius))
kept = moments.valid
features = np.asarray(hm.zernike.whiten(moments.values[kept], moments.noise_std[kept]), float)
print(features.shape)

# %%
# The layout with its history.

relaxation = hm.relaxation.ForceRelaxedLayout(history=5, random_state=0).fit(features)
labels, names = truth.labels[kept], truth.names
hm.draw.compare_layouts(
    {
        "principal components": relaxation.start_,
        "after repulsion": relaxation.stage_embeddings_[0],
        "after attraction": relaxation.stage_embeddings_[1],
    },
    labels,
    names=names,
)
plt.show()

# %%
# The movie.

film = hm.draw.animate_relaxation(relaxation.history_, labels, names=names, interval=120)
plt.show()
