"""
Tour: map a grain boundary
==========================

Graphene with two grains: the pentagons and heptagons between them are counted and drawn, the grains are
outlined and their angle is measured, and the strain is mapped. The tour ends in a figure for a paper.
"""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# sphinx_gallery_thumbnail_number = -1

# %%
# Rings occur in all directions, so rotation invariance is on.

s, truth = hm.data.grain_boundary(21.8, shape=(480, 480), random_state=1)
motifs = s.find_motifs(rotation_invariant=True, show_progressbar=False)
cells = motifs.cells
print(cells)
print("clarity of the cut:", round(cells.clarity, 2))

# %%
# Comparison with the ground truth. Rings at the border are incomplete in both, so only rings inside the
# border are counted.

inside = ~cells.on_border
found = {int(n): int(np.sum(cells.n_corners[inside] == n)) for n in np.unique(cells.n_corners[inside])}
print("found inside the border:", found)
print(
    "simulated, border included:",
    dict(zip(truth.cell_names, np.bincount(truth.cell_types).tolist(), strict=True)),
)

# %%
# Ring statistics that are common for two-dimensional glasses.

statistics = hm.cells.ring_statistics(cells)
for size, share, around in zip(
    statistics.sizes, statistics.fractions, statistics.neighbour_means, strict=True
):
    print(f"rings of {size}: {100 * share:5.1f} %, neighbours of {around:.2f} corners on average")

# %%
# The grains are domains of the hierarchy: connected cells of one class with one orientation. Hexagons repeat
# after 60 degrees.

graph = motifs.graph
grains = sorted(graph.find(kind="domain"), key=lambda n: -graph.nodes[n]["size"])[:2]
angles = [
    np.degrees(np.median(cells.orientation[[int(c.split(":")[1]) for c in graph.children(n)]]))
    for n in grains
]
between = abs((angles[0] - angles[1] + 30) % 60 - 30)
print(f"grains of {[graph.nodes[n]['size'] for n in grains]} cells at {between:.1f} degrees, simulated: 21.8")

# %%
# The figure: the rings, the orientation of the cells, their change of area, and which classes of cells are
# neighbours more often (red) or less often (blue) than by chance: pentagons are next to heptagons.

with hm.draw.journal_style():
    figure, axes = plt.subplots(2, 2, figsize=(hm.draw.TWO_COLUMNS, 5.2), layout="constrained")
    motifs.plot.cells("corners", ax=axes[0, 0])
    turn = {"label": "orientation (°)", "cmap": "twilight", "clim": (0, 60)}
    motifs.plot.cells(np.degrees(cells.orientation) % 60, ax=axes[0, 1], **turn)
    motifs.plot.cells("strain", ax=axes[1, 0], label="change of area (%)")
    motifs.plot.enrichment(kind="cell-class", most=6, ax=axes[1, 1])
    for letter, ax in zip("abcd", axes.flat, strict=True):
        ax.set_title(letter, loc="left", fontweight="bold")
plt.show()
