"""Compilation of the kernels before the first analysis, in parallel.

numba compiles in one thread at a time, and a first analysis needs some twenty kernels. Compiled kernels are kept on the
disk, so other processes can compile for this one, side by side: those of columns, of the layout and of sites. This
begins when an image becomes an :class:`~hyperspy_motifs.signals.AtomicImage`, and the first analysis waits for it. With
the environment variable ``HYPERSPY_MOTIFS_WARM_UP=0`` nothing is started; ``hyperspy-motifs warm-up`` compiles after an
installation.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SWITCH = "HYPERSPY_MOTIFS_WARM_UP"
# In pixels: rows, columns and lattice constant of the image on which the kernels are compiled.
_SHAPE, _SPACING = (96, 112), 12.0
# In seconds. A compilation that takes longer than this is left to this process.
_PATIENCE = 180.0


def _lattice() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """A triangular lattice of columns with noise, and their positions x, y in pixels."""
    rows, columns = _SHAPE
    x, y = np.meshgrid(np.arange(-20, 21) * _SPACING, np.arange(-20, 21) * _SPACING)
    points = np.column_stack([(x + y / 2).ravel(), (np.sqrt(0.75) * y).ravel()]) + 40.0
    inside = np.all((points > 4) & (points < np.array([columns, rows]) - 5), axis=1)
    points = points[inside]
    grid_y, grid_x = np.mgrid[:rows, :columns]
    squares = (grid_x - points[:, 0, None, None]) ** 2 + (grid_y - points[:, 1, None, None]) ** 2
    image = np.exp(-squares / (2 * 2.5**2)).sum(axis=0) * 100 + 20
    image += np.random.default_rng(0).normal(0, 3, image.shape)
    return image.astype(np.float32), points


def _compile_columns() -> None:
    from hyperspy_motifs.atoms import find_atoms

    find_atoms(_lattice()[0])


def _compile_layout() -> None:
    from hyperspy_motifs.relaxation import ForceRelaxedLayout
    from hyperspy_motifs.zernike import DiscImage, ZernikeBasis, estimate_noise

    image, points = _lattice()
    # The noise of neighbouring pixels needs the kernels of columns: it is taken as white here.
    discs = DiscImage(image, points, spacing=_SPACING, noise=estimate_noise(image))
    moments = discs.moments(ZernikeBasis(8, 1.2 * _SPACING))
    ForceRelaxedLayout(random_state=0).fit_transform(np.nan_to_num(moments.values))


def _compile_sites() -> None:
    from hyperspy_motifs.sites import Neighbourhoods, NeighbourTemplates, fit_templates

    points = _lattice()[1]
    around = Neighbourhoods.of(points, _SHAPE, _SPACING)
    kinds = around.kinds(np.zeros(len(points), dtype=np.int32))
    places = NeighbourTemplates.stacked([(around.offsets[0], kinds[0])])
    fit_templates(
        around, kinds, places, spread=0.05, tolerance=0.2, absent=8.0, rotation_invariant=True, beyond=1.0
    )


#: What is compiled side by side: the name of a share, the function that compiles it, and one of its last kernels.
SHARES: dict[str, tuple[Callable[[], None], str, str]] = {
    "columns": (_compile_columns, "hyperspy_motifs.atoms._disc_fits", "sum_moments"),
    "layout": (_compile_layout, "hyperspy_motifs.relaxation._forces", "step_rows"),
    "sites": (_compile_sites, "hyperspy_motifs.sites._template_fit", "_fit_all"),
}


def compile_share(name: str) -> None:
    """Compile the kernels of one share, in this process.

    Parameters
    ----------
    name : {"columns", "layout", "sites"}
    """
    SHARES[name][0]()


def missing_shares() -> list[str]:
    """Names of the shares whose kernels are not in numba's cache on the disk."""
    out = []
    for name, (_, module, kernel) in SHARES.items():
        cache = getattr(importlib.import_module(module), kernel).stats.cache_path
        stem = f"{module.rpartition('.')[2]}.{kernel}-"
        if cache is None or not any(Path(cache).glob(f"{stem}*.nbi")):
            out.append(name)
    return out


def warm_up() -> list[str]:
    """Compile all kernels that are missing, each share in a process of its own, and wait for the end.

    Returns
    -------
    list of str
        Names of the shares that were compiled; none where all were there.
    """
    shares = missing_shares()
    for process in [_process(name) for name in shares]:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
    return shares


class _Background:
    """The one warm-up of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        with self._lock:
            if self._thread is None and os.environ.get(SWITCH, "1") != "0":
                # In a thread, because the search for the kernels imports numba.
                self._thread = threading.Thread(target=warm_up, name="compilation of kernels", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        if self._thread is not None:
            self._thread.join()


_background = _Background()


def start_warm_up() -> None:
    """Begin :func:`warm_up` in the background, once in a process, and return at once."""
    _background.start()


def wait_for_warm_up() -> None:
    """Wait for the end of the warm-up that :func:`start_warm_up` has begun, if any."""
    _background.wait()


def _process(name: str) -> subprocess.Popen[bytes]:
    code = f"from hyperspy_motifs.warm_up import compile_share; compile_share({name!r})"
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # The paths of this process, so that the same package is found, whatever the current directory.
    environment = {
        **os.environ,
        SWITCH: "0",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    return subprocess.Popen([sys.executable, "-c", code], env=environment, **silent)  # type: ignore[call-overload,no-any-return]
