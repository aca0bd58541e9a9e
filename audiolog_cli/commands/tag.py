"""`audiolog tag`: recordings, or segments of them, in; cells out: the scene of every second and the events active in it."""

import hashlib
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from audiolog_cli import __version__, terminal
from audiolog_cli.commands.inputs import Recording, names_in, recordings
from audiolog_cli.commands.options import Channel, Format, Quiet, Raw, RecordFormat, complete_device, complete_weights
from audiolog_cli.errors import InputError, UsageError
from audiolog_cli.records import CELL_COLUMNS, Cell, End, Failure, check_text, jsonl_lines, tsv_lines

if TYPE_CHECKING:
    from audiolog_cli.audio import DecodeOptions
    from audiolog_cli.clock import TimeSource
    from audiolog_cli.model.tagger import Tagger, TagOptions
    from audiolog_cli.stitching import Samples

    Sound = tuple[Recording, Iterator[Samples]] | InputError


class Pool(StrEnum):
    """How the frames of a cell become its score."""

    max = "max"
    mean = "mean"


class Outcome:
    """How many recordings were tagged and how many failed, how much sound, since when."""

    def __init__(self) -> None:
        self.done = 0
        self.failed = 0
        self.seconds = 0.0
        self.started = monotonic()

    def __str__(self) -> str:
        speed = self.seconds / max(monotonic() - self.started, 1e-9)
        hours = self.seconds / 3600
        return f"{self.done} recordings tagged, {self.failed} failed, {hours:.2f} hours of sound, {speed:.0f} times real time"


def tag(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE|-]...", help="Recordings, or segments as `audiolog segment` writes them.")
    ] = None,
    files_from: Annotated[
        str, typer.Option(metavar="FILE|-", help="Also tag the recordings named in this file, one a line.")
    ] = "",
    recursive: Annotated[bool, typer.Option("--recursive", help="A folder stands for all recordings in it and below.")] = False,
    match: Annotated[str, typer.Option(metavar="PATTERN", help="With --recursive: only files of such names, as '*.wav'.")] = "",
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first recording that fails.")] = False,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep a journal there; the same command goes on where an interrupted one stopped."),
    ] = None,
    weights: Annotated[
        str,
        typer.Option(help="A checkpoint's path, or a name that `audiolog weights list` shows.", autocompletion=complete_weights),
    ] = "everyday",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", autocompletion=complete_device)] = "auto",
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
    start_time: Annotated[
        str, typer.Option(metavar="ISO8601", help="When the recording began; cells then carry clock times.")
    ] = "",
    name_time: Annotated[
        str,
        typer.Option(
            metavar="PATTERN", help="The same from file names: auto, audiomoth, songmeter, zoom, iso, unix, or strftime codes."
        ),
    ] = "",
    header_time: Annotated[
        bool, typer.Option("--header-time", help="The same from WAV headers: bext, GUANO, AudioMoth's comment.")
    ] = False,
    tz: Annotated[
        str, typer.Option(metavar="ZONE", help="The zone of clock times that carry none, as Europe/Berlin or +01:00.")
    ] = "",
    split_files: Annotated[
        bool,
        typer.Option("--split-files", help="Files whose clock times follow one another are one recording, named by its first."),
    ] = False,
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
    from audiolog_cli.clock import time_source
    from audiolog_cli.journal import open_journal
    from audiolog_cli.model import tagger as model
    from audiolog_cli.weights import find

    path = find(weights)
    hearing = model.load(path, device, batch_size, jobs)
    decode_options = DecodeOptions(hearing.card.front_end.sample_rate, channel, RawFormat.parse(raw) if raw else None)
    if hop > hearing.card.window:
        raise UsageError(
            f"--hop {hop:g}: the windows of {weights} are {hearing.card.window:g} s long, sound between them would be lost"
        )
    clock = time_source(start_time, name_time, header_time, tz)
    if split_files and (clock is None or resume):
        needed = "is not for --resume" if resume else "needs --name-time or --header-time"
        raise UsageError(f"--split-files {needed}: it tells by the files' clock times where a recording goes on")
    wanted = _thresholds(threshold, thresholds, hearing.card.events)
    model.labels_of(hearing.card, wanted)  # a wrong label is said before the first recording is opened
    options = model.TagOptions(hop, cell, pool.value, smooth, wanted, scores_dir)
    if not hearing.card.scenes:
        terminal.say(f"{weights} knows events only: scene labels stay empty")

    outcome = Outcome()
    inputs = recordings([*(files or []), *names_in(files_from)] or ["-"], recursive, match)
    with ExitStack() as stack:
        if resume:
            stack.enter_context(_continued_by_the_same_command())
            journal = open_journal(resume, _parameters(path, hearing, hop, channel, raw))
            options = replace(options, journal=stack.enter_context(journal))
        sounds = _joined(inputs, decode_options, clock) if split_files and clock else _sounds(inputs, decode_options)
        records = _tagged(sounds, hearing, options, clock, outcome, fail_fast)
        terminal.write_lines(
            tsv_lines(records, CELL_COLUMNS, clock is not None) if format is RecordFormat.tsv else jsonl_lines(records)
        )
    if outcome.done + outcome.failed > 1:
        terminal.say(str(outcome))
    if outcome.failed:
        raise typer.Exit(3 if outcome.done else 1)


