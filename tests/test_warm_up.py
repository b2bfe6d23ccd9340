import os
import subprocess
import sys


def _run(code, cache):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "HYPERSPY_MOTIFS_WARM_UP": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    return done.stdout.split()


def test_a_share_compiles_the_kernels_it_is_named_after(tmp_path):
    before_and_after = _run(
        "from hyperspy_motifs.warm_up import compile_share, missing_shares\n"
        "print(*missing_shares())\n"
        "compile_share('sites')\n"
        "print(*missing_shares())\n",
        tmp_path,
    )
    assert before_and_after == ["columns", "layout", "sites", "columns", "layout"]
    # The kernels of another process are found without compilation.
    compiled = _run(
        "from numba.core import event\n"
        "from hyperspy_motifs.warm_up import compile_share\n"
        "with event.install_recorder('numba:compile') as recorder:\n"
        "    compile_share('sites')\n"
        "print(len(recorder.buffer))\n",
        tmp_path,
    )
    assert compiled == ["0"]


def test_the_first_image_starts_the_compilation_and_the_analysis_waits_for_it(monkeypatch):
    from hyperspy_motifs import data, warm_up

    asked = []
    monkeypatch.setenv(warm_up.SWITCH, "1")
    monkeypatch.setattr(warm_up, "_background", warm_up._Background())
    monkeypatch.setattr(warm_up, "warm_up", lambda: asked.append(True))
    image, _ = data.monolayer(shape=(96, 112), random_state=0)
    image.deepcopy()
    image.find_atoms()
    assert asked == [True]
