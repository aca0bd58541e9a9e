"""Recordings to samples and windows: lengths and positions to the sample, every container, pipes, and damage."""

import errno
import io
import os
import struct
import threading
from collections.abc import Callable, Iterator
from math import ceil
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolog_cli.errors import AudioError, UsageError
from audiolog_cli.sound.audio import SAMPLE_RATE, DecodeOptions, decode, duration, exact_duration, resampled, windows, windows_at
from audiolog_cli.sound.containers import Source
from audiolog_cli.sound.damage import Damage, DamageWarning
from audiolog_cli.sound.pcm import RawFormat
from tests.audio_files import ENCODERS, Wave, burst_onsets, bursts, encode, noise, sine, wav_bytes, write_wav
from tests.conftest import not_root

RATES = {".opus": 48_000, ".webm": 48_000}  # Opus knows no 44.1 kHz
LOSSLESS = (".wav", ".flac", ".wv", ".mka", ".caf")


def whole(source: Source, channel: str = "mix", raw: RawFormat | None = None) -> Wave:
    """All samples. Damage would be a warning, which fails the test."""
    return np.concatenate(list(decode(source, DecodeOptions(channel=channel, raw=raw))))


def whole_and_damage(source: Source) -> tuple[Wave, list[str]]:
    damage: list[Damage] = []
    samples = np.concatenate(list(decode(source, report=damage.append)))
    return samples, [str(stretch) for stretch in damage]


class Pipe(io.RawIOBase):
    """Bytes that come in pieces and only once."""

    def __init__(self, data: bytes, piece: int = 4096) -> None:
        self.file, self.piece = io.BytesIO(data), piece

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        return self.file.readinto(memoryview(buffer)[: self.piece])


def pipe(data: bytes, piece: int = 4096) -> BinaryIO:
    return io.BufferedReader(Pipe(data, piece))


# Length and place


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 31_999, 32_000, 44_100, 48_000, 96_000, 192_000])
def test_n_samples_at_a_rate_become_ceil_n_times_32000_by_rate(rate: int, tmp_path: Path) -> None:
    n = 2 * rate + 17
    impulse = np.zeros(n, np.float32)
    impulse[rate + 5] = 0.9
    samples = whole(write_wav(tmp_path / "a.wav", impulse, rate))
    assert len(samples) == ceil(n * SAMPLE_RATE / rate)
    assert abs(int(np.argmax(np.abs(samples))) - (rate + 5) * SAMPLE_RATE / rate) <= 1


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 100, 4410])
def test_recordings_shorter_than_the_resampler_s_filter_keep_their_length(n: int, tmp_path: Path) -> None:
    samples = whole(write_wav(tmp_path / "a.wav", np.full(n, 0.5, np.float32), 44_100))
    assert len(samples) == ceil(n * 32_000 / 44_100)


@given(cuts=st.lists(st.integers(0, 20_000), max_size=8), rate=st.sampled_from([8_000, 32_000, 44_100, 48_000]))
@settings(deadline=None, max_examples=40)
def test_resampling_does_not_depend_on_how_the_sound_is_cut_into_blocks(cuts: list[int], rate: int) -> None:
    sound = noise(20_000 / rate, rate)
    blocks = [(rate, block) for block in np.split(sound, sorted(cuts)) if len(block)]
    streamed = np.concatenate(list(resampled(blocks, SAMPLE_RATE)))
    assert streamed.tobytes() == np.concatenate(list(resampled([(rate, sound)], SAMPLE_RATE))).tobytes()


def test_length_stays_exact_over_changes_of_the_sample_rate() -> None:
    blocks = [
        (44_100, noise(0.5, 44_100)),
        (32_000, noise(0.3, 32_000)),
        (8_000, noise(1.1, 8_000)),
        (44_100, noise(0.21, 44_100)),
    ]
    assert sum(map(len, resampled(blocks, SAMPLE_RATE))) == 2110 * SAMPLE_RATE // 1000


def test_a_sine_keeps_its_frequency_and_level() -> None:
    samples = np.concatenate(list(resampled([(44_100, sine(2, 44_100, 1000, 0.5))], SAMPLE_RATE)))
    expected = sine(2, SAMPLE_RATE, 1000, 0.5)
    assert np.abs(samples - expected)[100:-100].max() < 1e-3


@pytest.mark.parametrize("suffix", ENCODERS)
def test_every_container_keeps_times_and_length(suffix: str, tmp_path: Path) -> None:
    """Encoder delay is cut where the container states it; raw ADTS (.aac) cannot state it."""
    rate = RATES.get(suffix, 44_100)
    sound = bursts(6.5, rate, [1.0, 3.0, 5.5])
    samples = whole(encode(tmp_path / f"a{suffix}", sound, rate))
    delay = 0.025 if suffix == ".aac" else 0.003
    assert burst_onsets(samples, SAMPLE_RATE) == pytest.approx([1.0, 3.0, 5.5], abs=delay)
    tolerance = 0 if suffix in LOSSLESS or suffix in (".mp3", ".opus", ".webm") else 0.07 * SAMPLE_RATE
    assert abs(len(samples) - ceil(len(sound) * SAMPLE_RATE / rate)) <= tolerance
    assert -1 <= samples.min() < samples.max() <= 1
    assert samples.dtype == np.float32


