"""`truelike replay FILE`: a file's likes to `likes.v1` in order of time, and what became of exactly these."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Annotated, Final

import typer
from aiokafka.errors import KafkaError

from services.detector.settings import DetectorSettings
from shared import kafka
from shared.events import rfc3339
from shared.settings import ServiceSettings
from shared.topics import FRAMES_BY_ACTOR, LIKES, LIKES_REJECTED
from truelike.cli import environment
from truelike.cli.output import fail, out
from truelike.cli.reading import NOTHING_ACCEPTED, File, Reading, bars, close, likes_of, reads_a_file
from truelike.cli.replay_outcome import Accounts, Ends, Unfinished
from truelike.cli.sending import Sender, parse_speed
from truelike.files.reading import Advance
from truelike.files.result import Result
from truelike.files.spool import Spool

UNFINISHED: Final = 4
DAY_MS: Final = 86_400_000


@reads_a_file
def replay(
    file: File,
    reading: Reading,
    speed: Annotated[str, typer.Option(help="max, real, or a factor such as 60x")] = "max",
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Move all times by one amount, so that the newest like is now")
    ] = False,
    allow_late: Annotated[
        bool, typer.Option("--allow-late", help="Also send likes too old to be judged by the stack that runs")
    ] = False,
    wait: Annotated[float, typer.Option(help="How long to wait for ingest while it takes nothing, s", min=1)] = 60.0,
) -> None:
    """Send a file's likes to likes.v1 in order of time, and tell what became of them: accepted, rejected, duplicates.

    Exits 1 if nothing was accepted or a like was lost, 3 if more than --tolerate was rejected, 4 if ingest has not
    taken all.

    Example: `truelike replay likes.csv.gz --speed 60x --map actor_id=user`

    Example: `truelike replay likes-of-2019.parquet --shift-to-now`
    """
    try:
        factor = parse_speed(speed)
    except ValueError:
        raise fail(f"--speed {speed!r}: write max, real, or a factor such as 60x") from None
    settings, result = environment.settings(), Result()
    with bars() as bar, likes_of(file, reading, result, {}, bar("reading")) as spool:
        if not spool.rows:
            close(result)
            raise typer.Exit(NOTHING_ACCEPTED)
        assert result.last_ms is not None
        shift_ms = round(time.time() * 1000) - result.last_ms if shift_to_now else 0
        if shift_to_now:
            amount = f"{timedelta(milliseconds=abs(shift_ms) // 1000 * 1000)} {'later' if shift_ms > 0 else 'earlier'}"
            out.print(f"all times are sent {amount} than the file has them", highlight=False)
        try:
            lost = asyncio.run(
                _replay(
                    spool, result, settings, Sender(factor, shift_ms), allow_late, wait, bar("replaying"), bar("taken")
                )
            )
        except (KafkaError, OSError) as error:
            raise fail(f"Kafka at {settings.kafka_bootstrap_servers}: {error}") from None
        except Unfinished as error:
            close(result)
            raise fail(str(error), UNFINISHED) from None
    close(result)
    if lost:
        raise fail(f"{lost:,} likes are lost: ingest has passed them, and they are in no topic", 1)
    raise typer.Exit(reading.code(result))


async def _replay(
    spool: Spool,
    result: Result,
    settings: ServiceSettings,
    sender: Sender,
    allow_late: bool,
    wait: float,
    sent: Advance,
    taken: Advance,
) -> int:
    """Returns how many likes were lost. Raises KafkaError, Unfinished, and typer.Exit where likes are too old."""
    await kafka.require_topics(settings, LIKES, LIKES_REJECTED, FRAMES_BY_ACTOR)
    ends = Ends(settings)
    await ends.find()
    result.late = _late(spool, result, ends.event_ms, sender.shift_ms, allow_late)
    places = await sender.send(spool, settings, sent)
    accounts = Accounts(settings, ends, places)
    try:
        await accounts.settle(wait, taken)
    finally:
        result.accepted, result.duplicates = accounts.accepted, accounts.duplicates
        rows = spool.rows_of([refused.event_id for refused in accounts.rejected])
        result.reject(refused.as_row(rows) for refused in accounts.rejected)
    return accounts.lost


def _late(spool: Spool, result: Result, event_ms: int | None, shift_ms: int, allow_late: bool) -> int:
    """How many likes the running detector will not judge. Raises typer.Exit where that was not allowed."""
    if event_ms is None:  # nothing was ever sent: event time begins with this file, in its order
        return 0
    horizon_ms = round(environment.settings_of(DetectorSettings).detector_horizon_days * DAY_MS)
    late = spool.before(event_ms - horizon_ms - shift_ms)
    if late and not allow_late:
        raise fail(
            f"{late:,} of {spool.rows:,} likes lie before the horizon of the stack that runs ({horizon_ms / DAY_MS:g} "
            f"days before {rfc3339(event_ms)}), where nothing is judged any more: move them (--shift-to-now), judge "
            "the file by itself (`truelike detect`), run the detector with a longer DETECTOR_HORIZON_DAYS, or send "
            "them all the same (--allow-late)"
        )
    return late
