"""Which compiled functions there are, and for which types they have been compiled so far."""

from __future__ import annotations

import sys
from typing import Any

from numba.core.dispatcher import Dispatcher


def signatures(package: str) -> set[tuple[str, str]]:
    """(function, types of its arguments) of all loaded modules of a package and of `shared`."""
    found: set[tuple[str, str]] = set()
    for name, module in list(sys.modules.items()):
        if name.startswith((package, "shared.")):
            for value in vars(module).values():
                if isinstance(value, Dispatcher):
                    dispatcher: Any = value
                    found |= {(f"{value.__module__}.{value.__name__}", str(s)) for s in dispatcher.signatures}
    return found
