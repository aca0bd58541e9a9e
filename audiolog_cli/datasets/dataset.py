"""The content of a labelled data set, checked line by line, and a summary of it.

In: tables and folders, through `maestro.py`, `tut.py` and `clip_sets.py`. Out: one `Dataset`: recordings with events and scenes,
the folds, and every problem found, each with file and line. Reading does not stop at the first problem, so one run shows
all; training calls `require_valid` first. Durations come from headers that count samples, else from decoding.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from audiolog_cli.columns import finite_number, parse_times, read_columns
from audiolog_cli.errors import InputError
from audiolog_cli.sound import audio
from audiolog_cli.weights.labels import LabelList

HARD_THRESHOLD = 0.5  # an event is active where its soft label is strictly above this (DCASE 2023, task 4B)
WHOLE = float("inf")  # offset of what lasts to the end of a file
END_SLACK = 0.05  # seconds an annotation may reach past the end: annotators' rounding
RELEASED_AS = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"})
MD5 = {  # of the published archives
    "development_audio.zip": "3de7cb4f92a115a6f5cc077a41ca07b3",
    "development_annotation.zip": "e6a3f84f8020725d559b38ccb494ef3d",
}


@dataclass(frozen=True, slots=True)
class Event:
    """A labelled stretch of a recording, in seconds; `target` is the soft label, in [0, 1]."""

    onset: float
    offset: float
    label: str
    target: float = 1.0

    @property
    def hard(self) -> bool:
        """Whether the event counts as active: strictly above one half.

        >>> Event(0, 1, "car", 0.5).hard, Event(0, 1, "car", 0.51).hard
        (False, True)
        """
        return self.target > HARD_THRESHOLD


@dataclass(frozen=True, slots=True)
class LabelledRecording:
    """One audio file and its annotations."""

    name: str  # as the tables and folds call it
    path: Path
    duration: float | None  # seconds; None where the file is missing or cannot be opened
    scenes: tuple[Event, ...]  # one for the whole file, or stretches; an infinite offset means the whole file
    events: tuple[Event, ...]  # empty: a negative


@dataclass(frozen=True, slots=True)
class Fold:
    """One way to divide the recordings."""

    name: str
    parts: Mapping[str, tuple[str, ...]]  # train, val, test -> names of recordings


@dataclass(frozen=True, slots=True)
class Dataset:
    """Recordings, the labels they may use, folds, and the problems found."""

    name: str
    labels: LabelList
    recordings: Mapping[str, LabelledRecording]
    folds: tuple[Fold, ...]
    problems: tuple[str, ...]  # each with file and line
    notes: tuple[str, ...] = ()  # quirks of the published data that were handled
    source_of: Callable[[str], str] = str  # name -> what it was cut from; recordings of one source are never divided


@dataclass(slots=True)
class Findings:
    """Problems and notes collected while reading."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def event(self, place: str, values: tuple[str, str, str], labels: Iterable[str], target: str = "1") -> Event | None:
        """The event in a line's (onset, offset, label) as text; None, and a problem, if it is not valid."""
        onset, offset, label = values
        try:
            event = Event(*parse_times(onset, offset), label, finite_number(target, "soft label"))
        except ValueError as error:
            self.problems.append(f"{place}: {error}")
            return None
        if not 0 <= event.target <= 1:
            self.problems.append(f"{place}: expected a soft label from 0 to 1, got {target}")
        elif label not in labels:
            self.problems.append(f"{place}: unknown label {label!r}")
        else:
            return event
        return None

    def duration(self, path: Path, wanted_by: str) -> float | None:
        """Seconds of an audio file; None, and a problem, if it is missing or cannot be opened."""
        if not path.is_file():
            self.problems.append(f"{path}: no such file; {wanted_by} names it")
            return None
        try:
            known = audio.duration(str(path))
            return audio.exact_duration(str(path)) if known is None else known
        except InputError as error:
            self.problems.append(str(error))
            return None

    def within(self, event: Event, duration: float | None, place: str, slack: float = END_SLACK) -> None:
        """Note a problem if the event ends after the recording."""
        if duration is not None and event.offset > duration + slack:
            self.problems.append(f"{place}: {event.label} ends at {event.offset:g} s, the recording at {duration:.3f} s")

    def dataset(
        self,
        name: str,
        labels: LabelList,
        recordings: Mapping[str, LabelledRecording],
        folds: Iterable[Fold] = (),
        source_of: Callable[[str], str] = str,
    ) -> Dataset:
        """What was read, with all problems; those of folds are a name without a recording and a recording in two parts of one."""
        folds = tuple(folds)
        for fold in folds:
            part_of: dict[str, str] = {}
            for part, member in ((part, member) for part, members in fold.parts.items() for member in members):
                if member not in recordings:
                    self.problems.append(f"fold {fold.name}, {part}: {member} is no recording of the data set")
                if part_of.setdefault(member, part) != part:
                    self.problems.append(f"fold {fold.name}: {member} is in {part_of[member]} and in {part}")
        return Dataset(name, labels, recordings, folds, tuple(self.problems), tuple(self.notes), source_of)


