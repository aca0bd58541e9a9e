"""Score files: the probabilities of every label in every cell of a recording, and the thresholds that turn them into events.

A score file is a TSV in sed_scores_eval's format, one per recording and named after it: `onset offset` and one column per event
label. A threshold file is a TSV with the columns `label threshold`, as `audiolog eval --tune` writes it.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from audiolog_cli.cells import CellScores
from audiolog_cli.columns import at_place, finite_number, read_columns
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
    for place, row in read_columns(lines, name, ("label", "threshold")):
        label, text = row["label"], row["threshold"]
        if label in thresholds:
            raise RecordError(f"{place}: a second threshold for {label}")
        with at_place(place):
            thresholds[label] = finite_number(text, f"the threshold for {label}")
    return thresholds
