"""Ports of the embedded servers: nobody else may answer in a server's name."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from truelike.cli.embedded import PORTS, Broker, Redis, free_port


def test_a_port_is_given_once_and_never_one_that_the_system_gives_to_others() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == 200
    assert all(port in PORTS for port in ports)


@pytest.mark.parametrize("server", [Redis, Broker])
def test_who_listens_already_is_not_taken_for_the_server(server: type[Redis] | type[Broker], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"port {port} of 127.0.0.1 is taken"):
            server(tmp_path, port).start()
