"""`audiolog tag`: recordings, or segments of them, in; cells out: the scene of every second and its active events."""

import gc
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from audiolog_cli import terminal
from audiolog_cli.commands.inputs import thresholds_in
from audiolog_cli.commands.jobs import jobs_of, names_in
from audiolog_cli.commands.needs import Heading, needs, not_with
from audiolog_cli.commands.options import Channel, Device, Jobs, Precision, Quiet, Raw, Thresholds, Track, Weights
from audiolog_cli.tagging.options import (
    CellOptions,
    LoadOptions,
    OutputOptions,
    RunOptions,
    SoundOptions,
    TagOptions,
    TimeOptions,
    WindowOptions,
    engine_of,
)
from audiolog_cli.tally import Tally


def tag(
    files: Annotated[
        list[str] | None, Argument(metavar="[FILE|-]...", help="Recordings, or segments as `audiolog segment` writes them.")
    ] = None,
    files_from: Annotated[
        str, Option(metavar="FILE|-", help="Also tag the recordings named in this file, one per line."), Heading("Input")
    ] = "",
    recursive: Annotated[bool, Option("--recursive", help="A folder means all recordings in it and below.")] = False,
    match: Annotated[
        str, Option(metavar="PATTERN", help="Only files whose names match, such as '*.wav'."), needs("--recursive")
    ] = "",
    start: Annotated[float, Option(min=0.0, help="Seconds at which to begin in each recording.")] = 0.0,
    end: Annotated[float | None, Option(min=0.0, help="Seconds at which to stop in each recording.")] = None,
    channel: Channel = "mix",
    track: Track = 0,
    raw: Raw = "",
    fail_fast: Annotated[bool, Option("--fail-fast", help="Stop at the first recording that fails.")] = False,
    start_time: Annotated[
        str,
        Option(metavar="ISO8601", help="When the recording began, if it is the only one; cells then carry clock times."),
        Heading("Time"),
    ] = "",
    name_time: Annotated[
        str,
        Option(
            metavar="PATTERN", help="The same from file names: auto, audiomoth, songmeter, zoom, iso, unix, or strftime codes."
        ),
        not_with("--start-time"),
    ] = "",
    header_time: Annotated[
        bool,
        Option("--header-time", help="The same from WAV headers: GUANO, wamd, AudioMoth's comment, bext."),
        not_with("--start-time"),
    ] = False,
    tz: Annotated[
        str,
        Option(metavar="ZONE", help="The zone of clock times that carry none, such as Europe/Berlin or +01:00."),
        needs("--start-time", "--name-time", "--header-time"),
    ] = "",
    split_files: Annotated[
        bool,
        Option("--split-files", help="Treat files whose clock times follow one another as one recording, named after the first."),
        needs("--name-time", "--header-time"),
        not_with("--out", why="there, each file is a recording of its own"),
    ] = False,
    weights: Annotated[Weights, Heading("Model")] = "everyday",
    device: Device = "auto",
    precision: Precision = "fp32",
    batch_size: Annotated[
        int,
        Option(min=0, help="Windows analysed at once, at most; 0 chooses by device. A live pipe is analysed window by window."),
    ] = 0,
    jobs: Jobs = 0,
    hop: Annotated[
        float,
        Option(min=0.0, help="Seconds from window to window, instead of the checkpoint's; overlapping windows are averaged."),
    ] = 0.0,
    cell: Annotated[float, Option(min=0.001, help="Seconds of a cell."), Heading("Cells")] = 1.0,
    pool: Annotated[Literal["max", "mean"], Option(help="A cell's score: the highest of its frames, or their mean.")] = "max",
    labels: Annotated[str, Option(metavar="LABEL,...", help="Write only these events; each second still has its scene.")] = "",
    threshold: Annotated[
        float | None,
        Option(
            min=0.0,
            max=1.0,
            help="Score from which an event is active, instead of the checkpoint's: lower finds more, higher errs less.",
        ),
    ] = None,
    thresholds: Thresholds = "",
    smooth: Annotated[
        float | None,
        Option(
            min=0.0,
            help="Seconds over which events' scores are averaged, near ones weighing more; 0 is off [default: the checkpoint's].",
        ),
    ] = None,
    smooth_scene: Annotated[
        float | None, Option(min=0.0, help="The same for scenes. Output lags by half of the longer of the two.")
    ] = None,
    sure: Annotated[
        bool,
        Option("--sure", help="The checkpoint's higher thresholds: fewer events, with the default weights four of five right."),
        not_with("--threshold"),
    ] = False,
    scenes: Annotated[
        Literal["sure", "best"],
        Option(help="sure: a scene, a kind of place or none, as precisely as it is known; best: always the most probable scene."),
    ] = "sure",
    format: Annotated[
        Literal["tsv", "jsonl", "parquet"],
        Option(help="tsv with a header; jsonl, one JSON object per line; or parquet."),
        Heading("Output"),
    ] = "tsv",
    out: Annotated[
        str, Option(metavar="DIR|URL", help="Write one file per recording there; recordings that are already there are skipped.")
    ] = "",
    resume: Annotated[
        Path | None,
        Option(metavar="DIR", help="Keep a journal there, so that the same command goes on where it was interrupted."),
        not_with("--engine ray", why="what is in --out is not tagged again"),
        not_with("--split-files"),
    ] = None,
    scores_dir: Annotated[
        Path | None, Option(help="Write the scores of all events there, one TSV per recording (sed_scores_eval's format).")
    ] = None,
    engine: Annotated[
        str,
        Option(
            metavar="local|ray[:ADDRESS][,gpus=N]",
            help="Who tags: this process, or the workers of a Ray cluster (ray alone starts one here, ray:auto finds the one of "
            "this node); gpus=0.25 puts four workers on a GPU.",
        ),
        Heading("Cluster"),
        needs("--out", when="ray", why="its workers write files"),
    ] = "local",
    quiet: Quiet = False,
) -> None:
    """Say what is heard in recordings: for each second its scene, then every active event.

    Without a FILE, reads standard input: a recording in any format, or segments. Each line is written as soon as it is known. A
    recording that cannot be read does not stop the others: exit code 3, or 1 if none could be.

    Example: audiolog tag rec.wav | audiolog table --format github

    Example: audiolog tag recordings/ --recursive --resume journal > night.tsv
    """
    options = RunOptions(
        load=LoadOptions(weights=weights, device=device, precision=precision, batch_size=batch_size, jobs=jobs),
        tag=TagOptions(
            sound=SoundOptions(channel=channel, track=track, raw=raw),
            windows=WindowOptions(hop=hop),
            cells=CellOptions(
                cell=cell,
                pool=pool,
                smooth=smooth,
                smooth_scene=smooth_scene,
                threshold=threshold,
                thresholds=thresholds_in(thresholds),
                sure=sure,
                scenes=scenes,
                labels=labels,
            ),
            times=TimeOptions(start_time=start_time, name_time=name_time, header_time=header_time, tz=tz),
        ),
        output=OutputOptions(
            format=format, out=out, resume=resume, scores_dir=scores_dir, split_files=split_files, fail_fast=fail_fast
        ),
        cluster=engine_of(engine, device),
    )
    gc.disable()  # nothing that imports make is garbage: without collections they take a tenth less time
    from audiolog_cli.tagging.run import run

    gc.freeze()  # nor will it be: neither later collections nor the end of the program go through it, which takes another fifth
    gc.enable()

    named = [*(files or []), *names_in(files_from)] if files or files_from else ["-"]
    tally = Tally()
    run(jobs_of(named, recursive, match, raw, start, end), options, tally)
    if tally.done + tally.there + tally.failed > 1:
        terminal.say(tally.summary())
    tally.end()
