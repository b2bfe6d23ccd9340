"""
Scanning tunnelling microscopy: missing adatoms of Si(111)-(7×7)
================================================================

Height images with scan lines, tilt, drift and a blunt tip are analysed in the same way as electron
micrographs. A missing adatom is not an atom and has no motif, but it is visible in the cells.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import cKDTree

import hyperspy_motifs as hm

# sphinx_gallery_thumbnail_number = 2

# %%
# A simulated scan. The unit cell has twelve adatoms in two halves, of which the faulted one appears
# higher in filled states, and a hole at each corner. 2 % of the adatoms are missing, and 3 % are dark as
# after a reaction.

s, truth = hm.data.silicon_7x7(
    vacancies=0.02, reacted=0.03, rotation=12, drift=(8, -6), tilt=(0.06, -0.04), streaks=4, random_state=0
)
extent = hm.draw.image_extent(s.data.shape, s.axes_manager.signal_axes[0].scale)
hm.draw.plot_image(s.data, extent=extent, units="nm")
plt.show()

# %%
# Motifs. The smallest radius compares heights: it separates the halves of the cell, except for a few
# adatoms, and the dark adatoms. Larger radii separate the sites of the unit cell without prior
# information on it.

motifs = s.find_motifs(show_progressbar=False)
print(motifs)

# %%
# The cells of all adatoms: triangles inside the halves, quadrangles across the rows of dimers between
# them, a hexagon at each corner hole, and larger cells at missing adatoms.

ax = motifs.plot_cells("corners")
vacancies = truth.extra["vacancies"] * s.axes_manager.signal_axes[0].scale
ax.plot(*vacancies.T, "x", color="black", ms=9, mew=2)
ax.set_title("crosses: missing adatoms")
plt.show()

# %%
# The same as a query of the graph. A missing corner adatom merges with its corner hole. Vacancies at the
# edge of the image are not inside a cell.

graph = motifs.graph
large = graph.find(level="cell", n_corners=lambda n: n > 6)
centres = np.array([(graph.nodes[cell]["x"], graph.nodes[cell]["y"]) for cell in large])
distance, _ = cKDTree(vacancies).query(centres)
print(f"{len(large)} cells with more than six corners, {np.sum(distance < 0.6)} of them at one of the")
print(f"{len(vacancies)} vacancies in the frame, including those at the edge")

# %%
# Dark adatoms form a motif of their own at the smallest radius, which compares only heights.

labels = motifs.labels_at(motifs.radii[0])
hm.draw.plot_motifs(motifs.positions, labels, s.data, extent=extent, units="nm")
plt.show()
distance, nearest = cKDTree(truth.positions).query(motifs.pixel_positions)
for k in range(labels.max() + 1):
    inside = (labels == k) & (distance < 4)
    counts = np.bincount(truth.labels[nearest[inside]], minlength=len(truth.names))
    print(f"motif {k}: " + ", ".join(f"{n} {name}" for n, name in zip(counts, truth.names, strict=True) if n))
