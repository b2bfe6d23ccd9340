"""
Lenses: how far one looks
=========================

What a motif is depends on how far one looks. The same image through four lenses.
"""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# %%
# All lenses are looked through in one call; each parts the groups of the one before.

s, truth = hm.data.monolayer("MoSe2", shape=(360, 360), random_state=3)
motifs = s.find_motifs(show_progressbar=False)
print(motifs)

# %%
# Through the smallest an atom is its species; through larger ones the atoms beside a defect differ from those
# that are not, too.

extent = hm.draw.image_extent(s.data.shape, s.axes_manager.signal_axes[0].scale)
figure, axes = plt.subplots(2, 2, figsize=(8.4, 8.8), layout="constrained")
for lens, axis in zip(motifs.lenses, axes.flat, strict=True):
    labels = motifs.labels_at(lens)
    hm.draw.plot_motifs(motifs.positions, labels, s.data, extent=extent, units="nm", ax=axis, legend=False)
    axis.set_title(f"lens {lens:g}: {labels.max() + 1} motifs")
plt.show()

# %%
# The same as a tree: from the left, what a small lens tells apart; to the right, larger lenses.

motifs.plot_tree()
plt.show()

# %%
# The layouts, atoms in the colours of the chosen lens.

hm.draw.compare_layouts({f"lens {lens:g}": motifs.layout_at(lens) for lens in motifs.lenses}, motifs.labels)
plt.show()
