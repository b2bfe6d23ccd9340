"""
A twisted bilayer: a continuum without classes
==============================================

The stacking of a moiré changes gradually from place to place, so classes would be artificial. The result
contains coordinates instead, and the moiré cell is found from them.
"""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# sphinx_gallery_thumbnail_number = 2

# %%
# Two rigid layers of MoS\ :sub:`2` with a twist. The test of discrete or continuous neighbourhoods
# returns a certainty, which is low in fields with a small part of a moiré.

s, truth = hm.data.twisted_bilayer("MoS2", twist=3.0, shape=(720, 720), random_state=0)
motifs = s.find_motifs(show_progressbar=False)
verdict = motifs.continuity
print(f"{verdict.kind}, certainty {verdict.certainty:.2f}")

# %%
# The labels are regions of the continuum with similar extent: three at the chosen radius and twelve at
# the largest. Their boundaries are arbitrary.

extent = hm.draw.image_extent(s.data.shape, s.axes_manager.signal_axes[0].scale)
labels = motifs.labels_at(motifs.radii[-1])
hm.draw.plot_motifs(motifs.positions, labels, s.data, extent=extent, units="nm", legend=False)
plt.show()

# %%
# Coordinates on the continuum of neighbourhoods, and the same colours on the image. They repeat with the
# moiré.

manifold = motifs.manifold
print(manifold)
figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
hm.draw.plot_manifold(manifold.coordinates, ax=axes[0])
hm.draw.plot_values(
    motifs.positions, manifold.coordinates[:, :2], s.data, extent=extent, units="nm", ax=axes[1]
)
plt.show()

# %%
# The cell on which the coordinates repeat, compared with the ground truth.

moire = manifold.moire
if moire is None:
    print("no moire lattice found")
else:
    print(f"found: {moire.period:.3f} +- {moire.period_error:.3f} nm, certainty {moire.certainty:.2f}")
print(f"simulated: {truth.extra['moire_period']:.3f} nm")
