"""The manual pages: current, without a warning from groff, and readable by man as the commands' own help is."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shell import ROOT, sh

PAGES = sorted((ROOT / "man").glob("*.1"))


def test_pages_are_what_help_says(tmp_path: Path) -> None:
    """`make docs` writes them anew."""
    subprocess.run([sys.executable, "tools/man_pages.py", tmp_path], cwd=ROOT, check=True)
    written = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_text("utf-8") for path in PAGES}


def test_groff_has_nothing_to_warn_of() -> None:
    if shutil.which("groff") is None:
        pytest.skip("no groff on this machine")
    done = sh("groff -man -Tutf8 -ww -z -rCHECKSTYLE=3 man/*.1", ROOT)
    assert (done.code, done.stdout, done.stderr) == (0, "", "")


def test_man_shows_a_page_with_the_options_as_they_are_typed() -> None:
    if shutil.which("man") is None:
        pytest.skip("no man on this machine")
    done = sh("man -l man/audiolog-tag.1 | cat", ROOT, MANWIDTH="80", LC_ALL="C.UTF-8")
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


def test_man_finds_the_page_of_an_installed_program(tmp_path: Path) -> None:
    """`man` looks beside the bin folders of the path, so a virtual environment's pages are found."""
    if shutil.which("man") is None:
        pytest.skip("no man on this machine")
    (tmp_path / "share" / "man").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "share" / "man" / "man1").symlink_to(ROOT / "man")
    found = sh(f"PATH={tmp_path}/bin:$PATH man -w audiolog-tag", ROOT)
    assert found.stdout.strip() in (f"{tmp_path}/share/man/man1/audiolog-tag.1", str(ROOT / "man" / "audiolog-tag.1"))
