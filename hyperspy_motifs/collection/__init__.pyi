from ._collection import MotifCollection as MotifCollection
from ._finding import find_motifs as find_motifs
from ._group_comparison import GroupComparison as GroupComparison
from ._group_comparison import compare_groups as compare_groups
from ._image_effects import image_effects as image_effects
from ._orientation import Orientation as Orientation
from ._orientation import find_orientation as find_orientation
