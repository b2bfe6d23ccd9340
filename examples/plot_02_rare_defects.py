"""
Rare defects among thousands
============================

A few dopants in thousands of atoms: found without being told that they are there, then counted against the
truth.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import cKDTree

import hyperspy_motifs as hm

# %%
# WSe\ :sub:`2` with one percent of the metal replaced by chromium, and some single vacancies.

s, truth = hm.data.monolayer(
    "WSe2",
    metal_dopant=("Cr", 0.01),
    chalcogen_dopant=None,
    vacancies=0.01,
    double_vacancies=0,
    shape=(800, 800),
    dose=1e5,
    random_state=7,
)
motifs = s.find_motifs(show_progressbar=False)
print(motifs)

# %%
# Each motif of the smallest radius against the truth of the simulation. Positions found and positions simulated
# are matched by distance; maxima on the very edge of the image, whose columns lie outside, have no partner.

distance, nearest = cKDTree(truth.positions).query(motifs.pixel_positions)
matched = distance < 3
labels = motifs.labels_at(motifs.radii[0])
print(f"{matched.sum()} of {len(truth.labels)} columns found, {np.sum(~matched)} maxima without a column")
print("motif " + "".join(f"{name:>8}" for name in truth.names))
for k in range(labels.max() + 1):
    counts = np.bincount(truth.labels[nearest[matched & (labels == k)]], minlength=len(truth.names))
    print(f"{k:5d} " + "".join(f"{count:8d}" for count in counts))

# %%
# Where the atoms of the rare motifs sit.

extent = hm.draw.image_extent(s.data.shape, s.axes_manager.signal_axes[0].scale)
ax = hm.draw.plot_image(s.data, extent=extent, units="nm")
counts = np.bincount(labels)
for k in np.flatnonzero(counts < 0.02 * len(labels)):
    x, y = motifs.positions[labels == k].T
    circles = {"mfc": "none", "mec": hm.draw.motif_colour(k), "ms": 9, "mew": 2, "zorder": 6}
    ax.plot(x, y, "o", label=f"{k} ({counts[k]})", **circles)
ax.legend(title="rare motifs (atoms)", loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
plt.show()

# %%
# What the model does not explain: the image minus the image painted from the means of its motifs. Noise,
# if all is well.

painted = motifs.reconstruct()
residual = s.data - painted.data
ax = hm.draw.plot_map(residual, extent=extent, units="nm", label="image minus motifs", cmap="RdBu_r")
plt.show()
