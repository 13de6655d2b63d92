"""Rows of trusted-likes.v1 for tests, seeded."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.likes import START_MS


def row(number: int, actor: str, target: str, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "occurred_at": START_MS + number * 1000,
        "actor_id": actor,
        "target_id": target,
        "creator_id": f"by-{target}",
        "action": 0,
        "content_origin": 0,
        "surface": 2,
        "sent_at": START_MS + number * 1000 + 5,
        "human_probability": 0.9,
        "label": 0,
        "revision": 0,
        **more,
    }


def made(n: int, seed: int = 1) -> list[dict[str, Any]]:
    """Every other like says what it is about, every third names a slate, mostly one that knows nothing of it."""
    rng = np.random.default_rng(seed)
    rows = [row(k, f"u{rng.integers(9)}", f"i{int(30 * rng.random() ** 2)}") for k in range(n)]
    for k, said in enumerate(rows):
        said["topic"] = f"about-{said['target_id'][-1]}" if k % 2 else None
        said["slate_id"] = f"s{rng.integers(2 * n)}" if k % 3 == 0 else None
    return rows
