"""The kinds of connectors. A new one: a file here, a line below."""

from __future__ import annotations

from typing import Final

from services.connector.kind import Kind
from services.connector.sources import jetstream, listenbrainz, segment, webhook

KINDS: Final[tuple[Kind, ...]] = (jetstream.KIND, segment.KIND, webhook.KIND, listenbrainz.KIND)
