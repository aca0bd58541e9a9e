"""`audiolog tag`: recordings, or segments of them, in; cells out: the scene of every second and the events active in it."""

import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from io import BufferedReader
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, cast

import typer

from audiolog_cli import terminal
from audiolog_cli.commands.options import Channel, Format, Quiet, Raw, RecordFormat
from audiolog_cli.errors import InputError, RecordError, UsageError
from audiolog_cli.records import CELL_COLUMNS, Cell, End, Failure, Segment, check_text, jsonl_lines, read, tsv_lines

if TYPE_CHECKING:
    from audiolog_cli.audio import DecodeOptions
    from audiolog_cli.model.tagger import Tagger, TagOptions


class Pool(StrEnum):
    """How the frames of a cell become its score."""

    max = "max"
    mean = "mean"


class Recording(NamedTuple):
    """One recording to tag: its path (or -), and which [onset, offset) seconds of it; None is all of it."""

    path: str
    spans: Iterable[tuple[float, float]] | None


class Outcome:
    """How many recordings were tagged and how many failed."""

    def __init__(self) -> None:
        self.done = 0
        self.failed = 0

    def fail(self, error: Exception) -> None:
        """Count and say an input's failure; the others go on."""
        self.failed += 1
        terminal.complain(str(error))


def tag(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE|-]...", help="Recordings, or segments as `audiolog segment` writes them.")
    ] = None,
    files_from: Annotated[
        str, typer.Option(metavar="FILE|-", help="Also tag the recordings named in this file, one a line.")
    ] = "",
    weights: Annotated[str, typer.Option(help="A checkpoint's path, or a name that `audiolog weights list` shows.")] = "everyday",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=0, help="Windows analysed at once; 0 chooses by device.")] = 0,
    jobs: Annotated[int, typer.Option(min=0, help="Batches analysed at the same time; 0 is one per core, 1 on a GPU.")] = 0,
    hop: Annotated[
        float,
        typer.Option(min=0.0, help="Seconds from window to window; below the window's length they overlap and are averaged."),
    ] = 0.0,
    cell: Annotated[float, typer.Option(min=0.001, help="Seconds of a cell.")] = 1.0,
    pool: Annotated[Pool, typer.Option(help="A cell's score: the highest of its frames, or their mean.")] = Pool.max,
    threshold: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Score from which every event is active, instead of the checkpoint's.")
    ] = None,
    thresholds: Annotated[
        str, typer.Option(metavar="FILE", help="The same per label: a TSV with columns label, threshold.")
    ] = "",
    smooth: Annotated[float, typer.Option(min=0.0, help="Average the scores over this many seconds; 0 does not.")] = 0.0,
    channel: Channel = "mix",
    raw: Raw = "",
    scores_dir: Annotated[
        Path | None, typer.Option(help="Write the scores of all events there, one TSV per recording (sed_scores_eval's format).")
    ] = None,
    format: Format = RecordFormat.tsv,
    quiet: Quiet = False,
) -> None:
    """Say what is heard in recordings: for each second its scene, then every active event.

    Without a FILE, reads standard input: a recording in any format, or segment records. Each line is written as soon as it is
    known. A recording that fails costs only itself: exit code 3, or 1 if none could be read.

    Example: audiolog tag rec.wav | audiolog table --format github
    """
    from audiolog_cli.audio import DecodeOptions, RawFormat
    from audiolog_cli.model import tagger as model
    from audiolog_cli.weights import find

    hearing = model.load(find(weights), device, batch_size, jobs)
    decode_options = DecodeOptions(hearing.card.front_end.sample_rate, channel, RawFormat.parse(raw) if raw else None)
    if hop > hearing.card.window:
        raise UsageError(
            f"--hop {hop:g}: the windows of {weights} are {hearing.card.window:g} s long, sound between them would be lost"
        )
    wanted = _thresholds(threshold, thresholds, hearing.card.events)
    model.labels_of(hearing.card, wanted)  # a wrong label is said before the first recording is opened
    options = model.TagOptions(hop, cell, pool.value, smooth, wanted, scores_dir)
    if not hearing.card.scenes:
        terminal.say(f"{weights} knows events only: scene labels stay empty")

    outcome = Outcome()
    recordings = _recordings([*(files or []), *_names_in(files_from)] or ["-"], outcome)
    records = _tagged(recordings, hearing, decode_options, options, outcome)
    terminal.write_lines(tsv_lines(records, CELL_COLUMNS) if format is RecordFormat.tsv else jsonl_lines(records))
    if outcome.failed:
        raise typer.Exit(3 if outcome.done else 1)


def _tagged(
    recordings: Iterable[Recording], tagger: "Tagger", decoding: "DecodeOptions", options: "TagOptions", outcome: Outcome
) -> Iterator[Cell | End | Failure]:
    """The records of all recordings in order; one that fails becomes a `Failure` where it stopped."""
    from audiolog_cli.audio import Damage, decode
    from audiolog_cli.model.tagger import tag as records_of

    for path, spans in recordings:

        def report(damage: Damage, path: str = path) -> None:
            terminal.say(f"{path}: {damage}")

        try:
            yield from records_of(tagger, decode(path, decoding, report), check_text(path, "file name"), spans, options)
            outcome.done += 1
        except InputError as error:
            outcome.fail(error)
            yield Failure(path, str(error))


def _recordings(paths: Iterable[str], outcome: Outcome) -> Iterator[Recording]:
    """What to tag: each path is a recording, or a list of segments whose recordings are meant."""
    for path in paths:
        try:
            if _holds_records(path):
                with terminal.text_input(path) as (stream, name):
                    yield from _listed(read(stream, name), name)
            else:
                yield Recording(path, None)
        except InputError as error:
            outcome.fail(error)


def _holds_records(path: str) -> bool:
    """Whether the first line is the header of a TSV of records, or JSON: no audio container starts like that."""
    if path == "-":
        head = cast(BufferedReader, sys.stdin.buffer).peek()
    elif Path(path).is_file():
        with open(path, "rb") as file:
            head = file.read(4096)
    else:
        return False  # a FIFO cannot be looked into; what is missing, decoding reports
    first_line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n")[0]
    return first_line.startswith(b"{") or b"filename" in first_line.rstrip(b"\r").split(b"\t")


def _listed(records: Iterable[object], name: str) -> Iterator[Recording]:
    """The recordings of a list of segments; the segments of one recording stand together."""
    segments = (_segment(record, name) for record in records)
    for path, group in groupby(segments, key=attrgetter("filename")):
        yield Recording(path, ((segment.onset, segment.offset) for segment in group))


def _segment(record: object, name: str) -> Segment:
    if not isinstance(record, Segment):
        raise RecordError(f"{name}: expected segments (filename onset offset), got other records; `audiolog segment` writes them")
    return record


def _names_in(path: str) -> list[str]:
    """The paths in a list of recordings, one a line; blank lines are passed over."""
    if not path:
        return []
    with terminal.text_input(path) as (stream, _):
        return [name for line in stream if (name := line.rstrip("\r\n"))]


def _thresholds(common: float | None, path: str, events: Iterable[str]) -> dict[str, float]:
    """The thresholds that replace the checkpoint's: one for all events, then those of a file."""
    from audiolog_cli.scores import read_thresholds

    chosen = {} if common is None else dict.fromkeys(events, common)
    if path:
        with terminal.text_input(path) as (stream, name):
            chosen |= read_thresholds(stream, name)
    return chosen
