"""A folder of parts: the cells of each recording in a file of their own, so that a season of recordings is many small files.

    OUT/rec1-0123456789ab-01234567.parquet     the recording's cells, as `tag` writes them: tsv, jsonl or parquet
    OUT/failed/rec2-ba9876543210.parquet       a recording that failed: the cells so far and an error row (tsv: the error alone)
    OUT/parameters.json                        what decides the rows; a run with other values is refused
    OUT/lock                                   there while a run uses the folder (if local)
    OUT/unfinished/...                         parts being written; each gets its name when it is complete

A part is named after its recording: the file's own name, a hash of its location (and of the stretches analysed), and one of its
size and modification time. A part that exists under its name is finished and is not made again; the part of an earlier version of
the recording is replaced. OUT is a path or a URL for fsspec; where a file system cannot rename (S3), a copy is used, and is as
atomic.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from uuid import uuid4

from audiolog_cli import parquet
from audiolog_cli.errors import InputError, UsageError
from audiolog_cli.records import CELL_COLUMNS, Cell, End, Failure, Remark, jsonl_lines, tsv_lines
from audiolog_cli.sound.remote import file_system, is_url, version, writing
from audiolog_cli.tagging.journal import check_regular, place
from audiolog_cli.tagging.options import Spans
from audiolog_cli.tagging.parameters import Parameters, agree, locked
from audiolog_cli.tagging.scores import score_file
from audiolog_cli.tally import Outcome
from audiolog_cli.terminal import refusing

Records = Iterable[Cell | End | Failure | Remark]


@dataclass(frozen=True)
class Parts:
    """The folder, and how parts are written into it."""

    folder: str  # a path or URL
    format: str  # "tsv", "jsonl" or "parquet"
    with_time: bool  # whether cells carry clock times
    scores_dir: Path | None = None  # where the scores of a recording that is finished are as well
    due: dict[str, str] = field(default_factory=dict)  # names of parts to write, by key; from before their recordings are opened
    run: str = field(default_factory=lambda: uuid4().hex)  # names this run's files under `unfinished`

    @cached_property
    def _system(self) -> tuple[Any, str]:
        return file_system(self.folder)

    @contextmanager
    def opened(self, parameters: Parameters) -> Iterator[dict[str, tuple[str, ...]]]:
        """Make the folder or continue it; yields the names of the parts in it, by the `key_of` their recordings.

        UsageError if it was made with other parameters, or while another run has it. What lost workers left unfinished is removed
        at the end. A remote folder has no lock: two runs there do the same work twice, and each part comes whole from one of
        them.
        """
        system, folder = self._system
        if self.format == "parquet":
            parquet.pyarrow()  # fail now, not after the first recording
        with refusing(f"--out {self.folder}", UsageError), writing(self.folder):
            system.makedirs(folder, exist_ok=True)
        is_remote = is_url(self.folder)
        with nullcontext() if is_remote else locked(Path(folder), "--out"):
            with writing(self.folder):
                agree(self.folder, "--out", parameters)
                for name in ("failed", f"unfinished/{self.run}"):
                    system.makedirs(f"{folder}/{name}", exist_ok=True)
            there: dict[str, tuple[str, ...]] = {}
            for name in chain(self._names(folder), self._names(f"{folder}/failed")):
                if match := PART.fullmatch(name):
                    there[match["key"]] = (*there.get(match["key"], ()), name)
            yield there
            with suppress(FileNotFoundError):
                system.rm(f"{folder}/unfinished/{self.run}" if is_remote else f"{folder}/unfinished", recursive=True)
            with suppress(OSError):  # gone already, or another run of a remote folder has something there
                system.rmdir(f"{folder}/unfinished")

    def _names(self, folder: str) -> list[str]:
        """What a folder below OUT holds; an object store has no empty folders."""
        system, top = self._system
        with suppress(FileNotFoundError):
            return [str(name)[len(top) + 1 :] for name in system.ls(folder, detail=False, refresh=True)]
        return []

    def _unfinished(self) -> str:
        """A unique name for a file that is not complete yet."""
        return f"{self._system[1]}/unfinished/{self.run}/{uuid4().hex}"

    def finished(self, path: str, spans: Spans, there: Iterable[str]) -> bool:
        """Whether the part of this version of a recording is among the names in `there`, and its scores are where they should.

        If not, this is the version that `write` names its part after: what is recorded from now on is for another run.
        """
        with suppress(InputError):
            name = self._name(path, spans)
            if name in there and (self.scores_dir is None or score_file(self.scores_dir, path).exists()):
                return True
            self.due[key_of(path, spans)] = name
        return False

    def write(self, path: str, spans: Spans, there: Iterable[str], records: Records) -> Outcome:
        """Write a recording's part; `there` are the names of its earlier parts, which it replaces.

        An InputError among the records makes it a failed part. The finished part of a recording that is now missing stays as it
        is.
        """
        system, folder = self._system
        key = key_of(path, spans)
        unfinished = self._unfinished()
        try:
            name = self.due.pop(key, "") or self._name(path, spans)
        except InputError as error:
            if any(not old.startswith("failed/") for old in there):  # an unmounted disk must not remove anything
                return Outcome(path, "failed", message=str(error))
            name, records = "", raising(error)
        last: list[End | Failure] = []
        damaged: list[Remark] = []
        with writing(self.folder):
            with system.open(unfinished, "wb") as file:
                self._write(_ended(records, path, last, damaged), file)
            (end,) = last
            if isinstance(end, Failure) and self.format == "tsv":
                system.pipe_file(unfinished, f"filename\tmessage\n{path}\t{end.message}\n".encode(errors="surrogateescape"))
            final = f"failed/{key}.{self.format}" if isinstance(end, Failure) else name
            system.mv(unfinished, f"{folder}/{final}")
            for old in there:
                if old != final:
                    system.rm_file(f"{folder}/{old}")
        if isinstance(end, Failure):
            return Outcome(path, "failed", message=end.message)
        return Outcome(path, "done", end.duration, is_damaged=bool(damaged))

    def _name(self, path: str, spans: Spans) -> str:
        check_regular(path, "--out")
        return f"{key_of(path, spans)}-{_hash(version(path), 8)}.{self.format}"

    def _write(self, records: Records, file: BinaryIO) -> None:
        if self.format == "parquet":
            parquet.write_parquet(records, file, Cell, self.with_time)
            return
        lines = jsonl_lines(records) if self.format == "jsonl" else tsv_lines(records, CELL_COLUMNS, self.with_time)
        file.writelines(line.encode("utf-8", "surrogateescape") for line in lines)


PART = re.compile(r"(?:failed/)?(?P<key>.+-[0-9a-f]{12})(?:-[0-9a-f]{8})?\.(?:tsv|jsonl|parquet)")


def key_of(path: str, spans: Spans) -> str:
    """The prefix of the names of all parts of a recording: its own name, as far as every file system can hold it, and a hash
    of where it lies and of what is analysed."""
    own = re.sub(r"[^A-Za-z0-9_.]", "_", PurePosixPath(path).stem)[:80]
    what = f"{place(path)}\0{spans}"
    return f"{own}-{_hash(what, 12)}"


def _hash(text: str, n_digits: int) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:n_digits]


def raising(error: InputError) -> Iterator[Cell]:
    """The records of a recording that cannot be tagged: none, but the error."""
    raise error
    yield


def _ended(
    records: Records, path: str, last: list[End | Failure], damaged: list[Remark]
) -> Iterator[Cell | End | Failure | Remark]:
    """The records, with the last one and any damage also put into the lists; an InputError among them becomes a `Failure`."""
    try:
        for record in records:
            if isinstance(record, Remark):
                damaged += [record] if record.kind == "damage" else []
            elif not isinstance(record, Cell):
                last.append(record)
            yield record
    except InputError as error:
        last[:] = [Failure(path, str(error))]
        yield last[0]
