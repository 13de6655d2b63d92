"""coordination-network-toolkit (QUT Digital Observatory, MIT): its co-retweet network, a like as the retweet of its
target, within 60 s, at least two targets. An actor's score is the weight of its heaviest edge.

Optional: `pip install 'truelike[rivals]'`; looked for only when it is asked.
"""

from __future__ import annotations

import contextlib
import io
import sqlite3
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from truelike.evaluation.detection_rivals.rival import Edges, Verdict

WITHIN_S: Final = 60
LEAST_SHARED: Final = 2
PROCESSES: Final = 2


def score(edges: Edges) -> Verdict:
    """Raises ImportError where it is not installed."""
    from coordination_network_toolkit.compute_networks import compute_co_retweet_parallel
    from coordination_network_toolkit.preprocess import preprocess_data

    most = np.zeros(edges.actors)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = str(Path(folder) / "likes.db")
        preprocess_data(path, _messages(edges))
        compute_co_retweet_parallel(path, WITHIN_S, n_threads=PROCESSES, min_edge_weight=LEAST_SHARED)
        with contextlib.closing(sqlite3.connect(path)) as db:
            pairs = db.execute("select user_1, user_2, weight from co_retweet_network where user_1 != user_2")
            for one, two, weight in pairs:
                for actor in (int(one), int(two)):
                    most[actor] = max(most[actor], float(weight))
    return Verdict(most, most >= LEAST_SHARED)


def _messages(edges: Edges) -> Any:
    """(message, user, name, what it reposts, what it replies to, text, time in seconds, links)."""
    rows = zip(edges.actor.tolist(), edges.target.tolist(), (edges.time // 1000).tolist(), strict=True)
    for n, (actor, target, second) in enumerate(rows):
        yield str(n), str(actor), str(actor), f"t{target}", None, "", second, []
