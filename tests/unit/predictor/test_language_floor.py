from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.predictor.language_floor import ALPHA, Floor, LanguageFloor, falls_short, having_at_most, least_protected
from services.predictor.model import CoPreference
from services.predictor.publishing import Basis, Documents
from services.predictor.ranking import TOP
from services.predictor.settings import PredictorSettings
from services.predictor.task import PredictorTask
from shared.frames import Frame
from shared.labels import LABELS
from shared.languages import UNKNOWN_LANGUAGE
from shared.schemas import TRUSTED_LIKES
from tests.trusted_likes import START_MS, made, row

shares = st.floats(0.0, 0.95)
# Of each user the items liked, of an odd number in a protected language.
likes = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60)), min_size=1, max_size=200)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (0.3, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2]),
        (0.5, [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4]),
        (0.7, [0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6]),
    ],
)
def test_one_prefix_needs_what_the_papers_table_says(share: float, expected: list[int]) -> None:
    assert (having_at_most(share, 12) <= 0.1).sum(axis=1).tolist() == expected


@given(shares)
def test_a_fair_ranking_hardly_ever_falls_short_and_no_stricter_table_is_so(share: float) -> None:
    least = np.array(least_protected(share, TOP))
    assert falls_short(least, share) <= ALPHA
    at_most = having_at_most(share, TOP)
    stricter = at_most[(at_most <= ALPHA) & (np.arange(TOP + 1) >= least[:, None])]
    if len(stricter):
        assert falls_short((at_most <= stricter.min()).sum(axis=1), share) > ALPHA


def test_how_often_a_fair_ranking_falls_short_is_what_tossing_says() -> None:
    least = np.array(least_protected(0.4, TOP))
    tossed = np.random.default_rng(3).random((200_000, TOP)) < 0.4
    short = (tossed.cumsum(axis=1) < least).any(axis=1).mean()
    assert short == pytest.approx(falls_short(least, 0.4), abs=0.003)
    assert least.any()


def learnt(rows: list[tuple[int, int]]) -> CoPreference:
    model = CoPreference()
    users, items = pa.array([f"u{u}" for u, _ in rows]), pa.array([f"i{i}" for _, i in rows])
    model.score_and_learn(users, items, START_MS + np.arange(len(rows)), np.ones(len(rows), np.float32))
    return model


def floor_of(model: CoPreference, share: float) -> Floor:
    return Floor(np.array([int(item[1:]) % 2 == 1 for item in model.items.ids]), LanguageFloor(share).least(TOP))


@given(likes, shares)
def test_each_prefix_has_its_least_where_there_are_candidates(rows: list[tuple[int, int]], share: float) -> None:
    model = learnt(rows)
    everybody, floor = np.arange(len(model.users.ids)), floor_of(model, share)
    # The protected candidates that a user has: a floor of all places brings up TOP of them.
    found = model.ranked(everybody, floor=Floor(floor.protected, np.arange(1, TOP + 1)))
    plain, ranked = model.ranked(everybody), model.ranked(everybody, floor=floor)
    for user in everybody:
        top = [item for item in ranked.top[user].tolist() if item >= 0]
        before = [item for item in plain.top[user].tolist() if item >= 0]
        assert len(set(top)) == len(top) == len(before)
        is_protected = floor.protected[top]
        there = sum(floor.protected[item] for item in found.top[user].tolist() if item >= 0)
        assert (is_protected.cumsum() >= np.minimum(floor.least[: len(top)], there)).all()
        own = {f"i{item}" for who, item in rows if f"u{who}" == model.users.ids[user]}
        assert not own & set(model.items.names(ranked.top[user][: len(top)]))
        # What is not lifted stands as it stood, and the best of each kind are there, in their order.
        for kind in (True, False):
            of_kind = [item for item in top if floor.protected[item] == kind]
            stood = [item for item in before if floor.protected[item] == kind]
            assert of_kind[: len(stood)] == stood[: len(of_kind)]
            scores = ranked.scores[user][: len(top)][is_protected == kind]
            assert (np.diff(scores) <= 0).all()
        for item, place in zip(top, ranked.places[user].tolist(), strict=False):
            assert before[place] == item if place < TOP else item not in before


@given(likes)
def test_no_floor_and_one_that_asks_for_nothing_change_nothing(rows: list[tuple[int, int]]) -> None:
    model = learnt(rows)
    everybody = np.arange(len(model.users.ids))
    plain, ranked = model.ranked(everybody), model.ranked(everybody, floor=floor_of(model, 0.0))
    assert model.predictions(plain) == model.predictions(ranked)
    assert (plain.places == ranked.places).all()
    assert (plain.scores == ranked.scores).all()


