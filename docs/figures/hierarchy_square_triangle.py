"""Order and disorder of squares and triangles."""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.6), layout="constrained")
for kind, axis in zip(("sigma", "random"), axes, strict=True):
    s, truth = hm.data.square_triangle(kind, shape=(640, 640), random_state=3)
    points, labels = truth.positions, np.zeros(len(truth.positions), int)
    cells = hm.cells.find_cells(points, extent=(0, 640, 0, 640))
    hierarchy = hm.hierarchy.build_hierarchy(points, labels, cells)
    sizes, number = np.unique(cells.n_corners, return_inverse=True)
    names = [f"{size} corners" for size in sizes]
    hm.draw.plot_cells([points[p] for p in cells.polygons], number, s.data, names=names, ax=axis)
    axis.set_title(f"{kind}: {hierarchy.scalars['bits_per_atom']:.2f} bits per atom")
    levels = "\n".join(hierarchy.kinds)
    axis.text(1.03, 0.05, f"levels above the cells:\n{levels}", transform=axis.transAxes, va="bottom")
