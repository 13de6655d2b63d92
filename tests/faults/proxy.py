"""A TCP proxy on loopback that can be slow or hold everything back, as a bad network would."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading

CHUNK = 64 * 1024


class Proxy:
    """Forwards `port` to `target`. While cut, connections stay open and what is sent waits (as for TCP's repeats)."""

    def __init__(self, port: int, target: int, tls: ssl.SSLContext | None = None) -> None:
        self.port, self.target = port, target
        # What it shows to those who connect; onward it speaks plainly.
        self._tls = tls
        self.delay_seconds = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._open: asyncio.Event | None = None

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def cut(self) -> None:
        assert self._open is not None
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        assert self._open is not None
        self.delay_seconds = 0.0
        self._loop.call_soon_threadsafe(self._open.set)

    def slow(self, seconds: float) -> None:
        """Delay each piece of up to CHUNK bytes, in both directions."""
        self.delay_seconds = seconds

    async def _listen(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pump(reader, onward[1]), self._pump(onward[0], writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._open is not None
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
