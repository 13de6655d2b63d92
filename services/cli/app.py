"""The command `truelike`."""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from aiokafka.errors import KafkaError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.cli import token
from services.cli.output import err, fail, out
from services.replay.files import UnreadableFile, count_rows
from shared.settings import ServiceSettings, load

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

ENDPOINTS = Path(".truelike/endpoints")

File = Annotated[Path, typer.Argument(help="CSV, JSON lines (both also .gz) or Parquet")]
Mapping = Annotated[
    list[str] | None,
    typer.Option("--map", help="field=column where the file's column has another name, e.g. actor_id=user"),
]


def parse_mapping(pairs: list[str] | None) -> dict[str, str]:
    mapping = {}
    for pair in pairs or []:
        field, found, column = pair.partition("=")
        if not found:
            raise fail(f"--map {pair!r}: write field=column, e.g. --map actor_id=user")
        mapping[field] = column
    return mapping


@contextmanager
def progress(what: str, path: Path) -> Any:
    """A progress bar over the file's rows; yields the function to advance it."""
    if not path.is_file():
        raise fail(f"no such file: {path}")
    bar = Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=not err.is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=count_rows(path))
        yield lambda rows: bar.advance(task, rows)


@app.command()
def detect(
    file: File,
    out_file: Annotated[Path, typer.Option("--out", help="Verdicts, JSON lines")] = Path("verdicts.jsonl"),
    campaigns: Annotated[Path | None, typer.Option(help="Campaigns, JSON lines")] = None,
    window: Annotated[int, typer.Option(help="Length of a verdict's window, s", min=1)] = 300,
    gap: Annotated[int, typer.Option(help="Two actors meet within this time on one target, s", min=1)] = 60,
    horizon: Annotated[float, typer.Option(help="How long meetings are remembered, days", min=0.01)] = 30.0,
    mapping: Mapping = None,
) -> None:
    """Judge the likes of a file with the detector's own code; needs no broker.

    Example: `truelike detect likes.csv.gz --out verdicts.jsonl --campaigns campaigns.jsonl`
    """
    from services.cli import offline
    from services.detector.settings import Judgement

    settings = Judgement(4, window * 1000, horizon_ms=round(horizon * 86_400_000), lockstep_gap_ms=gap * 1000)
    columns = parse_mapping(mapping)
    try:
        with (
            progress("judging", file) as advance,
            out_file.open("wb") as verdicts,
            campaigns.open("wb") if campaigns else nullcontext() as groups,
        ):
            report = offline.detect(file, settings, verdicts, groups, columns, advance)
    except UnreadableFile as error:
        raise fail(str(error)) from None
    table = Table("verdicts", "number", title=f"{report['accepted']:,} likes judged, {report['rejected']:,} rejected")
    for label in ("human", "suspect", "bot", "agent"):
        table.add_row(label, f"{report[f'final_{label}']:,}")
    table.add_row("campaigns", f"{report['campaigns']:,}")
    out.print(table)
    out.print(f"{report['likes_per_second']:,} likes/s; verdicts in {out_file}", highlight=False)


@app.command()
def predict(
    file: File,
    report: Annotated[Path, typer.Option(help="Where the report goes, JSON")] = Path("report.json"),
    mapping: Mapping = None,
) -> None:
    """Predict each like of a file before learning it, and report how often that was right; needs no broker.

    Example: `truelike predict likes.parquet --report report.json --map actor_id=user --map target_id=song`
    """
    from services.cli import offline

    columns = parse_mapping(mapping)
    try:
        with progress("predicting", file) as advance:
            figures = offline.predict(file, columns, advance)
    except UnreadableFile as error:
        raise fail(str(error)) from None
    report.write_text(json.dumps(figures, indent=2) + "\n")
    table = Table("figure", "value", title=f"{figures['predictions']:,.0f} likes scored before they were learnt")
    for name in ("hr@10", "hr@20", "mrr@20", "ece", "surprise_bits"):
        table.add_row(name, f"{figures[name]:.4f}")
    table.add_row("likes/s", f"{figures['likes_per_second']:,}")
    out.print(table)


