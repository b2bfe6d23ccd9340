"""Motifs of atomic-resolution images, and the hierarchy that they form.

Modules in the order of the data flow, each usable alone:

:mod:`~hyperspy_motifs.data`        simulated images with ground truth
:mod:`~hyperspy_motifs.signals`     ``AtomicImage``, ``AtomPatches``, ``ZernikeFeatures``: signals for users
:mod:`~hyperspy_motifs.pipeline`    the steps from an image to its motifs, sites, defects and cells
:mod:`~hyperspy_motifs.atoms`       positions of the atomic columns
:mod:`~hyperspy_motifs.occupancy`   sites, occupied or empty, predicted by what repeats
:mod:`~hyperspy_motifs.patches`     the disc around each column
:mod:`~hyperspy_motifs.zernike`     moments of the discs
:mod:`~hyperspy_motifs.relaxation`  the force-relaxed layout of the moments
:mod:`~hyperspy_motifs.sites`       sites of atoms by the positions of their neighbours
:mod:`~hyperspy_motifs.manifold`    continua: detection, coordinates, disorder, partitions
:mod:`~hyperspy_motifs.clustering`  layout to motifs
:mod:`~hyperspy_motifs.cells`       the polygons between the motifs
:mod:`~hyperspy_motifs.hierarchy`   the levels above the cells, and their statistics
:mod:`~hyperspy_motifs.defects`     single atoms and sites that differ from their counterparts
:mod:`~hyperspy_motifs.describe`    what each motif is: neighbours, brightness, symmetry, place, in words
:mod:`~hyperspy_motifs.identify`    names of the columns from candidate structures
:mod:`~hyperspy_motifs.graph`       atoms, cells and types as one graph
:mod:`~hyperspy_motifs.draw`        figures
:mod:`~hyperspy_motifs.exchange`    objects of other tools, read and written
:mod:`~hyperspy_motifs.motifs`      ``Motifs``, the result for users
:mod:`~hyperspy_motifs.collection`  many images with one model: ``find_motifs([image, ...])``
"""

import lazy_loader

__version__ = "0.1.0.dev0"

# HyperSpy imports this package whenever it needs one of its signals, so no heavy imports here.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
