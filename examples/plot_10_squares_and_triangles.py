"""
Squares and triangles: order, quasi-order, disorder
===================================================

Three tilings with one kind of atom and two kinds of tile differ only in the arrangement of the tiles.
The sigma net is periodic, and its cells have a short description. For the two others the code, which
predicts a cell from its neighbours, cannot use the long-range inflation rule, so both have a long
description.
"""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# %%
# The tilings are the sigma net, which is periodic; a dodecagonal quasicrystal by inflation, which is
# neither periodic nor random; and the same inflation with random rotations. Cells need no motifs, so
# they are built on the detected columns. The figures show the centre of each field.

figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.9), layout="constrained")
found = {}
for kind, axis in zip(("sigma", "stampfli", "random"), axes, strict=True):
    s, truth = hm.data.square_triangle(kind, shape=(640, 640), random_state=1)
    points = hm.atoms.find_atoms(s.data).positions
    cells = hm.cells.find_cells(points, extent=(-0.5, 639.5, -0.5, 639.5))
    labels = np.zeros(len(points), dtype=int)
    hierarchy = hm.hierarchy.build_hierarchy(points, labels, cells)
    found[kind] = hm.graph.MotifGraph.from_arrays(
        points, labels, cells=cells, hierarchy=hierarchy, names=["M"]
    )
    sizes, number = np.unique(cells.n_corners, return_inverse=True)
    names = [f"{size} corners" for size in sizes]
    hm.draw.plot_cells([points[p] for p in cells.polygons], number, s.data, names=names, ax=axis)
    axis.get_legend().remove()
    axis.set(xlim=(120, 480), ylim=(480, 120))
    axis.set_title(f"{kind}: {hierarchy.scalars['bits_per_atom']:.2f} bits per atom")
plt.show()

# %%
# The vertex figures, the tiles that meet at an atom. The sigma net has a single one, 3\ :sup:`2`.4.3.4.

for kind, graph in found.items():
    figures = sorted(graph.find(kind="vertex-figure-class"), key=lambda t: -graph.nodes[t]["size"])[:4]
    print(f"{kind:10s}", ", ".join(f"{graph.nodes[f]['name']} ({graph.nodes[f]['size']})" for f in figures))

# %%
# The last level of each hierarchy and its reason.

for kind, graph in found.items():
    print(f"{kind:10s}", list(graph.levels.values()), graph.graph["reason"])

# %%
# Comparison of the quasicrystal with the random tiling.

print(found["stampfli"].compare(found["random"]).summary())
