"""The parts of an MP3: recordings in a row, as `cat` joins them, each behind a tag with the delays of its encoder.

In: a file, or a pipe that is read once. Out: the bytes of one part at a time, for libavformat, and how many samples pad its end.
libavformat knows the tag of the first part alone, and takes the others for sound. Nothing is decoded here.

Formats: the MP3 Info tag (Gabriel Bouvigne's specification of the LAME tag), ID3v2.
"""

import re

from audiolog_cli.sound.stream import Stream

SIDE_INFORMATION = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}  # bytes; MPEG 1?, mono?
TAGGED = 4 + max(SIDE_INFORMATION.values()) + 4  # bytes of a frame that show whether it is a tag
LONGEST_TAG = TAGGED + 4 + 4 + 100 + 4 + 24  # with count of frames, bytes, table of contents, quality, encoder and delays
MAGIC = (b"Xing", b"Info")
BORDER = re.compile(rb"ID3[\2-\4]|Xing|Info")  # what a part may begin with, or hold in its first frame


class Part:
    """One part of a stream: `read` gives its bytes as they come, from the frame with the tag on."""

    def __init__(self, stream: Stream) -> None:
        stream.skip(id3_sizes(stream))
        self.is_pipe = stream.is_pipe
        self.padding = padding_of(stream.peek(LONGEST_TAG))  # samples to cut
        self.is_followed = False  # whether another part begins where this one ends
        self._stream = stream
        self._held = b""  # the last bytes read, where another part may begin
        self._first = 1  # byte of those that come next where it may: not this one's own beginning

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of the part; none at its end."""
        while not self.is_followed:
            found = self._stream.read(max(1, size - TAGGED))
            seen = self._held + found
            n_given = max(0, len(seen) - TAGGED) if found else min(size, len(seen))
            if (border := self._border(seen)) is not None:
                self.is_followed, n_given = True, border
                self._stream.unread(seen[border:])
            data, self._held = seen[:n_given], seen[n_given:]
            if data or not found:
                self._first = 0
                return data
        return b""

    def _border(self, seen: bytes) -> int | None:
        """Where in these bytes, which the stream then goes on from, another part begins."""
        if not any(word in seen for word in (b"ID3", *MAGIC)):  # a third of the time of the expression
            return None
        for match in BORDER.finditer(seen, self._first):
            if match[0] not in MAGIC:
                self._stream.unread(seen[match.start() :])
                is_border = is_tagged(self._stream)
                self._stream.read(len(seen) - match.start())
                if is_border:
                    return match.start()
            for n_side in {*SIDE_INFORMATION.values()}:
                first = match.start() - n_side - 4
                if first >= self._first and tag_in(seen[first : first + TAGGED]):
                    return first
        return None


def is_tagged(stream: Stream) -> bool:
    """Whether a frame with a tag comes next, or after ID3 tags."""
    n_id3 = id3_sizes(stream)
    return tag_in(stream.peek(n_id3 + TAGGED)[n_id3:]) > 0


def tag_in(frame: bytes) -> int:
    """Where in the bytes of a frame the tag is; 0 if it is none."""
    if len(frame) < TAGGED or frame[0] != 0xFF or frame[1] & 0xE6 != 0xE2:  # MPEG, layer III
        return 0
    tag = 4 + SIDE_INFORMATION[bool(frame[1] & 0b1000), frame[3] >> 6 == 3]
    return tag if frame[tag : tag + 4] in MAGIC else 0


def padding_of(frame: bytes) -> range | None:
    """The samples that pad the end of a part, by the tag in its first frame; None if it does not say.

    They are counted from the first that the decoder does not skip. libavformat cuts them only in seekable files.
    """
    tag = tag_in(frame)
    flags = frame[tag + 7] if tag else 0
    if not flags & 1:  # a count of frames follows
        return None
    n_frames = int.from_bytes(frame[tag + 8 : tag + 12], "big")
    tag_end = tag + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    delays = int.from_bytes(frame[tag_end + 21 : tag_end + 24], "big")
    n_delay, n_padding = delays >> 12, delays & 0xFFF
    n_end = n_frames * (1152 if frame[1] & 0b1000 else 576) - n_delay  # MPEG 2 and 2.5 have half as many samples in a frame
    return range(n_end - n_padding, n_end) if 0 < n_padding < n_end else None


def id3_sizes(stream: Stream) -> int:
    """Bytes of the ID3v2 tags that come next: text and pictures, which may hold any bytes."""
    n_bytes = 0
    while size := id3_size(stream.peek(n_bytes + 10)[n_bytes:]):
        n_bytes += size
    return n_bytes


def id3_size(head: bytes) -> int:
    """Bytes of the ID3v2 tag that begins with these ten; 0 if none does.

    >>> id3_size(b"ID3\\x04\\0\\0\\0\\0\\x02\\x01")
    267
    """
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if head[5] & 0x10 else 0)  # a footer
