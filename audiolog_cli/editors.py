"""Files of annotation editors (Audacity, Raven, read and written; Praat, ELAN, read), and subtitles for video players, written.

Audacity    onset offset label, no header; a file holds the labels of one recording and is named after it
Raven       a header with `Begin Time (s)`; one selection a line. For a sequence of recordings `Begin Time (s)` counts from the
            start of the first, `Begin Path` names the recording and `File Offset (s)` says where in it the selection begins
TextGrid    Praat's tiers of intervals and points, in its long or its short form
.eaf        ELAN's tiers, in XML; like a TextGrid, the labels of the recording that the file is named after
subtitles   SubRip and WebVTT: what is heard in a film, of one recording

Scenes and events are written as they occur, from onset to offset (`rows.occurrences`). For Raven, which tells scenes from events,
those are scenes as well in which no place is named: what is read back says what was analysed. Reading gives cells sorted by
recording and onset, whatever the order of the lines.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from itertools import islice
from pathlib import Path, PurePath
from typing import TypeVar

from audiolog_cli.columns import at_place, finite_number, is_number, parse_times
from audiolog_cli.errors import RecordError
from audiolog_cli.records import Cell, End, Failure, Remark, Row, check_text
from audiolog_cli.wording import UNNAMED, counted, words

TOP_OF_BAND = 16_000.0  # Hz: half of the models' sample rate
RAVEN_COLUMNS = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)", "Begin File",
    "Begin Path", "File Offset (s)", "Annotation", "Score", "Kind",
)  # fmt: skip
Stretch = TypeVar("Stretch", Cell, Row)
Numbered = Iterator[tuple[int, str]]  # lines with their numbers
SUFFIXES = (".txt", ".textgrid", ".eaf")  # of what editors write, in lower case
LABEL_COLUMNS = ("Annotation", "Common Name", "Species", "Label", "Tags", "Call Type", "Species Code")  # Raven's, BirdNET's
SCORE_COLUMNS = ("Score", "Confidence")


# Writing


def one_recording(records: Iterable[Stretch], what: str) -> Iterator[Stretch]:
    """The same records, for a format without file names; RecordError at a second recording."""
    filename = ""
    for record in records:
        if filename and record.filename != filename:
            raise RecordError(f"{what} are of one recording, the table has {filename} and {record.filename}; write one file each")
        filename = record.filename
        yield record


def audacity_lines(cells: Iterable[Cell]) -> Iterator[str]:
    """An Audacity label track of scenes and events from onset to offset; RecordError for a second recording."""
    for cell in one_recording(cells, "Audacity labels"):
        yield f"{cell.onset:.6f}\t{cell.offset:.6f}\t{check_text(cell.label, 'label')}\n"


def raven_lines(cells: Iterable[Cell], noted: "Noted") -> Iterator[str]:
    """A Raven selection table over the models' band, one selection for each scene and event from onset to offset."""
    yield "\t".join(RAVEN_COLUMNS) + "\n"
    known = (cell for cell in cells if (cell.filename, cell.kind, cell.label) in noted.scores)  # a list of events has no scenes
    for number, cell in enumerate(map(noted.scored, known), 1):
        path, start = check_text(cell.filename, "file name"), noted.starts[cell.filename]
        label = check_text(cell.label or UNNAMED, "label")
        fields = (
            f"{number}\tSpectrogram 1\t1\t{start + cell.onset:.6f}\t{start + cell.offset:.6f}\t0.0\t{TOP_OF_BAND}",
            f"{PurePath(path).name}\t{path}\t{cell.onset:.6f}\t{label}\t{cell.score:.3f}\t{cell.kind}",
        )
        yield "\t".join(fields) + "\n"


