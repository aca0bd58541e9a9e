"""Isolated clips and scene recordings to mix from: what is said about each of them, in one table.

In: a folder with `clips.tsv` (columns path, source_id, kind, label, onset, offset, duration, split; others are passed over)
and the audio it names. Out: `Clip` records. Nothing is decoded here (see `cache.py`) and nothing is mixed (see `windows.py`).

`source_id` names the original recording or speaker: clips that share one must never be in two splits.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

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


def read_clips(folder: Path) -> list[Clip]:
    """The clips of `folder/clips.tsv`, in its order.

    RecordError names file and line when the table is not text in UTF-8, a column is missing, a kind or split is unknown, or the sounding part is not
    inside the clip.
    """
    table = folder / "clips.tsv"
    if not table.is_file():
        raise RecordError(f"{table}: no such file; a folder of clips needs one (columns {' '.join(COLUMNS)})")
    with table.open(newline="", encoding="utf-8-sig") as lines:
        try:
            reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            rows = list(enumerate(reader, start=2))
        except (UnicodeDecodeError, csv.Error) as error:
            raise RecordError(f"{table}: not a table in UTF-8: {error}") from None
    if missing:
        raise RecordError(f"{table}:1: no column {', '.join(missing)}; expected {' '.join(COLUMNS)}")
    return [_clip(folder, row, f"{table}:{number}") for number, row in rows]


def _clip(folder: Path, row: dict[str, str], place: str) -> Clip:
    if None in row.values():
        raise RecordError(f"{place}: expected {len(row)} columns, got {sum(value is not None for value in row.values())}")
    try:
        onset, offset, duration = float(row["onset"]), float(row["offset"]), float(row["duration"])
    except ValueError:
        raise RecordError(
            f"{place}: onset, offset and duration must be seconds, got {row['onset']!r}, {row['offset']!r}, {row['duration']!r}"
        ) from None
    if not 0 <= onset < offset <= duration + 0.05:
        raise RecordError(f"{place}: the sounding part {onset}..{offset} s is not inside a clip of {duration} s")
    for value, allowed, column in ((row["kind"], KINDS, "kind"), (row["split"], SPLITS, "split")):
        if value not in allowed:
            raise RecordError(f"{place}: {column} {value!r} is none of {', '.join(allowed)}")
    return Clip(folder / row["path"], row["source_id"], row["kind"], row["label"], onset, offset, duration, row["split"])


def check_splits(clips: Iterable[Clip]) -> None:
    """RecordError when clips of one source are in two splits: figures on such a split would flatter."""
    seen: dict[str, Clip] = {}
    for clip in clips:
        first = seen.setdefault(clip.source_id, clip)
        if first.split != clip.split:
            raise RecordError(
                f"source {clip.source_id} is in two splits: {first.path} ({first.split}) and {clip.path} ({clip.split}); "
                "move all clips of a source to one"
            )


def of_split(clips: Iterable[Clip], split: str) -> list[Clip]:
    """The clips of one split, in order."""
    return [clip for clip in clips if clip.split == split]
