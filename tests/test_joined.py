"""Ogg files, MP3s and WavPacks in a row, as web radio and `cat` make them: each is decoded by itself, and none loses its end."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolog_cli.sound.audio import Damage, decode
from audiolog_cli.sound.mp3 import Part, id3_size
from audiolog_cli.sound.ogg import Link
from audiolog_cli.sound.stream import Stream
from tests.audio_files import burst_onsets, bursts, encode


class Pipe(io.BytesIO):
    """Bytes that can be read only once."""

    def seekable(self) -> bool:
        return False


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Three seconds each, with a burst at 1 s."""
    folder = tmp_path_factory.mktemp("links")
    return {
        name: encode(folder / name, bursts(3.0, rate, [1.0]), rate).read_bytes()
        for name, rate in {
            "a.opus": 48_000,
            "b.opus": 16_000,
            "a.ogg": 44_100,
            "b.ogg": 22_050,
            "a.mp3": 44_100,
            "b.mp3": 16_000,
            "a.wv": 44_100,
        }.items()
    }


@pytest.mark.parametrize(
    "names",
    [
        ("a.opus", "a.opus"),
        ("a.ogg", "b.ogg"),
        ("b.opus", "a.ogg", "a.opus"),
        ("a.mp3", "a.mp3", "a.mp3"),
        ("b.mp3", "a.mp3"),
        ("a.wv", "a.wv"),
    ],
)
@pytest.mark.parametrize("through_a_pipe", [False, True])
def test_links_of_any_kind_are_one_recording(names: tuple[str, ...], through_a_pipe: bool, links: dict[str, bytes]) -> None:
    """libavformat alone loses the sound of a link whose rate or codec differs, and hears delays and padding at each border."""
    data = b"".join(links[name] for name in names)
    said: list[Damage] = []
    samples = np.concatenate(list(decode(Pipe(data) if through_a_pipe else io.BytesIO(data), report=said.append)))
    alone = sum(len(chunk) for name in names for chunk in decode(io.BytesIO(links[name])))
    assert (len(samples), said) == (alone, [])  # FFmpeg's WavPacks end in a tag
    assert burst_onsets(samples, 32_000) == pytest.approx([3.0 * index + 1.0 for index in range(len(names))], abs=0.004)


def test_a_link_that_cannot_be_decoded_is_reported_where_it_begins(links: dict[str, bytes]) -> None:
    said: list[Damage] = []
    data = links["a.opus"] + links["b.opus"].replace(b"OpusHead", b"OtherOne")
    assert sum(map(len, decode(io.BytesIO(data), report=said.append))) == 96_000
    assert [(one.onset, one.reason) for one in said] == [(3.0, "what follows cannot be read (-: not a readable audio file)")]


def test_the_text_of_an_mp3_may_hold_anything(links: dict[str, bytes]) -> None:
    """Of the second one, that is: `ID3`, and the name of the tag that begins a part."""
    text = b"ID3\4\0\0\0\0\1\0 Info and Xing \xff\xfb".ljust(100, b"\0")
    second = b"ID3\4\0\0\0\0\2\0" + text.ljust(256, b" ") + links["a.mp3"]
    samples = np.concatenate(list(decode(io.BytesIO(links["a.mp3"] + second))))  # damage would be a warning
    assert len(samples) == 6 * 32_000
    assert burst_onsets(samples, 32_000) == pytest.approx([1.0, 4.0], abs=0.004)


@given(st.data())
def test_no_byte_is_lost_or_read_twice(links: dict[str, bytes], data: st.DataObject) -> None:
    """Whatever is damaged: libavformat gets all of it."""
    kind, *names = data.draw(st.sampled_from([(Link, "a.opus", "b.ogg"), (Part, "a.mp3", "b.mp3")]))
    content = bytearray(b"".join(links[name][id3_size(links[name]) :][:9000] for name in names))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=5)):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    del content[(first := data.draw(st.integers(0, len(content)))) : first + data.draw(st.integers(0, 500))]
    stream, read = Stream(io.BytesIO(bytes(content))), bytearray()
    is_followed = True
    while is_followed:
        link = kind(stream)
        while part := link.read(data.draw(st.sampled_from([1000, 65_536]))):
            read += part
        is_followed = link.is_followed
    assert read == content
