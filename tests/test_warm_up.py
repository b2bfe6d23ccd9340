import os
import subprocess
import sys

_CODE = """
from numba.core import event
from hyperspy_motifs import data
from hyperspy_motifs.warm_up import warm_up
warm_up()
image, _ = data.monolayer(shape=(192, 208), random_state=1)
with event.install_recorder("numba:compile") as recorder:
    image.find_motifs(show_progressbar=False)
print(len(recorder.buffer))
"""


def test_an_analysis_after_warm_up_compiles_nothing(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _CODE],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout.split() == ["0"]
    assert any(tmp_path.rglob("*.nbi"))  # for other processes
