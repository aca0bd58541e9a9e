"""`audiolog report`: cells in, one page to look at out; or one picture."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from audiolog_cli import terminal
from audiolog_cli.commands.inputs import cell_input, named
from audiolog_cli.commands.needs import needs, not_with
from audiolog_cli.commands.options import Files, Quiet
from audiolog_cli.errors import InputError, UsageError
from audiolog_cli.side_files import replacing
from audiolog_cli.tally import Tally

NOT_IN_PICTURES = not_with("--format svg", "--format png", why="a picture shows neither sound nor log")


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
        raise InputError(f"{named(tables)}: no cells, there is nothing to show")
    if format == "html":
        from audiolog_cli.report.page import page
        from audiolog_cli.report.parts import parts

        folder = os.path.dirname(os.path.abspath(output)) if output != "-" else os.getcwd()
        _write(page(list(parts(found, audio or [], log, folder, embed))).encode(), output)
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
    with terminal.refusing(output):
        if place.exists() and not place.is_file():
            place.write_bytes(content)
            return
        with replacing(place.resolve()) as unfinished:
            unfinished.write_bytes(content)