def _tagged(
    sounds: "Iterable[Sound]",
    tagger: "Tagger",
    options: "TagOptions",
    clock: "TimeSource | None",
    outcome: Outcome,
    fail_fast: bool,
) -> Iterator[Cell | End | Failure]:
    """The records of all recordings in order; one that fails becomes a `Failure` where it stopped."""
    from audiolog_cli.model.tagger import tag as records_of

    for sound in sounds:
        path = "-" if isinstance(sound, InputError) else sound[0].path
        try:
            if isinstance(sound, InputError):
                raise sound
            recording, chunks = sound
            records = records_of(tagger, chunks, check_text(path, "file name"), recording.spans, options)
            yield from _noted(_timed(records, path, clock) if clock else records, outcome)
        except InputError as error:
            outcome.failed += 1
            terminal.complain(str(error))
            yield Failure(path, str(error))
            if fail_fast:
                return


def _decoded(recording: Recording, decoding: "DecodeOptions") -> "Iterator[Samples]":
    """A recording's sound; damage in it is said on stderr."""
    from audiolog_cli.audio import Damage, decode

    def report(damage: Damage) -> None:
        terminal.say(f"{recording.path}: {damage}")

    return decode(recording.path, decoding, report)


def _sounds(inputs: Iterable[Recording | InputError], decoding: "DecodeOptions") -> "Iterator[Sound]":
    """Each recording with its sound."""
    return (one if isinstance(one, InputError) else (one, _decoded(one, decoding)) for one in inputs)


def _joined(inputs: Iterable[Recording | InputError], decoding: "DecodeOptions", clock: "TimeSource") -> "Iterator[Sound]":
    """The same for files that a recorder cut one recording into."""
    from audiolog_cli.clock import start_of
    from audiolog_cli.stitching import stitched

    return stitched(
        inputs,
        lambda recording: start_of(recording.path, clock),
        lambda recording: _decoded(recording, decoding),
        decoding.sample_rate,
    )


def _timed(records: Iterator[Cell | End], path: str, clock: "TimeSource") -> Iterator[Cell | End]:
    """The records with the clock times of their onsets."""
    from audiolog_cli.clock import at, start_of

    start = start_of(path, clock)
    for record in records:
        yield record._replace(time=at(start, record.onset)) if isinstance(record, Cell) else record


def _noted(records: Iterable[Cell | End], outcome: Outcome) -> Iterator[Cell | End]:
    """Pass the records of a recording on; show how far it is, and count it when it is done."""
    for record in records:
        if isinstance(record, End):
            outcome.done += 1
            outcome.seconds += record.duration
        elif record.kind == "scene":
            terminal.show_progress(f"{record.filename}  {record.offset:.0f} s")
        yield record
    terminal.show_progress("")


@contextmanager
def _continued_by_the_same_command() -> Iterator[None]:
    """Say after Ctrl-C how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        terminal.complain(f"interrupted; the same command goes on from here: {shlex.join(['audiolog', *sys.argv[1:]])}")
        raise


def _parameters(weights: Path, tagger: "Tagger", hop: float, channel: str, raw: str) -> dict[str, str | float]:
    """What decides the probabilities of windows: a journal made with other values is of no use."""
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "version": __version__,
        "weights": digest,
        "device": tagger.device.type,
        "hop": hop or tagger.card.window,
        "channel": channel,
        "raw": raw,
    }


def _thresholds(common: float | None, path: str, events: Iterable[str]) -> dict[str, float]:
    """The thresholds that replace the checkpoint's: one for all events, then those of a file."""
    from audiolog_cli.scores import read_thresholds

    chosen = {} if common is None else dict.fromkeys(events, common)
    if path:
        with terminal.text_input(path) as (stream, name):
            chosen |= read_thresholds(stream, name)
    return chosen