@pytest.mark.parametrize("suffix", [suffix for suffix in ENCODERS if suffix not in (".m4a", ".mp4")])
def test_a_pipe_gives_the_samples_of_the_file(suffix: str, tmp_path: Path) -> None:
    rate = RATES.get(suffix, 44_100)
    path = encode(tmp_path / f"a{suffix}", noise(3.21, rate), rate)
    assert whole(pipe(path.read_bytes(), 777)).tobytes() == whole(str(path)).tobytes()


def vorbis(path: Path, sound: Wave, rate: int) -> Path:
    """Encoded by libvorbis, which takes short blocks at each burst; FFmpeg's own encoder does not."""
    pytest.importorskip("soundfile", reason="soundfile is not installed: nothing else here holds libvorbis").write(
        path, sound, rate
    )
    return path


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_vorbis_blocks_that_change_their_size_are_no_damage(rate: int, tmp_path: Path) -> None:
    onsets = [round(0.37 * (k + 1), 2) for k in range(40)]
    sound = bursts(16, rate, onsets) + noise(16, rate, 0.003, seed=1)
    path = vorbis(tmp_path / "a.ogg", sound, rate)
    for source in (path, pipe(path.read_bytes())):
        samples = whole(source)  # damage would be a warning
        assert len(samples) / SAMPLE_RATE == pytest.approx(16, abs=0.01)
        assert burst_onsets(samples, SAMPLE_RATE) == pytest.approx(onsets, abs=0.02)  # the encoder smears bursts over a block


def test_a_lost_page_of_vorbis_is_silence_and_what_follows_keeps_its_time(tmp_path: Path) -> None:
    onsets = [round(0.37 * (k + 1), 2) for k in range(40)]
    sound = bursts(16, 44_100, onsets) + noise(16, 44_100, 0.003, seed=1)
    pages = vorbis(tmp_path / "a.ogg", sound, 44_100).read_bytes().split(b"OggS")
    samples, damage = whole_and_damage(io.BytesIO(b"OggS".join(pages[:6] + pages[7:])))
    found = burst_onsets(samples, SAMPLE_RATE)
    assert all(min(abs(onset - other) for other in onsets) < 0.01 for onset in found)
    assert len(found) < len(onsets) and found[-1] == pytest.approx(onsets[-1], abs=0.004)
    assert len(damage) == 1 and damage[0].endswith("broken or missing frames, taken as silence")


