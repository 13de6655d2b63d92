"""Outputs that are whole or not there: written beside their place, and put there once all went well."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from truelike.files.content import WrongUse


class Output:
    """A file to write, `publish` puts it in its place. A pipe or a device is written as it is."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._temporary: Path | None = None
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            self.file: IO[bytes] = path.open("wb")
            return
        number, name = tempfile.mkstemp(prefix=f".{self.path.name}.", suffix=".part", dir=self.path.parent)
        self._temporary = Path(name)
        self.file = os.fdopen(number, "wb")

    def publish(self) -> None:
        self.file.close()
        if self._temporary is not None:
            # mkstemp gives a file to its owner alone; an output is as any other file.
            mode = stat.S_IMODE(self.path.stat().st_mode) if self.path.exists() else 0o666 & ~_umask()
            self._temporary.chmod(mode)
            os.replace(self._temporary, self.path)
            self._temporary = None

    def discard(self) -> None:
        self.file.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def output(path: Path) -> Iterator[Output]:
    """Nothing is left of it unless it was published. Raises WrongUse where it cannot be written."""
    try:
        found = Output(path)
    except OSError as error:
        raise WrongUse(f"cannot write {path}: {error.strerror}") from None
    try:
        yield found
    finally:
        found.discard()


def require_apart(inputs: Mapping[str, Path], outputs: Mapping[str, Path | None]) -> None:
    """Raises WrongUse where an output would be written over an input or another output, by whatever name."""
    named = [(name, path) for name, path in outputs.items() if path is not None]
    for name, path in named:
        if path.is_dir():
            raise WrongUse(f"{name} {path} is a folder: name a file")
        for other, place in [*inputs.items(), *(found for found in named if found[0] < name)]:
            if _same(path, place) and not (path.exists() and not path.is_file()):
                raise WrongUse(f"{name} {path} is the same file as {other}: name another, nothing was written")


def _same(a: Path, b: Path) -> bool:
    if a.exists() and b.exists():
        return a.samefile(b)
    return a.resolve() == b.resolve()
