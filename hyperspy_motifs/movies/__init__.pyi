from ._movies import FollowedUnits as FollowedUnits
from ._movies import Transitions as Transitions
from ._movies import count_populations as count_populations
from ._movies import count_transitions as count_transitions
from ._movies import drift_of_frames as drift_of_frames
from ._movies import estimate_drift as estimate_drift
from ._movies import link_frames as link_frames
