"""Clips in; recordings with references, or a pool of training windows, out: the work of `audiolog mix`.

The mixing itself is in `windows.py` and `composing.py`, the teacher in `teacher.py`; files and folders are handled here.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from audiolog_cli.errors import RecordError, UsageError
from audiolog_cli.mixing import vocabulary
from audiolog_cli.mixing.augment import SAMPLE_RATE
from audiolog_cli.mixing.cache import open_cache
from audiolog_cli.mixing.clips import Clip, check_splits, joined, read_clips, read_joinings
from audiolog_cli.mixing.composing import Plan, compose, ignored, span_lines, write_flac, write_list
from audiolog_cli.mixing.pool import Facts, Teacher, fill, make_pool
from audiolog_cli.mixing.teacher import load_teacher
from audiolog_cli.mixing.windows import PLAIN, Bank, MixStyle, make_bank, mix_window
from audiolog_cli.model.networks import own_front_end
from audiolog_cli.sound.audio import whole

STYLES = {
    "train": MixStyle(alone_share=0.08, steady_share=0.04, place_share=0.1),
    "plain": PLAIN,
    # like the long recordings for evaluation, but in windows
    "validation": replace(
        PLAIN,
        max_events=3,
        snr_db=(6.0, 20.0),
        event_seconds=(5.0, 5.001),
        scene_share=0.8,
        noise_share=0.1,
        peak_db=(-20.0, 0.0),
    ),
}
FREQUENT = {"other": 3.0, "speech": 3.0, "music": 2.0}  # common sounds are drawn more often in training
GRAIN = 50  # windows between two progress messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Which clips to mix, and the series of draws from them."""

    folders: tuple[Path, ...]
    split: str
    cache: Path  # folder of the decoded clips
    everyday: bool = True  # the default vocabulary; otherwise every label of the clips is one
    seed: int = 0
    joinings: Path | None = None  # a table of labels to merge (`clips.read_joinings`)
    licences: str = ""  # only clips whose licence matches this regular expression


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPlan:
    """Which windows to make of them."""

    n_windows: int
    style: str = "train"  # one of STYLES
    model: str = "htsat"  # the kind of network that the windows are for
    teacher: Path | None = None  # a tagger's checkpoint
    teacher_map: Path | None = None  # which of its classes mean which event; with a teacher
    part: tuple[int, int] = (0, 1)  # (k, n): every n-th window from the k-th on


def load_bank(source: Source, weights: dict[str, float], say: Callable[[str], None]) -> Bank:
    """Read the tables, decode what the cache lacks, group the clips of the split.

    RecordError for a broken table or a source in two splits, UsageError for a split without clips.
    """
    clips = all_clips(source)
    check_splits(clips)
    chosen = [clip for clip in clips if clip.split == source.split]
    if not chosen:
        raise UsageError(f"--split {source.split}: none of the {len(clips)} clips is in it")
    if source.joinings is not None:
        chosen = joined(chosen, read_joinings(source.joinings))
    if source.licences:
        try:
            pattern = re.compile(source.licences)
        except re.error as error:
            raise UsageError(f"--licences {source.licences}: not a regular expression: {error}") from None
        chosen = [clip for clip in chosen if pattern.search(clip.licence)]
        if not chosen:
            raise UsageError(f"--licences {source.licences}: no clip's licence fits")

    def progress(done: int, total: int) -> None:
        if done % 500 == 0 or done == total:
            say(f"{source.cache}: {done} of {total} clips decoded")

    cache = open_cache(source.cache, [clip.path for clip in chosen], whole, progress)
    return make_bank(chosen, cache, weights, vocabulary.SCENES if source.everyday else None)


def all_clips(source: Source) -> list[Clip]:
    """The clips of all folders, whatever their split."""
    return [clip for folder in source.folders for clip in read_clips(folder)]


