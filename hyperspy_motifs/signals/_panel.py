"""A panel with the parameters of ``find_motifs`` and a preview on a part of the image."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import traits.api as t

from hyperspy_motifs import store

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.motifs import Motifs

# Size of the preview in nearest-neighbour distances: about 250 atoms, a second.
PREVIEW_WIDTH = 16
FEWEST_PIXELS = 64


class MotifPanel(t.HasTraits):
    """Parameters of :meth:`~hyperspy_motifs.signals.AtomicImage.find_motifs`, with a preview on a part of the image.

    Created by ``s.gui()`` or ``s.find_motifs(interactive=True)``. None means that a value is estimated from the image.

    Parameters
    ----------
    signal : AtomicImage
    parameters : dict
        Initial values: arguments of ``find_motifs`` by name.

    Attributes
    ----------
    separation : float or None
        In axis units.
    radius : float or None
        In units of `radius_units`.
    radius_units : {"nn", "axes"}
    polarity : {"auto", "bright", "dark"}
    n_max, n_motifs : int or None
    rotation_invariant : bool
    alpha : float
        Significance level of the test of every split.
    left_out : tuple of float or None
        Rectangle without data: left, top, right, bottom in axis units. It takes the place of a mask of the image.
    part : int
        Index of the part of the image in the preview; 0 is the centre.
    spacing : float
        The separation that was given, or is estimated from the image, in axis units.
    certainty : float or None
        Of the estimated separation, 0 to 1; below 0.5 the separation should be given. None if it was given.
    motifs : Motifs or None
        The result for the whole image after a call of :meth:`find`, directly or by the button.

    Notes
    -----
    A tool like those of HyperSpy: traits hold the parameters, and ``gui(display, toolkit)`` shows them. Its widgets
    are not registered in HyperSpy's toolkits: with a single registered ``ipywidgets`` widget, all other tools of
    HyperSpy would report a missing interface instead of the package to install.
    """

    separation = t.Union(None, t.Float)
    polarity = t.Enum("auto", "bright", "dark")
    radius = t.Union(None, t.Float)
    radius_units = t.Enum("nn", "axes")
    n_max = t.Union(None, t.Int)
    rotation_invariant = t.Bool(False)
    n_motifs = t.Union(None, t.Int)
    alpha = t.Float(0.01)
    left_out = t.Union(None, t.Tuple(t.Float, t.Float, t.Float, t.Float))
    part = t.Int(0)

    PARAMETERS = (
        "separation",
        "polarity",
        "radius",
        "radius_units",
        "n_max",
        "rotation_invariant",
        "n_motifs",
        "alpha",
    )

    def __init__(self, signal: BaseSignal, **parameters: object) -> None:
        if parameters.get("radius") == "auto":
            parameters["radius"] = None
        super().__init__(**{k: parameters.pop(k) for k in self.PARAMETERS if k in parameters})
        self.signal = signal
        self.motifs: Any = None
        self._others = parameters
        stamp = store.Stamp.of(signal)
        # The ranges of the sliders must not depend on their values.
        self.spacing, self.certainty = self.separation, None
        if self.spacing is None:
            self.spacing, self.certainty = signal.estimate_atom_separation(self.polarity)
        self._has_left_out = False
        self.units = stamp.units
        wanted = max(FEWEST_PIXELS, round(PREVIEW_WIDTH * self.spacing / abs(stamp.scale[0])))
        self._size = tuple(min(wanted, n) for n in stamp.shape)
        self._corners = _parts(stamp.shape, self._size)

    @property
    def n_parts(self) -> int:
        """Number of parts of the image for the preview."""
        return len(self._corners)

    def arguments(self) -> dict[str, Any]:
        """Current arguments of ``find_motifs``."""
        chosen = {**self._others, **{name: getattr(self, name) for name in self.PARAMETERS}}
        mask: object = None
        if self.left_out is not None:
            import hyperspy.api as hs

            left, top, right, bottom = self.left_out
            mask = hs.roi.RectangularROI(left=left, top=top, right=right, bottom=bottom)
        elif self._has_left_out:
            mask = False
        return {**chosen, "mask": mask, "radius": "auto" if self.radius is None else self.radius}

    @property
    def window(self) -> tuple[float, float, float, float]:
        """The part of the image in the preview: left, top, right, bottom in axis units."""
        corner = np.array(self._corners[self.part % self.n_parts])
        ends = store.Stamp.of(self.signal).to_units(np.array([corner, corner + self._size]) - 0.5)
        (left, top), (right, bottom) = ends.tolist()
        return left, top, right, bottom

    def preview(self) -> Motifs:
        """The motifs of a part of the image with the current parameters; the image is not changed.

        Returns
        -------
        Motifs
        """
        arguments = self.arguments()
        (x, y), (width, height) = self._corners[self.part % self.n_parts], self._size
        window = (slice(x, x + width), slice(y, y + height))
        part = self._cut(self.signal, window)
        if arguments.get("atoms") is not None:
            arguments["atoms"] = self._atoms_in(part, arguments)
        if arguments.get("detectors") is not None:
            detectors = arguments["detectors"]
            others = list(detectors) if isinstance(detectors, list | tuple) else [detectors]
            arguments["detectors"] = [self._cut(other, window) for other in others]
        return part.find_motifs(**{**arguments, "show_progressbar": False})

    def find(self) -> Motifs:
        """The motifs of the whole image, as of ``s.find_motifs``; also stored as ``motifs``.

        Returns
        -------
        Motifs
        """
        self.motifs = self.signal.find_motifs(**self.arguments())
        self._has_left_out = self.left_out is not None
        return self.motifs

    def gui(self, display: bool = True, toolkit: Any = None) -> dict[str, Any] | None:
        """Show the panel, or return its widgets.

        Parameters
        ----------
        display : bool, optional
            Show it in the notebook; if False, return its widgets.
        toolkit : str, iterable of str or None, optional
            Only ``"ipywidgets"`` is supported.

        Returns
        -------
        dict or None
            ``{"ipywidgets": {"widget": ..., "wdict": ...}}`` if not displayed, as for HyperSpy's tools.

        Raises
        ------
        ImportError
            If ipywidgets is not installed; the message names the extra.
        ValueError
            If another toolkit is requested.
        """
        wanted = (toolkit,) if isinstance(toolkit, str) else toolkit
        if wanted is not None and "ipywidgets" not in wanted:
            raise ValueError(f"toolkit is {toolkit!r}; this panel supports only 'ipywidgets'.")
        try:
            from ._panel_widgets import make_widgets
        except ImportError as error:
            raise ImportError(
                "find_motifs(interactive=True) needs ipywidgets, which comes with the extra gui-jupyter: "
                'pip install "hyperspy_motifs[gui-jupyter]". Without it, give the parameters to find_motifs.'
            ) from error
        made = make_widgets(self)
        if not display:
            return {"ipywidgets": made}
        from IPython.display import display as show

        show(made["widget"])
        return None

    def try_preview(self) -> tuple[Motifs | None, str]:
        """Return the motifs of a part and a line about them, or None and an error message."""
        from hyperspy_motifs.motifs import chosen_radius

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            try:
                motifs = self.preview()
            except (ValueError, TypeError) as error:
                return None, str(error)
        text = f"{len(motifs.labels)} atoms in this part; {chosen_radius(motifs)}"
        said = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
        return motifs, ". ".join([text, *said])

    def _cut(self, signal: BaseSignal, window: tuple[slice, slice]) -> BaseSignal:
        # The preview of a stack uses the first frame: the parameters apply to all frames.
        first = (0,) * signal.axes_manager.navigation_dimension
        part = signal.inav[first] if first else signal
        part = part.isig[window].deepcopy()
        store.remove(part)
        if part._lazy:
            part.compute(show_progressbar=False)
        return part

    def _atoms_in(self, part: object, arguments: Mapping[str, object]) -> object:
        """Positions given by the user that lie in the part."""
        from hyperspy_motifs.pipeline import given_atoms

        given = given_atoms(self.signal, arguments["atoms"], False, "auto")
        positions = given.positions[given.frames == 0]
        return positions[store.Stamp.of(part).inside(positions)]


def _parts(shape: tuple[int, int], size: tuple[int, ...]) -> list[tuple[int, int]]:
    """Corners (x, y) of windows of `size` in an image of `shape` (columns, rows): at the centre, then around it."""
    starts = [
        np.unique(np.round(np.array([0.5, 0.0, 1.0]) * (n - w)).astype(int))
        for n, w in zip(shape, size, strict=True)
    ]
    corners = [(int(x), int(y)) for y in starts[1] for x in starts[0]]
    middle = [(n - w) / 2 for n, w in zip(shape, size, strict=True)]
    return sorted(corners, key=lambda c: (np.hypot(c[0] - middle[0], c[1] - middle[1]), c))
