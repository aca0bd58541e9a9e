"""The allocator's settings, by their effect on page faults: freed memory is not requested again."""

import platform
import subprocess
import sys

import pytest

# Four buffers of 8 MB at a time, ten times; by default, glibc returns most of them whenever all are free.
PROGRAM = """
import resource, sys
from audiolog_cli.model import allocator
if sys.argv[1] == "kept":
    assert allocator.keep_buffers()
buffers = [b"x" * (8 << 20) for _ in range(4)]
del buffers
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    buffers = [b"x" * (8 << 20) for _ in range(4)]
    del buffers
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_buffers_are_used_again() -> None:
    pages = 4 * (8 << 20) // 4096
    assert faults("kept") < pages < 2 * pages < faults("as it comes")
