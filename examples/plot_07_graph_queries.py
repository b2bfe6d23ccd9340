"""
Queries of the graph
====================

Atoms, motifs, cells and larger units are nodes of one graph. The results of queries can be drawn on the
image.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# %%

s, truth = hm.data.grain_boundary(21.8, stone_wales=3, shape=(480, 480), random_state=5)
motifs = s.find_motifs(rotation_invariant=True, show_progressbar=False)
graph = motifs.graph
print(graph)
print(graph.levels)

# %%
# Nodes are found by their attributes. A condition is a value, a set of values, or a function.

pentagons = graph.find(level="cell", n_corners=5, on_border=False)
large = graph.find(level="cell", n_corners=lambda n: n >= 7)
print(len(pentagons), "pentagons inside,", len(large), "cells of seven corners or more")

# %%
# Parents, children and neighbours of a node.

first = pentagons[0]
print("atoms of", first, "are", graph.children(first))
print("its neighbours have", sorted(graph.nodes[n]["n_corners"] for n in graph.neighbours(first)), "corners")
print("its composition is", graph.composition(first))

# %%
# The number of heptagons next to each pentagon, drawn on the image.

heptagons = [sum(graph.nodes[n]["n_corners"] == 7 for n in graph.neighbours(p)) for p in pentagons]
cells = motifs.cells
polygons = [motifs.positions[cells.polygons[int(p.removeprefix("cell:"))]] for p in pentagons]
extent = hm.draw.image_extent(s.data.shape, s.axes_manager.signal_axes[0].scale)
names = ["no heptagon", "one heptagon", "two heptagons", "three heptagons"]
hm.draw.plot_cells(polygons, heptagons, s.data, extent=extent, units="nm", names=names, alpha=0.9)
plt.show()

# %%
# The graph of types contains the classes and their neighbours. Enriched pairs are red, depleted pairs
# blue.

motifs.plot.enrichment(kind="cell-class", most=6)
plt.show()

# %%
# A query in openCypher, with the extra ``query``.

found = graph.query("MATCH (c:cell) WHERE c.n_corners = 7 RETURN c.area")
print({name: len(values) for name, values in found.items()})

# %%
# GraphML can be read by Gephi, Cytoscape, igraph and Graphviz. Reading restores an equal graph.

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "hierarchy.graphml"
    graph.to_graphml(path)
    again = hm.graph.MotifGraph.from_graphml(path)
print(again.number_of_nodes() == graph.number_of_nodes())
