"""Where the command `truelike` prints to, and how it fails."""

from __future__ import annotations

import typer
from rich.console import Console

err = Console(stderr=True)
out = Console()


def fail(message: str) -> typer.Exit:
    """To raise: the message is on stderr, the exit code is 2."""
    err.print(f"truelike: {message}", style="red", markup=False, highlight=False)
    return typer.Exit(2)
