"""Pictures of `truelike evaluate choice`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

PICTURES: Final = ("caused_share.png", "slot_effect.png")
_SHOWN: Final = 60


def draw(report: dict[str, Any], folder: Path) -> list[Path]:
    """Intervals of the caused share against the truth, a world each; and the slot effects. Raises ImportError where
    matplotlib is not installed.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    shares = [row for row in report["figures"] if row["figure"].startswith("caused_share")]
    figure, many = pyplot.subplots(1, len(shares), figsize=(11, 5), layout="constrained", sharey=True, squeeze=False)
    for axes, row in zip(many[0], shares, strict=True):
        for number, (low, high, truth) in enumerate(row["intervals"][:_SHOWN]):
            axes.plot([number, number], [low, high], color="black" if low <= truth <= high else "red", linewidth=1.2)
            axes.plot(number, truth, ".", color="tab:orange", markersize=4)
        axes.set_title(f"{row['figure']}: {row['coverage']:.1%} of {row['seeds']} worlds", fontsize=10)
        axes.set_xlabel("world")
        axes.grid(alpha=0.3)
    many[0][0].set_ylabel("caused share: interval, and what was planted (dot)")
    figure.savefig(folder / PICTURES[0], dpi=100)
    pyplot.close(figure)

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
    figure.savefig(folder / PICTURES[1], dpi=100)
    pyplot.close(figure)
    return [folder / name for name in PICTURES]
