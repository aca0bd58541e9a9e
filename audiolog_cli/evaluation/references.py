"""Annotations of many recordings, references and estimates alike, read from the formats of the field.

    records            cells and rows as `tag` and `table` write them: TSV, JSON Lines, Parquet
    DCASE list         filename onset offset event_label
    soft labels        filename onset offset event_label soft_label; an event where the soft label is strictly above 0.5
    editors' files     of Audacity, Raven, Praat, ELAN, see editors.py
    MAESTRO Real       a folder of `soft_labels_SCENE/NAME.txt` (or one such file): onset offset label soft_label, no header
    Imoto              path scene_label event_start_time event_end_time event_label
    scene list         filename scene_label, or filename onset offset scene_label

A format is recognised by its header. What comes out is one `Annotations`: per recording the events and scenes in compact arrays
(a day of cells is half a million intervals). No numpy.
"""

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from audiolog_cli import parquet, terminal
from audiolog_cli.columns import MAESTRO_COLUMNS, at_place, finite_number, first_repeated, is_number, parse_times, read_columns
from audiolog_cli.editors import files_below
from audiolog_cli.errors import InputError, RecordError, UsageError
from audiolog_cli.reading import DCASE_COLUMNS, is_annotation, is_list, read_records
from audiolog_cli.records import Cell, End, Failure, Record, Remark, Row, composed, whole

SOFT_THRESHOLD = 0.5  # DCASE 2023 task 4B: a hard label is a soft label strictly above this
WHOLE_FILE = math.inf  # offset of a scene that a list gives for a file without times


@dataclass(slots=True)
class LabelledSpans:
    """Labelled intervals of one recording: three arrays of one length."""

    onset: "array[float]" = field(default_factory=lambda: array("d"))  # seconds
    offset: "array[float]" = field(default_factory=lambda: array("d"))  # seconds
    label: "array[int]" = field(default_factory=lambda: array("q"))  # index into the vocabulary
    in_cells: bool = False  # some are cut at the borders of cells: touching ones of one label are one

    def add(self, onset: float, offset: float, label: int) -> None:
        """Append one interval."""
        self.onset.append(onset)
        self.offset.append(offset)
        self.label.append(label)


@dataclass(slots=True)
class Annotations:
    """What one or more files say about recordings; names and labels are in Unicode NFC."""

    events: dict[str, LabelledSpans] = field(default_factory=dict)  # by file name; also recordings without events
    scenes: dict[str, LabelledSpans] = field(default_factory=dict)  # by file name; only recordings with scenes
    event_labels: dict[str, int] = field(default_factory=dict)  # label -> index
    scene_labels: dict[str, int] = field(default_factory=dict)
    in_cells: bool = False  # whether what is added now is cut at the borders of cells; lists of whole events are not
    failures: list[str] = field(default_factory=list)  # messages of recordings that could not be analysed

    def add_event(self, filename: str, onset: float, offset: float, label: str) -> None:
        """An event of a recording."""
        track = self.recording(filename)
        track.add(onset, offset, self.event_labels.setdefault(composed(label), len(self.event_labels)))
        track.in_cells |= self.in_cells

    def add_scene(self, filename: str, onset: float, offset: float, label: str) -> None:
        """A scene of a recording; adjacent ones with the same label become one. RecordError for cells that begin again."""
        self.recording(filename)
        index = self.scene_labels.setdefault(composed(label), len(self.scene_labels))
        track = self.scenes.setdefault(composed(filename), LabelledSpans())
        if self.in_cells and track.label and track.onset[0] == onset:
            raise RecordError(
                f"{filename}: begins again at {onset:.3f} s: it was named twice, or two tables of it are given; give one"
            )
        if track.label and track.label[-1] == index and track.offset[-1] == onset:
            track.offset[-1] = offset
        else:
            track.add(onset, offset, index)

    def recording(self, filename: str) -> LabelledSpans:
        """The events of a recording, which is added even if it has none."""
        filename = composed(filename)
        track = self.events.get(filename)
        if track is None:
            track = self.events[filename] = LabelledSpans()
        return track


def read_annotations(paths: Sequence[str]) -> Annotations:
    """Everything that the files, folders of .txt files, or stdin ("-") say; InputError or RecordError with place and way out."""
    if (twice := first_repeated(paths)) is not None:
        raise UsageError(f"{twice}: named twice; give each file once")
    annotations = Annotations()
    for path in paths:
        if path != "-" and Path(path).is_dir():
            _read_folder(Path(path), annotations)
        elif path.endswith(".txt") and _is_maestro_file(path):
            _read_maestro_file(Path(path), annotations)
        elif parquet.is_parquet(path):
            _add_records(parquet.read_parquet(path), path, annotations)
        else:
            with terminal.text_input(path) as (lines, name):
                read_lines(lines, name, annotations)
    return annotations


