"""A folder of parts: the cells of each recording in a file of their own, so that a season of recordings is many small, whole files.

    OUT/rec1-0123456789ab-01234567.parquet     the recording's cells, as `tag` writes them: tsv, jsonl or parquet
    OUT/failed/rec2-ba9876543210.parquet       a recording that failed: its cells up to there and an error row (tsv: the error alone)
    OUT/parameters.json                        what decides the rows; a run with other values is refused
    OUT/unfinished/...                         being written; a part gets its name when it is whole

A part is named by its recording: the file's own name, a hash of its place (and of the stretches analysed), and one of its size and
time of change. A part whose name is there is finished and not made again; that of an earlier version of the recording is replaced.
OUT is a path or a URL for fsspec; where a file system knows no renaming, as S3, its copy takes that place and is as atomic.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NamedTuple
from uuid import uuid4

from audiolog_cli import parquet
from audiolog_cli.errors import InputError, UsageError
from audiolog_cli.records import CELL_COLUMNS, Cell, End, Failure, jsonl_lines, tsv_lines
from audiolog_cli.side_files import intact
from audiolog_cli.sound.remote import file_system, version, writing
from audiolog_cli.tagging.journal import changes, check_regular, place
from audiolog_cli.terminal import reason

Records = Iterable[Cell | End | Failure]


class Part(NamedTuple):
    """What came of a recording."""

    path: str  # the recording's
    state: str  # "done", "there" (it was finished before) or "failed"
    seconds: float = 0.0  # of sound
    message: str = ""  # why it failed


@dataclass(frozen=True)
class Parts:
    """The folder, and how parts are written into it."""

    folder: str  # a path or URL
    format: str  # "tsv", "jsonl" or "parquet"
    with_time: bool  # whether cells carry clock times

    @cached_property
    def _system(self) -> tuple[Any, str]:
        return file_system(self.folder)

    @contextmanager
    def opened(self, parameters: Mapping[str, Any]) -> Iterator[dict[str, list[str]]]:
        """Make the folder or go on with it; gives the names of the parts in it by the `key_of` their recordings.

        UsageError if it was made with other parameters. What lost workers left unfinished is taken away at the end.
        """
        system, folder = self._system
        if self.format == "parquet":
            parquet.pyarrow()  # said now, not after the first recording
        try:
            with writing(self.folder, "--out"):
                self._agree(json.loads(json.dumps({**parameters, "format": self.format})))
        except OSError as error:
            raise UsageError(f"--out {self.folder}: {reason(error)}") from None
        there: dict[str, list[str]] = {}
        for name in chain(self._names(folder), self._names(f"{folder}/failed")):
            if match := PART.fullmatch(name):
                there.setdefault(match["key"], []).append(name)
        yield there
        with suppress(FileNotFoundError):
            system.rm(f"{folder}/unfinished", recursive=True)

    def _agree(self, parameters: dict[str, Any]) -> None:
        """Note the parameters in a new folder; UsageError if those of an old one differ."""
        system, folder = self._system
        path = f"{folder}/parameters.json"
        is_new = not system.exists(path)
        with intact(path, "a run's parameters", "name another folder"):
            changed = "" if is_new else changes(json.loads(system.cat_file(path)), parameters)
        if changed:
            raise UsageError(f"--out {self.folder}: made with other parameters: {changed}; name another folder")
        for name in (folder, f"{folder}/failed", f"{folder}/unfinished"):
            system.makedirs(name, exist_ok=True)
        if is_new:
            unfinished = self._unfinished()
            system.pipe_file(unfinished, json.dumps(parameters, indent=1).encode() + b"\n")
            system.mv(unfinished, path)

    def _names(self, folder: str) -> list[str]:
        """What is in a folder, by its name below OUT; an object store has no empty folders."""
        system, top = self._system
        with suppress(FileNotFoundError):
            return [str(name)[len(top) + 1 :] for name in system.ls(folder, detail=False, refresh=True)]
        return []

    def _unfinished(self) -> str:
        """A name of its own for a file that is not whole yet."""
        return f"{self._system[1]}/unfinished/{uuid4().hex}"

    def finished(self, path: str, spans: Sequence[tuple[float, float]] | None, there: Iterable[str]) -> bool:
        """Whether the part of this version of a recording is among the names that are there."""
        with suppress(InputError):
            return self._name(path, spans) in there
        return False

    def write(self, path: str, spans: Sequence[tuple[float, float]] | None, there: Iterable[str], records: Records) -> Part:
        """Write a recording's part; `there` are the names of its earlier ones, which it replaces.

        InputErrors among the records make it a failed one. What a recording that cannot be found had finished before stays as it is.
        """
        system, folder = self._system
        key = key_of(path, spans)
        failed = f"failed/{key}.{self.format}"
        outcome = _Outcome(path)
        unfinished = self._unfinished()
        try:
            name = self._name(path, spans)
        except InputError as error:
            if any(not old.startswith("failed/") for old in there):  # a disk that is not mounted takes nothing away
                return Part(path, "failed", 0.0, str(error))
            name, records = "", _raising(error)
        with writing(self.folder, "--out"):
            with system.open(unfinished, "wb") as file:
                self._write(outcome.noted(records), file)
            if outcome.message and self.format == "tsv":
                system.pipe_file(unfinished, f"filename\tmessage\n{path}\t{outcome.message}\n".encode(errors="surrogateescape"))
            final = failed if outcome.message else name
            system.mv(unfinished, f"{folder}/{final}")
            for old in there:
                if old != final:
                    system.rm_file(f"{folder}/{old}")
        return Part(path, "failed" if outcome.message else "done", outcome.seconds, outcome.message)

    def _name(self, path: str, spans: Sequence[tuple[float, float]] | None) -> str:
        check_regular(path, "--out")
        return f"{key_of(path, spans)}-{_hash(version(path), 8)}.{self.format}"

    def _write(self, records: Records, file: BinaryIO) -> None:
        if self.format == "parquet":
            parquet.write_parquet(records, file, Cell, self.with_time)
            return
        lines = jsonl_lines(records) if self.format == "jsonl" else tsv_lines(records, CELL_COLUMNS, self.with_time)
        file.writelines(line.encode("utf-8", "surrogateescape") for line in lines)


PART = re.compile(r"(?:failed/)?(?P<key>.+-[0-9a-f]{12})(?:-[0-9a-f]{8})?\.(?:tsv|jsonl|parquet)")


def key_of(path: str, spans: Sequence[tuple[float, float]] | None) -> str:
    """What the names of all parts of a recording begin with: its own name, as far as every file system can hold it, and a hash
    of where it lies and of what is analysed."""
    own = re.sub(r"[^A-Za-z0-9_.]", "_", PurePosixPath(path).stem)[:80]
    what = f"{place(path)}\0{spans}"
    return f"{own}-{_hash(what, 12)}"


def _hash(text: str, n_digits: int) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:n_digits]


def _raising(error: InputError) -> Iterator[Cell]:
    raise error
    yield


class _Outcome:
    """What passed by while a recording's records were written."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.seconds = 0.0
        self.message = ""

    def noted(self, records: Records) -> Iterator[Cell | End | Failure]:
        """The records; an InputError among them becomes the last one, a `Failure`."""
        try:
            for record in records:
                if isinstance(record, End):
                    self.seconds = record.duration
                yield record
        except InputError as error:
            self.message = str(error)
            yield Failure(self.path, self.message)
