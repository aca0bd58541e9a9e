"""The chunks of RIFF, RF64 and BW64 files (WAV): where they are and how long their headers say they are.

In: a file that can be seeked. Out: chunk names with places, sizes in 64 bits where `ds64` holds them. Contents are not decoded
(libavformat does that); what is wanted here is what libavformat does not tell: what a broken-off file had promised, and when
the recorder was started. Formats: Microsoft's RIFF, EBU Tech 3306 (RF64), ITU-R BS.2088 (BW64).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

UNKNOWN_SIZE = 0xFFFF_FFFF  # of a chunk whose size is in ds64, or of a stream without end
LONGEST_CHUNK = 1 << 20  # bytes of a chunk that are read


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a RIFF file."""

    name: str  # four characters; those of a LIST are named LIST/INAM and so on
    start: int  # of its contents, in bytes from the start of the file
    size: int  # bytes, as the header says; UNKNOWN_SIZE where it does not


def chunks(file: BinaryIO) -> Iterator[Chunk]:
    """The chunks in order, LIST chunks opened; none where the file is not RIFF or breaks off. The file's position moves."""
    file.seek(0)
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:12] != b"WAVE":
        return
    data_size = UNKNOWN_SIZE
    position = 12
    while len(header := file.read(8)) == 8:
        chunk = Chunk(header[:4].decode("latin-1"), position + 8, int.from_bytes(header[4:], "little"))
        if chunk.name == "ds64":
            data_size = int.from_bytes(contents(file, chunk)[8:16], "little")
        elif chunk.name == "data" and chunk.size == UNKNOWN_SIZE:
            chunk = Chunk("data", chunk.start, data_size)
        yield chunk
        if chunk.name == "LIST":
            yield from _listed(file, chunk)
        position = chunk.start + chunk.size + chunk.size % 2
        file.seek(position)


def _listed(file: BinaryIO, parent: Chunk) -> Iterator[Chunk]:
    """The chunks inside a LIST chunk, such as LIST/ICMT."""
    body = contents(file, parent)
    at = 4  # after the list's type
    while at + 8 <= len(body):
        size = int.from_bytes(body[at + 4 : at + 8], "little")
        yield Chunk(f"LIST/{body[at : at + 4].decode('latin-1')}", parent.start + at + 8, size)
        at += 8 + size + size % 2


def contents(file: BinaryIO, chunk: Chunk) -> bytes:
    """The bytes of a chunk, at most LONGEST_CHUNK of them."""
    file.seek(chunk.start)
    return file.read(min(chunk.size, LONGEST_CHUNK))


def declared_seconds(file: BinaryIO) -> float | None:
    """Length of the sound that the header promises, whether the bytes are there or not; None where it promises nothing.

    The file's position stays.
    """
    position = file.tell()
    byte_rate = 0
    seconds = None
    for chunk in chunks(file):
        if chunk.name == "fmt ":
            byte_rate = int.from_bytes(contents(file, chunk)[8:12], "little")
        if chunk.name == "data":
            seconds = chunk.size / byte_rate if chunk.size not in (0, UNKNOWN_SIZE) and byte_rate else None
            break
    file.seek(position)
    return seconds