def words(source: Source) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Events, scenes and plausible events of the vocabulary: that of all splits, as pools of two splits must agree."""
    if source.everyday:
        return vocabulary.EVENTS, vocabulary.SCENES, vocabulary.PLAUSIBLE
    clips = all_clips(source)
    labels = {kind: tuple(sorted({clip.label for clip in clips if clip.kind == kind})) for kind in ("event", "scene")}
    return labels["event"], labels["scene"], {}


def write_recordings(source: Source, plan: Plan, n_recordings: int, out: Path, say: Callable[[str], None]) -> Iterator[str]:
    """Compose recordings into `out` with events.tsv, scenes.tsv and ignore.tsv; yields each file's name once it is written.

    Only events of the vocabulary are drawn.
    """
    bank = load_bank(source, {}, say)
    events, _, plausible = words(source)
    drawn = [clip for clip in bank.clips if clip.kind != "event" or clip.label in events]
    bank = make_bank(drawn, bank.cache, None, tuple(bank.scenes))
    out.mkdir(parents=True, exist_ok=True)
    lists: dict[str, list[str]] = {"events": [], "scenes": [], "ignore": []}
    for index in range(n_recordings):
        name = f"{source.split}_{index:03}.flac"
        soundscape = compose(bank, plan, source.seed, index)
        write_flac(soundscape.wave, out / name)
        spans = {"events": soundscape.events, "scenes": soundscape.scenes, "ignore": ignored(soundscape, plausible)}
        for key, lines in lists.items():
            lines += span_lines(name, spans[key])
        yield name
    for key, lines in lists.items():
        write_list(lines, "scene_label" if key == "scenes" else "event_label", out / f"{key}.tsv")


def write_pool(source: Source, plan: PoolPlan, out: Path, say: Callable[[str], None]) -> None:
    """Make the planned windows of a pool in `out`; existing windows are kept. UsageError for an unknown style or model."""
    if plan.style not in STYLES:
        raise UsageError(f"--style {plan.style}: expected {', '.join(STYLES)}")
    style, front_end = STYLES[plan.style], own_front_end(plan.model, "--for-model").at(SAMPLE_RATE)
    bank = load_bank(source, FREQUENT if plan.style == "train" else {}, say)
    events, scenes, plausible = words(source)
    hear: Teacher | None = None
    tags: tuple[str, ...] = ()
    meant: dict[str, tuple[str, ...]] = {}
    if plan.teacher is not None and plan.teacher_map is not None:
        hear, tags = load_teacher(plan.teacher)
        meant = read_mapping(plan.teacher_map, events, tags)
    origin = {"clips": " ".join(folder.name for folder in source.folders), "split": source.split, "seed": str(source.seed)}
    origin |= {name: str(value) for name, value in asdict(style).items()}
    origin |= {"teacher": plan.teacher.name if plan.teacher else "none"}
    akin = vocabulary.AKIN if source.everyday else {}
    facts = Facts(plan.n_windows, events, scenes, tags, plausible, akin, meant, front_end=front_end, source=origin)
    pool, own = make_pool(out, facts), range(plan.part[0], plan.n_windows, plan.part[1])
    for first in range(0, len(own), GRAIN):
        made = fill(pool, own[first : first + GRAIN], lambda index: mix_window(bank, style, source.seed, index), hear)
        if made:
            say(f"{out}: {min(first + GRAIN, len(own))} of {len(own)} windows")


def read_mapping(path: Path, events: Sequence[str], tags: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Event -> the teacher's classes that mean it: a TSV whose first two columns are the event and class names joined by ` | `.

    RecordError for an event without a line or a class that the teacher does not have.
    """
    known = set(tags)
    with path.open(newline="", encoding="utf-8") as lines:
        rows = {
            row[0]: tuple(row[1].split(" | "))
            for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            if len(row) > 1
        }
    for event in events:
        if event not in rows:
            raise RecordError(f"{path}: no line for the event {event}")
        for name in rows[event]:
            if name not in known:
                raise RecordError(f"{path}: {event}: the teacher has no class {name!r}")
    return {event: rows[event] for event in events}
