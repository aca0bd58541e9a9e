"""`audiolog tag`: recordings, or segments of them, in; cells out: the scene of every second and the events active in it."""

import hashlib
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiolog_cli import __version__, terminal
from audiolog_cli.commands.inputs import (
    Recording,
    alone,
    make_folder,
    names_in,
    recordings,
    with_names_in_utf8,
    with_scores_of_their_own,
    without_segments,
)
from audiolog_cli.commands.needs import needs, not_with
from audiolog_cli.commands.options import Channel, Precision, PrecisionOption, Quiet, Raw, complete_device, complete_weights
from audiolog_cli.commands.outcome import Outcome
from audiolog_cli.errors import InputError, UsageError
from audiolog_cli.records import CELL_COLUMNS, Cell, End, Failure, jsonl_lines, tsv_lines

if TYPE_CHECKING:
    from audiolog_cli.sound.stitching import Samples
    from audiolog_cli.tagging.hearing import Hearing
    from audiolog_cli.tagging.tagger import Tagger

    Sound = tuple[Recording, Iterator[Samples]] | InputError


class Pool(StrEnum):
    """How the frames of a cell become its score."""

    max = "max"
    mean = "mean"


class TagFormat(StrEnum):
    """How cells are written."""

    tsv = "tsv"
    jsonl = "jsonl"
    parquet = "parquet"


class Engine(StrEnum):
    """Who tags: this process, or the workers of a Ray cluster."""

    local = "local"
    ray = "ray"


