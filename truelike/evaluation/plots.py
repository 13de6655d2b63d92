"""The evaluation as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw(report: dict[str, Any], folder: Path) -> list[Path]:
    """HR@10 along the stream, and reliability, as PNG. Raises ImportError where matplotlib is not installed."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    drawn = []
    figure, axes = pyplot.subplots(figsize=(11, 5), layout="constrained")
    for name, points in report["curves"].items():
        # So few likes of River are scored that its curve would be noise.
        if not name.startswith("River"):
            style = {"linewidth": 2.5, "color": "black"} if name == "Truelike" else {"linewidth": 1.0}
            axes.plot([x for x, _ in points], [y for _, y in points], label=name, **style)
    axes.set_xlabel("likes so far")
    axes.set_ylabel("HR@10 of the last 2 %")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.grid(alpha=0.3)
    drawn.append(folder / "hr_over_time.png")
    figure.savefig(drawn[-1], dpi=100)
    pyplot.close(figure)

    figure, axes = pyplot.subplots(figsize=(5.5, 5.5), layout="constrained")
    bins = report["truelike"]["reliability"]
    shown = [b for b in bins if b["stated"] >= 200]
    most = max((max(b["probability"], b["frequency"]) for b in shown), default=1.0) * 1.1
    axes.plot([0, most], [0, most], color="grey", linewidth=1, linestyle="--")
    axes.scatter([b["probability"] for b in shown], [b["frequency"] for b in shown], color="black", zorder=3)
    axes.set_xlabel("stated probability that the next like is at this place")
    axes.set_ylabel("how often it was")
    axes.set_title(f"ECE {report['truelike']['ece']:.4f}; bins of at least 200 statements")
    axes.grid(alpha=0.3)
    drawn.append(folder / "reliability.png")
    figure.savefig(drawn[-1], dpi=100)
    pyplot.close(figure)
    return drawn
