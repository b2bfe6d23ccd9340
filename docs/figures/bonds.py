"""The gap in the Delaunay edge lengths, and the cells."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import Delaunay

import hyperspy_motifs as hm

s, truth = hm.data.square_triangle("random", shape=(512, 512), disorder=0.006, random_state=2)
points = truth.positions
cells = hm.cells.find_cells(points)

corners = Delaunay(points).simplices
edges = np.unique(
    np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]), axis=1), axis=0
)
lengths = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
kept = np.linalg.norm(points[cells.bonds[:, 0]] - points[cells.bonds[:, 1]], axis=1)

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), width_ratios=(1.3, 1), layout="constrained")
bins = np.linspace(0.8, 1.8, 90) * np.median(lengths)
axes[0].hist(lengths, bins, color="0.7", label="Delaunay edges")
axes[0].hist(kept, bins, color="tab:blue", label="bonds")
axes[0].set(xlabel="length (px)", ylabel="number")
axes[0].legend(frameon=False)
sizes, number = np.unique(cells.n_corners, return_inverse=True)
names = [f"{size} corners" for size in sizes]
hm.draw.plot_cells([points[p] for p in cells.polygons], number, s.data, names=names, ax=axes[1])
