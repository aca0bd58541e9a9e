"""The journal of `tag --resume`: the scores of every window analysed so far, so that a crash costs a minute and not the night.

A journal is a folder with one file per recording, named by a hash of the recording's path, size and modification time. A file is
a sequence of blocks, each with its length and checksum, one for each window: whenever a crash comes, the valid part ends with a
whole block, and the rest is cut off. It keeps the network's probabilities, before cells, thresholds or formats, so those may
differ from run to run; a run whose parameters would change the probabilities is refused (`parameters.py`). After the last window
come the damage and the doubts that were found: a run that continues repeats them without decoding.
"""

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from errno import ENOSPC
from fcntl import LOCK_EX, LOCK_NB, flock
from io import FileIO
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import BinaryIO, TypeAlias

import numpy as np

from audiolog_cli.cells import WindowScores
from audiolog_cli.errors import AudiologError, InputError, UsageError
from audiolog_cli.sound.audio import Window
from audiolog_cli.sound.damage import Damage
from audiolog_cli.sound.remote import is_url, version
from audiolog_cli.tagging.options import Spans
from audiolog_cli.tagging.parameters import Parameters, agree, locked
from audiolog_cli.terminal import naming, refusing

BLOCK = struct.Struct("<4sII")  # magic, length of the payload in bytes, its CRC-32
WINDOW = struct.Struct("<qqqqIII")  # start, n_samples, n_window, settled; numbers of scenes, frames, events
MAGIC = b"ALJ2"
END = struct.pack("<q", -1)  # in place of a window's start; what was found in the recording follows, as JSON
LARGEST_BLOCK = 1 << 28  # bytes; a larger one is damage
SYNC_EVERY = 1.0  # seconds
Found: TypeAlias = Damage | str  # in the sound of a recording; or another message about it


@dataclass(frozen=True, slots=True)
class Kept:
    """What a journal has of a recording."""

    path: Path
    n_bytes: int
    n_windows: int
    is_complete: bool  # all windows are there
    found: list[Found] = field(default_factory=list)  # in the sound: of a complete recording all, else what is found from now on

    @classmethod
    def at(cls, path: Path) -> "Kept":
        """What the file at `path` holds; an incomplete last block is cut off."""
        return cls(path, *recover(path))

    def missing(self, windows: Iterator[Window]) -> Iterator[Window]:
        """The windows whose scores are not there; a recording that is complete is not decoded again."""
        return iter(()) if self.is_complete else islice(windows, self.n_windows, None)

    def continued(self, scores: Iterable[WindowScores]) -> Iterator[WindowScores]:
        """The scores of all windows: first those in the file, then those of the missing ones, which are noted on the way.

        Every window is handed to the system before it is passed on, so a killed program loses none; fsync runs at most once a
        second, so a power cut loses no more than that. A recording that is named twice is noted once.
        """
        if self.n_windows:
            with self.path.open("rb") as file:
                yield from stored(file, self.n_bytes)
        if self.is_complete:
            return
        with self.path.open("ab", buffering=0) as file:
            if not is_alone(file) or file.tell() != self.n_bytes:
                yield from scores
                return
            synced = monotonic()
            for one in scores:
                due = monotonic() - synced > SYNC_EVERY
                append(file, pack(one), due)
                synced = monotonic() if due else synced
                yield one
            append(file, ended(self.found), to_disk=True)


@dataclass(frozen=True, slots=True)
class Journal:
    """An open journal: no other run uses its folder meanwhile."""

    folder: Path

    def kept(self, recording: str, spans: Spans) -> Kept:
        """What it has of a recording (or of spans of it); InputError for what cannot be read a second time."""
        return Kept.at(self.file_of(recording, spans))

    def file_of(self, recording: str, spans: Spans) -> Path:
        """Where the windows of a recording (or of spans of it) are kept; a file that has changed is a different recording.

        InputError for what cannot be read a second time.
        """
        check_regular(recording, "--resume")
        identity = f"{place(recording)}\0{version(recording)}\0{spans}"
        return self.folder / (hashlib.sha256(os.fsencode(identity)).hexdigest()[:32] + ".windows")


def place(recording: str) -> str:
    """Where a recording is, however its path is spelled."""
    return recording if is_url(recording) else os.path.abspath(recording)


def check_regular(recording: str, option: str) -> None:
    """InputError for what cannot be read a second time, as `option` requires."""
    if recording == "-":
        raise InputError(f"-: standard input cannot be read again, {option} needs files")
    if is_live_source(recording):
        raise InputError(f"{recording}: not a regular file, {option} needs one that can be read again")


