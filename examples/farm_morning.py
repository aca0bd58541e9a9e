"""Composes `farm_morning.flac` and its reference from the recordings of Debian's package tuxpaint-stamps-default.

    apt-get download tuxpaint-stamps-default && dpkg -x tuxpaint-stamps-default_*.deb stamps
    python examples/farm_morning.py stamps/usr/share/tuxpaint/stamps examples

A farmyard (the scene `park`: birds, animals, a light breeze), then a kitchen (`home`) with a washing machine. Every sound is in
SCORE.
"""

import sys
from pathlib import Path

import numpy as np

from audiolog_cli.mixing.augment import SAMPLE_RATE, Wave, amplitude, fade, fft_size, noise, rms
from audiolog_cli.mixing.composing import span_lines, write_flac, write_list
from audiolog_cli.mixing.windows import EDGE, Span, add_event, cross_fade, loop
from audiolog_cli.sound import audio

YARD, KITCHEN = 64.0, 36.0  # seconds
FADE = SAMPLE_RATE // 2
BREEZE = -67.0  # dBFS, RMS
MACHINE = -55.0

# onset (s), file, label, dB over what sounds beneath, and seconds to repeat it for (0: once)
SCORE = (
    (1.5, "animals/birds/blackbird.ogg", "bird", 14, 0),
    (6.0, "animals/birds/rooster.ogg", "rooster", 26, 0),
    (11.0, "animals/birds/rooster.ogg", "rooster", 24, 0),
    (15.0, "animals/mammals/dogs/dog.ogg", "dog_bark", 26, 3.0),
    (20.5, "animals/mammals/bovines/cow.ogg", "cow", 28, 0),
    (23.0, "animals/mammals/bovines/cow_white.ogg", "cow", 26, 0),
    (27.0, "animals/birds/lark.ogg", "bird", 18, 5.0),
    (29.0, "animals/mammals/bovines/sheep.ogg", "sheep", 24, 0),
    (31.5, "animals/mammals/bovines/sheep_lamb.ogg", "sheep", 22, 1.5),
    (35.0, "animals/mammals/bovines/goat.ogg", "sheep", 24, 1.4),
    (39.0, "animals/birds/crow.ogg", "crow", 26, 0),
    (42.0, "animals/birds/crow.ogg", "crow", 22, 0),
    (46.0, "animals/mammals/dogs/dog.ogg", "dog_bark", 24, 4.0),
    (47.5, "animals/birds/rooster.ogg", "rooster", 6, 0),
    (53.0, "animals/birds/blackbird.ogg", "bird", 16, 0),
    (55.0, "animals/mammals/bovines/bull.ogg", "cow", 18, 0),
    (68.0, "animals/mammals/equines/horse_desc.ogg", "speech", 22, 0),
    (70.5, "animals/mammals/bovines/cow_desc.ogg", "speech", 22, 0),
    (74.0, "household/toilet.ogg", "water", 20, 0),
    (79.0, "household/vacuum_cleaner.ogg", "vacuum_cleaner", 18, 7.0),
    (89.0, "animals/mammals/dogs/dog_desc.ogg", "speech", 22, 0),
    (92.0, "animals/mammals/dogs/dog.ogg", "dog_bark", 20, 2.0),
)


def sound(stamps: Path, name: str) -> Wave:
    """A stamp's recording, mono at 32 kHz."""
    return np.concatenate(list(audio.decode(str(stamps / name))))


def background(stamps: Path) -> Wave:
    """The yard's breeze, then, after a cross-fade, the washing machine."""
    rng = np.random.default_rng(20)
    breeze = noise(round(YARD * SAMPLE_RATE) + FADE // 2, "brown", rng)
    breeze = shaped(breeze, np.array([30.0, 120.0, 4000.0, 9000.0]), np.array([-30.0, 0.0, 0.0, -30.0]))
    machine = loop(sound(stamps, "household/Washing-machine.ogg"), round(KITCHEN * SAMPLE_RATE) + FADE - FADE // 2)
    return cross_fade(breeze * amplitude(BREEZE) / rms(breeze), machine * amplitude(MACHINE) / rms(machine), FADE)


def shaped(wave: Wave, points_hz: Wave, gains_db: Wave) -> Wave:
    """With these gains at these frequencies, interpolated over log frequency."""
    n_fft = fft_size(wave.size)
    grid = np.geomspace(20.0, SAMPLE_RATE / 2, 256)
    gains = 10.0 ** (np.interp(np.log(grid), np.log(points_hz), gains_db) / 20.0)
    gain = np.interp(np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE), grid, gains).astype(np.float32)
    return np.fft.irfft(np.fft.rfft(wave, n_fft) * gain, n_fft)[: wave.size].astype(np.float32)


def compose(stamps: Path) -> tuple[Wave, list[Span], list[Span]]:
    """The recording, its events, its scenes."""
    wave, events = background(stamps), []
    for onset, name, label, snr_db, seconds in SCORE:
        piece = fade(sound(stamps, name), EDGE, EDGE)
        if seconds:
            piece = np.tile(piece, int(seconds * SAMPLE_RATE / piece.size) + 1)[: int(seconds * SAMPLE_RATE)]
        span = add_event(wave, piece, round(onset * SAMPLE_RATE), snr_db, label)
        assert span is not None, f"{name} is silent"
        events.append(span)
    scenes = [Span(0.0, YARD, "park"), Span(YARD, YARD + KITCHEN, "home")]
    return np.clip(wave * (0.7 / max(0.7, float(np.abs(wave).max()))), -1, 1), events, scenes


if __name__ == "__main__":
    stamps_folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    composed, in_it, places = compose(stamps_folder)
    write_flac(composed, out / "farm_morning.flac")
    write_list(span_lines("farm_morning.flac", in_it), "event_label", out / "farm_morning.events.tsv")
    write_list(span_lines("farm_morning.flac", places), "scene_label", out / "farm_morning.scenes.tsv")
