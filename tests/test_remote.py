"""Recordings at URLs are read like those on a disk."""

import io
from pathlib import Path

import fsspec
import numpy as np
import pytest

from audiolog_cli.errors import AudioError, InputError, UsageError
from audiolog_cli.sound.audio import decode, duration
from audiolog_cli.sound.clock import TimeSource, start_of
from audiolog_cli.sound.remote import files_below, open_url, version
from tests.audio_files import encode, sine
from tests.conftest import write_wav
from tests.shell import audiolog


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".m4a", ".mp3"])
def test_a_url_gives_the_samples_of_the_file(tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"a{suffix}", sine(2.5, 44_100), 44_100)
    fsspec.filesystem("memory").pipe_file(f"/nights/a{suffix}", path.read_bytes())
    url = f"memory://nights/a{suffix}"
    assert np.array_equal(np.concatenate(list(decode(url))), np.concatenate(list(decode(str(path)))))
    assert duration(url) == duration(str(path))


def test_versions_differ_when_a_file_does(tmp_path: Path) -> None:
    system = fsspec.filesystem("memory")
    system.pipe_file("/v/a.wav", b"one")
    first = version("memory://v/a.wav")
    assert first == version("memory://v/a.wav")
    system.pipe_file("/v/a.wav", b"three")
    assert first != version("memory://v/a.wav")
    with pytest.raises(InputError, match="^memory://v/none.wav: no such file$"):
        version("memory://v/none.wav")


def test_folders_are_listed_as_urls() -> None:
    system = fsspec.filesystem("memory")
    system.pipe_file("/listed/b/2.wav", b"x")
    system.pipe_file("/listed/1.wav", b"x")
    assert files_below("memory://listed") == ["memory:///listed/1.wav", "memory:///listed/b/2.wav"]


def test_what_is_wrong_with_a_url_is_one_line() -> None:
    fsspec.filesystem("memory").pipe_file("/empty.wav", b"")
    with pytest.raises(AudioError, match="^memory://empty.wav: empty file$"):
        open_url("memory://empty.wav")
    with pytest.raises(AudioError, match="^memory://none.wav: no such file$"):
        list(decode("memory://none.wav"))
    with pytest.raises(
        UsageError, match="^nope://x: protocol not known: nope; expected a path or a URL such as s3://bucket/name$"
    ):
        open_url("nope://x")


def test_a_file_system_that_cannot_be_reached_costs_only_its_recording(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="^ftp://127.0.0.1:1/a.wav: Connection refused$"):
        open_url("ftp://127.0.0.1:1/a.wav")
    (tmp_path / "a.zip").write_bytes(b"RIFF")
    with pytest.raises(InputError, match="a.zip: File is not a zip file$"):
        open_url(f"zip://b.wav::{tmp_path}/a.zip")
    with pytest.raises(InputError, match="^memory://nowhere: no such file$"):
        files_below("memory://nowhere")


class Radio(fsspec.AbstractFileSystem):
    """Sends `Radio.sound` and does not say how much it is, like a web server that makes it up as it goes."""

    protocol = "radio"
    sound = b""

    def info(self, path: str, **_: object) -> dict[str, object]:
        return {"name": path, "size": None, "type": "file"}

    def _open(self, path: str, *_: object, **__: object) -> io.BytesIO:
        class Stream(io.BytesIO):
            def seek(self, *_: object) -> int:
                raise ValueError("Cannot seek streaming HTTP file")

        return Stream(self.sound)


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".opus"])
def test_a_stream_of_unknown_length_is_read_as_a_pipe(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode(tmp_path / f"a{suffix}", sine(2.5, 48_000), 48_000)
    fsspec.register_implementation("radio", Radio, clobber=True)
    monkeypatch.setattr(Radio, "sound", path.read_bytes())
    assert np.array_equal(np.concatenate(list(decode("radio://a"))), np.concatenate(list(decode(str(path)))))
    with pytest.raises(AudioError, match=r"^radio://a: no time found in its header \(--header-time\)$"):
        start_of("radio://a", TimeSource(None, None, "", True, None))


def test_a_server_that_is_not_there_is_no_missing_file() -> None:
    pytest.importorskip("aiohttp", reason="pip install aiohttp")
    for read in (open_url, version, files_below):
        with pytest.raises(InputError, match=r"^http://127.0.0.1:1/a.wav: Connect call failed \('127.0.0.1', 1\)$"):
            read("http://127.0.0.1:1/a.wav")


def test_a_scheme_whose_package_is_missing_is_named() -> None:
    fsspec.register_implementation("far", "farfs.Far", clobber=True, errtxt="Install farfs to access Far")
    with pytest.raises(UsageError, match="^far://b/x: Install farfs to access Far$"):
        open_url("far://b/x")


def test_a_broken_connection_costs_only_its_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = fsspec.filesystem("memory")
    system.pipe_file("/broken.wav", write_wav(tmp_path / "a.wav", 30.0).read_bytes())

    opened = system.open("/broken.wav", "rb")

    class Broken:
        def __init__(self) -> None:
            self.file = opened
            self.seek, self.tell, self.seekable, self.close = self.file.seek, self.file.tell, self.file.seekable, self.file.close

        def read(self, size: int) -> bytes:
            if self.file.tell() > 1_000_000:
                raise ConnectionResetError(104, "Connection reset by peer")
            return bytes(self.file.read(size))

    monkeypatch.setattr(type(system), "open", lambda *_: Broken())
    with pytest.raises(AudioError, match="^memory://broken.wav: reading it broke off: Connection reset by peer$"):
        list(decode("memory://broken.wav"))


def test_tag_takes_urls(tmp_path: Path, tiny_weights: Path) -> None:
    (tmp_path / "night").mkdir()
    write_wav(tmp_path / "night" / "20261122_060000.wav", 5.0)
    (tmp_path / "w.safetensors").write_bytes(tiny_weights.read_bytes())
    tag = "tag --weights w.safetensors --name-time audiomoth"
    by_path = audiolog(f"{tag} {tmp_path}/night/20261122_060000.wav", tmp_path)
    by_url = audiolog(f"{tag} file://{tmp_path}/night --recursive --resume j", tmp_path)
    assert by_url.stdout.replace("file://", "") == by_path.stdout != ""
    assert audiolog(f"{tag} file://{tmp_path}/night --recursive --resume j", tmp_path) == by_url
    missing = audiolog(f"{tag} file://{tmp_path}/night/20261122_070000.wav", tmp_path)
    assert missing == (1, "", f"audiolog: file://{tmp_path}/night/20261122_070000.wav: no such file\n")