@pytest.mark.parametrize("n_picture", [0, 300_000])
def test_info_in_the_text_of_an_mp3_is_not_a_count_of_frames(n_picture: int, tmp_path: Path) -> None:
    data = encode(tmp_path / "a.mp3", noise(3, 44_100), 44_100).read_bytes()
    data = data[data.index(b"\xff\xfb") :]  # without the encoder's own ID3 tag
    text = b"TIT2" + struct.pack(">IH", 60, 0) + b"\3" + b"Info\0\0\0\1\0\0\0\2 and \xff\xfb Xing\0\0\0\1\0\0\0\1".ljust(59)
    body = text + b"APIC" + struct.pack(">IH", n_picture, 0) + bytes(n_picture)
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    tagged = b"ID3\3\0\0" + size + body + data
    for source in (io.BytesIO(tagged), pipe(tagged), io.BytesIO(data), pipe(data)):
        assert len(whole(source)) == 3 * SAMPLE_RATE
    cut = tagged[: len(tagged) - len(data) // 2]
    assert [damage.split(": ")[1] for damage in whole_and_damage(io.BytesIO(cut))[1]] == [
        "the file breaks off before the end that its header declares"
    ]


# Channels and sample formats


def test_mix_is_the_mean_of_all_channels_and_a_channel_is_itself(tmp_path: Path) -> None:
    levels = np.array([0.5, 0.25, -0.5], np.float32)
    path = write_wav(tmp_path / "a.wav", np.repeat(levels[:, None], 3200, axis=1), SAMPLE_RATE)
    expected = {"mix": levels.mean(), "left": 0.5, "right": 0.25, "1": 0.5, "3": -0.5}
    for channel, level in expected.items():
        assert whole(path, channel) == pytest.approx(np.full(3200, level), abs=1e-4)


def test_more_channels_than_any_loudspeaker_layout_has(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.arange(24)[:, None] / 100 + np.zeros((1, 320)), SAMPLE_RATE)
    assert whole(path, "24") == pytest.approx(np.full(320, 0.23), abs=1e-4)
    assert whole(path) == pytest.approx(np.full(320, 0.115), abs=1e-4)


def test_channels_that_are_not_there(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", sine(1, 8000), 8000)
    with pytest.raises(AudioError, match=r"a\.wav: no channel right, it has 1; --channel mix takes the mean of all$"):
        whole(path, "right")
    with pytest.raises(UsageError, match="^--channel 0: expected mix, left, right or a number from 1$"):
        DecodeOptions(channel="0")


@pytest.mark.parametrize(
    ("bits", "code", "encoded"),
    [
        (8, 1, struct.pack("<B", 192)),
        (16, 1, struct.pack("<h", 1 << 14)),
        (24, 1, struct.pack("<i", 1 << 22)[:3]),
        (32, 1, struct.pack("<i", 1 << 30)),
        (32, 3, struct.pack("<f", 0.5)),
        (64, 3, struct.pack("<d", 0.5)),
    ],
)
def test_half_of_full_scale_is_one_half_in_every_sample_format(bits: int, code: int, encoded: bytes) -> None:
    samples = whole(io.BytesIO(wav_bytes(encoded * 3200, SAMPLE_RATE, 1, bits, code)))
    assert samples.tolist() == [0.5] * 3200


@pytest.mark.parametrize(("bits", "code", "raw"), [(8, 1, "u8"), (16, 1, "s16le"), (24, 1, "s24le"), (32, 3, "f32le")])
@pytest.mark.parametrize("through_a_pipe", [False, True])
def test_a_wav_holds_what_its_bytes_are_without_the_header(bits: int, code: int, raw: str, through_a_pipe: bool) -> None:
    """Also in an extensible header with the same subtype, and with a loudspeaker's place, which libavformat reads."""
    data = (noise(2, 8000, 0.01) * (1 if code == 3 else 2**30)).astype("<f4" if code == 3 else "<i4").tobytes()
    data = b"".join(data[i : i + 4][-bits // 8 :] for i in range(0, len(data), 4)) if bits < 32 else data
    expected = whole(io.BytesIO(data), raw=RawFormat(8000, 2, raw)).tolist()
    plain = wav_bytes(data, 8000, 2, bits, code)
    subtype = struct.pack("<HH", 22, bits) + struct.pack("<IH", 3, code) + bytes.fromhex("000000001000800000aa00389b71")
    extensible = plain[:16] + struct.pack("<IH", 40, 0xFFFE) + plain[22:36] + subtype + plain[36:]
    for wav in (plain, extensible):
        assert whole(pipe(wav) if through_a_pipe else io.BytesIO(wav)).tolist() == expected


@pytest.mark.parametrize("byte_order", ["<i2", ">i2"])
@pytest.mark.parametrize("through_a_pipe", [False, True])
def test_compressed_sound_that_a_wav_calls_samples_is_decoded(byte_order: str, through_a_pipe: bool) -> None:
    """DTS, AC-3 and MP3 are found so, for receivers that know them."""
    packed = io.BytesIO()
    with av.open(packed, "w", format="ac3") as container:
        stream = container.add_stream("ac3", rate=48_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.stack([sine(4, 48_000)] * 2), "fltp", "stereo")
        frame.sample_rate = 48_000
        for part in (frame, None):
            container.mux(stream.encode(part))
    data = np.frombuffer(packed.getvalue(), "<i2").astype(byte_order).tobytes()
    wav = wav_bytes(data, 48_000, 2, 16)
    sound = whole_and_damage(pipe(wav) if through_a_pipe else io.BytesIO(wav))[0]
    assert len(sound) / SAMPLE_RATE == pytest.approx(4, abs=0.1)
    assert np.abs(sound[SAMPLE_RATE : 3 * SAMPLE_RATE]).max() == pytest.approx(0.5, abs=0.01)  # of the sine; noise is louder


def test_raw_pcm_has_no_header() -> None:
    data = np.full(1600, 1 << 14, ">i2").tobytes()
    assert whole(io.BytesIO(data), raw=RawFormat(32_000, 2, "s16be")).tolist() == [0.5] * 800
    assert whole(pipe(data), raw=RawFormat(32_000, 10, "s16be")).tolist() == [0.5] * 160


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("44100,2", "--raw 44100,2: expected RATE,CHANNELS,FORMAT, such as 44100,2,s16le"),
        ("x,2,s16le", "--raw x,2,s16le: expected RATE,CHANNELS,FORMAT, such as 44100,2,s16le"),
        ("0,2,s16le", "--raw 0,2,s16le: expected a rate of 100 to 1000000 Hz and 1 to 64 channels"),
        ("8000,1,s16", "--raw 8000,1,s16: unknown sample format s16; one of u8 s8 s16le"),
    ],
)
def test_invalid_raw_formats(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        RawFormat.parse(text)
    assert str(error.value).startswith(message)


# Pipes and live sound


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_FFFF, 0x8000_0000])
def test_a_wav_from_a_pipe_is_read_past_a_made_up_size(size: int) -> None:
    data = (noise(1, 16_000) * 32767).astype("<i2").tobytes()
    header = wav_bytes(data, 16_000, 1, 16, riff_size=size, data_size=max(0, size - 36) if size else 0)
    assert len(whole(pipe(header))) == SAMPLE_RATE


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF])
def test_a_wav_that_is_still_being_written_is_read_as_far_as_it_is(size: int) -> None:
    """Recorders write the sizes when they stop."""
    wav = wav_bytes(bytes(32_000), 16_000, 1, 16, riff_size=size, data_size=size)
    assert len(whole(io.BytesIO(wav))) == SAMPLE_RATE
    assert duration(io.BytesIO(wav)) is None


