from ._runner import Checkpoint as Checkpoint
from ._runner import FrameSample as FrameSample
from ._runner import RemoteTask as RemoteTask
from ._runner import frames_as_completed as frames_as_completed
from ._runner import run_frames as run_frames
from ._runner import running_client as running_client
from ._runner import sample_of_frames as sample_of_frames
from ._runner import spread_order as spread_order
