"""`truelike evaluate detection FILE`: attacks and honest crowds laid over a stream of people, each judged by a fresh
detector, beside published methods.

All that is in the stream counts as people's. Whom the detector calls a bot there without any attack is told, and left
out of `precision_beside_calm`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from shared.labels import AGENT, BOT, SUSPECT
from truelike.evaluation import scoring
from truelike.evaluation.attacks import ATTACKS
from truelike.evaluation.attacks.overlay import STRENGTHS
from truelike.evaluation.background import Background
from truelike.evaluation.columns import DAY, HOUR, I64, Bools, Ids, Likes, joined
from truelike.evaluation.crowds import CROWDS
from truelike.evaluation.detection_rivals import RIVALS
from truelike.evaluation.detection_rivals.rival import TooMany, edges_of
from truelike.evaluation.feeding import Judged, judge, settings_for

Say = Callable[[str, int, int], None]

# Of an attack's likes so many, evenly chosen, are followed: each costs three pauses of the stream.
FOLLOWED: Final = 60
WINDOW_MS: Final = 300_000
OURS: Final = "Truelike"


@dataclass(frozen=True)
class Options:
    """What is laid over the stream. `histories`: crowds without and with other likes of their members."""

    attacks: Sequence[str] = tuple(ATTACKS)
    crowds: Sequence[str] = tuple(CROWDS)
    strength: str = "usual"
    seed: int = 7
    rivals: Sequence[str] = tuple(RIVALS)
    histories: Sequence[bool] = (False, True)
    window_ms: int = WINDOW_MS

    @property
    def steps(self) -> int:
        return 1 + len(self.attacks) + sum(len(_histories(name, self)) for name in self.crowds)


@dataclass(frozen=True)
class Scene:
    """One stream to judge. `actors`: all names, sorted; of each whether it is a fake's, and a crowd's member's."""

    likes: Likes
    actors: Ids
    actor: I64
    fake: Bools
    member: Bools

    @property
    def people(self) -> Bools:
        return ~self.fake & ~self.member


@dataclass(frozen=True)
class Doubted:
    """Who is called a bot, or at least suspect, in the stream as it is: whether they are people is not known."""

    bots: Ids
    suspects: Ids


def evaluate(base: Background, options: Options, say: Say) -> dict[str, Any]:
    """The report: `calm` (the stream alone), `attacks` and `crowds` (a row each, rivals inside), `calibration`,
    `left_out`.
    """
    judge(base.likes.take(slice(0, 64)), settings_for(64, options.window_ms), np.zeros(0, np.int64), ())
    report: dict[str, Any] = {
        "likes": len(base.likes),
        "people": len(base.people),
        "targets": len(base.targets),
        "seed": options.seed,
        "strength": options.strength,
        "window_seconds": options.window_ms // 1000,
        "left_out": {},
    }
    done = 0

    def told(what: str) -> None:
        nonlocal done
        say(what, done, options.steps)
        done += 1

    told("the stream as it is")
    calm = _scene(base, None)
    judged = _judge(calm, options, np.zeros(0, np.int64))
    report["calm"] = _everybody(calm, judged) | {"rivals": _rivals(calm, options, report["left_out"], crowd=True)}
    worst, _ = _worst(calm, judged)
    doubted = Doubted(calm.actors[worst == BOT], calm.actors[worst >= SUSPECT])
    report["attacks"] = list(_attacks(base, options, doubted, told, report["left_out"]))
    report["crowds"] = list(_crowds(base, options, told, report["left_out"]))
    tables = [row["reliability"] for row in report["attacks"]]
    table = scoring.merged(tables)
    report["calibration"] = {"reliability": table, "ece": scoring.ece(table)}
    return report


def _attacks(
    base: Background, options: Options, doubted: Doubted, told: Callable[[str], None], left_out: dict[str, str]
) -> Iterator[dict[str, Any]]:
    for name in options.attacks:
        told(f"attack {name}")
        rng = _rng(options.seed, name)
        laid = ATTACKS[name].lay(base, rng, STRENGTHS[options.strength])
        scene = _scene(_with_origins(base, laid, rng), laid)
        followed = _followed(scene.likes)
        judged = _judge(scene, options, followed)
        worst, least = _worst(scene, judged)
        called = worst == BOT
        precision, recall = scoring.precision_recall(called, scene.fake)
        beside, _ = scoring.precision_recall(called & ~np.isin(scene.actors, doubted.bots), scene.fake)
        sure = (judged.label != AGENT) & ~np.isin(scene.likes.actor, doubted.suspects)
        table = scoring.reliability(judged.probability[sure], ~scene.likes.fake[sure])
        yield {
            "attack": name,
            "fake_likes": int(scene.likes.fake.sum()),
            "fake_actors": int(scene.fake.sum()),
            "precision": precision,
            "precision_beside_calm": beside,
            "recall": recall,
            "recall_with_suspects": scoring.precision_recall(worst >= SUSPECT, scene.fake)[1],
            "average_precision": scoring.average_precision(1 - least, scene.fake),
            "still_counted": _still_counted(judged),
            **_everybody(scene, judged),
            "ece": scoring.ece(table),
            "reliability": table,
            "rivals": _rivals(scene, options, left_out),
        }


