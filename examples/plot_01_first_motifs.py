"""
First motifs
============

From an image to its motifs in one call, and what to look at afterwards.
"""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# %%
# A simulated monolayer of MoSe\ :sub:`2` with vacancies and dopants. With an image of your own: ``s =
# hs.load("image.dm4")`` and ``s.set_signal_type("atomic_image")``.

s, truth = hm.data.monolayer("MoSe2", shape=(420, 420), random_state=0)
s

# %%
# One call. ``print`` tells what was found, at which radius, and why that one.

motifs = s.find_motifs(show_progressbar=False)
print(motifs)

# %%
# The image with its atoms. At a prompt ``s.plot_motifs()`` does the same with HyperSpy's own plot and
# markers.

motifs.plot()
plt.show()

# %%
# What the motifs look like: the mean of the discs of each. These pictures decide whether a motif is
# something.

motifs.plot_means()
plt.show()

# %%
# Where they lie in the force-relaxed layout. Near means alike; distances between groups mean nothing.

motifs.plot_layout()
plt.show()

# %%
# Names are yours to give. They go with the motif through edits and files.

motifs.relabel({0: "Mo", 1: "Se2"})
print(motifs.names)

# %%
# Every atom has a row in a table, ready for pandas or a CSV file.

table = motifs.to_dict()
print({name: column[0] for name, column in table.items()})
