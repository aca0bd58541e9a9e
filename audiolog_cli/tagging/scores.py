"""Score files: the probabilities of every label in every cell of a recording, and the thresholds that turn them into events.

A score file is a TSV in sed_scores_eval's format, one per recording and named after it: `onset offset` and one column per event
label. A threshold file is a TSV with the columns `label threshold`, as `audiolog eval --tune` writes it.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from pathlib import Path

from audiolog_cli.cells import CellScores
from audiolog_cli.errors import RecordError
from audiolog_cli.records import check_text
from audiolog_cli.side_files import replacing
from audiolog_cli.sound.remote import inside
from audiolog_cli.terminal import naming


def score_file(folder: Path, filename: str) -> Path:
    """Where the scores of a recording go: FOLDER/STEM.tsv."""
    return folder / (Path(inside(filename)).stem + ".tsv")


def written(scores: Iterable[CellScores], events: Sequence[str], path: Path) -> Iterator[CellScores]:
    """Pass scores on and write their events to `path`, which appears, complete, after the last one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished, naming(str(unfinished)), unfinished.open("w", encoding="utf-8") as file:
        file.write("\t".join(["onset", "offset", *(check_text(event, "label") for event in events)]) + "\n")
        for score in scores:
            columns = (f"{score.onset:.3f}", f"{score.offset:.3f}", *(f"{probability:.6f}" for probability in score.events))
            file.write("\t".join(columns) + "\n")
            yield score


def read_thresholds(lines: Iterable[str], name: str) -> dict[str, float]:
    """The threshold of each label in a threshold file; RecordError with name and line for anything else.

    >>> read_thresholds(["label\\tthreshold\\n", "dog_bark\\t0.35\\n"], "t.tsv")
    {'dog_bark': 0.35}
    """
    thresholds: dict[str, float] = {}
    number = 0
    for number, line in enumerate(lines, 1):
        fields = line.rstrip("\r\n").split("\t")
        if number == 1 or not line.strip():
            if number == 1 and fields != ["label", "threshold"]:
                raise RecordError(f"{name}:1: expected the header label<TAB>threshold, got {line.strip()[:80]!r}")
            continue
        try:
            label, text = fields
            threshold = float(text)
            if not isfinite(threshold):
                raise ValueError
        except ValueError:
            raise RecordError(f"{name}:{number}: expected a label, a tab and a number, got {line.strip()[:80]!r}") from None
        if label in thresholds:
            raise RecordError(f"{name}:{number}: a second threshold for {label}")
        thresholds[label] = threshold
    if not number:
        raise RecordError(f"{name}: empty, expected the header label<TAB>threshold and a line for each label")
    return thresholds
