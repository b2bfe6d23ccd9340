"""
The hierarchy of an M1 oxide
============================

Thirteen metal sites, pentagonal units, hexagonal and heptagonal channels form a structure with several
levels. The image is that of an idealised model of the M1 phase of Mo-V-Te-Nb oxides, viewed along its
short axis.
"""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# sphinx_gallery_thumbnail_number = 2

# %%
# Glide planes rotate and mirror the sites, so each site occurs in four orientations. Rotation invariance
# assigns them to one motif. The thirteen sites are found without a given number.

s, truth = hm.data.m1_oxide(shape=(860, 860), random_state=0)
motifs = s.find_motifs(rotation_invariant=True, show_progressbar=False)
print(motifs)

# %%

motifs.plot(legend=False)
plt.show()

# %%
# Cells. A column inside a ring would divide it into triangles. It becomes the centre atom of the ring if
# this shortens the description.

motifs.plot_cells("corners")
plt.show()

# %%
# The levels above the cells as text: vertex figures, the unit cell and its composition. Composites are
# omitted for clarity.

graph = motifs.edit.hierarchy(composites=False)
print(graph.summary())

# %%
# The levels as rows, with motifs at the bottom and classes of cells above. Lines join a class to its
# components.

motifs.plot.hierarchy(most=5)
plt.show()
