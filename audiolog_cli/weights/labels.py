"""The label lists of the public data sets, in the order in which published networks score them, spelled as published.

    audioset      527 events, by their display names; Gemmeke et al., 2017
    maestro       5 scenes, 11 events: MAESTRO Real as evaluated in DCASE 2023 task 4B
    maestro-soft  the same scenes, all 17 events that were annotated
    tut           4 scenes, 25 events: Imoto's strong labels of TUT Acoustic Scenes / Sound Events 2016 and 2017
    everyday      12 scenes in 4 groups, 60 events: the default weights

The labels of a checkpoint are in its card; these lists are for making one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
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


MAESTRO_SCENES = ("cafe_restaurant", "city_center", "grocery_store", "metro_station", "residential_area")
MAESTRO_SOFT = LabelList(
    MAESTRO_SCENES,
    (
        "birds_singing", "car", "people talking", "footsteps", "children voices", "wind_blowing", "brakes_squeaking",
        "large_vehicle", "cutlery and dishes", "furniture dragging", "coffee machine", "metro approaching", "metro leaving",
        "door opens/closes", "announcement", "shopping cart", "cash register beeping",
    ),
)  # fmt: skip
MAESTRO = LabelList(MAESTRO_SCENES, (*MAESTRO_SOFT.events[:9], *MAESTRO_SOFT.events[11:13]))  # those that are scored
TUT = LabelList(
    ("city_center", "home", "office", "residential_area"),
    (
        "(object) banging", "(object) impact", "(object) rustling", "(object) snapping", "(object) squeaking", "bird singing",
        "brakes squeaking", "breathing", "car", "children", "cupboard", "cutlery", "dishes", "drawer", "fan", "glass jingling",
        "keyboard typing", "large vehicle", "mouse clicking", "mouse wheeling", "people talking", "people walking",
        "washing dishes", "water tap running", "wind blowing",
    ),
)  # fmt: skip
EVERYDAY = LabelList(
    (
        "cafe_restaurant", "forest", "home", "metro_station", "night", "office", "park", "rain", "river",
        "seaside", "street", "train",
    ),
    (
        "air_conditioner", "airplane", "alarm", "applause", "bell", "bird", "blender", "bus", "car", "car_horn", "cat_meow",
        "chainsaw", "children_playing", "church_bell", "clock_tick", "cooking", "cough", "cow", "crow", "crying_baby",
        "dishes", "dog_bark", "door_knock", "door_slam", "drawer", "drilling", "engine_idling", "fire", "fireworks",
        "footsteps", "frog", "glass_breaking", "gun_shot", "hand_tools", "helicopter", "hen", "horse", "insects",
        "jackhammer", "keyboard_typing", "keys", "laughter", "mouse_click", "music", "paper", "phone_ring", "rain", 
        "rooster", "sea_waves", "sheep", "siren", "sneeze", "snoring", "speech", "thunder", "train", "vacuum_cleaner",
        "water", "wind", "wolf",
    ),
    {
        "built_up_area": ("cafe_restaurant", "home", "metro_station", "office", "street", "train"),
        "indoors": ("cafe_restaurant", "home", "office"),
        "nature": ("forest", "night", "park", "rain", "river", "seaside"),
        "traffic": ("metro_station", "street", "train"),
    },
)  # fmt: skip
TUT_SYNONYMS = {  # labels of the original annotations that Imoto merged
    "car passing by": "car",
    "children shouting": "children",
    "object impact": "(object) impact",
    "people speaking": "people talking",
}


@cache
def audioset() -> tuple[str, ...]:
    """The 527 classes of AudioSet in the order of every published tagger (Google's class_labels_indices.csv, CC BY 4.0)."""
    text = (resources.files("audiolog_cli.weights") / "label_files" / "audioset.tsv").read_text(encoding="utf-8")
    return tuple(line.split("\t")[2] for line in text.splitlines()[1:])


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
