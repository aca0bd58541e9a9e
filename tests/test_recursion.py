"""Which files of a folder are recordings, and what is reported about the others."""

from pathlib import Path

import pytest

from audiolog_cli import terminal
from audiolog_cli.commands.inputs import AUDIO_SUFFIXES, jobs_of
from audiolog_cli.errors import InputError


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
