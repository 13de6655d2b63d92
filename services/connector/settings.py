from __future__ import annotations

from pydantic import Field, SecretStr

from shared.settings import ServiceSettings


class ConnectorSettings(ServiceSettings):
    """Settings of all kinds of connectors; each reads its own."""

    connector_name: str = Field(
        "main",
        pattern="^[a-z0-9-]{1,40}$",
        description="Tells connectors of one kind apart: each name has its own cursor",
    )
    connector_max_pending: int = Field(
        10_000, ge=1, le=1_000_000, description="Messages that may wait for the broker's acknowledgement"
    )
    connector_max_body_bytes: int = Field(4 << 20, ge=1024, description="Largest HTTP body, bytes, also unpacked")
    connector_max_batch: int = Field(10_000, ge=1, description="Most events in one HTTP request")
    connector_forget_deleted_accounts: bool = Field(
        True, description="Whether an account that is deleted at the source is forgotten, as `truelike forget` does"
    )
    connector_forget_after_seconds: float = Field(
        60.0, ge=0, le=86_400, description="How long that waits, so that likes still on their way are forgotten too, s"
    )
    jetstream_url: str = Field(
        "wss://jetstream2.us-east.bsky.network/subscribe", description="Jetstream server, ws:// or wss://"
    )
    jetstream_reposts: bool = Field(False, description="Whether reposts are taken too, as shares")
    jetstream_rewind_seconds: float = Field(
        10.0, ge=0, le=3600, description="How far before the cursor reading goes on after a break, s"
    )
    segment_shared_secret: SecretStr | None = Field(
        None, description="Secret of the webhook destination: calls must carry its X-Signature"
    )
    segment_write_key: SecretStr | None = Field(
        None, description="Write key: calls must show it as the user of HTTP Basic authentication"
    )
    webhook_map: str | None = Field(
        None,
        description="Where an event has a like's fields: actor_id=user.id,target_id=post.id; @NAME is an HTTP header",
    )
    webhook_actions: str | None = Field(
        None, description="What the mapped action's values mean: created=like,deleted=unlike; other events are left out"
    )
    webhook_secret: SecretStr | None = Field(None, description="Secret of the HMAC-SHA256 that calls must carry")
    webhook_signature_header: str = Field(
        "X-Hub-Signature-256", description="Header of that HMAC, in hex (with or without sha256=) or base64"
    )
    listenbrainz_url: str = Field("https://api.listenbrainz.org", description="ListenBrainz server")
    listenbrainz_users: str | None = Field(None, description="Users whose loves are read: ann,bob")
    listenbrainz_seconds: float = Field(300.0, ge=1, description="Time between looks at each user's loves, s")
    listenbrainz_remembered: int = Field(
        1000, ge=1, le=100_000, description="Newest loves per user that are remembered, to notice one taken back"
    )
