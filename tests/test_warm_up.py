import subprocess
import sys

# Kernels come from the cache of numba where they are in it: their number tells what a process without it would compile.
_CODE = """
import sys
from pathlib import Path
from numba.core import event
from numba.core.dispatcher import Dispatcher
from hyperspy_motifs import data
from hyperspy_motifs.cli import warm_up

def kernels():
    modules = [m for name, m in sys.modules.items() if name.startswith("hyperspy_motifs.")]
    return {id(one): one for m in modules for one in vars(m).values() if isinstance(one, Dispatcher)}.values()

def signatures():
    return {(k.__module__, k.__name__, str(types)) for k in kernels() for types in k.signatures}

warm_up()
before = signatures()
image, _ = data.monolayer(shape=(192, 208), random_state=1)
with event.install_recorder("numba:compile") as recorder:
    image.find_motifs(show_progressbar=False)
print(len(before) > 5, sorted(signatures() - before), len(recorder.buffer))
used = [k for k in kernels() if k.signatures]
print(all(any(Path(k.stats.cache_path).glob("*.nbi")) for k in used))
"""


def test_an_analysis_after_warm_up_compiles_nothing():
    done = subprocess.run(
        [sys.executable, "-c", _CODE], capture_output=True, text=True, check=True, timeout=300
    )
    # The files of the second line are for other processes.
    assert done.stdout.splitlines() == ["True [] 0", "True"]