def tag(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE|-]...", help="Recordings, or segments as `audiolog segment` writes them.")
    ] = None,
    files_from: Annotated[
        str, typer.Option(metavar="FILE|-", help="Also tag the recordings named in this file, one a line.")
    ] = "",
    recursive: Annotated[bool, typer.Option("--recursive", help="A folder stands for all recordings in it and below.")] = False,
    match: Annotated[
        str, typer.Option(metavar="PATTERN", help="Only files of such names, as '*.wav'."), needs("--recursive")
    ] = "",
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first recording that fails.")] = False,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep a journal there; the same command goes on where an interrupted one stopped."),
        not_with("--engine ray", why="what is in --out is not tagged again"),
        not_with("--split-files"),
    ] = None,
    weights: Annotated[
        str,
        typer.Option(help="A checkpoint's path, or a name that `audiolog weights list` shows.", autocompletion=complete_weights),
    ] = "everyday",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", autocompletion=complete_device)] = "auto",
    precision: PrecisionOption = Precision.fp32,
    batch_size: Annotated[int, typer.Option(min=0, help="Windows analysed at once; 0 chooses by device, 1 for a pipe.")] = 0,
    jobs: Annotated[int, typer.Option(min=0, help="Batches analysed at the same time; 0 is one per core, 2 on a GPU.")] = 0,
    hop: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Seconds from window to window, instead of the checkpoint's; below the window's length they overlap and are averaged.",
        ),
    ] = 0.0,
    cell: Annotated[float, typer.Option(min=0.001, help="Seconds of a cell.")] = 1.0,
    pool: Annotated[Pool, typer.Option(help="A cell's score: the highest of its frames, or their mean.")] = Pool.max,
    threshold: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Score from which every event is active, instead of the checkpoint's.")
    ] = None,
    thresholds: Annotated[
        str, typer.Option(metavar="FILE", help="The same per label: a TSV with columns label, threshold.")
    ] = "",
    smooth: Annotated[
        float | None,
        typer.Option(min=0.0, help="Average events' scores over this many seconds instead of the checkpoint's; 0 does not."),
    ] = None,
    smooth_scene: Annotated[
        float | None,
        typer.Option(min=0.0, help="The same for scenes. A line comes half of the longer of both later than its sound."),
    ] = None,
    channel: Channel = "mix",
    raw: Raw = "",
    start_time: Annotated[
        str, typer.Option(metavar="ISO8601", help="When the one recording began; cells then carry clock times.")
    ] = "",
    name_time: Annotated[
        str,
        typer.Option(
            metavar="PATTERN", help="The same from file names: auto, audiomoth, songmeter, zoom, iso, unix, or strftime codes."
        ),
    ] = "",
    header_time: Annotated[
        bool, typer.Option("--header-time", help="The same from WAV headers: GUANO, wamd, AudioMoth's comment, bext.")
    ] = False,
    tz: Annotated[
        str,
        typer.Option(metavar="ZONE", help="The zone of clock times that carry none, as Europe/Berlin or +01:00."),
        needs("--start-time", "--name-time", "--header-time"),
    ] = "",
    split_files: Annotated[
        bool,
        typer.Option("--split-files", help="Files whose clock times follow one another are one recording, named by its first."),
        needs("--name-time", "--header-time"),
        not_with("--out", why="there, each file is a recording of its own"),
    ] = False,
    scores_dir: Annotated[
        Path | None, typer.Option(help="Write the scores of all events there, one TSV per recording (sed_scores_eval's format).")
    ] = None,
    out: Annotated[
        str,
        typer.Option(metavar="DIR|URL", help="Write one file per recording there; what is there already is not tagged again."),
    ] = "",
    engine: Annotated[
        Engine,
        typer.Option(help="local, or ray: the workers of a cluster."),
        needs("--out", when="ray", why="its workers write files"),
    ] = Engine.local,
    address: Annotated[
        str,
        typer.Option(help="The cluster (auto finds it on its own nodes); without, one is started here."),
        needs("--engine ray"),
    ] = "",
    gpus_per_worker: Annotated[
        float,
        typer.Option(min=0.0, help="GPUs of each worker, 0.25 for four on one; 0 is a core."),
        needs("--engine ray"),
    ] = 0.0,
    format: Annotated[
        TagFormat, typer.Option(help="tsv with a header, jsonl: one JSON object a line, or parquet.")
    ] = TagFormat.tsv,
    quiet: Quiet = False,
) -> None:
    """Say what is heard in recordings: for each second its scene, then every active event.

    Without a FILE, reads standard input: a recording in any format, or segment records. Each line is written as soon as it is
    known. A recording that fails costs only itself: exit code 3, or 1 if none could be read.

    Example: audiolog tag rec.wav | audiolog table --format github
    """
    from audiolog_cli.sound.audio import DecodeOptions, RawFormat
    from audiolog_cli.sound.clock import time_source
    from audiolog_cli.tagging import tagger as model
    from audiolog_cli.tagging.engine import run
    from audiolog_cli.tagging.hearing import Hearing
    from audiolog_cli.tagging.journal import open_journal
    from audiolog_cli.tagging.parts import Parts
    from audiolog_cli.tagging.worker import Pool
    from audiolog_cli.weights.find import find

    path = find(weights)
    here = engine is Engine.local  # else the workers load it for themselves, and only its card is looked at here
    tagger = model.load(path, device, batch_size, jobs, precision.value) if here else model.load(path, "cpu")
    decode_options = DecodeOptions(tagger.card.front_end.sample_rate, channel, RawFormat.parse(raw) if raw else None)
    if hop > tagger.card.window:
        raise UsageError(
            f"--hop {hop:g}: the windows of {weights} are {tagger.card.window:g} s long, sound between them would be lost"
        )
    clock = time_source(start_time, name_time, header_time, tz)
    wanted = _thresholds(threshold, thresholds, tagger.card.events)
    model.labels_of(tagger.card, wanted, thresholds)  # a wrong label is said before the first recording is opened
    smooth = tagger.card.smooth if smooth is None else smooth
    smooth_scene = tagger.card.smooth_scene if smooth_scene is None else smooth_scene
    options = model.TagOptions(hop, cell, pool.value, smooth, smooth_scene, wanted, scores_dir)
    if not tagger.card.scenes:
        terminal.say(f"{weights} knows events only: scene labels stay empty")

    outcome = Outcome()
    named = [*(files or []), *names_in(files_from)]
    inputs = recordings(named if named or files_from else ["-"], recursive, match)
    if hop:
        inputs = without_segments(inputs, "--hop")
    if start_time:
        inputs = alone(inputs, "--start-time")
    if scores_dir:
        make_folder(scores_dir, "--scores-dir")
        inputs = with_scores_of_their_own(inputs, scores_dir)
    if format is TagFormat.parquet:
        inputs = with_names_in_utf8(inputs)
    with ExitStack() as stack:
        parameters: dict[str, Any] = {}
        if resume or out:
            stack.enter_context(_continued_by_the_same_command())
            where = "cuda" if gpus_per_worker and device == "auto" else tagger.device.type
            parameters = _parameters(path, where, hop or tagger.card.hop or tagger.card.window, channel, raw, precision.value)
        if resume:
            options = replace(options, journal=stack.enter_context(open_journal(resume, parameters)))
        hearing = Hearing(decode_options, options, clock)
        if out:
            parameters |= {"cell": cell, "pool": pool.value, "smooth": smooth, "smooth_scene": smooth_scene}
            parameters |= {"thresholds": wanted, "scores": bool(scores_dir)}
            parameters |= {"start_time": start_time, "name_time": name_time, "header_time": header_time, "tz": tz}
            workers = Pool(address, jobs, gpus_per_worker, device, batch_size, precision.value) if engine is Engine.ray else None
            parts = Parts(out, format.value, clock is not None)
            with parts.opened(parameters) as there:
                found = run(outcome.usable(inputs), there, workers or tagger, path, hearing, parts, outcome.show)
                outcome.take(found, fail_fast)
        else:
            sounds = _joined(inputs, hearing) if split_files else _sounds(inputs, hearing)
            _write(_tagged(sounds, tagger, hearing, outcome, fail_fast), format, clock is not None)
    outcome.end()


