"""From likes to a sample, reviews over HTTP, and whom the detector wrongs (figure 11), while charts are killed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from shared.topics import REVIEWS
from tests import charts_outcome
from tests.integration.platform import Platform
from tests.likes import START_MS, crowd, like
from truelike.cli.forget import forget

pytestmark = pytest.mark.integration

SERVICES = ("ingest", "detector", "predictor", "exporter", "charts", "choice", "console")
PEOPLE, BOTS, AGENTS = 300, 36, 5
# Accounts that act together and are people's all the same.
CHOIR = 5


def made() -> list[dict[str, Any]]:
    """People who like independently of each other, half of them Welsh; three crews that like the same things within
    seconds; and agents that say so.
    """
    rng = np.random.default_rng(8)
    events = []
    for event in crowd(seed=8, people=PEOPLE):
        welsh = event["actor_id"].startswith("person") and int(event["actor_id"][6:]) % 2
        if not event["actor_id"].startswith("bot"):
            events.append(
                event | {"actor_locale": "cy-GB" if welsh else "de", "content_language": "cy" if welsh else "de"}
            )
    number = 100_000
    for turn in range(8):
        for crew in range(3):
            begin = 1500 * turn + 400 * crew
            for bot in range(12 * crew, 12 * crew + 12):
                at_s = begin + float(rng.uniform(0, 20))
                events.append(like(number, f"bot{bot}", f"promoted{crew}-{turn}", at_s, actor_locale="de"))
                number += 1
    events += [like(200_000 + n, f"agent{n}", "song", n * 30, actor_kind="agent") for n in range(AGENTS)]
    return sorted(events, key=lambda event: event["occurred_at"])


def review(actor: str, found: str, drawn: str = "independently") -> dict[str, Any]:
    return {"actor_id": actor, "found": found, "drawn": drawn, "reviewed_at": START_MS, "reviewer_id": "rae"}


class Figures:
    """Those of wrongly_called_bot, as the console says them."""

    def __init__(self, url: str) -> None:
        self.url = url

    def now(self) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/v1/loop")
        figures = answer.json()["figures"] if answer.status_code == 200 else []
        return [figure for figure in figures if figure["figure"] == "wrongly_called_bot"]

    def of(self, **about: Any) -> dict[str, Any] | None:
        return next((f for f in self.now() if all(f.get(name) == value for name, value in about.items())), None)

    def wait(self, n: int, **about: Any) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while (found := self.of(**about)) is None or found["n"] != n:
            assert time.monotonic() < deadline, (n, about, self.now())
            time.sleep(0.5)
        return found


def test_from_a_sample_to_whom_it_wrongs(tmp_path: Path) -> None:
    events = made()
    platform = Platform(tmp_path, SERVICES)
    try:
        url, ingest = platform.stack.url("console"), platform.stack.url("ingest")
        asyncio.run(platform.send(events))
        platform.wait("charts/charts_likes_total", len(events), seconds=120)
        platform.rest(120)
        figures = Figures(url)
        assert figures.wait(0)["why"] == "there are no reviews"
        sample = httpx.get(f"{url}/v1/reviews/sample?seed=june&n=1000").json()
        assert (sample["drawn_from"], sample["all_seen"]) == (PEOPLE + BOTS, True)
        assert sample == httpx.get(f"{url}/v1/reviews/sample?seed=june&n=1000").json()
        choir = {f"bot{n}" for n in range(CHOIR)}
        reviews = [
            review(actor, "person" if actor.startswith("person") or actor in choir else "bot")
            for actor in sample["actors"]
        ]
        refused = httpx.post(f"{ingest}/v1/reviews", json=[review("person1", "human")])
        assert (refused.status_code, refused.json()["errors"][0]["errors"][0][:6]) == (422, "found:")
        assert httpx.post(f"{ingest}/v1/reviews", json=reviews[:50]).json()["accepted"] == 50
        platform.stack.kill("charts")
        assert httpx.post(f"{ingest}/v1/reviews", json=reviews[50:]).json()["accepted"] == PEOPLE + BOTS - 50
        platform.stack.start("charts")
        appeal = review("person0", "person", "by appeal")
        assert httpx.post(f"{ingest}/v1/reviews", json=[appeal, review("nobody", "person")]).status_code == 202
        asyncio.run(platform.send([{**review("person1", "person"), "drawn": "at random"}], REVIEWS))
        # Of the people one was reviewed anew, on appeal, and one review does not fit: nothing is left of that actor's.
        of_all = figures.wait(PEOPLE + CHOIR - 2, by="all")
        assert of_all["value"] == pytest.approx(CHOIR / (PEOPLE + CHOIR - 2))
        assert (of_all["left_out"], of_all["unseen"]) == (1, 1)
        german = PEOPLE // 2 + CHOIR - 1
        assert figures.wait(german, by="locale", locale="de")["value"] == pytest.approx(CHOIR / german)
        assert figures.wait(PEOPLE // 2 - 1, by="locale", locale="cy")["value"] == 0
        assert figures.wait(PEOPLE // 2 - 1, by="language", language="cy")["value"] == 0
        corrected = figures.wait(PEOPLE + BOTS - 2, of="bots, corrected")
        assert corrected["called"] == pytest.approx(BOTS / (PEOPLE + BOTS))
        assert corrected["low"] < (BOTS - CHOIR) / (PEOPLE + BOTS) < corrected["high"]
        platform.stack.wait_ready("charts", timeout=120)
        found, expected = asyncio.run(charts_outcome.settled(platform.settings))
        assert found.loop == expected.loop
        assert platform.stack.metrics()["charts/charts_reviews_rejected_total"] == 1
        asyncio.run(forget(platform.settings, ["person3"], 60))
        assert figures.wait(PEOPLE // 2 - 2, by="locale", locale="cy")["identified"]
        assert platform.read(REVIEWS)[-1].value is None
        assert "person3" not in httpx.get(f"{url}/v1/reviews/sample?seed=june&n=1000").json()["actors"]
        assert platform.stack.stop("charts") == {"charts": 0}
    finally:
        platform.stop()