@dataclass(slots=True)
class Noted:
    """What selection tables need and rows do not hold, noted while cells become rows."""

    scores: dict[tuple[str, str, str], deque[tuple[float, float]]] = field(default_factory=dict)  # label -> onset, score
    starts: dict[str, float] = field(default_factory=dict)  # seconds from the start of the first recording
    end: float = 0.0  # of the recordings so far, in the same seconds
    measured: set[str] = field(default_factory=set)  # recordings whose end is known, not only their events

    def cells(self, cells: Iterable[Cell | End | Failure]) -> Iterator[Cell | End | Failure]:
        """The same records, their scores noted."""
        for cell in cells:
            if isinstance(cell, Cell):
                self.scores.setdefault((cell.filename, cell.kind, cell.label), deque()).append((cell.onset, cell.score))
            if cell.kind == "scene" if isinstance(cell, Cell) else isinstance(cell, End) and cell.duration > 0:
                self.measured.add(cell.filename)
            yield cell

    def rows(self, records: Iterable[Row | End | Failure]) -> Iterator[Row]:
        """The same rows, the end of each recording noted."""
        for record in records:
            if isinstance(record, Failure):
                continue
            start = self.starts.setdefault(record.filename, self.end)
            self.end = max(self.end, start + (record.offset if isinstance(record, Row) else record.duration))
            if isinstance(record, Row):
                yield record

    @property
    def unmeasured(self) -> str:
        """The first recording of unknown length that another one follows; "" if there is none."""
        return next((name for name in list(self.starts)[:-1] if name not in self.measured), "")

    def scored(self, cell: Cell) -> Cell:
        """An occurrence with the highest score of the cells it was made from."""
        heard, best = self.scores[cell.filename, cell.kind, cell.label], 0.0
        while heard and heard[0][0] < cell.offset:
            onset, score = heard.popleft()
            best = max(best, score) if onset > cell.onset - 0.001 else best
        return cell._replace(score=best)


# Subtitles

SCENE_SHOWN = 4.0  # seconds for which a new scene without events is shown


def subtitle_lines(rows: Iterable[Row], style: str) -> Iterator[str]:
    """Subtitles of what is heard, `srt` or `vtt`: events in brackets, a scene in parentheses where it begins.

    RecordError for a second recording.
    """
    if style == "vtt":
        yield "WEBVTT\n\n"
    for number, (onset, offset, lines) in enumerate(_cues(rows), 1):
        text = "\n".join(lines)
        if style == "vtt":
            yield f"{_timestamp(onset, '.')} --> {_timestamp(offset, '.')}\n{escape(text, quote=False)}\n\n"
        else:
            yield f"{number}\n{_timestamp(onset, ',')} --> {_timestamp(offset, ',')}\n{text}\n\n"


def _cues(rows: Iterable[Row]) -> Iterator[tuple[float, float, list[str]]]:
    previous: Row | None = None
    for row in one_recording(rows, "subtitles"):
        lines = [f"({words(row.scene)})"] if row.scene and (previous is None or row.scene != previous.scene) else []
        if row.events:
            lines.append(f"[{', '.join(map(words, row.events))}]")
        if lines:
            yield row.onset, row.offset if row.events else min(row.offset, row.onset + SCENE_SHOWN), lines
        previous = row


def _timestamp(seconds: float, point: str) -> str:
    """
    >>> _timestamp(3723.5, ",")
    '01:02:03,500'
    """
    second, millisecond = divmod(round(seconds * 1000), 1000)
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}{point}{millisecond:03d}"


# Reading


def files_below(folder: Path) -> list[Path]:
    """The files in a folder that an editor may have written, by their suffixes, sorted."""
    return [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]


def reader_of(line: str) -> Callable[[Numbered, str], Iterator[Cell | Remark]] | None:
    """What reads a file that begins with this line; None if it is of no editor.

    A label track has no header, but begins with two numbers, which may have a decimal comma, and a text.
    """
    fields = line.rstrip("\r\n").split("\t")
    if {"Begin Time (s)", "End Time (s)"} <= set(fields):
        return read_raven
    if len(fields) == 3 and all(is_number(text.replace(",", ".")) for text in fields[:2]):
        return read_audacity
    if line.lstrip().startswith(("<?xml", "<ANNOTATION_DOCUMENT")):
        return read_eaf
    return read_textgrid if '"ooTextFile' in line else None


