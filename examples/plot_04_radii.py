"""
Radii: how far one looks
=========================

What a motif is depends on how far one looks. The same image at four radii.
"""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# %%
# Motifs are found at all radii in one call; each radius splits the groups of the one before.

s, truth = hm.data.monolayer("MoSe2", shape=(360, 360), random_state=3)
motifs = s.find_motifs(show_progressbar=False)
print(motifs)

# %%
# At the smallest an atom is its species; at larger ones the atoms beside a defect differ from those
# that are not, too.

extent = hm.draw.image_extent(s.data.shape, s.axes_manager.signal_axes[0].scale)
figure, axes = plt.subplots(2, 2, figsize=(8.4, 8.8), layout="constrained")
for radius, axis in zip(motifs.radii, axes.flat, strict=True):
    labels = motifs.labels_at(radius)
    hm.draw.plot_motifs(motifs.positions, labels, s.data, extent=extent, units="nm", ax=axis, legend=False)
    axis.set_title(f"radius {radius:g}: {labels.max() + 1} motifs")
plt.show()

# %%
# The same as a tree: from the left, what a small radius separates; to the right, larger radii.

motifs.plot_tree()
plt.show()

# %%
# The layouts, atoms in the colours of the chosen radius.

hm.draw.compare_layouts(
    {f"radius {radius:g}": motifs.layout_at(radius) for radius in motifs.radii}, motifs.labels
)
plt.show()
