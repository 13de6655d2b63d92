"""Pictures of `truelike evaluate choice`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from truelike.evaluation.bits_coverage import WORLDS
from truelike.evaluation.reliability import FORECASTS

_SHOWN: Final = 60
_SIZE: Final = (11.0, 5.0)
Rows = list[dict[str, Any]]


def draw(report: dict[str, Any], folder: Path) -> list[Path]:
    """Intervals against what was planted, a world each, and what was stated of likes against what came. Raises
    ImportError where matplotlib is not installed.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    drawn = []
    for name, picture in PICTURES.items():
        figure = picture(pyplot, report)
        figure.savefig(folder / name, dpi=100)
        pyplot.close(figure)
        drawn.append(folder / name)
    return drawn


def _caused_share(pyplot: Any, report: dict[str, Any]) -> Any:
    rows = [row for row in report["figures"] if row["figure"].startswith("caused_share")]
    return _intervals(pyplot, rows, 1, "caused share")


def _choice_bits(pyplot: Any, report: dict[str, Any]) -> Any:
    of = {row["figure"]: row for row in report["figures"]}
    names = [f"choice_bits, {part}, all, {world}" for world in WORLDS for part in ("history", "shown", "rest")]
    return _intervals(pyplot, [of[name] for name in names], len(WORLDS), "bits of a like")


def _buyer_ladder(pyplot: Any, report: dict[str, Any]) -> Any:
    rows = [row for row in report["figures"] if row["figure"].startswith("buyer_ladder")]
    return _intervals(pyplot, rows, 2, "share of buys")


def _intervals(pyplot: Any, rows: Rows, lines: int, what: str) -> Any:
    """One frame a row; what was planted is a dot, an interval without it is red."""
    width = -(-len(rows) // lines)
    size = (_SIZE[0], _SIZE[1] * (1 if lines == 1 else 1.7))
    figure, many = pyplot.subplots(lines, width, figsize=size, layout="constrained", squeeze=False, sharey=lines == 1)
    for axes, row in zip(many.flat, rows, strict=False):
        for number, (low, high, truth) in enumerate(row["intervals"][:_SHOWN]):
            axes.plot([number, number], [low, high], color="black" if low <= truth <= high else "red", linewidth=1.2)
            axes.plot(number, truth, ".", color="tab:orange", markersize=4)
        axes.set_title(f"{row['figure']}:\n{row['coverage']:.1%} of {row['seeds']} worlds", fontsize=8)
        axes.grid(alpha=0.3)
    for axes in many[-1]:
        axes.set_xlabel("world")
    for axes in many[:, 0]:
        axes.set_ylabel(f"{what}: interval, planted (dot)")
    return figure


def _slot_effect(pyplot: Any, report: dict[str, Any]) -> Any:
    slots = [
        row for row in report["figures"] if row["figure"].startswith("slot_effect") and row["mean_value"] is not None
    ]
    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    for row in slots:
        rank = int(row["figure"].rpartition(" ")[2])
        for low, high, _ in row["intervals"][:_SHOWN]:
            axes.plot([rank, rank], [low, high], color="black", alpha=0.06, linewidth=6)
        axes.plot(rank, row["mean_value"], "_", color="black", markersize=14)
        axes.plot(rank, row["mean_truth"], ".", color="tab:orange")
    axes.set_xlabel("rank, from 0")
    axes.set_ylabel("likes of the same item, times those at the top")
    axes.set_title("slot effects: intervals of worlds (grey), their mean (line), what was planted (dot)", fontsize=10)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    return figure


def _reliability(pyplot: Any, report: dict[str, Any]) -> Any:
    """By class of stated probability, the share of likes that was stated and that came; a log a line."""
    logs = list(dict.fromkeys(row["log"] for row in report["reliability"]))
    size = (_SIZE[0], _SIZE[1] * 0.7 * len(logs))
    figure, many = pyplot.subplots(
        len(logs), len(FORECASTS), figsize=size, layout="constrained", squeeze=False, sharex=True, sharey=True
    )
    rows = {(row["log"], row["forecast"]): row for row in report["reliability"]}
    for line, log in zip(many, logs, strict=True):
        for axes, forecast in zip(line, FORECASTS, strict=True):
            row = rows.get((log, forecast))
            if row is None:
                axes.set_axis_off()
                continue
            known = [part for part in row["bins"] if part["from"]]
            for name, style in (("stated", "o"), ("came", "x")):
                axes.plot([part["from"] for part in known], [part[name] for part in known], style, label=name)
            axes.set_xscale("log", base=2)
            axes.set_title(f"{forecast}, {log}\nECE {row['ece']:.3f}, by chance {row['by_chance']:.3f}", fontsize=9)
            axes.grid(alpha=0.3)
        line[0].set_ylabel("share of likes")
        line[0].legend()
    for axes in many[-1]:
        axes.set_xlabel("stated probability, by doublings")
    return figure


PICTURES: Final = {
    "caused_share.png": _caused_share,
    "slot_effect.png": _slot_effect,
    "choice_bits_coverage.png": _choice_bits,
    "buyer_ladder_coverage.png": _buyer_ladder,
    "forecast_reliability.png": _reliability,
}
