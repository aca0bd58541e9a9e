"""The chunks of RIFF, RF64, BW64 and W64 files (WAV): which of their bytes are audio, whatever their headers say.

In: a file, or a pipe that is read once. Out: the format and the bytes of audio (`Wave`), for libavformat as one endless WAV; for
clock times, what some chunks of a seekable file hold (`contents`). Audio goes on past a size that is too small: one that wrapped
at 4 GB, that means "unknown" or that a crashed recorder left behind, or past the first of two `data` chunks. What follows a
`data` chunk is a chunk, another WAV, zeros that fill the file, or audio. Nothing is decoded here.

Formats: Microsoft's RIFF, EBU Tech 3306 (RF64), ITU-R BS.2088 (BW64), Sony's Wave64.
"""

import re
from collections.abc import Collection, Iterator
from typing import BinaryIO, NamedTuple

from audiolog_cli.sound.stream import Stream

UNKNOWN_SIZE = 0xFFFF_FFFF  # of a chunk whose size is in ds64, or of an endless stream
LONGEST_CHUNK = 1 << 20  # bytes read of a chunk
MAGIC = (b"RIFF", b"RF64", b"BW64")
W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")  # Wave64's identifiers: four letters, then the same twelve bytes
W64_CHUNKS = (W64_RIFF[4:], bytes.fromhex("f3acd3118cd100c04f8edb8a"), bytes.fromhex("2f91cf11a5d628db04c10000"))
# Sizes that programs write into a pipe, where they cannot know the real one: 0, all ones (ffmpeg), about 2 GiB (arecord, sox).
MADE_UP = (range(1), range(0x7FFF_0000, 0x8000_1000), range(0xFFFF_F000, 0x1_0000_0000))
LARGEST = 1 << 62  # bytes; a larger 64-bit size is made up as well
KNOWN = frozenset(
    b"LIST|fact|bext|iXML|cue |plst|smpl|inst|id3 |ID3 |JUNK|junk|PAD |FLLR|guan|wamd|axml|chna|umid|minf|elm1|regn|ovwf|levl|"
    b"afsp|SAUR|_PMX|acid|strc|DISP|cart|aXML|link|slnt|note|labl|PEAK|LGWV|SMED|DGDA|ResU|bmrk|MD5 "
    b"|Fake|qlty|mext|R64m|wavl".split(b"|")
)
TAGS = (b"TAG", b"APETAGEX", b"ID3\x03", b"ID3\x04")  # MP3 tags, at the end of some WAVs
FEW = 512  # bytes after the audio that are not a chunk and too few to be audio
ANOTHER = re.compile(rb"(?:RIFF|RF64|BW64)....WAVE(?:fmt |ds64|JUNK|bext|LIST)", re.DOTALL)


def is_wave(head: bytes) -> bool:
    """Whether a WAV of any size begins with these bytes.

    >>> is_wave(b"RIFF\\xff\\xff\\xff\\xffWAVEfmt "), is_wave(b"RIFF\\x10\\x00\\x00\\x00AVI LIST")
    (True, False)
    """
    return (head[:4] in MAGIC and head[8:12] == b"WAVE") or head[:16] == W64_RIFF


class Dialect(NamedTuple):
    """How chunks are written."""

    n_head: int  # of name and size
    align: int  # chunks begin at multiples of this many bytes


RIFF = Dialect(8, 2)
W64 = Dialect(24, 8)


class NotWave(Exception):
    """The header holds no format, or breaks off before the audio."""


