"""
Radii of the neighbourhood
==========================

Neighbourhoods are compared at several radii. This example shows the kinds of atoms, the motifs and the
environments of one image.
"""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# %%
# One call finds the motifs and the labels at all radii. The smallest radius gives the kinds of atoms. A
# group at a larger radius is a motif if the kinds of the neighbours do not explain it. Here they explain
# all groups, so that the motifs are those of the smallest radius.

s, truth = hm.data.monolayer("MoSe2", shape=(360, 360), random_state=3)
motifs = s.find_motifs(show_progressbar=False)
print(motifs)

# %%
# At larger radii the labels are environments: atoms next to a vacancy or a dopant are separated from the
# others of their motif. Environments are not counted as motifs.

extent = hm.draw.image_extent(s.data.shape, s.axes_manager.signal_axes[0].scale)
figure, axes = plt.subplots(2, 2, figsize=(8.4, 8.8), layout="constrained")
for radius, axis in zip(motifs.radii, axes.flat, strict=True):
    labels = motifs.labels_at(radius)
    hm.draw.plot_motifs(motifs.positions, labels, s.data, extent=extent, units="nm", ax=axis, legend=False)
    axis.set_title(f"radius {radius:g}: {labels.max() + 1} groups")
plt.show()

# %%
# The same as a tree. The left part shows the motifs, the right part their environments at larger radii.

motifs.plot.tree()
plt.show()

# %%
# The layouts of all radii, with atoms in the colours of the chosen radius.

hm.draw.compare_layouts(
    {f"radius {radius:g}": motifs.at(radius).layout for radius in motifs.radii}, motifs.labels
)
plt.show()