@evaluate_app.command("predictions")
def evaluate_predictions(
    file: File,
    folder: Annotated[Path, typer.Option("--out", help="Folder for report.json and the pictures")] = Path("evaluation"),
    river: Annotated[bool, typer.Option(help="Also River's recommenders (slow)")] = True,
    bots: Annotated[bool, typer.Option(help="Also with bots' likes laid over the stream")] = True,
    seed: Annotated[int, typer.Option(help="Seed of the bots", min=0)] = 7,
    mapping: Mapping = None,
) -> None:
    """Rank each like before learning it, by Truelike and by others, and draw how that went; needs no broker.

    Example: `truelike evaluate predictions likes.parquet --map actor_id=user --map target_id=song`
    """
    from services.evaluation import plots, predictions, stream, tables

    columns = parse_mapping(mapping)
    try:
        with progress("reading", file) as advance:
            likes = stream.read(file, columns, advance)
    except UnreadableFile as error:
        raise fail(str(error)) from None
    if len(likes) == 0:
        raise fail(f"{file} has no likes that ingest accepts")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with err.status("") as status:
            report = predictions.evaluate(likes, river, bots, seed, lambda what: status.update(f"measuring: {what}"))
        pictures = plots.draw(report, folder)
    except ImportError as error:
        raise fail(f"{error}: pip install 'truelike[evaluate]', or leave River out with --no-river") from None
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    for table in tables.render(report):
        out.print(table)
    for left in report["left_out"]:
        out.print(f"left out: {left}", highlight=False)
    out.print(f"{folder / 'report.json'}, {', '.join(map(str, pictures))}", highlight=False)


@app.command()
def replay(
    file: File,
    speed: Annotated[str, typer.Option(help="max, real, or a factor such as 60x")] = "max",
    mapping: Mapping = None,
) -> None:
    """Send a file's likes to likes.v1 and wait until ingest has taken them.

    Example: `truelike replay likes.csv.gz --speed 60x --map actor_id=user`
    """
    from services.cli import replay as replaying
    from services.cli.stack import read_endpoints, scrape

    settings = _settings()
    try:
        factor = replaying.parse_speed(speed)
    except ValueError:
        raise fail(f"--speed {speed!r}: write max, real, or a factor such as 60x") from None
    ingest = [e["url"] for e in read_endpoints(settings.endpoint_dir or ENDPOINTS) if e["service"] == "ingest"]

    def counts() -> dict[str, int]:
        found = [scrape(url) for url in ingest]
        names = ("received", "accepted", "rejected", "duplicates")
        return {n: int(sum(m.get(f"ingest/{n}_total", 0) for m in found)) for n in names}

    before = counts()
    try:
        with progress("replaying", file) as advance:
            sent = asyncio.run(replaying.replay(file, settings, factor, parse_mapping(mapping), advance))
    except (UnreadableFile, ValueError) as error:
        raise fail(str(error)) from None
    except (KafkaError, OSError) as error:
        raise fail(f"Kafka at {settings.kafka_bootstrap_servers}: {error}") from None
    out.print(f"{sent:,} likes in Kafka", highlight=False)
    if not ingest:
        out.print("no running ingest found here; `truelike status --help` tells how to name one")
        return
    deadline = time.monotonic() + 120
    while counts()["received"] - before["received"] < sent and time.monotonic() < deadline:
        time.sleep(0.5)
    taken = {name: value - before[name] for name, value in counts().items()}
    lost = sent - taken["received"]
    # Ingest's counts are of all producers: exact while nothing else sends.
    out.print(
        f"accepted {taken['accepted']:,}, rejected {taken['rejected']:,}, "
        f"duplicates {taken['duplicates']:,}, lost {lost:,}",
        highlight=False,
    )
    raise typer.Exit(1 if lost > 0 else 0)


