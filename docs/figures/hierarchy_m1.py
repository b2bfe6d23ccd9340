"""The cells and the levels of an M1 oxide."""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

s, truth = hm.data.m1_oxide(shape=(900, 900), empty_channels=0.15, random_state=0)
pixels, names = truth.positions, [f"S{i + 1}" for i in range(len(truth.names))]
cells = hm.cells.find_cells(pixels, truth.labels, extent=(0, 900, 0, 900))
options = hm.hierarchy.HierarchyOptions(composites=False, vertex_figures=False)
hierarchy = hm.hierarchy.build_hierarchy(pixels, truth.labels, cells, names=names, options=options)
graph = hm.graph.MotifGraph.from_arrays(pixels, truth.labels, cells=cells, hierarchy=hierarchy, names=names)

figure, axes = plt.subplots(1, 2, figsize=(14, 5.5), width_ratios=(1, 1.5), layout="constrained")
sizes, number = np.unique(cells.n_corners, return_inverse=True)
polygons = [pixels[p] for p in cells.polygons]
hm.draw.plot_cells(polygons, number, s.data, names=[f"{size} corners" for size in sizes], ax=axes[0])
hm.draw.plot_hierarchy(graph, most=5, ax=axes[1])
