"""Writes an export, and what is to be read of it, into a folder: `python -m tests.croissant.make FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from shared.schemas import CODES
from tests.trusted_likes import row
from tests.unit.exporter.test_papers import export


def main(folder: Path) -> None:
    coded = {name: k % len(values) for k, (name, values) in enumerate(CODES.items()) if name not in ("keyed_by", "arm")}
    likes = [row(k, "ann", "x", **coded, previous_probability=0.5, content_language="de") for k in range(4)]
    export(folder, likes, [2])
    said = {name: [CODES[name][code]] for name, code in coded.items()}
    said |= {"event_id": [like["event_id"] for like in likes], "content_language": ["de"]}
    (folder / "_expected.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
