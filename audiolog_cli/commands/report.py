"""`audiolog report`: cells in, one page to look at out; or one picture."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

from typer import Option

from audiolog_cli import terminal
from audiolog_cli.commands.inputs import cell_input
from audiolog_cli.commands.needs import needs, not_with
from audiolog_cli.commands.options import Files, Quiet
from audiolog_cli.errors import InputError, UsageError
from audiolog_cli.records import composed
from audiolog_cli.side_files import replacing
from audiolog_cli.tally import Tally

if TYPE_CHECKING:
    from audiolog_cli.report.page import Part, Sound
    from audiolog_cli.report.timeline import Timeline

NOT_IN_PICTURES = not_with("--format svg", "--format png", why="a picture shows neither sound nor log")
TOLERANCE = 1.5  # seconds by which a recording and its cells may differ in length: a cell, and some rounding


def report(
    files: Files = None,
    audio: Annotated[
        list[str] | None,
        Option(metavar="FILE", help="The recording, to be seen and heard; repeatable, matched by name."),
        NOT_IN_PICTURES,
    ] = None,
    log: Annotated[
        str, Option(metavar="FILE", help="A log to put beside it, as `audiolog summarize` writes it."), NOT_IN_PICTURES
    ] = "",
    output: Annotated[str, Option("--output", "-o", metavar="FILE", help="The page; - is stdout.")] = "-",
    format: Annotated[
        Literal["html", "svg", "png"], Option(help="html is a page to explore; svg and png are one picture, drawn by matplotlib.")
    ] = "html",
    embed: Annotated[
        float,
        Option(min=0.0, metavar="SECONDS", help="Recordings up to this long are put into the page, others linked."),
        needs("--audio"),
    ] = 600.0,
    quiet: Quiet = False,
) -> None:
    """Make a page that shows at a glance what was heard when, with the sound one click away.

    It is one HTML file that needs no network. A recording longer than --embed stays where it is, and the page links to it.

    Example: audiolog tag rec.flac | audiolog report --audio rec.flac -o report.html
    """
    from audiolog_cli.report.timeline import recordings

    tables = files or ["-"]
    if log == "-" in tables:
        raise UsageError("--log -: the cells come from stdin already; give the log as a file")
    if "-" in (audio or []):
        raise UsageError("--audio -: the sound is read twice, to be seen and to be heard; give it as a file")
    _check_output(output, [*tables, log, *(audio or [])])
    with cell_input(tables) as cells:
        found = recordings(cells)
    tally = Tally()
    for recording in found:
        tally.done += not recording.is_empty
        if recording.failure is not None:
            tally.fail(f"not finished: {recording.failure}")
    if all(recording.is_empty for recording in found):
        raise InputError(f"{', '.join(tables).replace('-', 'stdin')}: no cells, there is nothing to show")
    if format == "html":
        from audiolog_cli.report.page import page

        _write(page(list(_parts(found, audio or [], log, output, embed))).encode(), output)
    else:
        from audiolog_cli.report.figure import picture

        _write(picture([recording for recording in found if not recording.is_empty], format), output)
    tally.end()


def _check_output(output: str, inputs: Iterable[str]) -> None:
    """UsageError for an output that is one of the inputs: a recording or a table would be lost."""
    for path in inputs:
        if "-" not in (output, path) and os.path.isfile(output) and os.path.isfile(path) and os.path.samefile(output, path):
            raise UsageError(f"--output {output}: is an input of this page, which would replace it; name another file")


def _write(content: bytes, output: str) -> None:
    """Write to stdout, or to a temporary file that is then renamed, so that there is never half a page.

    A link stays a link, and anything but a file (a pipe, a device) is written to, not replaced.
    """
    if output == "-":
        with terminal.naming(terminal.STDOUT):
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        return
    place = Path(output)
    try:
        if place.exists() and not place.is_file():
            place.write_bytes(content)
            return
        with replacing(place.resolve()) as unfinished:
            unfinished.write_bytes(content)
    except OSError as error:
        raise InputError(f"{output}: {terminal.reason(error)}") from None


def _parts(found: Sequence["Timeline"], audio: Sequence[str], log: str, output: str, embed: float) -> Iterator["Part"]:
    """What the page shows for each recording."""
    from audiolog_cli.report.log import logs
    from audiolog_cli.report.page import Part

    paths = _matched(found, audio)
    texts: dict[str, str] = {}
    if log:
        texts = logs(terminal.read_text(log), found, "stdin" if log == "-" else log)
    for recording in found:
        path = paths.get(recording.filename)
        yield Part(recording, _sound(path, recording, output, embed) if path else None, texts.get(recording.filename, ""))


def _matched(found: Iterable["Timeline"], audio: Sequence[str]) -> dict[str, str]:
    """The path of each recording's sound, matched by full name, last part or stem; a single path goes with a single recording."""
    filenames = [recording.filename for recording in found]
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


def _sound(path: str, recording: "Timeline", output: str, embed: float) -> "Sound":
    """A recording measured, and embedded if it is short."""
    from base64 import b64encode

    from audiolog_cli.report.audio_strip import opus, strip
    from audiolog_cli.report.page import Sound

    is_short = recording.duration <= 1000 * embed
    measured = strip(path, with_picture=is_short)
    if abs(measured.duration - recording.duration / 1000) > TOLERANCE:
        terminal.say(
            f"{path}: {measured.duration:.3f} s long, its cells end at {recording.duration / 1000:.3f} s; is it the same "
            f"recording?"
        )
    if is_short:
        return Sound(measured, f"data:audio/ogg;base64,{b64encode(opus(path)).decode('ascii')}")
    folder = os.path.dirname(os.path.abspath(output)) if output != "-" else os.getcwd()
    return Sound(measured, quote(os.fsencode(os.path.relpath(path, folder))))
