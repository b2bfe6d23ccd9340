"""Fixtures and settings shared by all tests."""

import contextlib
import gc
import os
from pathlib import Path

# Each worker has a core: threads of the libraries would wait for each other. This holds for those that are loaded from now on.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

import matplotlib as mpl
import numba
import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    numba.set_num_threads(1)
mpl.use("Agg")
# A tenth of the time would be spent on looking for cycles among the objects of the libraries.
gc.set_threshold(100_000, 50, 100)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real and simulated images with truth; the test is skipped where it is absent."""
    folder = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of test images is not beside this checkout")
    return folder


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(autouse=True, scope="session")
def _quiet_hyperspy():
    import hyperspy.api as hs

    # Objects of the libraries stay: no collection looks at them again.
    gc.freeze()
    hs.preferences.General.show_progressbar = False


@contextlib.contextmanager
def _first_two_radii():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hyperspy_motifs.clustering.RADII", (0.6, 1.2))
        yield


@pytest.fixture(scope="session")
def first_two_radii():
    """Context in which the default radii are the first two: what holds for any number, in a third of the time."""
    return _first_two_radii


@pytest.fixture(scope="module")
def two_radii():
    """The same for a module: ``pytestmark = pytest.mark.usefixtures("two_radii")``."""
    with _first_two_radii():
        yield


@pytest.fixture(scope="session")
def monolayer():
    """Image of a hexagonal monolayer with its two frequent motifs, without that of six rare atoms; edit a copy of it."""
    from hyperspy_motifs import data

    signal, _ = data.monolayer(shape=(170, 204), random_state=3)
    with _first_two_radii():
        signal.find_motifs(radius=0.6, min_motif_size=7)
    return signal