def test_chunks_after_the_sound_of_a_wav_are_not_sound() -> None:
    data = (noise(1, 16_000) * 32767).astype("<i2").tobytes()
    tail = b"LIST" + struct.pack("<I", 1000) + bytes(range(250)) * 4
    wav = wav_bytes(data, 16_000, 1, 16, riff_size=len(data) + 36 + 1008) + tail
    assert len(whole(pipe(wav))) == len(whole(io.BytesIO(wav))) == SAMPLE_RATE


def rf64_bytes(data: bytes, rate: int, channels: int = 1, bits: int = 16, promised: int = -1, magic: bytes = b"RF64") -> bytes:
    """RF64, whose sizes are in ds64 (EBU Tech 3306); 64 bits are floats."""
    size = len(data) if promised < 0 else promised
    head = magic + b"\xff\xff\xff\xffWAVEds64" + struct.pack("<IQQQI", 28, size + 72, size, size * 8 // bits // channels, 0)
    return head + wav_bytes(b"", rate, channels, bits, code=3 if bits == 64 else 1)[12:36] + b"data\xff\xff\xff\xff" + data


@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
def test_rf64_and_bw64(magic: bytes) -> None:
    wav = rf64_bytes((noise(1, 16_000) * 32767).astype("<i2").tobytes(), 16_000, magic=magic)
    assert len(whole(io.BytesIO(wav))) == len(whole(pipe(wav))) == SAMPLE_RATE
    assert duration(io.BytesIO(wav)) == 1.0


def test_rf64_over_four_gigabytes_has_its_length_from_the_header(tmp_path: Path) -> None:
    n_bytes = 5 << 30
    path = tmp_path / "long.wav"
    path.write_bytes(rf64_bytes(b"", 32_000, promised=n_bytes))
    os.truncate(path, n_bytes + 80)  # sparse: it takes no room
    assert duration(path) == n_bytes / 2 / 32_000


@pytest.mark.slow
def test_an_impulse_past_four_gigabytes_is_found_at_its_sample(tmp_path: Path) -> None:
    rate, channels, seconds = 96_000, 8, 800
    n_bytes = seconds * rate * channels * 8
    head = rf64_bytes(b"", rate, channels, 64, promised=n_bytes)
    place = 750 * rate + 48_000  # 4.6 GB into the file
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + n_bytes)
        file.seek(len(head) + place * channels * 8)
        file.write(np.full(channels, 0.9, "<f8").tobytes())
    n_samples, found = 0, list[int]()
    for chunk in decode(path):
        if len(chunk) and chunk.max() > 0.1:
            found.append(n_samples + int(np.argmax(chunk)))
        n_samples += len(chunk)
    assert (n_samples, found) == (seconds * SAMPLE_RATE, [750 * SAMPLE_RATE + 16_000])


def test_live_sound_is_passed_on_before_the_stream_ends() -> None:
    """Two seconds are written and then nothing more until more than one and a half have been decoded."""
    source, sink = os.pipe()
    data = (noise(2, 16_000) * 32767).astype("<i2").tobytes()
    heard = threading.Event()

    def recorder() -> None:
        with os.fdopen(sink, "wb", buffering=0) as file:
            file.write(data)
            assert heard.wait(60), "nothing was decoded while the pipe stayed open"

    thread = threading.Thread(target=recorder)
    thread.start()
    n_samples = 0
    with os.fdopen(source, "rb") as file:
        for chunk in decode(file, DecodeOptions(raw=RawFormat(16_000, 1, "s16le"))):
            n_samples += len(chunk)
            if n_samples >= 1.5 * SAMPLE_RATE:
                heard.set()
    thread.join()
    assert n_samples == 2 * SAMPLE_RATE


def test_a_fifo_is_read_as_it_fills(tmp_path: Path) -> None:
    path, sound = tmp_path / "live", write_wav(tmp_path / "a.wav", noise(2, 44_100), 44_100)
    os.mkfifo(path)
    threading.Thread(target=lambda: path.write_bytes(sound.read_bytes())).start()
    assert whole(path).tobytes() == whole(sound).tobytes()


def test_an_mp4_whose_index_is_at_its_end_cannot_come_through_a_pipe(tmp_path: Path) -> None:
    data = encode(tmp_path / "a.m4a", noise(2, 44_100), 44_100).read_bytes()
    with pytest.raises(AudioError, match="an MP4 or M4A whose index is at its end must be given as a file, not through a pipe$"):
        whole(pipe(data))


