"""Import of packages that only one converter needs."""

from __future__ import annotations

import importlib
from typing import Any

EXTRA = "hyperspy_motifs[exchange]"


def require(module: str, purpose: str, package: str | None = None) -> Any:
    """Import and return `module`; if it is absent, the error names the package to install.

    Parameters
    ----------
    module : str
        Such as ``"ase.io"``.
    purpose : str
        What it is needed for, the start of the message.
    package : str, optional
        Name for pip, if it is not that of the module.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = package or module.partition(".")[0]
        raise ImportError(
            f"{purpose} needs {name}, which is not installed: python -m pip install {name} "
            f'(or python -m pip install "{EXTRA}" for all formats).'
        ) from error
