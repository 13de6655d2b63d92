"""The export's dataset card: Markdown with the front matter that Hugging Face reads."""

from __future__ import annotations

from typing import Final

from services.exporter import deloop
from services.exporter.croissant import DESCRIPTION, FILES
from services.exporter.sums import ONE, OTHER_AI, OTHER_LANGUAGES, RECOMMENDED_AI, Sums, Tally, share
from shared.events import rfc3339
from shared.languages import UNKNOWN_LANGUAGE
from shared.topics import LIKES

LANGUAGES_LISTED: Final = 20

# Each of the latest revision of every like; docs/feed.md has them too.
READERS: Final = (
    (
        "DuckDB",
        "sql",
        f"from read_parquet('{FILES}', union_by_name = true) "
        "qualify row_number() over (partition by event_id, action order by revision desc) = 1",
    ),
    (
        "Polars",
        "python",
        f'pl.scan_parquet("{FILES}", missing_columns="insert")'
        '.sort("revision").unique(["event_id", "action"], keep="last", maintain_order=True)',
    ),
    (
        "pandas",
        "python",
        'pd.read_parquet(".").sort_values("revision").drop_duplicates(["event_id", "action"], keep="last")',
    ),
    (
        "Spark",
        "python",
        'spark.read.option("mergeSchema", True).parquet(".").withColumn("n", F.row_number().over('
        'Window.partitionBy("event_id", "action").orderBy(F.desc("revision")))).where("n = 1").drop("n")',
    ),
)


