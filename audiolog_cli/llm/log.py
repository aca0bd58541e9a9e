"""A finished log: its text, its entries, what it cost and how the check went; and the JSON document of all that.

`by_outline` and `by_model` make one from the rows of a recording, whatever writes it; `document` is the object of `--format json`, valid
against `log.schema.json`.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from audiolog_cli.check.claims import Claim, Report, Table, check, table_of, wrong_claims
from audiolog_cli.llm import long_tables
from audiolog_cli.llm.backend import ContextOverflow
from audiolog_cli.llm.entries import Entry
from audiolog_cli.llm.long_tables import Asking
from audiolog_cli.llm.outline import outline, section_lines, sections
from audiolog_cli.llm.recording import Recording
from audiolog_cli.records import Row

ANSWER_AGAIN = "Your last answer was:\n{answer}\n\nIt claims what the table does not say:\n{mistakes}\n\nAnswer again without these mistakes."


@dataclass(frozen=True, slots=True)
class Log:
    """What a summary came to."""

    filename: str
    text: str
    entries: list[Entry]
    model: str  # as in --llm
    prompt: str  # its name
    report: Report | None  # None if nobody checked


Prose = Generator[str, None, list[Entry] | None]  # pieces of the log, then the entries it was written from, if any


def by_outline(recording: Recording, rows: Sequence[Row], form: str, checked: bool) -> Log:
    """The log that `outline` writes."""
    recording.rows = iter(rows)
    text = "\n".join(outline(recording, form))
    report = check(text, table_of(rows, recording.duration)) if checked else None
    return Log(recording.filename, text, section_entries(rows), "outline", form, report)


def by_model(recording: Recording, rows: Sequence[Row], asking: Asking, retries: int, checked: bool) -> Log:
    """The log that a model writes; if it is to be checked, asked for again, with the list of its mistakes, at most `retries` times.

    The answer with the fewest mistakes is the one that counts.
    """
    table = table_of(rows, recording.duration)
    text, entries = collected(prose(rows, asking, table))
    log = Log(
        recording.filename,
        text,
        entries or section_entries(rows),
        asking.backend.name,
        asking.prompt.name,
        check(text, table) if checked else None,
    )
    for _ in range(retries):
        if log.report is None or not log.report.wrong:
            break
        again = _again(log, rows, asking)
        if again is None:
            asking.say("the answer and its mistakes do not fit into the context together; not asking again")
            break
        text, _ = collected(_asked(again, asking))
        report = check(text, table)
        if len(report.wrong) < len(log.report.wrong):
            log = replace(log, text=text, report=report)
    return log


def prose(rows: Sequence[Row], asking: Asking, table: Table) -> Prose:
    """The pieces of a model's log as they come: one question over the whole table, or over the entries of its parts."""
    message = long_tables.whole(rows, asking)
    if message is not None:
        try:
            yield from _asked(message, asking)
            return None
        except ContextOverflow as error:
            asking.say(f"{error}; summarising in parts")

    def is_supported(text: str) -> bool:
        return not wrong_claims(text, table)

    entries = long_tables.reduced(rows, asking, is_supported)
    yield from _asked(long_tables.final_message(entries, asking), asking)
    return entries


def _asked(message: str, asking: Asking) -> Prose:
    request = asking.request(message)
    pieces: list[str] = []
    stream = asking.backend.stream(request)
    while True:
        try:
            piece = next(stream)
        except StopIteration as end:
            asking.costs.add(end.value, request, "".join(pieces))
            return None
        pieces.append(piece)
        yield piece


def collected(pieces: Prose) -> tuple[str, list[Entry] | None]:
    """The whole text, and the entries it was written from."""
    text = []
    while True:
        try:
            text.append(next(pieces))
        except StopIteration as end:
            return "".join(text).strip(), end.value


def _again(log: Log, rows: Sequence[Row], asking: Asking) -> str | None:
    """The question again, with the answer and its mistakes; None if that does not fit."""
    assert log.report is not None
    mistakes = "\n".join(f"- {claim.text}: {claim.problem}" for claim in log.report.wrong)
    wrong = ANSWER_AGAIN.format(answer=log.text, mistakes=mistakes)
    first = long_tables.whole(rows, asking) or long_tables.final_message(log.entries, asking)
    message = f"{first}\n\n{wrong}"
    return message if asking.fits(message) else None


def section_entries(rows: Sequence[Row]) -> list[Entry]:
    """The recording section by section, as the outline tells it."""
    return [
        Entry(
            section.when.onset,
            section.when.offset,
            ((section.scene,) if section.scene else ()) + tuple(section.events),
            "\n".join(section_lines(section)),
        )
        for section in sections(rows)
        if section.scene is not None
    ]


# The JSON document


def document(log: Log, rows: Sequence[Row], costs: long_tables.Costs | None) -> dict[str, Any]:
    """The log as the object that `log.schema.json` describes."""
    tokens = (
        {"prompt": costs.prompt_tokens, "answer": costs.answer_tokens, "calls": costs.calls}
        if costs
        else {"prompt": 0, "answer": 0, "calls": 0}
    )
    return {
        "filename": log.filename,
        "summary": log.text,
        "entries": list(_entry_objects(log.entries, rows)),
        "model": log.model,
        "prompt": log.prompt,
        "tokens": tokens,
        "check": _report_object(log.report),
    }


def _entry_objects(entries: Sequence[Entry], rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        inside = [index for index, row in enumerate(rows) if row.onset < entry.offset and row.offset > entry.onset]
        scenes = {rows[index].scene for index in inside if rows[index].scene}
        yield {
            "onset": round(entry.onset, 3),
            "offset": round(entry.offset, 3),
            "time": next((rows[index].time for index in inside if rows[index].onset == entry.onset), None),
            "kind": "scene" if scenes & set(entry.labels) else "event",
            "labels": list(entry.labels),
            "text": entry.text,
            "rows": [inside[0], inside[-1]] if inside else [],
        }


def _report_object(report: Report | None) -> dict[str, Any] | None:
    if report is None:
        return None
    return {
        "claims": len(report.claims),
        "precision": None if report.precision is None else round(report.precision, 4),
        "rows_covered": round(report.rows_covered, 4),
        "labels_covered": round(report.labels_covered, 4),
        "labels_missing": report.labels_missing,
        "wrong": [_claim_object(claim) for claim in report.wrong],
    }


def _claim_object(claim: Claim) -> dict[str, Any]:
    names = ("start", "end", "text", "onset", "offset", "problem")
    return {name: getattr(claim, name) for name in names} | {"labels": list(claim.labels)}
