"""Functions of frames that workers import by name."""

import os
import time

import numba
import numpy as np


def slow_sum(images, number, seconds):
    """Sum of a frame, after a while, who computed it, and how many threads kernels had there."""
    time.sleep(seconds)
    return {
        "sum": np.array(images[0].sum()),
        "pid": np.array(os.getpid()),
        "threads": np.array(numba.get_num_threads()),
    }


def fails(images, number, *arguments):
    """Stands for a step that cannot be done."""
    raise ValueError("These atoms cannot be told apart.")
