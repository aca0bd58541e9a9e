"""Tracks as short texts: run-length encoded, then base64. `assets/data.js` reads them.

A track is a sequence of stretches; a stretch is cells of equal length without a pause:

    pause    varint: 2k is k standard cells, 2m + 1 is m milliseconds since the last offset
    length   varint: 2n is n standard cells, 2m + 1 is one cell of m milliseconds
    scores   one byte for each cell, in hundredths

A varint has seven bits per byte, the lowest first; the eighth bit says that another byte follows. A cell takes one byte and a
stretch two more: a day with forty labels stays below five megabytes whatever is heard.
"""

from base64 import b64encode

from audiolog_cli.report.timeline import LabelTrack


def pack(track: LabelTrack, cell: int) -> str:
    """The track as base64; `cell` is the standard cell in milliseconds.

    >>> from array import array
    >>> onsets, offsets = array("q", [1000, 2000, 4500]), array("q", [2000, 3000, 5000])
    >>> track = LabelTrack("event", "dog", onsets, offsets, bytearray([90, 80, 70]))
    >>> list(packed(track, 1000))  # after 1 cell: 2 cells; after 1500 ms: one of 500 ms
    [2, 4, 90, 80, 185, 23, 233, 7, 70]
    """
    return b64encode(packed(track, cell)).decode("ascii")


def packed(track: LabelTrack, cell: int) -> bytearray:
    """The bytes that `pack` encodes."""
    packed = bytearray()
    onsets, offsets, scores = track.onsets, track.offsets, track.scores
    first, last_offset, n_cells = 0, 0, len(onsets)
    while first < n_cells:
        pause = onsets[first] - last_offset
        packed += varint(2 * (pause // cell) if pause % cell == 0 else 2 * pause + 1)
        end = first + 1
        if offsets[first] - onsets[first] == cell:
            while end < n_cells and onsets[end] == offsets[end - 1] and offsets[end] - onsets[end] == cell:
                end += 1
            packed += varint(2 * (end - first))
        else:
            packed += varint(2 * (offsets[first] - onsets[first]) + 1)
        packed += scores[first:end]
        first, last_offset = end, offsets[end - 1]
    return packed


def varint(number: int) -> bytes:
    """A natural number in seven bits per byte.

    >>> list(varint(5)), list(varint(300))
    ([5], [172, 2])
    """
    if number < 128:
        return bytes((number,))
    return bytes((number & 127 | 128,)) + varint(number >> 7)
