"""Every ```console block of the README and the docs prints what stands below it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shell import ROOT

DOCUMENTS = [
    path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if "```console" in path.read_text("utf-8")
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_print_what_the_document_says(path: Path) -> None:
    done = subprocess.run([sys.executable, "tools/console_blocks.py", path], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    if done.stderr:  # all that could be run is as it is written
        pytest.skip(done.stderr.strip().replace("\n", "; "))


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name
)
def test_links_to_files_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
        assert (path.parent / target).exists(), target


def test_the_command_reference_is_what_help_says() -> None:
    """`make docs` writes it anew."""
    done = subprocess.run([sys.executable, "tools/command_docs.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == (ROOT / "docs" / "commands.md").read_text("utf-8")
