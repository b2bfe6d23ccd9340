"""
Squares and triangles: order, quasi-order, disorder
===================================================

One kind of atom, two kinds of tile, and all the structure in how they lie. The sigma net repeats, and its
cells need few bits to be told. The two others do not: the code that counts the bits predicts a cell from its
neighbours, and an inflation rule of long range is as good as chance to it.
"""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# %%
# Three tilings: the sigma net, which repeats; a dodecagonal quasicrystal by inflation, which does not but is
# not random; and the same inflation with random turns. Cells need no motifs, so they are built on the columns
# found. The pictures show the middle of each field.

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
# The vertex figures: which tiles meet at an atom. The sigma net has one, 3\ :sup:`2`.4.3.4.

for kind, graph in found.items():
    figures = sorted(graph.find(kind="vertex-figure-class"), key=lambda t: -graph.nodes[t]["size"])[:4]
    print(f"{kind:10s}", ", ".join(f"{graph.nodes[f]['name']} ({graph.nodes[f]['size']})" for f in figures))

# %%
# Where each hierarchy ends, and why.

for kind, graph in found.items():
    print(f"{kind:10s}", list(graph.levels.values()), graph.graph["reason"])

# %%
# What the quasicrystal and the random tiling have in common, and what not.

print(found["stampfli"].compare(found["random"]).summary())
