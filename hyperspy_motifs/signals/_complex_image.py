"""``ComplexAtomicImage``, also lazy: a complex image, which is rejected in words."""

from __future__ import annotations

from typing import Any, NoReturn

from hyperspy.signals import ComplexSignal2D, LazyComplexSignal2D


class ComplexAtomicImage(ComplexSignal2D):
    """A complex image, such as an exit wave or a Fourier transform. Its amplitude or its phase may be an atomic image.

    HyperSpy chooses the class of a signal by its numbers. Without this class a complex signal would have no
    ``find_motifs`` at all, and the error would not say why.
    """

    _signal_type = "atomic_image"

    def find_motifs(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Reject the image.

        Raises
        ------
        TypeError
            In every case.
        """
        raise TypeError(
            "The image is complex. One real number a pixel is expected: use signal.amplitude.find_motifs() or "
            "signal.phase.find_motifs()."
        )

    find_atoms = apply_model = estimate_polarity = estimate_atom_separation = edit_atoms = find_motifs


class LazyComplexAtomicImage(ComplexAtomicImage, LazyComplexSignal2D):
    """A lazy complex image."""
