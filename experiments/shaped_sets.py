"""Writes a mixed data set in the layout of MAESTRO Real or of TUT with Imoto's lists, for when the real audio is not at hand.

    python experiments/shaped_sets.py maestro OUT CLIPS...      # CLIPS: folders with clips.tsv, or folders of such folders
    python experiments/shaped_sets.py tut OUT CLIPS... --seconds 30 --seed 1

Scenes, labels, file names, folds and formats are the authentic ones; the sound is not. Recordings are composed as `audiolog mix`
does: a scene recording, and isolated clips over it. If there are no clips of a class, another sound stands in for it (`clips`
below), and classes without a stand-in do not occur. If a label has as many sources as there are folds, each source is used in one
test fold only, so that no network is tested on what it was trained on. The same seed and clips give the same
bytes.
"""

import hashlib
import math
import wave
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from audiolog_cli import terminal
from audiolog_cli.errors import AudiologError, InputError
from audiolog_cli.mixing.augment import SAMPLE_RATE
from audiolog_cli.mixing.cache import as_int16, open_cache
from audiolog_cli.mixing.clips import Clip, read_clips
from audiolog_cli.mixing.composing import Plan, compose
from audiolog_cli.mixing.windows import Bank, Soundscape, Span, make_bank
from audiolog_cli.sound.audio import whole

SILENT = 10  # one in this many recordings of a scene has no event: TUT's lists omit such files (MAESTRO has none)
GROUPS = 5  # of sources: five test folds, or four and the evaluation set


@dataclass(frozen=True, slots=True)
class Shape:
    """What a data set holds: how many recordings of each scene, which events occur in it, and which clips are used for each."""

    counts: Mapping[str, tuple[int, int]]  # scene -> recordings in the development set, in the evaluation set
    events: Mapping[str, tuple[str, ...]]  # scene -> events
    clips: Mapping[str, tuple[str, ...]]  # scene or event -> labels of clips


MAESTRO = Shape(
    counts={
        "cafe_restaurant": (10, 0), "city_center": (10, 0), "grocery_store": (9, 0), "metro_station": (9, 0),
        "residential_area": (11, 0),
    },
    events={
        "cafe_restaurant": ("people talking", "cutlery and dishes", "footsteps", "children voices", "coffee machine"),
        "city_center": ("car", "large_vehicle", "brakes_squeaking", "footsteps", "people talking", "children voices"),
        "grocery_store": ("people talking", "footsteps", "children voices", "cash register beeping", "door opens/closes"),
        "metro_station": ("metro approaching", "metro leaving", "people talking", "footsteps"),
        "residential_area": ("birds_singing", "car", "wind_blowing", "footsteps", "people talking", "children voices"),
    },
    clips={
        "cafe_restaurant": ("cafe_restaurant",), "city_center": ("street",), "grocery_store": ("home",),
        "metro_station": ("metro_station", "train"), "residential_area": ("park",),
        "birds_singing": ("bird",), "car": ("car",), "people talking": ("speech",), "footsteps": ("footsteps",),
        "children voices": ("children_playing",), "wind_blowing": ("wind",), "brakes_squeaking": ("car_horn",),
        "large_vehicle": ("engine_idling",), "cutlery and dishes": ("dishes",), "metro approaching": ("train",),
        "metro leaving": ("airplane",), "coffee machine": ("vacuum_cleaner",), "door opens/closes": ("door_slam",),
        "cash register beeping": ("cash_register", "alarm"),
    },
)  # fmt: skip
TUT = Shape(
    counts=dict.fromkeys(("city_center", "home", "office", "residential_area"), (28, 34)),
    events={
        "city_center": ("car", "large vehicle", "brakes squeaking", "people talking", "people walking", "children"),
        "home": ("dishes", "water tap running", "(object) impact", "glass jingling", "people walking", "cupboard"),
        "office": ("keyboard typing", "mouse clicking", "people talking", "fan", "(object) impact", "breathing"),
        "residential_area": ("bird singing", "car", "wind blowing", "people talking", "people walking", "children"),
    },
    clips={
        "city_center": ("street",), "home": ("home",), "office": ("office",), "residential_area": ("park",),
        "car": ("car",), "large vehicle": ("engine_idling",), "brakes squeaking": ("car_horn",), "people talking": ("speech",),
        "people walking": ("footsteps",), "children": ("children_playing",), "dishes": ("dishes",), "water tap "
                                                                                                    "running": ("water",),
        "(object) impact": ("door_knock",), "glass jingling": ("glass_breaking",), "cupboard": ("door_slam",),
        "keyboard typing": ("keyboard_typing",), "mouse clicking": ("clock_tick",), "fan": ("air_conditioner",),
        "breathing": ("snoring",), "bird singing": ("bird",), "wind blowing": ("wind",),
    },
)  # fmt: skip
SHAPES = {"maestro": MAESTRO, "tut": TUT}


