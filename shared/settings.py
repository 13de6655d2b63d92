"""Settings that every service reads from the environment.

A service adds its own fields in a subclass. `load` turns a wrong value into one sentence that names the
variable, the value and what was expected, and stops the start.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

S = TypeVar("S", bound=BaseSettings)

# Settings whose value is never printed.
SECRET: Final = re.compile("PASSWORD|SECRET|URL|LOG_KEY|WRITE_KEY")


class ServiceSettings(BaseSettings):
    """What all services share. The variable's name is the field's, in capitals."""

    model_config = SettingsConfigDict(env_prefix="", extra="ignore", env_ignore_empty=True)

    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port,host:port")
    kafka_idempotence: bool = Field(
        True, description="Idempotent producers; off only for a broker that lacks them (the embedded one)"
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How brokers are spoken to"
    )
    kafka_sasl_mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="How a broker is told who this is, with SASL_PLAINTEXT and SASL_SSL"
    )
    kafka_username: str | None = Field(None, description="User at the brokers")
    kafka_password: SecretStr | None = Field(None, description="Password at the brokers")
    kafka_ca_file: Path | None = Field(
        None, description="Certificates (PEM) that brokers' are checked against; none: those of the system"
    )
    kafka_cert_file: Path | None = Field(None, description="Own certificate (PEM), where brokers ask for one")
    kafka_key_file: Path | None = Field(None, description="Key of the own certificate (PEM)")
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Redis or Valkey; rediss:// for TLS")
    redis_username: str | None = Field(None, description="ACL user at Redis")
    redis_password: SecretStr | None = Field(None, description="Password at Redis")
    redis_ca_file: Path | None = Field(
        None, description="Certificates (PEM) that Redis's is checked against; none: those of the system"
    )
    partitions: int = Field(4, ge=1, le=1024, description="Partitions of every keyed topic; fixed once topics exist")
    checkpoint_dir: Path = Field(
        Path(".truelike/checkpoints"),
        description="Where state snapshots live; all workers of a group must see the same folder",
    )
    checkpoint_seconds: float = Field(
        5.0, gt=0, le=600, description="Time between snapshots, s; a restart replays at most this much"
    )
    exposure_sample: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of actors, by the hash of their id, whose exposures are taken in; figures are of these",
    )
    http_host: str = Field("127.0.0.1", description="Address that health and API listen on")
    http_port: int = Field(0, ge=0, le=65535, description="Port for health and API; 0 takes a free one")
    access_tokens_file: Path | None = Field(
        None,
        description="Tokens that callers must show (`truelike token add`); needed unless HTTP_HOST is loopback",
    )
    endpoint_dir: Path | None = Field(
        None, description="Folder where a service writes its address, for `truelike status`"
    )
    log_format: Literal["human", "json"] = Field("human", description="How log lines look")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe line kept")

    log_key: SecretStr | None = Field(
        None, description="Key of the pseudonyms of ids in logs; none: each process has its own, new with each start"
    )

    @model_validator(mode="after")
    def _names_a_user_where_one_is_needed(self) -> Self:
        if self.kafka_security_protocol.startswith("SASL") and None in (self.kafka_username, self.kafka_password):
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs KAFKA_USERNAME and KAFKA_PASSWORD"
            )
        return self

    @property
    def redis_address(self) -> str:
        """The URL without user and password, for people to read."""
        parts = urlsplit(self.redis_url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def explain(error: ValidationError) -> str:
    """One line for each wrong setting: its variable, the value found (unless it may be secret), what was expected."""
    lines = []
    for item in error.errors():
        name = "_".join(str(part) for part in item["loc"]).upper()
        if not name:
            lines.append(re.sub("^Value error, ", "setting ", item["msg"]))
            continue
        value = "(hidden)" if SECRET.search(name) else repr(item.get("input"))
        lines.append(f"setting {name}={value}: {item['msg'][:1].lower()}{item['msg'][1:]}")
    return "\n".join(lines)


def load(kind: type[S]) -> S:
    """Read settings from the environment, or end the process (exit code 2) and say which one is wrong."""
    try:
        return kind()
    except ValidationError as error:
        print(explain(error), file=sys.stderr)
        raise SystemExit(2) from None
