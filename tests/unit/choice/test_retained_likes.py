"""What a partition keeps of its likes."""

from __future__ import annotations

import pyarrow as pa
import pytest

from services.choice import retained_likes
from services.choice.log import NO_LANGUAGE
from services.choice.retained_likes import RetainedLikes


def test_languages_have_numbers_as_they_come_and_so_many_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retained_likes, "MOST_LANGUAGES", 3)
    likes = RetainedLikes(100)
    assert likes.numbers_of(pa.array(["cy", None, "de", "cy"])).tolist() == [0, NO_LANGUAGE, 1, 0]
    taken_up = RetainedLikes(100)
    taken_up.restore(likes.snapshot())
    for kept in (likes, taken_up):
        assert kept.numbers_of(pa.array(["en", "fr", "de", None])).tolist() == [2, NO_LANGUAGE, 1, NO_LANGUAGE]
        assert list(kept.languages) == ["cy", "de", "en"]