@topics_app.command("create")
def create_topics(
    replication: Annotated[int, typer.Option(help="Replicas of each partition", min=1)] = 1,
) -> None:
    """Create the topics that are missing. Brokers come from KAFKA_BOOTSTRAP_SERVERS, partitions from PARTITIONS."""
    from shared import kafka

    settings = _settings()
    try:
        created = asyncio.run(kafka.create_topics(settings, replication))
    except (KafkaError, OSError) as error:
        raise fail(f"Kafka at {settings.kafka_bootstrap_servers}: {error}") from None
    out.print(f"created: {', '.join(created)}" if created else "all topics are there", highlight=False)


@app.command()
def forget(
    user: Annotated[list[str], typer.Argument(help="Ids of users (actor_id of their likes)")],
    wait: Annotated[float, typer.Option(help="How long to wait for the services' reports, s", min=1)] = 60.0,
) -> None:
    """Erase users: what their likes taught, their predictions, verdicts in Redis, and rows in the export.

    Exits 1 if a service has not reported in time. Kafka's own topics drop them by retention.
    Example: `truelike forget u123 u456`
    """
    from redis.exceptions import RedisError

    from services.cli.forget import forget as ask
    from shared.forgetting import SERVICES as REPORTING

    settings = _settings()
    try:
        with err.status("waiting for the services"):
            reports = asyncio.run(ask(settings, user, wait))
    except (KafkaError, RedisError, OSError) as error:
        raise fail(f"Kafka at {settings.kafka_bootstrap_servers}, Redis at {settings.redis_address}: {error}") from None
    table = Table("service", "removed", title=f"{len(set(user)):,} users forgotten")
    for service in REPORTING:
        removed = reports.get(service)
        said = ", ".join(f"{n:,} {what.replace('_', ' ')}" for what, n in (removed or {}).items())
        table.add_row(service, said if removed is not None else "no report yet; it follows when the service runs")
    out.print(table)
    raise typer.Exit(0 if len(reports) == len(REPORTING) else 1)


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

    from services.cli.rebuild import rebuild as ask

    settings = _settings()
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
        typer.Option(help="name=http://host:port of a service; repeat for each. Default: those on this machine"),
    ] = None,
) -> None:
    """Health, lag and counts of all services. Exits 1 if one is not ready.

    Example: `truelike status --endpoint ingest=http://127.0.0.1:8081`
    """
    from services.cli.status import table

    named = [{"service": n, "url": u} for n, _, u in (e.partition("=") for e in endpoint or [])]
    folder = Path(os.environ.get("ENDPOINT_DIR", ENDPOINTS))
    rows, fine = table(named or None, folder)
    out.print(rows)
    raise typer.Exit(0 if fine else 1)


@app.command()
def demo(
    duration: Annotated[
        float | None, typer.Option(help="Stop after this many seconds; default: run until Ctrl-C")
    ] = None,
    rate: Annotated[
        float, typer.Option(help="Simulated likes a second; 0: no simulator, wait for yours", min=0)
    ] = 2000.0,
    speed: Annotated[float, typer.Option(help="Seconds of event time a second", min=0.1)] = 30.0,
    seed: Annotated[int, typer.Option(help="Seed of the simulated world", min=0)] = 7,
    report: Annotated[Path, typer.Option(help="Where the report goes, JSON")] = Path("demo-report.json"),
    port: Annotated[int, typer.Option(help="Port of the console; 0 takes a free one", min=0, max=65535)] = 0,
) -> None:
    """Everything on this machine: embedded broker and Valkey, all services, a simulated platform, a live view.

    With KAFKA_BOOTSTRAP_SERVERS and REDIS_URL set, those are used instead of the embedded ones.
    Example: `truelike demo --duration 60 --rate 5000`
    """
    from services.cli.demo import DemoOptions, run

    try:
        code = run(DemoOptions(duration, rate, speed, seed, report, port), out)
    except RuntimeError as error:
        raise fail(str(error)) from None
    raise typer.Exit(code)


def _settings() -> ServiceSettings:
    """Settings from the environment; a demo that runs in this folder is found by itself."""
    demo_environment = ENDPOINTS.parent / "environment.json"
    if "KAFKA_BOOTSTRAP_SERVERS" not in os.environ and demo_environment.exists():
        for name, value in json.loads(demo_environment.read_text()).items():
            os.environ.setdefault(name, value)
    return load(ServiceSettings)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
