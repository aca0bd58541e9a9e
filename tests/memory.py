"""How much memory a program takes, watched while it runs."""

import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

# Share of a short run's memory by which a long run may exceed it: with one job, and with several. Chance says when two threads
# need their largest buffers at once, and the longer the run, the likelier that is: 1 to 3 % seen on idle cores, 8 to 10 % on
# busy ones.
GROWTH, GROWTH_OF_SEVERAL = 0.05, 0.15


@dataclass
class Memory:
    """Samples of a program's memory (kB) over its run.

    `own` is anonymous memory. The mapped pages of libraries are half of a process with torch, and the kernel decides how many are
    resident: equal runs differ by a tenth. So growth is measured in `own` memory, as a share of the `whole`.
    """

    own: list[int] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)

    def growth_over(self, short: "Memory") -> float:
        """How much more memory this run took than a short one, as a share of the short one's."""
        return (max(self.own) - max(short.own)) / max(short.whole)

    def late_growth(self) -> float:
        """How much more the last third of the run took than all before it, start-up included, as a share of the whole."""
        last = 2 * len(self.own) // 3  # of a short run, start-up is nearly half
        return (max(self.own[last:]) - max(self.own[:last])) / max(self.whole)

    def __str__(self) -> str:
        return f"{max(self.own) / 1024:.0f} MB of its own, {max(self.whole) / 1024:.0f} MB in all"


def watched(command: list[str], seconds: float = 0.1, **streams: Any) -> Memory:
    """Run a command to its end; its memory, sampled at an interval."""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc, as Linux has it")
    memory = Memory()
    process = subprocess.Popen(command, **streams)
    while process.poll() is None:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
        if "RssAnon" in status:  # a process that has ended has none
            memory.own.append(int(status["RssAnon"].split()[0]))
            memory.whole.append(int(status["VmRSS"].split()[0]))
        time.sleep(seconds)
    assert process.returncode == 0
    return memory
