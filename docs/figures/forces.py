"""The forces of both stages as functions of the distance in the layout."""

import matplotlib.pyplot as plt
import numpy as np

from hyperspy_motifs.relaxation import STAGES

d = np.linspace(0, 6, 400)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
for number, (stage, axis) in enumerate(zip(STAGES, axes, strict=True), start=1):
    pull = d * stage.attraction / (d**stage.attraction_exponent + 1)
    push = d * stage.repulsion / (d**stage.repulsion_exponent + 1)
    axis.plot(d, pull, label="attraction between neighbours", color="tab:blue")
    axis.plot(d, push, label="repulsion from a sampled point", color="tab:red")
    numbers = ", ".join(f"{v:g}" for v in stage[:4])
    axis.set(title=f"stage {number}: (N, M, α, β) = ({numbers})", xlabel="distance in the layout")
axes[0].set_ylabel("force")
axes[1].legend(frameon=False)
