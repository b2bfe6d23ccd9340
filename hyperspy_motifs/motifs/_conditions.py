"""Conditions in words on the columns of a table, such as ``probability < 0.9 and motif == 2``."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

# An expression is written by hand: a longer one is a mistake, and deep nesting would exhaust the parser.
LONGEST = 500

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
    ast.In: lambda a, b: np.isin(a, b), ast.NotIn: lambda a, b: ~np.isin(a, b),
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


def rows_where(condition: str, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Rows of a table for which a condition holds.

    Parameters
    ----------
    condition : str
        Names of columns, numbers, texts in quotes and lists of them; ``< <= > >= == != in``; ``and or not``; ``+ - * /``.
        Nothing else is evaluated. Characters of a name that Python does not allow in one are written as ``_``.
    columns : mapping of str to numpy.ndarray, shape (n,)

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
        NaN fulfils no comparison but ``!=``.

    Raises
    ------
    ValueError
        If the condition is something else; the message names the columns.

    Examples
    --------
    >>> import numpy as np
    >>> table = {"motif": np.array([2, 2, 0]), "probability": np.array([0.5, 1.0, 0.7])}
    >>> rows_where("probability < 0.9 and motif == 2", table).tolist()
    [True, False, False]
    """
    if len(condition) > LONGEST:
        raise ValueError(f"The condition has {len(condition)} characters; at most {LONGEST} are expected.")
    known = {re.sub(r"\W", "_", name): np.asarray(values) for name, values in columns.items()}
    n = len(next(iter(known.values())))
    try:
        tree = ast.parse(condition.strip(), mode="eval").body
        with np.errstate(invalid="ignore", divide="ignore"):
            rows = np.asarray(_value(tree, known))
    except (SyntaxError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"{condition!r} is no condition: expected something like probability < 0.9 and motif == 2."
        ) from error
    if rows.dtype != bool or rows.shape not in ((), (n,)):
        raise ValueError(
            f"{condition!r} is a value, not a condition: compare it, as in probability < 0.9 or motif in [1, 2]."
        )
    return np.broadcast_to(rows, (n,)).copy()


def _value(node: ast.expr, columns: Mapping[str, np.ndarray]) -> Any:
    match node:
        case ast.Name(id=name):
            if name not in columns:
                raise ValueError(f"There is no column {name}; there are {', '.join(sorted(columns))}.")
            return columns[name]
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.List(elts=items) | ast.Tuple(elts=items) if all(
            isinstance(i, ast.Constant | ast.UnaryOp) for i in items
        ):
            return [_value(item, columns) for item in items]
        case ast.BoolOp(op=kind, values=parts):
            join = np.logical_and if isinstance(kind, ast.And) else np.logical_or
            rows = [_truth(part, columns) for part in parts]
            return join.reduce(np.broadcast_arrays(*rows))
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return ~_truth(part, columns)
        case ast.UnaryOp(op=ast.USub(), operand=part):
            return -_value(part, columns)
        case ast.BinOp(left=left, op=kind, right=right) if type(kind) in _ARITHMETIC:
            return _ARITHMETIC[type(kind)](_number(left, columns), _number(right, columns))
        case ast.Compare(left=first, ops=kinds, comparators=others) if all(
            type(k) in _COMPARISONS for k in kinds
        ):
            values = [_value(part, columns) for part in (first, *others)]
            steps = [
                np.asarray(_COMPARISONS[type(kind)](a, b), dtype=bool)
                for kind, a, b in zip(kinds, values[:-1], values[1:], strict=True)
            ]
            return np.logical_and.reduce(np.broadcast_arrays(*steps))
    raise ValueError(
        f"{ast.unparse(node)!r} cannot stand in a condition: only columns, numbers, comparisons, and, or, not can."
    )


def _truth(node: ast.expr, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    rows = np.asarray(_value(node, columns))
    if rows.dtype != bool:
        raise ValueError(f"{ast.unparse(node)!r} is neither true nor false: compare it with a value.")
    return rows


def _number(node: ast.expr, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """An operand of arithmetic as an array of floats: a product of texts or huge integers could fill the memory."""
    values = np.asarray(_value(node, columns))
    if values.dtype.kind not in "fiu":
        raise ValueError(
            f"{ast.unparse(node)!r} is no number: a condition can add and multiply numbers only."
        )
    return values.astype(float)
