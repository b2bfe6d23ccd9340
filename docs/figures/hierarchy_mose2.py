"""The levels of a monolayer."""

import hyperspy_motifs as hm

s, truth = hm.data.monolayer(
    "MoSe2", shape=(420, 420), metal_dopant=None, chalcogen_dopant=None, random_state=8
)
pixels = truth.positions
cells = hm.cells.find_cells(pixels, truth.labels, extent=(0, 420, 0, 420))
hierarchy = hm.hierarchy.build_hierarchy(pixels, truth.labels, cells, names=truth.names)
graph = hm.graph.MotifGraph.from_arrays(
    pixels, truth.labels, cells=cells, hierarchy=hierarchy, names=truth.names
)
hm.draw.plot_hierarchy(graph, most=4)