def _tagged(
    sounds: "Iterable[Sound]", tagger: "Tagger", hearing: "Hearing", outcome: Outcome, fail_fast: bool
) -> Iterator[Cell | End | Failure]:
    """The records of all recordings in order; one that fails becomes a `Failure` where it stopped."""
    for sound in sounds:
        path = "-" if isinstance(sound, InputError) else sound[0].path
        try:
            if isinstance(sound, InputError):
                raise sound
            recording, chunks = sound
            yield from outcome.pass_on(hearing.records(tagger, path, recording.spans, chunks, terminal.say))
        except InputError as error:
            outcome.fail(str(error))
            yield Failure(path, str(error))
            if fail_fast:
                return


def _sounds(inputs: Iterable[Recording | InputError], hearing: "Hearing") -> "Iterator[Sound]":
    """Each recording with its sound; damage in it is said on stderr."""
    return (one if isinstance(one, InputError) else (one, hearing.sound(one.path, terminal.say)) for one in inputs)


def _joined(inputs: Iterable[Recording | InputError], hearing: "Hearing") -> "Iterator[Sound]":
    """The same for files that a recorder cut one recording into."""
    from audiolog_cli.sound.clock import start_of
    from audiolog_cli.sound.stitching import stitched

    clock = hearing.clock
    assert clock is not None
    return stitched(
        inputs,
        lambda recording: start_of(recording.path, clock),
        lambda recording: hearing.sound(recording.path, terminal.say),
        hearing.decoding.sample_rate,
    )


def _write(records: Iterator[Cell | End | Failure], format: TagFormat, with_time: bool) -> None:
    """Write records to stdout."""
    if format is TagFormat.parquet:
        from audiolog_cli import parquet

        parquet.write_stdout(records, Cell, with_time)
    elif format is TagFormat.tsv:
        terminal.write_lines(tsv_lines(records, CELL_COLUMNS, with_time))
    else:
        terminal.write_lines(jsonl_lines(records))


@contextmanager
def _continued_by_the_same_command() -> Iterator[None]:
    """Say after Ctrl-C how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        terminal.complain(f"interrupted; the same command goes on from here: {shlex.join(['audiolog', *sys.argv[1:]])}")
        raise


def _parameters(weights: Path, device: str, hop: float, channel: str, raw: str, precision: str) -> dict[str, Any]:
    """What decides the probabilities of windows: a journal made with other values is of no use."""
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    network = {"version": __version__, "weights": digest, "device": device, "precision": precision}
    return network | {"hop": hop, "channel": channel, "raw": raw}


def _thresholds(common: float | None, path: str, events: Iterable[str]) -> dict[str, float]:
    """The thresholds that replace the checkpoint's: one for all events, then those of a file."""
    from audiolog_cli.tagging.scores import read_thresholds

    chosen = {} if common is None else dict.fromkeys(events, common)
    if path:
        with terminal.text_input(path) as (stream, name):
            chosen |= read_thresholds(stream, name)
    return chosen
