"""`audiolog segment`: recordings in, the stretches to analyse out, for `audiolog tag` or for other tools."""

from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from audiolog_cli import __version__, terminal
from audiolog_cli.commands.options import Channel, Format, Quiet, Raw, Track
from audiolog_cli.errors import InputError
from audiolog_cli.records import SEGMENT_COLUMNS, End, Failure, Segment, check_text, jsonl_lines, tsv_lines
from audiolog_cli.tally import Tally

if TYPE_CHECKING:
    from audiolog_cli.sound.audio import DecodeOptions
    from audiolog_cli.sound.pcm import Samples
    from audiolog_cli.sound.segments import SegmentOptions


def segment(
    files: Annotated[list[str], Argument(metavar="FILE...", help="Recordings; - is a recording on stdin.")],
    window: Annotated[float, Option(help="Seconds of a segment.")] = 10.0,
    hop: Annotated[float, Option(min=0.0, help="Seconds from one segment's start to the next; 0 is the window.")] = 0.0,
    skip_quiet: Annotated[
        float | None, Option(metavar="DBFS", max=0.0, help="Leave out segments that stay below this level, such as -50.")
    ] = None,
    channel: Channel = "mix",
    track: Track = 0,
    raw: Raw = "",
    format: Format = "tsv",
    quiet: Quiet = False,
) -> None:
    """List the segments of recordings to tag: filename, onset, offset; --skip-quiet leaves silence out.

    `audiolog tag` analyses what the segments name. Those that touch are one stretch: where nothing was left out, it gives what it
    gives for the whole recording. A recording that cannot be read does not stop the others: exit code 3, or 1 if none could be.

    Example: audiolog segment --skip-quiet -50 night.wav | audiolog tag
    """
    from audiolog_cli.sound.audio import DecodeOptions
    from audiolog_cli.sound.pcm import RawFormat
    from audiolog_cli.sound.segments import SegmentOptions

    options = SegmentOptions(window, hop, skip_quiet)
    decoding = DecodeOptions(channel=channel, raw=RawFormat.parse(raw) if raw else None, track=track)
    tally = Tally()
    records = tally.passing(_records(files, decoding, options))
    terminal.write_lines(tsv_lines(records, SEGMENT_COLUMNS) if format == "tsv" else jsonl_lines(records))
    tally.end()


def _records(files: Iterable[str], decoding: "DecodeOptions", options: "SegmentOptions") -> Iterator[Segment | End | Failure]:
    """Segments of every file, then an `End` (which yields the header of a table without segments) or a `Failure`."""
    for path in files:
        try:
            name = check_text(path, "file name")
            seconds = yield from _segments(name, decoding, options)
            yield End(name, seconds, 0, "", __version__)
        except InputError as error:
            yield Failure(path, str(error))


def _segments(path: str, decoding: "DecodeOptions", options: "SegmentOptions") -> Generator[Segment, None, float]:
    """Segments from the header if it can be trusted and nothing is left out, else from the sound; returns its seconds."""
    from audiolog_cli.sound.audio import decode, duration
    from audiolog_cli.sound.damage import Damage, Told
    from audiolog_cli.sound.segments import from_duration, from_sound

    told = Told()

    def report(damage: Damage) -> None:
        # Some are about the sound, and `tag` reports them.
        if damage.cause not in ("digital_silence", "hum", "ultrasound") and (line := told.line(path, damage)):
            terminal.say(line)

    seconds = duration(path, decoding) if options.skip_quiet is None else None
    if seconds is not None:
        yield from (Segment(path, *span) for span in from_duration(seconds, options))
        return seconds
    n_samples = 0

    def counted() -> "Iterator[Samples]":
        nonlocal n_samples
        for chunk in decode(path, decoding, report):
            n_samples += len(chunk)
            yield chunk

    yield from (Segment(path, *span) for span in from_sound(counted(), decoding.sample_rate, options))
    return n_samples / decoding.sample_rate
