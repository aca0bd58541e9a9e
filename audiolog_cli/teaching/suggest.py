"""A long recording in; the few stretches that a person should listen to, where the new labels are least sure, out.

Uncertainty is the distance of a second's score from its threshold, in logits. Labels take turns, and stretches do not overlap,
so that the answers cover every label and different moments.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from audiolog_cli.cells import CellScores
from audiolog_cli.records import Cell
from audiolog_cli.tagging.hearing import Notes, resolved, samples_of, score_samples
from audiolog_cli.tagging.options import Job, TagOptions
from audiolog_cli.tagging.tagger import Tagger
from audiolog_cli.teaching.regression import logit

STRETCH = 4.0  # seconds


def suggestions(tagger: Tagger, recording: str, labels: Sequence[str], n_wanted: int, say: Callable[[str], None]) -> list[Cell]:
    """The `n_wanted` stretches of a recording that are least certain to hold or lack one of the labels, by time."""
    notes = Notes(say)
    plan = resolved(tagger.card, TagOptions())
    cells = list(score_samples(tagger, plan, Job(recording), samples_of(recording, plan, notes), notes))
    queues = [iter(_unsure(cells, tagger, label)) for label in labels]
    found: list[Cell] = []
    while queues and len(found) < n_wanted:
        queue = queues.pop(0)
        stretch = next(
            (one for one in queue if not any(one.onset < old.offset and old.onset < one.offset for old in found)), None
        )
        if stretch is not None:
            found.append(stretch._replace(filename=recording))
            queues.append(queue)
    return sorted(found, key=lambda cell: cell.onset)


def _unsure(cells: Sequence[CellScores], tagger: Tagger, label: str) -> Iterator[Cell]:
    """Stretches around each second of a recording, the least certain first."""
    column = tagger.card.events.index(label)
    scores = np.array([cell.events[column] for cell in cells])
    distance = np.abs(logit(scores) - logit(np.array(tagger.card.thresholds[column])))
    end = cells[-1].offset
    for index in np.argsort(distance, kind="stable").tolist():
        onset = min(max(0.0, (cells[index].onset + cells[index].offset - STRETCH) / 2), max(0.0, end - STRETCH))
        yield Cell("", round(onset, 3), round(min(end, onset + STRETCH), 3), "event", f"{label}?", float(scores[index]))


def track_lines(stretches: Sequence[Cell]) -> Iterator[str]:
    """An Audacity label track, each label with a question mark: to be confirmed, corrected or deleted."""
    for cell in stretches:
        yield f"{cell.onset:.3f}\t{cell.offset:.3f}\t{cell.label}\n"
