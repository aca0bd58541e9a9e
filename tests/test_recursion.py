"""Which files of a folder are recordings, and what is reported about the others."""

from pathlib import Path
from zipfile import ZipFile

import pytest

from audiolog_cli import terminal
from audiolog_cli.commands.jobs import AUDIO_SUFFIXES, jobs_of
from audiolog_cli.errors import InputError
from audiolog_cli.sound.remote import open_url
from tests.conftest import not_root


def found(folder: Path, match: str = "") -> list[str]:
    """Names of the recordings in it."""
    names = []
    for one in jobs_of([str(folder)], True, match):
        assert not isinstance(one, InputError)
        names.append(str(Path(one.path).relative_to(folder)))
    return names


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    messages: list[str] = []
    monkeypatch.setattr(terminal, "say", messages.append)
    return messages


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_system_files_are_not_recordings(tmp_path: Path, said: list[str]) -> None:
    make(tmp_path, "a.wav", "sub/b.FLAC", "._a.wav", ".hidden.wav", ".Trashes/1/c.wav", "sub/@eaDir/b.FLAC/SYNO.wav")
    make(tmp_path, "__MACOSX/._a.wav", "$RECYCLE.BIN/d.wav", "#recycle/e.wav", ".git/f.wav")
    assert found(tmp_path) == ["a.wav", "sub/b.FLAC"]
    assert said == [f"{tmp_path}: skipped 8 hidden"]


def test_a_folder_that_is_hidden_itself_was_asked_for(tmp_path: Path, said: list[str]) -> None:
    make(tmp_path, ".cache/a.wav")
    assert found(tmp_path / ".cache") == ["a.wav"]
    assert said == []


def test_skipped_files_are_counted_by_kind(tmp_path: Path, said: list[str]) -> None:
    make(tmp_path, "a.wav", "b.txt", "c.TXT", "d.csv", "README")
    assert found(tmp_path) == ["a.wav"]
    assert said == [f"{tmp_path}: skipped 2 .txt, 1 without suffix, 1 .csv"]
    assert found(tmp_path, match="*.csv") == ["d.csv"]
    assert said[1:] == [f"{tmp_path}: skipped 4 not matching *.csv"]


def test_a_folder_without_recordings_says_what_is_in_it(tmp_path: Path, said: list[str]) -> None:
    make(tmp_path, "notes.txt")
    assert found(tmp_path) == []
    assert said == [f"{tmp_path}: no recordings in it; skipped 1 .txt"]


@pytest.mark.parametrize("suffix", [".wave", ".mp2", ".au", ".aifc", ".spx", ".tta", ".avi", ".m4v", ".mpg"])
def test_suffixes_of_sound_and_of_films(suffix: str, tmp_path: Path, said: list[str]) -> None:
    make(tmp_path, f"a{suffix}")
    assert suffix in AUDIO_SUFFIXES
    assert found(tmp_path) == [f"a{suffix}"]


def test_ts_is_a_film_or_a_program(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "film.ts").write_bytes((b"G" + bytes(187)) * 3)
    (tmp_path / "program.ts").write_text("import { Get } from './get';\n" * 20)
    assert found(tmp_path) == ["film.ts"]
    assert said == [f"{tmp_path}: skipped 1 .ts"]


def test_a_folder_that_may_not_be_read_is_an_error_in_its_place(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a hidden one, such as lost+found, nothing is missing."""
    make(tmp_path, "n/a.wav", "n/b/c.wav", "n/lost+found/d.wav", "n/e/f.wav")
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    for locked in ("n/b", "n/lost+found"):
        Path(locked).chmod(0)
    with not_root():
        jobs = [(one.path, str(one) if isinstance(one, InputError) else "") for one in jobs_of(["n"], True)]
    assert jobs == [("n/a.wav", ""), ("n/b", "n/b: permission denied"), ("n/e/f.wav", "")]
    assert said == ["n: skipped 1 hidden"]


def test_links_to_folders_are_not_followed_and_counted(tmp_path: Path, said: list[str]) -> None:
    make(tmp_path, "a/1.wav")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "2.wav").symlink_to("1.wav")
    assert found(tmp_path / "a") == ["1.wav", "2.wav"]
    assert said == [f"{tmp_path / 'a'}: skipped 1 linking to a folder"]


def test_recordings_in_an_archive(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ZipFile("season.zip", "w") as archive:
        for name in ("n/a.wav", "n/b.txt", "m/c.wav"):
            archive.writestr(name, b"RIFF")
    (job,) = jobs_of(["zip://n::season.zip"], True)
    assert job.path == "zip://n/a.wav::season.zip"
    assert said == ["zip://n::season.zip: skipped 1 .txt"]
    with open_url(job.path) as file:
        assert file.read() == b"RIFF"
