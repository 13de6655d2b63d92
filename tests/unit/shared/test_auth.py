from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from services.console.api import build_app as console_app
from services.ingest.http import Gate
from services.ingest.http import build_app as ingest_app
from services.ingest.settings import IngestSettings
from shared import access_tokens
from shared.access_tokens import BURST_SECONDS, Access, Bucket, Caller
from shared.auth import AuthMiddleware, only_this_machine
from shared.body_reader import BODIES_BYTES, LIKES_UNDER_WAY
from shared.health import Health
from shared.pseudonyms import Pseudonyms
from shared.service import access_of
from shared.settings import ServiceSettings, explain
from tests.likes import like
from truelike.cli.app import app as cli


class Acknowledging:
    """A producer whose broker takes everything."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    async def send(self, _: str, value: bytes, key: bytes, headers: Any) -> Any:
        self.sent.append(value)

        async def acknowledged() -> None: ...

        return acknowledged()


def health() -> Health:
    return Health("test", dict, dict, list)


def ingest(tokens: Access | None) -> tuple[httpx.AsyncClient, Gate]:
    gate = Gate(IngestSettings.model_validate({"ingest_max_body_bytes": 4 << 20}))
    gate.producer = Acknowledging()  # type: ignore[assignment]
    transport = httpx.ASGITransport(AuthMiddleware(ingest_app(gate, health()), tokens))
    return httpx.AsyncClient(transport=transport, base_url="http://ingest"), gate


def console(tokens: Access | None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(AuthMiddleware(console_app(None, health()), tokens))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://console")


@pytest.fixture
def tokens(tmp_path: Path) -> tuple[Access, dict[str, str], Path]:
    path = tmp_path / "access" / "tokens.json"
    shown = {
        "writer": access_tokens.add(path, "writer", frozenset({"likes:write"}), 10),
        "reader": access_tokens.add(path, "reader", frozenset({"read"}), 2),
        "admin": access_tokens.add(path, "admin", frozenset({"admin"}), 1000),
    }
    return Access(access_tokens.load(path)), shown, path


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_each_route_asks_for_its_scope(tokens: tuple[Access, dict[str, str], Path]) -> None:
    known, shown, _ = tokens
    client, gate = ingest(known)
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Basic d3JpdGVyOng="}, 401),
        (bearer("x" * 43), 401),
        (bearer(shown["writer"][:-1]), 401),
        (bearer(shown["reader"]), 403),
        (bearer(shown["writer"]), 202),
        (bearer(shown["admin"]), 202),
    ):
        answer = await client.post("/v1/likes", json=like(1), headers=headers)
        assert answer.status_code == status, headers
        if status in (401, 403):
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["status"] == status
    assert len(gate.producer.sent) == 2  # type: ignore[union-attr]
    reading = console(known)
    assert (await reading.get("/v1/stats")).status_code == 401
    assert (await reading.get("/metrics")).status_code == 401
    assert (await reading.get("/metrics", headers=bearer(shown["writer"]))).status_code == 403
    assert (await reading.get("/metrics", headers=bearer(shown["reader"]))).status_code == 200
    for path in ("/healthz", "/readyz", "/", "/page.js", "/docs"):
        assert (await reading.get(path)).status_code == 200, path


async def test_who_reviews_says_nothing_else_and_nobody_else_reviews(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    scopes: tuple[access_tokens.Scope, ...] = ("likes:write", "reviews:write", "read", "admin", "users:read")
    shown = {scope: access_tokens.add(path, scope, frozenset({scope}), 1000) for scope in scopes}
    client, _ = ingest(Access(access_tokens.load(path)))
    may = {
        "/v1/likes": {"likes:write", "admin"},
        "/v1/reviews": {"reviews:write", "admin"},
    }
    for route, allowed in may.items():
        found = {
            scope: (await client.post(route, json=[{}], headers=bearer(token))).status_code
            for scope, token in shown.items()
        }
        assert found == {scope: 422 if scope in allowed else 403 for scope in scopes}
        assert (await client.post(route, json=[{}])).status_code == 401


async def test_a_users_token_opens_nothing_where_no_route_is_a_users_own(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    shown = [access_tokens.add(path, scope, frozenset({scope}), 1000) for scope in ("user:ann", "users:read")]
    known = Access(access_tokens.load(path))
    client, gate = ingest(known)
    for token in shown:
        assert (await client.post("/v1/likes", json=like(1), headers=bearer(token))).status_code == 403
        for path_of_ann in ("/metrics", "/v1/stats", "/v1/users/ann/choice", "/v1/predictions?user_id=ann"):
            assert (await console(known).get(path_of_ann, headers=bearer(token))).status_code == 403, path_of_ann
        assert (await client.get("/healthz", headers=bearer(token))).status_code == 200
    assert not gate.producer.sent  # type: ignore[union-attr]


def test_what_foretold_a_persons_likes_is_in_no_other_scope() -> None:
    def caller(*scopes: str) -> Caller:
        return Caller("x", frozenset(scopes), Bucket(1))

    for scope in ("likes:write", "reviews:write", "read", "admin"):
        assert caller("admin").may(scope)
        assert not caller("users:read", "user:admin", "user:read", "user:*").may(scope)
        assert not caller(scope, "user:bob", "user:*").may_read_of("ann", "users:read")
        assert not caller(scope).is_user()
    assert not caller("admin").may("users:read")
    assert caller("user:ann").may_read_of("ann", "users:read")
    assert caller("users:read").may_read_of("ann", "users:read")
    assert not caller("users:read").may_read_of("ann", "read")


async def test_a_token_has_its_own_rate(tokens: tuple[Access, dict[str, str], Path]) -> None:
    known, shown, _ = tokens
    client, _ = ingest(known)
    batch = [like(n) for n in range(15)]
    assert (await client.post("/v1/likes", json=batch, headers=bearer(shown["writer"]))).status_code == 202
    refused = await client.post("/v1/likes", json=batch, headers=bearer(shown["writer"]))
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert (await client.post("/v1/likes", json=batch, headers=bearer(shown["admin"]))).status_code == 202


@given(
    rate=st.floats(0.5, 1000),
    asked=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 50)), min_size=1, max_size=60),
)
def test_over_any_time_no_more_passes_than_rate_and_burst(rate: float, asked: list[tuple[float, int]]) -> None:
    bucket, now, passed = Bucket(rate), 0.0, 0.0
    largest = max(units for _, units in asked)
    for pause, units in asked:
        now += pause
        wait = bucket.take(units, now)
        passed += units if wait == 0 else 0
        assert wait >= 0
        # A request larger than the burst passes whole, and is paid off before the next one.
        assert passed <= rate * (now + BURST_SECONDS) + largest


async def test_answers_carry_headers_that_close_the_browser_and_none_that_open_it() -> None:
    for client in (ingest(None)[0], console(None)):
        for path in ("/healthz", "/", "/v1/likes", "/nowhere"):
            answer = await client.get(path, headers={"Origin": "https://elsewhere.example"})
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
            assert not [name for name in answer.headers if name.startswith("access-control")]
        asked = await client.request(
            "OPTIONS",
            "/v1/likes",
            headers={"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"},
        )
        assert asked.status_code in (404, 405)
        assert not [name for name in asked.headers if name.startswith("access-control")]
    page = await console(None).get("/")
    assert "<script>" not in page.text
    assert "style=" not in page.text


async def test_bodies_under_way_are_bounded() -> None:
    client, gate = ingest(None)
    gate.held_bytes = BODIES_BYTES
    refused = await client.post("/v1/likes", json=like(1))
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert gate.held_bytes == BODIES_BYTES
    gate.held_bytes = 0
    assert (await client.post("/v1/likes", json=like(1))).status_code == 202
    assert (await client.post("/v1/likes", content=b" " * (5 << 20))).status_code == 413
    assert gate.held_bytes == 0


async def test_likes_under_way_are_bounded() -> None:
    client, gate = ingest(None)
    gate.likes_under_way = LIKES_UNDER_WAY
    refused = await client.post("/v1/likes", json=[like(1), like(2)])
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert gate.counters["http_unavailable"] == 1
    gate.likes_under_way = 0
    many = [like(n) for n in range(LIKES_UNDER_WAY)]
    assert (await client.post("/v1/likes", json=many)).status_code == 202
    assert gate.likes_under_way == 0


def test_the_file_of_tokens_holds_no_token(tokens: tuple[Access, dict[str, str], Path]) -> None:
    known, shown, path = tokens
    assert not any(token in path.read_text() for token in shown.values())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = known.caller(shown["reader"])
    assert found is not None
    assert (found.name, found.may("read"), found.may("likes:write")) == ("reader", True, False)
    again = access_tokens.add(path, "reader", frozenset({"read"}), 5)
    renewed = Access(access_tokens.load(path))
    assert renewed.caller(shown["reader"]) is None
    assert renewed.caller(again) is not None


def of_scope(scope: str) -> str:
    return json.dumps([{"name": "x", "sha256": "0" * 64, "scopes": [scope, "geheim"], "rate": 1}])


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '[{"name": "x", "sha256": "geheim", "scopes": ["read"], "rate": 1}]',
        of_scope("read"),
        of_scope("user:ann"),
    ],
)
def test_a_broken_file_of_tokens_stops_the_start_and_is_not_printed(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(content)
    with pytest.raises(SystemExit) as ended:
        access_of(ServiceSettings.model_validate({"access_tokens_file": path}))
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "truelike token add" in said
    assert "geheim" not in said


def test_without_tokens_only_loopback_is_listened_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert access_of(ServiceSettings.model_validate({"http_host": "127.0.0.1"})) is None
    with pytest.raises(SystemExit):
        access_of(ServiceSettings.model_validate({"http_host": "0.0.0.0"}))
    assert "ACCESS_TOKENS_FILE" in capsys.readouterr().err
    assert [only_this_machine(h) for h in ("::1", "localhost", "127.8.9.1", "10.0.0.1", "example.org")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_token_add_shows_a_token_once(tmp_path: Path) -> None:
    path, into = tmp_path / "tokens.json", tmp_path / "admin"
    runner = CliRunner()
    arguments = ["token", "add", "web", "--scope", "likes:write", "--file", str(path)]
    shown = runner.invoke(cli, arguments)
    assert Access(access_tokens.load(path)).caller(shown.stdout.strip()) is not None
    assert runner.invoke(cli, [*arguments, "--once", "--into", str(into)]).exit_code == 0
    assert not into.exists()
    assert Access(access_tokens.load(path)).caller(shown.stdout.strip()) is not None
    assert runner.invoke(cli, ["token", "add", "a", "--scope", "all", "--file", str(path)]).exit_code == 2
    assert "likes:write" in runner.invoke(cli, ["token", "list", "--file", str(path)]).stdout


USERS = ["ann", "*", "a b, admin", "[/red]", "\x1b[2J", "a\nb", "0", "é" * 256, "read", "at://did:plc:x/y"]


def test_a_user_has_a_scope_whatever_the_id_holds(tmp_path: Path) -> None:
    path, runner = tmp_path / "tokens.json", CliRunner()
    for user in USERS:
        arguments = ["token", "add", "u", "--scope", f"user:{user}", "--scope", "read", "--file", str(path)]
        token = runner.invoke(cli, arguments).stdout.strip()
        caller = Access(access_tokens.load(path)).caller(token)
        assert caller is not None, user
        assert caller.scopes == {f"user:{user}", "read"}
        assert [other for other in USERS if caller.may_read_of(other, "users:read")] == [user]


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("ann", "user:ann, users:read"),
        ("a, admin", "'user:a, admin', users:read"),
        ("[/red]", "user:[/red], users:read"),
        ("\x1b[2J", "'user:\\x1b[2J', users:read"),
    ],
)
def test_the_list_of_tokens_shows_no_id_for_another_scope(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, shown: str
) -> None:
    path = tmp_path / "tokens.json"
    monkeypatch.setenv("COLUMNS", "200")
    access_tokens.add(path, "u", frozenset({f"user:{user}", "users:read"}), 1)
    listed = CliRunner().invoke(cli, ["token", "list", "--file", str(path)])
    assert listed.exit_code == 0
    assert shown in listed.stdout
    assert "\x1b[2J" not in listed.stdout


@pytest.mark.parametrize(
    "scope",
    [
        "all",
        "user",
        "user:",
        "users:",
        "users:write",
        "User:ann",
        " user:ann",
        "user:a\0b",
        "user:\udcff",
        f"user:{'a' * 513}",
        f"user:{'é' * 257}",
    ],
)
def test_a_scope_that_is_none_is_refused_with_those_that_are(tmp_path: Path, scope: str) -> None:
    path = tmp_path / "tokens.json"
    refused = CliRunner().invoke(cli, ["token", "add", "a", "--scope", "read", "--scope", scope, "--file", str(path)])
    assert refused.exit_code == 2
    assert (
        "likes:write, reviews:write, read, admin, users:read, user:ID with an id of 1 to 512 bytes of UTF-8"
        in refused.stderr
    )
    assert not path.exists()
    with pytest.raises(ValueError, match="user:ID"):
        access_tokens.granted(scope)


def test_log_lines_name_nobody_and_hold_no_secret() -> None:
    one, same, other = Pseudonyms("k"), Pseudonyms("k"), Pseudonyms(None)
    line = one(None, "info", {"event": "x", "actor_id": "ann", "origin_hash": "h", "kafka_password": "p", "offset": 3})
    assert line == {
        "event": "x",
        "actor_id": same.of("ann"),
        "origin_hash": same.of("h"),
        "kafka_password": "(hidden)",
        "offset": 3,
    }
    assert "ann" not in str(line)
    assert one.of("ann") != other.of("ann")
    assert structlog.is_configured()


def test_a_wrong_setting_is_named_but_no_secret_printed() -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError) as wrong:
        ServiceSettings.model_validate({"kafka_password": ["geheim"], "partitions": 0})
    said = explain(wrong.value)
    assert "KAFKA_PASSWORD=(hidden)" in said
    assert "PARTITIONS=0" in said
    assert "geheim" not in said
    with pytest.raises(ValidationError) as wrong:
        ServiceSettings.model_validate({"kafka_security_protocol": "SASL_SSL"})
    assert "needs KAFKA_USERNAME and KAFKA_PASSWORD" in explain(wrong.value)
    url = ServiceSettings.model_validate({"redis_url": "rediss://user:geheim@cache.example:6380/1"})
    assert url.redis_address == "rediss://cache.example:6380/1"
    assert "geheim" not in json.dumps(repr(ServiceSettings.model_validate({"kafka_password": "geheim"})))
