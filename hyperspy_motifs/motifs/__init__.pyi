from ._explorer_state import ExplorerState as ExplorerState
from ._identified import IdentifiedMotifs as IdentifiedMotifs
from ._motifs import Motifs as Motifs
from ._page import Page as Page
from ._page import add_drawing as add_drawing
from ._summary import chosen_radius as chosen_radius
