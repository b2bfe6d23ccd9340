"""``python -m hyperspy_motifs``: the same as the command ``hyperspy-motifs``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
