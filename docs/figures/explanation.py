"""The modes that distinguish two motifs."""

import hyperspy_motifs as hm

s, truth = hm.data.monolayer("MoSe2", shape=(360, 360), random_state=3)
motifs = s.find_motifs(show_progressbar=False)
motifs.at(1.2).features.plot_explanation(motifs.labels, (1, 2))
