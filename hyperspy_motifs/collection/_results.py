"""The fields of the result of one image of a collection."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hyperspy_motifs.clustering import MotifTree, NestedRadii
    from hyperspy_motifs.models import MotifModel, Prediction


def of_fit(model: NestedRadii, here: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the fields of the result of the atoms `here` (n,) among those of the fit."""
    radii = model.radii_
    return {
        "labels": np.asarray(model.labels_)[here],
        "probabilities": np.asarray(model.probabilities_at_[model.radius_])[here],
        "radii": np.array(radii),
        "radius_labels": np.array([model.labels_at_[r][here] for r in radii]),
        "radius_probabilities": np.array([model.probabilities_at_[r][here] for r in radii]),
        "layouts": np.array([model.layouts_[r][here] for r in radii]),
        "chosen": radii.index(model.radius_),
        "tree": _tree(model.tree_, np.asarray(model.tree_.leaf_of)[here]),
        "outlier_score": np.asarray(model.outlier_scores_)[here],
    }


def tree_of_labels(model: NestedRadii) -> MotifTree:
    """Return the tree of the motifs with the leaf of each label of the largest radius in place of those of the atoms."""
    finest = np.asarray(model.labels_at_[model.radii_[-1]])
    leaves = np.zeros(int(finest.max()) + 1, np.int32)
    leaves[finest] = model.tree_.leaf_of
    return replace(model.tree_, leaf_of=leaves)


def of_other(learned: MotifModel, found: Prediction, tree: MotifTree) -> dict[str, object]:
    """Return the same as :func:`of_fit` for the atoms of an image that was not in the fit, with a tree of labels."""
    model = learned.classifier
    return {
        "labels": found.labels,
        "probabilities": found.probabilities,
        "radii": np.array(model.radii_),
        "radius_labels": found.radius_labels,
        "radius_probabilities": found.radius_probabilities,
        "layouts": found.layouts,
        "chosen": model.radii_.index(learned.radius),
        "tree": _tree(tree, tree.leaf_of[found.radius_labels[-1]].astype(np.int64)),
        "outlier_score": found.outlier_score,
    }


def _tree(tree: MotifTree, leaves: NDArray[np.integer]) -> dict[str, object]:
    """Return the tree of motifs with the leaf of each atom of an image, and the number of its atoms below each node."""
    size = np.bincount(leaves, minlength=len(tree.parent)).astype(np.int64)
    # Parents precede their children.
    for node in range(len(size) - 1, 0, -1):
        size[tree.parent[node]] += size[node]
    return {
        "parent": tree.parent, "radius": tree.radius, "height": tree.height, "merges": tree.merges,
        "base_radius": float(tree.base_radius), "atom_leaf": leaves, "size": size,
    }  # fmt: skip
