"""The tables that an evaluation needs besides annotations: durations, folds, labels to score, and files of scores.

numpy is imported for the scores alone.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from audiolog_cli import terminal
from audiolog_cli.columns import at_place, finite_number, first_repeated, read_columns
from audiolog_cli.errors import InputError, RecordError
from audiolog_cli.records import composed

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

Value = TypeVar("Value", str, float)


def read_durations(path: str) -> dict[str, float]:
    """Seconds of each recording from a TSV `filename duration`."""
    durations = dict[str, float]()
    with terminal.text_input(path) as (lines, name):
        for place, row in read_columns(lines, name, ("filename", "duration")):
            with at_place(place):
                seconds = finite_number(row["duration"], "duration")
                if seconds <= 0:
                    raise ValueError(f"expected a duration above 0 s, got {row['duration']!r}")
                _note(durations, row["filename"], seconds)
    return durations


def _note(known: dict[str, Value], filename: str, value: Value) -> None:
    """Note what a table says of a recording; ValueError if it said something else before."""
    if known.setdefault(filename, value) != value:
        raise ValueError(f"{filename} comes twice, with {known[filename]} and with {value}; expected one line a recording")


def read_folds(path: str) -> dict[str, str]:
    """The fold in which each recording is tested: a TSV `filename fold`, or MAESTRO's folder of fold*_test.csv."""
    is_folder = Path(path).is_dir()
    test_lists = list(map(str, sorted(Path(path).glob("fold*_test.csv")))) if is_folder else [path]
    if not test_lists:
        raise InputError(f"{path}: no fold*_test.csv; expected a TSV filename, fold, or a folder of MAESTRO's lists")
    folds = dict[str, str]()
    for test_list in test_lists:
        fold = Path(test_list).name.removeprefix("fold").removesuffix("_test.csv")
        with terminal.text_input(test_list) as (lines, name):
            for place, row in read_columns(lines, name, ("filename",) if is_folder else ("filename", "fold")):
                with at_place(place):
                    _note(folds, row["filename"], fold if is_folder else row["fold"])
    return folds


def read_labels(path: str) -> list[str]:
    """The labels to score, one a line; RecordError if a label comes twice or there is none."""
    with terminal.text_input(path) as (lines, name):
        labels = [composed(label) for line in lines if (label := line.rstrip("\r\n"))]
    if not labels:
        raise RecordError(f"{name}: no labels; expected one a line")
    if (twice := first_repeated(labels)) is not None:
        raise RecordError(f"{name}: the label {twice!r} comes twice")
    return labels


class FrameScores(NamedTuple):
    """The scores of one recording: T frames, K labels."""

    labels: list[str]  # K
    edges: "NDArray[float64]"  # (T + 1,) borders of the frames in seconds
    scores: "NDArray[float64]"  # (T, K)


def score_files(folder: str) -> dict[str, Path]:
    """The score files of a folder by the stem of their recording."""
    paths = {composed(path.stem): path for path in sorted(Path(folder).glob("*.tsv"))}
    if not paths:
        raise InputError(f"{folder}: no score files; expected one .tsv per recording, as `audiolog tag --scores-dir` writes them")
    return paths


def read_frame_scores(path: Path) -> FrameScores:
    """One score file in sed_scores_eval's format: onset, offset, then one column per label; frames follow each other."""
    import numpy as np

    with terminal.text_input(str(path)) as (lines, name):
        columns = lines.readline().rstrip("\r\n").split("\t")
        if columns[:2] != ["onset", "offset"] or len(columns) < 3:
            raise RecordError(f"{name}:1: expected the columns onset, offset and one per label, got {' '.join(columns)[:80]!r}")
        if (twice := first_repeated(columns)) is not None:
            raise RecordError(f"{name}:1: two columns {twice!r}; expected one per label")
        table = _numbers(lines, len(columns), name)
    onset, offset = table[:, 0], table[:, 1]
    apart = np.flatnonzero((onset[1:] != offset[:-1]) | (offset[1:] <= onset[1:]))
    if not len(table) or offset[0] <= onset[0] or len(apart):
        line = 3 + int(apart[0]) if len(apart) else 2
        raise RecordError(
            f"{name}:{line}: expected frames that follow each other: onset equal to the offset before, then a later offset"
        )
    return FrameScores(list(map(composed, columns[2:])), np.append(onset, offset[-1]), np.ascontiguousarray(table[:, 2:]))


def _numbers(lines: Any, n_columns: int, name: str) -> "NDArray[float64]":
    """(T, n_columns) of a file's lines after its header."""
    import numpy as np

    text = lines.read().splitlines()
    if not text:
        return np.zeros((0, n_columns))
    try:
        table = np.loadtxt(text, delimiter="\t", comments=None, ndmin=2)
    except ValueError as error:
        raise RecordError(f"{name}: {str(error).splitlines()[0][:120]}; expected {n_columns} numbers a line") from None
    if table.shape[1] != n_columns or not np.isfinite(table).all():
        raise RecordError(f"{name}: expected {n_columns} finite numbers a line")
    return table
