"""Settings that every service reads from the environment.

A service adds its own fields in a subclass. `load` turns a wrong value into one sentence that names the
variable, the value and what was expected, and stops the start.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

S = TypeVar("S", bound=BaseSettings)


class ServiceSettings(BaseSettings):
    """What all services share. The variable's name is the field's, in capitals."""

    model_config = SettingsConfigDict(env_prefix="", extra="ignore", env_ignore_empty=True)

    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port,host:port")
    kafka_idempotence: bool = Field(
        True, description="Idempotent producers; off only for a broker that lacks them (the embedded one)"
    )
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Redis or Valkey")
    partitions: int = Field(4, ge=1, le=1024, description="Partitions of every keyed topic; fixed once topics exist")
    checkpoint_dir: Path = Field(
        Path(".truelike/checkpoints"),
        description="Where state snapshots live; all workers of a group must see the same folder",
    )
    checkpoint_seconds: float = Field(
        5.0, gt=0, le=600, description="Time between snapshots, s; a restart replays at most this much"
    )
    http_host: str = Field("127.0.0.1", description="Address that health and API listen on")
    http_port: int = Field(0, ge=0, le=65535, description="Port for health and API; 0 takes a free one")
    endpoint_dir: Path | None = Field(
        None, description="Folder where a service writes its address, for `truelike status`"
    )
    log_format: Literal["human", "json"] = Field("human", description="How log lines look")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe line kept")


def explain(error: ValidationError) -> str:
    """One line for each wrong setting: its variable, the value found, what was expected."""
    lines = []
    for item in error.errors():
        name = "_".join(str(part) for part in item["loc"]).upper()
        lines.append(f"setting {name}={item.get('input')!r}: {item['msg'][:1].lower()}{item['msg'][1:]}")
    return "\n".join(lines)


def load(kind: type[S]) -> S:
    """Read settings from the environment, or end the process (exit code 2) and say which one is wrong."""
    try:
        return kind()
    except ValidationError as error:
        print(explain(error), file=sys.stderr)
        raise SystemExit(2) from None
