"""Motifs and their environments with increasing radius."""

import hyperspy_motifs as hm

s, truth = hm.data.monolayer("MoSe2", shape=(400, 400), random_state=6)
s.find_motifs(show_progressbar=False).plot.tree()
