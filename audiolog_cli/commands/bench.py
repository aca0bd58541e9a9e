"""`audiolog bench`: how fast this machine tags, stage by stage, and how that compares with a saved run."""

import json
from collections.abc import Iterable, Iterator
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

from typer import Argument, Option

from audiolog_cli import terminal
from audiolog_cli.commands.needs import not_with
from audiolog_cli.commands.options import Device, Jobs, Precision, Quiet, Weights
from audiolog_cli.errors import InputError
from audiolog_cli.tagging.options import LoadOptions

RATIOS = ("ratio", "processor_ratio")


def bench(
    file: Annotated[str, Argument(metavar="[FILE]", help="A recording to measure with, instead of noise.")] = "",
    weights: Annotated[Weights, not_with("--untrained")] = "everyday",
    untrained: Annotated[
        str, Option(metavar="MODEL:PRESET", help="A new network instead of weights, such as htsat:base, the paper's.")
    ] = "",
    device: Device = "auto",
    precision: Precision = "fp32",
    batch_size: Annotated[int, Option(min=0, help="Windows analysed at once; 0 chooses by device.")] = 0,
    jobs: Jobs = 0,
    seconds: Annotated[int, Option(min=1, max=21_600, help="Length of the noise."), not_with("file")] = 60,
    repeats: Annotated[int, Option(min=1, help="Measured passes, after one to warm up.")] = 5,
    compare: Annotated[str, Option(metavar="FILE", help="A run saved with --format json: adds the speed relative to it.")] = "",
    format: Annotated[Literal["table", "tsv", "json"], Option(help="table for people; tsv or json for programs.")] = "table",
    quiet: Quiet = False,
) -> None:
    """Say how fast this machine tags, and what limits it.

    Decoding, features, network, post-processing and all of them together run in turn, several times, beside a plain product
    of fp32 matrices: `share` is the part of the machine's own rate that a stage reaches. Times are medians, low and high the
    extremes; on a machine that others use too, `processor` is the one to trust. The last line says which --precision to take.

    Example: audiolog bench --format json > before.json; audiolog bench --compare before.json
    """
    saved = read_run(compare) if compare else None  # a wrong file fails before anything is measured
    from audiolog_cli.tagging import bench as measuring
    from audiolog_cli.tagging.journal import check_regular
    from audiolog_cli.tagging.tagger import load

    if file:
        check_regular(file, "bench")
    with TemporaryDirectory(prefix="audiolog-bench-") as folder:
        path = str(measuring.untrained(untrained, Path(folder))) if untrained else weights
        options = LoadOptions(weights=path, device=device, precision=precision, batch_size=batch_size, jobs=jobs)
        tagger = load(options)
        recording = file or str(Path(folder) / "noise.wav")
        if not file:
            measuring.write_noise(Path(recording), seconds)
        stages = measuring.measure(tagger, recording, repeats, terminal.show_progress)
        compared = measuring.precisions(options, recording, repeats)
    terminal.show_progress("")
    run = measuring.report(tagger, stages, compared, {"recording": file or "noise", "repeats": repeats})
    if saved:
        add_ratios(run, saved)
    terminal.write_lines(_lines(run, format))


def read_run(path: str) -> dict[str, Any]:
    """A run saved with --format json; InputError for any other file."""
    with terminal.text_input(path) as (stream, name):
        text = stream.read()
    if not _is_run(text):
        raise InputError(f"{name}: expected a run saved by `audiolog bench --format json`, got something else")
    return dict(json.loads(text))


def _is_run(text: str) -> bool:
    try:
        run = json.loads(text)
        times = [float(stage[column]) for stage in run["stages"] for column in ("seconds", "processor")]
        audio = [float(stage.get("audio") or 0.0) for stage in run["stages"]]
        names = {stage["stage"] for stage in run["stages"]}
        facts = {**run["settings"], **run["machine"]}  # both are objects
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False
    is_measured = all(isfinite(number) for number in times + audio) and min(times, default=0.0) > 0 and min(audio) >= 0
    return run.get("audiolog_bench") == 1 and bool(names) and bool(facts) and is_measured


def add_ratios(run: dict[str, Any], saved: dict[str, Any]) -> None:
    """Add to each stage its speed relative to the saved run, 2 being twice as fast; report where the settings differ.

    Speed is seconds of sound processed per second, including the cost of opening a recording, so it is best to compare runs of
    the same length.
    """
    earlier = {stage["stage"]: stage for stage in saved["stages"]}
    for stage in run["stages"]:
        before = earlier.get(stage["stage"])
        for ratio, column in zip(RATIOS, ("seconds", "processor"), strict=True):
            stage[ratio] = None if before is None else round(_per_work(before, column) / _per_work(stage, column), 4)
    for part, names in (("settings", run["settings"]), ("machine", ("processor", "gpu", "torch"))):
        for name in names:
            before, now = saved[part].get(name), run[part].get(name)
            if before != now:
                terminal.say(f"compared with another {name}: {before}, now {now}")
    if saved.get("version") != run["version"]:
        terminal.say(f"compared with audiolog {saved.get('version')}, now {run['version']}")


def _per_work(stage: dict[str, Any], column: str) -> float:
    """Seconds per second of sound, or per pass for a stage that processes no sound."""
    return float(stage[column]) / float(stage.get("audio") or 1.0)


def _lines(run: dict[str, Any], format: str) -> Iterable[str]:
    if format == "json":
        return [json.dumps(run, ensure_ascii=False, indent=1) + "\n"]
    columns = list(run["stages"][0])
    rows = [["" if figure is None else str(figure) for figure in stage.values()] for stage in run["stages"]]
    if format == "tsv":
        return ["\t".join(row) + "\n" for row in [columns, *rows]]
    return _page(run, columns, rows)


def _page(run: dict[str, Any], columns: list[str], rows: list[list[str]]) -> Iterator[str]:
    """The run, the machine, the stages and the advice, for people to read."""
    from tabulate import tabulate

    for title in ("settings", "machine"):
        facts = ", ".join(f"{name} {value}" for name, value in run[title].items() if value is not None)
        yield f"{title}: {facts}\n"
    yield f"audiolog {run['version']}, peak memory {run['peak_memory_mb']} MB\n\n"
    yield tabulate(rows, columns, "github", disable_numparse=True, colalign=["left"] + ["right"] * (len(columns) - 1))
    yield f"\n\n{run['advice']}\n"
