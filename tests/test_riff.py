"""Which bytes of a WAV are audio: wrong sizes, what follows the audio, several WAVs in one stream."""

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolog_cli.sound.audio import SAMPLE_RATE, decode, duration
from audiolog_cli.sound.damage import Damage
from tests.audio_files import Wave, noise, wav_bytes
from tests.test_audio import pipe, rf64_bytes

RATE = SAMPLE_RATE
SOUND = (noise(10, RATE, 0.02) * 32767).astype("<i2")


def heard(data: bytes, through_a_pipe: bool = False) -> tuple[Wave, list[tuple[str, str]]]:
    """The samples as 16-bit integers, and what was said: cause and text."""
    said: list[Damage] = []
    source = pipe(data, 5000) if through_a_pipe else io.BytesIO(data)
    samples = np.concatenate(list(decode(source, report=said.append)))
    return (samples * 32768).round().astype("<i2"), [(damage.cause, str(damage)) for damage in said]


def wav(samples: Wave = SOUND, size: int = -1) -> bytes:
    return wav_bytes(samples.tobytes(), RATE, 1, 16, data_size=size)


def w64(samples: Wave, size: int = -1) -> bytes:
    """Sony's Wave64: sizes count their own 24 bytes, chunks begin at multiples of eight."""
    tail = bytes.fromhex("f3acd3118cd100c04f8edb8a")
    data = samples.tobytes()
    body = b"wave" + tail + b"fmt " + tail + struct.pack("<Q", 40) + wav_bytes(b"", RATE, 1, 16)[20:36]
    body += b"data" + tail + struct.pack("<Q", len(data) + 24 if size < 0 else size) + data
    riff = bytes.fromhex("726966662e91cf11a5d628db04c10000")
    return riff + struct.pack("<Q", len(body) + 24) + body


THREE = 3 * RATE * 2  # bytes of three seconds
TOO_SMALL = {
    "stale": wav(size=THREE),
    "stale, odd": wav(size=THREE + 1),
    "zero": wav(size=0),
    "all ones": wav(size=0xFFFF_FFFF),
    "sox": wav(size=0x7FFF_F000),
    "arecord": wav(size=0x8000_0000),
    "rf64": rf64_bytes(SOUND.tobytes(), RATE, promised=THREE),
    "rf64, zero": rf64_bytes(SOUND.tobytes(), RATE, promised=0),
    "rf64, all ones": rf64_bytes(SOUND.tobytes(), RATE, promised=(1 << 63) - 1),
    "w64": w64(SOUND, THREE + 24),
    "w64, empty": w64(SOUND, 24),
    "w64, ffmpeg to a pipe": w64(SOUND, (1 << 63) - 1),
}


@pytest.mark.parametrize("kind", TOO_SMALL)
@pytest.mark.parametrize("through_a_pipe", [False, True])
def test_sound_past_a_size_that_is_too_small_is_heard_to_the_end(kind: str, through_a_pipe: bool) -> None:
    samples, said = heard(TOO_SMALL[kind], through_a_pipe)
    assert samples.tolist() == SOUND.tolist()
    is_stale = kind in ("stale", "stale, odd", "rf64", "w64")
    text = "3.000-10.000 s: more sound than the header declares, heard to the end of the file"
    assert said == ([("more_sound", text)] if is_stale else [])
    if not through_a_pipe:
        assert duration(io.BytesIO(TOO_SMALL[kind])) is None  # only decoding tells


@pytest.mark.parametrize("size", [0x7FFF_F000, 0xFFFF_FFFF, 0x8000_0000])
def test_a_size_that_means_unknown_is_not_damage(size: int) -> None:
    assert heard(wav(SOUND[:RATE], size))[1] == []


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


