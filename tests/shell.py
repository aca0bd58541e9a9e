"""Runs commands for the tests: what they write to stdout and stderr, and how they end.

`sh` runs a line in a real shell, for pipes, signals and imports. `audiolog` runs one command in this process, for everything
else, because a new process takes seconds to import torch.
"""

import os
import shlex
import subprocess
import sys
from contextlib import chdir
from io import BytesIO, TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple
from unittest.mock import patch

from audiolog_cli import cli, terminal

ROOT = Path(__file__).resolve().parents[1]


class Result(NamedTuple):
    """How a shell line ended."""

    code: int
    stdout: str
    stderr: str


def sh(line: str, cwd: Path, stdin: bytes = b"", timeout: float = 120, **environment: str) -> Result:
    """Run a line in bash with pipefail, `audiolog` being this checkout's; nothing of the caller's AUDIOLOG_* settings."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("AUDIOLOG_")}
    settings |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1", "COLUMNS": "80"}
    command = ["bash", "-o", "pipefail", "-c", line]
    done = subprocess.run(command, input=stdin, capture_output=True, cwd=cwd, env=settings | environment, timeout=timeout)
    return Result(done.returncode, done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode("utf-8", "surrogateescape"))


def audiolog(line: str, cwd: Path = ROOT, stdin: bytes = b"", **environment: str) -> Result:
    """Run one command, given as the words behind `audiolog`, in this process; patterns are not expanded."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("AUDIOLOG_")} | {"COLUMNS": "80"}
    written = BytesIO(), BytesIO()
    stdout, stderr = (TextIOWrapper(each, "utf-8", "surrogateescape", write_through=True) for each in written)
    with (
        TemporaryFile("w+") as text,
        chdir(cwd),
        patch.dict(os.environ, settings | environment, clear=True),
        patch.multiple(sys, argv=["audiolog", *shlex.split(line)], stdin=text, stdout=stdout, stderr=stderr),
        patch.multiple(terminal, _quiet=False, _held=None),
    ):
        text.buffer.write(stdin)
        text.seek(0)
        code = cli.main()
        stdout.flush()
    return Result(code, *(each.getvalue().decode("utf-8", "surrogateescape") for each in written))