@pytest.mark.parametrize("header", [b"", wav_bytes(b"", 8000, 1, 16, data_size=0xFFFF_FFFF)], ids=["raw", "wav"])
def test_eight_minutes_need_the_memory_of_a_second(header: bytes) -> None:
    import tracemalloc

    class Endless(io.RawIOBase):
        at, end = 0, len(header) + 8 * 60 * 8000 * 2

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            n_bytes = min(len(buffer), self.end - self.at)
            buffer[:n_bytes] = header[self.at :][:n_bytes].ljust(n_bytes, b"\0")
            self.at += n_bytes
            return n_bytes

    tracemalloc.start()
    raw = None if header else RawFormat(8000, 1, "s16le")
    stream = decode(io.BufferedReader(Endless()), DecodeOptions(raw=raw))
    n_windows = sum(1 for _ in windows(stream, 10, 10))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_windows == 48
    assert peak < 8e6  # bytes; a window is 1.28e6


# Damage: the rest is analysed at the right times

ONSETS = [2.0, 4.0, 6.0, 8.0, 11.0]


@pytest.fixture
def damaged(tmp_path: Path) -> Callable[[str, float, bytes], BinaryIO]:
    """Encodes bursts at ONSETS over faint noise, and overwrites bytes at a fraction of the file."""

    def make(suffix: str, place: float, new: bytes) -> BinaryIO:
        rate = RATES.get(suffix, 44_100)
        sound = bursts(12.5, rate, ONSETS) + noise(12.5, rate, 0.002, seed=9)
        data = bytearray(encode(tmp_path / f"a{suffix}", sound, rate).read_bytes())
        first = int(len(data) * place)
        data[first : first + len(new)] = new
        return io.BytesIO(bytes(data))

    return make


@pytest.mark.parametrize("suffix", [".flac", ".wv", ".mp3", ".m4a", ".opus"])
@pytest.mark.parametrize("n_bytes", [300, 3000])
def test_broken_frames_become_silence_and_what_follows_keeps_its_time(
    suffix: str, n_bytes: int, damaged: Callable[[str, float, bytes], BinaryIO]
) -> None:
    garbage = np.random.default_rng(1).bytes(n_bytes)
    samples, damage = whole_and_damage(damaged(suffix, 0.6, garbage))
    found = burst_onsets(samples, SAMPLE_RATE)
    kept = [onset for onset in ONSETS if min(abs(onset - other) for other in found) < 0.003]
    assert len(kept) == len(found) >= len(ONSETS) - 1, found
    assert {2.0, 4.0, 6.0, 11.0} <= set(kept)
    assert len(damage) == 1
    assert damage[0].endswith("s: broken or missing frames, taken as silence")


def test_a_long_stretch_of_zeros_in_an_mp3_is_as_long_as_its_bytes(damaged: Callable[[str, float, bytes], BinaryIO]) -> None:
    samples, damage = whole_and_damage(damaged(".mp3", 0.55, bytes(8000)))
    assert burst_onsets(samples, SAMPLE_RATE) == pytest.approx(ONSETS, abs=0.027)  # a frame is 26 ms
    assert len(damage) == 1


