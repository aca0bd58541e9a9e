"""The manual pages: made without torch, without a warning from groff, and shown by man."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shell import ROOT, sh


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a program is installed in, with bin and share/man/man1; the pages are made where torch cannot be imported."""
    folder = tmp_path_factory.mktemp("prefix")
    (folder / "bin").mkdir()
    (folder / "torch.py").write_text("raise SystemExit('the pages are made without torch')\n")
    command = [sys.executable, "tools/man_pages.py", folder / "share" / "man" / "man1"]
    subprocess.run(command, cwd=ROOT, check=True, env={"PYTHONPATH": f"{folder}:{ROOT}"})
    return folder


def test_there_is_a_page_for_every_command(prefix: Path) -> None:
    pages = {path.stem for path in (prefix / "share/man/man1").iterdir()}
    assert {"audiolog", "audiolog-tag", "audiolog-weights", "audiolog-weights-pull"} <= pages


def test_groff_has_nothing_to_warn_of(prefix: Path) -> None:
    if shutil.which("groff") is None:
        pytest.skip("no groff on this machine")
    done = sh("groff -man -Tutf8 -ww -z -rCHECKSTYLE=3 share/man/man1/*.1", prefix)
    assert (done.code, done.stdout, done.stderr) == (0, "", "")


def test_man_shows_a_page_with_the_options_as_they_are_typed(prefix: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("no man on this machine")
    done = sh("man -l share/man/man1/audiolog-tag.1 | cat", prefix, MANWIDTH="80", LC_ALL="C.UTF-8")
    assert done.code == 0
    for line in (
        "       audiolog-tag - say what is heard in recordings: for each second its",
        "       audiolog tag [OPTIONS] [FILE|-]...",
        "       --files-from FILE|-",
        "       -q, --quiet",
        "       audiolog tag rec.wav | audiolog table --format github",
        "       141    the reader of standard output went away",
    ):
        assert line in done.stdout.splitlines()


def test_man_finds_the_page_of_an_installed_program(prefix: Path) -> None:
    """`man` looks beside the bin folders of the path, so a virtual environment's pages are found."""
    if shutil.which("man") is None:
        pytest.skip("no man on this machine")
    found = sh(f"PATH={prefix}/bin:$PATH man -w audiolog-tag", ROOT)
    assert found.stdout.strip() == f"{prefix}/share/man/man1/audiolog-tag.1"
