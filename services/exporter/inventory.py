"""What all files of an export add up to, from their footers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import pyarrow.parquet as pq

from services.exporter.sums import FOOTER, Sums, of_rows, total

# Files of before carry no sums.
NOT_SAID: Final = "not said"


def sums_in(path: Path) -> Sums:
    """A file's sums: its footer's, or, of a file of before, of its rows."""
    said = (pq.read_metadata(path).metadata or {}).get(FOOTER)
    if said is not None:
        return msgspec.json.decode(said, type=Sums)
    return of_rows(pq.ParquetFile(path).read(), NOT_SAID, None)


class Inventory:
    """The sums of each date, with how many files they are of: what was added or taken away by others is noticed by the
    number, and that date's footers are read again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._dates: dict[str, tuple[int, Sums]] = {}

    def with_staged(self, staging: Path, places: Iterable[str]) -> Sums:
        """What the files will add up to once these, which lie under `staging`, are in place."""
        coming: dict[str, dict[str, Path]] = {}
        for place in places:
            date, name = place.split("/")
            coming.setdefault(date, {})[name] = staging / place
        dates = {path.name for path in self.folder.glob("date=*")} | coming.keys()
        return total(self._of_date(date, coming.get(date, {})) for date in sorted(dates))

    def _of_date(self, date: str, coming: dict[str, Path]) -> Sums:
        present = {path.name: path for path in (self.folder / date).glob("*.parquet")}
        files, sums = self._dates.get(date, (0, Sums()))
        if files != len(present) or present.keys() & coming.keys():
            sums = total(sums_in(path) for name, path in present.items() if name not in coming)
        sums = sums + total(map(sums_in, coming.values()))
        # A date that stays as it is said to be here needs no look at its footers the next time.
        self._dates[date] = len(present | coming), sums
        return sums

    def forget(self) -> None:
        """Somebody else may have written files since."""
        self._dates.clear()
