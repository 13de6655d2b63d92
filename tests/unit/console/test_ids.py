"""Any id can be asked for over HTTP, in the path and in the query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.types import ASGIApp

from services.console.api import build_app
from shared import redis_keys
from shared.auth import AuthMiddleware
from shared.health import Health
from tests.asgi import ask

AWKWARD = [
    "at://did:plc:x/app.bsky.feed.post/y",
    "https://a/b?c=d#e",
    "https://x.example/@ann/1",
    "a/b",
    "a//b",
    "a/",
    "/",
    "//v1/likes",
    ".",
    "..",
    "../stats",
    "../../healthz",
    "/neighbours",
    "a/neighbours",
    "neighbours",
    "a/predictions",
    "100%",
    "%2F",
    "%252F",
    "%00",
    "%zz",
    "a b",
    " ",
    "\n",
    "a\r\nb",
    "a+b",
    "a&b=c;d",
    "a:b",
    "\\",
    "null",
    "\ufffd",
    "😀",
    "é" * 256,
]
NO_IDS = {
    "": "1 to 512 bytes",
    "%00": "NUL",
    "a%00b": "NUL",
    "%FF": "not UTF-8",
    "a%C3": "not UTF-8",
    "%ED%A0%80": "not UTF-8",
    "%C0%AF": "not UTF-8",
    "a" * 513: "1 to 512 bytes",
    quote("é") * 257: "1 to 512 bytes",
}

ids = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=128)


class Held:
    """A Redis that holds some keys."""

    def __init__(self, keys: dict[str, Any]) -> None:
        self.keys = keys

    async def hgetall(self, key: str) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = self.keys.get(key, {})
        return found

    async def lrange(self, key: str, _: int, __: int) -> list[bytes]:
        found: list[bytes] = self.keys.get(key, [])
        return found

    async def zrevrange(self, key: str, _: int, __: int, withscores: bool) -> list[tuple[bytes, float]]:
        assert withscores
        found: list[tuple[bytes, float]] = self.keys.get(key, [])
        return found

    async def get(self, key: str) -> bytes | None:
        found: bytes | None = self.keys.get(key)
        return found


def console(redis: Held) -> ASGIApp:
    return AuthMiddleware(build_app(redis, Health("test", dict, dict, list)), None)  # type: ignore[arg-type]


def everything_of(name: str) -> Held:
    """A Redis that knows one id as user, actor and target."""
    document = {"source_offset": 7, "model": "m", "as_of": "2026-01-01T00:00:00Z"}
    document |= {"targets": ["song"], "probabilities": [0.5], "because": [None]}
    verdict = {
        "verdict_id": "v",
        "revision": 1,
        "label": "human",
        "human_probability": 0.9,
        "window_start": 1,
        "window_end": 2,
        "likes": 3,
        "evidence": [],
        "actor_id": name,
    }
    return Held(
        {
            redis_keys.predictions(name): msgspec.json.encode(document),
            redis_keys.verdict(name): [msgspec.json.encode(verdict)],
            redis_keys.target(name): {b"human": b"3"},
            redis_keys.neighbours(name): [(b"near", 1.5)],
        }
    )


# For each way to ask: the id's field, what only its answer has, and how the target is written.
Write = Callable[[str], str]
WAYS: list[tuple[str, str, Write]] = [
    ("user_id", "as_of", lambda i: f"/v1/users/{i}/predictions"),
    ("user_id", "as_of", lambda i: f"/v1/predictions?user_id={i}"),
    ("actor_id", "sentence", lambda i: f"/v1/actors/{i}"),
    ("actor_id", "sentence", lambda i: f"/v1/actors?actor_id={i}"),
    ("target_id", "likes", lambda i: f"/v1/targets/{i}"),
    ("target_id", "likes", lambda i: f"/v1/targets?target_id={i}"),
    ("target_id", "neighbours", lambda i: f"/v1/targets/{i}/neighbours"),
    ("target_id", "neighbours", lambda i: f"/v1/neighbours?target_id={i}"),
]


# To build an app for each example would take most of the time.
HELD = Held({})
APP = console(HELD)


async def answered(name: str, written: str) -> None:
    HELD.keys = everything_of(name).keys
    for id_field, only, way in WAYS:
        answer = await ask(APP, way(written))
        assert answer.status == 200, (way(written), answer.body)
        assert answer.json[id_field] == name, way(written)
        assert only in answer.json, way(written)


@pytest.mark.parametrize("name", AWKWARD)
async def test_awkward_ids_are_answered(name: str) -> None:
    await answered(name, quote(name, safe=""))


@given(ids)
@example("a%2Fb")
async def test_any_id_is_answered(name: str) -> None:
    await answered(name, quote(name, safe=""))
    everything_encoded = "".join(f"%{byte:02x}" for byte in name.encode())
    await answered(name, everything_encoded)


@pytest.mark.parametrize("name", ["at://did:plc:x/app.bsky.feed.post/y", "https://a/b", "a//b", "../stats", ".."])
async def test_slashes_may_stand_as_they_are(name: str) -> None:
    await answered(name, name)


async def test_the_ending_of_a_path_is_the_ids_own_if_it_is_encoded() -> None:
    found = await ask(console(everything_of("https://x/y")), "/v1/targets/https://x/y/neighbours")
    assert found.json == {"target_id": "https://x/y", "neighbours": [{"target_id": "near", "weight": 1.5}]}
    for target in ("/v1/targets/a%2Fneighbours", "/v1/targets?target_id=a/neighbours"):
        found = await ask(console(everything_of("a/neighbours")), target)
        assert found.json["target_id"] == "a/neighbours"
        assert found.json["likes"]["human"] == 3
    assert (await ask(console(everything_of("neighbours")), "/v1/targets/neighbours")).json["likes"]["human"] == 3
    assert (await ask(console(everything_of("a/")), "/v1/targets/a/")).json["target_id"] == "a/"
    assert (await ask(console(everything_of("a")), "/v1/targets/a/")).status == 404
    assert (await ask(console(everything_of("a b")), f"/v1/targets?{urlencode({'target_id': 'a b'})}")).status == 200


@pytest.mark.parametrize(("written", "why"), NO_IDS.items())
async def test_what_can_be_no_id_is_refused_by_its_name(written: str, why: str) -> None:
    for id_field, _, way in WAYS:
        answer = await ask(console(Held({})), way(written))
        assert answer.status == 422, (way(written), answer.body)
        place = "query" if "?" in way(written) else "path"
        assert [e["field"] for e in answer.json["errors"]] == [f"{place}.{id_field}"]
        assert why in answer.json["errors"][0]["message"]


async def test_a_query_that_is_no_utf8_is_never_read_as_another() -> None:
    app = console(everything_of("\ufffd"))
    assert (await ask(app, "/v1/targets?target_id=%EF%BF%BD")).status == 200
    assert (await ask(app, "/v1/targets?target_id=%FF")).status == 422
    for query in ("%FF=1", "language=%FF", "language=en&x=%80"):
        assert (await ask(app, f"/v1/stats/predictions?{query}")).status == 422
    missing = await ask(app, "/v1/targets")
    assert (missing.status, missing.json["errors"][0]["field"]) == (422, "query.target_id")


@given(st.lists(ids, min_size=2, max_size=2))
@example(["x", "x:basis"])
@example(["user:x", "x"])
def test_keys_of_ids_never_meet(names: list[str]) -> None:
    kinds = (redis_keys.predictions, redis_keys.neighbours, redis_keys.verdict, redis_keys.target)
    more = (redis_keys.trending, redis_keys.forget_report, redis_keys.likes_of, redis_keys.campaign)
    more += (redis_keys.campaigns_of_kind, redis_keys.campaigns_of_actor, redis_keys.campaigns_of_target)
    more += (redis_keys.choice_report,)
    made = {key(name): (key, name) for key in (*kinds, *more) for name in names}
    assert len(made) == len(set(names)) * (len(kinds) + len(more))
    ours = {
        redis_keys.FIGURES,
        redis_keys.LABEL_COUNTS,
        redis_keys.CAMPAIGNS,
        redis_keys.trending(),
        redis_keys.WINDOWS,
        redis_keys.PLATFORM_CHOICE,
        redis_keys.PLATFORM_CHOICE_STATES,
    }
    ours |= {redis_keys.source("predictions", "trusted-likes.v1", 0), redis_keys.marks("console", "trusted-likes.v1")}
    assert not ours & made.keys()
