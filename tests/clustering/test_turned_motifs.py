"""Motifs made by turning and mirroring one pattern are found; other patterns are not."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from hyperspy_motifs.clustering import turned_motifs
from hyperspy_motifs.zernike import rotate_moments, zernike_modes

MODES = zernike_modes(6)
NOISE = 0.3


@dataclass
class Given:
    """The moments of atoms, all of them with a whole disc."""

    values: np.ndarray
    modes: np.ndarray = field(default_factory=lambda: MODES)

    @property
    def valid(self):
        return np.ones(len(self.values), bool)

    @property
    def noise_std(self):
        return np.full(len(MODES), NOISE)


def atoms_of(patterns, counts, seed):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(patterns)), counts)
    return Given(patterns[labels] + NOISE * rng.normal(size=(len(labels), len(MODES)))), labels


@pytest.fixture
def pattern():
    return np.random.default_rng(5).normal(size=len(MODES))


def test_turned_and_mirrored_copies_are_found_with_their_angle(pattern):
    mirrored = np.where(MODES[:, 1] < 0, -pattern, pattern)
    turned = rotate_moments(np.array([pattern, mirrored]), MODES, np.array([0.7, -1.9]))
    other = np.random.default_rng(6).normal(size=len(MODES))
    moments, labels = atoms_of(np.array([pattern, other, *turned]), (61, 47, 29, 11), 0)
    found = turned_motifs(moments, labels)
    assert [(f.motif, f.copy_of, f.mirrored) for f in found] == [(2, 0, False), (3, 0, True)]
    assert [f.angle for f in found] == pytest.approx([0.7, -1.9], abs=0.1)


def test_motifs_that_differ_otherwise_as_well_are_no_copies(pattern):
    # The turned pattern is darker by an amount below the noise of one atom.
    darker = rotate_moments(pattern[None], MODES, np.array([0.7]))[0] - 0.5 * NOISE * (MODES[:, 0] == 0)
    moments, labels = atoms_of(np.array([pattern, darker]), (190, 170), 1)
    moments.values[labels == 1] -= 2 * NOISE * (MODES[:, 1] == 0)
    assert turned_motifs(moments, labels) == []


def test_equal_motifs_are_not_turned_against_each_other_but_for_the_level(pattern):
    wrong = 0
    for seed in range(40):
        moments, labels = atoms_of(np.array([pattern, pattern]), (23, 19), seed)
        wrong += len(turned_motifs(moments, labels, 0.05))
    assert wrong <= 6


def test_a_motif_of_fewer_than_five_atoms_is_not_compared(pattern):
    turned = rotate_moments(pattern[None], MODES, np.array([0.7]))[0]
    moments, labels = atoms_of(np.array([pattern, turned]), (31, 4), 2)
    assert turned_motifs(moments, labels) == []
