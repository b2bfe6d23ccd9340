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
# Motifs. The smallest radius compares heights: it separates the kinds of adatoms. Groups at larger radii are
# motifs if the kinds of the neighbours do not explain them, such as sites of the unit cell.

motifs = s.find_motifs(show_progressbar=False)
print(motifs)

# %%
# The cells of all adatoms: triangles inside the halves, quadrangles across the rows of dimers between
# them, and a hexagon at each corner hole. The places of missing adatoms are corners, too.

ax = motifs.plot_cells("corners")
vacancies = truth.extra["vacancies"] * s.axes_manager.signal_axes[0].scale
ax.plot(*vacancies.T, "x", color="black", ms=9, mew=2)
ax.set_title("crosses: missing adatoms")
plt.show()

# %%
# What repeats tells where adatoms are missing. Places at the edge of the image are too uncertain to say.

sites = motifs.sites
empty = sites.positions[~sites.occupied]
distance, _ = cKDTree(vacancies).query(empty)
print(
    f"{len(empty)} empty sites, {np.sum(distance < 0.3)} of them at one of the {len(vacancies)} missing adatoms"
)

# %%
# The kinds of adatoms at the smallest radius, which compares only heights, compared with the ground truth.

labels = motifs.labels_at(motifs.radii[0])
hm.draw.plot_motifs(motifs.positions, labels, s.data, extent=extent, units="nm")
plt.show()
distance, nearest = cKDTree(truth.positions).query(motifs.pixel_positions)
for k in range(labels.max() + 1):
    inside = (labels == k) & (distance < 4)
    counts = np.bincount(truth.labels[nearest[inside]], minlength=len(truth.names))
    print(f"motif {k}: " + ", ".join(f"{n} {name}" for n, name in zip(counts, truth.names, strict=True) if n))
