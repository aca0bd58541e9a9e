"""Recordings' timelines, the paths of sounds and a log in; the parts of the page out: what belongs together, by name."""

import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from audiolog_cli import terminal
from audiolog_cli.errors import UsageError
from audiolog_cli.records import composed
from audiolog_cli.report.log import logs
from audiolog_cli.report.page import Part, Sound
from audiolog_cli.report.timeline import Timeline

TOLERANCE = 1.5  # seconds by which a recording and its cells may differ in length: a cell, and some rounding


def parts(found: Sequence[Timeline], audio: Sequence[str], log: str, folder: str, embed: float) -> Iterator[Part]:
    """What the page, which will be in `folder`, shows for each recording.

    `log` is the path of a log, "" without one; recordings of up to `embed` seconds are put into the page. UsageError for a sound
    that belongs to no recording or to several.
    """
    paths = _matched([recording.filename for recording in found], audio)
    texts = logs(terminal.read_text(log), found, "stdin" if log == "-" else log) if log else {}
    for recording in found:
        path = paths.get(recording.filename)
        yield Part(recording, _sound(path, recording, folder, embed) if path else None, texts.get(recording.filename, ""))


def _matched(filenames: Sequence[str], audio: Sequence[str]) -> dict[str, str]:
    """The path of each recording's sound, matched by full name, last part or stem; a single path goes with a single recording."""
    if len(filenames) == len(audio) == 1:
        return {filenames[0]: audio[0]}
    matched: dict[str, str] = {}
    for path in audio:
        ways = (str, os.path.basename, lambda path: Path(path).stem)  # strictest first; editors' labels hold the stem alone
        named = next(
            (same for way in ways if (same := [name for name in filenames if composed(way(name)) == composed(way(path))])), []
        )
        if len(named) != 1:
            reason = "no cells of a recording of this name" if not named else f"{len(named)} recordings have this name"
            raise UsageError(f"--audio {path}: {reason}; the cells are of {', '.join(filenames[:5])}")
        matched[named[0]] = path
    return matched


def _sound(path: str, recording: Timeline, folder: str, embed: float) -> Sound:
    """A recording measured, and embedded if it is short."""
    from audiolog_cli.report.audio_strip import opus, strip

    is_short = recording.duration <= 1000 * embed
    measured = strip(path, with_picture=is_short)
    if abs(measured.duration - recording.duration / 1000) > TOLERANCE:
        terminal.say(
            f"{path}: {measured.duration:.3f} s long, its cells end at {recording.duration / 1000:.3f} s; is it the same "
            f"recording?"
        )
    if is_short:
        return Sound(measured, f"data:audio/ogg;base64,{b64encode(opus(path)).decode('ascii')}")
    return Sound(measured, quote(os.fsencode(os.path.relpath(path, folder))))
