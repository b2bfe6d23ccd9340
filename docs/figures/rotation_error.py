"""Scatter of the features of a model patch over rotations and sub-pixel shifts."""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

N_MAX = 12


def columns(angle, spacing):
    """A column, its three bright neighbours and six fainter second ones, in pixels."""
    near, far = angle + np.arange(3) * 2 * np.pi / 3, angle + np.pi / 6 + np.arange(6) * np.pi / 3
    x = np.concatenate([[0], spacing * np.cos(near), np.sqrt(3) * spacing * np.cos(far)])
    y = np.concatenate([[0], spacing * np.sin(near), np.sqrt(3) * spacing * np.sin(far)])
    return np.column_stack([x, y]), np.array([1.0] + 3 * [0.7] + 6 * [1.0])


def picture(shape, centre, angle, spacing):
    y, x = np.indices(shape)
    points, weights = columns(angle, spacing)
    square = (x - centre[0] - points[:, :1, None]) ** 2 + (y - centre[1] - points[:, 1:, None]) ** 2
    return np.einsum("k,kyx->yx", weights, np.exp(-square / (2 * (0.25 * spacing) ** 2)))


def scatter(features):
    return np.sqrt(np.mean(np.sum((features - features.mean(axis=0)) ** 2, axis=1))) / np.linalg.norm(
        features.mean(axis=0)
    )


def magnitudes(moments, modes):
    return np.abs(hm.zernike.to_complex(moments, modes)[0])


sizes, integrated, sampled, rounded, exact = np.arange(17, 50, 4), [], [], [], []
rng = np.random.default_rng(0)
for size in sizes:
    radius, spacing = (size - 1) / 2, (size - 1) / 2 / 1.3
    basis = hm.zernike.ZernikeBasis(N_MAX, radius)
    half = basis.size // 2
    turned = np.array(
        [
            picture((basis.size, basis.size), (half, half), a, spacing)
            for a in np.linspace(0, 2 * np.pi / 3, 60)
        ]
    )
    integrated.append(scatter(magnitudes(basis.transform(turned), basis.modes)))
    y, x = (np.indices((basis.size, basis.size)) - half) / radius
    plain = basis.evaluate(x, y) / (np.pi * radius**2)
    sampled.append(scatter(magnitudes(np.einsum("pyx,kyx->pk", turned, plain), basis.modes)))
    wide = (basis.size + 20, basis.size + 20)
    centres = wide[0] // 2 + rng.uniform(-0.5, 0.5, (40, 2))
    images = [picture(wide, centre, 0.3, spacing) for centre in centres]
    for found, at in ((exact, centres), (rounded, np.rint(centres))):
        patches = [hm.patches.sample_patches(i, c[None], radius)[0] for i, c in zip(images, at, strict=True)]
        found.append(scatter(basis.transform(np.array(patches, float))))

figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
axes[0].semilogy(sizes, sampled, "s--", color="0.5", label="polynomials sampled at pixel centres")
axes[0].semilogy(sizes, integrated, "o-", label="integrated over pixels (this package)")
axes[0].set(title="60 rotations", xlabel="width of the disc (px)", ylabel="scatter / norm")
axes[1].semilogy(sizes, rounded, "s--", color="0.5", label="centres rounded to pixels")
axes[1].semilogy(sizes, exact, "o-", label="sub-pixel centres (this package)")
axes[1].set(title="40 sub-pixel shifts", xlabel="width of the disc (px)")
for axis in axes:
    axis.legend(frameon=False)
