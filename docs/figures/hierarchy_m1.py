"""The cells and the levels of an M1 oxide."""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

s, truth = hm.data.m1_oxide(shape=(900, 900), empty_channels=0.15, random_state=0)
pixels, names = truth.positions, truth.names
cells = hm.cells.find_cells(pixels, truth.labels, extent=(0, 900, 0, 900))
hierarchy = hm.hierarchy.build_hierarchy(pixels, truth.labels, cells, names=names)
graph = hm.graph.MotifGraph.from_arrays(pixels, truth.labels, cells=cells, hierarchy=hierarchy, names=names)

figure, axes = plt.subplots(1, 2, figsize=(14, 5.5), width_ratios=(1, 1.5), layout="constrained")
hm.draw.plot_cells([pixels[p] for p in cells.polygons], cells.n_corners, s.data, ax=axes[0])
hm.draw.plot_hierarchy(graph, most=5, ax=axes[1])