def _crowds(
    base: Background, options: Options, told: Callable[[str], None], left_out: dict[str, str]
) -> Iterator[dict[str, Any]]:
    for name in options.crowds:
        crowd = CROWDS[name]
        for history in _histories(name, options):
            told(f"crowd {name}{', with a history' if history else ''}")
            rng = _rng(options.seed, name)
            laid = crowd.lay(base, rng, history)
            scene = _scene(laid if crowd.replaces else _with_origins(base, laid, rng), None if crowd.replaces else laid)
            judged = _judge(scene, options, np.zeros(0, np.int64))
            worst, _ = _worst(scene, judged)
            members = scene.member if scene.member.any() else scene.people
            yield {
                "crowd": name,
                "history": history,
                "members": int(members.sum()),
                "bot": float((worst[members] == BOT).mean()),
                "suspect": float((worst[members] == SUSPECT).mean()),
                "may_be_suspect": crowd.suspects,
                **_everybody(scene, judged),
                "rivals": _rivals(scene, options, left_out, crowd=True),
            }


def _histories(name: str, options: Options) -> Sequence[bool]:
    return (False,) if CROWDS[name].replaces else options.histories


def _rng(seed: int, name: str) -> np.random.Generator:
    """Each overlay's own, so that it is the same whichever others are chosen."""
    return np.random.default_rng([seed, *name.encode()])


def _with_origins(base: Background, laid: Likes, rng: np.random.Generator) -> Background:
    """Where an overlay is about origins, people have some too."""
    return base.with_origins(rng) if (laid.origin != "").any() and not (base.likes.origin != "").any() else base


def _scene(base: Background | Likes, laid: Likes | None) -> Scene:
    people = base.likes if isinstance(base, Background) else base
    likes = (joined(people, laid) if laid is not None else people).in_order()
    actors, actor = np.unique(likes.actor, return_inverse=True)
    fake = np.zeros(len(actors), np.bool_)
    fake[actor[likes.fake]] = True
    member = np.isin(actors, laid.actor) & ~fake if laid is not None else np.zeros(len(actors), np.bool_)
    return Scene(likes, actors, actor.astype(np.int64), fake, member)


def _judge(scene: Scene, options: Options, followed: I64) -> Judged:
    settings = settings_for(len(scene.likes), options.window_ms)
    # A like is judged when event time passes it, which is as late as a like may come.
    delays = tuple(d + settings.lateness_ms for d in (options.window_ms, HOUR, DAY)) if len(followed) else ()
    return judge(scene.likes, settings, followed, delays)


def _followed(likes: Likes) -> I64:
    fakes = np.flatnonzero(likes.fake & ~likes.unlike)
    return fakes[np.unique(np.linspace(0, len(fakes) - 1, min(FOLLOWED, len(fakes))).astype(np.int64))]


def _still_counted(judged: Judged) -> dict[str, float | None]:
    """What the followed likes count for later, of what they would as a person's; None where the stream ended."""
    found = {}
    for name, weights in zip(("window", "hour", "day"), judged.weight_at, strict=True):
        known = ~np.isnan(weights)
        found[name] = float(weights[known].mean()) if known.any() else None
    return found


def _worst(scene: Scene, judged: Judged) -> tuple[Any, Any]:
    """Each actor's worst label (a declared agent's is no accusation) and least probability."""
    label = np.where(judged.label == AGENT, 0, judged.label)
    return scoring.by_actor(scene.actor, len(scene.actors), label, judged.probability)


def _everybody(scene: Scene, judged: Judged) -> dict[str, Any]:
    """Of the people whom nothing was laid on: who is called what; and the speed."""
    worst, _ = _worst(scene, judged)
    worst = worst[scene.people]
    return {
        "people_bot": float((worst == BOT).mean()) if len(worst) else None,
        "people_suspect": float((worst == SUSPECT).mean()) if len(worst) else None,
        "likes_per_second": round(len(scene.likes) / max(judged.seconds, 1e-9)),
    }


def _rivals(scene: Scene, options: Options, left_out: dict[str, str], crowd: bool = False) -> dict[str, Any]:
    edges, found = edges_of(scene.likes), {}
    for name in options.rivals:
        if name in left_out:
            continue
        began = time.perf_counter()
        try:
            said = RIVALS[name](edges)
        except ImportError:
            left_out[name] = "not installed: pip install 'truelike[rivals]'"
            continue
        except TooMany as error:
            found[name] = {"left_out": str(error)}
            continue
        seconds = time.perf_counter() - began
        row: dict[str, Any] = {"likes_per_second": round(len(edges) / max(seconds, 1e-9)), "draws_a_line": True}
        called = said.called
        if called is None:
            row["draws_a_line"] = False
            called = np.zeros(edges.actors, np.bool_)
            called[np.argsort(-said.score, kind="stable")[: int(scene.fake.sum())]] = True
        if crowd:
            members = scene.member if scene.member.any() else scene.people
            row["called"] = float(called[members].mean()) if row["draws_a_line"] else None
        else:
            row["precision"], row["recall"] = scoring.precision_recall(called, scene.fake)
            row["average_precision"] = scoring.average_precision(said.score, scene.fake)
            row["people_called"] = float(called[scene.people].mean())
        found[name] = row
    return found