AFTER = {
    "a list": chunk(b"LIST", b"INFO" + chunk(b"ICMT", b"words\0")),
    "a chunk of the recorder's own": chunk(b"zOOm", bytes(range(250)) * 5),
    "two, one of them unknown": chunk(b"xyz ", b"abc") + chunk(b"bext", bytes(602)),
    "a chunk that breaks off": chunk(b"LIST", bytes(1000))[:500],
    "zeros up to a cluster": bytes(4000),
    "zeros, then a chunk": bytes(1000) + chunk(b"iXML", b"<BWFXML/>"),
    "the tag of an MP3": b"TAG" + b"title".ljust(125),
    "a few bytes": b"made by hand",
}


@pytest.mark.parametrize("kind", AFTER)
@pytest.mark.parametrize("through_a_pipe", [False, True])
def test_what_is_not_sound_is_not_decoded(kind: str, through_a_pipe: bool) -> None:
    for data in (wav(SOUND[:RATE]), rf64_bytes(SOUND[:RATE].tobytes(), RATE)):
        samples, said = heard(data + AFTER[kind], through_a_pipe)
        assert (samples.tolist(), said) == (SOUND[:RATE].tolist(), [])


def test_a_chunk_after_an_odd_number_of_bytes_with_and_without_padding() -> None:
    data = bytes(range(1, 200)) * 41  # odd
    for padding in (b"\0", b""):
        samples, said = heard(wav_bytes(data, RATE, 1, 8) + padding + AFTER["a list"])
        assert (len(samples), said) == (len(data), [])


def test_what_is_not_decoded_is_reported() -> None:
    for tail, n_bytes in ((bytes(100_000), 100_000), (AFTER["a list"] + noise(10, RATE).tobytes(), 1_280_000)):
        samples, said = heard(wav(SOUND[:RATE]) + tail)
        assert samples.tolist() == SOUND[:RATE].tolist()
        assert said == [("not_heard", f"1.000 s: {n_bytes} bytes after the sound were not heard")]


def test_two_data_chunks_are_one_sound() -> None:
    first, second = SOUND[: 3 * RATE], SOUND[3 * RATE :]
    for between in (b"", AFTER["a list"]):
        data = wav(first) + between + chunk(b"data", second.tobytes())
        for through_a_pipe in (False, True):
            samples, said = heard(data, through_a_pipe)
            assert (samples.tolist(), said) == (SOUND.tolist(), [])
        assert duration(io.BytesIO(data)) == 10.0


@pytest.mark.parametrize("sizes", [(-1, -1), (-1, 0), (0xFFFF_FFFF, 0xFFFF_FFFF), (0x7FFF_F000, -1)])
@pytest.mark.parametrize("through_a_pipe", [False, True])
def test_two_wavs_one_after_the_other(sizes: tuple[int, int], through_a_pipe: bool) -> None:
    data = wav(SOUND[: 3 * RATE], sizes[0]) + wav(SOUND[3 * RATE :], sizes[1])
    samples, said = heard(data, through_a_pipe)
    assert abs(len(samples) - len(SOUND)) <= 8  # of a header between two reads, up to 15 bytes were given
    assert samples[-7 * RATE :].tolist() == SOUND[3 * RATE :].tolist()
    assert said == []


def test_a_second_wav_of_another_kind() -> None:
    stereo = wav_bytes(np.repeat(SOUND[:16_000], 2).tobytes(), 16_000, 2, 16)
    samples, said = heard(wav(SOUND[:RATE]) + AFTER["a list"] + stereo, through_a_pipe=True)
    assert (len(samples), said) == (2 * RATE, [])


def test_a_second_wav_that_breaks_off_is_damage_at_its_time() -> None:
    assert heard(wav(SOUND[:RATE]) + wav(SOUND[: 2 * RATE])[: 44 + RATE * 2])[1] == [
        ("broken_off", "2.000-3.000 s: the file breaks off before the end that its header declares")
    ]
    assert heard(wav(SOUND[:RATE]) + wav(SOUND)[:20])[1] == [
        ("lost", "1.000 s: what follows cannot be read (-: not a readable audio file)")
    ]


