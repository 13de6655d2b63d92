"""Where the command `truelike` prints to, and how it fails."""

from __future__ import annotations

import typer
from rich.console import Console

err = Console(stderr=True)
out = Console()


def fail(message: str, code: int = 2) -> typer.Exit:
    """To raise: the message is on stderr. Code 2 is wrong usage."""
    err.print(f"truelike: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(code)
