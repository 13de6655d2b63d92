"""What the loop's figures say of likes whose truth is planted, by any number of workers; and what they keep quiet."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from services.charts import bootstrap, tallies
from services.charts.bootstrap import REPLICAS
from services.charts.figures import FIGURES, declared, language_exposure, loop, who_likes_what, wrongly_called_bot
from services.charts.figures.language_exposure import Counted, divergence, gini
from services.charts.reviews import Reviews
from services.charts.spoken import LANGUAGES
from services.charts.tallies import State, Tallies
from shared.hashing import hash_strings, mix
from shared.measures.figure import Figure
from tests.unit.charts.rows import BEGIN_MS, DAY_MS, batch, row
from truelike.evaluation import loop_world
from truelike.evaluation.loop_world import LoopWorld


@cache
def world() -> list[pa.RecordBatch]:
    return loop_world.make(LoopWorld(), 77)


def counted(batches: list[pa.RecordBatch]) -> State:
    task = Tallies(28, 100_000)
    for rows in batches:
        task.take(rows)
    return task.state()


def of_likes(rows: list[dict[str, Any]]) -> State:
    return counted([batch(rows)])


def by(figures: Any, **about: Any) -> Figure:
    (found,) = (one for one in figures if about.items() <= one.about.items())
    return found


@pytest.mark.parametrize("number", [7, 10, 13])
def test_four_workers_say_what_one_says(number: int) -> None:
    whole = list(FIGURES[number].figures(counted(world())))
    states = []
    for worker in range(4):
        parts = []
        for rows in world():
            mine = hash_strings(rows.column("actor_id")) % np.uint64(4) == worker
            parts.append(rows.filter(pa.array(mine)))
        states.append(tallies.decode(tallies.encode(counted(parts))))
    merged = states[3] + states[1] + states[0] + states[2]
    assert list(FIGURES[number].figures(merged)) == whole
    assert any(figure.identified for figure in whole)


def test_what_is_said_can_be_sent() -> None:
    import json

    for number in (7, 10, 13):
        for figure in FIGURES[number].figures(counted(world())):
            json.dumps(figure.described((0, 1)))
            assert type(figure.value) in (float, type(None))


def test_machines_like_what_ai_made() -> None:
    found = list(who_likes_what.figures(counted(world())))
    ai, people = (by(found, liked_by="machines", origin=origin) for origin in ("ai", "human"))
    truth = loop_world.matrix()
    for figure, origin in ((ai, 2), (people, 1)):
        share = truth[2:, origin].sum() / truth[:, origin].sum()
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low < share < figure.high
        assert figure.high - figure.low < 0.2
        assert figure.value is not None
        assert figure.more["least"] < figure.value < figure.more["most"]
    assert ai.sentence == (
        f"AI-made work gets {100 * ai.value:.1f} % of its likes from machines ({100 * ai.low:.1f} % to "  # type: ignore
        f"{100 * ai.high:.1f} %); {100 * ai.unknown_share:.1f} % more are suspects."  # type: ignore
    )
    bits = by(found, liked_by="bot", origin="ai").more
    assert 0 < bits["bits_low"] < bits["bits"] < bits["bits_high"]
    assert by(found, liked_by="bot", origin="human").more["bits_high"] < 0
    assert by(found, liked_by="bot", origin="ai").more["weight"] == 0
    assert by(found, liked_by="human", origin="ai").more["weight"] > 0


def test_assortativity_is_newmans() -> None:
    assert who_likes_what.assortativity(np.array([[5.0, 0.0], [0.0, 3.0]])) == 1
    assert who_likes_what.assortativity(np.array([[4.0, 2.0], [2.0, 1.0]])) == pytest.approx(0)
    assert who_likes_what.assortativity(np.array([[0.0, 1.0], [1.0, 0.0]])) == -1
    # Of one kind only, there is nothing to mix.
    assert who_likes_what.assortativity(np.array([[2.0, 0.0], [0.0, 0.0]])) == 0


def likes(actors: int, label: str, first: int, **said: Any) -> list[dict[str, Any]]:
    """Two of each."""
    return [
        row(10 * first + n, first + n // 2, n % 2 + 2 * first, label=label, **({"content_origin": "ai"} | said))
        for n in range(2 * actors)
    ]


def test_a_label_of_few_is_not_told_and_cannot_be_reckoned() -> None:
    rows = likes(300, "human", 1_000) + likes(5, "suspect", 2_000) + likes(60, "bot", 3_000) + likes(60, "agent", 4_000)
    found = list(who_likes_what.figures(of_likes(rows)))
    assert by(found, liked_by="bot").identified
    assert by(found, liked_by="machines").unknown_share == 0
    # With the machines' share and the people's, the suspects' would be known.
    assert by(found, liked_by="suspect").why == bootstrap.TOO_FEW
    assert by(found, liked_by="human").why == who_likes_what.WOULD_TELL
    rows = likes(300, "human", 1_000) + likes(5, "bot", 3_000)
    (machines,) = (one for one in who_likes_what.figures(of_likes(rows)) if "liked_by" in one.about)
    assert machines.why == bootstrap.TOO_FEW
    (few,) = (one for one in who_likes_what.figures(of_likes(likes(9, "human", 1))) if "liked_by" in one.about)
    assert few.n == 0


def test_creators_are_what_their_works_are_declared() -> None:
    ai, people = {"creator_id": "bright"}, {"creator_id": "ann", "content_origin": "human"}
    rows = likes(200, "human", 1_000, **people) + likes(100, "human", 3_000, **ai) + likes(100, "bot", 5_000, **ai)
    rows += likes(10, "suspect", 7_000, **ai)
    # Somebody who posts both is neither.
    rows += likes(30, "bot", 8_000, creator_id="both") + likes(
        1, "bot", 9_000, creator_id="both", content_origin="human"
    )
    found = [one for one in who_likes_what.figures(of_likes(rows)) if one.name == declared.NAME]
    name = f"{int(hash_strings(pa.array(['bright']))[0]):016x}"
    one = by(found, creator=name)
    assert (one.value, one.low, one.high, one.n) == (200 / 420, 200 / 420, 220 / 420, 420)
    assert one.sentence == f"The AI influencer {name} gets between 47.6 % and 52.4 % of its likes from machines."
    (of_people,) = (one for one in found if one.about == {"creators": "human"})
    assert (of_people.value, of_people.more["creators_in_all"]) == (0.0, 1)
    assert len(found) == 3
    few = who_likes_what.figures(of_likes(likes(200, "human", 1_000, **ai) + likes(9, "bot", 5_000, **ai)))
    for one in few:
        assert one.value is None or one.name != declared.NAME


def test_the_loop_says_its_ceiling_and_what_people_gave() -> None:
    state = counted(world())
    found = list(loop.figures(state))
    every, trusted = (by(found, of="share", feed=feed) for feed in loop.FEEDS)
    for figure in (every, trusted):
        assert figure.low is not None
        assert figure.value is not None
        assert figure.high is not None
        assert figure.low < figure.value < figure.high
        assert figure.more["ceiling"] == pytest.approx(1 / (1 - figure.value))
        assert 0 < figure.more["recommended_and_ai_made"] < figure.high
    # What bots and agents like is no longer learnt from.
    assert trusted.value < every.low  # type: ignore[operator]
    assert every.sentence.endswith(f"at most {1 / (1 - every.high):.2f} times as large, in the limit.")  # type: ignore
    days = [one for one in found if one.about.get("of") == "human likes kept"]
    assert len(days) == 5
    assert sum(one.value or 0 for one in days) == state.whole.matrix()[0, ..., 0].sum()
    assert by(found, of="causal gain").why == loop.NOT_APART


def test_what_may_be_of_the_loop_is_between_its_bounds() -> None:
    """By hand: of 100 likes of each kind, which are in it, which may be, and which are not."""
    origins = ("human", "ai", "mixed", "unknown")
    kinds = [(label, origin) for label in ("human", "suspect", "bot", "agent") for origin in origins]
    rows = [
        one | {"human_probability": 0.5 if label == "suspect" else 1.0}
        for number, (label, origin) in enumerate(kinds)
        for one in likes(50, label, 1_000 * (number + 1), content_origin=origin)
    ]
    found = list(loop.figures(of_likes(rows)))
    every, trusted = (by(found, of="share", feed=feed) for feed in loop.FEEDS)
    # All of machines, and AI's work; undeclared, mixed, and what suspects like of people's may be; not: people's own.
    assert every.unknown_share == pytest.approx(5 / 16)
    assert every.value == pytest.approx(10 / (16 - 2))
    assert every.low is not None
    assert every.high is not None
    assert every.low < 10 / 16 < 15 / 16 < every.high
    # Machines weigh nothing, suspects half: of weight 6, 1.5 is AI's, 3 undeclared or mixed.
    assert trusted.unknown_share == pytest.approx(3 / 6)
    assert trusted.value == pytest.approx(1.5 / (6 - 1.5))
    assert trusted.low is not None
    assert trusted.high is not None
    assert trusted.low < 1.5 / 6 < 4.5 / 6 < trusted.high


def test_entropy_sees_content_collapse_and_takes_off_what_few_likes_lack() -> None:
    rng = np.random.default_rng(4)
    share = rng.dirichlet(np.full(512, 2.0))
    truth = float(-(share * np.log2(share)).sum())
    found = [loop.content_entropy(rng.multinomial(150, share, 16), 5_000) for _ in range(200)]
    plain = [loop._bits(rng.multinomial(2_400, share)) for _ in range(200)]
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.02)
    assert np.mean(plain) < truth - 0.1
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.95
    narrow = np.sort(share)[::-1] ** 3
    collapsed = loop.content_entropy(rng.multinomial(150, narrow / narrow.sum(), 16), 5_000)
    assert collapsed.high < found[0].low


def test_a_day_of_few_tells_nothing() -> None:
    rows = [*likes(150, "human", 1_000), row(1, 5, 5, occurred_at=BEGIN_MS + DAY_MS)]
    found = list(loop.figures(of_likes(rows)))
    days = [one for one in found if "day" in one.about]
    assert [one.about["of"] for one in days] == [
        "human likes kept", "variance of like scores", "entropy of content", "day"
    ]  # fmt: skip
    assert [one.identified for one in days] == [True, True, False, False]
    assert days[-1].n == 0


def test_languages_over_what_people_like_who_they_are_and_what_there_is() -> None:
    state = counted(world())
    supply = np.zeros(len(LANGUAGES), np.int64)
    supply[[LANGUAGES.index(name) for name in loop_world.SPOKEN]] = 25
    found = list(language_exposure.figures(state, Counted(supply=supply)))
    truth = loop_world.pushed_languages()
    for at, language in enumerate(loop_world.SPOKEN):
        over = {
            one.about["over"]: one for one in found if one.about.get("language") == language and "over" in one.about
        }
        expected = {
            "organic likes": truth[at] / loop_world.own_languages()[at],
            "users of its locales": truth[at] / loop_world.LOCALES[at],
            "supply": truth[at] / 0.25,
        }
        for base, share in expected.items():
            figure = over[base]
            assert figure.low is not None
            assert figure.high is not None
            assert figure.low < share < figure.high
            assert figure.about["exposure"] == "likes of what was recommended"
    welsh = by(found, language="cy", over="organic likes")
    assert welsh.high is not None
    assert welsh.high < 1
    assert by(language_exposure.figures(state), language="cy", over="supply").why is not None


def test_only_people_are_users_and_unknown_languages_are_left_out() -> None:
    def spoken(actors: int, label: str, first: int, language: str | None, locale: str) -> list[dict[str, Any]]:
        said = {"content_language": language, "actor_locale": locale}
        return likes(actors, label, first, **said, surface="recommended") + [
            one | {"event_id": f"o{one['event_id']}", "target_id": f"o{one['target_id']}"}
            for one in likes(actors, label, first, **said, surface="search")
        ]

    rows = spoken(150, "human", 1_000, "de", "de") + spoken(50, "human", 2_000, "ja", "ja")
    rows += spoken(200, "bot", 3_000, "ja", "ja") + spoken(50, "human", 4_000, None, "de")
    found = list(language_exposure.figures(of_likes(rows)))
    # Three of four likes and four of five people; the bots' likes teach nothing, and what is of no language is apart.
    german = by(found, language="de", over="users of its locales")
    assert german.value == pytest.approx(0.75 / 0.8)
    assert german.unknown_share == pytest.approx(0.2)
    assert by(found, language="ja", over="organic likes").value == pytest.approx(1)


def test_what_was_shown_is_exposure_and_too_little_of_it_is_insufficient() -> None:
    state = counted(world())
    shown = np.zeros(len(LANGUAGES), np.int64)
    for name, count in zip(loop_world.SPOKEN, (7_000, 2_000, 900, 99), strict=True):
        shown[LANGUAGES.index(name)] = count
    found = list(language_exposure.figures(state, Counted(shown=shown)))
    german = by(found, language="de", over="organic likes")
    assert german.more["share"] == pytest.approx(0.2, abs=0.001)
    assert german.about["exposure"] == "what was shown"
    welsh = by(found, language="cy")
    assert (welsh.value, welsh.why) == (None, "insufficient: 99 impressions; it takes 100")
    few = [row(n, n, 1, content_language="cy", surface="recommended") for n in range(19)]
    rows = likes(200, "human", 1_000, content_language="en", surface="organic") + few
    hidden = by(language_exposure.figures(of_likes(rows)), language="cy")
    assert (hidden.n, hidden.why) == (0, language_exposure.TOO_FEW)


def test_stecks_divergence() -> None:
    p, q = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert divergence(p, q) == pytest.approx(np.log2(100))
    assert divergence(p, p) == 0
    by_hand = 0.5 * np.log2(0.5 / (0.99 * 0.2 + 0.005)) + 0.5 * np.log2(0.5 / (0.99 * 0.8 + 0.005))
    assert divergence(np.array([3.0, 3.0]), np.array([2.0, 8.0])) == pytest.approx(by_hand)


@pytest.mark.parametrize("moved", [0.0, 0.3])
def test_calibration_holds_also_where_there_is_nothing_to_find(moved: float) -> None:
    usual = np.array([0.5, 0.3, 0.15, 0.05])
    pushed = (1 - moved) * usual + moved * np.array([1.0, 0, 0, 0])
    truth, held, values = float(divergence(usual, pushed)), [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        who = mix(np.arange(1, 401).astype(np.uint64), np.full(400, seed + 1, np.uint64))
        drawn = np.concatenate([np.ones((400, 1), np.int64), bootstrap.draws(who)], axis=1)
        given = [np.zeros((len(LANGUAGES), 1 + REPLICAS)) for _ in range(2)]
        for likes_by_language, share in zip(given, (usual, pushed), strict=True):
            taste = rng.dirichlet(5 * share, 400)
            likes_by_language[2:6] = np.stack([rng.multinomial(4, one) for one in taste]).T @ drawn
        figure = language_exposure._calibration(given[1], given[0], "likes", 400, 0.0)
        assert figure.low is not None
        assert figure.high is not None
        held.append(figure.low <= truth <= figure.high)
        values.append(figure.value or 0.0)
        assert figure.high - figure.low < 0.6
    assert np.mean(held) >= 0.95
    # What chance does is taken off.
    assert np.mean(values) == pytest.approx(truth, abs=0.003)


def test_gini() -> None:
    assert gini(np.array([4, 4, 4])) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 8])) == pytest.approx(0.75)
    assert gini(np.array([1, 3])) == pytest.approx(0.25)
    amounts = np.random.default_rng(1).integers(0, 9, 20)
    one_by_one = [gini(np.delete(np.sort(amounts), at)) for at in range(20)]
    assert language_exposure._gini_without(amounts) == pytest.approx(one_by_one)


def reviewed(n: int, bot: bool, called: int, language: str, independent: bool = True) -> Reviews:
    place = np.full(n, LANGUAGES.index(language), np.int32)
    return Reviews.of(np.full(n, bot), np.arange(n) < called, place, place, np.full(n, independent))


def test_people_called_bots_by_group() -> None:
    state = reviewed(200, False, 2, "de") + reviewed(200, False, 40, "cy") + reviewed(19, False, 9, "ja")
    state += reviewed(100, True, 90, "de") + reviewed(50, False, 50, "ja", independent=False)
    state += Reviews(np.zeros_like(state.counts), judged=10_000, called=2_500)
    found = list(wrongly_called_bot.figures(state))
    welsh, german = (by(found, by="locale", locale=name) for name in ("cy", "de"))
    assert (welsh.value, german.value, welsh.level) == (0.2, 0.01, 0.975)
    assert by(found, by="language", language="ja").why == wrongly_called_bot.TOO_FEW
    gap = by(found, by="locale", of="greatest gap")
    assert gap.value == pytest.approx(0.19)
    assert gap.low is not None
    assert gap.low > 0.05
    assert "most in cy, least in de" in gap.sentence
    assert by(found, by="all").more["left_out"] == 50
    corrected = by(found, of="bots, corrected")
    specificity = 1 - 51 / 419
    assert corrected.value == pytest.approx((0.25 + specificity - 1) / (0.9 + specificity - 1))
    assert corrected.low is not None
    assert corrected.high is not None
    assert corrected.low < 0.2 < corrected.high  # type: ignore[operator]


def test_reviews_that_tell_nothing() -> None:
    nothing = reviewed(0, False, 0, "de")
    assert [one.why for one in wrongly_called_bot.figures(nothing)] == ["there are no reviews"]
    chosen = reviewed(30, False, 9, "de", independent=False)
    assert [one.why for one in wrongly_called_bot.figures(chosen)] == [
        "all 30 reviews were of actors chosen by their verdict"
    ]
    chance = reviewed(60, False, 30, "de") + reviewed(60, True, 30, "de")
    found = list(wrongly_called_bot.figures(chance))
    assert by(found, of="bots, corrected").why == "by the reviews verdicts may be no better than chance"
    assert by(found, by="locale", of="greatest gap").why is not None
    assert [one.why for one in wrongly_called_bot.figures(reviewed(19, False, 1, "de"))] == [wrongly_called_bot.TOO_FEW]


def test_without_likes_nothing_is_said() -> None:
    for number in (7, 10, 13):
        assert [one.identified for one in FIGURES[number].figures(State({}))] == [False]
