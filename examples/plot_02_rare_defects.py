"""
Rare defects among thousands
============================

A few dopants in thousands of atoms: found without being told that they are there, then counted against the
truth.
"""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# %%
# WSe\ :sub:`2` with half a percent of the metal replaced by chromium, and some single vacancies.

s, truth = hm.data.monolayer(
    "WSe2",
    metal_dopant=("Cr", 0.005),
    chalcogen_dopant=None,
    vacancies=0.01,
    double_vacancies=0,
    shape=(960, 960),
    dose=1e5,
    random_state=7,
)
motifs = s.find_motifs(show_progressbar=False)
print(motifs)

# %%
# Each motif of the smallest lens against the truth of the simulation. Positions found and positions simulated
# are matched by distance.

from scipy.spatial import cKDTree

distance, nearest = cKDTree(truth.positions).query(motifs.pixel_positions)
species = truth.labels[nearest]
labels = motifs.labels_at(motifs.lenses[0])
print("atoms found", len(labels), "of", len(truth.labels))
print("motif " + "".join(f"{name:>8}" for name in truth.names))
for k in range(labels.max() + 1):
    print(
        f"{k:5d} " + "".join(f"{np.sum((labels == k) & (species == i)):8d}" for i in range(len(truth.names)))
    )

# %%
# Where the atoms of the rarest motif sit.

rarest = int(np.argmin(np.bincount(labels)))
extent = hm.draw.image_extent(s.data.shape, s.axes_manager.signal_axes[0].scale)
ax = hm.draw.plot_image(s.data, extent=extent, units="nm")
x, y = motifs.positions[labels == rarest].T
ax.plot(x, y, "o", mfc="none", mec=hm.draw.motif_colour(3), ms=9, mew=1.5)
ax.set_title(f"{np.sum(labels == rarest)} atoms of the rarest motif among {len(labels)}")
plt.show()

# %%
# What the vocabulary does not explain: the image minus the image painted from the means of its motifs. Noise,
# if all is well.

painted = motifs.reconstruct()
residual = s.data - painted.data
ax = hm.draw.plot_map(residual, extent=extent, units="nm", label="image minus motifs", cmap="RdBu_r")
plt.show()
