"""The bytes of a file or of a pipe, with a look ahead: what cuts sound files into their parts reads these.

Nothing here knows what the bytes mean.
"""

import os
from typing import Any, BinaryIO

SEARCHED = 1 << 12  # bytes of damage that are searched at once
ZEROS = bytes(1 << 20)


class Stream:
    """A file, or what a pipe holds right now: live sound must not wait until a block is full."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.is_pipe = not is_seekable(file)
        self._read: Any = getattr(file, "read1", file.read) if self.is_pipe else file.read
        self._head = b""  # peeked at, not yet read
        self._end = None if self.is_pipe else _end(file)

    @property
    def left(self) -> int | None:
        """How many bytes are left; None if only reading can tell."""
        return None if self._end is None else self._end - self._file.tell() + len(self._head)

    def peek(self, size: int) -> bytes:
        """The next `size` bytes (fewer only at the end), which `read` will give again."""
        while len(self._head) < size and (data := self._read(size - len(self._head))):
            self._head += data
        return self._head[:size]

    def peek_at(self, offset: int, size: int) -> bytes:
        """Bytes further on in a file; none in a pipe."""
        if self._end is None:
            return b""
        position = self._file.tell()
        self._file.seek(position - len(self._head) + offset)
        data = self._file.read(size)
        self._file.seek(position)
        return data

    def rewind(self) -> None:
        """Move a file back to where it was before `peek`."""
        self._file.seek(-len(self._head), os.SEEK_CUR)
        self._head = b""

    def unread(self, data: bytes) -> None:
        """Push bytes back, to be read again."""
        self._head = data + self._head

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end of the stream."""
        if not self._head:
            return bytes(self._read(size))
        data, self._head = self._head[:size], self._head[size:]
        return data

    def skip(self, size: int) -> int:
        """Skip bytes; returns how many there were."""
        if (left := self.left) is not None:
            size = min(size, left)
            self._file.seek(size - len(self._head), os.SEEK_CUR)
            self._head = b""
            return size
        n_skipped = 0
        while n_skipped < size and (data := self.read(min(size - n_skipped, 1 << 16))):
            n_skipped += len(data)
        return n_skipped

    def before(self, word: bytes) -> int:
        """How many bytes of damage come before the next `word`, which begins later; at least one, if there are any."""
        damaged = self.peek(SEARCHED)
        following = damaged.find(word, 1)
        return following if following > 0 else max(min(1, len(damaged)), len(damaged) - len(word) + 1)

    def skip_zeros(self) -> int:
        """Skip zeros, holes of a sparse file in one step; returns how many there were."""
        n_zeros = 0
        while True:
            if not self._head and self._end is not None and (hole := self._hole()):
                n_zeros += self.skip(hole)
            data = self.read(len(ZEROS))
            if data != ZEROS[: len(data)]:
                n = len(data) - len(data.lstrip(b"\0"))
                self.unread(data[n:])
                return n_zeros + n
            if not data:
                return n_zeros
            n_zeros += len(data)

    def _hole(self) -> int:
        """How many bytes from here on the file system knows to be zeros."""
        try:
            descriptor, position = self._file.fileno(), self._file.tell()
            before = os.lseek(descriptor, 0, os.SEEK_CUR)
            try:
                data = os.lseek(descriptor, position, os.SEEK_DATA)
            except OSError:  # no data up to the end
                data = os.lseek(descriptor, 0, os.SEEK_END)
            os.lseek(descriptor, before, os.SEEK_SET)
            return data - position
        except (OSError, AttributeError):  # not a file of this system
            return 0


def is_seekable(file: Any) -> bool:
    """Whether the file can seek; pipes, FIFOs and terminals cannot."""
    return bool(getattr(file, "seekable", bool)())


def _end(file: BinaryIO) -> int:
    position = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(position)
    return end
