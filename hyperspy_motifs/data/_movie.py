"""A movie of a specimen that changes under the beam, with its transitions."""

from typing import Any

import numpy as np

from ._family import family
from ._imaging import Imaging, simulate
from ._monolayer import dichalcogenide, dichalcogenide_specimen
from ._signal import image_signal
from ._specimen import lattice_points
from ._truth import Truth


@family
def beam_damage(
    material: str = "MoSe2",
    *,
    n_frames: int = 8,
    knock_on: float = 0.03,
    refill: float = 0.0,
    vacancies: float = 0.02,
    drift: tuple[float, float] = (0.0, 0.0),
    disorder: float = 0.002,
    random_state: int = 0,
    **imaging: Any,
) -> tuple[Any, Truth]:
    """Simulate a movie of a dichalcogenide that loses chalcogen under the beam.

    From frame to frame every chalcogen column loses one of its atoms with the probability `knock_on`, if it has any,
    and an incomplete column regains one with the probability `refill`.

    %(model)s

    Parameters
    ----------
    material : {"MoS2", "MoSe2", "MoTe2", "WS2", "WSe2", "NbSe2"}
    n_frames : int
    knock_on, refill : float
        Probabilities per frame and column.
    vacancies : float
        Fraction of the chalcogen columns that miss one atom in the first frame.
    drift : (float, float)
        Displacement of the specimen from frame to frame along x and along y, in nm.
    %(disorder)s
        The same in all frames.
    %(random_state)s
    %(imaging)s

    Returns
    -------
    image : AtomicImage
        Navigation axis: frames; signal axes x and y in nm.
    truth : Truth
        Columns of all frames, one frame after another. ``extra``: ``frame`` (n,) and ``site`` (n,), which is the same
        for a column in all frames; ``transitions`` (4, 4), the number of transitions of sites between states: metal,
        full pair, single vacancy, empty.

    Examples
    --------
    >>> from hyperspy_motifs.data import beam_damage
    >>> movie, truth = beam_damage(n_frames=3, shape=(100, 120))
    >>> movie
    <AtomicImage, title: Simulated MoSe2 under the beam, dimensions: (3|120, 100)>
    """
    for name, value in {"knock_on": knock_on, "refill": refill, "vacancies": vacancies}.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}; it must lie between 0 and 1.")
    if n_frames < 1:
        raise ValueError(f"n_frames is {n_frames}; at least one frame is needed.")
    metal, chalcogen, parameter = dichalcogenide(material)
    vectors = parameter * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    optics = Imaging.of({}, imaging)
    away = n_frames * np.hypot(*drift)
    points, site = lattice_points(vectors, np.array([[0.0, 0.0], [1 / 3, 1 / 3]]), optics.reach + away)
    points = points + disorder * np.random.default_rng([random_state, 7]).normal(size=points.shape)
    species = [(metal, metal, 1.0), (f"{chalcogen}2", chalcogen, 2.0), (f"{chalcogen}1", chalcogen, 1.0)]
    rng = np.random.default_rng([random_state, 11])
    pair = site == 1
    # 0 metal, 1 full, 2 single vacancy, 3 empty: each step from 1 removes one atom.
    state = np.where(pair, 1 + (rng.random(len(site)) < vacancies), 0)
    number = np.arange(len(points))
    frames, truths, seen_states = [], [], []
    for k in range(n_frames):
        if k:
            lost = pair & (state < 3) & (rng.random(len(site)) < knock_on)
            gained = pair & (state > 1) & ~lost & (rng.random(len(site)) < refill)
            state = state + lost - gained
        optics_k = Imaging.of({}, {**imaging, "frame": k})
        held = np.where(state < 3, state, -1)
        moved = points + (k - (n_frames - 1) / 2) * np.asarray(drift)
        specimen = dichalcogenide_specimen(moved, site, held, species, 0.75 * parameter)
        specimen.per_column["site"] = number[held >= 0]
        image, truth = simulate(specimen, optics_k, random_state)
        frames.append(image)
        truths.append(truth)
        seen_states.append(state)
    signal = image_signal(np.stack(frames), optics, f"Simulated {material} under the beam")
    return signal, _joined(truths, np.array(seen_states))


def _joined(truths: list[Truth], states: np.ndarray) -> Truth:
    """One truth of all frames, and the transitions of the sites that were in the field before and may be after."""
    transitions = np.zeros((4, 4), int)
    for before, after, here in zip(states[:-1], states[1:], truths[:-1], strict=True):
        seen = here.extra["site"]
        np.add.at(transitions, (before[seen], after[seen]), 1)
    return Truth(
        positions=np.concatenate([t.positions for t in truths]),
        labels=np.concatenate([t.labels for t in truths]),
        names=truths[0].names,
        extra={
            "frame": np.repeat(np.arange(len(truths)), [len(t.positions) for t in truths]),
            "site": np.concatenate([t.extra["site"] for t in truths]),
            "transitions": transitions,
            "noise_free": np.stack([t.extra["noise_free"] for t in truths]),
            "rotation": truths[0].extra["rotation"],
        },
    )
