"""Words of time, number, order and denial in the languages of logs: one table per language, `languages/*.toml`.

A table lists the phrases of each kind (`seconds`, `denied`, `then`, ...); `*` stands for any letters. The tables of all languages
are read together, since a log may mix them: a new language is a new file. Out: regular expressions in which `<kind>` stands for
the phrases of a kind.
"""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = Path(__file__).parent / "languages"
CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
NEVER = r"(?!)"
KINDS = re.compile(r"(?<!P)<([a-z_|]+)>")  # but not the name of a group


@cache
def tables() -> tuple[dict[str, Any], ...]:
    """The tables of all languages."""
    return tuple(tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(LANGUAGES.glob("*.toml")))


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern in which `<first|last>` stands for a group of any phrase of these kinds; letters match in both cases.

    >>> bool(compiled(r"(?:<first|last>) <minutes>").search("The last minute"))
    True
    """
    return re.compile(KINDS.sub(lambda match: any_of(*match[1].split("|")), pattern), re.IGNORECASE | re.MULTILINE)


def any_of(*kinds: str) -> str:
    """A group that matches any phrase of these kinds as whole words; Chinese has no spaces, so its phrases match anywhere.

    A digit may touch a word: 5s. A kind that no table has matches nothing.

    >>> [bool(re.search(any_of(kind), text)) for kind, text in (("seconds", "5s"), ("denied", "knot"), ("denied", "not"))]
    [True, False, True]
    """
    each = {phrase for table in tables() for kind in kinds for phrase in table.get(kind, ())}
    phrases = sorted(sorted(each), key=len, reverse=True)
    words = "|".join(_pattern(phrase) for phrase in phrases if not CJK.search(phrase))
    characters = "|".join(re.escape(phrase) for phrase in phrases if CJK.search(phrase))
    bounded = rf"(?<![^\W\d_])(?:{words})(?![^\W\d_])" if words else NEVER
    return f"(?:{bounded}|{characters})" if characters else f"(?:{bounded})"


def _pattern(phrase: str) -> str:
    return re.escape(phrase).replace(r"\*", r"[^\W\d_]*").replace(r"\ ", r"\s+")


@cache
def numbers(kind: str = "numbers") -> dict[str, float]:
    """The words for numbers (or for `counts`: twice), in lower case, with their values."""
    return {word.lower(): value for table in tables() for word, value in table.get(kind, {}).items()}


def value(text: str) -> float:
    """The value of a number in digits, or of a word of `numbers` or `counts`; ValueError for anything else.

    >>> value("2,5"), value("1,250"), value("Three"), value("twice"), value("twenty-five"), value("two and a half")
    (2.5, 1250.0, 3, 2, 25, 2.5)
    """
    word = " ".join(text.lower().split())
    if (whole := compiled(r"\s+<and_a_half>\Z").sub("", word)) != word:
        return value(whole) + 0.5
    known = numbers().get(word, numbers("counts").get(word))
    if known is None and "-" in word:
        return sum(value(part) for part in word.split("-"))
    digits = word.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+", word) else word.replace(",", ".")
    return float(digits) if known is None else known
