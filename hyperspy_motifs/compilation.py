"""Options common to all kernels, so that a first call has less to compile.

Next to a kernel numba makes a function that Python can call and one that C can call; those that nobody calls are left out.
What a kernel uses of numpy is compiled once for every set of options: kernels with the same options share it.
"""

from __future__ import annotations

from typing import Any

#: Of a kernel that Python calls. It releases the GIL; divisions by zero give infinity or NaN, as those of numpy.
OUTER: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
#: Of a kernel that other kernels alone call. Python cannot.
INNER: dict[str, Any] = {**OUTER, "no_cpython_wrapper": True}
