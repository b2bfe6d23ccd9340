"""
Dark columns: a ferroelectric wall in annular bright field
==========================================================

Columns, including oxygen, are dark in annular bright field. The polarity is estimated from the image. B
columns that are displaced up and down become different motifs.
"""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# %%

s, truth = hm.data.perovskite("PbTiO3", detector="ABF", displacement=0.02, shape=(400, 400), random_state=0)
print(s.estimate_polarity())
motifs = s.find_motifs(radius=1.2, show_progressbar=False)
print(motifs)
motifs.plot()
plt.show()

# %%
# The means of the motifs show a column and its neighbours.

motifs.plot_means()
plt.show()

# %%
# The displacement of the B columns relative to the mean of their four A columns, from the fitted
# positions. The motifs identify the columns.

from scipy.spatial import cKDTree

distance, nearest = cKDTree(motifs.pixel_positions).query(truth.positions)
species = np.array(truth.names)[truth.labels]
is_a = np.char.startswith(species, truth.names[0])
is_b = np.char.find(species, "Ti") == 0
found = motifs.positions[nearest]
_, four = cKDTree(found[is_a]).query(found[is_b], k=4)
shift = 1e3 * (found[is_b] - found[is_a][four].mean(axis=1))
inside = np.abs(shift).max(axis=1) < 60
ax = hm.draw.plot_values(
    found[is_b][inside],
    shift[inside, 1],
    s.data,
    extent=hm.draw.image_extent(s.data.shape, s.axes_manager.signal_axes[0].scale),
    units="nm",
    label="displacement along y (pm)",
    cmap="RdBu_r",
)
plt.show()
