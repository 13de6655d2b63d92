"""Numba's compiled code on disk, dropped when it is older than any source.

Numba compares a compiled function with its own file only. A function that calls one of another file has that one's
code inside, and would keep the old one when only the other file changes: after a `git pull`, say.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = ("services", "shared", "truelike")


def drop_stale(project: Path = PROJECT) -> int:
    """Remove compiled code beside the sources if a source is newer than some of it. Returns how many files.

    Where NUMBA_CACHE_DIR is set (in a container), sources and compiled code come together, and nothing is done.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return 0
    newest, compiled = 0.0, []
    for package in PACKAGES:
        for folder, _, names in os.walk(project / package):
            for name in names:
                if name.endswith(".py"):
                    newest = max(newest, os.stat(Path(folder, name)).st_mtime)
                elif name.endswith((".nbi", ".nbc")):
                    compiled.append(Path(folder, name))
    try:
        stale = any(path.stat().st_mtime < newest for path in compiled)
        for path in compiled if stale else ():
            path.unlink(missing_ok=True)
    except (FileNotFoundError, PermissionError):
        # Another process is at it, or the sources are not ours to write beside: then neither is the compiled code.
        return 0
    return len(compiled) if stale else 0
