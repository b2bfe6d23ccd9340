"""
The hierarchy of an M1 oxide
============================

Thirteen metal sites, pentagonal units, hexagonal and heptagonal channels: a structure with levels. The image
is that of an idealised model of the M1 phase of Mo-V-Te-Nb oxides, seen along its short axis.
"""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# sphinx_gallery_thumbnail_number = 2

# %%
# Glide planes turn and mirror the sites, so copies of one site lie in four orientations: rotation invariance
# on, to have each site once. There are thirteen of them, and nobody says so.

s, truth = hm.data.m1_oxide(shape=(860, 860), random_state=0)
motifs = s.find_motifs(rotation_invariant=True, show_progressbar=False)
print(motifs)

# %%

motifs.plot(legend=False)
plt.show()

# %%
# Cells. A column inside a ring would break it into triangles; where it pays, it is read as the centre atom of
# the ring.

motifs.plot_cells("corners")
plt.show()

# %%
# What the cells build, in words: vertex figures, the unit cell and what it holds. Composites are left out
# here to keep the picture clear.

graph = motifs.build_hierarchy(composites=False)
print(graph.summary())

# %%
# The levels as rows: motifs at the bottom, classes of cells above, and so on; a line says what is made of
# what.

motifs.plot_hierarchy(most=5)
plt.show()
