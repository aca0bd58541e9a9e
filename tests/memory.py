"""How much memory a program holds for itself, watched while it runs."""

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest


def watched(command: list[str], seconds: float = 0.1, **streams: Any) -> list[int]:
    """Run a command to its end; the kB of its own memory, sampled all along.

    Own is what no file stands behind. The pages of mapped libraries are half of a process with torch, and how many of them count
    as resident is the kernel's affair: it maps what is in its cache anyway, and equal runs differ by a tenth.
    """
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc, as Linux has it")
    memory: list[int] = []
    process = subprocess.Popen(command, **streams)
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        memory += [int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")]
        time.sleep(seconds)
    assert process.returncode == 0
    return memory
