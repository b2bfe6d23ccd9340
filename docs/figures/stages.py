"""The layout at the start and after each stage."""

import numpy as np

import hyperspy_motifs as hm

s, truth = hm.data.monolayer("MoSe2", shape=(512, 512), random_state=5)
spacing = hm.atoms.nearest_neighbour_distance(truth.positions)
basis = hm.zernike.ZernikeBasis(n_max=8, radius=1.2 * spacing)
moments = hm.zernike.get_moments(s.data, truth.positions, basis)
kept = moments.valid
features = hm.zernike.whiten(moments.values[kept], moments.noise_std[kept])
relaxed = hm.relaxation.ForceRelaxedLayout().fit(np.asarray(features, float))
hm.draw.compare_layouts(
    {
        "start: principal components": relaxed.start_,
        "after stage 1": relaxed.stage_embeddings_[0],
        "after stage 2": relaxed.stage_embeddings_[1],
    },
    truth.labels[kept],
    names=truth.names,
)
