"""The label lists of the public data sets, in the order in which published networks score them, spelled as published.

    audioset      527 events, by their display names; Gemmeke et al., 2017
    maestro       5 scenes, 11 events: MAESTRO Real as evaluated in DCASE 2023 task 4B
    maestro-soft  the same scenes, all 17 events that were annotated
    tut           4 scenes, 25 events: Imoto's strong labels of TUT Acoustic Scenes / Sound Events 2016 and 2017
    everyday      12 scenes in 4 groups, 60 events: the default weights

The labels of a checkpoint are in its card; these lists are for making one. They lie in `label_files/`, as TSVs like those that
`--labels` reads.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources

from audiolog_cli.errors import RecordError
from audiolog_cli.terminal import text_input


@dataclass(frozen=True, slots=True)
class LabelList:
    """What the outputs of a network mean, in their order."""

    scenes: tuple[str, ...]
    events: tuple[str, ...]
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)  # kinds of places: name -> scenes


TUT_SYNONYMS = {  # labels of the original annotations that Imoto merged
    "car passing by": "car",
    "children shouting": "children",
    "object impact": "(object) impact",
    "people speaking": "people talking",
}


def _shipped(name: str) -> str:
    return (resources.files("audiolog_cli.weights") / "label_files" / f"{name}.tsv").read_text(encoding="utf-8")


@cache
def audioset() -> tuple[str, ...]:
    """The 527 classes of AudioSet in the order of every published tagger (Google's class_labels_indices.csv, CC BY 4.0)."""
    return tuple(line.split("\t")[2] for line in _shipped("audioset").splitlines()[1:])


def read_labels(lines: Iterable[str], name: str) -> LabelList:
    """Labels from a TSV with the columns kind (scene or event) and label, in the order of the network's outputs.

    Raises RecordError with the line's number.
    """
    found: dict[str, list[str]] = {"scene": [], "event": []}
    for number, line in enumerate(lines, 1):
        kind, _, label = line.rstrip("\r\n").partition("\t")
        if number == 1 and (kind, label) == ("kind", "label"):
            continue
        label = label.strip()  # a released configuration has "water tap running "
        if kind not in found or not label or "\t" in label:
            raise RecordError(f"{name}:{number}: expected scene or event, a tab and a label, found {line.rstrip()!r}")
        if label in found[kind]:
            raise RecordError(f"{name}:{number}: {kind} {label!r} is in the list twice")
        found[kind].append(label)
    return LabelList(tuple(found["scene"]), tuple(found["event"]))


MAESTRO_SOFT, TUT, EVERYDAY = (read_labels(_shipped(name).splitlines(), name) for name in ("maestro-soft", "tut", "everyday"))
EVERYDAY = replace(
    EVERYDAY,
    groups={
        "built_up_area": ("cafe_restaurant", "home", "metro_station", "office", "street", "train"),
        "indoors": ("cafe_restaurant", "home", "office"),
        "nature": ("forest", "night", "park", "rain", "river", "seaside"),
        "traffic": ("metro_station", "street", "train"),
    },
)
MAESTRO = replace(MAESTRO_SOFT, events=(*MAESTRO_SOFT.events[:9], *MAESTRO_SOFT.events[11:13]))  # those that are scored


def lists() -> dict[str, LabelList]:
    """The label lists by name."""
    fixed = {"maestro": MAESTRO, "maestro-soft": MAESTRO_SOFT, "tut": TUT, "everyday": EVERYDAY}
    return {"audioset": LabelList((), audioset()), **fixed}


def for_counts(n_scenes: int, n_events: int) -> LabelList | None:
    """The list of these sizes, None if there is none; no two lists share their sizes."""
    sizes = {(len(entry.scenes), len(entry.events)): entry for entry in lists().values()}
    return sizes.get((n_scenes, n_events))


def find_labels(name: str) -> LabelList | None:
    """The list of that name, or in that file; None without a name. InputError if the file cannot be read."""
    if not name or name in lists():
        return lists().get(name)
    with text_input(name) as (lines, place):
        return read_labels(lines, place)