@dataclass(frozen=True, slots=True)
class Slot:
    """One recording to be made."""

    scene: str
    number: int  # within its scene and set
    group: int  # 0 to GROUPS - 1: whose sources it may use
    silent: bool


def slots(shape: Shape, per_scene: int) -> Iterator[Slot]:
    """All recordings of a set; `per_scene` instead of the authentic counts, unless it is 0.

    Development recordings are dealt to the test folds in turn; the last group is the evaluation set's, if there is one.
    """
    for scene, (n_development, n_evaluation) in shape.counts.items():
        n_folds = GROUPS - 1 if n_evaluation else GROUPS
        for number in range(per_scene or n_development):
            yield Slot(scene, number, number % n_folds, n_evaluation > 0 and number % SILENT == SILENT - 1)
        for number in range((per_scene or n_evaluation) if n_evaluation else 0):
            yield Slot(scene, number, GROUPS - 1, number % SILENT == SILENT - 1)


# From clips to sound


def find_clips(folders: Sequence[Path]) -> list[Clip]:
    """The clips of folders with clips.tsv, or of the folders in a folder that have one."""
    tables = [
        path
        for folder in folders
        for path in ([folder / "clips.tsv"] if (folder / "clips.tsv").exists() else sorted(folder.glob("*/clips.tsv")))
    ]
    if not tables:
        raise InputError(f"{', '.join(map(str, folders))}: no clips.tsv there, nor one folder below")
    return [clip for table in tables for clip in read_clips(table.parent)]


def relabelled(clips: Sequence[Clip], shape: Shape) -> list[Clip]:
    """The clips that stand for something in the set, under the set's labels; a clip may stand for two things.

    InputError for a scene without a clip.
    """
    chosen = [
        replace(clip, label=label)
        for label, sources in shape.clips.items()
        for clip in clips
        if clip.label in (*sources, label) and clip.kind == ("scene" if label in shape.counts else "event")
    ]
    missing = set(shape.counts) - {clip.label for clip in chosen}
    if missing:
        raise InputError(f"no scene recording for {', '.join(sorted(missing))} among the clips")
    return chosen


def of_group(bank: Bank, slot: Slot, shape: Shape) -> Bank:
    """What one recording may be made of: its scene and events, and of these the sources of its group."""
    events = {
        label: _share(bank.events[label], slot.group)
        for label in (() if slot.silent else shape.events[slot.scene])
        if label in bank.events
    }
    scenes = {slot.scene: _share(bank.scenes[slot.scene], slot.group)}
    return replace(bank, events=events, scenes=scenes, weights=(1 / max(1, len(events)),) * len(events))


def _share(sources: tuple[tuple[Clip, ...], ...], group: int) -> tuple[tuple[Clip, ...], ...]:
    ranked = sorted(sources, key=lambda clips: hashlib.sha1(clips[0].source_id.encode()).hexdigest())
    return tuple(ranked[group::GROUPS]) or (ranked[group % len(ranked)],)


