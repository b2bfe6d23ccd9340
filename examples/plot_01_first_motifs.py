"""
First motifs
============

Finds the motifs of an image in one call and shows the results.
"""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# %%
# The image is a simulated monolayer of MoSe\ :sub:`2` with vacancies and dopants. To use another image,
# replace this by ``s = hs.load("image.dm4")`` and ``s.set_signal_type("atomic_image")``.

s, truth = hm.data.monolayer("MoSe2", shape=(420, 420), random_state=0)
s

# %%
# ``print`` lists the motifs, the chosen radius, and the reason for it.

motifs = s.find_motifs(show_progressbar=False)
print(motifs)

# %%
# The atoms on the image. ``s.plot_motifs()`` is an interactive alternative with HyperSpy's own plot and
# markers.

motifs.plot()
plt.show()

# %%
# The mean patches show whether a motif is plausible.

motifs.plot_means()
plt.show()

# %%
# In the force-relaxed layout, atoms with similar features lie close together. Distances between groups
# have no meaning.

motifs.plot_layout()
plt.show()

# %%
# Names are kept through edits and files.

motifs.relabel({0: "Mo", 1: "Se2"})
print(motifs.names)

# %%
# The table has one row per atom and can be used with pandas or saved as CSV.

table = motifs.to_dict()
print({name: column[0] for name, column in table.items()})
