"""
Radii of the neighbourhood
==========================

Motifs depend on the radius of the compared neighbourhood. This example shows the same image at four
radii.
"""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# %%
# One call finds the motifs at all radii. Each radius splits the groups of the previous one.

s, truth = hm.data.monolayer("MoSe2", shape=(360, 360), random_state=3)
motifs = s.find_motifs(show_progressbar=False)
print(motifs)

# %%
# The smallest radius separates species. Larger radii also separate atoms next to a defect from the
# others.

extent = hm.draw.image_extent(s.data.shape, s.axes_manager.signal_axes[0].scale)
figure, axes = plt.subplots(2, 2, figsize=(8.4, 8.8), layout="constrained")
for radius, axis in zip(motifs.radii, axes.flat, strict=True):
    labels = motifs.labels_at(radius)
    hm.draw.plot_motifs(motifs.positions, labels, s.data, extent=extent, units="nm", ax=axis, legend=False)
    axis.set_title(f"radius {radius:g}: {labels.max() + 1} motifs")
plt.show()

# %%
# The same as a tree. The left part shows the splits at a small radius, the right part those at larger
# radii.

motifs.plot_tree()
plt.show()

# %%
# The layouts of all radii, with atoms in the colours of the chosen radius.

hm.draw.compare_layouts(
    {f"radius {radius:g}": motifs.layout_at(radius) for radius in motifs.radii}, motifs.labels
)
plt.show()
