from ._linking import estimate_drift as estimate_drift
from ._linking import link_frames as link_frames
from ._populations import count_populations as count_populations
from ._transitions import Transitions as Transitions
from ._transitions import count_transitions as count_transitions
