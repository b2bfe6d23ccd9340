from ._collection import MotifCollection as MotifCollection
from ._collection import open_collection as open_collection
from ._finding import find_motifs as find_motifs
from ._finding import update_model as update_model
from ._group_comparison import GroupComparison as GroupComparison
from ._group_comparison import compare_groups as compare_groups
