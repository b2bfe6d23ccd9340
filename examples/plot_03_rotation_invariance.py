"""
Rotation invariance on and off
==============================

A mirror twin boundary: on its two sides the same sites point in opposite directions. Without rotation
invariance they are different motifs. With it they are one motif, and the angle of every atom is stored.
"""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# sphinx_gallery_thumbnail_number = 3

# %%
# A metal atom has three neighbours. The triangle of these neighbours is inverted across the boundary.

s, truth = hm.data.twin_boundary("MoSe2", boundary="4|4P", vacancies=0.0, shape=(400, 400), random_state=0)

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
for invariant, axis in zip((False, True), axes, strict=True):
    motifs = s.find_motifs(rotation_invariant=invariant, radius=1.2, show_progressbar=False)
    motifs.plot(ax=axis)
    axis.set_title(f"rotation_invariant={invariant}: {motifs.n_motifs} motifs")
plt.show()

# %%
# The means of the motifs with rotation invariance. The patches were rotated onto each other before
# averaging.

motifs.plot_means()
plt.show()

# %%
# The directions can be recovered. A threefold site has strong moments of angular order m = 3, and a
# rotation shifts their phase by three times its angle. The phase of the strongest moment therefore gives
# the direction of each atom of the most frequent motif and distinguishes the two sides.

moments = motifs.features.select(m=3).get_moments()
threefold, modes = hm.zernike.to_complex(moments.values, moments.modes)
strongest = int(np.argmax(np.nanmean(np.abs(threefold), axis=0)))
inside = (motifs.labels == 0) & np.isfinite(threefold[:, strongest])
angles = np.rad2deg(np.angle(threefold[inside, strongest])) / 3 % 120
ax = hm.draw.plot_values(
    motifs.positions[inside],
    angles,
    s.data,
    extent=hm.draw.image_extent(s.data.shape, s.axes_manager.signal_axes[0].scale),
    units="nm",
    label="direction of the site (degrees)",
    period=120,
)
plt.show()
