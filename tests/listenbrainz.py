"""A ListenBrainz of our own on loopback: the feedback of users, newest first, a few at once, with limits."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class ListenBrainzServer:
    """`loves`: user -> {recording: created (s)}. `most_at_once` is the server's own limit on `count`. Answers in
    `first`, (status, headers), come before anything else. `between` is called before each answer.
    """

    def __init__(self, loves: dict[str, dict[str, int]], most_at_once: int = 100) -> None:
        self.loves = loves
        self.most_at_once = most_at_once
        self.headers: dict[str, str] = {"X-RateLimit-Remaining": "29", "X-RateLimit-Reset-In": "10"}
        self.first: list[tuple[int, dict[str, str]]] = []
        self.asked: list[str] = []
        self.between: Callable[[], None] = lambda: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.between()
                status, headers, body = outer.answer(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Tests say what went wrong themselves."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> ListenBrainzServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if self.first:
            return (*self.first.pop(0), b"{}")
        parts, query = urlsplit(path).path.split("/"), parse_qs(urlsplit(path).query)
        user = unquote(parts[3])
        if parts[1:3] != ["1", "user"] or parts[4:] != ["get-feedback"] or user not in self.loves:
            return 404, self.headers, b'{"code": 404, "error": "Cannot find user"}'
        assert query["score"] == ["1"]
        offset, count = int(query["offset"][0]), min(int(query["count"][0]), self.most_at_once)
        rows = sorted(self.loves[user].items(), key=lambda love: -love[1])
        page = [
            {
                "created": created,
                "recording_mbid": recording,
                "recording_msid": None,
                "score": 1,
                "track_metadata": None,
                "user_id": user,
            }
            for recording, created in rows[offset : offset + count]
        ]
        body = {"count": len(page), "feedback": page, "offset": offset, "total_count": len(rows)}
        return 200, self.headers, json.dumps(body).encode()
