"""The evaluation of detection as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

PICTURES: Final = ("precision_recall.png", "time_to_catch.png", "calibration.png")

# From this value on a cell is too dark for black ink.
DARK: Final = 0.6


def draw(report: dict[str, Any], folder: Path) -> list[Path]:
    """Precision and recall by attack, time to catch, and calibration, as PNG; nothing where no attack was laid. Raises
    ImportError where matplotlib is not installed.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    if not report["attacks"]:
        return []
    drawn = [folder / name for name in PICTURES]
    for path, picture in zip(drawn, (_precision_recall, _time_to_catch, _calibration), strict=True):
        figure = picture(report, pyplot)
        figure.savefig(path, dpi=100)
        pyplot.close(figure)
    return drawn


def _precision_recall(report: dict[str, Any], pyplot: Any) -> Any:
    """A field for each attack and method; who calls nobody has no precision, and an empty field."""
    attacks = report["attacks"]
    rivals = list(dict.fromkeys(name for row in attacks for name in row["rivals"]))
    methods = {"Truelike": attacks, **{name: [row["rivals"].get(name, {}) for row in attacks] for name in rivals}}
    size = (3.0 + 1.5 * len(methods), 2.6 + 0.3 * len(attacks))
    figure, both = pyplot.subplots(1, 2, figsize=size, sharey=True, layout="constrained")
    for axes, name in zip(both, ("precision", "recall"), strict=True):
        values = np.array([[_number(row.get(name)) for row in rows] for rows in methods.values()]).T
        axes.imshow(values, cmap="Blues", vmin=0, vmax=1.3, aspect="auto")
        for (y, x), value in np.ndenumerate(values):
            if not np.isnan(value):
                ink = "white" if value > DARK else "black"
                axes.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=8, color=ink)
        axes.set_title(f"{name}, accounts")
        axes.set_xticks(range(len(methods)), list(methods), rotation=30, ha="right", fontsize=8)
        axes.set_yticks(range(len(attacks)), [row["attack"] for row in attacks])
    return figure


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _time_to_catch(report: dict[str, Any], pyplot: Any) -> Any:
    attacks = report["attacks"]
    figure, axes = pyplot.subplots(figsize=(11, 2 + 0.35 * len(attacks)), layout="constrained")
    later = {"window": f"{report['window_seconds']} s", "hour": "an hour", "day": "a day"}
    places = np.arange(len(attacks))
    shades = ("0.75", "0.5", "0.0")
    for n, (name, said) in enumerate(later.items()):
        # No bar where the stream ended before.
        values = [_number(row["still_counted"][name]) for row in attacks]
        axes.barh(places + n * 0.27, values, 0.27, label=f"{said} after they came", color=shades[n])
    axes.set_yticks(places + 0.27, [row["attack"] for row in attacks])
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("what the fake likes still count for")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.grid(alpha=0.3, axis="x")
    return figure


def _calibration(report: dict[str, Any], pyplot: Any) -> Any:
    found = report["calibration"]
    figure, axes = pyplot.subplots(figsize=(5.5, 5.5), layout="constrained")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--")
    rows = found["reliability"]
    axes.scatter([row["stated"] for row in rows], [row["people"] for row in rows], color="black", zorder=3)
    for row in rows:
        axes.annotate(
            f"{row['likes']:,}", (row["stated"], row["people"]), fontsize=7, xytext=(4, 4), textcoords="offset points"
        )
    axes.set_xlabel("stated probability that a person gave the like")
    axes.set_ylabel("how often one did")
    axes.set_title(f"ECE {found['ece']:.4f}; all attacks; number of likes at each point")
    axes.grid(alpha=0.3)
    return figure
