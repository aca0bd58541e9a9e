"""Sentences with known truth: every construction of claim_constructions.md, filled from a random table, once truly and once not.

`sentences` gives them; the wrong one differs from the right one in the one fact that the claim is about, by so much
that no reading of it is true. `logs` puts several sentences in a row, one of them wrong in every other log.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from audiolog_cli.records import Row
from tests.written_logs import dated, rows

Pairs = list[tuple[int, int]]


class Words(NamedTuple):
    """How a label is said."""

    phrase: str  # a barking dog
    clause: str  # a dog barks
    definite: str  # the dog
    participle: str  # a dog barking
    bare: str  # barking dog: after `no`
    plural: str = ""  # dog barks, if it can be counted
    many: bool = False  # whether `phrase` is a plural


LABELS = {
    "dog_bark": Words("a barking dog", "a dog barks", "the dog", "a dog barking", "barking dog", "dog barks"),
    "bird": Words("birdsong", "birds sing", "the birdsong", "birds singing", "birdsong"),
    "car": Words("a passing car", "a car passes", "the car", "a car passing by", "car", "passing cars"),
    "speech": Words("conversation", "people talk", "the conversation", "people talking", "conversation", "conversations"),
    "footsteps": Words("footsteps", "footsteps are heard", "the footsteps", "footsteps approaching", "footsteps", many=True),
    "siren": Words("a siren", "a siren wails", "the siren", "a siren wailing", "siren", "sirens"),
    "door_slam": Words("a door slam", "a door slams", "the door slam", "a door slamming", "door slam", "door slams"),
    "phone_ring": Words("a ringing phone", "a phone rings", "the phone", "a phone ringing", "ringing phone", "phone rings"),
    "rain": Words("rain", "it rains", "the rain", "rain falling", "rain"),
    "wind": Words("wind", "the wind blows", "the wind", "the wind blowing", "wind"),
    "thunder": Words("thunder", "thunder rumbles", "the thunder", "thunder rumbling", "thunder", "thunderclaps"),
    "music": Words("music", "music plays", "the music", "music playing", "music"),
    "laughter": Words("laughter", "someone laughs", "the laughter", "people laughing", "laughter", "bursts of laughter"),
    "cough": Words("a cough", "someone coughs", "the cough", "someone coughing", "cough", "coughs"),
    "cat_meow": Words("a meowing cat", "a cat meows", "the cat", "a cat meowing", "meowing cat", "meows"),
    "dishes": Words("clattering dishes", "dishes clatter", "the dishes", "dishes clinking", "clattering dishes", many=True),
    "water": Words("running water", "water runs", "the water", "water running", "running water"),
    "keyboard_typing": Words("keyboard typing", "someone types on a keyboard", "the typing", "someone typing", "typing"),
    "alarm": Words("an alarm", "an alarm goes off", "the alarm", "an alarm sounding", "alarm", "alarms"),
    "airplane": Words(
        "an airplane", "an airplane passes overhead", "the airplane", "an airplane flying over", "airplane", "airplanes"
    ),
    "car_horn": Words("a car horn", "a car horn honks", "the car horn", "a car horn honking", "car horn", "car horns"),
    "crying_baby": Words("a crying baby", "a baby cries", "the baby", "a baby crying", "crying baby"),
    "church_bell": Words(
        "church bells", "church bells ring", "the church bells", "church bells ringing", "church bells", many=True
    ),
    "applause": Words("applause", "people applaud", "the applause", "an audience applauding", "applause", "rounds of applause"),
    "insects": Words("chirping crickets", "crickets chirp", "the crickets", "crickets chirping", "crickets", many=True),
    "door_knock": Words("a knock on the door", "someone knocks on the door", "the knock", "someone knocking", "knock", "knocks"),
    "vacuum_cleaner": Words(
        "a vacuum cleaner", "a vacuum cleaner runs", "the vacuum cleaner", "a vacuum cleaner running", "vacuum cleaner"
    ),
    "helicopter": Words(
        "a helicopter", "a helicopter flies over", "the helicopter", "a helicopter hovering", "helicopter", "helicopters"
    ),
}
LONG = (
    "bird",
    "speech",
    "rain",
    "wind",
    "music",
    "water",
    "keyboard_typing",
    "insects",
    "vacuum_cleaner",
    "footsteps",
    "dishes",
    "crying_baby",
)
SCENES = {  # label: (name, `in the park`, `a park`)
    "park": ("park", "in the park", "a park"),
    "street": ("street", "on the street", "a street"),
    "home": ("home", "at home", "a home"),
    "kitchen": ("kitchen", "in the kitchen", "a kitchen"),
    "office": ("office", "in the office", "an office"),
    "forest": ("forest", "in the forest", "a forest"),
    "beach": ("beach", "on the beach", "a beach"),
    "cafe_restaurant": ("café", "in the café", "a café"),
    "metro_station": ("metro station", "in the metro station", "a metro station"),
    "library": ("library", "in the library", "a library"),
    "grocery_store": ("supermarket", "in the supermarket", "a supermarket"),
    "residential_area": ("residential area", "in the residential area", "a residential area"),
}
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass(frozen=True)
class Known:
    """A random table, and what is true of it."""

    rows: list[Row]
    scenes: list[tuple[str, int, int]]
    events: dict[str, Pairs]
    end: int
    start: str | None = None  # when it starts, if that is known

    def margin(self) -> float:
        """Seconds by which a time must be off to be wrong beyond doubt."""
        return 1800 if self.start else max(20, 0.05 * self.end)

    def heard(self, label: str, onset: float, offset: float) -> bool:
        return any(on < offset and onset < off for on, off in self.events[label])

    def seconds(self, label: str) -> int:
        return sum(off - on for on, off in self.events[label])

    def visits(self, scene: str) -> Pairs:
        return [(on, off) for name, on, off in self.scenes if name == scene]

    def in_scene(self, scene: str) -> list[str]:
        return [label for label in self.events if any(self.heard(label, on, off) for on, off in self.visits(scene))]

    def single(self, scene: str) -> bool:
        return len(self.visits(scene)) == 1

    def absent(self) -> list[str]:
        return [label for label in LABELS if label not in self.events]


def table(rng: random.Random) -> Known:
    """A recording of one to nine hours, or of one and a half to 25 minutes; one to four scenes, a few sounds in each."""
    is_long = rng.random() < 0.2
    unit = 60 if is_long else 1
    end = unit * rng.randrange(240, 540) if is_long else rng.choice((rng.randrange(90, 240), rng.randrange(300, 1500)))
    n_scenes = rng.choice((1, 2, 2, 3, 3, 4))
    names = rng.sample(sorted(SCENES), n_scenes)
    if {"home", "kitchen"} <= set(names):
        names.remove("kitchen")
    if len(names) > 2 and rng.random() < 0.3:
        names[-1] = names[0]
    edges = [
        0,
        *(round(end / unit * (index + rng.uniform(-0.2, 0.2)) / len(names)) * unit for index in range(1, len(names))),
        end,
    ]
    scenes = list(zip(names, edges, edges[1:], strict=False))
    pool = rng.sample(sorted(LABELS), k=min(len(LABELS), 5 + 2 * len(names)))
    events: dict[str, Pairs] = {}
    if rng.random() < 0.5:
        events[pool.pop()] = [(0, end)]
    for index, (_, onset, offset) in enumerate(scenes):
        n_labels = 1 if index == len(scenes) - 1 and index and rng.random() < 0.5 else rng.randrange(2, 6)
        for label in rng.sample(pool, n_labels):
            _add(rng, events.setdefault(label, []), label, onset, offset, unit)
    events = {label: sorted(pairs) for label, pairs in events.items() if pairs}
    spans = {scene: [(on, off) for name, on, off in scenes if name == scene] for scene in {name for name, _, _ in scenes}}
    start = f"2026-05-01T{rng.randrange(24):02d}:{rng.choice((0, 10, 30)):02d}:00+02:00" if is_long else None
    found = rows(spans, events)
    return Known(dated(start, found) if start else found, scenes, events, end, start)


def _add(rng: random.Random, pairs: Pairs, label: str, onset: int, offset: int, unit: int) -> None:
    """Times of a label in a scene, at least a few seconds apart."""
    room = (offset - onset) // unit
    if label in LONG:
        length = max(5, int(room * rng.uniform(0.15, 0.6)))
        first = rng.choice((0, rng.randrange(0, max(1, room - length)), max(0, room - length)))
        wanted = [(onset + unit * first, onset + unit * min(room, first + length))]
    else:
        wanted = []
        for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
            first = rng.randrange(0, max(1, room - 8))
            wanted.append((onset + unit * first, onset + unit * (first + rng.randrange(1, 7))))
    for on, off in wanted:
        if all(off + 8 * unit <= other_on or other_off + 8 * unit <= on for other_on, other_off in pairs):
            pairs.append((on, off))


# Times as people write them


@dataclass
class Style:
    """One way to write times and lengths, kept within a sentence."""

    known: Known
    kind: str

    def at(self, second: float) -> str:
        second = round(second)
        if self.known.start:
            since = int(self.known.start[11:13]) * 3600 + int(self.known.start[14:16]) * 60 + second
            hours, minutes = since // 3600 % 24, since // 60 % 60
            if self.kind == "am":
                return f"{hours % 12 or 12}:{minutes:02d} {'pm' if hours >= 12 else 'am'}"
            return f"{hours:02d}:{minutes:02d}" if self.kind == "short" else f"{hours:02d}:{minutes:02d}:00"
        if self.kind == "colon":
            return f"{second // 60}:{second % 60:02d}"
        if self.kind == "padded":
            return f"{second // 60:02d}:{second % 60:02d}"
        if self.kind == "minutes" and second >= 60:
            return f"{second // 60} min {second % 60} s"
        return f"{second} s" if self.kind in ("s", "minutes") else f"{second} seconds"

    def range(self, onset: float, offset: float) -> str:
        first, last = self.at(onset), self.at(offset)
        unit = next(
            (unit for unit in (" seconds", " s") if first.endswith(unit) and last.endswith(unit) and "min" not in first + last),
            "",
        )
        dash = "–" if ":" in first else "-"
        return f"{first.removesuffix(unit)}{dash}{last}"

    def length(self, seconds: int) -> str:
        if seconds % 60 == 0:
            minutes = seconds // 60
            if minutes % 60 == 0:
                return f"{minutes // 60} hour{'s' * (minutes > 60)}"
            word = NUMBERS[minutes] if minutes < len(NUMBERS) and self.kind != "s" else str(minutes)
            return f"{word} minute{'s' * (minutes > 1)}" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
        if seconds < 100:
            return f"{seconds} s" if self.kind == "s" else f"{seconds} seconds"
        return (
            f"{seconds // 60} min {seconds % 60} s"
            if self.kind != "long"
            else f"{seconds // 60} minutes and {seconds % 60} seconds"
        )


def style(rng: random.Random, known: Known) -> Style:
    kinds = ("am", "short", "full") if known.start else ("colon", "colon", "padded", "s", "long", "minutes")
    return Style(known, rng.choice(kinds))


# Filling


class Unfit(Exception):
    """The table has nothing that a construction could say."""


def one_of(rng: random.Random, choices: list) -> object:  # type: ignore[type-arg]
    if not choices:
        raise Unfit
    return rng.choice(choices)


@dataclass
class Fill:
    """The slots of one sentence: `say` sets those of a label, `place` those of a scene."""

    slots: dict[str, str] = field(default_factory=dict)

    def say(self, label: str, number: str = "") -> "Fill":
        words = LABELS[label]
        many = words.many
        found = {
            "np": words.phrase,
            "s": words.clause,
            "the": words.definite,
            "ing": words.participle,
            "bare": words.bare,
            "plural": words.plural,
            "label": label,
            "be": "are" if many else "is",
            "es": "" if many else "s",
            "ies": "y" if many else "ies",
            "do": "do" if many else "does",
            "goes": "go" if many else "goes",
            "have": "have" if many else "has",
        }
        self.slots |= {name + number: word for name, word in found.items()}
        return self

    def place(self, scene: str, number: str = "") -> "Fill":
        names = zip(("scene", "inscene", "ascene", "scenelabel"), (*SCENES[scene], scene), strict=True)
        self.slots |= {slot + number: word for slot, word in names}
        return self

    def set(self, **slots: str) -> "Fill":
        self.slots |= slots
        return self

    def copy(self) -> "Fill":
        return Fill(dict(self.slots))


Filler = Callable[[random.Random, Known, str], tuple[Fill, Fill]]
FILLERS: dict[str, Filler] = {}


def filler(function: Filler) -> Filler:
    FILLERS[function.__name__.strip("_")] = function
    return function


def some(rng: random.Random, labels: list[str], count: int) -> list[str]:
    if len(labels) < count:
        raise Unfit
    return rng.sample(labels, count)


@filler
def present(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    first, second, third = some(rng, sorted(known.events), 3)
    right = Fill().say(second, "2").say(third, "3").say(first)
    return right, right.copy().say(str(one_of(rng, known.absent())))


@filler
def summary(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    right, wrong = present(rng, known, _)
    (first, *_rest, last) = some_scenes(known)
    return right.place(first, "0").place(last), wrong.place(first, "0").place(last)


def some_scenes(known: Known) -> list[str]:
    names = [name for name, _, _ in known.scenes]
    if len(names) < 2 or len(set(names)) < len(names):
        raise Unfit
    return names


def _points(known: Known) -> list[tuple[str, int, int]]:
    limit = 420 if known.start else 8
    return [(label, on, off) for label, pairs in known.events.items() for on, off in pairs if off - on <= limit]


def _free_time(rng: random.Random, known: Known, labels: list[str], length: int = 0) -> int:
    """A time at which none of these labels is heard, nor near it."""
    unit = 60 if known.start else 1
    for _ in range(60):
        at = rng.randrange(0, max(1, (known.end - length) // unit)) * unit
        if not any(known.heard(label, at - known.margin(), at + length + known.margin()) for label in labels):
            return at
    raise Unfit


def _free_label(rng: random.Random, known: Known, onset: float, offset: float, but: list[str]) -> str:
    """A label of the table that is not heard in a stretch, nor near it."""
    margin = known.margin()
    free = [
        label for label in sorted(known.events) if label not in but and not known.heard(label, onset - margin, offset + margin)
    ]
    return str(one_of(rng, free))


@filler
def point(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    label, on, off = one_of(rng, _points(known))  # type: ignore[misc]
    say = style(rng, known)
    other = str(one_of(rng, [each for each in sorted(known.events) if each != label]))
    right = Fill().say(label).say(other, "2").set(t=say.at(on))
    if rng.random() < 0.5:
        return right, right.copy().set(t=say.at(_free_time(rng, known, [label])))
    return right, right.copy().say(_free_label(rng, known, on, off, [label, other]))


@filler
def each_(rng: random.Random, known: Known, text: str) -> tuple[Fill, Fill]:
    points = sorted(rng.sample(_points(known), min(3, len(_points(known)))), key=lambda found: found[1])
    count = 3 if "{t3}" in text else 2
    if len({label for label, _, _ in points}) < 3:
        raise Unfit
    say, (first, second) = style(rng, known), points[:2]
    margin = known.margin()
    if any(known.heard(a[0], b[1] - margin, b[2] + margin) for a, b in ((first, second), (second, first))):
        raise Unfit
    right = Fill()
    for number, (label, on, _off) in zip(("", "2", "3"), points[: max(count, 2)], strict=False):
        right.say(label, number).set(**{f"t{number or 1}": say.at(on)})
    return right, right.copy().say(first[0], "2").say(second[0])


def _span(rng: random.Random, known: Known) -> tuple[str, int, int]:
    least = 300 if known.start else 5
    whole = [
        (label, on, off) for label, pairs in known.events.items() for on, off in pairs if least <= off - on < 0.8 * known.end
    ]
    return one_of(rng, whole)  # type: ignore[return-value]


@filler
def range_(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    label, on, off = _span(rng, known)
    say = style(rng, known)
    right = Fill().say(label).set(on=say.at(on), off=say.at(off), range=say.range(on, off))
    kind = rng.choice(("shifted", "longer", "label"))
    if kind == "label":
        return right, right.copy().say(_free_label(rng, known, on, off, [label]))
    at, length = (
        (_free_time(rng, known, [label], off - on), off - on) if kind == "shifted" else (on, off - on + 2 * int(known.margin()))
    )
    if at + length > known.end or (kind == "longer" and known.heard(label, off + 1, at + length + known.margin())):
        raise Unfit
    return right, right.copy().set(on=say.at(at), off=say.at(at + length), range=say.range(at, at + length))


@filler
def list_(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    _, on, off = one_of(rng, known.scenes)  # type: ignore[misc]
    inside = [label for label in sorted(known.events) if known.heard(label, on, off)]
    labels = some(rng, inside, 3)
    say = style(rng, known)
    right = Fill().say(labels[1], "2").say(labels[2], "3").say(labels[0])
    right.set(on=say.at(on), off=say.at(off), range=say.range(on, off))
    return right, right.copy().say(_free_label(rng, known, on, off, labels))


@filler
def count(rng: random.Random, known: Known, text: str) -> tuple[Fill, Fill]:
    least = 2 if any(slot in text for slot in ("{n}", "{plural}", "{digits}")) else 1
    able = [label for label, pairs in known.events.items() if len(pairs) >= least and LABELS[label].plural]
    label = str(one_of(rng, able))
    true = len(known.events[label])
    false = true + rng.choice((2, 3, 4))
    if true >= 4 and rng.random() < 0.5:
        false = true - 2
    others = [each for each in sorted(known.events) if each != label]
    right = Fill().say(label).say(str(one_of(rng, others)), "2")
    return _counted(right.copy(), true), _counted(right.copy(), false)


def _counted(fill: Fill, number: int) -> Fill:
    times = {1: "once", 2: "twice"}.get(number, f"{NUMBERS[number]} times")
    return fill.set(n=NUMBERS[number], digits=str(number), times=times, n_times=f"{number} times" if number > 1 else "once")


@filler
def duration(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    label, on, off = _span(rng, known)
    if len(known.events[label]) > 1:
        raise Unfit
    say = style(rng, known)
    right = (
        Fill().say(label).say(str(one_of(rng, [each for each in sorted(known.events) if each != label])), "2").set(on=say.at(on))
    )
    true, false = off - on, (off - on) * 3 if rng.random() < 0.5 or off - on < 30 else (off - on) // 180 * 60 or (off - on) // 3
    if known.start and false % 60:
        raise Unfit
    return _lasting(right.copy(), true, say), _lasting(right.copy(), false, say)


def _lasting(fill: Fill, seconds: int, say: Style) -> Fill:
    adjective = f"{seconds // 60}-minute" if seconds % 60 == 0 else f"{seconds}-second"
    return fill.set(d=say.length(seconds), d_adj=adjective)


def _in_order(rng: random.Random, known: Known, count: int, text: str) -> list[str]:
    """Labels each of which ends before the next begins; the first early and the last late if a construction says so."""
    labels, is_whole = sorted(known.events), re.search("Initially|To begin|begins|Beginning|In the end|last of all", text)
    for _ in (0,) * 60:
        chosen = sorted(some(rng, labels, count), key=lambda label: known.events[label][0])
        first, last = known.events[chosen[0]][0][0], known.events[chosen[-1]][-1][1]
        is_apart = all(known.events[a][-1][1] + 3 <= known.events[b][0][0] for a, b in pairwise(chosen))
        if is_apart and (not is_whole or (first < 0.2 * known.end and last > 0.8 * known.end)):
            return chosen
    raise Unfit


@filler
def order(rng: random.Random, known: Known, text: str) -> tuple[Fill, Fill]:
    first, second = _in_order(rng, known, 2, text)
    return Fill().say(first).say(second, "2"), Fill().say(second).say(first, "2")


@filler
def chain(rng: random.Random, known: Known, text: str) -> tuple[Fill, Fill]:
    labels = _in_order(rng, known, 3, text)
    others = rng.choice(([1, 0, 2], [0, 2, 1], [2, 1, 0]) if "Between" not in text else ([1, 0, 2], [0, 2, 1]))
    right, wrong = Fill(), Fill()
    for index, number in enumerate(("", "2", "3")):
        right.say(labels[index], number)
        wrong.say(labels[others[index]], number)
    return right, wrong


@filler
def begins(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    first = [label for label, pairs in known.events.items() if pairs[0][0] <= 1]
    late = [label for label, pairs in known.events.items() if pairs[0][0] > 0.55 * known.end]
    return Fill().say(str(one_of(rng, first))), Fill().say(str(one_of(rng, late)))


@filler
def ends(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    last = [label for label, pairs in known.events.items() if pairs[-1][1] >= known.end - 1]
    early = [label for label, pairs in known.events.items() if pairs[-1][1] < 0.45 * known.end]
    return Fill().say(str(one_of(rng, last))), Fill().say(str(one_of(rng, early)))


@filler
def throughout(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    always = [label for label in known.events if known.seconds(label) >= 0.95 * known.end]
    short = [label for label, pairs in known.events.items() if pairs[-1][1] - pairs[0][0] < 0.25 * known.end]
    return Fill().say(str(one_of(rng, always))), Fill().say(str(one_of(rng, short)))


@filler
def mostly(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    always = [label for label in known.events if known.seconds(label) >= 0.95 * known.end]
    most = max(known.seconds(label) for label in known.events)
    short = [label for label in known.events if known.seconds(label) < 0.15 * most]
    return Fill().say(str(one_of(rng, always))), Fill().say(str(one_of(rng, short)))


@filler
def only(rng: random.Random, known: Known, text: str) -> tuple[Fill, Fill]:
    names = sorted({name for name, _, _ in known.scenes})
    if len(names) < 2:
        raise Unfit
    if "scene2" in text:
        scene = rng.choice(names)
        elsewhere = {label for other in names if other != scene for label in known.in_scene(other)}
        there = known.in_scene(scene)
        alone, both = [each for each in there if each not in elsewhere], [each for each in there if each in elsewhere]
        right = Fill().say(str(one_of(rng, alone))).place(scene, "2")
        return right, right.copy().say(str(one_of(rng, both or sorted(elsewhere))))
    lone = [name for name in names if len(known.in_scene(name)) == 1]
    full = [name for name in names if len(known.in_scene(name)) > 1]
    quiet, loud = str(one_of(rng, lone)), str(one_of(rng, full))
    return Fill().say(known.in_scene(quiet)[0]).place(quiet), Fill().say(rng.choice(known.in_scene(loud))).place(loud)


@filler
def denial(rng: random.Random, known: Known, text: str) -> tuple[Fill, Fill]:
    absent, fourth = some(rng, known.absent(), 2)
    right = Fill().say(absent).say(fourth, "4")
    if "scene2" in text:
        scene = rng.choice(known.scenes)[0]
        away = [label for label in known.events if label not in known.in_scene(scene)]
        right.place(scene, "2").say(str(one_of(rng, away or [absent])))
        return right, right.copy().say(str(one_of(rng, known.in_scene(scene))))
    if "{on}" in text:
        label, on, off = _span(rng, known)
        say = style(rng, known)
        right.set(on=say.at(on), off=say.at(off)).say(_free_label(rng, known, on, off, [label]))
        return right, right.copy().say(label)
    return right, right.copy().say(str(one_of(rng, sorted(known.events))))


@filler
def stretch(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    if len(known.scenes) < 2:
        raise Unfit
    name, on, off = rng.choice(known.scenes)
    say = style(rng, known)
    inside = [label for label in sorted(known.events) if known.heard(label, on, off)]
    right = Fill().place(name).say(str(one_of(rng, inside))).set(on=say.at(on), off=say.at(off), range=say.range(on, off))
    others = sorted({other for other, _, _ in known.scenes if other != name})
    return right, right.copy().place(str(one_of(rng, others)))


@filler
def inscene(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    first, second = some(rng, sorted({name for name, _, _ in known.scenes}), 2)
    label, there = str(one_of(rng, known.in_scene(first))), known.in_scene(second)
    right = (
        Fill().say(label).place(first).place(second, "2").say(str(one_of(rng, [each for each in there if each != label])), "2")
    )
    wrong = [each for each in there if each not in known.in_scene(first)]
    return right, right.copy().say(str(one_of(rng, wrong)))


@filler
def change(rng: random.Random, known: Known, text: str) -> tuple[Fill, Fill]:
    names = some_scenes(known)
    index = 1 if "starts" in text else rng.randrange(1, len(names))
    at, say = known.scenes[index][1], style(rng, known)
    changes = [on for _, on, _ in known.scenes]
    right = Fill().place(names[index - 1], "0").place(names[index]).set(t=say.at(at))
    unit = 60 if known.start else 1
    free = [
        each * unit
        for each in (rng.randrange(known.end // unit) for _ in (0,) * 30)
        if all(abs(each * unit - edge) > known.margin() for edge in (*changes, known.end))
    ]
    return right, right.copy().set(t=say.at(one_of(rng, free)))  # type: ignore[arg-type]


@filler
def scenes(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    names = some_scenes(known)
    return Fill().place(names[0], "0").place(names[-1]), Fill().place(names[-1], "0").place(names[0])


@filler
def compare(rng: random.Random, known: Known, text: str) -> tuple[Fill, Fill]:
    first, second = some(rng, sorted(known.events), 2)
    if re.search("often|frequent|times|rarer", text):
        more, less = len(known.events[first]), len(known.events[second])
        fits = more >= less + 2
    else:
        more, less = known.seconds(first), known.seconds(second)
        longest = [max(off - on for on, off in known.events[label]) for label in (first, second)]
        fits = more >= 2 * less + 5 and longest[0] >= 2 * longest[1] + 5
    if not fits:
        raise Unfit
    return Fill().say(first).say(second, "2"), Fill().say(second).say(first, "2")


@filler
def overlap(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    labels = sorted(known.events)
    inside = [
        (short, long)
        for short in labels
        for long in labels
        if short != long and known.seconds(long) < 0.8 * known.end
        if any(a <= on and off <= b and b - a > off - on for on, off in known.events[short] for a, b in known.events[long])
    ]
    short, long = one_of(rng, inside)  # type: ignore[misc]
    margin = known.margin()
    apart = [
        label for label in labels if not any(known.heard(label, on - margin, off + margin) for on, off in known.events[long])
    ]
    right = Fill().say(short).say(long, "2")
    return right, right.copy().say(str(one_of(rng, apart)))


@filler
def rank(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    most = max(len(pairs) for pairs in known.events.values())
    often = [label for label, pairs in known.events.items() if len(pairs) == most]
    seldom = [label for label, pairs in known.events.items() if len(pairs) <= most - 2]
    if len(often) > 1 or most > 9:
        raise Unfit
    return _counted(Fill().say(often[0]), most), _counted(Fill().say(label := str(one_of(rng, seldom))), len(known.events[label]))


@filler
def nth(rng: random.Random, known: Known, text: str) -> tuple[Fill, Fill]:
    limit, most = 420 if known.start else 8, max(known.margin(), 30)
    able = [label for label, pairs in known.events.items() if len(pairs) > 1 and LABELS[label].plural]
    able = [label for label in able if all(off - on <= limit for on, off in known.events[label])]
    label, say = str(one_of(rng, able)), style(rng, known)
    times = [on for on, _ in known.events[label]]
    if any(second - first < most for first, second in pairwise(times)):
        raise Unfit
    false, changed = list(times), rng.randrange(len(times))
    if "{tn}" in text or "{t1}" in text:
        changed = -1 if "{tn}" in text else 0
    false[changed] = _free_time(rng, known, [label])
    if len(times) > 2 and re.search("first|last", text) and "{t2}" not in text and rng.random() < 0.5:
        false[changed] = times[1]
    return _listed(label, times, say), _listed(label, sorted(false) if "{list}" in text else false, say)


def _listed(label: str, times: list[int], say: Style) -> Fill:
    written, plural = [say.at(time) for time in times], LABELS[label].plural
    single = plural.replace("s of", " of") if " of " in plural else plural.removesuffix("s")
    found = _counted(Fill().say(label), len(times)).set(single=single, t1=written[0], t2=written[1], tn=written[-1])
    return found.set(list=f"{', '.join(written[:-1])} and {written[-1]}")


FRACTIONS = {0.25: "a quarter", 1 / 3: "a third", 0.5: "half", 2 / 3: "two thirds", 0.75: "three quarters"}


@filler
def share(rng: random.Random, known: Known, text: str) -> tuple[Fill, Fill]:
    label = rng.choice(sorted(known.events))
    true = known.seconds(label) / known.end
    if "fraction" in text:
        near = [share for share in FRACTIONS if abs(share - true) < 0.03]
        far = [share for share in FRACTIONS if abs(share - true) > 0.2]
        names = (f"about {FRACTIONS[one_of(rng, shares)]}" for shares in (near, far))  # type: ignore[index]
        return tuple(Fill().say(label).set(fraction=name) for name in names)  # type: ignore[return-value]
    false = min(0.97, true + 0.35) if true < 0.5 else true / 2
    return tuple(Fill().say(label).set(percent=f"{round(100 * each)}{rng.choice(('%', ' %'))}") for each in (true, false))  # type: ignore[return-value]


@filler
def whole(rng: random.Random, known: Known, _: str) -> tuple[Fill, Fill]:
    first, second = some(rng, sorted(known.events), 2)
    right, say = Fill().say(first).say(second, "2"), style(rng, known)
    names = some_scenes(known)
    lasting = known.end if known.end % 60 == 0 or known.end < 100 or rng.random() < 0.5 else round(known.end / 60) * 60
    found = []
    for seconds, n_scenes in ((lasting, len(names)), (lasting * 2 + 60 - lasting % 60, len(names) + 2)):
        adjective = f"{seconds // 60}-minute" if seconds % 60 == 0 else f"{seconds}-second"
        found.append(right.copy().set(whole=say.length(seconds), whole_adj=adjective, scenes_n=NUMBERS[n_scenes]))
    return found[0], found[1]


# Sentences and logs


class Sentence(NamedTuple):
    """A construction filled from a table, truly and not."""

    kind: str  # of claim
    construction: str
    known: Known
    right: str
    wrong: str


@cache
def constructions() -> list[tuple[str, str]]:
    """(kind of claim, construction) of claim_constructions.md."""
    text = (Path(__file__).parent / "claim_constructions.md").read_text(encoding="utf-8")
    parts = re.findall(r"^## (\w+):.*\n((?:- .*\n)+)", text, re.MULTILINE)
    return [(kind, line[2:].replace("\\n", "\n")) for kind, lines in parts for line in lines.splitlines()]


def written(construction: str, fill: Fill) -> str:
    """The sentence, with capital letters where sentences begin."""
    said = re.sub(r"\{(\w+)\}", lambda match: fill.slots[match[1]], construction)
    return re.sub(r"(^|\n|[.!?] )(\W*)([a-z])(?![a-z]*_)", lambda match: match[1] + match[2] + match[3].upper(), said)


def sentence(rng: random.Random, kind: str, construction: str) -> Sentence:
    """A construction filled from the first random table that it fits."""
    function = FILLERS[kind]
    for _ in (0,) * 400:
        known = table(rng)
        try:
            right, wrong = function(rng, known, construction)
        except Unfit:
            continue
        texts = written(construction, right), written(construction, wrong)
        if texts[0] != texts[1]:
            return Sentence(kind, construction, known, *texts)
    raise AssertionError(f"no table fits {construction!r}")


def sentences(seed: int, each: int, held_out: int | None = None) -> Iterator[Sentence]:
    """`each` sentences of every construction, or of every other one (`held_out` 0 or 1)."""
    for index, (kind, construction) in enumerate(constructions()):
        if held_out is None or index % 2 == held_out:
            rng = random.Random(f"{seed} {construction}")
            for _ in (0,) * each:
                yield sentence(rng, kind, construction)


class Log(NamedTuple):
    """Some sentences about one recording, at most one of them wrong."""

    known: Known
    text: str
    wrong: str  # the wrong sentence; "" if the log is right


def logs(seed: int, count: int, held_out: int | None = None) -> Iterator[Log]:
    """Logs of six to nine sentences, one of them wrong in every other log; constructions with lines of their own come last."""
    rng = random.Random(f"logs {seed}")
    own = [found for index, found in enumerate(constructions()) if held_out is None or index % 2 == held_out]
    for _ in (0,) * count:
        known, found = table(rng), []
        for kind, construction in rng.sample(own, 40):
            try:
                right, wrong = (written(construction, fill) for fill in FILLERS[kind](rng, known, construction))
            except Unfit:
                continue
            found.append((right, wrong))
        found = found[: rng.randrange(6, 10)]
        found.sort(key=lambda pair: (pair[0].startswith("#"), not pair[0].endswith(".") or "\n" in pair[0]))
        bad = rng.randrange(len(found)) if rng.random() < 0.5 else -1
        texts = [pair[index == bad] for index, pair in enumerate(found)]
        text = "".join(
            each + (" " if each.endswith(".") and "\n" not in each + after else "\n")
            for each, after in zip(texts, [*texts[1:], ""], strict=True)
        )
        yield Log(known, text.strip(), found[bad][1] if bad >= 0 and found[bad][0] != found[bad][1] else "")
