"""The links of an Ogg file: recordings in a row, each with headers of its own, as web radio sends them.

In: a file, or a pipe that is read once. Out: the bytes of one link at a time, for libavformat. That takes a chain for one stream,
and loses what follows a change of rate or channels, and the exact end of each link. Nothing is decoded here.

Format: RFC 3533.
"""

from audiolog_cli.sound.stream import Stream

MAGIC = b"OggS"
HEAD = 27  # bytes of a page before the sizes of its segments


def is_ogg(head: bytes) -> bool:
    """Whether an Ogg file begins with these bytes."""
    return head.startswith(MAGIC)


class Link:
    """One link of a stream: `read` gives its pages as they come, whole or damaged."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.is_pipe = stream.is_pipe
        self.is_followed = False  # whether another link begins where this one ends
        self._is_begun = False  # whether there were pages other than those that begin its tracks
        self._left = 0  # bytes of the current page

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of the link; none at its end."""
        if not self._left and not self.is_followed:
            self._turn_page()
        data = self._stream.read(min(size, self._left)) if self._left else b""
        self._left -= len(data)
        return data

    def _turn_page(self) -> None:
        """Look at the next page, or at what is there instead."""
        head = self._stream.peek(HEAD)
        if len(head) < HEAD or not is_ogg(head):
            self._left = self._stream.before(MAGIC)
            return
        begins_track = head[4:14] == b"\0\2" + bytes(8)  # version 0, the first page of a track, at time 0
        if begins_track and self._is_begun:
            self.is_followed = True
            return
        self._is_begun |= not begins_track
        sizes = self._stream.peek(HEAD + head[26])[HEAD:]
        self._left = HEAD + len(sizes) + sum(sizes)
