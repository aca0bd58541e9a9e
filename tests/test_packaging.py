"""The wheel has the default weights and every file that the code reads."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.shell import ROOT


def test_the_wheel_brings_weights_and_data_files(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
        ".",
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("audiolog-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files", "audiolog_cli"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    assert {name for name in tracked if (ROOT / name).exists()} <= names
    assert {f"audiolog_cli/_weights/{name}" for name in ("everyday.safetensors", "everyday.else.npz", "published.tsv")} <= names
    pages = {name.rpartition("/")[2] for name in names if ".data/data/share/man/man1/" in name}
    assert {"audiolog.1", "audiolog-tag.1", "audiolog-weights-pull.1"} <= pages
    assert not [name for name in names if name.startswith("tests/")]


def test_the_default_weights_are_small_enough_to_ship() -> None:
    assert (ROOT / "weights" / "everyday.safetensors").stat().st_size < 20_000_000
