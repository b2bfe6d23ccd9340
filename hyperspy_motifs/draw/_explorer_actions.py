"""How the explorer's edits are called from buttons and keys."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from matplotlib.backend_bases import Event


def refusing(edit: Callable[..., bool]) -> Callable[..., bool]:
    """An edit that says in the status line why a callback cannot do it: an exception would be seen by nobody."""

    @functools.wraps(edit)
    def call(explorer: Any, *arguments: object) -> bool:
        try:
            return edit(explorer, *arguments)
        except ValueError as error:
            return explorer._refuse(str(error).split(". ")[0].rstrip("."))

    return call


def without_event(action: Callable[[], object]) -> Callable[[Event], None]:
    """`action` as a button calls it."""

    def call(event: Event) -> None:
        action()

    return call
