"""`audiolog mix`: isolated clips in; long recordings with their references, or a pool of training windows, out."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from audiolog_cli import terminal
from audiolog_cli.commands.needs import Heading, needs, not_with
from audiolog_cli.commands.options import Quiet
from audiolog_cli.errors import UsageError


def mix(
    clips: Annotated[list[Path], Argument(metavar="FOLDER...", help="Folders with clips.tsv and the sounds it names.")],
    out: Annotated[Path, Option(metavar="DIR", help="Where the recordings and lists, or the pool, go.")],
    recordings: Annotated[
        int, Option(min=0, help="How many recordings to compose."), Heading("Recordings"), not_with("--windows")
    ] = 0,
    seconds: Annotated[float, Option(min=1, help="Length of a recording."), needs("--recordings")] = 300.0,
    windows: Annotated[
        int, Option(min=0, help="How many windows of 10 s to make, as a pool for `audiolog train`."), Heading("Windows")
    ] = 0,
    style: Annotated[str, Option(help="How windows are mixed: train, plain or validation."), needs("--windows")] = "train",
    for_model: Annotated[
        str,
        Option(metavar="MODEL", help="The kind of network that the windows are for: mobilenet, task4b, or any other."),
        needs("--windows"),
    ] = "htsat",
    teacher: Annotated[
        Path | None,
        Option(metavar="CHECKPOINT", help="A tagger whose scores for each window are stored with it."),
        needs("--windows"),
        needs("--teacher-map"),
    ] = None,
    teacher_map: Annotated[
        Path | None, Option(metavar="FILE", help="TSV: event, and the teacher's classes that mean it."), needs("--teacher")
    ] = None,
    part: Annotated[
        str,
        Option(metavar="K/N", help="Make only every N-th window, from the K-th on (from 0), to run N processes."),
        needs("--windows"),
    ] = "0/1",
    split: Annotated[str, Option(help="Which clips: train, val or test."), Heading("Clips")] = "train",
    all_labels: Annotated[
        bool, Option("--all-labels", help="Use all labels of the clips, not the vocabulary of the default weights.")
    ] = False,
    join: Annotated[Path | None, Option(metavar="FILE", help="TSV of labels to merge: kind, label, raw_label, becomes.")] = None,
    licences: Annotated[str, Option(metavar="PATTERN", help="Only clips whose licence matches this regular expression.")] = "",
    cache: Annotated[Path | None, Option(metavar="DIR", help="Decoded clips, kept between runs [default: OUT/cache].")] = None,
    seed: Annotated[int, Option(min=0, help="The same seed makes the same mixtures.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Mix isolated clips over scene recordings, to train on or to score against: what sounds when is known.

    Recordings are FLAC files beside events.tsv, scenes.tsv and ignore.tsv (events that a scene may hold unlabelled).

    Example: audiolog mix clips/ --split val --recordings 12 --out composed/
    """
    if not recordings and not windows:
        raise UsageError("give --recordings or --windows, and how many")
    from audiolog_cli.mixing.composing import Plan
    from audiolog_cli.mixing.production import PoolPlan, Source, write_pool, write_recordings

    source = Source(
        folders=tuple(clips),
        split=split,
        cache=cache or out / "cache",
        everyday=not all_labels,
        seed=seed,
        joinings=join,
        licences=licences,
    )
    if recordings:
        names = write_recordings(source, Plan(seconds), recordings, out, terminal.say)
        terminal.write_lines(f"{out / name}\n" for name in names)
        return
    plan = PoolPlan(n_windows=windows, style=style, model=for_model, teacher=teacher, teacher_map=teacher_map, part=_part(part))
    write_pool(source, plan, out, terminal.say)


def _part(text: str) -> tuple[int, int]:
    k, _, n = text.partition("/")
    if not (k.isdigit() and n.isdigit() and int(k) < int(n)):
        raise UsageError(f"--part {text}: expected K/N with K from 0 to N - 1")
    return int(k), int(n)
