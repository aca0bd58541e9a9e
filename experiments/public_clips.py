"""Writes clips.tsv of public data sets in their published layouts, for `audiolog mix` and `make weights`.

    python experiments/public_clips.py DATA OUT        # DATA holds the sets as unpacked; OUT/clips.tsv names their files in place

The sets are recognised by the folders that their archives unpack to (`SETS`): ESC-50 and UrbanSound8K (events), the training part
of DCASE 2016 task 2 (office events), LibriSpeech and VCTK 0.92 (speech), TUT Acoustic Scenes 2016 and 2017 and TAU Urban Acoustic
Scenes (scenes). Their classes become labels of the default weights, or `other`. Clips of one source (recording, speaker) are in
one split, in whichever set they are; about a fifth of the sources validates. Stderr says what was found and which labels have no
clip.
"""

import csv
import hashlib
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from audiolog_cli.errors import AudiologError
from audiolog_cli.mixing.augment import SAMPLE_RATE, Wave
from audiolog_cli.mixing.clips import COLUMNS
from audiolog_cli.sound.audio import whole
from audiolog_cli.weights.labels import EVERYDAY

VALIDATION = 5  # one in this many sources is for validation
GRAIN = SAMPLE_RATE // 50  # samples of a level
QUIET_DB = 40.0  # below the loudest 20 ms of a clip: quieter parts are not its sound
BRIDGED = 50  # gaps in a sound up to this many levels, 1 s
PER_SPEAKER = 4  # clips of one voice

# Classes whose label in the default weights is another word; the others are that word, or `other`
RENAMED = {
    "dog": "dog_bark", "cat": "cat_meow", "crackling_fire": "fire", "crickets": "insects", "chirping_birds": "bird",
    "water_drops": "water", "pouring_water": "water", "toilet_flush": "water", "thunderstorm": "thunder", "sneezing": "sneeze",
    "coughing": "cough", "laughing": "laughter", "door_wood_knock": "door_knock", "clock_alarm": "alarm",
    "engine": "engine_idling",
    "church_bells": "church_bell", "street_music": "music",
    "doorslam": "door_slam", "keyboard": "keyboard_typing", "knock": "door_knock", "phone": "phone_ring",
}  # fmt: skip
PLACES = {
    "beach": "seaside", "cafe/restaurant": "cafe_restaurant", "city_center": "street", "forest_path": "forest", "home": "home",
    "metro_station": "metro_station", "office": "office", "park": "park", "residential_area": "street", "train": "train",
    "street_pedestrian": "street", "street_traffic": "street",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a data set. `validates` is what the set itself says, if it does."""

    path: Path
    source: str
    kind: str
    label: str
    validates: bool | None = None


def esc50(root: Path) -> Iterator[Found]:
    """meta/esc50.csv; fold 5 validates."""
    for row in table(root / "meta" / "esc50.csv", ","):
        source = f"freesound:{row['src_file']}"
        yield Found(root / "audio" / row["filename"], source, "event", event(row["category"]), row["fold"] == "5")


def urbansound8k(root: Path) -> Iterator[Found]:
    """metadata/UrbanSound8K.csv; folds 9 and 10 validate."""
    for row in table(root / "metadata" / "UrbanSound8K.csv", ","):
        path = root / "audio" / f"fold{row['fold']}" / row["slice_file_name"]
        yield Found(path, f"freesound:{row['fsID']}", "event", event(row["class"]), row["fold"] in ("9", "10"))


def dcase2016_task2(root: Path) -> Iterator[Found]:
    """Files named by class and number; rooms and persons are unknown, so every file is a source."""
    for path in sorted(root.glob("*.wav")):
        yield Found(path, f"dcase2016:{path.stem}", "event", event(path.stem.rstrip("0123456789").rstrip("_").lower()))


def voices(root: Path, suffix: str) -> Iterator[Found]:
    """Some utterances of every speaker: a speaker is the folder below `root`."""
    for speaker in sorted(path for path in root.iterdir() if path.is_dir()):
        for path in sorted(speaker.rglob(f"*{suffix}"))[:PER_SPEAKER]:
            yield Found(path, f"{root.name}:{speaker.name}", "event", "speech")


def librispeech(root: Path) -> Iterator[Found]:
    """LibriSpeech/SUBSET/SPEAKER/CHAPTER/*.flac"""
    for subset in sorted(path for path in root.iterdir() if path.is_dir()):
        yield from voices(subset, ".flac")


def vctk(root: Path) -> Iterator[Found]:
    """wav48_silence_trimmed/SPEAKER/*_mic1.flac"""
    yield from voices(root, "_mic1.flac")


def tut_scenes(root: Path) -> Iterator[Found]:
    """meta.txt, no header: file, scene and, in 2017, the recording. In 2016 the name has it: b020_90_120.wav is from b020."""
    for line in (root / "meta.txt").read_text(encoding="utf-8").splitlines():
        name, scene, *more = line.split("\t")
        if scene in PLACES:
            yield Found(root / name, f"tut:{more[0] if more else Path(name).stem.split('_')[0]}", "scene", PLACES[scene])


def tau_scenes(root: Path) -> Iterator[Found]:
    """meta.csv: filename, scene_label, identifier (city and place), source_label."""
    for row in table(root / "meta.csv", "\t"):
        if row["scene_label"] in PLACES:
            yield Found(root / row["filename"], f"tau:{row['identifier']}", "scene", PLACES[row["scene_label"]])


SETS = {  # pattern below DATA -> its reader
    "ESC-50*/meta/esc50.csv": (esc50, 2),
    "UrbanSound8K/metadata/UrbanSound8K.csv": (urbansound8k, 2),
    "dcase2016_task2_train*": (dcase2016_task2, 0),
    "LibriSpeech": (librispeech, 0),
    "VCTK-Corpus*/wav48_silence_trimmed": (vctk, 0),
    "TUT-acoustic-scenes-201[67]-development/meta.txt": (tut_scenes, 1),
    "TAU-urban-acoustic-scenes-*-development/meta.csv": (tau_scenes, 1),
}


