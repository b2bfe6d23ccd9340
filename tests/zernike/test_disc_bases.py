"""Bases on the disc: polynomials, integration over pixels, rotation, reconstruction."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import eval_jacobi

from hyperspy_motifs.zernike import (
    FourierBesselBasis,
    ZernikeBasis,
    radial_polynomials,
    to_complex,
    zernike_modes,
)

BASES = [
    lambda n_max, radius: ZernikeBasis(n_max, radius),
    lambda n_max, radius: FourierBesselBasis(n_max, radius),
]
NAMES = ["zernike", "fourier-bessel"]


def honeycomb(x, y, angle=0.0, spacing=11.5, sigma=2.5):
    """A column, three neighbours of two kinds and a second shell: continuous, no mirror lost."""
    c, s = np.cos(angle), np.sin(angle)
    u, v = c * x + s * y, -s * x + c * y
    out = np.exp(-(u**2 + v**2) / (2 * sigma**2))
    for k, height in enumerate((0.6, 0.6, 0.3)):
        t = 2 * np.pi * k / 3
        du, dv = u - spacing * np.cos(t), v - spacing * np.sin(t)
        out = out + height * np.exp(-(du**2 + dv**2) / (2 * sigma**2))
    for k in range(6):
        t = np.pi / 6 + np.pi * k / 3
        du, dv = u - np.sqrt(3) * spacing * np.cos(t), v - np.sqrt(3) * spacing * np.sin(t)
        out = out + np.exp(-(du**2 + dv**2) / (2 * sigma**2))
    return out


@pytest.fixture(scope="module")
def grid29():
    rows, columns = np.mgrid[-14:15, -14:15]
    return columns, rows


def test_radial_polynomials_by_exact_sums():
    """Against the definition in whole numbers and exact fractions, where floats would lose all digits."""
    n_max, rho = 60, [0.0, 0.3, 0.77, 0.995, 1.0]
    table = radial_polynomials(n_max, rho)
    from fractions import Fraction

    for n, m in [(60, 0), (60, 2), (59, 21), (50, 50), (41, 7)]:
        coefficients = [
            (-1) ** k * math.comb(n - k, k) * math.comb(n - 2 * k, (n - m) // 2 - k)
            for k in range((n - m) // 2 + 1)
        ]
        exact = [float(sum(c * Fraction(r) ** (n - 2 * k) for k, c in enumerate(coefficients))) for r in rho]
        assert_allclose(table[n, m], exact, atol=1e-12)


def test_radial_polynomials_by_jacobi():
    rho = np.linspace(0, 1, 101)
    for (n, m), values in radial_polynomials(60, rho).items():
        k = (n - m) // 2
        expected = (-1) ** k * rho**m * eval_jacobi(k, m, 0, 1 - 2 * rho**2)
        assert_allclose(values, expected, atol=2e-12)


def test_agrees_with_mahotas():
    """Moments of an image as another package has them: |complex moments|, its own normalisation."""
    features = pytest.importorskip("mahotas.features")
    size, n_max = 41, 8
    image = np.random.default_rng(0).random((size, size))
    rows, columns = np.mgrid[-20:21, -20:21] / 20.0
    inside = np.hypot(rows, columns) <= 1
    theirs = features.zernike_moments(image, 20, degree=n_max, cm=(20, 20))
    functions = ZernikeBasis(n_max, 20).evaluate(columns, rows)
    values, kept = to_complex(
        (functions * image)[:, inside].sum(axis=1) / image[inside].sum(), zernike_modes(n_max)
    )
    norm = np.sqrt(np.where(kept[:, 1] > 0, 2, 1) * (kept[:, 0] + 1))
    ours = np.abs(values) / norm * (kept[:, 0] + 1) / np.pi
    assert_allclose(ours, theirs, atol=1e-10)


@pytest.mark.parametrize("make", BASES, ids=NAMES)
def test_orthonormal_on_the_disc(make):
    basis = make(10, 7.0)
    node, weight = np.polynomial.legendre.leggauss(40)
    rho, weight = (node + 1) / 2, weight / 2
    theta = 2 * np.pi * np.arange(48) / 48
    functions = basis.evaluate(rho[:, None] * np.cos(theta), rho[:, None] * np.sin(theta))
    gram = np.einsum("kij,lij,i->kl", functions, functions, 2 * weight * rho) / 48
    assert_allclose(gram, np.eye(len(gram)), atol=1e-12)


@pytest.mark.parametrize("radius", [5.0, 7.3, 14.0, 14.5])
def test_pixel_integrals_add_up(radius):
    basis = ZernikeBasis(12, radius)
    assert basis.areas.sum() == pytest.approx(np.pi * radius**2, rel=1e-8)
    moments = basis.transform(np.ones((basis.size, basis.size)))
    assert_allclose(moments, np.eye(len(moments))[0], atol=1e-7)
    assert basis.areas.max() <= 1 + 1e-12


def test_moments_of_a_polynomial_on_pixels():
    """f = x y^2 + 2 x has only the modes that its expansion in Zernike polynomials has."""
    radius = 60.0
    basis = ZernikeBasis(4, radius)
    half = basis.size // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1] / radius
    moments = basis.transform(x * y**2 + 2 * x)
    # x y^2 = rho^3 (cos t - cos 3t) / 4 and rho^3 = (R_3^1 + 2 R_1^1) / 3.
    expected = {(1, 1): (2 + 1 / 6) / 2, (3, 1): 1 / 12 / np.sqrt(8), (3, 3): -1 / 4 / np.sqrt(8)}
    for (n, m), value in zip(basis.modes.tolist(), moments, strict=True):
        assert value == pytest.approx(expected.get((n, m), 0.0), abs=1e-4), (n, m)


def test_moments_of_a_gaussian_on_pixels():
    """Against one-dimensional quadrature of exp(-r^2 / 2 s^2) R_n^0 r dr."""
    radius, sigma = 40.0, 13.0
    basis = ZernikeBasis(12, radius)
    half = basis.size // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    moments = basis.transform(np.exp(-(x**2 + y**2) / (2 * sigma**2)))
    node, weight = np.polynomial.legendre.leggauss(200)
    rho, weight = (node + 1) / 2, weight / 2
    radial = radial_polynomials(12, rho)
    profile = np.exp(-((rho * radius) ** 2) / (2 * sigma**2))
    for (n, m), value in zip(basis.modes.tolist(), moments, strict=True):
        exact = 2 * np.sqrt(n + 1) * (weight * rho * profile * radial[n, 0]).sum() if m == 0 else 0.0
        assert value == pytest.approx(exact, abs=1e-4)


def test_rotation_invariance_at_29_pixels(grid29):
    basis = ZernikeBasis(12, 14.0)
    patches = np.stack([honeycomb(*grid29, np.deg2rad(angle)) for angle in range(0, 360, 4)])
    magnitude = np.abs(to_complex(basis.transform(patches), basis.modes)[0])
    scatter = np.linalg.norm(magnitude - magnitude.mean(axis=0), axis=1).mean()
    assert scatter / np.linalg.norm(magnitude.mean(axis=0)) <= 0.003


@pytest.mark.parametrize("make", BASES, ids=NAMES)
def test_rotate_follows_the_pattern(make, grid29):
    basis = make(10, 14.0)
    at_0 = basis.transform(honeycomb(*grid29, 0.0))
    at_1 = basis.transform(honeycomb(*grid29, 1.0))
    error = np.linalg.norm(basis.rotate(at_0, 1.0) - at_1) / np.linalg.norm(at_1)
    assert error < 0.01
    assert np.linalg.norm(basis.rotate(at_0, -1.0) - at_1) / np.linalg.norm(at_1) > 0.1


def test_rotate_each_by_its_own_angle():
    basis = ZernikeBasis(6, 9.0)
    values = np.random.default_rng(0).normal(size=(5, len(basis.modes)))
    angles = np.linspace(-2, 2, 5)
    together = basis.rotate(values, angles)
    assert_allclose(together, [basis.rotate(v, a) for v, a in zip(values, angles, strict=True)])
    assert_allclose(basis.rotate(together, -angles), values, atol=1e-12)


def test_reconstruction_by_least_squares(grid29):
    basis = ZernikeBasis(16, 14.0)
    patch = honeycomb(*grid29, 0.4)
    disc = (basis.functions[0] > 0.5).astype(bool)
    error = np.linalg.norm((basis.reconstruct(basis.transform(patch)) - patch)[disc]) / np.linalg.norm(
        patch[disc]
    )
    assert error < 0.03


@pytest.mark.parametrize("make", BASES, ids=NAMES)
def test_least_squares_reconstruction_is_a_projection(make):
    """A patch that the modes can make comes back as it was; more modes than pixels carry do no harm."""
    basis = make(6, 8.4)
    coefficients = np.random.default_rng(0).normal(size=(3, len(basis.modes)))
    integrals, areas, pixels = basis._integrals
    patches = np.zeros((3, basis.size**2))
    patches[:, pixels] = coefficients @ (integrals / areas)
    patches = patches.reshape(3, basis.size, basis.size)
    assert_allclose(basis.reconstruct(basis.transform(patches)), patches, atol=1e-6)


def test_single_precision_is_as_good():
    basis = ZernikeBasis(10, 10.5)
    patches = np.random.default_rng(0).random((7, 23, 23))
    single = basis.transform(patches.astype(np.float32))
    assert single.dtype == np.float32
    assert_allclose(single, basis.transform(patches), atol=2e-6)


def test_wrong_patch_size_says_which():
    with pytest.raises(ValueError, match="23 x 23"):
        ZernikeBasis(4, 10.5).transform(np.ones((21, 21)))


@pytest.mark.parametrize("radius", [0, -2.0, np.inf])
def test_bad_radius(radius):
    with pytest.raises(ValueError, match="radius"):
        ZernikeBasis(4, radius)


def test_high_order_basis_is_finite_and_orthonormal():
    basis = ZernikeBasis(60, 1.0)
    node, weight = np.polynomial.legendre.leggauss(80)
    rho, weight = (node + 1) / 2, weight / 2
    radial = basis.radial(rho)
    for m in (0, 1, 17):
        rows = np.stack([radial[n, m] for n in range(m, 61, 2)])
        gram = (rows * (2 * weight * rho)) @ rows.T / (2 if m else 1)
        assert_allclose(gram, np.eye(len(gram)), atol=1e-12)
