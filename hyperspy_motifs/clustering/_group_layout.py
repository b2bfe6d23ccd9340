"""One neighbour graph of groups that are not connected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array


def block_diagonal(blocks: Sequence[csr_array | None]) -> csr_array:
    """Return one graph of several; None stands for a single point. Indices stay sorted."""
    graphs = [csr_array((1, 1), dtype=np.float32) if block is None else block for block in blocks]
    sizes, counts = [g.shape[0] for g in graphs], [g.nnz for g in graphs]
    first, before = np.cumsum([0, *sizes]), np.cumsum([0, *counts])
    indptr = [g.indptr[:-1] + start for g, start in zip(graphs, before, strict=False)]
    indices = [g.indices + start for g, start in zip(graphs, first, strict=False)]
    data = np.concatenate([g.data for g in graphs])
    return csr_array(
        (data, np.concatenate(indices), np.concatenate([*indptr, before[-1:]])), shape=(first[-1], first[-1])
    )
