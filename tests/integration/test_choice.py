"""From likes and slates to choice reports, while the predictor's leader and choice services are killed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from services.choice.states import States, merge
from shared.messages import ChoiceReport, PlatformChoice
from shared.topics import EXPOSURES
from tests import choice_outcome
from tests.integration.platform import Platform
from tests.likes import START_MS, like
from truelike.cli.forget import forget
from truelike.cli.stack import SERVICES

pytestmark = pytest.mark.integration

PARTS = 8
LIKES = 6000
PEOPLE = 110
ITEMS = 80
ALL = 2**64 - 1


def made(seed: int = 5) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Likes of what was shown a little before, and of other things; an unlike now and then, and a share."""
    rng = np.random.default_rng(seed)
    likes, slates = [], []
    for n in range(LIKES):
        person, at_s = rng.integers(PEOPLE), n * 1.5
        items = rng.permutation(ITEMS)[:6]
        if n % 2 == 0:
            slates.append(
                {
                    "slate_id": f"s{n}",
                    "occurred_at": START_MS + round(at_s * 1000) - 700,
                    "actor_id": f"p{person}",
                    "surface": "recommended",
                    "policy_id": "made",
                    "candidates": ITEMS,
                    "items": [
                        {"target_id": f"t{item}", "rank": rank, "propensity": 1 / ITEMS, "creator_id": f"c{item % 7}"}
                        for rank, item in enumerate(items[:5])
                    ],
                    "withheld": [{"target_id": f"t{items[5]}", "rank": 2}],
                }
            )
        item = items[0] if n % 3 else rng.integers(ITEMS)
        surface = "recommended" if n % 3 else "organic"
        about = {"surface": surface, "creator_id": f"c{item % 7}"}
        likes.append(like(n, f"p{person}", f"t{item}", at_s, **about))
        if n % 5 == 0:
            likes.append(like(2 * LIKES + n, f"p{person}", f"t{item}", at_s + 0.1, action="share", **about))
        if n % 40 == 0:
            likes.append(like(LIKES + n, f"p{person}", f"t{item}", at_s + 0.2, action="unlike"))
    return likes, slates


def at_rest(platform: Platform) -> None:
    platform.rest(120)
    # The platform's figures are reckoned now and then.
    time.sleep(4)


def test_kills_change_no_report(tmp_path: Path) -> None:
    likes, slates = made()
    platform = Platform(tmp_path, SERVICES, CHOICE_FIGURES_SECONDS="0.5", PREDICTOR_TWINS="true")
    try:
        for label in ("choice-1", "predictor-1"):
            platform.stack.start(label.split("-")[0], label)
        platform.stack.wait_ready("choice-1", "predictor-1", timeout=120)
        for part in range(PARTS):
            # What was shown comes before what was liked of it; sometimes not.
            for events, topic in ((slates, EXPOSURES), (likes, "likes.v1"))[:: -1 if part == 5 else 1]:
                size = len(events) // PARTS + 1
                asyncio.run(platform.send(events[part * size : (part + 1) * size], topic))
            if part in (2, 4, 6):
                for label in {2: ("choice",), 4: ("predictor", "choice-1"), 6: ("predictor-1",)}[part]:
                    platform.stack.kill(label)
                    platform.stack.start(label.split("-")[0], label)
            time.sleep(0.7)
        platform.wait("predictor/predictor_likes_total", len(likes), seconds=120)
        at_rest(platform)
        found, figures = asyncio.run(choice_outcome.read(platform.settings))
        expected, tasks = asyncio.run(choice_outcome.undisturbed(platform.settings, twins=True))
        assert found.differences(expected) == []
        assert len(found.reports) == PEOPLE
        url = platform.stack.url("console")
        report = ChoiceReport.model_validate_json(httpx.get(f"{url}/v1/users/p3/choice").content)
        assert report.identified
        assert report.exposures_known
        assert report.put_before
        assert report.sentence.startswith("Of the ")
        answer = PlatformChoice.model_validate_json(httpx.get(f"{url}/v1/choice").content)
        assert answer.model_dump(mode="json") == PlatformChoice.model_validate(figures).model_dump(mode="json")
        assert answer.partitions == platform.settings.partitions
        named = {figure.figure: figure for figure in answer.figures}
        assert named["surface_mix"].identified
        assert named["choice_bits"].identified
        assert not named["induced_drift"].identified
        worth = next(figure for figure in answer.figures if getattr(figure, "likes_of", "") == "all")
        states = [States.of_log(task.kept().log(ALL)) for task in tasks]
        (again,) = (f for f in merge(states).figures() if f.about.get("likes_of") == "all")
        assert worth.identified
        assert worth.value == again.value
        reports = asyncio.run(forget(platform.settings, ["p3"], 60))
        removed = next(of for name, of in reports.items() if name.startswith("choice/"))
        assert removed["likes"] > 30
        assert removed["shown_items"] > 50
        assert httpx.get(f"{url}/v1/users/p3/choice").status_code == 404
        assert httpx.get(f"{url}/v1/users/p4/choice").status_code == 200
        codes = platform.stack.stop("choice", "choice-1")
        assert codes == {"choice": 0, "choice-1": 0}
        in_topic = asyncio.run(choice_outcome.reports_in_topic(platform.settings))
        left, _ = asyncio.run(choice_outcome.read(platform.settings))
        assert in_topic == left.reports
        assert "p3" not in in_topic
    finally:
        platform.stop()
