"""
Exchange with atomap
====================

Positions from atomap are used for motifs, and the motifs are converted to sublattices of atomap.
"""

import atomap.api as am
import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# %%
# A perovskite with A and B columns. atomap finds all columns as one sublattice.

s, truth = hm.data.perovskite("SrTiO3", shape=(360, 360), random_state=0)
separation = 0.4 * 0.276 / s.axes_manager.signal_axes[0].scale
peaks = am.get_atom_positions(s, separation=round(separation))
sublattice = am.Sublattice(peaks, image=s.data, fix_negative_values=True)
print(len(sublattice.atom_list), "atoms")

# %%
# The motifs of these atoms. ``refine=True`` fits the positions again, jointly with the neighbours;
# ``refine=False`` keeps the positions of atomap.

motifs = s.find_motifs(atoms=sublattice, refine=True, show_progressbar=False)
motifs.plot()
plt.show()

# %%
# Conversion to atomap: one sublattice per motif, in pixels, with names and colours.

lattice = motifs.export.atom_lattice()
print(lattice)
for sub in lattice.sublattice_list:
    print(sub.name, len(sub.atom_list))
