"""`audiolog` run inside the test's own process: as `tests/shell.py`, without a pipe and without a new Python."""

import sys
from pathlib import Path

import pytest

from audiolog_cli import cli, terminal
from tests.shell import Result


class Audiolog:
    """Runs a command line in a folder: `audiolog("table", "cells.tsv")`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys
        monkeypatch.chdir(folder)

    def __call__(self, *arguments: str) -> Result:
        self.monkeypatch.setattr(sys, "argv", ["audiolog", *arguments])
        self.monkeypatch.setattr(terminal, "_quiet", False)
        code = cli.main()
        return Result(code, *self.capsys.readouterr())
