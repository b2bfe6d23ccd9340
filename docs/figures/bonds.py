"""Length and facing angles of the Delaunay edges, the bonds among them, and the cells."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import Delaunay

import hyperspy_motifs as hm

s, truth = hm.data.square_triangle("random", shape=(512, 512), disorder=0.006, random_state=2)
# Positions that scatter by 6 % of the bond length.
points = truth.positions
spacing = np.median(
    np.linalg.norm(np.diff(points[Delaunay(points).simplices][:, [0, 1, 2, 0]], axis=1), axis=2)
)
points = points + np.random.default_rng(0).normal(0, 0.06 * spacing, points.shape)
cells = hm.cells.find_cells(points)

facing = {}
for corners in Delaunay(points).simplices:
    for k in range(3):
        a, b, tip = np.roll(corners, k)
        u, v = points[a] - points[tip], points[b] - points[tip]
        angle = np.degrees(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v)))
        facing.setdefault((min(a, b), max(a, b)), []).append(angle)
edges = np.array([edge for edge, angles in facing.items() if len(angles) == 2])
angles = np.array([sum(angles) for angles in facing.values() if len(angles) == 2])
lengths = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1) / spacing
bonds = {tuple(bond) for bond in cells.bonds.tolist()}
is_bond = np.array([tuple(edge) in bonds for edge in edges.tolist()])

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), width_ratios=(1.3, 1), layout="constrained")
axes[0].scatter(lengths[~is_bond], angles[~is_bond], 8, "0.6", label="other Delaunay edges")
axes[0].scatter(lengths[is_bond], angles[is_bond], 8, "tab:blue", label="bonds")
axes[0].set(xlabel="length (nearest-neighbour distances)", ylabel="facing angles (degrees)", xlim=(0.7, 1.8))
axes[0].legend(frameon=False)
sizes, number = np.unique(cells.n_corners, return_inverse=True)
names = [f"{size} corners" for size in sizes]
hm.draw.plot_cells([points[p] for p in cells.polygons], number, s.data, names=names, ax=axes[1])
