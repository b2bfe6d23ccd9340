"""Metadata of the rows and columns of features are sliced with them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hyperspy.signals import Signal1D


def slice_node(features: Any, node: Any, slices: Any, rows: bool) -> None:
    """Reduce `node` to the rows (or columns) of `features` that HyperSpy's `slices` keep."""
    axes = features.axes_manager
    axis = axes.navigation_axes[0] if rows else axes.signal_axes[0]
    if axis.size != len(features.atoms if rows else features.modes):
        return  # transposed or stacked: the axis is no longer that of the atoms (or modes)
    # HyperSpy slices by number, by calibrated value and by ROI: a signal of the numbers is sliced in the same way.
    numbers = Signal1D(np.arange(axis.size), axes=[{**axis.get_axis_dictionary(), "navigate": False}])
    kept = np.atleast_1d(numbers.isig[slices].data)
    noise = features.noise_std
    if not rows:
        modes = features.modes[kept]
        facts = json.loads(node.get_item("facts"))
        node.set_item("modes", modes)
        node.set_item("facts", json.dumps({**facts, "n_max": int(modes[:, 0].max())}))
        node.set_item("noise_std", noise[..., kept])
        if node.has_item("unit"):
            node.set_item("unit", np.asarray(node.get_item("unit"))[kept])
        return
    node.set_item("atoms", features.atoms[kept])
    if noise.ndim == 2:
        node.set_item("noise_std", noise[kept])
