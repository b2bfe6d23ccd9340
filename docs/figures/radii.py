"""One atom at four radii."""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm
from hyperspy_motifs.clustering import RADII

s, truth = hm.data.monolayer("MoSe2", shape=(256, 256), random_state=2)
distances = np.linalg.norm(truth.positions - 128, axis=1)
centre = truth.positions[np.argmin(np.where(truth.labels == 0, distances, np.inf))]
spacing = hm.atoms.nearest_neighbour_distance(truth.positions)

figure, axes = plt.subplots(1, 1 + len(RADII), figsize=(13, 3), layout="constrained")
axes[0].imshow(s.data, cmap="gray")
reach = 3.2 * spacing
axes[0].set(xlim=(centre[0] - reach, centre[0] + reach), ylim=(centre[1] + reach, centre[1] - reach))
for k, (relative, axis) in enumerate(zip(RADII, axes[1:], strict=True)):
    colour = hm.draw.motif_colour(k)
    radius = relative * spacing
    axes[0].add_patch(plt.Circle(centre, radius, fill=False, lw=2, ec=colour))
    patch = hm.patches.sample_patches(s.data, centre[None], radius)[0]
    y, x = np.indices(patch.shape) - patch.shape[0] // 2
    axis.imshow(np.where(np.hypot(x, y) <= radius, patch, np.nan), cmap="gray")
    axis.set_title(f"radius {relative:g}", color=colour)
for axis in axes:
    axis.set_axis_off()
