"""The blocks of a WavPack file: each knows its size and its first sample.

In: a file, or a pipe that is read once. Out: whole blocks, for libavformat, which gives up at a tag or damage between them.
Nothing is decoded here.

Format: WavPack 4 & 5 binary file, https://www.wavpack.com/WavPack5FileFormat.pdf.
"""

from audiolog_cli.sound.stream import Stream

MAGIC = b"wvpk"
HEAD = 32  # bytes of a block before its contents
LONGEST_BLOCK = 1 << 20  # bytes
ALL_CHANNELS = 0x18  # in the flags: the first block of several channels, and the last
VERSIONS = range(0x402, 0x411)


def is_wavpack(head: bytes) -> bool:
    """Whether a file of one or two channels begins with these 32 bytes; of more, libavformat has to look at several blocks."""
    return is_block(head) and head[25] & ALL_CHANNELS == ALL_CHANNELS


def is_block(head: bytes) -> bool:
    """Whether a block begins with these bytes.

    >>> is_block(b"wvpk" + (500).to_bytes(4, "little") + (0x410).to_bytes(2, "little"))
    True
    """
    size, version = int.from_bytes(head[4:8], "little"), int.from_bytes(head[8:10], "little")
    return head[:4] == MAGIC and HEAD - 8 <= size <= LONGEST_BLOCK and version in VERSIONS


class Blocks:
    """The blocks of a stream: `read` gives them as they come."""

    is_followed = False

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.is_pipe = stream.is_pipe
        self._left = 0  # bytes of the current block

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        while not self._left and (head := self._stream.peek(HEAD)):
            if is_block(head):
                self._left = 8 + int.from_bytes(head[4:8], "little")
            else:
                self._stream.read(self._stream.before(MAGIC))
        data = self._stream.read(min(size, self._left)) if self._left else b""
        self._left -= len(data)
        return data