def test_flac_damage_is_reported_with_its_range_in_time(damaged: Callable[[str, float, bytes], BinaryIO]) -> None:
    _, damage = whole_and_damage(damaged(".flac", 0.6, bytes(100)))
    onset, offset = (float(part) for part in damage[0].split(" ")[0].split("-"))
    assert onset < 0.6 * 12.5 < offset
    assert offset - onset == pytest.approx(4608 / 44_100, abs=0.002)  # one FLAC frame


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".wv", ".mp3", ".caf"])
def test_a_recording_that_breaks_off_is_read_as_far_as_it_goes(suffix: str, tmp_path: Path) -> None:
    path = encode(tmp_path / f"a{suffix}", noise(5, 44_100), 44_100)
    data = path.read_bytes()
    for source in (io.BytesIO(data[: len(data) // 2]), pipe(data[: len(data) // 2])):
        samples, damage = whole_and_damage(source)
        assert len(samples) / SAMPLE_RATE == pytest.approx(2.5, abs=0.5 if suffix == ".wv" else 0.2)  # its blocks are of 1 s
        assert damage == [
            f"{len(samples) / SAMPLE_RATE:.3f}-5.000 s: the file breaks off before the end that its header declares"
        ]


def test_a_pause_in_speech_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AMR, as phones record it: while nobody speaks, its packets hold next to nothing, here up to the end."""
    monkeypatch.setitem(ENCODERS, ".amr", ("libopencore_amrnb", "s16", {"dtx": "1"}))
    second = sine(1, 8000)
    path = encode(tmp_path / "a.amr", np.concatenate((0 * second, second, *[0 * second] * 3, second, *[0 * second] * 4)), 8000)
    assert path.stat().st_size < 10 * 50 * 13 / 2  # half of what it would be without pauses
    for source in (path, pipe(path.read_bytes())):
        samples = whole(source)  # damage would be a warning
        assert len(samples) == pytest.approx(10 * SAMPLE_RATE, abs=0.04 * SAMPLE_RATE)
        assert burst_onsets(samples, SAMPLE_RATE, level=0.1) == pytest.approx([1.0, 5.0], abs=0.03)


def test_the_padding_of_a_last_packet_is_no_missing_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ALAC in CAF, as phones record it: packets of 4096 samples, half a second at 8 kHz."""
    monkeypatch.setitem(ENCODERS, ".caf", ("alac", "s16p", {}))
    path = encode(tmp_path / "a.caf", noise(5, 8000), 8000)
    assert whole_and_damage(io.BytesIO(path.read_bytes()))[1] == []


def test_what_is_not_a_number_is_silence_and_reported() -> None:
    sound = np.full(SAMPLE_RATE, 0.5, "<f4")
    sound[3200:3264] = np.nan
    sound[16_000] = np.inf
    samples, damage = whole_and_damage(io.BytesIO(wav_bytes(sound.tobytes(), SAMPLE_RATE, 1, 32, code=3)))
    assert np.flatnonzero(samples != 0.5).tolist() == [*range(3200, 3264), 16_000]
    assert not samples[3200:3264].any()
    assert damage == ["0.100-0.500 s: not numbers (NaN or infinite), taken as silence"]


def test_a_wrong_scale_is_clipped_and_reported_and_a_small_overshoot_is_only_clipped() -> None:
    samples, damage = whole_and_damage(io.BytesIO(wav_bytes(np.full(320, 20_000, "<f4").tobytes(), SAMPLE_RATE, 1, 32, code=3)))
    assert samples.tolist() == [1.0] * 320
    assert damage == ["0.000-0.010 s: samples far beyond full scale, clipped"]
    assert whole(io.BytesIO(wav_bytes(np.full(320, -1.5, "<f4").tobytes(), SAMPLE_RATE, 1, 32, code=3))).tolist() == [-1.0] * 320


def test_damage_that_nobody_asks_for_is_a_warning() -> None:
    cut = wav_bytes(bytes(16_000), 8000, 1, 16, data_size=32_000)
    with pytest.warns(DamageWarning, match=r"^1\.000-2\.000 s: the file breaks off"):
        list(decode(io.BytesIO(cut)))


def test_sample_rate_changes_mid_stream(tmp_path: Path) -> None:
    """Two MP3s in one file, as `cat` makes them."""
    first = encode(tmp_path / "a.mp3", bursts(3, 44_100, [1.0]), 44_100).read_bytes()
    second = encode(tmp_path / "b.mp3", bursts(3, 22_050, [1.0]), 22_050).read_bytes()
    samples, _ = whole_and_damage(io.BytesIO(first + second))
    onsets = burst_onsets(samples, SAMPLE_RATE)
    assert onsets == pytest.approx([1.0, 4.0], abs=0.003)
    assert len(samples) == 6 * SAMPLE_RATE


@given(place=st.floats(0, 1), new=st.binary(min_size=1, max_size=400), end=st.floats(0.01, 1))
@settings(deadline=None, max_examples=60)
def test_no_damage_to_a_file_is_worse_than_an_error(place: float, new: bytes, end: float) -> None:
    for data in FUZZED:
        broken = bytearray(data)
        first = int(place * len(data))
        broken[first : first + len(new)] = new
        for source in (io.BytesIO(bytes(broken[: int(end * len(data))])), pipe(bytes(broken[: int(end * len(data))]))):
            try:
                samples, _ = whole_and_damage(source)
            except AudioError:
                continue
            assert 0 < len(samples) < 3700 * SAMPLE_RATE
            assert np.abs(samples).max() <= 1


def _small_files() -> Iterator[bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".wav", ".flac", ".mp3", ".m4a", ".opus"):
            yield encode(Path(folder) / f"a{suffix}", noise(0.4, 48_000), 48_000).read_bytes()


FUZZED = list(_small_files())


# What cannot be read at all


def test_errors_name_the_file_and_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.wav").touch()
    Path("notes.wav").write_text("These are notes, not sound.\n" * 50)
    Path("list.wav").write_text("#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.wav\n")
    Path("silent.wav").write_bytes(wav_bytes(b"", 8000, 1, 16))
    Path("half.m4a").write_bytes(encode(Path("a.m4a"), noise(1, 44_100), 44_100).read_bytes()[:5000])
    for path, message in {
        "gone.wav": "gone.wav: no such file",
        ".": ".: is a directory; name the recordings in it",
        "empty.wav": "empty.wav: empty file",
        "notes.wav": "notes.wav: not a readable audio file",
        "list.wav": "list.wav: not a readable audio file",
        "silent.wav": "silent.wav: no sound in it, 0 samples",
        "half.m4a": "half.m4a: its index is missing, the MP4 or M4A was broken off while it was written",
        "a\0b.wav": "a\0b.wav: embedded null byte",
    }.items():
        with pytest.raises(AudioError) as error:
            list(decode(path))
        assert str(error.value) == message


def test_a_sample_rate_that_cannot_be_is_an_error_before_the_resampler_eats_the_memory() -> None:
    with pytest.raises(AudioError, match=r"^-: a sample rate of 1358937984 Hz, expected 100 to 1000000: is the file damaged\?$"):
        list(decode(io.BytesIO(wav_bytes(bytes(800), 1_358_937_984, 1, 16))))


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", sine(1, 8000), 8000)
    path.chmod(0)
    with not_root(), pytest.raises(AudioError, match="a.wav: permission denied$"):
        list(decode(path))


@pytest.mark.parametrize("place", [0, 30, 2000, 40_000])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".opus", ".mp3"])
def test_a_disk_that_fails_costs_only_its_recording(suffix: str, place: int, tmp_path: Path) -> None:
    """Wherever it does: an OSError would end the run."""

    class Disk(io.BytesIO):
        name = "a"

        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() + (size or 0) > place:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().read(size)

    disk = Disk(encode(tmp_path / f"a{suffix}", noise(9, 48_000), 48_000).read_bytes())
    with pytest.raises(AudioError, match="^a: Input/output error$"):
        list(decode(disk, report=lambda damage: None))


def test_a_header_that_leads_out_of_the_file_costs_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Two CAF files in a row: what is read as the size of a chunk is beyond what a file may have."""
    layout = struct.pack(">d4sIIIII", 8000.0, b"lpcm", 0, 2, 1, 1, 16)
    caf = b"caff\0\1\0\0desc" + struct.pack(">q", len(layout)) + layout + b"data" + struct.pack(">qI", 404, 0) + bytes(400)

    class File(io.BytesIO):
        def seek(self, place: int, whence: int = os.SEEK_SET, /) -> int:
            if place > 1 << 44:  # where files of ext4 end
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            return super().seek(place, whence)

    assert len(whole(File(caf))) == 800
    assert len(whole(File(caf + caf))) == 800
    assert capfd.readouterr() == ("", "")


def test_samples_too_large_for_float32_are_reported_without_a_warning() -> None:
    data = np.array([0.5, 1e300, 0.25, np.nan] * 2000, "<f8").tobytes()
    samples, damage = whole_and_damage(io.BytesIO(wav_bytes(data, 32_000, 1, 64, code=3)))
    assert (len(samples), damage) == (8000, ["0.000-0.250 s: not numbers (NaN or infinite), taken as silence"])


def test_a_block_without_samples_changes_nothing() -> None:
    """A frame of an MP3 in a pipe may be padding alone."""
    sound = sine(0.5, 48_000)
    empty = np.zeros(0, np.float32)
    parts = [(48_000, part) for part in (sound[:9000], empty, sound[9000:], empty)]
    assert np.array_equal(
        np.concatenate(list(resampled(parts, 32_000))), np.concatenate(list(resampled([(48_000, sound)], 32_000)))
    )


def test_a_track_that_appears_in_the_middle_is_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged byte of an FLV names another codec, for one packet."""
    monkeypatch.setitem(ENCODERS, ".flv", ("libmp3lame", "s16p", {"b": "128k"}))
    data = bytearray(encode(tmp_path / "a.flv", sine(6, 44_100), 44_100).read_bytes())
    tags = [
        at
        for at in range(len(data))
        if data[at] == 8 and data[at + 8 : at + 11] == bytes(3) and data[at + 11 : at + 12] == b"\x2e"
    ]
    data[tags[-20] + 11] = 0x6E
    samples, _ = whole_and_damage(pipe(bytes(data)))
    assert len(samples) / SAMPLE_RATE == pytest.approx(6.0, abs=0.1)


def test_an_empty_pipe_is_empty_input() -> None:
    with pytest.raises(AudioError, match="^-: empty input$"):
        list(decode(pipe(b"")))


def test_a_picture_has_no_sound(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "film.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32  # type: ignore[union-attr]
        stream.pix_fmt = "yuv420p"  # type: ignore[union-attr]
        frame = av.VideoFrame(32, 32, "yuv420p")
        container.mux([*stream.encode(frame), *stream.encode(None)])  # type: ignore[union-attr]
    with pytest.raises(AudioError, match=r"film\.mp4: no sound track in it$"):
        list(decode(tmp_path / "film.mp4"))


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", sine(1, 8000), 8000)
    odd = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    os.rename(path, odd)
    assert len(whole(os.fsdecode(odd))) == SAMPLE_RATE


def test_a_tenth_of_a_second_is_a_recording(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", sine(0.1, 44_100), 44_100)
    (window,) = windows(decode(path), 10, 10)
    assert (window.n_samples, len(window.samples)) == (3200, 320_000)


# Duration


def test_duration_from_the_header_is_that_of_the_samples(tmp_path: Path) -> None:
    for suffix in (".wav", ".flac"):
        path = encode(tmp_path / f"a{suffix}", noise(1.23456, 44_100), 44_100)
        assert duration(path) == exact_duration(path) == len(whole(path)) / SAMPLE_RATE


@pytest.mark.parametrize("fault", ["cut off", "joined by cat", "header too short", "header too long", "damaged"])
def test_the_header_of_a_flac_is_not_trusted_where_its_sound_differs(fault: str, tmp_path: Path) -> None:
    flac = bytearray(encode(tmp_path / "a.flac", noise(2, 44_100), 44_100).read_bytes())
    total = int.from_bytes(flac[21:26], "big") - {"header too short": 44_100, "header too long": -44_100}.get(fault, 0)
    flac[21:26] = total.to_bytes(5, "big")  # the last 36 bits: samples
    if fault == "damaged":
        flac[80_000:120_000] = bytes(40_000)
    (tmp_path / "b.flac").write_bytes({"cut off": flac[:100_000], "joined by cat": flac + flac}.get(fault, flac))
    assert duration(tmp_path / "b.flac") is None


def test_duration_is_unknown_where_only_decoding_tells(tmp_path: Path) -> None:
    for suffix in (".w64", ".mp3", ".m4a", ".ogg", ".webm"):
        assert duration(encode(tmp_path / f"a{suffix}", noise(1, 48_000), 48_000)) is None
    assert duration(pipe(wav_bytes(bytes(800), 8000, 1, 16))) is None
    assert duration(io.BytesIO(wav_bytes(bytes(800), 8000, 1, 16, data_size=8000))) is None  # broken off


# Windows


def cut(sound: Wave, sizes: list[int]) -> list[Wave]:
    return np.split(sound, np.cumsum(sizes)[np.cumsum(sizes) < len(sound)])


sounds = st.integers(1, 5000).map(lambda n: np.arange(1, n + 1, dtype=np.float32))
chunk_sizes = st.lists(st.integers(0, 900), max_size=12)


@given(sound=sounds, sizes=chunk_sizes, window=st.integers(1, 30), hop=st.integers(1, 30))
@settings(deadline=None)
def test_windows_hold_every_sample_at_its_place_however_the_stream_is_cut(
    sound: Wave, sizes: list[int], window: int, hop: int
) -> None:
    hop = min(hop, window)
    found = list(windows(cut(sound, sizes), window / 1000, hop / 1000))
    covered = np.zeros(len(sound), bool)
    for index, part in enumerate(found):
        assert (part.index, part.start, part.onset) == (index, index * hop * 32, index * hop * 32 / SAMPLE_RATE)
        assert len(part.samples) == window * 32
        assert part.samples[: part.n_samples].tolist() == sound[part.start : part.start + window * 32].tolist()
        assert not part.samples[part.n_samples :].any()
        covered[part.start : part.start + part.n_samples] = True
    assert covered.all()
    assert found[-1].start + window * 32 >= len(sound)
    assert all(part.start + window * 32 < len(sound) for part in found[:-1])


@given(sound=sounds, sizes=chunk_sizes, onsets=st.lists(st.integers(0, 200), max_size=6), length=st.integers(1, 40))
@settings(deadline=None)
def test_spans_are_heard_and_nothing_else(sound: Wave, sizes: list[int], onsets: list[int], length: int) -> None:
    spans = [(onset / 1000, (onset + length) / 1000) for onset in sorted(onsets)]
    named, heard = np.zeros(len(sound), bool), np.zeros(len(sound), bool)
    for onset, offset in spans:
        named[round(onset * SAMPLE_RATE) : round(offset * SAMPLE_RATE)] = True
    for part in windows_at(cut(sound, sizes), spans, 0.04, 0.03):
        assert part.samples[: part.n_samples].tolist() == sound[part.start : part.start + part.n_samples].tolist()
        heard[part.start : part.start + part.n_samples] = True
    assert heard.tolist() == named.tolist()


def test_spans_that_touch_are_one_stretch_with_windows_of_its_own() -> None:
    found = windows_at([np.ones(32_000, np.float32)], [(0.1, 0.2), (0.2, 0.35), (0.5, 0.6)], 0.1, 0.08)
    assert [(part.onset, part.n_samples) for part in found] == [
        (0.1, 3200), (0.18, 3200), (0.26, 2880), (0.5, 3200),
    ]  # fmt: skip


def test_spans_out_of_order_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"^spans out of order: 0\.100 s after 0\.500 s$"):
        list(windows_at([np.ones(32_000, np.float32)], [(0.5, 0.6), (0.1, 0.2)], 0.1, 0.1))


def test_a_hop_that_leaves_sound_out_is_an_error() -> None:
    with pytest.raises(ValueError, match="^a hop of 11 s does not cover windows of 10 s$"):
        windows([], 10, 11)
