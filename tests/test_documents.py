"""The README and the docs are true: console blocks print what is below them, links lead somewhere, commands and options exist."""

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


ALL = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "weights" / "README.md", ROOT / "examples" / "README.md"]


def headings(path: Path) -> set[str]:
    """The anchors of a document, by GitHub's rule."""
    found = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("path", sorted(ALL), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for file, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", path.read_text("utf-8")):
        target = path.parent / file if file else path
        assert target.exists(), file
        assert not heading or heading in headings(target), f"{file}#{heading}"


INVOCATION = re.compile(r"\baudiolog ((?:weights )?[a-z]+)((?:[^|&;>#'`\n\\]|\\\n)*)")


@pytest.mark.parametrize("path", sorted(ALL), ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_no_test_runs_exist_and_have_their_options(path: Path) -> None:
    """Indented lines use the reader's own recordings, cameras or servers; the program must know the commands and options."""
    import typer

    from audiolog_cli.cli import app

    program = typer.main.get_command(app)
    for line in re.findall(
        r"^    .*\baudiolog .*(?:\\\n.*)*", path.read_text("utf-8") if path.name != "commands.md" else "", re.M
    ):
        for names, rest in INVOCATION.findall(line):
            command = program
            for name in names.split():
                assert name in command.commands, line  # type: ignore[attr-defined]
                command = command.commands[name]  # type: ignore[attr-defined]
            known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
            unknown = {word.partition("=")[0] for word in rest.split("    ")[0].split() if word.startswith("--")} - known
            assert not unknown, line


def test_every_document_is_in_the_list() -> None:
    listed = re.findall(r"\]\(([^)/]+\.md)\)", (ROOT / "docs" / "README.md").read_text("utf-8"))
    assert sorted({*listed, "README.md"}) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_the_command_reference_is_what_help_says() -> None:
    """`make docs` writes it anew."""
    done = subprocess.run([sys.executable, "tools/command_docs.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == (ROOT / "docs" / "commands.md").read_text("utf-8")
