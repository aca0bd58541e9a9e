"""Files into which a recorder split one recording, joined again: the hours of a night as one stream of sound.

In: recordings in order, and when each began. Out: groups of files whose clock times follow one another, each as one stream under
the first file's name, so that an event across a cut is one event and windows run across it. A file belongs to the group before it
if it begins within TOLERANCE of where the group's sound ends, so the times in a group are never further off than that.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from inspect import GEN_SUSPENDED, getgeneratorstate
from typing import TypeVar

from audiolog_cli.errors import InputError
from audiolog_cli.moments import in_utc
from audiolog_cli.sound.pcm import Samples

Item = TypeVar("Item")

TOLERANCE = 0.5  # seconds


def stitched(
    files: Iterable[Item | InputError],
    start_of: Callable[[Item], datetime],
    decode: Callable[[Item], Iterator[Samples]],
    sample_rate: int,
) -> Iterator[tuple[Item, Iterator[Samples]] | InputError]:
    """Each group's first file and the samples of all its files; errors among the files pass through in place.

    A group's stream must be used up, or abandoned, before the next group is requested; of a stream that was begun, the rest is
    then decoded to find where the group ends. A file that fails ends its group, and its error comes after the group, or is raised
    in the stream if it is the first file: the files before it are complete. Those after it begin a new group.
    """
    queue = iter(files)
    waiting: list[Item | InputError] = []

    def sound(first: Item) -> Generator[Samples]:
        start, n_samples = start_of(first), 0
        file: Item | InputError = first
        while not isinstance(file, InputError):
            try:
                for chunk in decode(file):
                    n_samples += len(chunk)
                    yield chunk
            except InputError as error:
                if file is first:
                    raise
                waiting.append(error)
                return
            following = next(queue, None)
            if following is None:
                return
            try:
                goes_on = not isinstance(following, InputError) and _follows(start_of(following), start, n_samples / sample_rate)
            except InputError as error:
                following, goes_on = error, False
            if not goes_on:
                waiting.append(following)
                return
            file = following

    while True:
        file = waiting.pop() if waiting else next(queue, None)
        if file is None:
            return
        if isinstance(file, InputError):
            yield file
            continue
        group = sound(file)
        yield file, group
        if getgeneratorstate(group) == GEN_SUSPENDED:
            with suppress(InputError):  # of the first file, after what was wanted of it
                deque(group, 0)


def _follows(start: datetime, group_start: datetime, group_seconds: float) -> bool:
    """Whether a file begun at `start` continues a group of `group_seconds`; InputError if only one time has a zone."""
    if (start.tzinfo is None) != (group_start.tzinfo is None):
        raise InputError(
            f"clock times with and without a zone, {group_start.isoformat()} and {start.isoformat()}, cannot be compared: "
            "give --tz"
        )
    return abs((in_utc(start) - in_utc(group_start)).total_seconds() - group_seconds) <= TOLERANCE
