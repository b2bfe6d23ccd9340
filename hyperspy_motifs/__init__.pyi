from . import atoms as atoms
from . import cells as cells
from . import clustering as clustering
from . import collection as collection
from . import data as data
from . import defects as defects
from . import describe as describe
from . import draw as draw
from . import exchange as exchange
from . import graph as graph
from . import hierarchy as hierarchy
from . import identify as identify
from . import manifold as manifold
from . import models as models
from . import motifs as motifs
from . import movies as movies
from . import occupancy as occupancy
from . import patches as patches
from . import relaxation as relaxation
from . import signals as signals
from . import sites as sites
from . import stacks as stacks
from . import zernike as zernike
from .collection import find_motifs as find_motifs
from .collection import open_collection as open_collection
from .motifs import Motifs as Motifs

__version__: str
