"""The command `truelike`."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from truelike.cli import choosing, compiling, contracts, evaluating, files, loop_pricing, reporting, token
from truelike.cli.environment import ENDPOINTS
from truelike.cli.environment import settings as settings_here
from truelike.cli.output import err, fail, out
from truelike.cli.replay import replay

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Truelike: who is doing the liking, and whose choice was it.",
)
topics_app = typer.Typer(no_args_is_help=True, help="Kafka topics.")
app.add_typer(topics_app, name="topics")
evaluate_app = typer.Typer(no_args_is_help=True, help="How good it is, beside others, on your own file.")
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(token.app, name="token")

app.command()(files.detect)
app.command()(files.predict)
app.command()(choosing.choice)
app.command()(reporting.report)
app.command()(replay)
app.command("contracts")(contracts.write_or_check)
app.command("compile")(compiling.compile_all)
evaluate_app.command("predictions")(evaluating.evaluate_predictions)
evaluate_app.command("detection")(evaluating.evaluate_detection)
evaluate_app.command("choice")(choosing.evaluate_choice)
evaluate_app.command("loop")(evaluating.evaluate_loop)
evaluate_app.command("loop-price")(loop_pricing.evaluate_loop_price)
evaluate_app.command("slates")(choosing.made_slates)
evaluate_app.command("world")(evaluating.made_world)


def _print_version(asked: bool) -> None:
    if asked:
        out.print(version("truelike"), highlight=False)
        raise typer.Exit


@app.callback()
def command(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and end", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


@topics_app.command("create")
def create_topics(
    replication: Annotated[int, typer.Option(help="Replicas of each partition", min=1)] = 1,
) -> None:
    """Create the topics that are missing. Brokers come from KAFKA_BOOTSTRAP_SERVERS, partitions from PARTITIONS.

    Example: `truelike topics create --replication 3`
    """
    from shared import kafka

    settings = settings_here()
    try:
        created = asyncio.run(kafka.create_topics(settings, replication))
    except (KafkaError, OSError) as error:
        raise fail(f"Kafka at {settings.kafka_bootstrap_servers}: {error}") from None
    out.print(f"created: {', '.join(created)}" if created else "all topics are there", highlight=False)


REMAINS = (
    "Kafka's topics drop what they hold by age: likes.v1 after 7 days, frames between stages after 2, verdicts and "
    "trusted likes after 30. Snapshots on disk lose it with the second one after this. See docs/forgetting.md."
)


@app.command()
def forget(
    user: Annotated[list[str], typer.Argument(help="Ids of users (actor_id of their likes)")],
    wait: Annotated[float, typer.Option(help="How long to wait for the services' reports, s", min=1)] = 60.0,
) -> None:
    """Erase users: what their likes taught, their predictions, verdicts in Redis, rows in the export, and all that the
    detector holds of them.

    Exits 1 if a service has not reported in time. What remains where, and until when: docs/forgetting.md.
    Example: `truelike forget u123 u456`
    """
    from redis.exceptions import RedisError

    from shared.forgetting import reporters
    from truelike.cli.forget import forget as ask

    settings = settings_here()
    try:
        with err.status("waiting for the services"):
            reports = asyncio.run(ask(settings, user, wait))
    except (KafkaError, RedisError, OSError) as error:
        raise fail(f"Kafka at {settings.kafka_bootstrap_servers}, Redis at {settings.redis_address}: {error}") from None
    table = Table("service", "removed", title=f"{len(set(user)):,} users forgotten")
    expected = reporters(user, settings.partitions)
    for service in expected:
        removed = reports.get(service)
        said = ", ".join(f"{n:,} {what.replace('_', ' ')}" for what, n in (removed or {}).items())
        table.add_row(service, said if removed is not None else "no report yet; it follows when the service runs")
    out.print(table)
    out.print(REMAINS, style="dim")
    raise typer.Exit(0 if set(reports) >= set(expected) else 1)


@app.command()
def rebuild(
    wait: Annotated[float, typer.Option(help="How long to wait for the predictors, s", min=1)] = 120.0,
) -> None:
    """Write all users' predictions and items' neighbours in Redis anew, from the running predictors' state.

    They do so by themselves when Redis was emptied; this is for a Redis that was damaged. A predictor that lost its
    snapshot builds its state from the log when it starts. Exits 1 if users of a share were not written in time.
    Example: `truelike rebuild`
    """
    from redis.exceptions import RedisError

    from truelike.cli.rebuild import rebuild as ask

    settings = settings_here()
    bar = Progress(TextColumn("shares written"), BarColumn(), MofNCompleteColumn(), console=err)
    try:
        with bar:
            task = bar.add_task("", total=settings.partitions)
            missing = asyncio.run(ask(settings, wait, lambda n: bar.advance(task, n)))
    except (RedisError, OSError) as error:
        raise fail(f"Redis at {settings.redis_address}: {error}") from None
    if missing:
        err.print(f"not written: shares {', '.join(map(str, missing))}; does a predictor run? `truelike status` tells")
    raise typer.Exit(1 if missing else 0)


@app.command()
def status(
    endpoint: Annotated[
        list[str] | None,
        typer.Option(
            envvar="ENDPOINTS",
            help="name=http://host:port of a service, or of several behind one name; repeat for each. "
            "Default: those on this machine",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all that is known, for programs to read")] = False,
) -> None:
    """Health, lag and counts of all services. Exits 1 if one is not ready.

    Example: `truelike status --endpoint ingest=http://127.0.0.1:8081`
    """
    from truelike.cli.status import look, table

    folder = Path(os.environ.get("ENDPOINT_DIR", ENDPOINTS))
    seen = look(endpoint or [], folder)
    if as_json:
        print(json.dumps([asdict(one) for one in seen], indent=2))
    else:
        out.print(table(seen))
    raise typer.Exit(0 if seen and all(one.ready == "ok" for one in seen) else 1)


@app.command()
def demo(
    duration: Annotated[
        float | None, typer.Option(help="Stop after this many seconds; default: run until Ctrl-C")
    ] = None,
    rate: Annotated[
        float, typer.Option(help="Simulated likes a second; 0: no simulator, wait for yours", min=0)
    ] = 1000.0,
    people: Annotated[
        int | None,
        typer.Option(help="Simulated people; default: 20,000, or as many as the rate takes at --speed", min=10),
    ] = None,
    bots: Annotated[float, typer.Option(help="Share of likes that bots give", min=0, max=0.9)] = 0.1,
    speed: Annotated[
        float | None,
        typer.Option(
            help="Seconds of event time a second; default: as many as the rate takes at 20 likes a person and day",
            min=0.1,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated world", min=0)] = 7,
    report: Annotated[Path, typer.Option(help="Where the report goes, JSON")] = Path("demo-report.json"),
    port: Annotated[int, typer.Option(help="Port of the console; 0 takes a free one", min=0, max=65535)] = 0,
) -> None:
    """Everything on this machine: embedded broker and Valkey, all services, a simulated platform, a live view.

    With KAFKA_BOOTSTRAP_SERVERS and REDIS_URL set, those are used instead of the embedded ones.
    Example: `truelike demo --duration 60 --rate 5000`
    """
    from truelike.cli.demo import DemoOptions, run

    try:
        code = run(DemoOptions(duration, rate, people, speed, bots, seed, report, port), out)
    except RuntimeError as error:
        raise fail(str(error)) from None
    raise typer.Exit(code)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
