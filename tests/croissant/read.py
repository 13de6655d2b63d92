"""Reads an export by its Croissant description, with MLCommons' library alone. Ends with 1 where that finds errors, or
reads other than was written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mlcroissant

# Which platform's data it is, is for the platform to say.
LEFT_TO_THE_PLATFORM = ("citeAs", "datePublished", "license", "version")


def main(folder: Path) -> int:
    dataset = mlcroissant.Dataset(folder / "_croissant.json")
    issues = dataset.metadata.issues
    wrong = [*issues.errors, *(w for w in issues.warnings if not any(name in w for name in LEFT_TO_THE_PLATFORM))]
    likes = list(dataset.records("likes"))
    for name, expected in json.loads((folder / "_expected.json").read_text()).items():
        found = sorted({like[f"likes/{name}"].decode() for like in likes})
        if found != sorted(expected):
            wrong.append(f"{name}: {found} instead of {expected}")
    print("\n".join(wrong) or f"{len(likes)} likes read by their description, no errors")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