def read_lines(lines: Iterable[str], name: str, annotations: Annotations) -> None:
    """Add what the lines of one file say; the header decides what they are."""
    iterator = iter(lines)
    first = next(iterator, None)
    if first is None:
        raise RecordError(f"{name}: empty, expected a table with a header line or JSON Lines")
    columns = first.rstrip("\r\n").split("\t")
    annotations.in_cells = False
    for needed, add_row in _LISTS:
        if set(needed) <= set(columns):
            for place, row in read_columns(chain([first], iterator), name, needed):
                with at_place(place):
                    add_row(annotations, *(row[column] for column in needed))
            return
    _add_records(read_records(chain([first], iterator), name), name, annotations, is_list(first))


def _add_records(records: Iterable[Record], name: str, annotations: Annotations, as_listed: bool = False) -> None:
    """Cells, rows, or, with `as_listed`, whole events with their onsets and offsets."""
    annotations.in_cells = not as_listed
    add_event, add_scene = annotations.add_event, annotations.add_scene
    for record in records:
        if isinstance(record, Cell):  # first: there are millions of them
            filename, onset, offset, kind, label, _, _ = record
            if not as_listed:
                onset, offset = whole(onset), whole(offset)
            (add_event if kind == "event" else add_scene)(filename, onset, offset, label)
        elif isinstance(record, Row):
            add_scene(record.filename, record.onset, record.offset, record.scene)
            for label in record.events:
                add_event(record.filename, record.onset, record.offset, label)
        elif isinstance(record, End):
            annotations.recording(record.filename)
        elif isinstance(record, Failure):
            annotations.failures.append(record.message)
        elif not isinstance(record, Remark):
            raise RecordError(
                f"{name}: segments say nothing about scenes or events; expected cells, rows or a list of events "
                f"({' '.join(DCASE_COLUMNS)})"
            )


def _add_soft_label(annotations: Annotations, filename: str, onset: str, offset: str, label: str, value: str) -> None:
    annotations.in_cells = True
    annotations.recording(filename)
    times = parse_times(onset, offset)
    if finite_number(value, "soft_label") > SOFT_THRESHOLD:
        annotations.add_event(filename, *times, label)


def _add_imoto(annotations: Annotations, filename: str, scene: str, onset: str, offset: str, label: str) -> None:
    annotations.add_event(filename, *parse_times(onset, offset), label)
    if composed(filename) not in annotations.scenes:
        annotations.add_scene(filename, 0.0, WHOLE_FILE, scene)


def _add_file_scene(annotations: Annotations, filename: str, scene: str) -> None:
    if composed(filename) in annotations.scenes:
        raise ValueError(f"{filename} has a scene already: one line per recording, or give onset and offset")
    annotations.add_scene(filename, 0.0, WHOLE_FILE, scene)


# The columns of each kind of list, and the function that takes their values; the first whose columns are all present is used.
_LISTS: tuple[tuple[tuple[str, ...], Callable[..., None]], ...] = (
    (("filename", "onset", "offset", "event_label", "soft_label"), _add_soft_label),
    (("path", "scene_label", "event_start_time", "event_end_time", "event_label"), _add_imoto),
    (
        ("filename", "onset", "offset", "scene_label"),
        lambda to, name, on, off, scene: to.add_scene(name, *parse_times(on, off), scene),
    ),
    (("filename", "scene_label"), _add_file_scene),
)


# MAESTRO Real


def _is_maestro_file(path: str) -> bool:
    with terminal.text_input(path) as (lines, _):
        fields = next(iter(lines), "").rstrip("\r\n").split("\t")
    return len(fields) == 4 and all(map(is_number, (fields[0], fields[1], fields[3])))


def _read_folder(folder: Path, annotations: Annotations) -> None:
    paths = files_below(folder)
    if not paths:
        raise InputError(
            f"{folder}: no annotations; expected MAESTRO's soft labels (soft_labels_SCENE/NAME.txt), or files of Audacity, "
            "Raven, Praat or ELAN"
        )
    for path in paths:
        with terminal.text_input(str(path)) as (lines, name):
            first = next(lines, "")
            if is_annotation(first):
                read_lines(chain([first], lines), name, annotations)
                continue
        _read_maestro_file(path, annotations)


def _read_maestro_file(path: Path, annotations: Annotations) -> None:
    """One recording: its name is the file's; its scene is in the folder's name, where that is soft_labels_SCENE."""
    with terminal.text_input(str(path)) as (lines, name):
        for place, row in read_columns(lines, name, MAESTRO_COLUMNS, has_header=False):
            with at_place(place):
                _add_soft_label(annotations, path.stem, *row.values())
    annotations.recording(path.stem)
    if path.parent.name.startswith("soft_labels_"):
        annotations.add_scene(path.stem, 0.0, WHOLE_FILE, path.parent.name.removeprefix("soft_labels_"))