@pytest.mark.parametrize("byte_rate", [0, 1, 1000, 16_000_000])
@pytest.mark.parametrize("through_a_pipe", [False, True])
def test_a_wrong_byte_rate_is_not_damage(byte_rate: int, through_a_pipe: bool) -> None:
    data = bytearray(wav())
    data[28:32] = struct.pack("<I", byte_rate)
    samples, said = heard(bytes(data), through_a_pipe)
    assert (samples.tolist(), said) == (SOUND.tolist(), [])
    assert duration(io.BytesIO(data)) == 10.0


@pytest.mark.parametrize("codec", ["adpcm_ms", "adpcm_ima_wav", "adpcm_swf", "adpcm_yamaha", "pcm_alaw", "g726"])
def test_compressed_wavs_are_whole_or_break_off(codec: str, tmp_path: Path) -> None:
    import av

    path = tmp_path / "a.wav"
    rate = 8000 if codec == "g726" else 22_050
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"code_size": "4"} if codec == "g726" else {})
        stream.codec_context.layout = "mono"
        frame = av.AudioFrame.from_ndarray((noise(4, rate) * 32767).astype("<i2")[np.newaxis], "s16", "mono")
        frame.sample_rate = rate
        converter = av.AudioResampler(stream.codec_context.format.name, "mono", rate, frame_size=stream.codec_context.frame_size)
        for part in [*converter.resample(frame), *converter.resample(None), None]:
            container.mux(stream.encode(part))
    data = path.read_bytes()
    for through_a_pipe in (False, True):
        samples, said = heard(data, through_a_pipe)
        assert said == []
        assert len(samples) / RATE == pytest.approx(4, abs=0.1)
        samples, said = heard(data[: len(data) // 2], through_a_pipe)
        assert len(samples) / RATE == pytest.approx(2, abs=0.1)
        assert [cause for cause, _ in said] == ["broken_off"]
        assert float(said[0][1].split("-")[1].split(" ")[0]) == pytest.approx(4, abs=0.1)


# Four gigabytes, sparse: they take no room


def big(path: Path, size: int, n_bytes: int, at: int, what: bytes) -> Path:
    """A WAV whose header says `size`, of `n_bytes` of zeros with `what` at a place in them; 32 bits, 8 channels, 768 kHz."""
    with path.open("wb") as file:
        file.write(wav_bytes(b"", 768_000, 8, 32, data_size=size))
        file.seek(44 + at)
        file.write(what)
        file.truncate(44 + n_bytes)
    return path


def test_a_size_that_wrapped_at_four_gigabytes_is_unwrapped(tmp_path: Path) -> None:
    n_bytes = 205 * 768_000 * 32
    assert duration(big(tmp_path / "a.wav", n_bytes % (1 << 32), n_bytes, 0, b"")) == 205.0
    with (tmp_path / "a.wav").open("ab") as file:
        file.write(AFTER["a list"])
    assert duration(tmp_path / "a.wav") == 205.0


def test_four_gigabytes_of_zeros_after_the_sound_cost_no_time(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(SOUND[:RATE]))
    os.truncate(path, 5 << 30)
    said: list[Damage] = []
    assert sum(map(len, decode(path, report=said.append))) == RATE
    assert [damage.cause for damage in said] == ["not_heard"]


@given(size=st.integers(0, 0xFFFF_FFFF), tail=st.binary(max_size=1200))
@settings(deadline=None, max_examples=50)
def test_no_size_and_no_tail_lose_sound_or_fail(size: int, tail: bytes) -> None:
    """Of a second of sound, at least that much is heard if the header declares so much; all of it is, if it declares less."""
    for through_a_pipe in (False, True):
        samples, _ = heard(wav(SOUND[:RATE], size) + tail, through_a_pipe)
        assert samples[: min(size // 2, RATE)].tolist() == SOUND[: min(size // 2, RATE)].tolist()
        assert len(samples) >= RATE - 256  # up to FEW bytes are taken for nothing
