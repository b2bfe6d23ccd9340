"""Atoms of which the image shows a part: what is not seen lowers the probability."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial import cKDTree

from hyperspy_motifs import data
from hyperspy_motifs.clustering._classifier import GaussianClasses
from hyperspy_motifs.clustering._doubt import Doubt
from hyperspy_motifs.clustering._features import Axes
from hyperspy_motifs.zernike import NoiseModel, ZernikeBasis, get_moments


@pytest.fixture(scope="module")
def classes():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(900, 3))
    labels = np.repeat([0, 1], [600, 300])
    X[labels == 1, 0] += 8
    return GaussianClasses.fit(X, labels)


def test_what_is_known_of_a_point_alone_tells_its_class(classes):
    """A variance v on top of the spread s lessens the logarithm of the odds by s / (s + v)."""
    points = np.repeat([[5.0, 0.2, -0.3]], 4, axis=0)
    variance = np.array([0.0, 3.0, 1e8])
    covariance = np.zeros((3, 3, 3))
    covariance[:, 0, 0] = variance
    odds = classes.predict_proba(points, (np.array([0, 1, 3]), covariance))
    assert_allclose(odds[0], odds[2], rtol=1e-6)
    prior = np.log(2 / 3) - np.log(1 / 3)
    logit = np.log(odds[:, 0] / odds[:, 1]) - prior
    assert logit[1] / logit[0] == pytest.approx(1.2 / 4.2, rel=0.05)  # the spread holds a ridge of 0.2
    assert_allclose(odds[3], [2 / 3, 1 / 3], atol=5e-3)


def test_what_is_not_known_is_not_strange(classes):
    far = np.array([[4.0, 30.0, 0.0]])
    covariance = np.diag([0.0, 1e8, 0.0])[None]
    assert classes.outlier_score(far)[0] > 0.999
    assert classes.outlier_score(far, (np.array([0]), covariance))[0] < 0.999


@pytest.mark.parametrize("rotation_invariant", [False, True])
def test_doubt_grows_with_the_part_that_is_missing(rotation_invariant):
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:90, :101]
    points = np.array([(c, r) for r in range(4, 90, 9) for c in range(0, 101, 9)], dtype=float)
    weights = rng.choice([1.0, 0.5], len(points))
    image = sum(
        w * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 9) for w, (px, py) in zip(weights, points, strict=True)
    )
    image = rng.normal(image, 0.01)
    moments = get_moments(image, points, ZernikeBasis(6, 5.6), noise=NoiseModel(0, 0.01))
    unit = np.median(moments.noise_std[moments.coverage > 0.999], axis=0)
    doubt = Doubt.of(moments, rotation_invariant, unit)
    known = doubt.place < 0
    assert_allclose(moments.coverage[known], 1)
    assert (doubt.place[~moments.valid] >= 0).all()
    size = np.zeros(len(points))
    size[~known] = doubt.variance[doubt.place[~known]].mean(axis=1)
    cut = moments.valid & ~known
    assert cut.sum() > 5
    assert (~moments.valid).sum() > 5
    assert size[~moments.valid].min() > 1e6 > size[cut].max() > size[cut].min() > 0
    axes = Axes.fit(rng.normal(size=(50, doubt.variance.shape[1])))
    which, covariance = doubt.along(np.arange(len(points)), axes)
    assert len(which) == (~known).sum()
    assert_allclose(
        np.trace(covariance, axis1=1, axis2=2),
        np.einsum("fa,fa,mf->m", axes.vectors, axes.vectors, doubt.variance),
    )


def test_columns_cut_by_the_border_are_not_surely_wrong():
    """Half of a column of selenium is no sure molybdenum, and noise beyond the last column no sure column."""
    on_edge, surely_wrong, wrong_inside, inner_probabilities = 0, 0, [], []
    for seed in (1, 3, 5):
        image, truth = data.monolayer(shape=(173, 186), random_state=seed, vacancies=0, metal_dopant=None)
        motifs = image.find_motifs(radius=0.6, show_progressbar=False)
        xy = motifs.pixel_positions
        distance, nearest = cKDTree(truth.positions).query(xy)
        spacing = float(np.median(cKDTree(truth.positions).query(truth.positions, 2)[0][:, 1]))
        edge = np.minimum(xy, np.array([185, 172]) - xy).min(axis=1) / spacing
        found, true = motifs.labels, truth.labels[nearest]
        there = distance < 0.4 * spacing
        inner = there & (edge > 0.5)
        usual = np.array(
            [np.bincount(true[inner & (found == k)], minlength=1).argmax() for k in range(found.max() + 1)]
        )
        wrong = (usual[found] != true) | ~there
        on_edge += (edge < 0.2).sum()
        surely_wrong += (wrong & (edge < 0.2) & (motifs.probabilities > 0.9)).sum()
        wrong_inside.append(wrong[there & (edge > 0.05)])
        inner_probabilities.append(motifs.probabilities[inner])
    assert on_edge > 50
    # Without the doubt about what is not seen there are 19.
    assert surely_wrong <= 2
    # More than half of a column tells what it is.
    assert np.concatenate(wrong_inside).mean() < 0.04
    assert np.median(np.concatenate(inner_probabilities)) > 0.999
