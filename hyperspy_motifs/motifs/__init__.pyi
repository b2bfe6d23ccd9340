from ._motifs import Motifs as Motifs
