from __future__ import annotations

from pydantic import Field, SecretStr

from shared.settings import ServiceSettings


class IngestSettings(ServiceSettings):
    """Ingest's own settings."""

    ingest_frame_rows: int = Field(4096, ge=1, le=65536, description="A frame closes at this many likes")
    ingest_frame_ms: int = Field(500, ge=1, le=5000, description="A frame closes after this time, ms")
    ingest_remembered_ids: int = Field(
        1_000_000, ge=1000, description="Event ids remembered per partition to recognise duplicates"
    )
    ingest_undoable_messages: int = Field(
        200_000,
        ge=0,
        description="How many messages of a partition back a like can be taken back by its event_id (a URI) alone",
    )
    schema_registry_url: str | None = Field(
        None, description="Schema registry for likes and slates framed by Confluent's serializers (Avro, JSON Schema)"
    )
    schema_registry_username: str | None = Field(None, description="User at the schema registry")
    schema_registry_password: SecretStr | None = Field(None, description="Password at the schema registry")
    ingest_idle_seconds: float = Field(
        5.0,
        gt=0,
        description="A partition with nothing to read for this long no longer holds back event time",
    )
    event_time_speed: float = Field(
        1.0,
        gt=0,
        description="Seconds of event time that pass per second while input is idle; above 1 for sped-up replays",
    )
    ingest_max_body_bytes: int = Field(4 << 20, ge=1024, description="Largest HTTP body, bytes")
    ingest_max_batch: int = Field(10_000, ge=1, description="Most events in one HTTP request")
