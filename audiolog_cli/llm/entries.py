"""Entries: what is known about a stretch of a recording, between the table and the prose.

A language model returns them as JSON for one part of a long table; here they are asked for (schema), read, held against the rows, and
merged. After `validated` every second of the part is in some entry with every label heard in it: what the model left out is put in
by code, what it made up is taken out.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from audiolog_cli.check.claims import TOLERANCE
from audiolog_cli.llm.backend import Broken
from audiolog_cli.llm.outline import sections
from audiolog_cli.records import Row
from audiolog_cli.wording import plain

TEXT_LENGTH = 160  # characters of one entry's text
LABELS_ASKED = 8  # labels that a model may name in one entry


@dataclass(frozen=True, slots=True)
class Entry:
    """A stretch of [onset, offset) seconds, the labels heard in it (scenes first), and a sentence about it ("" if none)."""

    onset: float
    offset: float
    labels: tuple[str, ...]
    text: str = ""


@dataclass(slots=True)
class Mistakes:
    """What code had to mend in a model's entries."""

    rejected: int = 0  # entries with impossible times, or without a label that was heard then
    texts: int = 0  # sentences that claim what the table does not say
    filled: int = 0  # stretches that no entry covered


def schema(labels: Iterable[str], max_entries: int) -> dict[str, Any]:
    """The JSON schema of an answer: at most `max_entries` entries, with labels of this table only."""
    entry = {
        "type": "object",
        "properties": {
            "onset": {"type": "number"},
            "offset": {"type": "number"},
            "labels": {"type": "array", "items": {"type": "string", "enum": sorted(labels)}, "maxItems": LABELS_ASKED},
            "text": {"type": "string", "maxLength": TEXT_LENGTH},
        },
        "required": ["onset", "offset", "labels", "text"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"entries": {"type": "array", "items": entry, "maxItems": max_entries}},
        "required": ["entries"],
        "additionalProperties": False,
    }


def labels_of(rows: Iterable[Row]) -> list[str]:
    """The scenes of `rows`, then their events, each once and in alphabetical order."""
    seen = list(rows)
    return sorted({row.scene for row in seen if row.scene}) + sorted({event for row in seen for event in row.events})


def read_answer(answer: str, name: str) -> list[Entry]:
    """The entries in a model's answer, which may have put a fence or a word around its JSON. Broken if there are none to read."""
    try:
        found = json.loads(answer[answer.index("{") : answer.rindex("}") + 1])["entries"]
        return [_entry(item) for item in found]
    except (ValueError, KeyError, TypeError) as error:
        raise Broken(f"{name}: expected entries as JSON, got {answer.strip()[:60]!r} ({error}); try another model") from None


def _entry(item: Any) -> Entry:
    labels = tuple(label for label in item["labels"] if isinstance(label, str))
    return Entry(float(item["onset"]), float(item["offset"]), labels, " ".join(str(item.get("text") or "").split()))


def validated(
    entries: Iterable[Entry], rows: Sequence[Row], is_supported: Callable[[str], bool], mistakes: Mistakes
) -> list[Entry]:
    """Entries that the rows bear out, in order of time, together covering all of `rows`; what was mended is counted in `mistakes`.

    Times are clipped to the rows' own; a label stays if it is heard within TOLERANCE of the entry; labels that the model passed over
    are added, so that nothing is lost; a text stays if `is_supported` says so.
    """
    kept = []
    for entry in entries:
        mended = _held_against(entry, rows)
        if mended is None:
            mistakes.rejected += 1
            continue
        if mended.text and not is_supported(mended.text):
            mistakes.texts += 1
            mended = replace(mended, text="")
        kept.append(mended)
    missing = _uncovered(kept, rows)
    mistakes.filled += len(missing)
    return merged(kept + missing)


def _held_against(entry: Entry, rows: Sequence[Row]) -> Entry | None:
    onset, offset = max(entry.onset, rows[0].onset), min(entry.offset, rows[-1].offset)
    if not rows[0].onset - TOLERANCE <= entry.onset < entry.offset <= rows[-1].offset + TOLERANCE:  # also false for nan
        return None
    near = labels_of(row for row in rows if row.onset < offset + TOLERANCE and row.offset > onset - TOLERANCE)
    inside = labels_of(row for row in rows if row.onset < offset and row.offset > onset)
    named = list(dict.fromkeys(label for label in entry.labels if label in near))
    if not named or not inside:
        return None
    return Entry(onset, offset, tuple(named + [label for label in inside if label not in named]), entry.text)


def _uncovered(entries: Sequence[Entry], rows: Sequence[Row]) -> list[Entry]:
    """The stretches of rows that lie in no entry, one entry for each scene of each stretch."""
    spans = sorted((entry.onset, entry.offset) for entry in entries)
    missing: list[Row] = []
    for row in rows:
        reached = row.onset
        for onset, offset in [*spans, (row.offset, row.offset)]:
            if offset < reached or onset > row.offset:
                continue
            if onset > reached:
                missing.append(row._replace(onset=reached, offset=onset))
            reached = max(reached, offset)
    return [
        Entry(
            section.when.onset, section.when.offset, ((section.scene,) if section.scene else ()) + tuple(sorted(section.events))
        )
        for section in sections(missing, start=rows[0].onset)
        if section.scene is not None
    ]


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """Entries in order of time; neighbours with the same labels become one, with both texts."""
    return _joined(sorted(entries, key=lambda entry: (entry.onset, entry.offset)))


def _joined(entries: Iterable[Entry]) -> list[Entry]:
    joined: list[Entry] = []
    for entry in entries:
        last = joined[-1] if joined else None
        if last and last.offset == entry.onset and set(last.labels) == set(entry.labels) and not (last.text and entry.text):
            joined[-1] = replace(last, offset=entry.offset, text=last.text or entry.text)
        else:
            joined.append(entry)
    return joined


def folded(entries: Sequence[Entry]) -> list[Entry]:
    """Half as many entries: neighbours put together, with the labels of both and without their texts."""
    pairs = [entries[index : index + 2] for index in range(0, len(entries), 2)]
    return [
        Entry(
            pair[0].onset,
            max(entry.offset for entry in pair),
            tuple(dict.fromkeys(label for entry in pair for label in entry.labels)),
        )
        for pair in pairs
    ]


def entries_text(entries: Iterable[Entry]) -> str:
    """Entries as the table that a language model reads.

    >>> print(entries_text([Entry(0, 16, ("city_center", "car"), "Cars pass.")]))
    Start(s)-End(s) scenes and events: description
    0-16 city_center; car: Cars pass.
    """
    lines = ["Start(s)-End(s) scenes and events: description"]
    for entry in entries:
        heard = "; ".join(entry.labels) or "(no event recognised)"
        lines.append(f"{plain(entry.onset)}-{plain(entry.offset)} {heard}" + (f": {entry.text}" if entry.text else ""))
    return "\n".join(lines)