def read_audacity(numbered: Numbered, name: str) -> Iterator[Cell | Remark]:
    """The labels of a track as event cells of score 1; the recording is what the file is named after.

    Lines that begin with a backslash hold the frequencies of the label before them.
    """
    filename = _named_after(name)
    cells = []
    for number, line in numbered:
        if line.startswith("\\") or line.isspace():
            continue
        fields = line.rstrip("\r\n").split("\t")
        if len(fields) != 3:
            raise RecordError(
                f"{name}:{number}: expected onset, offset and label of an Audacity label track, got {len(fields)} fields"
            )
        onset, offset = (text.replace(",", ".") for text in fields[:2])
        cells.append(_cell(filename, onset, offset, fields[2], f"{name}:{number}"))
    yield from _in_order(cells)


def read_textgrid(numbered: Numbered, name: str) -> Iterator[Cell | Remark]:
    """The labelled intervals and points of all tiers; the tiers' names are not used.

    As in Praat, only texts in quotes and numbers that stand alone count: what else the long form says is for people.
    """
    filename, cells = _named_after(name), []
    text = "\n".join(line.rstrip("\n") for _, line in numbered)
    values = iter([quoted.replace('""', '"') or number for quoted, number in IN_TEXTGRID.findall(text)])
    try:
        _, what, _, _, n_tiers = islice(values, 5)  # "ooTextFile", ..., from, to, ...
        if what != "TextGrid":
            raise ValueError
        for _ in range(int(n_tiers)):
            kind, _, _, _, n_marks = islice(values, 5)  # ..., name, from, to, ...
            for _ in range(int(n_marks)):
                onset, *offset, label = islice(values, 3 if kind == "IntervalTier" else 2)
                if label.strip():
                    cells.append(_cell(filename, onset, offset[0] if offset else onset, label, name))
    except ValueError:
        raise RecordError(f"{name}: not a whole TextGrid; save it in Praat once more, as a text file") from None
    yield from _in_order(cells)


IN_TEXTGRID = re.compile(r'"((?:[^"]|"")*)"|(?<!\S)(-?[0-9.]+(?:[eE][-+]?[0-9]+)?)(?!\S)')


def read_eaf(numbered: Numbered, name: str) -> Iterator[Cell | Remark]:
    """The annotations of all tiers that have times of their own; the tiers' names are not used."""
    from xml.etree import ElementTree

    filename, cells = _named_after(name), []
    try:
        root = ElementTree.fromstring("\n".join(line.rstrip("\n") for _, line in numbered))
        slots = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}  # milliseconds
        for mark in root.iter("ALIGNABLE_ANNOTATION"):
            onset, offset = (str(int(slots[mark.get(side)] or "") / 1000) for side in ("TIME_SLOT_REF1", "TIME_SLOT_REF2"))
            if label := (mark.findtext("ANNOTATION_VALUE") or "").strip():
                cells.append(_cell(filename, onset, offset, label, name))
    except (ElementTree.ParseError, ValueError, KeyError):
        root = None
    if root is None or root.tag != "ANNOTATION_DOCUMENT":
        raise RecordError(f"{name}: expected a file of ELAN in which all annotations have times; save it in ELAN once more")
    yield from _in_order(cells)


