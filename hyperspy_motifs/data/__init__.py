"""Simulated images with ground truth, for tests, examples and teaching.

Incoherent-imaging models of atomic columns (:class:`Imaging` lists their limits), and heights of a surface as
recorded by a :class:`Tip`. Each function returns an ``AtomicImage`` and a :class:`Truth`:

:func:`lattice`            a perfect lattice of one species
:func:`monolayer`          a dichalcogenide with vacancies and dopants
:func:`twin_boundary`      a mirror boundary of a dichalcogenide, with 4- or 8-rings
:func:`grain_boundary`     tilted grains of graphene, with 5- and 7-rings
:func:`square_triangle`    ordered and random tilings of squares and triangles
:func:`m1_oxide`           an idealised complex oxide of thirteen sites
:func:`perovskite`         a ferroelectric domain wall, columns bright or dark
:func:`beam_damage`        a movie of a dichalcogenide that loses atoms from frame to frame
:func:`twisted_bilayer`    a moire, whose stacking changes gradually
:func:`silicon_7x7`        a scanning tunnelling micrograph of a surface with missing adatoms
:func:`crystal_edge`       a crystal next to an amorphous rim and vacuum
:func:`amorphous`          amorphous material
:func:`noise`              noise without structure

:mod:`~hyperspy_motifs.data.structures` makes prototype structures as ASE ``Atoms``.

Each ``..._specimen`` returns only the columns as arrays, and :func:`simulate` or :func:`topograph` computes an image
of them without HyperSpy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
