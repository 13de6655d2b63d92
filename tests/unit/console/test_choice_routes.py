"""Whose choice it was, over HTTP: a user's report is read by that user alone, however the id is written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import pytest
from hypothesis import example, given
from starlette.types import ASGIApp

from services.console import own_routes
from services.console.api import build_app
from services.console.keeper import ViewsKeeper
from shared import redis_keys
from shared.access_tokens import Access, Token, digest
from shared.auth import AuthMiddleware
from shared.messages import ChoiceFigure, ChoiceReport, PlatformChoice
from tests.asgi import Answer, ask
from tests.unit.console.test_ids import AWKWARD, Held, everything_of, ids
from tests.unit.shared.test_auth import health

# How an id is written in the path, and whose it is.
BY_PATH = [
    ("ann", "ann"),
    ("%61nn", "ann"),
    ("%61%6e%6E", "ann"),
    ("%2561nn", "%61nn"),
    ("ANN", "ANN"),
    ("ann%20", "ann "),
    ("ann%0A", "ann\n"),
    ("ann/", "ann/"),
    ("/ann", "/ann"),
    ("bob/../ann", "bob/../ann"),
    ("ann/choice", "ann/choice"),
    ("ann%2Fchoice", "ann/choice"),
    ("ann/predictions", "ann/predictions"),
    ("ann%3Fuser_id=bob", "ann?user_id=bob"),
    ("*", "*"),
    ("%2A", "*"),
    ("user:ann", "user:ann"),
    ("%C3%A9", "\u00e9"),
    ("e%CC%81", "e\u0301"),
]
# The same of a query.
BY_QUERY = [
    ("user_id=ann", "ann"),
    ("user_id=%61nn", "ann"),
    ("user%5Fid=ann", "ann"),
    ("user_id=%2561nn", "%61nn"),
    ("user_id=ann&user_id=bob", "bob"),
    ("user_id=bob&user_id=ann", "ann"),
    ("user_id=bob&user%5Fid=ann", "ann"),
    ("user_id=ann&USER_ID=bob&user=bob&user_id[]=bob", "ann"),
    ("user_id=ann;user_id=bob", "ann;user_id=bob"),
    ("user_id=+ann", " ann"),
    ("user_id=ann/choice", "ann/choice"),
    ("user_id=*", "*"),
]
# What is no user's own, to a caller who has the scope of a user `ann` only.
NOT_OWN = [
    "/v1/choice",
    "/v1/stats",
    "/v1/stats/predictions",
    "/v1/campaigns",
    "/v1/actors/ann",
    "/v1/actors/ann/choice",
    "/v1/actors//v1/users/ann/choice",
    "/v1/actors?actor_id=ann",
    "/v1/stats?x=/v1/users/ann/choice",
    "/v1/targets/users/ann/choice",
    "/v1/users/ann",
    "/v1/users/ann/choice/",
    "/v1/users/ann/choice%0A",
    "/v1/users/ann/choice%3F",
    "/v1/users/ann/%63hoice",
    "/v1/users/ann/Choice",
    "/v1/users/ann%2Fchoice",
    "/v1/users%2Fann/choice",
    "/v1/users/ann/choice/../../../stats",
    "/v1/choice-report/",
    "/v1/choice-report/?user_id=ann",
    "/v1/choice-report%3Fuser_id=ann",
    "/v1//choice-report?user_id=ann",
    "/v1/predictions/?user_id=ann",
    "/v1/choice-reports?user_id=ann",
    "/metrics",
]


def report(user_id: str) -> ChoiceReport:
    return ChoiceReport(
        user_id=user_id,
        as_of="2026-01-01T09:00:00.000Z",
        source_offset=812,
        model="co-preference-5",
        likes=130,
        forecast=120,
        identified=True,
        popular=11.2,
        history=3.9,
        shown=4.6,
        shown_first=2.1,
        rest=2.7,
        put_before=None,
        exposures_known=True,
        sentence="Of the 11.2 bits ...",
    )


FIGURE = ChoiceFigure.model_validate(
    {
        "figure": "caused_share",
        "identified": False,
        "value": None,
        "low": None,
        "high": None,
        "level": 0.95,
        "n": 40,
        "unknown_share": 0.1,
        "first_at": 1,
        "last_at": 2,
        "why": "nothing was withheld",
        "sentence": "Not identified.",
        "policy": "bandit-7",
    }
)
PLATFORM = PlatformChoice(
    as_of="2026-01-01T09:00:00.000Z",
    model=None,
    attribution_hours=24,
    exposure_sample=1,
    partitions=2,
    figures=[FIGURE],
)


def held(users: Iterable[str] = ()) -> Held:
    """A Redis that knows a report and predictions of each of these, and the platform's figures."""
    found = Held({redis_keys.PLATFORM_CHOICE: PLATFORM.model_dump_json().encode()})
    for user in users:
        found.keys |= everything_of(user).keys
        found.keys[redis_keys.choice_report(user)] = report(user).model_dump_json().encode()
    return found