class Wave:
    """One WAV in a stream: `read` gives libavformat its format and its audio, as one endless `data` chunk."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.is_pipe = stream.is_pipe
        is_w64 = stream.peek(16)[:16] == W64_RIFF
        self._dialect = W64 if is_w64 else RIFF
        stream.skip(40 if is_w64 else 12)
        self.format = b""  # the contents of the `fmt ` chunk
        self.promised: int | None = 0  # bytes of audio by the header; None if it does not say
        self.given = 0  # bytes of sound
        self.heard_from: int | None = None  # bytes of audio by the header, if there are more
        self.unheard = 0  # bytes after the audio that are not a chunk and were not decoded
        self.is_followed = False  # whether another WAV begins where this one ends
        self._wide_size = UNKNOWN_SIZE  # from ds64
        self._size = 0  # of the last data chunk
        self._left: int | None = 0  # of it; None to the end of the stream
        self._n_zeros = 0  # skipped zeros, still to be given
        self._last = b""
        self._find_data()
        body = self.format + bytes(len(self.format) % 2)
        self._out = b"RIFF\xff\xff\xff\xffWAVEfmt " + len(body).to_bytes(4, "little") + body + b"data\xff\xff\xff\xff"

    def _find_data(self) -> None:
        """Read up to the first `data` chunk."""
        while (chunk := self._chunk(self._stream.peek(self._dialect.n_head))) is not None:
            name, size = chunk
            self._stream.skip(self._dialect.n_head)
            if name == b"data":
                if not self.format:
                    break
                self._begin(size)
                return
            padded = size + -size % self._dialect.align
            body = self._stream.peek(size) if name in (b"fmt ", b"ds64") and size <= LONGEST_CHUNK else b""
            if name == b"fmt ":
                self.format = body
            elif name == b"ds64":
                self._wide_size = int.from_bytes(body[8:16], "little")
            if self._stream.skip(padded) < size:
                break
        raise NotWave

    def _chunk(self, head: bytes) -> tuple[bytes, int] | None:
        """The name and content size of the chunk that begins with these bytes; None if none does."""
        if len(head) < self._dialect.n_head:
            return None
        name = head[:4]
        if not all(0x20 <= letter < 0x7F for letter in name):
            return None
        if self._dialect is RIFF:
            return name, int.from_bytes(head[4:8], "little")
        if head[4:16] not in W64_CHUNKS:
            return None
        return name, max(0, int.from_bytes(head[16:24], "little") - 24)

    def _begin(self, size: int) -> None:
        """Begin a data chunk of `size` bytes by its header."""
        if self._dialect is RIFF and size == UNKNOWN_SIZE:
            size = self._wide_size
        self._size = size
        left = self._stream.left
        is_made_up = size >= LARGEST or (size == 0 if self._dialect is W64 else any(size in sizes for sizes in MADE_UP))
        if size == 0:
            ends_well = self._is_known(self._stream.peek(self._dialect.n_head))
        else:
            ends_well = left is not None and (size == left or (size < left and self._is_chunk_at(size + size % 2)))
        if is_made_up and not ends_well:
            self.promised = self._left = None
            return
        if left is not None and self._dialect is RIFF and not ends_well:
            for wrapped in range(size + (1 << 32), left + 1, 1 << 32):
                if left - wrapped <= 1 or self._is_chunk_at(wrapped + wrapped % 2):
                    size = wrapped
        self.promised = None if self.promised is None else self.promised + size
        self._left = size

    def _is_chunk_at(self, offset: int) -> bool:
        """Whether a chunk with a known name begins there in the file."""
        return self._is_known(self._stream.peek_at(offset, self._dialect.n_head))

    def _is_known(self, head: bytes) -> bool:
        """Whether a chunk with a known name begins with these bytes."""
        chunk = self._chunk(head)
        return chunk is not None and (chunk[0] in KNOWN or chunk[0] == b"data")

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of the WAV; none at its end."""
        if self._out:
            data, self._out = self._out[:size], self._out[size:]
            return data
        return self.read_sound(size)

    def peek(self, size: int) -> bytes:
        """The next `size` bytes of the stream; at the beginning those of audio."""
        return self._stream.peek(size)

    def read_sound(self, size: int) -> bytes:
        """Up to `size` bytes of audio; none at its end."""
        while True:
            if self._n_zeros:
                data = bytes(min(size, self._n_zeros))
                self._n_zeros -= len(data)
            elif self._left is None:
                data = self._up_to_another(self._stream.read(size)) if not self.is_followed else b""
            else:
                data = self._stream.read(min(size, self._left)) if self._left else b""
                self._left -= len(data)
            self.given += len(data)
            if data or not self._goes_on():
                return data

    def _up_to_another(self, data: bytes) -> bytes:
        """The bytes before the next WAV's header; if that straddles two reads, up to 15 bytes of it were given as audio."""
        if found := ANOTHER.search(self._last + data):
            first = found.start() - len(self._last)
            self._stream.unread((self._last + data)[found.start() :])
            self.is_followed, self._last = True, b""
            return data[: max(0, first)]
        self._last = data[-15:]
        return data

    def _goes_on(self) -> bool:
        """Whether audio follows a data chunk; anything else is skipped."""
        if self._left is None or self._left > 0:  # the stream has ended
            return False
        pad = -self._size % self._dialect.align
        n_chunks = 0
        while head := self._stream.peek(pad + 40):
            for skipped in dict.fromkeys((pad, 0)):  # some programs do not pad
                rest = head[skipped:]
                if is_wave(rest):
                    self._stream.skip(skipped)
                    self.is_followed = True
                    return False
                chunk = self._chunk(rest)
                if chunk is not None and self._is_believed(chunk, skipped):
                    self._stream.skip(skipped + self._dialect.n_head)
                    if chunk[0] == b"data":
                        self._begin(chunk[1])
                        return True
                    if (n_skipped := self._stream.skip(chunk[1])) < chunk[1]:
                        self.unheard = n_skipped
                    pad = -chunk[1] % self._dialect.align
                    n_chunks += 1
                    break
            else:
                return self._goes_on_without_chunk(head, pad, n_chunks > 0)
        return False

    def _is_believed(self, chunk: tuple[bytes, int], offset: int) -> bool:
        """Whether four letters and a number after the audio are a chunk: its name is known, or it ends where another begins."""
        name, size = chunk
        if name in KNOWN or name == b"data":  # as `_is_known`
            return True
        left = self._stream.left
        if left is None:
            return name.strip().isalnum() and size < LONGEST_CHUNK
        end = offset + self._dialect.n_head + size
        return left - end in (0, 1) or self._is_chunk_at(end) or self._is_chunk_at(end + size % self._dialect.align)

    def _goes_on_without_chunk(self, head: bytes, pad: int, is_after_chunk: bool) -> bool:
        """Whether audio goes on past the header's size: not before MP3 tags, closing zeros or a few bytes, nor after a chunk."""
        if head.startswith(TAGS) or head[pad:].startswith(TAGS):
            return False
        n_zeros = 0
        if not head.strip(b"\0"):
            n_zeros = self._stream.skip_zeros()
            head = self._stream.peek(self._dialect.n_head)
            if not head:
                self.unheard = n_zeros
                return False
            if is_wave(self._stream.peek(16)) or self._is_known(head):
                self._size = 0
                return self._goes_on()
        if is_after_chunk or n_zeros + len(self._stream.peek(FEW + 1)) <= FEW:
            self.unheard = n_zeros + self._stream.skip(LARGEST)
            return False
        self.heard_from, self._left, self._n_zeros = self.given, None, n_zeros
        return True

    def counted_samples(self) -> int | None:
        """Samples per channel of PCM, found without reading them; None if the header cannot be trusted with that."""
        n_channels, n_bits = (int.from_bytes(self.format[at : at + 2], "little") for at in (2, 14))
        while self.promised is not None and self._left is not None and self._stream.skip(self._left) == self._left:
            self._left = 0
            if not self._goes_on():
                size = n_channels * (-(-n_bits // 8))
                return None if self.is_followed or not size or self._dialect is W64 else self.promised // size
        return None


# Chunks for clock times


def contents(file: BinaryIO, names: Collection[str]) -> dict[str, bytes]:
    """What the chunks of these names hold, at most LONGEST_CHUNK bytes of each; chunks in a LIST are named LIST/INAM and so on.

    Nothing if the file is not RIFF; of a file that breaks off, the chunks up to there. Moves the file's position.
    """
    found: dict[str, bytes] = {}
    file.seek(0)
    head = file.read(12)
    if head[:4] not in MAGIC or head[8:12] != b"WAVE":
        return found
    data_size, position = UNKNOWN_SIZE, 12
    while len(header := file.read(8)) == 8 and all(0x20 <= letter < 0x7F for letter in header[:4]):
        name, size = header[:4].decode("latin-1"), int.from_bytes(header[4:], "little")
        if name == "data" and size == UNKNOWN_SIZE:
            size = data_size
        elif name in ("ds64", "LIST", *names):
            found[name] = file.read(min(size, LONGEST_CHUNK))
        if name == "ds64":
            data_size = int.from_bytes(found[name][8:16], "little")
        elif name == "LIST":
            found.update(_listed(found[name]))
        position += 8 + size + size % 2
        if position >= LARGEST:
            break
        file.seek(position)
    return {name: body for name, body in found.items() if name in names}


def _listed(body: bytes) -> Iterator[tuple[str, bytes]]:
    """The chunks inside a LIST chunk, such as LIST/ICMT."""
    at = 4  # after the list's type
    while at + 8 <= len(body):
        size = int.from_bytes(body[at + 4 : at + 8], "little")
        yield f"LIST/{body[at : at + 4].decode('latin-1')}", body[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
