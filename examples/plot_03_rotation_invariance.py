"""
Rotation invariance on and off
==============================

A mirror twin boundary: on its two sides the same sites point in opposite directions. Without rotation
invariance they are different motifs, with it they are the same, and the angle of every atom is kept.
"""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# %%
# A metal atom has three neighbours. Across the boundary, the triangle that they form is turned upside down.

s, truth = hm.data.twin_boundary("MoSe2", boundary="4|4P", vacancies=0.0, shape=(400, 400), random_state=0)

figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
for invariant, axis in zip((False, True), axes, strict=True):
    motifs = s.find_motifs(rotation_invariant=invariant, lens=1.2, show_progressbar=False)
    motifs.plot(ax=axis)
    axis.set_title(f"rotation_invariant={invariant}: {motifs.n_motifs} motifs")
plt.show()

# %%
# The means of the motifs found with invariance: the patches were turned onto each other before the mean was
# taken.

motifs.plot_means()
plt.show()

# %%
# The angle of each atom of the most frequent motif against the mean of that motif. It tells the two sides
# apart.

inside = motifs.labels == 0
angles = np.rad2deg(motifs.angles[inside]) % 120
ax = hm.draw.plot_values(
    motifs.positions[inside],
    angles,
    s.data,
    extent=hm.draw.image_extent(s.data.shape, s.axes_manager.signal_axes[0].scale),
    units="nm",
    label="angle (degrees, threefold site)",
    period=120,
)
plt.show()