def known(rate: float = 1e6, **callers: set[str]) -> Access:
    """A token `NAME` for each caller."""
    return Access(
        [Token(name=n, sha256=digest(n), scopes=frozenset(scopes), rate=rate) for n, scopes in callers.items()]
    )


def console(redis: Held, access: Access | None) -> ASGIApp:
    app = build_app(redis, health())  # type: ignore[arg-type]
    return AuthMiddleware(app, access, own_routes=ViewsKeeper.OWN_ROUTES)


WHOSE = sorted({"bob"} | {whose for _, whose in (*BY_PATH, *BY_QUERY)})
CALLERS: dict[str, set[str]] = {
    **{f"user-{number}": {f"user:{whose}"} for number, whose in enumerate(WHOSE)},
    "server": {"users:read"},
    "reader": {"read"},
    "admin": {"admin"},
    "writer": {"likes:write"},
    "moderator ann": {"read", "user:ann"},
}
# To build an app for each example would take most of the time.
APP = console(held(WHOSE), known(**CALLERS))

REPORTS = [(f"/v1/users/{written}/choice", whose) for written, whose in BY_PATH]
REPORTS += [(f"/v1/choice-report?{query}", whose) for query, whose in BY_QUERY]
REPORTS += [("/v1/users/bob/choice?user_id=ann", "bob"), ("/v1/users/ann/choice?user_id=bob", "ann")]
PREDICTIONS = [(f"/v1/users/{written}/predictions", whose) for written, whose in BY_PATH]
PREDICTIONS += [(f"/v1/predictions?{query}", whose) for query, whose in BY_QUERY]
PREDICTIONS += [("/v1/users/bob/predictions?user_id=ann", "bob"), ("/v1/users/ann/predictions?user_id=bob", "ann")]


async def let_in(target: str, only: str) -> tuple[set[str], set[str]]:
    """The ids that are told of, and who was answered; all others must have been refused in the same words."""
    told, callers, refusals = set(), set(), set()
    for caller in CALLERS:
        answer = await ask(APP, target, caller)
        if answer.status == 200:
            assert only in answer.json
            told.add(answer.json["user_id"])
            callers.add(caller)
        else:
            refusals.add((answer.status, answer.headers[b"www-authenticate"], answer.json["detail"]))
    assert len(refusals) == 1
    assert refusals.pop()[0] == 403
    return told, callers


def user(whose: str) -> str:
    return f"user-{WHOSE.index(whose)}"


@pytest.mark.parametrize(("target", "whose"), REPORTS)
async def test_a_report_is_read_by_its_user_and_the_platforms_server(target: str, whose: str) -> None:
    told, callers = await let_in(target, "shown_first")
    assert told == {whose}
    assert callers == {user(whose), "server"} | ({"moderator ann"} if whose == "ann" else set())


