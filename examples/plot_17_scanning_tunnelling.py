"""
Scanning tunnelling microscopy: missing adatoms of Si(111)-(7×7)
================================================================

Nothing here is made for electrons: heights of a surface, with scan lines, tilt, drift and a blunt tip, are read
in the same way. A missing adatom is no atom, so no motif holds it; the cells show it.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import cKDTree

import hyperspy_motifs as hm

# sphinx_gallery_thumbnail_number = 2

# %%
# A simulated scan. Twelve adatoms a cell in two halves, of which the faulted one looks higher in filled states;
# a hole at each corner of the cell; 2 % of the adatoms are missing and 3 % are dark, as if something had
# reacted with them.

s, truth = hm.data.silicon_7x7(
    vacancies=0.02, reacted=0.03, rotation=12, drift=(8, -6), tilt=(0.06, -0.04), streaks=4, random_state=0
)
extent = hm.draw.image_extent(s.data.shape, s.axes_manager.signal_axes[0].scale)
hm.draw.plot_image(s.data, extent=extent, units="nm")
plt.show()

# %%
# Motifs. The smallest radius sees heights: it parts the halves of the cell, but for a few adatoms, and the dark
# ones. Larger radii tell the sites of the cell, without a word about the cell.

motifs = s.find_motifs(show_progressbar=False)
print(motifs)

# %%
# The cells on all adatoms: triangles inside of the halves, quadrangles across the rows of dimers that part
# them, a hexagon at each corner hole, and something larger wherever an adatom is missing.

ax = motifs.plot_cells("corners")
vacancies = truth.extra["vacancies"] * s.axes_manager.signal_axes[0].scale
ax.plot(*vacancies.T, "x", color="black", ms=9, mew=2)
ax.set_title("crosses: adatoms that were left out")
plt.show()

# %%
# As a query to the graph, with the answer. A missing corner adatom opens its corner hole; vacancies at the
# rim are not inside of any cell.

graph = motifs.graph
large = graph.find(level="cell", n_corners=lambda n: n > 6)
centres = np.array([(graph.nodes[cell]["x"], graph.nodes[cell]["y"]) for cell in large])
distance, _ = cKDTree(vacancies).query(centres)
print(f"{len(large)} cells with more than six corners, {np.sum(distance < 0.6)} of them at one of the")
print(f"{len(vacancies)} vacancies in the frame, those at the rim included")

# %%
# Dark adatoms are atoms, and a motif of their own at the smallest radius, which sees the height alone.

labels = motifs.labels_at(motifs.radii[0])
hm.draw.plot_motifs(motifs.positions, labels, s.data, extent=extent, units="nm")
plt.show()
distance, nearest = cKDTree(truth.positions).query(motifs.pixel_positions)
for k in range(labels.max() + 1):
    inside = (labels == k) & (distance < 4)
    counts = np.bincount(truth.labels[nearest[inside]], minlength=len(truth.names))
    print(f"motif {k}: " + ", ".join(f"{n} {name}" for n, name in zip(counts, truth.names, strict=True) if n))
