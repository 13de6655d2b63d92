"""Which package may import which: a service `shared` and itself, `shared` itself, the command all of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.compiled import PROJECT

SERVICES = sorted(path.parent.name for path in (PROJECT / "services").glob("*/__main__.py"))
PACKAGES = sorted(path.parent.name for path in (PROJECT / "services").glob("*/__init__.py"))


def imported(path: Path) -> Iterator[str]:
    """Modules of this project that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def foreign(folder: Path, *allowed: str) -> list[str]:
    """Imports from this project's packages that are none of those allowed."""
    ours = ("services", "shared", "truelike", "tests")
    return [
        f"{path.relative_to(PROJECT)} imports {name}"
        for path in sorted(folder.rglob("*.py"))
        for name in imported(path)
        if name.split(".")[0] in ours and not any(name == one or name.startswith(f"{one}.") for one in allowed)
    ]


def test_services_holds_services_only() -> None:
    folders = {path.name for path in (PROJECT / "services").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(SERVICES)


@pytest.mark.parametrize("service", PACKAGES)
def test_a_service_imports_shared_and_itself_only(service: str) -> None:
    assert foreign(PROJECT / "services" / service, "shared", f"services.{service}") == []


def test_shared_imports_no_service() -> None:
    assert foreign(PROJECT / "shared", "shared") == []


def test_what_ships_imports_no_test() -> None:
    assert foreign(PROJECT / "truelike", "shared", "services", "truelike") == []