@pytest.mark.parametrize(("target", "whose"), PREDICTIONS)
async def test_predictions_are_read_by_their_user_and_who_may_read(target: str, whose: str) -> None:
    told, callers = await let_in(target, "items")
    assert told == {whose}
    assert callers == {user(whose), "reader", "admin", "moderator ann"}


@pytest.mark.parametrize("target", NOT_OWN)
async def test_a_user_reads_nothing_else(target: str) -> None:
    for caller in (user("ann"), user("*"), "server"):
        answer = await ask(APP, target, caller)
        assert (answer.status, answer.json["detail"]) == (403, "this token lacks the scope read"), caller
        assert answer.headers[b"www-authenticate"] == b'Bearer error="insufficient_scope", scope="read"'


def written(path: str) -> str:
    """A path of the API's document, asked for what is `ann`'s."""
    return re.sub("{[a-z_]+}", "ann", path) + "?user_id=ann&actor_id=ann&target_id=ann"


async def test_of_all_routes_that_there_are_four_are_a_users_own() -> None:
    paths = build_app(held(), health()).openapi()["paths"]  # type: ignore[arg-type]
    reports = {"/v1/users/{user_id}/choice", "/v1/choice-report"}
    own = {"/v1/users/{user_id}/predictions", "/v1/predictions", *reports}
    for caller, its in ((user("ann"), own), ("server", reports), ("writer", set())):
        assert {path for path in paths if (await ask(APP, written(path), caller)).status != 403} == its
    # Nor does any of them leave the id unchecked.
    assert {path for path in own if (await ask(APP, written(path), user("bob"))).status == 403} == own


@given(ids, ids)
@example("a", "a/choice")
@example('"\r\nSet-Cookie: a=b', "a")
async def test_any_user_reads_the_own_and_no_others(name: str, other: str) -> None:
    redis, access = held({name, other}), known(one={f"user:{name}"}, server={"users:read"})
    app = console(redis, access)
    for own in (f"/v1/users/{quote(name, safe='')}/choice", f"/v1/choice-report?user_id={quote(name, safe='')}"):
        assert (await ask(app, own, "one")).json["user_id"] == name
    for others in (f"/v1/users/{quote(other, safe='')}/choice", f"/v1/predictions?user_id={quote(other, safe='')}"):
        assert (await ask(app, others, "one")).status == (200 if other == name else 403)
    assert (await ask(app, f"/v1/users/{quote(other, safe='')}/choice", "server")).json["user_id"] == other


@pytest.mark.parametrize("name", AWKWARD)
async def test_awkward_ids_have_reports(name: str) -> None:
    app = console(held([name]), known(one={f"user:{name}"}))
    for target in (f"/v1/users/{quote(name, safe='')}/choice", f"/v1/choice-report?user_id={quote(name, safe='')}"):
        assert (await ask(app, target, "one")).json["user_id"] == name


async def test_who_may_not_read_a_report_is_not_told_whether_there_is_one() -> None:
    found: list[Answer] = []
    for redis in (held(), held(["bob"])):
        app = console(redis, known(ann={"user:ann"}, reader={"read"}))
        found += [await ask(app, "/v1/users/bob/choice", caller) for caller in ("ann", "reader")]
    assert {(answer.status, answer.body) for answer in found} == {(403, found[0].body)}
    assert found[0].json["detail"] == "this token lacks the scope users:read"
    assert found[0].headers[b"content-type"] == b"application/problem+json"
    assert (await ask(app, "/v1/users/bob/choice")).status == 401


