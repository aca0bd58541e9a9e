"""Clips and marked recordings in; windows to learn from out, each with what is heard when.

A clip's sounding part is mixed over the user's own background, if there is one, and over noise of every colour, at levels from
clear to faint, with sounds of other labels before and after it: a clip alone shows what a sound is like, but not what tells it
from its surroundings. Marked recordings are used as they are. A window holds clips of one fold only, so that a fold can be held
out.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiolog_cli.errors import AudioError, InputError
from audiolog_cli.mixing.augment import NoiseColour, Wave, amplitude, fade, noise, rms
from audiolog_cli.sound import audio
from audiolog_cli.teaching.copies import copies
from audiolog_cli.teaching.material import BACKGROUND, FEWEST, SCENE, Mark, Material, SoundFile
from audiolog_cli.teaching.sounding import BLOCK, sounding

N_FOLDS = 5
SNRS = (30.0, 18.0, 10.0, 5.0)  # dB over the background; every clip is mixed once at each
SNR_SPREAD = 3.0  # dB either way
LONGEST = 8.0  # seconds used of a clip: the loudest
LONGEST_CLIP = 300.0  # seconds; anything longer is not a clip of one sound
MOST_WINDOWS = 60  # of one marked recording or one recording of a place
GAP = (0.4, 1.5)  # seconds between two sounds of a window
NOISE_DB = (-60.0, -30.0)  # dBFS
COLOURS: tuple[NoiseColour, ...] = ("white", "pink", "brown")


@dataclass(frozen=True, slots=True)
class Span:
    """What is known about a stretch of a window."""

    onset: float  # seconds from the start of the window
    offset: float
    label: int  # of the events
    clip: int  # number of the clip or mark that it comes from
    is_heard: bool | None = True  # None: unknown


@dataclass(frozen=True, slots=True)
class Lesson:
    """One window to learn from."""

    samples: Wave
    spans: tuple[Span, ...]
    fold: int
    is_partial: bool = False  # nothing is known outside the spans
    scene: int = -1  # for a recording of a place, whose events are unknown


@dataclass(frozen=True, slots=True)
class Clip:
    """One example, as the user knows it."""

    label: int  # of the events, then the scenes
    name: str  # of the file, with the time of a mark


@dataclass(frozen=True, slots=True)
class Sound:
    """The part of a clip that sounds."""

    clip: int
    label: int
    samples: Wave
    active: NDArray[np.bool_]  # (n_blocks,)


@dataclass(slots=True)
class Lessons:
    """Everything to learn from, and what to report about it."""

    clips: list[Clip] = field(default_factory=list)
    windows: list[Lesson] = field(default_factory=list)
    alike: list[tuple[int, int]] = field(default_factory=list)  # numbers of clips that hold the same recording
    remarks: list[str] = field(default_factory=list)

    @property
    def folds(self) -> NDArray[np.int64]:
        """The fold of each window."""
        return np.array([window.fold for window in self.windows])

    @property
    def names(self) -> tuple[str, ...]:
        """Of the clips."""
        return tuple(clip.name for clip in self.clips)

    def clips_of(self, first: int, n_labels: int) -> tuple[tuple[int, ...], ...]:
        """The numbers of the clips of each of `n_labels` labels from `first` on."""
        labels = range(first, first + n_labels)
        return tuple(tuple(number for number, clip in enumerate(self.clips) if clip.label == label) for label in labels)


@dataclass(frozen=True, slots=True)
class Hearing:
    """The network's input."""

    sample_rate: int  # Hz
    window: float  # seconds


