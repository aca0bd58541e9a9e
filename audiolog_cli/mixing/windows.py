"""Soundscapes mixed on the fly: isolated clips over scene recordings, with onsets and offsets known to the sample.

In: a `Bank` of decoded clips of one split, a `MixStyle`, a seed and an index. Out: a `Soundscape`, the same for the same seed and
index on every machine and in every process. `mix_window` makes what a network trains on: 10 s, loud changes of tone, room and
level. Long, undistorted recordings for evaluation are made by `composing.py`.

Scene recordings hold events that nobody labelled. A soundscape lists only what was mixed in: `plausible` (in `vocabulary.py`)
lists other events that a scene may hold, and training and scoring decide how to treat those.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from audiolog_cli.errors import InputError
from audiolog_cli.mixing import augment
from audiolog_cli.mixing.augment import SAMPLE_RATE, Filter, NoiseColour, Wave, amplitude, rms
from audiolog_cli.mixing.cache import Cache
from audiolog_cli.mixing.clips import Clip

EDGE = SAMPLE_RATE // 100  # 10 ms: the fade at cut edges, too short to hear, long enough not to click
LOOP = SAMPLE_RATE // 4  # a background that is too short is looped with cross-fades of this length
N_ROOMS = 24
NOISE_SECONDS = 60
PLACE = ""  # the scene of a place that nobody labelled
QUIET_RMS = amplitude(-70.0)  # a background below this counts as silence: levels are then absolute


class Span(NamedTuple):
    """A label over [onset, offset) seconds of a soundscape."""

    onset: float
    offset: float
    label: str


@dataclass(frozen=True, slots=True)
class Soundscape:
    """What was mixed, and what is known about it."""

    wave: Wave  # (n_samples,), clipped to [-1, 1]
    events: tuple[Span, ...]  # what was mixed in, including labels outside the vocabulary; in order of onset
    scenes: tuple[Span, ...]  # empty over silence and noise


@dataclass(frozen=True, slots=True)
class MixStyle:
    """How `mix_window` draws. Shares are probabilities; ranges are drawn from uniformly."""

    seconds: float = 10.0
    max_events: int = 4
    snr_db: tuple[float, float] = (0.0, 25.0)  # of an event over the background beneath it
    scene_share: float = 0.68  # the background is a scene recording, else noise or silence:
    noise_share: float = 0.2
    event_seconds: tuple[float, float] = (1.0, 10.0)  # longer sounds are cut to a length from this range
    speed_share: float = 0.3
    speed: tuple[float, float] = (0.87, 1.15)  # small enough to leave the label true
    room_share: float = 0.3
    tone_share: float = 0.5
    narrow_share: float = 0.12  # telephones, cheap recorders
    codec_share: float = 0.05
    overlay_share: float = 0.25  # a second recording of the same scene is laid over the first
    peak_db: tuple[float, float] = (-40.0, 0.0)
    overdrive_share: float = 0.05  # driven 1-12 dB into clipping
    steady_share: float = 0.0  # noise, hum or silence throughout, and nothing else
    place_share: float = 0.0  # the background is a real place, or a mixture, without a label
    alone_share: float = 0.0  # one kind of sound throughout, mostly speech or music: anything else heard in it is a false alarm


MOSTLY_ALONE = ("speech", "music")  # recordings of nothing else are common
PLAIN = MixStyle(speed_share=0, room_share=0, tone_share=0, narrow_share=0, codec_share=0, overlay_share=0, overdrive_share=0)


@dataclass(frozen=True, slots=True)
class Bank:
    """Clips of one split, grouped for drawing: a label, then a source, then a clip, each with equal chance."""

    cache: Cache
    events: dict[str, tuple[tuple[Clip, ...], ...]]  # label -> sources -> clips
    scenes: dict[str, tuple[tuple[Clip, ...], ...]]
    clips: tuple[Clip, ...]
    weights: tuple[float, ...]  # of the event labels, in the order of `events`
    rooms: tuple[Filter, ...]
    noises: tuple[Wave, ...]  # white, pink, brown; RMS 1
    places: tuple[tuple[Clip, ...], ...] = ()  # sources -> clips of places and mixtures without a label of the vocabulary


def make_bank(
    clips: Iterable[Clip], cache: Cache, weights: dict[str, float] | None = None, known: Sequence[str] | None = None
) -> Bank:
    """Group clips for drawing; `weights` makes a label more (> 1) or less frequent than the others. Scenes not among the
    `known` ones, and backgrounds, are places without a label.

    InputError if there is neither an event nor a scene among the clips.
    """
    clips = tuple(clips)
    events, scenes, unlabelled = (_by_label(clips, kind) for kind in ("event", "scene", "background"))
    if known is not None:
        unlabelled |= {label: sources for label, sources in scenes.items() if label not in known}
        scenes = {label: sources for label, sources in scenes.items() if label in known}
    if not events and not scenes:
        raise InputError("no clip to mix: none of the clips is of kind event or scene")
    chances = np.array([(weights or {}).get(label, 1.0) for label in events])
    fixed = np.random.default_rng(0)  # rooms and noises are the same whatever the seed
    rooms = tuple(augment.filter_of(augment.room(fixed.uniform(0.1, 0.9), fixed.uniform(-3, 12), fixed)) for _ in range(N_ROOMS))
    colours: tuple[NoiseColour, ...] = ("white", "pink", "brown")
    noises = tuple(augment.noise(NOISE_SECONDS * SAMPLE_RATE, colour, fixed) for colour in colours)
    shares = tuple(chances / max(chances.sum(), 1e-9))
    return Bank(cache, events, scenes, clips, shares, rooms, noises, tuple(sum(unlabelled.values(), ())))


def _by_label(clips: Sequence[Clip], kind: str) -> dict[str, tuple[tuple[Clip, ...], ...]]:
    groups: dict[str, dict[str, list[Clip]]] = defaultdict(lambda: defaultdict(list))
    for clip in clips:
        if clip.kind == kind:
            groups[clip.label][clip.source_id].append(clip)
    return {label: tuple(tuple(source) for source in groups[label].values()) for label in sorted(groups)}


# A window to train on


def mix_window(bank: Bank, style: MixStyle, seed: int, index: int) -> Soundscape:
    """Soundscape number `index` of the endless series `seed`."""
    rng = np.random.default_rng((seed, index))
    rng.random()  # once decided on a kind of window that is gone; series stay the same
    if bank.events and style.alone_share and rng.random() < style.alone_share:  # no share, no draw: earlier series stay the same
        return _alone_window(bank, style, rng)
    if style.steady_share and rng.random() < style.steady_share:
        return Soundscape(_steady(bank, style, rng), (), ())
    wave, scenes = _background(bank, style, rng)
    events = []
    for _ in range(int(rng.integers(0, style.max_events + 1)) if bank.events else 0):
        label = str(rng.choice(list(bank.events), p=bank.weights))
        sound = _event_sound(bank, draw(bank.events[label], rng), style, rng)
        position = int(rng.integers(min(0, EDGE - sound.size // 2), wave.size - EDGE))  # may begin before the window
        span = add_event(wave, sound, position, rng.uniform(*style.snr_db), label)
        if span is not None:
            events.append(span)
    return Soundscape(_finish(wave, style, rng), tuple(sorted(events)), scenes)


def _background(bank: Bank, style: MixStyle, rng: np.random.Generator) -> tuple[Wave, tuple[Span, ...]]:
    n_samples = int(style.seconds * SAMPLE_RATE)
    if bank.places and style.place_share and rng.random() < style.place_share:
        return crop(bank, bank.places, n_samples, rng), (Span(0.0, style.seconds, PLACE),)
    drawn = rng.random()
    if bank.scenes and drawn < style.scene_share:
        label = str(rng.choice(list(bank.scenes)))
        wave = crop(bank, bank.scenes[label], n_samples, rng)
        if rng.random() < style.overlay_share:
            wave += amplitude(rng.uniform(-10, 0)) * crop(bank, bank.scenes[label], n_samples, rng)
        return wave, (Span(0.0, style.seconds, label),)
    if drawn < style.scene_share + style.noise_share:
        return _noise(bank, n_samples, rng) * amplitude(rng.uniform(-70, -25)), ()
    return np.zeros(n_samples, dtype=np.float32), ()


def _noise(bank: Bank, n_samples: int, rng: np.random.Generator) -> Wave:
    colour = bank.noises[int(rng.integers(len(bank.noises)))]
    start = int(rng.integers(colour.size - n_samples))
    return colour[start : start + n_samples]


def _steady(bank: Bank, style: MixStyle, rng: np.random.Generator) -> Wave:
    """Nothing: digital silence, noise of one colour, or the hum of the mains, perhaps over noise; through any recorder."""
    n_samples = int(style.seconds * SAMPLE_RATE)
    kind = rng.random()
    if kind < 0.15:
        return np.zeros(n_samples, dtype=np.float32)
    wave = np.zeros(n_samples, dtype=np.float32)
    if kind < 0.75:
        wave = _noise(bank, n_samples, rng) * 0.1
        if rng.random() < 0.3:
            wave = augment.equalise(wave, augment.random_tone(rng))
    if kind > 0.65:
        wave = wave * amplitude(rng.uniform(-30, 0)) + hum(n_samples, rng)
    peak = float(np.abs(wave).max())
    return wave * np.float32(amplitude(rng.uniform(-65, -3)) / peak)


def hum(n_samples: int, rng: np.random.Generator) -> Wave:
    """Mains hum at 50 or 60 Hz with up to 12 harmonics, by and large each weaker than those below."""
    base = (50.0 if rng.random() < 0.5 else 60.0) * rng.uniform(0.999, 1.001)
    times = np.arange(n_samples, dtype=np.float32) / SAMPLE_RATE
    wave = np.zeros(n_samples, dtype=np.float32)
    for harmonic in range(1, int(rng.integers(2, 14))):
        level = amplitude(-rng.uniform(3, 9) * np.log2(harmonic) + rng.uniform(-6, 6))
        wave += np.float32(0.05 * level) * np.sin(
            np.float32(2 * np.pi * base * harmonic) * times + np.float32(rng.uniform(0, 6.28))
        )
    return wave


def crop(bank: Bank, sources: tuple[tuple[Clip, ...], ...], n_samples: int, rng: np.random.Generator) -> Wave:
    """A random stretch of one of the clips, looped if the clip is shorter."""
    clip = draw(sources, rng)
    start = int(rng.integers(max(1, bank.cache.n_samples(clip.path) - n_samples)))
    return loop(bank.cache.read(clip.path, start, start + n_samples), n_samples)


def draw(sources: tuple[tuple[Clip, ...], ...], rng: np.random.Generator) -> Clip:
    """A source with equal chances, then one of its clips."""
    source = sources[int(rng.integers(len(sources)))]
    return source[int(rng.integers(len(source)))]


def _event_sound(bank: Bank, clip: Clip, style: MixStyle, rng: np.random.Generator) -> Wave:
    """The sounding part of a clip, cut to a drawn length, perhaps at another speed, perhaps in a room."""
    sound = sounding_part(bank.cache, clip, rng.uniform(*style.event_seconds), rng)
    if rng.random() < style.speed_share:
        sound = augment.change_speed(sound, rng.uniform(*style.speed))
    if rng.random() < style.room_share:
        sound = augment.convolve(sound, bank.rooms[int(rng.integers(len(bank.rooms)))])
    return sound


def sounding_part(cache: Cache, clip: Clip, max_seconds: float, rng: np.random.Generator) -> Wave:
    """Samples of [onset, offset) of a clip; a longer one is cut to `max_seconds` at a random place. Edges are faded."""
    start, stop = int(clip.onset * SAMPLE_RATE), int(clip.offset * SAMPLE_RATE)
    spare = stop - start - int(max_seconds * SAMPLE_RATE)
    if spare > 0:
        start += int(rng.integers(spare))
        stop = start + int(max_seconds * SAMPLE_RATE)
    return augment.fade(cache.read(clip.path, start, stop), EDGE, EDGE)


def add_event(wave: Wave, sound: Wave, position: int, snr_db: float, label: str) -> Span | None:
    """Add `sound` to `wave` in place from sample `position` (may be negative), `snr_db` over what is there.

    The ratio is of the RMS of the whole sound to the RMS of the stretch of `wave` under it; over silence (below -70 dBFS) the
    sound gets the level -35 dBFS + snr_db. Returns its span, cut to `wave`; None if the sound is silent or outside.
    """
    onset, offset = max(0, position), min(wave.size, position + sound.size)
    level = rms(sound)
    if onset >= offset or level < QUIET_RMS / 10:
        return None
    beneath = rms(wave[onset:offset])
    target = (beneath if beneath > QUIET_RMS else amplitude(-35.0)) * amplitude(snr_db)
    wave[onset:offset] += sound[onset - position : offset - position] * np.float32(target / level)
    return Span(onset / SAMPLE_RATE, offset / SAMPLE_RATE, label)


def loop(wave: Wave, n_samples: int) -> Wave:
    """Repeat a sound with equal-power cross-fades until it lasts `n_samples`; longer ones are cut."""
    if wave.size == 0:
        return np.zeros(n_samples, dtype=np.float32)
    overlap = min(LOOP, wave.size // 2)
    looped = wave
    while looped.size < n_samples:
        looped = cross_fade(looped, wave, overlap)
    return looped[:n_samples].copy()


def cross_fade(first: Wave, second: Wave, n_overlap: int) -> Wave:
    """`first`, then `second`, overlapping by `n_overlap` samples with equal-power slopes."""
    if n_overlap == 0:
        return np.concatenate([first, second])
    rise = augment.quarter_sine(n_overlap)
    middle = first[-n_overlap:] * rise[::-1] + second[:n_overlap] * rise
    return np.concatenate([first[:-n_overlap], middle, second[n_overlap:]])


def _finish(wave: Wave, style: MixStyle, rng: np.random.Generator) -> Wave:
    """What a recorder does to all of it: tone colour, bandwidth, codec, level, clipping."""
    curves = [augment.random_tone(rng)] if rng.random() < style.tone_share else []
    if rng.random() < style.narrow_share:
        curves.append(augment.band_limits(rng.uniform(60, 350), rng.uniform(3000, 9000)))
    if curves:
        wave = augment.equalise(wave, *curves)
    peak = float(np.abs(wave).max(initial=0.0))
    if peak > 0:
        level_db = rng.uniform(1, 12) if rng.random() < style.overdrive_share else rng.uniform(*style.peak_db)
        wave = wave * np.float32(amplitude(level_db) / peak)
    wave = np.clip(wave, -1.0, 1.0)
    return augment.quantise(wave, int(rng.integers(5, 9))) if rng.random() < style.codec_share else wave


def _alone_window(bank: Bank, style: MixStyle, rng: np.random.Generator) -> Soundscape:
    """Sounds of one label in sequence, with pauses of at most a second, 15 to 40 dB over noise or silence."""
    labels = [label for label in MOSTLY_ALONE if label in bank.events and rng.random() < 0.8] or list(bank.events)
    label = str(rng.choice(labels))
    wave, _ = _background(bank, replace(style, scene_share=0.0, noise_share=0.6), rng)
    events, position, snr_db = [], -int(rng.integers(5 * SAMPLE_RATE)), rng.uniform(15, 40)
    while position < wave.size - EDGE:
        sound = _event_sound(bank, draw(bank.events[label], rng), style, rng)
        span = add_event(wave, sound, position, snr_db + rng.uniform(-3, 3), label)
        if span is not None:
            events.append(span)
        position += max(sound.size, EDGE) + int(rng.integers(SAMPLE_RATE))
    return Soundscape(_finish(wave, style, rng), tuple(events), ())