def write_wav(sound: Soundscape, path: Path) -> None:
    """Mono, 16 bit, 32 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(as_int16(sound.wave).tobytes())


def write(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines))


# The layout of MAESTRO Real


def write_maestro(out: Path, made: Iterator[tuple[Slot, Soundscape]]) -> None:
    groups: list[list[str]] = [[] for _ in range(GROUPS)]
    for slot, sound in made:
        name = f"{slot.scene}/{slot.scene}_{slot.number:02}"
        write_wav(sound, out / "development_audio" / f"{name}.wav")
        write(out / "development_annotation" / f"soft_labels_{name}.txt", soft_lines(sound.events))
        groups[slot.group].append(name)
    for k in range(GROUPS):
        tested, judged = groups[k], groups[(k + 1) % GROUPS]
        rest = [name for names in groups for name in names if name not in tested and name not in judged]
        for part, names in (("train", rest), ("val", judged), ("test", tested)):
            write(out / "development_folds" / f"fold{k + 1}_{part}.csv", (f"{name}\n" for name in ("filename", *names)))


def soft_lines(events: Sequence[Span]) -> Iterator[str]:
    """A line for each second and label: the soft label is the share of the second that events of the label cover.

    >>> list(soft_lines([Span(0.5, 1.25, "car")]))
    ['0.0\\t1.0\\tcar\\t0.5\\n', '1.0\\t2.0\\tcar\\t0.25\\n']
    """
    shares: dict[tuple[int, str], float] = {}
    for onset, offset, label in events:
        for second in range(int(onset), math.ceil(offset)):
            overlap = min(offset, second + 1) - max(onset, second)
            shares[second, label] = min(1.0, shares.get((second, label), 0.0) + overlap)
    for (second, label), share in sorted(shares.items()):
        yield f"{second}.0\t{second + 1}.0\t{label}\t{round(share, 6)}\n"


# The layout of TUT with Imoto's lists

HEADER = "path\tscene_label\tevent_start_time\tevent_end_time\tevent_label\n"
TUT_FOLDERS = {  # scene -> the archive and folder of its recordings; offices are known from the acoustic scenes only
    "city_center": ("TUT-sound-events-2017-{}", "audio/street/a{:03}.wav"),
    "home": ("TUT-sound-events-2016-{}", "audio/home/b{:03}.wav"),
    "residential_area": ("TUT-sound-events-2016-{}", "audio/residential_area/c{:03}.wav"),
    "office": ("TUT-acoustic-scenes-2016-{}", "audio/d{:03}_0_30.wav"),
}


def write_tut(out: Path, made: Iterator[tuple[Slot, Soundscape]]) -> None:
    lines: list[list[str]] = [[] for _ in range(GROUPS)]
    tables: dict[Path, list[str]] = {}
    for slot, sound in made:
        archive, pattern = TUT_FOLDERS[slot.scene]
        part = "evaluation" if slot.group == GROUPS - 1 else "development"
        archive, name = archive.format(part), pattern.format(slot.number)
        write_wav(sound, out / archive / name)
        lines[slot.group] += [
            f"{archive}/{name}\t{slot.scene}\t{onset:.6f}\t{offset:.6f}\t{label}\n" for onset, offset, label in sound.events
        ]
        if slot.scene == "office":
            table = out / archive / ("meta.txt" if part == "development" else "evaluation_setup/evaluate.txt")
            tables.setdefault(table, []).append(f"{name}\t{slot.scene}\n")
    development, evaluation = lines[:-1], lines[-1]
    write(out / "meta_development.txt", sum(development, [HEADER]))
    write(out / "meta_evaluation.txt", [HEADER, *evaluation])
    for k, tested in enumerate(development):
        write(out / f"meta_fold0{k + 1}_evaluation.txt", [HEADER, *tested])
        write(out / f"meta_fold0{k + 1}_development.txt", sum((own for own in development if own is not tested), [HEADER]))
    for table, rows in tables.items():
        write(table, rows)


WRITERS = {"maestro": write_maestro, "tut": write_tut}


def main(
    layout: Literal["maestro", "tut"],
    out: Path,
    clips: list[Path],
    seconds: Annotated[float, typer.Option(help="Length of every recording.")] = 180.0,
    per_scene: Annotated[int, typer.Option(help="Recordings of each scene and set; 0 for the authentic counts.")] = 0,
    seed: int = 0,
    cache: Annotated[Path | None, typer.Option(help="Folder of the decoded clips.")] = None,
) -> None:
    shape = SHAPES[layout]
    plan = Plan(seconds, n_scenes=(1, 1), events_per_minute=(8.0, 16.0), snr_db=(3.0, 18.0), max_at_once=3)
    try:
        chosen = relabelled(find_clips(clips), shape)
        bank = make_bank(chosen, open_cache(cache or out / "clips", dict.fromkeys(clip.path for clip in chosen), whole))
    except AudiologError as error:
        terminal.complain(str(error))
        raise SystemExit(error.exit_code) from None
    made = ((slot, compose(of_group(bank, slot, shape), plan, seed, index)) for index, slot in enumerate(slots(shape, per_scene)))
    WRITERS[layout](out, made)


if __name__ == "__main__":
    typer.run(main)
