"""A pytest plugin: HyperSpy's own tests with ``AtomicImage`` in the place of ``Signal2D``."""

import sys

import hyperspy.api as hs

from hyperspy_motifs.signals import AtomicImage, LazyAtomicImage

REPLACED = {"Signal2D": AtomicImage, "LazySignal2D": LazyAtomicImage}


def pytest_collection_modifyitems(items):
    """Replace the names in the modules of the collected tests, and in ``hs.signals``."""
    import hyperspy.signals

    for module in {item.module for item in items} | {hs.signals, hyperspy.signals}:
        for name, cls in REPLACED.items():
            if hasattr(module, name):
                setattr(module, name, cls)
    assert sys.modules["hyperspy.signals"].Signal2D is AtomicImage
