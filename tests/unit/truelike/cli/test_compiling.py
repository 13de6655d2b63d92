from __future__ import annotations

import ast

from shared.compiled import PROJECT
from truelike.cli.compiling import WARM_UPS


def warmed_up_at_the_start() -> set[str]:
    """Where services' shells have their `warm_up` from."""
    return {
        node.module or ""
        for path in (PROJECT / "services").glob("*/app.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and any(name.name == "warm_up" for name in node.names)
    }


def test_all_that_services_compile_when_they_start_is_compiled_ahead() -> None:
    assert set(WARM_UPS) == warmed_up_at_the_start()
