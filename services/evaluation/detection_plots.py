"""The evaluation of detection as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

PICTURES: Final = ("precision_recall.png", "time_to_catch.png", "calibration.png")


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
    attacks = report["attacks"]
    rivals = list(dict.fromkeys(name for row in attacks for name in row["rivals"]))
    methods = {"Truelike": attacks, **{name: [row["rivals"].get(name, {}) for row in attacks] for name in rivals}}
    height = 0.8 / len(methods)
    size = (11, 2 + 0.17 * len(attacks) * (len(methods) + 1))
    figure, both = pyplot.subplots(1, 2, figsize=size, sharey=True, layout="constrained")
    places = np.arange(len(attacks))
    for axes, name in zip(both, ("precision", "recall"), strict=True):
        for n, (method, rows) in enumerate(methods.items()):
            # Who calls nobody has no precision, and gets no bar.
            values = [row.get(name) or 0.0 for row in rows]
            style = {"color": "black"} if method == "Truelike" else {}
            axes.barh(places + n * height, values, height, label=method, **style)
        axes.set_xlabel(f"{name}, accounts")
        axes.set_xlim(0, 1)
        axes.grid(alpha=0.3, axis="x")
    both[0].set_yticks(places + 0.4 - height / 2, [row["attack"] for row in attacks])
    both[0].invert_yaxis()
    handles, labels = both[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="outside lower center", ncols=3)
    return figure


def _time_to_catch(report: dict[str, Any], pyplot: Any) -> Any:
    attacks = report["attacks"]
    figure, axes = pyplot.subplots(figsize=(11, 2 + 0.35 * len(attacks)), layout="constrained")
    later = {"window": f"{report['window_seconds']} s", "hour": "an hour", "day": "a day"}
    places = np.arange(len(attacks))
    shades = ("0.75", "0.5", "0.0")
    for n, (name, said) in enumerate(later.items()):
        values = [row["still_counted"][name] or 0.0 for row in attacks]
        axes.barh(places + n * 0.27, values, 0.27, label=f"{said} after they came", color=shades[n])
    axes.set_yticks(places + 0.27, [row["attack"] for row in attacks])
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