def card(sums: Sums, requests: int, erased: int) -> str:
    """Of an export whose files add up to `sums`, from which `erased` rows went at `requests` requests to forget."""
    sections = {
        "Sources": f"Topic `{LIKES}`; each row names its place there (`source_partition`, `source_offset`).",
        "Window": _window(sums),
        "Versions": _versions(sums.versions),
        "Likes and weights": _weights(sums),
        "The loop": _loop(sums),
        "Languages": _languages(sums.tallies.get("language", {})),
        "Forgotten users": f"Requests to forget users: {requests:,}. Rows erased: {erased:,}. Nobody is named here.",
        "Known bias": _bias(sums),
        "Reading": _reading(),
        "Licence": "The platform's to say.",
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    return f"{_front_matter(sums)}\n# Likes by weight\n\n{DESCRIPTION}\n\n{body}\n"


def _front_matter(sums: Sums) -> str:
    languages = [name for name in _by_likes(sums.tallies.get("language", {})) if name not in _NO_LANGUAGE]
    # Quoted: no is Norwegian.
    listed = "".join(f'- "{name}"\n' for name in languages[:LANGUAGES_LISTED])
    return (
        "---\npretty_name: Likes by weight\n"
        + (f"language:\n{listed}" if listed else "")
        + f"size_categories:\n- {_size(sums.rows)}\nconfigs:\n- config_name: default\n"
        + f'  data_files: "{FILES}"\ntags:\n- recommendation\n- likes\n- truelike\n---\n'
    )


_NO_LANGUAGE: Final = (UNKNOWN_LANGUAGE, OTHER_LANGUAGES)
_SIZES: Final = ((1_000, "1K"), (10_000, "10K"), (100_000, "100K"), (1_000_000, "1M"), (10_000_000, "10M"))
_LARGER: Final = ((100_000_000, "100M"), (1_000_000_000, "1B"), (10_000_000_000, "10B"), (100_000_000_000, "100B"))


def _size(rows: int) -> str:
    """As Hugging Face names sizes."""
    below = ""
    for bound, name in (*_SIZES, *_LARGER):
        if rows < bound:
            return f"{below}<n<{name}" if below else f"n<{name}"
        below = name
    return f"n>{below}"


def _window(sums: Sums) -> str:
    if sums.first_at is None or sums.last_at is None:
        return "No rows."
    return f"`occurred_at` from {rfc3339(sums.first_at)} to {rfc3339(sums.last_at)}, folders by date (UTC)."


def _weights(sums: Sums) -> str:
    unlikes, _ = sums.tallies.get("action", {}).get("unlike", (0, 0))
    first = sums.rows - sums.corrections
    tables = [_table(name, sums.tallies.get(name, {})) for name in ("label", "action", "content_origin", "surface")]
    return "\n\n".join(
        [
            f"Files: {sums.files:,}. Rows: {sums.rows:,}, of which likes that come for the first time {first:,} "
            f"(unlikes among them: {unlikes:,}) and corrections, which come when a like is judged anew, "
            f"{sums.corrections:,}.",
            "A like's weight is the probability that a person acted (`human_probability`), 0 where its label is bot or "
            "agent. `training_weight` is that, but 0 of unlikes and lowered as told under *The loop*. The tables count "
            "each like once, as its latest revision has it, unlikes among the actions only; a like that an unlike took "
            "back is still counted.",
            *tables,
        ]
    )


def _loop(sums: Sums) -> str:
    loop, training = sums.tallies.get("loop", {}), sums.training
    s, alike = (share(loop, RECOMMENDED_AI, OTHER_AI, by_weight=by) for by in (True, False))
    recommended = share(loop, RECOMMENDED_AI)
    told = (
        f"s, the share of weight that is AI-made (`content_origin` ai) or AI-liked (`actor_kind` agent), is "
        f"{_percent(s)}: {_percent(recommended)} recommended or played by itself, {_percent(s - recommended)} other. "
        f"What a model gets wrong can grow {deloop.ceiling(s):.2f}-fold if it learns from its own (1 / (1 - s), Taori "
        f"and Hashimoto 2023, in the limit). If every like counted alike, s would be {_percent(alike)}."
    )
    if not training.rows:
        return f"{told}\n\nNo file has `training_weight`."
    after = training.ai / training.weight if training.weight else 0.0
    bounds = ", ".join(f"{bound} in {files:,}" for bound, files in sorted(sums.bounds.items()))
    without = sums.rows - training.rows
    return (
        f"{told}\n\nBy `training_weight` it is {_percent(after)}, and {_percent(training.largest)} in the file where "
        f"it is largest. The bound (`EXPORT_LOOP_SHARE`, by files): {bounds}. Each file keeps its bound by itself, "
        "over all its rows, by lowering AI-made likes that were recommended or played by themselves; where other AI is "
        "above the bound alone, these are 0 and the share stays above it. Rows that a later revision replaces are "
        "among those: over latest revisions alone the share can lie above the bound."
        + (_former(without) if without else "")
    )


def _former(rows: int) -> str:
    return (
        f"\n\nRows of files of before, which have no `training_weight`: {rows:,}. Where the first file is one, pandas "
        "leaves the column out and Polars refuses: read with DuckDB (`.df()`, `.pl()`)."
    )


def _languages(tally: Tally) -> str:
    names = _by_likes(tally)
    listed = {name: tally[name] for name in names[:LANGUAGES_LISTED]}
    left = f"\n\n{len(names) - len(listed):,} more." if len(names) > len(listed) else ""
    return f"The content's language, else the actor's.\n\n{_table('language', listed)}{left}"


def _bias(sums: Sums) -> str:
    unknown = {
        "who made the target": share(sums.tallies.get("content_origin", {}), "unknown", by_weight=False),
        "what brought it before the actor": share(sums.tallies.get("surface", {}), "unknown", by_weight=False),
        "the language": share(sums.tallies.get("language", {}), UNKNOWN_LANGUAGE, by_weight=False),
        "whether the actor calls itself an agent": share(
            sums.tallies.get("actor_kind", {}), "unknown", by_weight=False
        ),
    }
    lines = [f"- {_percent(part)} of likes do not say {what}." for what, part in unknown.items()]
    return "\n".join(
        [
            *lines,
            "- What is not said to be AI-made counts as not AI-made: s is a least value. `mixed` is not in it.",
            "- Origin, surface and language are the platform's word, or its clients'.",
            "- Bots that do not give themselves away count as people; campaigns that have just begun count in full "
            "until they are seen. Newest likes have had the least time to be judged.",
            "- What was never shown could not be liked, and what was shown first is liked more: `propensity` and "
            "`rank` say how much, where the platform logs them.",
            "- Who does not like in public, or asked to be forgotten, is not here.",
        ]
    )


def _reading() -> str:
    lines = [f"{name}:\n\n```{language}\n{line}\n```" for name, language, line in READERS]
    return "\n\n".join(
        [
            "In this folder, the latest revision of every like.",
            *lines,
            "An unlike takes back its actor's earlier likes of its target: leave those out where that matters.",
        ]
    )


def _versions(files: dict[str, int]) -> str:
    listed = "\n".join(f"- {name}: {n:,}" for name, n in sorted(files.items()))
    return f"Files by the version of Truelike that exported them, whose rules judged the likes:\n\n{listed}"


def _table(title: str, tally: Tally) -> str:
    rows = [f"| {name} | {tally[name][0]:,} | {tally[name][1] / ONE:,.2f} |" for name in _by_likes(tally)]
    return "\n".join([f"| {title} | likes | weight |", "|---|--:|--:|", *rows])


def _by_likes(tally: Tally) -> list[str]:
    return sorted(tally, key=lambda name: (-tally[name][0], name))


def _percent(part: float) -> str:
    return f"{100 * part:.1f} %"
