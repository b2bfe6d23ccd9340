from ._checkpoint import Checkpoint as Checkpoint
from ._cluster import RemoteTask as RemoteTask
from ._cluster import running_client as running_client
from ._runner import run_frames as run_frames
from ._sample import FrameSample as FrameSample
from ._sample import sample_of_frames as sample_of_frames
from ._sample import spread_order as spread_order
