"""What every service process does besides its work: logs, signals, its HTTP server, its address on disk."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence

import structlog
import uvicorn
from setproctitle import setproctitle
from starlette.types import ASGIApp

from shared import access_tokens
from shared.access_tokens import Access
from shared.auth import LIKES_ROUTES, AuthMiddleware, OwnRoutes, WriteRoutes, only_this_machine
from shared.health import Health
from shared.logs import configure_logs
from shared.probes import Probe
from shared.settings import ServiceSettings

log = structlog.get_logger()

# How often to look whether the process must end.
VITAL_SECONDS = 1.0
# More at once are answered with 503.
MOST_CONNECTIONS = 512


class HttpServer(uvicorn.Server):
    """uvicorn inside our own event loop; signals are ours, so that shutdown is in our order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(settings: ServiceSettings) -> socket.socket:
    """Listen on the configured address. Ends the process with a sentence where the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.http_host, settings.http_port))
    except OSError as error:
        print(
            f"port {settings.http_port} on {settings.http_host} cannot be used ({error.strerror}): "
            "set HTTP_PORT to a free one, or to 0 to take any",
            file=sys.stderr,
        )
        raise SystemExit(2) from None
    return listener


def access_of(settings: ServiceSettings) -> Access | None:
    """The tokens that callers must show. Ends the process with a sentence where there are none but should be."""
    if settings.access_tokens_file is None:
        if only_this_machine(settings.http_host):
            return None
        print(
            f"HTTP_HOST={settings.http_host} can be reached from other machines: set ACCESS_TOKENS_FILE to a file made "
            "by `truelike token add`, or listen on 127.0.0.1",
            file=sys.stderr,
        )
        raise SystemExit(2)
    try:
        return Access(access_tokens.load(settings.access_tokens_file))
    except ValueError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


class Service:
    """The life of a process: `async with` starts the HTTP server; `stopping` is set by SIGTERM or SIGINT."""

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        app: ASGIApp,
        health: Health,
        probes: Sequence[Probe] = (),
        write_routes: WriteRoutes = LIKES_ROUTES,
        own_routes: Sequence[OwnRoutes] = (),
    ) -> None:
        self.name = name
        self.settings = settings
        self.stopping = asyncio.Event()
        self._app = AuthMiddleware(app, access_of(settings), write_routes, own_routes)
        self._health = health
        self._probes = probes
        self._probing: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Service:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        listener = bind(self.settings)
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
        )
        self._server = HttpServer(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        watches = [self._health.loop.run(), self._end_if_lost(), *(probe.run() for probe in self._probes)]
        self._probing = [asyncio.create_task(watch) for watch in watches]
        host, port = listener.getsockname()[:2]
        self.address = f"http://{host}:{port}"
        if self.settings.endpoint_dir is not None:
            self.settings.endpoint_dir.mkdir(parents=True, exist_ok=True)
            self._endpoint = self.settings.endpoint_dir / f"{self.name}-{os.getpid()}.json"
            # By rename: who looks for addresses must never read half a file.
            written = self._endpoint.with_suffix(".tmp")
            written.write_text(json.dumps({"service": self.name, "url": self.address, "pid": os.getpid()}))
            written.rename(self._endpoint)
        log.info("listening", address=self.address)
        return self

    async def _end_if_lost(self) -> None:
        """End at once where only a new process helps: what is not saved is replayed, as after any crash, and a stop in
        good order would wait for what does not come.
        """
        while True:
            await asyncio.sleep(VITAL_SECONDS)
            lost = {name: why for name, why in self._health.vital().items() if why is not None}
            if lost:
                log.error("process ends: only a new one helps", **lost)
                os._exit(1)

    async def __aexit__(self, *_: object) -> None:
        for task in self._probing:
            task.cancel()
        await asyncio.gather(*self._probing, return_exceptions=True)
        self._server.should_exit = True
        self._server.force_exit = True
        await self._serving
        if self.settings.endpoint_dir is not None:
            self._endpoint.unlink(missing_ok=True)
        log.info("stopped")


def run(name: str, settings: ServiceSettings, main: Callable[[], Awaitable[None]]) -> None:
    """Run a service until it ends; an exception is logged and ends the process with code 1."""
    setproctitle(f"truelike-{name}")
    configure_logs(settings, name)
    try:
        asyncio.run(_as_coroutine(main))
    except Exception:
        log.exception("service failed", service=name)
        raise SystemExit(1) from None


async def _as_coroutine(main: Callable[[], Awaitable[None]]) -> None:
    await main()
