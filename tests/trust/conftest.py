"""What an error must be, and how many examples of everything are tried.

``TRUST_TIMES=30 pytest tests/trust`` runs thirty times as many, with new ones in every run.
"""

import contextlib
import linecache
import os
import traceback
import warnings
from pathlib import Path

import hypothesis
import pytest

import hyperspy_motifs

PACKAGE = Path(hyperspy_motifs.__file__).parent
TIMES = int(os.environ.get("TRUST_TIMES", "1"))

hypothesis.settings.register_profile(
    "trust",
    deadline=None,
    database=None,
    derandomize=TIMES == 1,
    # An example is a whole image: a size that hypothesis finds large, and slow to make.
    suppress_health_check=list(hypothesis.HealthCheck),
    print_blob=True,
)
hypothesis.settings.load_profile("trust")


def pytest_collection_modifyitems(items):
    """Multiply the examples of every property test."""
    for item in items:
        inner = getattr(getattr(item, "obj", None), "hypothesis", None)
        if TIMES > 1 and inner is not None and "trust" in str(item.path):
            settings = item.obj._hypothesis_internal_use_settings
            item.obj._hypothesis_internal_use_settings = hypothesis.settings(
                settings, max_examples=settings.max_examples * TIMES
            )


@contextlib.contextmanager
def result_or_our_error():
    """Pass a result, and an error that this package raised itself and put into words; nothing else.

    Numbers that overflow or become NaN, which NumPy reports by a RuntimeWarning, fail the test.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("error", RuntimeWarning)
            yield
    except (ValueError, TypeError, RuntimeWarning) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        line = linecache.getline(last.filename, last.lineno).strip()
        if PACKAGE not in Path(last.filename).parents or not line.startswith("raise "):
            raise AssertionError(f"not in our words: {type(error).__name__}: {error}") from error
        if len(str(error).split()) < 5:
            raise AssertionError(f"too short to help: {error}") from error


@pytest.fixture(scope="session")
def ours():
    """The context manager `result_or_our_error`."""
    return result_or_our_error
