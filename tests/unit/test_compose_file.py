"""docker-compose.yml: what holds for every container, also for one that is added."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from truelike.cli.stack import PROJECT, SERVICES

SERVICES_OF_FILE: dict[str, dict[str, Any]] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]


@pytest.mark.parametrize("name", SERVICES_OF_FILE)
def test_every_container_is_confined_and_bounded(name: str) -> None:
    service = SERVICES_OF_FILE[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["restart"] in ("unless-stopped", "on-failure")
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_only_who_makes_tokens_sees_the_administrators() -> None:
    see = [name for name, service in SERVICES_OF_FILE.items() if any("admin:" in v for v in service["volumes"])]
    assert see == ["tokens"]


def test_status_knows_every_service() -> None:
    named = SERVICES_OF_FILE["console"]["environment"]["ENDPOINTS"].split()
    assert {one.partition("=")[0] for one in named} == set(SERVICES)
