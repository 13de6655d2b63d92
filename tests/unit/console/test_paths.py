"""A path that is written in another way leads past no check of tokens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.console import own_routes
from services.console.api import build_app as console_app
from services.ingest.http import Gate
from services.ingest.http import build_app as ingest_app
from services.ingest.settings import IngestSettings
from shared import access_tokens
from shared.access_tokens import Access
from shared.auth import OPEN, AuthMiddleware
from tests.asgi import ask
from tests.likes import like
from tests.unit.shared.test_auth import Acknowledging, health


class Forgetful:
    """A Redis that holds nothing."""

    async def hgetall(self, _: str) -> dict[bytes, bytes]:
        return {}

    async def lrange(self, _: str, __: int, ___: int) -> list[bytes]:
        return []

    async def get(self, _: str) -> None:
        return None


@pytest.fixture
def known(tmp_path: Path) -> tuple[Access, str, str, str]:
    """Tokens for likes:write, read and admin, and none in a hurry."""
    path = tmp_path / "tokens.json"
    scopes: tuple[access_tokens.Scope, ...] = ("likes:write", "read", "admin")
    writer, reader, admin = (access_tokens.add(path, scope, frozenset({scope}), 1000) for scope in scopes)
    return Access(access_tokens.load(path)), writer, reader, admin


# To a regular expression with `$` at its end a path may end in a newline, to a set of paths it may not.
NOT_LIKES = [
    "/v1/likes%0A",
    "/v1/likes%0a",
    "/v1/likes%00",
    "/v1/likes%20",
    "/v1/likes%3F",
    "/v1/likes;x",
    "/v1/likes/.",
    "/v1%2Flikes",
    "/%76%31/likes",
    "/V1/likes",
    "//v1/likes",
    "/v1//likes",
    "/./v1/likes",
    "/v1/x/../likes",
    "/healthz/../v1/likes",
    "/docs%2f..%2fv1%2flikes",
    "http://ingest/v1/likes",
    "*",
]
NOWHERE = [
    "/healthz/",
    "/healthz/..",
    "/healthz%2f..",
    "/healthz%0A",
    "/healthz%00",
    "/healthz;/v1/stats",
    "/%68ealthz",
    "/docs%2f..%2fv1%2fstats",
    "/docs/../metrics",
    "/page.js/../v1/stats",
    "/%6Detrics",
    "/metrics%0A",
    "//",
    "/.",
    "/..",
    "/%2e%2e/",
    "//v1/stats",
    "/v1//stats",
    "/v1/./stats",
    "/v1/stats%0A",
    "/v1%2Fstats",
    "/%76%31/stats",
    "/v1/targets%2Fa",
    "/v1/users/a/predictions%0A",
    "/v1/users/a/predictions/",
    "/v1/users/a%2Fpredictions",
    "/v1/users/predictions",
    "/v1/users/a/choice%0A",
    "/v1/users/a/choice/",
    "/v1/users/a%2Fchoice",
    "/v1/users/choice",
    "/v1/choice/",
    "/v1/choice%2Dreport",
    "/v1/choice-report%0A",
    "/v1/users/",
]


@pytest.mark.parametrize("target", NOT_LIKES)
async def test_no_other_path_writes_likes(known: tuple[Access, str, str, str], target: str) -> None:
    tokens, writer, reader, admin = known
    gate = Gate(IngestSettings())
    gate.producer = producer = Acknowledging()  # type: ignore[assignment]
    app, body = AuthMiddleware(ingest_app(gate, health()), tokens), json.dumps(like(1)).encode()
    asked = {token: (await ask(app, target, token, "POST", body)).status for token in ("", writer, reader, admin)}
    assert asked == {"": 401, writer: 403, reader: 404, admin: 404}
    assert not producer.sent
    assert (await ask(app, "/v1/likes", reader, "POST", body)).status == 403
    assert (await ask(app, "/v1/likes", writer, "POST", body)).status == 202
    assert len(producer.sent) == 1


@pytest.mark.parametrize("target", NOWHERE)
async def test_no_path_leads_past_the_tokens(known: tuple[Access, str, str, str], target: str) -> None:
    tokens, writer, reader, admin = known
    app = AuthMiddleware(console_app(Forgetful(), health()), tokens, own_routes=own_routes.ALL)  # type: ignore[arg-type]
    asked = {token: await ask(app, target, token) for token in ("", writer, reader, admin)}
    found = {token: answer.status for token, answer in asked.items()}
    assert found == {"": 401, writer: 403, reader: 404, admin: 404}
    assert asked[reader].json["detail"] == "Not Found"


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/v1/actors/..%2F..%2Fhealthz", "actor '../../healthz'"),
        ("/v1/actors/../../healthz", "actor '../../healthz'"),
        ("/v1/actors/%2e%2e%2fstats", "actor '../stats'"),
        ("/v1/targets/../stats", "target '../stats'"),
        ("/v1/targets/..", "target '..'"),
        ("/v1/targets/a%0A", "target 'a\\n'"),
        ("/v1/targets//healthz", "target '/healthz'"),
    ],
)
async def test_a_path_behind_an_id_is_the_ids(known: tuple[Access, str, str, str], target: str, name: str) -> None:
    tokens, writer, reader, _ = known
    app = AuthMiddleware(console_app(Forgetful(), health()), tokens)  # type: ignore[arg-type]
    asked = {token: await ask(app, target, token) for token in ("", writer, reader)}
    assert {token: answer.status for token, answer in asked.items()} == {"": 401, writer: 403, reader: 404}
    assert name in asked[reader].json["detail"]


async def test_what_is_open_is_open_to_all(known: tuple[Access, str, str, str]) -> None:
    app = AuthMiddleware(console_app(Forgetful(), health()), known[0])  # type: ignore[arg-type]
    assert {path: (await ask(app, path)).status for path in OPEN} == dict.fromkeys(OPEN, 200)