def make_lessons(material: Material, hearing: Hearing, seed: int = 0) -> Lessons:
    """Decode everything and mix the windows; InputError if too few clips of a label are left, or if a file is not a clip.

    The same material gives the same windows for the same seed.
    """
    rng = np.random.default_rng(seed)
    lessons = Lessons(remarks=[f"{path}: no sound files in it; left out" for path in material.empty])
    sounds = _sounds(material, hearing, lessons)
    backgrounds = [audio.whole(one.path, hearing.sample_rate) for one in material.clips(BACKGROUND)]
    for recording in material.recordings:
        if recording.marks is not None:
            backgrounds += _marked(recording, material, hearing, lessons)
    _check_left(material, lessons)
    for label in range(len(material.events)):
        same = [sound for sound in sounds if sound.label == label]
        lessons.alike += [(same[a].clip, same[b].clip) for a, b in copies([sound.samples for sound in same])]
    folds = _folds(lessons)
    for fold in range(N_FOLDS):
        held = [sound for sound in sounds if folds[sound.clip] == fold]
        for snr_db in SNRS:
            lessons.windows += _mixed(held, backgrounds, snr_db, fold, hearing, rng)
    lessons.windows += _alone(backgrounds, hearing)
    lessons.windows = [_of_one_fold(one, folds) for one in lessons.windows]
    return lessons


def _sounds(material: Material, hearing: Hearing, lessons: Lessons) -> list[Sound]:
    """The sounding part of every clip; recordings of places become windows of `lessons` at once."""
    found, seen = [], dict[bytes, Path]()
    labels = [*material.events, *(SCENE + scene for scene in material.scenes)]
    for index, label in enumerate(labels):
        for recording in material.clips(label):
            wave = _decoded(recording.path, hearing, lessons)
            if wave is None:
                continue
            twin = seen.setdefault(hashlib.sha256(wave.tobytes()).digest(), recording.path)
            if twin != recording.path:
                lessons.remarks.append(f"{recording.path}: the same sound as {twin}; used once")
                continue
            if index >= len(material.events):
                lessons.windows += _of_place(wave, index - len(material.events), len(lessons.clips), hearing)
            elif (sound := _sound(wave, recording.path, len(lessons.clips), index, hearing)) is not None:
                found.append(sound)
            else:
                lessons.remarks.append(f"{recording.path}: silent; left out")
                continue
            lessons.clips.append(Clip(index, recording.path.name))
    return found


def _decoded(path: Path, hearing: Hearing, lessons: Lessons) -> Wave | None:
    """A clip's samples; one that cannot be read is reported and left out."""
    try:
        wave = audio.whole(path, hearing.sample_rate)
    except AudioError as error:
        lessons.remarks.append(f"{error}; left out")
        return None
    rate = audio.native_rate(path)
    if rate < hearing.sample_rate / 2:
        lessons.remarks.append(
            f"{path}: recorded at {rate / 1000:g} kHz, nothing above {rate / 2000:g} kHz is in it; others should be alike"
        )
    return wave