def test_a_ranking_is_lifted_no_more_than_it_takes() -> None:
    # u0 has liked what eight others liked with even items, and far less with odd ones.
    rows = [(user, item) for user in range(1, 9) for item in (0, *np.roll(range(2, 50, 2), 3 * user).tolist())]
    rows += [(9, item) for item in (1, 3, 5, 0)]
    model = learnt([*rows, (0, 0)])
    (user,) = model.users.find(pa.array(["u0"])).tolist()
    floor = floor_of(model, 0.5)
    plain, ranked = model.ranked(np.array([user])), model.ranked(np.array([user]), floor=floor)
    assert not floor.protected[plain.top[0]].any()
    protected = floor.protected[ranked.top[0]]
    # Three odd ones are all there are; each comes where it is first needed, not earlier.
    assert np.flatnonzero(protected).tolist() == [int(np.argmax(floor.least == n)) for n in (1, 2, 3)]
    assert set(ranked.places[0][protected].tolist()) == {TOP}
    assert ranked.top[0][~protected].tolist() == plain.top[0][: TOP - 3].tolist()


def test_documents_state_the_probability_that_the_place_without_the_floor_has() -> None:
    model = learnt([(u, (7 * u + k) % 61) for u in range(40) for k in range(12)])
    basis, everybody = Basis(7, START_MS, model.probabilities()), np.arange(40)
    ranked = model.ranked(everybody, floor=floor_of(model, 0.9))
    assert (ranked.places != np.arange(TOP)).any()
    documents = Documents()
    line, ends = documents.of_redis(basis, model, ranked)
    for n, record in enumerate(documents.of_topic(basis, model, ranked)):
        stated = [basis.probabilities[ranked.clearness[n]][place] for place in ranked.places[n].tolist()]
        in_redis = msgspec.json.decode(line[ends[2 * n] : ends[2 * n + 1]])
        assert in_redis["probabilities"] == stated
        assert [p["probability"] for p in msgspec.json.decode(record)["predictions"]] == stated


@pytest.mark.parametrize(
    ("languages", "expected"), [((), [True, False, False, True]), (("de", "unknown"), [False, False, True, True])]
)
def test_protected_is_what_is_named_else_all_but_the_greatest(languages: tuple[str, ...], expected: list[bool]) -> None:
    floor = LanguageFloor(0.2, frozenset(languages))
    names = ["other", "en", UNKNOWN_LANGUAGE, "de"]
    found = floor.protects(names, np.array([900.0, 50.0, 700.0, 20.0]))
    assert found.tolist() == expected


def test_nothing_is_protected_before_a_language_is_liked() -> None:
    assert not LanguageFloor(0.2).protects(["other", UNKNOWN_LANGUAGE, "de"], np.array([5.0, 5.0, 0.0])).any()


def test_the_service_publishes_the_floor_and_forecasts_without() -> None:
    rows, rng = made(400), np.random.default_rng(2)
    for said, item in zip(rows, rng.integers(0, 120, 400).tolist(), strict=True):
        said |= {"target_id": f"i{item}", "content_language": "cy" if item % 5 == 3 else "en-GB"}
    frame = Frame("trusted-likes", pa.RecordBatch.from_pylist(rows, TRUSTED_LIKES))
    plain, floored = PredictorTask(1), PredictorTask(1, LanguageFloor(0.6))
    told = [[output.value for output in task.process(frame, 0)] for task in (plain, floored)]
    assert told[0] == told[1]
    assert plain.figures() == floored.figures()
    languages, counts = plain.figures()["by_language"], np.bincount(plain.language_of[: len(plain.model.items.ids)])
    covered = {name: of["coverage"] * counts[plain.by_language.names.index(name)] for name, of in languages.items()}
    assert covered.keys() == {"en", "cy"}
    assert sum(covered.values()) == pytest.approx(plain.figures()["coverage"] * len(plain.model.items.ids))
    assert 0 < languages["cy"]["coverage"] < 1
    everybody = np.arange(len(plain.model.users.ids))
    before, after = plain.ranked(everybody), floored.ranked(everybody)
    names = np.array(floored.by_language.names)[floored.language_of[: len(floored.model.items.ids)]]
    least = LanguageFloor(0.6).least(TOP)

    def short(top: np.ndarray) -> bool:
        return bool(((names[top[top >= 0]] == "cy").cumsum() < least[: (top >= 0).sum()]).any())

    assert all(map(short, before.top))
    assert not any(map(short, after.top))
    assert (plain.model.snapshot()["contest.shown"] == floored.model.snapshot()["contest.shown"]).all()


def test_a_bot_does_not_say_what_language_a_thing_is_of() -> None:
    task, bot = PredictorTask(1), LABELS.index("bot")
    rows = [row(k, f"u{k}", "i1", content_language="en") for k in range(3)]
    rows.append(row(3, "b", "i1", content_language="cy", label=bot))
    task.process(Frame("trusted-likes", pa.RecordBatch.from_pylist(rows, TRUSTED_LIKES)), 0)
    assert task.by_language.names[task.language_of[0]] == "en"


def test_settings_name_languages_or_say_what_is_wrong() -> None:
    settings = PredictorSettings(predictor_language_floor=0.3, predictor_floor_languages="CY, ga")
    assert settings.floor == LanguageFloor(0.3, frozenset(("cy", "ga")))
    assert PredictorSettings().floor == LanguageFloor()
    for wrong in ({"predictor_language_floor": 1.0}, {"predictor_floor_languages": "Welsh, 12"}):
        with pytest.raises(ValidationError):
            PredictorSettings(**wrong)
