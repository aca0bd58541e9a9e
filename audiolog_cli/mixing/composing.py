"""Long recordings for evaluation, composed from clips: scenes that follow each other, and events with known times over them.

In: a `Bank` of clips of one split, a `Plan`, a seed. Out: a `Soundscape` of minutes. Unlike in `windows.mix_window`, nothing is
distorted: it sounds like a real recording. For scoring, `ignored` lists events that a stretch may hold although they were not
mixed in (the scene recordings are real and hold unlabelled events). Recordings are written as FLAC, lists of spans in DCASE's
format.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from audiolog_cli.errors import InputError
from audiolog_cli.mixing.augment import SAMPLE_RATE, Wave
from audiolog_cli.mixing.cache import as_int16
from audiolog_cli.mixing.windows import EDGE, Bank, Soundscape, Span, add_event, crop, cross_fade, draw, sounding_part
from audiolog_cli.records import check_text

PEAK = 0.9  # of the finished recording
BLOCK = 4096  # samples of a FLAC frame
MARGIN = 0.5  # seconds around a scene in which its unlabelled events may still be heard


@dataclass(frozen=True, slots=True)
class Plan:
    """How `compose` draws; ranges are drawn from uniformly."""

    seconds: float = 300.0
    n_scenes: tuple[int, int] = (3, 4)
    events_per_minute: tuple[float, float] = (4.0, 8.0)
    snr_db: tuple[float, float] = (6.0, 20.0)  # over what sounds beneath
    event_seconds: float = 5.0  # longer sounds are cut
    max_at_once: int = 2
    fade_seconds: float = 0.5  # from scene to scene


def compose(bank: Bank, plan: Plan, seed: int, index: int = 0) -> Soundscape:
    """Recording number `index` of the series `seed`; InputError without scenes to compose from."""
    if not bank.scenes:
        raise InputError("no scene recording among the clips; a long recording needs at least one")
    rng = np.random.default_rng((seed, index))
    wave, scenes = _scenes(bank, plan, rng)
    events: list[Span] = []
    n_events = round(rng.uniform(*plan.events_per_minute) * plan.seconds / 60)
    for _ in range(n_events if bank.events else 0):
        label = str(rng.choice(list(bank.events), p=bank.weights))
        sound = sounding_part(bank.cache, draw(bank.events[label], rng), plan.event_seconds, rng)
        position = _free_place(events, sound.size, wave.size, plan.max_at_once, rng)
        if position is not None:
            span = add_event(wave, sound, position, rng.uniform(*plan.snr_db), label)
            events += [span] if span else []
    peak = float(np.abs(wave).max(initial=0.0))
    return Soundscape(wave * np.float32(PEAK / peak) if peak > PEAK else wave, tuple(sorted(events)), scenes)


def _scenes(bank: Bank, plan: Plan, rng: np.random.Generator) -> tuple[Wave, tuple[Span, ...]]:
    """Different scenes in sequence, each from one recording; a scene ends in the middle of its cross-fade."""
    wanted = int(rng.integers(plan.n_scenes[0], plan.n_scenes[1] + 1))
    labels = [str(label) for label in rng.permutation(list(bank.scenes))[:wanted]]
    n_total, n_fade = round(plan.seconds * SAMPLE_RATE), round(plan.fade_seconds * SAMPLE_RATE)
    shares = rng.uniform(0.7, 1.3, len(labels))
    borders = np.concatenate([[0], np.cumsum(shares / shares.sum() * n_total)]).round().astype(int)
    wave, spans = np.zeros(0, dtype=np.float32), []
    for i, label in enumerate(labels):
        first, last = i == 0, i == len(labels) - 1
        n_samples = borders[i + 1] - borders[i] + (0 if first else n_fade // 2) + (0 if last else n_fade - n_fade // 2)
        stretch = crop(bank, bank.scenes[label], n_samples, rng)
        wave = stretch if first else cross_fade(wave, stretch, n_fade)
        spans.append(Span(borders[i] / SAMPLE_RATE, borders[i + 1] / SAMPLE_RATE, label))
    return wave, tuple(spans)


def _free_place(events: list[Span], n_sound: int, n_total: int, max_at_once: int, rng: np.random.Generator) -> int | None:
    """A random start for a sound where fewer than `max_at_once` others are active; None if 20 tries find none."""
    for _ in range(20 if n_sound < n_total else 0):
        start = int(rng.integers(n_total - n_sound))
        onset, offset = (start - EDGE) / SAMPLE_RATE, (start + n_sound + EDGE) / SAMPLE_RATE
        if sum(event.onset < offset and event.offset > onset for event in events) < max_at_once:
            return start
    return None


def ignored(soundscape: Soundscape, plausible: dict[str, tuple[str, ...]]) -> tuple[Span, ...]:
    """Events that each scene may hold unlabelled, over its time and MARGIN seconds around it.

    >>> scenes = (Span(0.0, 60.0, "park"), Span(60.0, 100.0, "office"))
    >>> ignored(Soundscape(np.zeros(0, np.float32), (), scenes), {"park": ("bird",)})
    (Span(onset=0.0, offset=60.5, label='bird'),)
    """
    return tuple(
        Span(max(0.0, onset - MARGIN), offset + MARGIN, event)
        for onset, offset, scene in soundscape.scenes
        for event in plausible.get(scene, ())
    )


def write_flac(wave: Wave, path: Path) -> None:
    """Mono, 16 bit, 32 kHz; samples beyond +-1 are clipped."""
    samples = np.ascontiguousarray(as_int16(wave)[None])
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono", options={"compression_level": "12"})
        for start in range(0, samples.shape[1], BLOCK):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, start : start + BLOCK]), format="s16", layout="mono"
            )
            frame.sample_rate = SAMPLE_RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def span_lines(filename: str, spans: Iterable[Span]) -> list[str]:
    """Lines of a DCASE list, without its header.

    >>> span_lines("a.flac", [Span(0.5, 1.25, "dog_bark")])
    ['a.flac\\t0.500\\t1.250\\tdog_bark\\n']
    """
    name = check_text(filename, "file name")
    return [f"{name}\t{onset:.3f}\t{offset:.3f}\t{check_text(label, 'label')}\n" for onset, offset, label in spans]


def write_list(lines: Iterable[str], column: str, path: Path) -> None:
    """A DCASE list with its header; `column` is event_label or scene_label."""
    path.write_text(f"filename\tonset\toffset\t{column}\n" + "".join(lines), encoding="utf-8")
