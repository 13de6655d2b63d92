"""The contract of an exposure: what fits, what does not and why, and slates as rows."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from shared.exposures import MOST_ITEMS, Exposure


def slate(**changes: Any) -> dict[str, Any]:
    item = {"target_id": "song", "rank": 0, "propensity": 0.25, "creator_id": 7}
    event = {"slate_id": "s1", "occurred_at": "2026-01-01T00:00:00Z", "actor_id": "ann", "items": [item]}
    return {key: value for key, value in {**event, **changes}.items() if value != "absent"}


def test_a_plain_slate_fits() -> None:
    found = Exposure.model_validate(slate())
    assert (found.surface, found.policy_id, found.arm, found.candidates, found.withheld) == (
        "unknown", "unknown", "none", None, [],
    )  # fmt: skip
    assert found.occurred_at == 1_767_225_600_000
    assert found.items[0].creator_id == "7"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"slate_id": "absent"}, ("slate_id",)),
        ({"slate_id": "x" * 65}, ("slate_id",)),
        ({"slate_id": ""}, ("slate_id",)),
        ({"actor_id": None}, ("actor_id",)),
        ({"occurred_at": "soon"}, ("occurred_at",)),
        ({"surface": "billboard"}, ("surface",)),
        ({"arm": "control"}, ("arm",)),
        ({"candidates": 0}, ("candidates",)),
        ({"policy_id": "x" * 129}, ("policy_id",)),
        ({"items": []}, ()),
        ({"items": "song"}, ("items",)),
        ({"items": [{"target_id": "song"}]}, ("items", 0, "rank")),
        ({"items": [{"target_id": "song", "rank": -1}]}, ("items", 0, "rank")),
        ({"items": [{"target_id": "song", "rank": 0, "propensity": 0}]}, ("items", 0, "propensity")),
        ({"items": [{"target_id": "song", "rank": 0, "propensity": 1.01}]}, ("items", 0, "propensity")),
        ({"withheld": [{"rank": 0}]}, ("withheld", 0, "target_id")),
        ({"items": [{"target_id": "song", "rank": n} for n in range(MOST_ITEMS + 1)]}, ("items",)),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], place: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError) as refusal:
        Exposure.model_validate(slate(**changes))
    assert [error["loc"] for error in refusal.value.errors()] == [place]


def test_null_is_absence_and_unknown_fields_are_left_out() -> None:
    item = {"target_id": "song", "rank": "3.0", "propensity": None, "topic": None, "colour": "red"}
    found = Exposure.model_validate(slate(slate_id=12, surface=None, arm=None, items=[item], more=1))
    assert (found.slate_id, found.surface, found.arm, found.items[0].rank) == ("12", "unknown", "none", 3)
    assert "more" not in found.model_dump()
