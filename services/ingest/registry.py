"""Schemas of a schema registry (Confluent's HTTP API, which Apicurio and Karapace speak too), each fetched once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import Any

import httpx

from services.ingest.settings import IngestSettings
from shared.contract.confluent import Reader, reader_of, refusal, schema_id
from shared.contract.decode import Message
from shared.dependency import Dependency

TIMEOUT_SECONDS = 5.0
# An id is four bytes that anybody may send: more than these are asked for again.
MOST_SCHEMAS = 1000


class RegistryUnavailable(Exception):
    """The registry does not answer, or not as one that works."""


def client(settings: IngestSettings) -> httpx.AsyncClient | None:
    """For the registry that the settings name, if they do."""
    if settings.schema_registry_url is None:
        return None
    password = settings.schema_registry_password
    user = settings.schema_registry_username
    auth = (user, password.get_secret_value() if password is not None else "") if user is not None else None
    return httpx.AsyncClient(base_url=settings.schema_registry_url, timeout=TIMEOUT_SECONDS, auth=auth)


class SchemaRegistry:
    """`readers` has every schema that was asked for. Without a client there are none."""

    def __init__(self, client: httpx.AsyncClient | None) -> None:
        self.readers: dict[int, Reader] = {}
        self.dependency = Dependency("schema registry", RegistryUnavailable)
        self._client = client

    async def fetch(self, messages: Iterable[Message]) -> None:
        """Every schema that the messages name and that is not here yet. Waits while the registry is away."""
        if self._client is None:
            return
        for number in {n for m in messages if (n := schema_id(m.value)) is not None} - self.readers.keys():
            if len(self.readers) >= MOST_SCHEMAS:
                del self.readers[next(iter(self.readers))]
            self.readers[number] = await self.dependency.when_available(partial(self._reader, number))

    async def _reader(self, number: int) -> Reader:
        found = await self._get(f"/schemas/ids/{number}")
        if found is None:
            return refusal(f"its schema {number} is not in the registry")
        references = await self._references(found)
        return reader_of(found.get("schemaType") or "AVRO", str(found.get("schema")), references)

    async def _references(self, schema: dict[str, Any]) -> list[str]:
        """Texts of all schemas that this one names, those that others need first."""
        texts: list[str] = []
        for reference in schema.get("references") or []:
            named = await self._get(f"/subjects/{reference['subject']}/versions/{reference['version']}")
            if named is not None:
                texts += [*await self._references(named), str(named.get("schema"))]
        return list(dict.fromkeys(texts))

    async def _get(self, path: str) -> dict[str, Any] | None:
        """None where the registry says that there is no such thing. Raises RegistryUnavailable."""
        assert self._client is not None
        try:
            answer = await self._client.get(path, headers={"Accept": "application/vnd.schemaregistry.v1+json"})
            if answer.status_code == 404:
                return None
            return dict(answer.raise_for_status().json())
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            raise RegistryUnavailable(f"{self._client.base_url}: {type(error).__name__} {error}") from None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
