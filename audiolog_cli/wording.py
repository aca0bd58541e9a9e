"""Times and counts as people read them: seconds in, `1:05` or `1 min 5 s` out. Parsing such text is `check/`'s work."""

from collections.abc import Sequence

from audiolog_cli.terminal import visible

UNNAMED = "scene not named"  # shown for the empty scene label


def plain(seconds: float) -> str:
    """Seconds with at most three decimals and no trailing zeros.

    >>> plain(16.0), plain(2.5)
    ('16', '2.5')
    """
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def clock(seconds: float) -> str:
    """A position in a recording: minutes and seconds, and hours where there are any.

    >>> clock(5), clock(65.5), clock(3600)
    ('0:05', '1:05.5', '1:00:00')
    """
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    second = f"{rest / 1000:06.3f}".rstrip("0").rstrip(".")
    return f"{hours}:{minutes:02d}:{second}" if hours else f"{minutes}:{second}"


def counted(number: int, one: str, many: str = "") -> str:
    """A number and its noun.

    >>> counted(1, "scene"), counted(2, "scene")
    ('1 scene', '2 scenes')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def some(names: Sequence[str], limit: int = 5) -> str:
    """The first names, and how many more there are.

    >>> some(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def span(onset: float, offset: float) -> str:
    """An interval of positions.

    >>> span(5, 65)
    '0:05–1:05'
    """
    return f"{clock(onset)}–{clock(offset)}"


def remarked(onset: float, offset: float, message: str) -> str:
    """A remark about a stretch of a recording, about one moment, or, where both times are 0, about the whole of it.

    >>> remarked(1.5, 1.593, "lost"), remarked(6, 6, "8 bytes not heard"), remarked(0, 0, "one track of two")
    ('1.500-1.593 s: lost', '6.000 s: 8 bytes not heard', 'one track of two')
    """
    if onset < offset:
        return f"{onset:.3f}-{offset:.3f} s: {message}"
    return f"{onset:.3f} s: {message}" if onset else message


def length(seconds: float) -> str:
    """A duration in words; from a minute on, in whole seconds.

    >>> length(2.5), length(98), length(3600), length(7325)
    ('2.5 s', '1 min 38 s', '1 h', '2 h 2 min 5 s')
    """
    if seconds < 60:
        return f"{plain(seconds)} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (second, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def words(label: str) -> str:
    """A label as a person would write it.

    >>> words("city_center")
    'city center'
    """
    return visible(label.replace("_", " "))


def capital(text: str) -> str:
    """The text with its first letter capitalized, the rest unchanged."""
    return text[:1].upper() + text[1:]


def join(parts: Sequence[str]) -> str:
    """A list, as in a sentence.

    >>> join(["a"]), join(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1] if parts else ""


def percent(part: float, whole: float) -> str:
    """A share in whole per cent; neither nothing nor all is said of what rounds to it.

    >>> percent(47, 100), percent(1, 200), percent(199, 200), percent(3, 3)
    ('47 %', 'under 1 %', 'over 99 %', '100 %')
    """
    share = 100 * part / whole if whole else 0.0
    text = f"{share:.0f}"
    return "under 1 %" if share > 0 and text == "0" else "over 99 %" if share < 100 and text == "100" else f"{text} %"
