from ._identified import IdentifiedMotifs as IdentifiedMotifs
from ._motifs import Motifs as Motifs
