"""Common options of all kernels, which reduce the compilation of a first call.

For each kernel numba creates wrappers for Python and for C; unused ones are omitted. Functions of numpy are compiled
once for every set of options and are shared by kernels with the same options.
"""

from __future__ import annotations

from typing import Any

#: For a kernel that Python calls. It releases the GIL; divisions by zero give infinity or NaN, as in numpy.
OUTER: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
#: For a kernel that only other kernels call.
INNER: dict[str, Any] = {**OUTER, "no_cpython_wrapper": True}
