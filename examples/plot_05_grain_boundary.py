"""
Cells and rings of a grain boundary
===================================

Graphene with two grains, and the pentagons and heptagons between them. The rings are counted, drawn, and
compared with the ground truth.
"""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# %%
# Rings occur in all directions, so rotation invariance is on.

s, truth = hm.data.grain_boundary(21.8, shape=(480, 480), random_state=1)
motifs = s.find_motifs(rotation_invariant=True, show_progressbar=False)
cells = motifs.cells
print(cells)
print("clarity of the cut:", round(cells.clarity, 2))

# %%
# The rings by their number of corners.

motifs.plot_cells("corners")
plt.show()

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
# The strain of each cell relative to the mean of its class.

figure, axes = plt.subplots(1, 3, figsize=(hm.draw.TWO_COLUMNS, 2), layout="compressed")
for component, ax in zip(("strain_xx", "strain_yy", "strain_xy"), axes, strict=True):
    motifs.plot_cells(component, ax=ax)
plt.show()

# %%
# Pentagons are next to heptagons more often than by chance. The values are z-scores of neighbouring
# classes relative to permuted labels.

motifs.plot.enrichment(kind="cell-class", most=6)
plt.show()
