"""Isolated clips and scene recordings to mix from, described in one table.

In: a folder with `clips.tsv` (columns path, source_id, kind, label, onset, offset, duration, split; others are ignored)
and the audio it names. Out: `Clip` records. Nothing is decoded here (see `cache.py`) and nothing is mixed (see `windows.py`).

`source_id` names the original recording or speaker: clips that share one must never be in two splits.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from audiolog_cli.columns import at_place, finite_number, read_columns
from audiolog_cli.errors import RecordError

KINDS = ("event", "scene", "background")
SPLITS = ("train", "val", "test")
COLUMNS = ("path", "source_id", "kind", "label", "onset", "offset", "duration", "split")


@dataclass(frozen=True, slots=True)
class Clip:
    """One sound file; times in seconds from its start."""

    path: Path
    source_id: str
    kind: str  # "event": one isolated sound; "scene": a place, with events nobody labelled; "background": room tone
    label: str
    onset: float  # the sounding part is [onset, offset)
    offset: float
    duration: float
    split: str
    raw_label: str = ""  # the source's own label, if the table has it
    licence: str = ""  # as in the table


@dataclass(frozen=True, slots=True)
class Joining:
    """A rule: clips of `kind` whose label is `label` and whose source's own words match `raw_label` get another label."""

    kind: str
    label: re.Pattern[str]  # all of it
    raw_label: re.Pattern[str]  # a part of it
    becomes: str


def read_joinings(path: Path) -> list[Joining]:
    """The rules of a table with the columns kind, label, raw_label and becomes; RecordError with the line of an invalid one."""
    rules = []
    with path.open(encoding="utf-8-sig") as lines:
        for place, row in read_columns(lines, str(path), ("kind", "label", "raw_label", "becomes")):
            try:
                rules.append(Joining(row["kind"], re.compile(row["label"]), re.compile(row["raw_label"]), row["becomes"]))
            except re.error as error:
                raise RecordError(f"{place}: expected regular expressions as label and raw_label: {error}") from None
    return rules


def joined(clips: Iterable[Clip], rules: Sequence[Joining]) -> list[Clip]:
    """The clips, each with the label of the first rule that fits it, or its own."""
    return [next((replace(clip, label=rule.becomes) for rule in rules if _fits(rule, clip)), clip) for clip in clips]


def _fits(rule: Joining, clip: Clip) -> bool:
    return rule.kind == clip.kind and bool(rule.label.fullmatch(clip.label) and rule.raw_label.search(clip.raw_label))


def read_clips(folder: Path) -> list[Clip]:
    """The clips of `folder/clips.tsv`, in its order.

    RecordError names file and line if the table is not UTF-8 text, a column is missing, a kind or split is unknown, or the
    sounding part is not inside the clip.
    """
    table = folder / "clips.tsv"
    if not table.is_file():
        raise RecordError(f"{table}: no such file; a folder of clips needs one (columns {' '.join(COLUMNS)})")
    with table.open(encoding="utf-8-sig") as lines:
        try:
            return [_clip(folder, row, place) for place, row in read_columns(lines, str(table), COLUMNS)]
        except UnicodeDecodeError as error:
            raise RecordError(f"{table}: not a table in UTF-8: {error}") from None


def _clip(folder: Path, row: dict[str, str], place: str) -> Clip:
    with at_place(place):
        onset, offset, duration = (finite_number(row[column], column) for column in ("onset", "offset", "duration"))
    if not 0 <= onset < offset <= duration + 0.05:
        raise RecordError(f"{place}: the sounding part {onset}..{offset} s is not inside a clip of {duration} s")
    for value, allowed, column in ((row["kind"], KINDS, "kind"), (row["split"], SPLITS, "split")):
        if value not in allowed:
            raise RecordError(f"{place}: {column} {value!r} is none of {', '.join(allowed)}")
    return Clip(
        folder / row["path"], row["source_id"], row["kind"], row["label"], onset, offset, duration, row["split"],
        row.get("raw_label") or "", row.get("licence") or "",
    )  # fmt: skip


def check_splits(clips: Iterable[Clip]) -> None:
    """RecordError when clips of one source are in two splits: figures on such a split would be too good."""
    seen: dict[str, Clip] = {}
    for clip in clips:
        first = seen.setdefault(clip.source_id, clip)
        if first.split != clip.split:
            raise RecordError(
                f"source {clip.source_id} is in two splits: {first.path} ({first.split}) and {clip.path} ({clip.split}); "
                "move all clips of a source to one"
            )
