"""
A movie: one vocabulary, and transitions
========================================

Frames of a specimen that loses chalcogen under the beam. All frames share one vocabulary, so that one can say
what became what.
"""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import cKDTree

import hyperspy_motifs as hm

# sphinx_gallery_thumbnail_number = 2

# %%
# Four frames of one field of view; the vacancies of a frame are among those of the next.

frames = [
    hm.data.monolayer(
        "MoSe2",
        vacancies=share,
        double_vacancies=0,
        metal_dopant=None,
        chalcogen_dopant=None,
        frame=k,
        shape=(300, 300),
    )[0]
    for k, share in enumerate((0.02, 0.08, 0.16, 0.28))
]
s = hs.stack(frames, show_progressbar=False)
s

# %%
# One call for the stack.

motifs = s.find_motifs(lens=0.6, show_progressbar=False)
print(motifs)

# %%
# How often each motif is there, frame by frame.

numbers = np.array(
    [np.bincount(motifs.labels[motifs.frames == k], minlength=motifs.n_motifs) for k in range(len(frames))]
)
figure, ax = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
for k in range(motifs.n_motifs):
    ax.plot(numbers[:, k], marker=hm.draw.motif_marker(k), color=hm.draw.motif_colour(k), label=f"motif {k}")
ax.set(xlabel="frame", ylabel="atoms", xticks=range(len(frames)))
ax.legend(frameon=False)
plt.show()

# %%
# Transitions from the first frame to the last: the same column is the nearest one.

first, last = motifs.frames == 0, motifs.frames == len(frames) - 1
distance, nearest = cKDTree(motifs.positions[last]).query(motifs.positions[first])
same = distance < 0.06
before, after = motifs.labels[first][same], motifs.labels[last][nearest[same]]
transitions = np.zeros((motifs.n_motifs, motifs.n_motifs), dtype=int)
np.add.at(transitions, (before, after), 1)
print(transitions)

# %%
# First and last frame.

figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
motifs.plot(frame=0, ax=axes[0], legend=False)
motifs.plot(frame=len(frames) - 1, ax=axes[1])
plt.show()