def read_raven(numbered: Numbered, name: str) -> Iterator[Cell | Remark]:
    """The selections of a table as cells; one that appears in several views counts once.

    RecordError for several recordings without `File Offset (s)`: nothing then says where in its recording a selection begins.
    """
    number, header = next(numbered)
    columns = header.rstrip("\r\n").split("\t")
    label_column = next((column for column in LABEL_COLUMNS if column in columns), None)
    if label_column is None:
        raise RecordError(
            f"{name}:{number}: a Raven selection table without labels; expected a column {', '.join(LABEL_COLUMNS)}"
        )
    score_column = next((column for column in SCORE_COLUMNS if column in columns), "")
    cells: list[Cell] = []
    view_of: dict[str, str] = {}
    for number, line in numbered:
        values = line.rstrip("\r\n").split("\t")
        if values == columns or line.isspace():
            continue
        if len(values) != len(columns):
            raise RecordError(f"{name}:{number}: expected {len(columns)} columns, got {len(values)}")
        row = dict(zip(columns, values, strict=True))
        view = row.get("View", "")
        if view_of.setdefault(row.get("Selection", str(number)), view) != view:
            continue
        place = f"{name}:{number}"
        cell = _cell(_file_of(row, name), row["Begin Time (s)"], row["End Time (s)"], row[label_column], place)
        kind = "scene" if row.get("Kind") == "scene" else "event"  # others have a column Kind for what they call so
        label = "" if (kind, cell.label) == ("scene", UNNAMED) else cell.label
        cells.append(_in_its_file(cell, row, place)._replace(kind=kind, label=label, score=_score(row, score_column, place)))
    files = {cell.filename for cell in cells}
    if len(files) > 1 and "File Offset (s)" not in columns:
        raise RecordError(
            f"{name}: selections in {len(files)} recordings and no column File Offset (s), which says where in its recording "
            "each begins; add it in Raven and save the table again"
        )
    yield from _in_order(cells)


def _in_order(cells: list[Cell]) -> Iterator[Cell | Remark]:
    """Sorted by recording, in their order, and onset; before them a remark if some have no length."""
    moments = [cell for cell in cells if cell.onset == cell.offset]
    if moments:
        what = f"{counted(len(moments), 'label')} without length: eval counts them, but no row, log or page shows them"
        yield Remark(moments[0].filename, 0.0, 0.0, "note", "moments", what)
    files = {cell.filename: index for index, cell in reversed(list(enumerate(cells)))}
    yield from sorted(cells, key=lambda cell: (files[cell.filename], cell.onset))


def _cell(filename: str, onset: str, offset: str, label: str, place: str) -> Cell:
    with at_place(place):
        start, end = parse_times(onset, offset)
        if not label.strip():
            raise ValueError("expected a label, got none; name it in the editor, or delete it")
    return Cell(filename, start, end, "event", label.strip(), 1.0)


def _in_its_file(cell: Cell, row: Mapping[str, str], place: str) -> Cell:
    """The same selection, its times counted from the start of its own recording."""
    text = row.get("File Offset (s)", "")
    if not text:
        return cell
    with at_place(place):
        onset = finite_number(text, "File Offset (s)")
        onset, offset = parse_times(text, str(round(onset + cell.offset - cell.onset, 6)))
    return cell._replace(onset=onset, offset=offset)


def _score(row: Mapping[str, str], column: str, place: str) -> float:
    text = row.get(column) or "1"
    if not is_number(text) or not 0 <= float(text) <= 1:
        raise RecordError(f"{place}: expected a {column} between 0 and 1, got {text!r}")
    return float(text)


def _file_of(row: Mapping[str, str], name: str) -> str:
    """The recording of a selection: its path, its name, or else the recording that the table is named after."""
    written = row.get("Begin Path") or row.get("Begin File") or recording_of(name)
    return written.replace("\\", "/") if "/" not in written else written


def _named_after(name: str) -> str:
    """The recording of a file that does not say which it is of; RecordError for stdin."""
    if name == "stdin":
        raise RecordError("stdin: these annotations name no recording; give them as a file that is named after it")
    return recording_of(name)


def recording_of(name: str) -> str:
    """The recording that a file of annotations is named after.

    >>> recording_of("day/rec.txt"), recording_of("rec.Table.1.selections.txt"), recording_of("rec.BirdNET.selection.table.txt")
    ('rec', 'rec', 'rec')
    """
    return re.sub(r"(\.Table\.\d+)?(\.BirdNET(\.results)?)?(\.selections?)?(\.table)?\.[^.]*$", "", PurePath(name).name)
