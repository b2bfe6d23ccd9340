"""
A movie: one model, and transitions
========================================

A monolayer loses chalcogen under the beam while it drifts. All frames share one model; atoms are followed
from frame to frame, so that one can say what became what, and how often.
"""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# sphinx_gallery_thumbnail_number = 2

# %%
# Eight frames of one field of view. From frame to frame each selenium column loses one of its atoms with the
# probability 0.04, and one that misses atoms gets one back with 0.15.

s, truth = hm.data.beam_damage(
    "MoSe2", n_frames=8, knock_on=0.04, refill=0.15, drift=(0.02, -0.01), shape=(300, 320), random_state=1
)
s

# %%
# One call for the stack. The smallest radius: the question is how many atoms a column holds.

motifs = s.find_motifs(radius=0.6, show_progressbar=False)
print(motifs)

# %%
# Which is which: selenium pairs are the brightest, single ones the faintest.

motifs.plot_means()
plt.show()
motifs.relabel({0: "Mo", 1: "Se2", 2: "Se1"})

# %%
# How many there are, frame by frame.

motifs.plot_populations()
plt.show()

# %%
# First and last frame.

figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
motifs.plot(frame=0, ax=axes[0], legend=False)
motifs.plot(frame=7, ax=axes[1], legend=False)
axes[0].set_title("first frame")
axes[1].set_title("last frame")
plt.show()

# %%
# What became what. Drift is taken off, each atom is assigned to one of the next frame, and what has no partner
# has vanished: a column that has lost both of its atoms. The errors are those of counting.

motifs.plot_transitions()
plt.show()

# %%
# Against the truth: the rates that the movie was made with.

found = motifs.get_transitions()
full, single = 1, 2
for before, after, planted in ((full, single, 0.04), (single, full, 0.15 * 0.96)):
    rate, error = found.probabilities[before, after], found.errors[before, after]
    print(
        f"{motifs.names[before]} to {motifs.names[after]}: {rate:.3f} +- {error:.3f}, planted {planted:.3f}"
    )
