"""What a stream may bring that no one would wish for: the predictor stays bounded, does not crash, and says what it
makes of it (docs/predictor.md).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from services.predictor.learning import NEIGHBOURS, REMEMBERED
from services.predictor.model import VERSION, CoPreference
from services.predictor.publishing import Basis, Documents
from services.predictor.ranking import TOP
from shared.contract.times import LATEST_MS
from shared.events import rfc3339

NOW = 1_767_225_600_000


def learn(model: CoPreference, users: list[str], items: list[str], times: Any = None, **more: Any) -> Any:
    n = len(users)
    times = np.full(n, NOW, np.int64) if times is None else np.asarray(times, np.int64)
    trust = more.pop("trust", np.ones(n, np.float32))
    return model.score_and_learn(pa.array(users), pa.array(items), times, trust, **more)


def test_a_user_with_100_000_likes_keeps_the_last_of_them() -> None:
    model = CoPreference()
    learn(model, ["u"] * 100_000, [f"i{n % 70_000}" for n in range(100_000)])
    assert REMEMBERED // 2 <= model.store.histories.length[0] <= REMEMBERED
    assert len(model.store.histories.item) < 20_000
    assert len(model.predict(pa.array(["u"]))[0].items) == TOP


def test_an_item_liked_by_everyone_has_a_bounded_list_and_does_not_lead_every_ranking() -> None:
    rng = np.random.default_rng(1)
    model = CoPreference()
    users, items = [], []
    for n in range(3000):
        taste = int(rng.integers(30))
        mine = [f"i{taste}-{k}" for k in rng.choice(40, 5, replace=False)]
        users += [f"u{n}"] * 6
        items += ["everyone's", *mine]
    learn(model, users, items, NOW + np.arange(len(users)) * 1000)
    assert model.lists.used.max() <= NEIGHBOURS
    learn(model, ["new"] * 2, ["i3-1", "i3-2"], [NOW + 10**8, NOW + 10**8 + 1])
    (prediction,) = model.predict(pa.array(["new"]))
    assert sum(item.startswith("i3-") for item in prediction.items[:10]) >= 8


def test_all_likes_in_one_second_are_learnt_as_of_one_moment() -> None:
    model = CoPreference()
    scored = learn(model, [f"u{n % 50}" for n in range(5000)], [f"i{n % 97}" for n in range(5000)])
    assert len(scored.rank) == 4950
    assert model.report()["predictions"] == 4950


def test_ids_in_any_script_arrive_as_they_are() -> None:
    ids = [
        "песня",
        "歌",
        "أغنية",
        "🎵",
        'quote"d',
        "back\\slash",
        "new\nline",
        "tab\t",
        "é",
        "\u2028",
        "a/b",
        "{}",
        "nul\\x00",
    ]
    model = CoPreference()
    users = [f"потребитель-{n % 3}" for n in range(len(ids))]
    learn(model, users, ids, NOW + np.arange(len(ids)))
    numbers = model.users.find(pa.array(sorted(set(users))))
    rankings = model.ranked(numbers)
    basis = Basis(7, NOW, model.probabilities())
    predictions = model.predictions(rankings)
    documents = Documents()
    ((*_, line, bounds),) = documents.calls(basis, model, rankings, 60)
    ends = msgspec.json.decode(bounds)
    parts = [line[start:end] for start, end in pairwise([0, *ends])]
    assert [user.decode() for user in parts[::2]] == [p.user_id for p in predictions]
    documented = parts[1::2], documents.of_topic(basis, model, rankings)
    for in_redis, in_topic, prediction in zip(*documented, predictions, strict=True):
        stated = basis.probabilities[prediction.clearness][: len(prediction.items)]
        said = {"model": VERSION, "as_of": rfc3339(NOW), "source_offset": 7}
        assert msgspec.json.decode(in_redis) == {
            **said,
            "targets": prediction.items,
            "probabilities": stated,
            "because": prediction.because,
        }
        rows = zip(prediction.items, stated, prediction.because, strict=True)
        assert msgspec.json.decode(in_topic) == {
            **said,
            "user_id": prediction.user_id,
            "predictions": [{"target_id": t, "probability": p, "because": b} for t, p, b in rows],
        }
    assert {i for p in predictions for i in p.items} <= set(ids)
    copy = CoPreference()
    copy.restore(model.snapshot())
    assert copy.predictions(copy.ranked(numbers)) == predictions


likes = st.lists(
    st.tuples(
        st.text(min_size=1, max_size=4),
        st.text(min_size=1, max_size=4),
        st.integers(0, LATEST_MS - 1),
        st.sampled_from([0.0, 1e-6, 0.5, 1.0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60)
@given(likes, st.integers(0, 2**32))
def test_any_order_times_weights_and_unlikes_of_what_was_never_liked(rows: Any, seed: int) -> None:
    model = CoPreference()
    users, items, times, trust, unlike = (list(column) for column in zip(*rows, strict=True))
    weights = np.array(trust, np.float32)
    scored = learn(model, users, items, times, trust=weights, unlike=np.array(unlike, np.bool_))
    assert np.isfinite(scored.surprise_bits).all()
    assert (scored.surprise_bits >= 0).all()
    pick = np.random.default_rng(seed).integers(0, len(rows), 10)
    chosen = ((model.users, users), (model.items, items))
    numbers = (index.find(pa.array([column[k] for k in pick])) for index, column in chosen)
    model.reweigh(*numbers, np.array(times)[pick], np.zeros(10, np.float32))
    model.forget([users[k] for k in pick[:3]])
    for name, values in model.snapshot().items():
        if values.dtype.kind == "f":
            assert np.isfinite(values).all(), name
    for prediction in model.predict(pa.array(users)):
        assert len(set(prediction.items)) == len(prediction.items) <= TOP
    assert 0 <= model.report()["hr@10"] <= 1
