"""One recording in, its records out: decoded, tagged, with clock times, the same for every engine."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiolog_cli.records import Cell, End, check_text
from audiolog_cli.sound.audio import Damage, DecodeOptions, decode, sample_at
from audiolog_cli.sound.clock import TimeSource, at, start_of

if TYPE_CHECKING:
    from audiolog_cli.sound.stitching import Samples
    from audiolog_cli.tagging.tagger import Tagger, TagOptions

Spans = Sequence[tuple[float, float]] | None  # [onset, offset) seconds of a recording to analyse; None is all of it


@dataclass(frozen=True, slots=True)
class Hearing:
    """How the recordings of a run are heard."""

    decoding: DecodeOptions
    tagging: "TagOptions"
    clock: TimeSource | None  # where the start of a recording is found, if cells are to carry clock times

    def sound(self, path: str, say: Callable[[str], None]) -> "Iterator[Samples]":
        """A recording's samples; damage in it is said."""

        def report(damage: Damage) -> None:
            say(f"{path}: {damage}")

        return decode(path, self.decoding, report)

    def records(
        self, tagger: "Tagger", path: str, spans: Spans, chunks: "Iterable[Samples]", say: Callable[[str], None]
    ) -> Iterator[Cell | End]:
        """The records of one recording from its samples; InputErrors come where it fails. Spans past its end are said."""
        from audiolog_cli.tagging.tagger import tag

        if spans:
            chunks = _with_its_end_noted(chunks, path, spans, self.decoding.sample_rate, say)
        found = tag(tagger, chunks, check_text(path, "file name"), spans, self.tagging)
        return _timed(found, path, self.clock, say) if self.clock else found


def _with_its_end_noted(
    chunks: "Iterable[Samples]", path: str, spans: Sequence[tuple[float, float]], rate: int, say: Callable[[str], None]
) -> "Iterator[Samples]":
    """The chunks again; at the recording's end it is said which spans lie past it."""
    n_samples = 0
    for chunk in chunks:
        n_samples += len(chunk)
        yield chunk
    past = [onset for onset, _ in spans if sample_at(onset, rate) >= n_samples]
    if past:
        say(
            f"{path}: ends at {n_samples / rate:.3f} s; {len(past)} of {len(spans)} segments lie past that, from {past[0]:.3f} s on"
        )


def _timed(records: Iterator[Cell | End], path: str, clock: TimeSource, say: Callable[[str], None]) -> Iterator[Cell | End]:
    """The records with the clock times of their onsets; what is doubtful about the start is said."""
    start = start_of(path, clock, say)
    for record in records:
        yield record._replace(time=at(start, record.onset)) if isinstance(record, Cell) else record
