"""
atomap before and after
=======================

Positions from atomap go in, sublattices for atomap come out.
"""

import atomap.api as am
import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# %%
# A perovskite, with A and B columns. atomap finds them and makes a sublattice of all.

s, truth = hm.data.perovskite("SrTiO3", shape=(360, 360), random_state=0)
separation = 0.4 * 0.276 / s.axes_manager.signal_axes[0].scale
peaks = am.get_atom_positions(s, separation=round(separation))
sublattice = am.Sublattice(peaks, image=s.data, fix_negative_values=True)
print(len(sublattice.atom_list), "atoms")

# %%
# Motifs on these atoms. ``refine=True`` fits them again, with the tails of their neighbours; ``refine=False``
# would leave them where atomap has them.

motifs = s.find_motifs(atoms=sublattice, refine=True, show_progressbar=False)
motifs.plot()
plt.show()

# %%
# Back to atomap: one sublattice a motif, in pixels, with names and colours.

lattice = motifs.to_atom_lattice()
print(lattice)
for sub in lattice.sublattice_list:
    print(sub.name, len(sub.atom_list))
