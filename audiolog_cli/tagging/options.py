"""The options of a tagging run, as plain data: made by the command line and by Python callers alike, light to import.

The options are grouped by the step that they belong to. The rows of a recording depend on the network and the fields of
`TagOptions` alone, so that a continued run compares just these (`parameters.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import inf
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict, TypeVar, Unpack

from audiolog_cli.errors import UsageError

Group = TypeVar("Group", bound="SoundOptions | WindowOptions | CellOptions | TimeOptions")

SHORTEST = 0.001  # seconds of a cell or a hop
FOREVER = 1e8  # seconds; no recording lasts three years
Spans = Sequence[tuple[float, float]] | None  # [onset, offset) seconds of a recording to analyse; None is all of it


class Job(NamedTuple):
    """A recording to tag."""

    path: str  # or a URL; - is stdin
    spans: Spans = None


class Listed(Job):
    """The same with the spans that a list of segments has for it, which count from the start of its own file."""


def within(option: str, value: float, lowest: float, highest: float = inf) -> None:
    """UsageError, naming the option, for a value outside these bounds or not a number."""
    if not lowest <= value <= highest:
        bounds = f"{lowest:g} or more" if highest == inf else f"{lowest:g} to {highest:g}"
        raise UsageError(f"--{option.replace('_', '-')} {value:g}: expected {bounds}")


def among(option: str, value: str, *choices: str) -> None:
    """UsageError, naming the option, for a value that is none of the choices."""
    if value not in choices:
        raise UsageError(f"--{option} {value}: expected {' or '.join(choices)}")


def stretch(start: float, end: float | None) -> Spans:
    """From `start` to `end` seconds of a recording, None meaning its end; UsageError if nothing lies between."""
    within("start", start, 0, FOREVER)
    if end is not None and not end > start:
        raise UsageError(f"--end {end:g}: expected more than --start {start:g}")
    return None if end is None and not start else [(start, FOREVER if end is None else end)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """Which network, and where it runs."""

    weights: str = "everyday"  # a name or a path
    device: str = "auto"  # auto, cpu, cuda, cuda:N or mps
    precision: str = "fp32"  # one of `model.precision.PRECISIONS`
    batch_size: int = 0  # windows analysed at once; 0 is the device's default
    jobs: int = 0  # batches analysed at the same time, or workers of a cluster; 0 is as many as fit

    def __post_init__(self) -> None:
        within("batch_size", self.batch_size, 0)
        within("jobs", self.jobs, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundOptions:
    """How a recording becomes samples."""

    channel: str = "mix"  # mix, left, right, or a number from 1
    track: int = 0  # of a film, counted from 1; 0 is its default track
    raw: str = ""  # RATE,CHANNELS,FORMAT of PCM without a header


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowOptions:
    """How windows are laid over a recording."""

    hop: float = 0.0  # seconds from window to window; 0 is the checkpoint's. Overlapping windows are averaged

    def __post_init__(self) -> None:
        within("hop", self.hop, SHORTEST if self.hop else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOptions:
    """How the probabilities of windows become cells."""

    cell: float = 1.0  # seconds of a cell
    pool: Literal["max", "mean"] = "max"  # over the frames of a cell
    smooth: float | None = None  # seconds over which events' scores are averaged; None is the checkpoint's
    smooth_scene: float | None = None  # the same for scenes
    threshold: float | None = None  # of all events; None is the checkpoint's for each
    thresholds: Mapping[str, float] = field(default_factory=dict)  # of single events, overriding that
    sure: bool = False  # the checkpoint's thresholds for fewer and surer events
    scenes: Literal["sure", "best"] = "sure"  # name a place only as precisely as it is known, or always the most probable one
    labels: str = ""  # the events to write, separated by commas; "" is all of them

    def __post_init__(self) -> None:
        within("cell", self.cell, SHORTEST)
        within("smooth", self.smooth or 0.0, 0)
        within("smooth_scene", self.smooth_scene or 0.0, 0)
        within("threshold", self.threshold or 0.0, 0, 1)
        among("pool", self.pool, "max", "mean")
        among("scenes", self.scenes, "sure", "best")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOptions:
    """Where the start of a recording is found, if cells are to carry clock times; see `sound.clock.time_source`."""

    start_time: str = ""
    name_time: str = ""
    header_time: bool = False
    tz: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagOptions:
    """Everything but the network that decides the rows of a recording."""

    sound: SoundOptions = SoundOptions()
    windows: WindowOptions = WindowOptions()
    cells: CellOptions = CellOptions()
    times: TimeOptions = TimeOptions()

    @classmethod
    def of(cls, **given: "Unpack[TagKeywords]") -> "TagOptions":
        """The options by their own names alone, each in its group.

        >>> TagOptions.of(hop=5.0, labels="siren").cells.labels
        'siren'
        """
        left: dict[str, Any] = dict(given)

        def group(kind: type[Group]) -> Group:
            return kind(**{option.name: left.pop(option.name) for option in fields(kind) if option.name in left})

        options = cls(sound=group(SoundOptions), windows=group(WindowOptions), cells=group(CellOptions), times=group(TimeOptions))
        if left:
            raise TypeError(f"unknown option {next(iter(left))!r}")
        return options


class TagKeywords(TypedDict, total=False):
    """The fields of all groups in `TagOptions`."""

    channel: str
    track: int
    raw: str
    hop: float
    cell: float
    pool: Literal["max", "mean"]
    smooth: float | None
    smooth_scene: float | None
    threshold: float | None
    thresholds: Mapping[str, float]
    sure: bool
    scenes: Literal["sure", "best"]
    labels: str
    start_time: str
    name_time: str
    header_time: bool
    tz: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """Where records go, and what else is kept."""

    format: Literal["tsv", "jsonl", "parquet"] = "tsv"
    out: str = ""  # a folder or URL for one file per recording, instead of stdout
    resume: Path | None = None  # a folder for a journal
    scores_dir: Path | None = None  # a folder for the scores of all events
    split_files: bool = False  # files whose clock times follow one another are one recording
    fail_fast: bool = False  # stop at the first recording that fails


@dataclass(frozen=True, slots=True)
class Cluster:
    """The Ray cluster that tags in place of this process."""

    address: str  # "" starts one on this machine's cores
    gpus: float  # per worker, 0.25 for four on one; 0 is one core instead

    def device(self, asked: str) -> str:
        """The device of its workers, given --device `asked`: each sees its own GPU, or none."""
        return asked if asked != "auto" else "cuda" if self.gpus else "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """All options of a run of `tag`."""

    load: LoadOptions = LoadOptions()
    tag: TagOptions = TagOptions()
    output: OutputOptions = OutputOptions()
    cluster: Cluster | None = None


def engine_of(text: str, device: str) -> Cluster | None:
    """The engine that `local` or `ray[:ADDRESS][,gpus=N]` names; None is this process. UsageError for anything else.

    With --device cuda a worker has one GPU unless `gpus` says otherwise.

    >>> engine_of("ray:10.0.0.1:6379,gpus=0.25", "auto")
    Cluster(address='10.0.0.1:6379', gpus=0.25)
    >>> engine_of("ray", "cuda")
    Cluster(address='', gpus=1.0)
    """
    if text == "local":
        return None
    where, comma, setting = text.partition(",")
    kind, _, address = where.partition(":")
    name, _, number = setting.partition("=")
    try:
        gpus = float(number) if comma else float(device.startswith("cuda"))
    except ValueError:
        gpus = -1.0
    if kind != "ray" or (comma and name != "gpus") or not 0 <= gpus < 1000:
        raise UsageError(f"--engine {text}: expected local or ray[:ADDRESS][,gpus=N], such as ray:auto,gpus=0.25")
    return Cluster(address, gpus)
