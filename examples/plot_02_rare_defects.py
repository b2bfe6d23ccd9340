"""
Rare defects among thousands
============================

Finds a few dopants among thousands of atoms without prior information, and compares the counts with the
ground truth.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import cKDTree

import hyperspy_motifs as hm

# %%
# The specimen is WSe\ :sub:`2` with one per cent of the metal replaced by chromium, and some single
# vacancies.

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
# The motifs of the smallest radius are compared with the ground truth. Detected and simulated positions
# are matched by distance. Maxima at the edge of the image, whose columns lie outside, have no match.

distance, nearest = cKDTree(truth.positions).query(motifs.pixel_positions)
matched = distance < 3
labels = motifs.labels_at(motifs.radii[0])
print(f"{matched.sum()} of {len(truth.labels)} columns found, {np.sum(~matched)} maxima without a column")
print("motif " + "".join(f"{name:>8}" for name in truth.names))
for k in range(labels.max() + 1):
    counts = np.bincount(truth.labels[nearest[matched & (labels == k)]], minlength=len(truth.names))
    print(f"{k:5d} " + "".join(f"{count:8d}" for count in counts))

# %%
# The positions of the rare motifs.

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
# The residual is the image minus its reconstruction from the means of the motifs. It should contain only
# noise.

painted = motifs.reconstruct()
residual = s.data - painted.data
ax = hm.draw.plot_map(residual, extent=extent, units="nm", label="image minus motifs", cmap="RdBu_r")
plt.show()
