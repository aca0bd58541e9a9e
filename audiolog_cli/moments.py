"""Clock times as records carry them, in ISO 8601: checked, moved, and made from a start. No file and no sound here."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from audiolog_cli.errors import AudioError


@lru_cache(maxsize=4096)
def check_time(time: str) -> str:
    """Return a clock time unchanged if it is in ISO 8601; ValueError otherwise."""
    try:
        if 1000 < datetime.fromisoformat(time).year < 9000:
            return time
    except ValueError:
        pass
    raise ValueError(f"expected a time in ISO 8601, such as 2026-11-22T06:00:00.000+01:00, got {time!r}")


def later(time: str, milliseconds: int) -> str:
    """A clock time so much later, with the same offset from UTC.

    >>> later("2026-11-22T06:00:00+01:00", 1500)
    '2026-11-22T06:00:01.500+01:00'
    """
    return (datetime.fromisoformat(time) + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds")


def wall_clock(time: str) -> tuple[int, str]:
    """What the clock shows, as milliseconds since 1970 as if it were UTC, and its zone; ValueError if there is no such time.

    >>> wall_clock("1970-01-01T00:00:02.500+01:00"), wall_clock("1970-01-01T00:00")
    ((2500, '+01:00'), (0, ''))
    """
    moment = datetime.fromisoformat(time)
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000), moment.replace(microsecond=0).isoformat()[19:]


def in_utc(start: datetime) -> datetime:
    """The same moment, for arithmetic: Python subtracts times of one zone by wall clock, an hour off where clocks change."""
    return start if start.tzinfo is None else start.astimezone(UTC)


def at(start: datetime, seconds: float) -> str:
    """The clock time `seconds` after the start, ISO 8601 to the millisecond, with the offset valid at that moment.

    AudioError past the year 9999.

    >>> from zoneinfo import ZoneInfo
    >>> at(datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin")), 1.5)
    '2026-10-25T02:00:00.500+01:00'
    >>> at(datetime(2026, 11, 22, 6), 61.25)
    '2026-11-22T06:01:01.250'
    """
    passed = timedelta(milliseconds=round(seconds * 1000))
    try:
        if start.tzinfo is None:
            return (start + passed).isoformat(timespec="milliseconds")
        return (start.astimezone(UTC) + passed).astimezone(start.tzinfo).isoformat(timespec="milliseconds")
    except OverflowError:
        raise AudioError(f"{seconds:.3f} s after {start.isoformat()} the calendar ends; is the start right?") from None
