from __future__ import annotations

from importlib.metadata import version

from typer.testing import CliRunner

from truelike.cli.app import app


def test_the_command_tells_its_version() -> None:
    said = CliRunner().invoke(app, ["--version"])
    assert (said.exit_code, said.stdout.strip()) == (0, version("truelike"))
