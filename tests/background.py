"""Work that a test does beside its own, in a thread."""

from __future__ import annotations

import asyncio
import threading


class Background:
    """`work` in a thread with an event loop of its own, from `start` on."""

    def __init__(self) -> None:
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    async def work(self) -> None:
        raise NotImplementedError(f"{type(self).__name__}.work")

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait for its end. Raises what ended it too early."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self.work())
        except BaseException as error:
            self._error = error
