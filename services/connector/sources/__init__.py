"""The kinds of connectors. A new one: a file here, a line below."""

from __future__ import annotations

from typing import Final

from services.connector.sources import jetstream, listenbrainz, segment, webhook
from services.connector.sources.kind import Kind

KINDS: Final[tuple[Kind, ...]] = (jetstream.KIND, segment.KIND, webhook.KIND, listenbrainz.KIND)
