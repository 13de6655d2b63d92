"""One connector of a kind and name at a time: a second one stands by until the first is gone."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from shared.dependency import Dependency


class Lease:
    """A lock on a file, which goes with its process. Where a file system has no working locks, fencing tokens
    of the snapshots still keep the earlier of two from saving (shared/checkpoints.py).
    """

    def __init__(self, path: Path) -> None:
        self.dependency = Dependency("lease", OSError)
        self._path = path
        self._held: int | None = None

    async def wait(self) -> None:
        await self.dependency.when_available(self._take)

    async def _take(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise OSError("another connector of this kind and name is at work; this one stands by") from None
        self._held = descriptor

    def give_up(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None
