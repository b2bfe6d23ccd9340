"""Images of a simulated specimen, as arrays and as signals."""

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ._specimen import REACH, Simulated, Specimen, Truth, add_columns

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
DETECTORS = ("ADF", "ABF")


@dataclass(frozen=True)
class Imaging:
    r"""Incoherent imaging of atomic columns: optics, scan, dose and detector.

    The image is an object of weighted points convolved with the intensity of the probe,

    .. math:: F(r) = c(r) \sum_k w_k P(r - r_k) + b(r), \qquad w_k = s \sum_{i \in k} n_i Z_i^\gamma,

    where :math:`P` is a Gaussian core with a wider Gaussian as its tails (probe, source size and thermal
    vibration together), :math:`c` a slow variation of the contrast and :math:`b` the background. In annular
    bright field the columns absorb instead, :math:`F = e^{-c \sum w P}`: dark on a bright level. The pixel
    then counts electrons, Poisson with mean :math:`F` times dose times pixel area.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    pixel_size : float
        In nm.
    dose : float or None
        Electrons per square angstrom. None: no noise, the image is the collected fraction of the beam.
    detector : {"ADF", "ABF"}
        Annular dark field (bright columns) or annular bright field (dark columns).
    probe_size : float
        Full width at half maximum of the core of a column's profile, in nm.
    tails : float
        Share of the profile's integral in the tails, 0 to 1.
    tail_size : float
        Width of the tails in units of `probe_size`.
    z_exponent : float or None
        :math:`\gamma`. None: 1.7 for ADF [1]_; 1/3, a weak dependence as in ABF [2]_.
    scattering : float
        :math:`s`, cross section in square angstrom of an atom with Z = 1. The default gives the few percent
        of the beam that a monolayer scatters at 60 kV; thick specimens at 200 kV need less per atom.
    background : float
        Uniform background, in units of the median peak of the columns. Not used in ABF.
    background_variation, contrast_variation : float
        Slow changes over the field: the range of the background in the same units, and the relative
        amplitude of the contrast.
    rotation : float
        Of the specimen in the field, in degrees, from x towards y.
    strain : float
        Largest element of a random linear distortion of the scan.
    wobble : float
        Amplitude in pixels of a slow sinusoidal distortion of the rows. The truth includes it, like `strain`.
    drift : (float, float)
        Displacement of the specimen along x and along y during the frame, in pixels. The truth includes it.
    row_jitter : float
        Root mean square shift of single rows along x, in pixels. The truth does not include it.
    gain : float
        Counts per electron.
    read_noise : float
        Root mean square of Gaussian noise, in counts.
    frame : int
        Number of the frame: with the same seed, another frame shows the same field of view with other noise and
        jitter, for a series, or for a second detector (with another `z_exponent`).

    Notes
    -----
    This is a model for tests and teaching, not a simulation of scattering: no channelling, no multislice, no
    cross-talk or coherence between columns, no thermal diffuse background, no aberrations, no saturation of
    thick or heavy columns. Positions of maxima, numbers of columns and the order of intensities are those of
    incoherent images; absolute intensities are not reliable.

    References
    ----------
    .. [1] O. L. Krivanek et al., Nature 464 (2010) 571, doi:10.1038/nature08879, who measured 1.64.
    .. [2] S. D. Findlay et al., Ultramicroscopy 110 (2010) 903, doi:10.1016/j.ultramic.2010.04.004.
    """

    shape: tuple[int, int] = (512, 512)
    pixel_size: float = 0.0125
    dose: float | None = 3e5
    detector: str = "ADF"
    probe_size: float = 0.1
    tails: float = 0.15
    tail_size: float = 2.2
    z_exponent: float | None = None
    scattering: float = 5e-5
    background: float = 0.05
    background_variation: float = 0.0
    contrast_variation: float = 0.0
    rotation: float = 0.0
    strain: float = 0.0
    wobble: float = 0.0
    drift: tuple[float, float] = (0.0, 0.0)
    row_jitter: float = 0.0
    gain: float = 1.0
    read_noise: float = 0.0
    frame: int = 0

    def __post_init__(self) -> None:
        shape = tuple(int(length) for length in self.shape)
        if len(shape) != 2 or min(shape) < 1:
            raise ValueError(f"shape={self.shape} must be two positive numbers: rows and columns.")
        object.__setattr__(self, "shape", shape)
        if self.detector not in DETECTORS:
            raise ValueError(f"detector={self.detector!r} is unknown; choose one of {DETECTORS}.")
        for name in ("pixel_size", "probe_size", "tail_size", "scattering", "gain"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be positive.")
        if self.dose is not None and not 0 < self.dose < np.inf:
            raise ValueError(
                f"dose={self.dose} must be positive and finite, or None for an image without noise."
            )
        if not 0 <= self.tails <= 1:
            raise ValueError(
                f"tails={self.tails} is the share of the profile in its tails; it must be 0 to 1."
            )
        for name in (
            "background",
            "background_variation",
            "contrast_variation",
            "strain",
            "row_jitter",
            "read_noise",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must be 0 or more.")
        if len(self.drift) != 2 or not abs(self.drift[1]) < shape[0]:
            raise ValueError(
                f"drift={self.drift} must be pixels along x and y, less than {shape[0]} along y."
            )
        if max(self.contrast_variation, self.strain) >= 1:
            raise ValueError("contrast_variation and strain are fractions; they must be less than 1.")

    @classmethod
    def of(cls, defaults: dict[str, Any], changes: dict[str, Any]) -> "Imaging":
        """Imaging with a family's `defaults` and a user's `changes`; a TypeError names unknown parameters."""
        known = [entry.name for entry in fields(cls)]
        unknown = sorted(set(changes) - set(known))
        if unknown:
            raise TypeError(
                f"Unknown: {', '.join(unknown)}. Parameters of the imaging are {', '.join(known)}."
            )
        return cls(**{**defaults, **changes})

    @property
    def reach(self) -> float:
        """Radius in nm of the disc around the origin that a specimen must cover."""
        diagonal = 0.5 * float(np.hypot(*self.shape)) * self.pixel_size / (1.0 - self.strain)
        widest = max(1.0, self.tail_size) * self.probe_size / FWHM
        moved = (2.0 * abs(self.wobble) + float(np.hypot(*self.drift))) * self.pixel_size
        return diagonal * (1.0 + 2.0 * self.strain) + REACH * widest + moved

    @property
    def exponent(self) -> float:
        """Exponent of the atomic number."""
        if self.z_exponent is not None:
            return self.z_exponent
        return 1.7 if self.detector == "ADF" else 1.0 / 3.0

    @property
    def profile(self) -> tuple[tuple[float, float], ...]:
        """Share of the integral and standard deviation in pixels of each Gaussian of a column's profile."""
        sigma = self.probe_size / self.pixel_size / FWHM
        return (1.0 - self.tails, sigma), (self.tails, self.tail_size * sigma)

    @property
    def electrons_per_pixel(self) -> float:
        """Electrons of the beam per pixel, times the gain; 1 without a dose."""
        return 1.0 if self.dose is None else self.gain * self.dose * (10.0 * self.pixel_size) ** 2

    def to_pixels(self, points: np.ndarray, random_state: int = 0) -> np.ndarray:
        """Positions x, y (n, 2) in pixels of points (n, 2) of the specimen in nm; `random_state` seeds the distortions."""
        linear, periods, phase = self._distortion(random_state)
        rows, columns = self.shape
        pixels = np.asarray(points, dtype=float).reshape(-1, 2) @ linear
        pixels += 0.5 * np.array([columns - 1, rows - 1])
        pixels[:, 0] += self.wobble * np.sin(2.0 * np.pi * periods * pixels[:, 1] / rows + phase)
        return pixels

    def to_specimen(self, pixels: np.ndarray, random_state: int = 0) -> np.ndarray:
        """Points of the specimen in nm (n, 2) at points (n, 2) of the image in pixels: the inverse of :meth:`to_pixels`."""
        linear, periods, phase = self._distortion(random_state)
        rows, columns = self.shape
        points = np.array(pixels, dtype=float).reshape(-1, 2)
        points[:, 0] -= self.wobble * np.sin(2.0 * np.pi * periods * points[:, 1] / rows + phase)
        points -= 0.5 * np.array([columns - 1, rows - 1])
        return points @ np.linalg.inv(linear)

    def _distortion(self, random_state: int) -> tuple[np.ndarray, float, float]:
        """Matrix from nm to pixels for row vectors; periods over the frame and phase of the wobble."""
        rng = np.random.default_rng([random_state, 1])
        angle = np.deg2rad(self.rotation)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = (np.eye(2) + self.strain * rng.uniform(-1.0, 1.0, (2, 2))) @ turn
        rows = self.shape[0]
        # A point is imaged when the scan reaches its row; it has then moved by the corresponding share of the drift.
        moved = np.array([[1.0, 0.0], [self.drift[0] / rows, 1.0]])
        moved[1] /= 1.0 - self.drift[1] / rows
        return linear.T @ moved / self.pixel_size, rng.uniform(1.0, 2.5), rng.uniform(0.0, 2.0 * np.pi)


def slow_field(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A random field of `shape` (rows, columns) that changes slowly over the image, its largest magnitude 1."""
    y, x = (np.pi * np.arange(length) / length for length in shape)
    field = np.zeros(shape)
    for p, q in ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2)):
        field += rng.normal() / (p + q) * np.outer(np.cos(q * y), np.cos(p * x))
    return field / np.abs(field).max()


def expected_image(specimen: Specimen, imaging: Imaging, random_state: int = 0) -> np.ndarray:
    """Image (rows, columns) without noise: the fraction of the beam that reaches the detector."""
    jitter = np.random.default_rng([random_state, 9, imaging.frame])
    row_shift = imaging.row_jitter * jitter.normal(size=imaging.shape[0])
    rng = np.random.default_rng([random_state, 2])
    contrast = 1.0 + imaging.contrast_variation * slow_field(imaging.shape, rng)
    level = 0.5 * (1.0 + slow_field(imaging.shape, rng))
    atoms = imaging.scattering * specimen.counts * specimen.numbers.astype(float) ** imaging.exponent
    columns = np.bincount(specimen.column, weights=atoms, minlength=len(specimen.positions))
    # Cross sections are per square angstrom, the profiles per square pixel.
    weights = columns / (10.0 * imaging.pixel_size) ** 2
    image = np.zeros(imaging.shape)
    pixels = imaging.to_pixels(specimen.positions, random_state)
    add_columns(image, pixels, weights, imaging.profile, row_shift)
    image *= contrast
    if imaging.detector == "ABF":
        image = np.exp(-image)
        return image * (1.0 + imaging.background_variation * (level - 0.5))
    listed = weights[specimen.labels >= 0]
    peak = float(np.median(listed)) if listed.size else float(weights.max(initial=0.0))
    peak *= sum(share / (2.0 * np.pi * sigma**2) for share, sigma in imaging.profile)
    return image + peak * (imaging.background + imaging.background_variation * level)


def detect(expected: np.ndarray, imaging: Imaging, random_state: int = 0) -> np.ndarray:
    """Image in counts of a detector from the expected fraction of the beam, both (rows, columns).

    The variance of a pixel is ``gain * mean + read_noise**2``. Without a dose it is the fraction of the beam, without noise.
    """
    if imaging.dose is None:
        return expected.astype(np.float32)
    rng = np.random.default_rng([random_state, 3, imaging.frame])
    counts = imaging.gain * rng.poisson(expected * imaging.electrons_per_pixel / imaging.gain)
    if imaging.read_noise > 0:
        counts = counts + rng.normal(0.0, imaging.read_noise, expected.shape)
    return counts.astype(np.float32)


def simulate(specimen: Specimen, imaging: Imaging, random_state: int = 0) -> tuple[np.ndarray, Truth]:
    """Image of a specimen and its ground truth, as arrays.

    Parameters
    ----------
    specimen : Specimen
    imaging : Imaging
    random_state : int
        Seed of everything random in the imaging.

    Returns
    -------
    image : (rows, columns) float32 array
    truth : Truth
    """
    expected = expected_image(specimen, imaging, random_state)
    truth = visible_truth(specimen, imaging, expected * imaging.electrons_per_pixel, random_state)
    return detect(expected, imaging, random_state), truth


def visible_truth(
    specimen: Specimen, imaging: Imaging, noise_free: np.ndarray, random_state: int = 0
) -> Truth:
    """Ground truth, in pixels, of the part of a specimen inside the image; `noise_free` is kept in ``extra``."""
    rows, columns = imaging.shape

    def inside(points: np.ndarray) -> np.ndarray:
        x, y = imaging.to_pixels(points, random_state).T
        return (x >= 0) & (x <= columns - 1) & (y >= 0) & (y <= rows - 1)

    seen = specimen.where(inside)
    # Columns without a label scatter: they are listed apart, and rings with such a corner are not.
    unlabelled = imaging.to_pixels(seen.positions[seen.labels < 0], random_state)
    seen = seen.select(seen.labels >= 0)
    extra: dict[str, object] = {
        "noise_free": noise_free.astype(np.float32),
        "rotation": imaging.rotation,
        "unlabelled": unlabelled,
        **seen.per_column,
        **{name: imaging.to_pixels(points, random_state) for name, points in seen.markers.items()},
    }
    return Truth(
        positions=imaging.to_pixels(seen.positions, random_state),
        labels=seen.labels,
        names=list(seen.names),
        cells=seen.cells,
        cell_types=seen.cell_types,
        cell_names=list(seen.cell_names),
        extra=extra,
    )


def image_signal(
    image: np.ndarray,
    imaging: Imaging,
    title: str,
    quantity: str = "",
    model: str = "incoherent sum of columns",
) -> "BaseSignal":
    """An image, or frames of one, as ``AtomicImage`` with axes x and y in nm.

    `quantity` is that of a pixel; if empty, counts or, without a dose, the fraction of the beam. The metadata node
    ``Simulation`` records the method (`model`), and the parameters of the imaging as JSON.
    """
    # Imported here, because the functions of arrays work without HyperSpy, whose import takes a second.
    import hyperspy.api as hs

    axes = [
        {"name": name, "size": size, "scale": imaging.pixel_size, "offset": 0.0, "units": "nm"}
        for name, size in zip("yx", image.shape[-2:], strict=True)
    ]
    axes = [{"name": "frame", "size": n, "navigate": True} for n in image.shape[:-2]] + axes
    signal = hs.signals.Signal2D(image, axes=axes)
    signal.metadata.General.title = title
    signal.metadata.Signal.quantity = quantity or (
        "Fraction of the beam" if imaging.dose is None else "Counts"
    )
    signal.metadata.set_item("Simulation.model", model)
    signal.metadata.set_item("Simulation.imaging", json.dumps(asdict(imaging), sort_keys=True))
    signal.set_signal_type("atomic_image")
    return signal


def simulate_signal(specimen: Specimen, imaging: Imaging, title: str, random_state: int) -> Simulated:
    """Image of a specimen as ``AtomicImage``, and its truth: see :func:`simulate`."""
    image, truth = simulate(specimen, imaging, random_state)
    return image_signal(image, imaging, title), truth
