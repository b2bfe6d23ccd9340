"""
A twisted bilayer: a continuum, not classes
===========================================

Over a moiré the stacking changes from place to place without a step. Classes would be invented; the layout is
a map instead.
"""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# %%
# Two rigid layers of MoS\ :sub:`2`, turned against each other.

s, truth = hm.data.twisted_bilayer("MoS2", twist=5.0, shape=(640, 640), random_state=0)
motifs = s.find_motifs(lens=2.4, show_progressbar=False)
print(motifs)
print("continuous:", motifs.is_continuous)

# %%
# The motifs tile the image into zones. Their borders are where the algorithm had to put them.

motifs.plot(legend=False)
plt.show()

# %%
# The features of the metal-rich maxima alone, laid out again. What is drawn is each atom in the colour of its
# place in the layout: the first two principal components of the moments, which change slowly over the moiré.

values = np.asarray(motifs.features.data, float)
kept = np.isfinite(values).all(axis=1)
centred = values[kept] - values[kept].mean(axis=0)
u, size, _ = np.linalg.svd(centred, full_matrices=False)
coordinates = u[:, :2] * size[:2]
low, top = np.percentile(coordinates, (2, 98), axis=0)
extent = hm.draw.image_extent(s.data.shape, s.axes_manager.signal_axes[0].scale)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
hm.draw.plot_manifold(coordinates, ax=axes[0])
hm.draw.plot_values(
    motifs.positions[kept], (coordinates - low) / (top - low), s.data, extent=extent, units="nm", ax=axes[1]
)
plt.show()

# %%
# The same against the truth: the distance of the local shift of the layers from the AA stacking.

from_aa = truth.extra["registry_distance"][:, 0]
hm.draw.plot_values(
    truth.positions * s.axes_manager.signal_axes[0].scale,
    from_aa,
    s.data,
    extent=extent,
    units="nm",
    label="distance from AA stacking (nm), simulated",
)
plt.show()
