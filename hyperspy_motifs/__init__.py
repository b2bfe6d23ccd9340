"""Motifs of atomic-resolution images, and the hierarchy in which they compose.

The data's way, one module a step, each usable alone:

:mod:`~hyperspy_motifs.data`        simulated images with their truth
:mod:`~hyperspy_motifs.signals`     ``AtomicImage``, ``AtomPatches``, ``ZernikeFeatures``: where a user begins
:mod:`~hyperspy_motifs.atoms`       positions of the atomic columns
:mod:`~hyperspy_motifs.patches`     the disc around each column
:mod:`~hyperspy_motifs.zernike`     what the disc holds, as moments
:mod:`~hyperspy_motifs.relaxation`  the force-relaxed layout of the moments
:mod:`~hyperspy_motifs.clustering`  layout to motifs
:mod:`~hyperspy_motifs.cells`       the polygons that the motifs tile
:mod:`~hyperspy_motifs.hierarchy`   what the cells build, and its statistics
:mod:`~hyperspy_motifs.graph`       all of it as one graph
:mod:`~hyperspy_motifs.draw`        the pictures
:mod:`~hyperspy_motifs.motifs`      ``Motifs``, the result that a user holds
"""

import lazy_loader

__version__ = "0.1.0.dev0"

# HyperSpy imports this package at every start that needs one of its signals: nothing heavy here.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
