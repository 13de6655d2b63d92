"""A container's health: `/readyz` of the service in it. Says in a line what is wrong; ends with code 1 then.

python -IS healthcheck.py      it runs in every container, all the time: without site packages and urllib
"""

from __future__ import annotations

import socket
import sys

SECONDS = 4


def check(port: int = 8080) -> str | None:
    """What `/readyz` answers where it is not 200, or why there is no answer."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
            connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
            while part := connection.recv(4096):
                answer += part
    except OSError as error:
        return f"/readyz does not answer: {error}"
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " in head.partition(b"\r\n")[0]:
        return None
    return body.decode(errors="replace").replace("\n", " ") or "/readyz answered nothing"


if __name__ == "__main__":
    wrong = check()
    if wrong is not None:
        sys.stdout.write(f"{wrong}\n")
        sys.exit(1)