def _sound(wave: Wave, path: Path, clip: int, label: int, hearing: Hearing) -> Sound | None:
    """The loudest `LONGEST` seconds of what sounds; None for silence, InputError for a file that is not a clip."""
    rate = hearing.sample_rate
    if len(wave) > LONGEST_CLIP * rate:
        raise InputError(
            f"{path}: lasts {len(wave) / rate:.0f} s, expected a clip of one sound, at most {LONGEST_CLIP:g} s; mark the sounds"
            f" in a list beside it ({path.stem}.txt, an Audacity label track), or cut it"
        )
    active = sounding(wave, rate)
    if not active.any():
        return None
    n_block, n_most = round(BLOCK * rate), round(min(LONGEST, hearing.window - 1.0) / BLOCK)
    blocks = np.flatnonzero(active)
    first, last = int(blocks[0]), int(blocks[-1]) + 1
    if last - first > n_most:
        counts = np.convolve(active[first:last], np.ones(n_most), "valid")
        first += int(counts.argmax())
        last = first + n_most
    samples = wave[first * n_block : last * n_block]
    return Sound(clip, label, fade(samples, n_block // 5, n_block // 5), active[first:last])


# Marked recordings and places


def _marked(recording: SoundFile, material: Material, hearing: Hearing, lessons: Lessons) -> list[Wave]:
    """Add windows of a marked recording to `lessons`; returns the parts without any of the labels, if all of these are marked."""
    assert recording.marks is not None
    wave = audio.whole(recording.path, hearing.sample_rate)
    seconds = len(wave) / hearing.sample_rate
    numbers = dict[Mark, int]()
    for mark in recording.marks:
        why = "" if mark.label in material.events else "no label that is learned"
        why = "a moment, expected a stretch" if mark.onset == mark.offset else why
        why = f"the recording ends at {seconds:.1f} s" if mark.onset >= seconds else why
        if why:
            lessons.remarks.append(f"{recording.path}: {mark.label} at {mark.onset:.1f} s: {why}; left out")
            continue
        numbers[mark] = len(lessons.clips) if mark.is_heard else -1
        if mark.is_heard:
            lessons.clips.append(Clip(material.events.index(mark.label), f"{recording.path.name} at {mark.onset:.1f} s"))
    for onset in _onsets(list(numbers), seconds, recording.is_partial, hearing.window):
        spans = tuple(
            Span(mark.onset - onset, mark.offset - onset, material.events.index(mark.label), clip, mark.is_heard)
            for mark, clip in numbers.items()
            if mark.onset < onset + hearing.window and mark.offset > onset
        )
        lessons.windows.append(Lesson(_cut(wave, onset, hearing), spans, -1, recording.is_partial))
    return [] if recording.is_partial else _unmarked(wave, list(numbers), hearing)


def _onsets(marks: list[Mark], seconds: float, is_partial: bool, window: float) -> list[float]:
    """Where windows begin: around each mark, and evenly over a fully marked recording; at most `MOST_WINDOWS`."""
    last = max(0.0, seconds - window)
    around = [min(last, max(0.0, (mark.onset + mark.offset - window) / 2)) for mark in marks]
    evenly = [] if is_partial else np.linspace(0.0, last, max(1, round(seconds / window))).tolist()
    wanted = around[:MOST_WINDOWS]
    room = MOST_WINDOWS - len(wanted)
    return sorted({*wanted, *evenly[:: max(1, -(-len(evenly) // max(1, room)))][:room]})


def _unmarked(wave: Wave, marks: list[Mark], hearing: Hearing) -> list[Wave]:
    """The stretches of at least two seconds between the marks."""
    rate = hearing.sample_rate
    onsets, ends = [*sorted(mark.onset for mark in marks), len(wave) / rate], [0.0, *sorted(mark.offset for mark in marks)]
    # Between the n-th end and the onset after it as many marks have ended as have begun, also where marks overlap.
    return [wave[round(start * rate) : round(end * rate)] for start, end in zip(ends, onsets, strict=True) if end - start >= 2.0]


def _of_place(wave: Wave, scene: int, clip: int, hearing: Hearing) -> Iterator[Lesson]:
    """Windows spread evenly over a recording of a place; each has one span, of `clip`."""
    seconds = len(wave) / hearing.sample_rate
    n_windows = min(MOST_WINDOWS, max(1, int(seconds / hearing.window)))
    for onset in np.linspace(0.0, max(0.0, seconds - hearing.window), n_windows).tolist():
        span = Span(0.0, hearing.window, -1, clip)
        yield Lesson(_cut(wave, onset, hearing), (span,), -1, is_partial=True, scene=scene)


def _alone(backgrounds: Iterable[Wave], hearing: Hearing) -> Iterator[Lesson]:
    """The backgrounds as they are, in which none of the labels is heard."""
    for wave in backgrounds:
        seconds = len(wave) / hearing.sample_rate
        for onset in np.arange(0.0, seconds, hearing.window)[:MOST_WINDOWS].tolist():
            yield Lesson(_cut(wave, onset, hearing), (), -1)


def _cut(wave: Wave, onset: float, hearing: Hearing) -> Wave:
    n_window, start = round(hearing.window * hearing.sample_rate), round(onset * hearing.sample_rate)
    piece = wave[start : start + n_window]
    return np.pad(piece, (0, n_window - len(piece)))


# Mixing


def _mixed(
    sounds: list[Sound], backgrounds: list[Wave], snr_db: float, fold: int, hearing: Hearing, rng: np.random.Generator
) -> Iterator[Lesson]:
    """Every sound once, one after another in random order, over as many windows as that takes."""
    n_window, rate = round(hearing.window * hearing.sample_rate), hearing.sample_rate
    queue = [sounds[index] for index in rng.permutation(len(sounds)).tolist()]
    while queue:
        wave = _background(n_window, backgrounds, rng)
        position, spans = int(rng.uniform(0.0, GAP[1]) * rate), list[Span]()
        while queue and (not spans or position + len(queue[-1].samples) <= n_window):
            sound = queue.pop()
            position = min(position, n_window - len(sound.samples))
            _add(wave, sound, position, snr_db + rng.uniform(-SNR_SPREAD, SNR_SPREAD))
            spans += _spans(sound, position / rate)
            position += len(sound.samples) + int(rng.uniform(*GAP) * rate)
        peak = float(np.abs(wave).max())
        yield Lesson(wave * np.float32(0.9 / peak) if peak > 0.9 else wave, tuple(spans), fold)


def _background(n_samples: int, backgrounds: list[Wave], rng: np.random.Generator) -> Wave:
    """Two times out of three a stretch of the user's own background, if there is one; else noise."""
    if backgrounds and rng.random() < 2 / 3:
        wave = backgrounds[int(rng.integers(len(backgrounds)))]
        start = int(rng.integers(max(1, len(wave) - n_samples)))
        return np.resize(wave[start : start + n_samples], n_samples)
    colour = COLOURS[int(rng.integers(len(COLOURS)))]
    return noise(n_samples, colour, rng) * np.float32(amplitude(rng.uniform(*NOISE_DB)))


def _add(wave: Wave, sound: Sound, position: int, snr_db: float) -> None:
    stretch = wave[position : position + len(sound.samples)]
    target = max(rms(stretch), amplitude(NOISE_DB[0])) * amplitude(snr_db)
    stretch += sound.samples * np.float32(target / max(rms(sound.samples), 1e-9))


def _spans(sound: Sound, onset: float) -> list[Span]:
    """One span for each stretch of active blocks."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], sound.active, [False]]).astype(int))).tolist()
    return [
        Span(onset + start * BLOCK, onset + end * BLOCK, sound.label, sound.clip)
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]


# Folds


def _folds(lessons: Lessons) -> list[int]:
    """A fold for each clip, given out in turn within a label; a recording that is there twice is in one fold."""
    counts: Counter[int] = Counter()
    twins = {second: first for first, second in lessons.alike}
    folds: list[int] = []
    for number, clip in enumerate(lessons.clips):
        folds.append(folds[twins[number]] if number in twins else counts[clip.label] % N_FOLDS)
        counts[clip.label] += number not in twins
    return folds


def _of_one_fold(lesson: Lesson, folds: list[int]) -> Lesson:
    """The window in the fold of its first clip, with clips of other folds unknown; without a clip in fold -1, never held out."""
    of_clips = [folds[span.clip] for span in lesson.spans if span.clip >= 0]
    if not of_clips:
        return lesson
    spans = (span if span.clip < 0 or folds[span.clip] == of_clips[0] else replace(span, is_heard=None) for span in lesson.spans)
    return replace(lesson, fold=of_clips[0], spans=tuple(spans))


def _check_left(material: Material, lessons: Lessons) -> None:
    for index, label in enumerate((*material.events, *(SCENE + scene for scene in material.scenes))):
        n_left = sum(clip.label == index for clip in lessons.clips)
        if n_left < FEWEST:
            raise InputError(
                f"{label}: {n_left} of its clips can be used, expected {FEWEST} or more: {'; '.join(lessons.remarks)}"
            )
