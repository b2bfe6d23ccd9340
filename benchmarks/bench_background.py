"""What is left of soft patches after it was taken off, and whether the error that is reported is that of it.

    python benchmarks/bench_background.py

Patches with flat tops and flanks of one to three neighbour distances lie on lattices of three kinds. For each width: standard
deviation over the atoms of the patches and of what is left of them, over that of the image; and what is left over the
error that `estimate_background` reports.

Then the contrast under wedges: relative standard deviation over the atoms of the contrast that is found by
`estimate_local_scale`, over
that which was applied.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from hyperspy_motifs import data
from hyperspy_motifs.patches import estimate_background, estimate_local_scale


def main():
    print("lattice       flank/nn  patches   left  left/reported")
    for name, family in (
        ("MoSe2", data.monolayer),
        ("graphene", data.grain_boundary),
        ("perovskite", data.perovskite),
    ):
        signal, truth = family(shape=(420, 441), random_state=1)
        image = np.asarray(signal.data, float)
        points = truth.positions[((truth.positions > 2) & (truth.positions < [438, 417])).all(axis=1)]
        spacing = np.median(np.sort(np.hypot(*(points[:, None] - points[None]).T), axis=0)[1])
        y, x = np.mgrid[: image.shape[0], : image.shape[1]]
        error = estimate_background(image, points)[1]
        print(f"{name:12}   without: {'patches' if error.any() else 'nothing'} found")
        for flank in (1.0, 1.5, 2.0, 3.0):
            patches = np.zeros(image.shape)
            for cx, cy in ((110, 300), (330, 120)):
                distance = np.hypot(x - cx, y - cy)
                patches += 3 * image.std() / (1 + np.exp((distance - 5 * spacing) / (0.35 * flank * spacing)))
            smooth, error = estimate_background(image + patches, points)
            slow = estimate_local_scale(image + patches - smooth, points).offset
            slow -= estimate_local_scale(image, points).offset
            left = (patches - smooth), patches, error
            left, patch, error = (ndimage.map_coordinates(f, points.T[::-1], order=1) for f in left)
            left -= slow
            ratio = left.std() / np.sqrt(np.mean(error**2))
            print(
                f"{name:12}      {flank:4.1f}   {patch.std() / image.std():6.2f}  {left.std() / image.std():5.2f}"
                f"          {ratio:5.2f}"
            )
    print("lattice        wedge  contrast found/applied")
    for name, family in (
        ("MoSe2", data.monolayer),
        ("graphene", data.grain_boundary),
        ("perovskite", data.perovskite),
        ("M1 phase", data.m1_oxide),
    ):
        for slope in (0.0, 0.2, 0.4):
            signal, truth = family(shape=(420, 441), random_state=2)
            points = truth.positions[((truth.positions > 2) & (truth.positions < [438, 417])).all(axis=1)]
            wedge = 1 + slope * np.linspace(-1, 1, 441)
            image = np.asarray(signal.data, float) * wedge
            image -= estimate_background(image, points)[0]
            found = estimate_local_scale(image, points).scale / wedge[np.rint(points[:, 0]).astype(int)]
            print(f"{name:12}    {slope:4.1f}  {found.std() / found.mean():5.3f}")


if __name__ == "__main__":
    main()
