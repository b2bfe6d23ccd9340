"""
Symmetry of sites and symmetry maps
===================================

Scores of rotational symmetry from the moments, corrected for the bias by noise, measure the threefold
symmetry of each site.
"""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# %%
# Sites next to a vacancy have no threefold axis. ``radius=1.2`` gives features of the nearest neighbours; the
# labels at this radius are environments.

s, truth = hm.data.monolayer(
    "MoSe2", vacancies=0.03, double_vacancies=0.02, shape=(420, 420), random_state=11
)
motifs = s.find_motifs(radius=1.2, show_progressbar=False)
symmetry = motifs.features.get_symmetry(folds=(2, 3, 6))
extent = hm.draw.image_extent(s.data.shape, s.axes_manager.signal_axes[0].scale)
hm.draw.plot_values(
    motifs.positions,
    symmetry.scores[:, 1],
    s.data,
    extent=extent,
    units="nm",
    label="threefold symmetry",
    clim=(0.4, 1),
)
plt.show()

# %%
# The same score for the disc around every pixel, without atoms. Pixels near the border have no complete
# disc and no score.

basis = hm.zernike.ZernikeBasis(
    n_max=8, radius=1.2 * hm.atoms.nearest_neighbour_distance(motifs.pixel_positions)
)
maps = hm.zernike.get_symmetry_maps(s.data, basis, folds=(3,), noise=hm.zernike.estimate_noise(s.data))
score = maps.scores[0]
rows, columns = np.isfinite(score).any(axis=1), np.isfinite(score).any(axis=0)
inner = score[rows][:, columns]
extent = hm.draw.image_extent(inner.shape, s.axes_manager.signal_axes[0].scale)
hm.draw.plot_map(inner, extent=extent, units="nm", label="threefold symmetry")
plt.show()
