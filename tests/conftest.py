"""Fixtures and settings shared by all tests."""

from pathlib import Path

import matplotlib as mpl
import pytest

mpl.use("Agg")


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

    hs.preferences.General.show_progressbar = False