def is_live_source(recording: str) -> bool:
    """Whether a recording comes through a pipe or from a device, so that it cannot be read a second time."""
    return recording == "-" or (not is_url(recording) and os.path.exists(recording) and not os.path.isfile(recording))


@contextmanager
def open_journal(folder: Path, parameters: Parameters) -> Iterator[Journal]:
    """Make or continue the journal in `folder`; UsageError while another run uses it, or if it was made with other parameters."""
    with refusing(f"--resume {folder}", UsageError):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, "--resume"):
        with naming(f"--resume {folder}"):
            agree(str(folder), "--resume", parameters)
        yield Journal(folder)


def append(file: FileIO, payload: bytes, to_disk: bool) -> None:
    """Add a block and, with `to_disk`, wait until the disk has it; AudiologError if there is no room for it."""
    data = block(payload)
    way_out = "; make room, and the same command goes on"
    with refusing(f"{file.name}: the journal cannot be written", AudiologError, way_out):
        if file.write(data) < len(data):  # the disk took only part of it
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        if to_disk:
            os.fsync(file.fileno())


def is_alone(file: FileIO | BinaryIO) -> bool:
    """Whether nobody else writes to an open file, and from now on, until it is closed, nobody will."""
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True


def recover(path: Path) -> tuple[int, int, bool, list[Found]]:
    """Cut off an incomplete last block, or windows that two runs noted; returns the fields of `Kept` after its path."""
    n_bytes = n_windows = 0
    last, end = -1, b""
    if not path.exists():
        return n_bytes, n_windows, False, []
    with path.open("r+b") as file:
        is_ours = is_alone(file)
        for payload in blocks(file):
            start = int.from_bytes(payload[:8], "little", signed=True)
            if payload.startswith(END):
                n_bytes, end = file.tell(), payload
            if start <= last:  # the end, or a window that was there
                break
            n_bytes, n_windows, last = file.tell(), n_windows + 1, start
        if is_ours:
            file.truncate(n_bytes)
    return n_bytes, n_windows, bool(end), found_by(end) if end else []


def stored(file: BinaryIO, n_bytes: int) -> Iterator[WindowScores]:
    """The windows in the first `n_bytes` of a file."""
    for payload in blocks(file):
        if not payload.startswith(END):
            yield unpack(payload)
        if file.tell() >= n_bytes:
            return


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """The payloads of a file's blocks, up to the first that is not whole."""
    while len(head := file.read(BLOCK.size)) == BLOCK.size:
        magic, size, checksum = BLOCK.unpack(head)
        if magic != MAGIC or size > LARGEST_BLOCK:
            return
        payload = file.read(size)
        if len(payload) < size or zlib.crc32(payload) != checksum:
            return
        yield payload


def block(payload: bytes) -> bytes:
    """A payload with its length and checksum.

    >>> from io import BytesIO
    >>> list(blocks(BytesIO(block(b"one") + block(b"two")[:-1])))
    [b'one']
    """
    return BLOCK.pack(MAGIC, len(payload), zlib.crc32(payload)) + payload


def ended(found: Iterable[Found]) -> bytes:
    """The payload after the last window."""
    return END + json.dumps([one if isinstance(one, str) else astuple(one) for one in found]).encode()


def found_by(end: bytes) -> list[Found]:
    """The inverse of `ended`.

    >>> found_by(ended(["a.wav: ends at 3.000 s", Damage(1.0, 2.5, "broken")]))
    ['a.wav: ends at 3.000 s', Damage(onset=1.0, offset=2.5, reason='broken', cause='lost')]
    """
    return [one if isinstance(one, str) else Damage(*one) for one in json.loads(end[len(END) :])]


def pack(scores: WindowScores) -> bytes:
    """A window's scores as bytes, to the bit."""
    n_frames, n_events = scores.events.shape
    head = WINDOW.pack(scores.start, scores.n_samples, scores.n_window, scores.settled, len(scores.scene), n_frames, n_events)
    return head + scores.scene.astype("<f4").tobytes() + scores.events.astype("<f4").tobytes()


def unpack(payload: bytes) -> WindowScores:
    """The inverse of `pack`."""
    start, n_samples, n_window, settled, n_scenes, n_frames, n_events = WINDOW.unpack_from(payload)
    values = np.frombuffer(payload, "<f4", offset=WINDOW.size).astype(np.float32)
    return WindowScores(start, n_samples, n_window, settled, values[:n_scenes], values[n_scenes:].reshape(n_frames, n_events))