def table(path: Path, delimiter: str) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(lines, delimiter=delimiter)


def event(name: str) -> str:
    """The label of a published class.

    >>> event("chirping_birds"), event("siren"), event("hand_saw")
    ('bird', 'siren', 'other')
    """
    label = RENAMED.get(name, name)
    return label if label in EVERYDAY.events else "other"


def divide(found: Iterable[Found]) -> list[Found]:
    """Every file with its split: a source validates if one of its files does; where the set does not say, a hash of the source's
    name decides.
    """
    files = list(found)
    judged = {file.source for file in files if file.validates or (file.validates is None and chosen(file.source))}
    return [replace(file, validates=file.source in judged) for file in files]


def chosen(source: str) -> bool:
    return int(hashlib.sha1(source.encode()).hexdigest(), 16) % VALIDATION == 0


def sounding(wave: Wave) -> tuple[float, float]:
    """The run of a clip with the most energy, in seconds; gaps up to 1 s are part of a run. In a silent clip, the whole clip.

    >>> sounding(np.concatenate([np.zeros(32000), np.ones(16000), np.zeros(48000)]).astype(np.float32))
    (1.0, 1.5)
    """
    n_levels = max(1, len(wave) // GRAIN)
    power = np.array([float(np.mean(part.astype(np.float64) ** 2)) for part in np.array_split(wave, n_levels)])
    (loud,) = np.nonzero(power > power.max() * 10 ** (-QUIET_DB / 10))
    if not len(loud):
        return 0.0, len(wave) / SAMPLE_RATE
    runs = np.split(loud, np.nonzero(np.diff(loud) > BRIDGED)[0] + 1)
    best = max(runs, key=lambda run: float(power[run].sum()))
    seconds = len(wave) / SAMPLE_RATE / n_levels
    return round(float(best[0] * seconds), 3), round(float((best[-1] + 1) * seconds), 3)


def find(data: Path) -> Iterator[Found]:
    """Every file of every set that lies below `data`."""
    for pattern, (reader, depth) in SETS.items():
        for place in sorted(data.glob(pattern)):
            files = list(reader((place, *place.parents)[depth]))
            sys.stderr.write(f"{place}: {len(files)} files of {len({file.source for file in files})} sources\n")
            yield from files


def clip_row(file: Found) -> tuple[object, ...]:
    """The line of a file, by `COLUMNS`."""
    wave = whole(file.path)
    duration = len(wave) / SAMPLE_RATE
    onset, offset = sounding(wave) if file.kind == "event" else (0.0, duration)
    split = "val" if file.validates else "train"
    return file.path.absolute(), file.source, file.kind, file.label, onset, offset, duration, split


def main(data: Path, out: Path) -> None:
    files = divide(find(data))
    if not files:
        sys.exit(f"{data}: none of the data sets is there; expected one of {', '.join(SETS)}")
    try:
        rows = [clip_row(file) for file in files]
    except AudiologError as error:
        sys.exit(f"{error} (named by its data set's table; unpack the archive again)")
    out.mkdir(parents=True, exist_ok=True)
    unfinished = out / "clips.tsv.partial"
    with unfinished.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE).writerows([COLUMNS, *rows])
    unfinished.rename(out / "clips.tsv")
    counts = Counter(file.label for file in files)
    absent = [label for label in (*EVERYDAY.scenes, *EVERYDAY.events) if not counts[label]]
    sys.stderr.write(f"{out / 'clips.tsv'}: {len(rows)} clips; no clip of {', '.join(absent) or 'no label: all are there'}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
