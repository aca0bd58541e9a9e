"""Real shell pipes for the tests: what a command wrote to stdout and stderr, and how it ended."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

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