def read_rows(path: Path, columns: tuple[str, ...], findings: Findings, delimiter: str = "\t") -> Iterator[tuple[str, list[str]]]:
    """Place and the values of `columns` for every line of a table with a header; other columns are ignored."""
    if lines := read_lines(path, findings):
        for place, row in read_columns(lines, str(path), columns, delimiter, findings.problems.append):
            yield place, [row[column] for column in columns]


def read_lines(path: Path, findings: Findings) -> list[str]:
    """The lines of a text file; none, and a problem, if it is missing, not UTF-8 or empty."""
    try:
        lines = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")  # splitlines() also ends one at U+2028
    except OSError as error:
        findings.problems.append(f"{path}: {error.strerror}")
        return []
    except UnicodeDecodeError:
        findings.problems.append(f"{path}: not text in UTF-8")
        return []
    if lines == [""]:
        findings.problems.append(f"{path}: empty")
        return []
    return lines


def audio_files(folder: Path) -> list[Path]:
    """Every audio file below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in RELEASED_AS)


def merged(events: Iterable[Event]) -> tuple[Event, ...]:
    """The same events in order, with overlapping or touching ones of a label joined and empty ones left out.

    >>> [(e.onset, e.offset) for e in merged([Event(1, 4, "car"), Event(0, 2, "car"), Event(5, 5, "car")])]
    [(0, 4)]
    """
    last: dict[str, Event] = {}
    done: list[Event] = []
    for event in sorted((event for event in events if event.offset > event.onset), key=lambda event: event.onset):
        before = last.get(event.label)
        if before is not None and event.onset <= before.offset:
            event = Event(before.onset, max(before.offset, event.offset), event.label)
        elif before is not None:
            done.append(before)
        last[event.label] = event
    return tuple(sorted([*done, *last.values()], key=lambda event: (event.onset, event.offset, event.label)))


def require_valid(dataset: Dataset) -> None:
    """Raise InputError with the first problem and the number of others, if there are any."""
    if dataset.problems:
        more = len(dataset.problems) - 1
        raise InputError(dataset.problems[0] + (f" (and {more} more problems in {dataset.name})" if more else ""))


def check_archives(folder: Path) -> list[str]:
    """A problem for each published archive in the folder whose MD5 differs; missing archives are not a problem."""
    problems = []
    for name, expected in MD5.items():
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "md5").hexdigest()
            if found != expected:
                problems.append(f"{folder / name}: MD5 {found}, published {expected}; download it again")
    return problems


def summary_lines(dataset: Dataset) -> Iterator[str]:
    """A TSV with counts of the whole set (fold and part "all"), then of each part of each fold, also of labels that never occur.

    Events are active ones; for MAESTRO these are seconds.
    """
    yield "fold\tpart\tkind\tlabel\trecordings\tevents\tminutes\n"
    parts = [("all", "all", tuple(dataset.recordings))]
    parts += [(fold.name, part, names) for fold in dataset.folds for part, names in fold.parts.items()]
    for fold, part, names in parts:
        chosen = [dataset.recordings[name] for name in names if name in dataset.recordings]
        n_events = sum(event.hard for recording in chosen for event in recording.events)
        minutes = sum(recording.duration or 0.0 for recording in chosen) / 60
        yield f"{fold}\t{part}\trecordings\t\t{len(chosen)}\t{n_events}\t{minutes:.2f}\n"
        for kind, labels in (("scene", dataset.labels.scenes), ("event", dataset.labels.events)):
            for label in labels:
                yield f"{fold}\t{part}\t{kind}\t{label}\t{_counted(kind, label, chosen)}\n"


def _counted(kind: str, label: str, chosen: list[LabelledRecording]) -> str:
    """Recordings with a label, its spans, and their minutes."""
    n_recordings, n_spans, seconds = 0, 0, 0.0
    for recording in chosen:
        spans = recording.scenes if kind == "scene" else recording.events
        active = [span for span in spans if span.label == label and span.hard]
        n_recordings, n_spans = n_recordings + bool(active), n_spans + len(active)
        ends = [min(span.offset, recording.duration or 0.0) if span.offset == WHOLE else span.offset for span in active]
        seconds += sum(end - span.onset for span, end in zip(active, ends, strict=True))
    return f"{n_recordings}\t{n_spans}\t{seconds / 60:.2f}"
