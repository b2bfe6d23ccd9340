"""
Tour: follow a movie
====================

A monolayer loses chalcogen under the beam while it drifts. All frames share one model. Atoms are tracked
from frame to frame, the transitions between motifs are counted, and the rates of damage and repair follow.
The tour ends in a figure for a paper.
"""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# sphinx_gallery_thumbnail_number = -1

# %%
# Eight frames of one field of view. From frame to frame each selenium column loses one of its atoms with
# the probability 0.04, and an incomplete column regains an atom with the probability 0.15.

s, truth = hm.data.beam_damage(
    "MoSe2", n_frames=8, knock_on=0.04, refill=0.15, drift=(0.02, -0.01), shape=(300, 320), random_state=1
)
s

# %%
# One call analyses the stack. The smallest radius is sufficient for the number of atoms in a column.

motifs = s.find_motifs(radius=0.6, show_progressbar=False)
print(motifs)

# %%
# Identification of the motifs: selenium pairs are the brightest columns, single selenium atoms the
# faintest.

motifs.plot.means()
plt.show()
motifs.relabel({0: "Mo", 1: "Se2", 2: "Se1"})

# %%
# The rates, compared with the simulated ones. The drift is subtracted, and each atom is assigned to an atom
# of the next frame. Atoms without a partner have vanished: these columns have lost both atoms. The errors
# are those of counting statistics.

found = motifs.movie.transitions()
full, single = 1, 2
for before, after, planted in ((full, single, 0.04), (single, full, 0.15 * 0.96)):
    rate, error = found.probabilities[before, after], found.errors[before, after]
    print(
        f"{motifs.names[before]} to {motifs.names[after]}: {rate:.3f} +- {error:.3f}, planted {planted:.3f}"
    )

# %%
# The figure: the first and the last frame, the number of columns of each motif in each frame, and the
# probabilities of the transitions from one frame to the next.

with hm.draw.journal_style():
    figure, axes = plt.subplots(2, 2, figsize=(hm.draw.TWO_COLUMNS, 5), layout="constrained")
    motifs.plot(frame=0, ax=axes[0, 0], legend=False)
    motifs.plot(frame=7, ax=axes[0, 1])
    motifs.plot.populations(ax=axes[1, 0])
    motifs.plot.transitions(ax=axes[1, 1])
    for letter, ax in zip("abcd", axes.flat, strict=True):
        ax.set_title(letter, loc="left", fontweight="bold")
plt.show()