@pytest.mark.parametrize(
    ("target", "field"),
    [
        ("/v1/choice-report", "query.user_id"),
        ("/v1/choice-report?user_id=", "query.user_id"),
        ("/v1/choice-report?user_id=ann%00", "query.user_id"),
        ("/v1/choice-report?user_id=ann&x=%FF", "query.x"),
        ("/v1/users//choice", "path.user_id"),
        ("/v1/users/%FF/choice", "path.user_id"),
        ("/v1/users/%FF/predictions", "path.user_id"),
    ],
)
async def test_what_can_be_no_id_is_nobodys(target: str, field: str) -> None:
    for caller in (user("ann"), "moderator ann"):
        answer = await ask(APP, target, caller)
        assert (answer.status, [e["field"] for e in answer.json["errors"]]) == (422, [field])


async def test_a_user_has_a_rate() -> None:
    app = console(held(["ann"]), known(rate=1, ann={"user:ann"}))
    asked = [(await ask(app, "/v1/users/ann/choice", "ann")).status for _ in range(3)]
    assert asked == [200, 200, 429]


async def test_without_tokens_everybody_reads() -> None:
    app = console(held(["a/b"]), None)
    for target in ("/v1/users/a/b/choice", "/v1/choice-report?user_id=a/b", "/v1/users/a%2Fb/predictions"):
        assert (await ask(app, target)).json["user_id"] == "a/b"
    assert (await ask(app, "/v1/choice")).status == 200


async def test_who_stands_behind_no_check_of_tokens_tells_of_nobody() -> None:
    with pytest.raises(KeyError):
        await ask(build_app(held(["ann"]), health()), "/v1/choice-report?user_id=ann")  # type: ignore[arg-type]


async def test_what_is_not_there_is_said() -> None:
    app = console(Held({}), None)
    platform, own = await ask(app, "/v1/choice"), await ask(app, "/v1/users/ann/choice")
    assert (platform.status, platform.json["detail"]) == (404, "no likes have been measured yet")
    assert (own.status, own.json["detail"]) == (
        404,
        "no choice report of user 'ann': no like of theirs has been measured",
    )
    wrong = await ask(app, "/v1/users/ann/choice", method="POST")
    assert (wrong.status, wrong.headers[b"allow"]) == (405, b"GET")


async def test_the_platforms_figures_are_for_who_may_read() -> None:
    asked = {caller: (await ask(APP, "/v1/choice", caller)).status for caller in ("reader", "admin", "writer")}
    assert asked == {"reader": 200, "admin": 200, "writer": 403}
    told = (await ask(APP, "/v1/choice", "reader")).json
    assert told == PLATFORM.model_dump()
    assert told["figures"][0]["policy"] == "bandit-7"


def refers_to(node: Any) -> Iterable[str]:
    if isinstance(node, dict):
        yield from (value for name, value in node.items() if name == "$ref")
        node = list(node.values())
    for one in node if isinstance(node, list) else ():
        yield from refers_to(one)


async def test_answers_are_as_the_apis_document_says() -> None:
    document = build_app(held(), health()).openapi()  # type: ignore[arg-type]
    schemas = document["components"]["schemas"]
    assert {name.removeprefix("#/components/schemas/") for name in refers_to(document)} <= schemas.keys()
    for path, target in (
        ("/v1/choice", "/v1/choice"),
        ("/v1/users/{user_id}/choice", "/v1/users/ann/choice"),
        ("/v1/choice-report", "/v1/choice-report?user_id=ann"),
    ):
        operation = document["paths"][path]["get"]
        wanted = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert [p["name"] for p in operation.get("parameters", [])] == (["user_id"] if "user" in target else [])
        told = (await ask(console(held(["ann"]), None), target)).json
        jsonschema_rs.validate({**wanted, "components": document["components"]}, told)


def test_own_routes_are_matched_as_the_routes_are() -> None:
    reports, predictions = own_routes.ALL
    assert reports.anybodys == "users:read"
    assert predictions.anybodys == "read"
    assert not any(predictions.hold(target.partition("?")[0]) for target, _ in REPORTS)
    assert not any(reports.hold(target.partition("?")[0]) for target, _ in PREDICTIONS)
    assert not any(own.hold(target.partition("?")[0]) for own in own_routes.ALL for target in NOT_OWN)
