"""A finished log: its lines, who wrote each, what it cost and how the check went; and all of that as a JSON document.

`by_outline` and `by_model` make one from a recording; `document` is the object of `--format json`, valid against
`log.schema.json`. A language model writes in one piece (`whole`) or unit by unit (`units.py`), and its text is repaired
(`repair.py`) or not.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from audiolog_cli.check.claims import Claim, Report, check, claims_of, covered, wrong_claims
from audiolog_cli.check.facts import table_of
from audiolog_cli.check.verdicts import Verdict
from audiolog_cli.errors import LLMError, UsageError
from audiolog_cli.llm.asking import Asking, Costs, in_order, whole_sentences
from audiolog_cli.llm.backend import ContextOverflow, Reply, Request
from audiolog_cli.llm.compact import layouts
from audiolog_cli.llm.outline import WRITERS, outline, section_facts, sections
from audiolog_cli.llm.prompts import compose
from audiolog_cli.llm.recording import Recording
from audiolog_cli.llm.repair import AskAgain, Line, by_table, is_dense, repaired, repaired_whole, unit_table
from audiolog_cli.llm.units import Unit, label_facts, units
from audiolog_cli.records import Row
from audiolog_cli.wording import plain

WRONG = (
    "Your last answer was:\n{answer}\n\nIt claims what the table does not say:\n{mistakes}\n\n"
    "Answer again without these mistakes."
)
CLAIM = ("start", "end", "text", "onset", "offset", "problem")  # fields of a wrong one in the document, besides its labels
WRONG_SENTENCES = "These sentences are wrong:\n{mistakes}\nWrite them again without these mistakes."


@dataclass(frozen=True, slots=True)
class Part:
    """A finished unit of a log."""

    unit: Unit
    lines: list[Line]

    @property
    def text(self) -> str:
        """Title and lines, without a final line end."""
        return "\n".join([self.unit.title] * bool(self.unit.title) + [line.text for line in self.lines])


@dataclass(slots=True)
class Log:
    """A finished summary."""

    filename: str
    model: str  # as in --llm
    prompt: str  # its name
    text: str = ""
    parts: list[Part] = field(default_factory=list)  # only one for a log in one piece
    rows: Sequence[Row] = ()
    report: Report | None = None  # None if not checked

    @property
    def in_one_piece(self) -> bool:
        """Whether a language model wrote it as the answer to one question."""
        return len(self.parts) == 1 and self.parts[0].unit.form == "whole"

    def sentences(self, by: str) -> int:
        """How many sentences or lines come from the model, or from the table."""
        return sum(line.n_sentences for part in self.parts for line in part.lines if line.by == by and line.text)


Writing = Generator[str, None, Log]  # the pieces of the text, as they come; then the log


def by_outline(recording: Recording, rows: Sequence[Row], form: str, checked: bool) -> Log:
    """The log written by `outline`."""
    recording.rows = iter(rows)
    log = Log(recording.filename, "outline", form, "\n".join(outline(recording, form)), section_parts(rows), rows)
    log.report = check(log.text, table_of(rows, recording.duration)) if checked else None
    return log


def section_parts(rows: Iterable[Row]) -> list[Part]:
    """The recording section by section, in the outline's words."""
    found = []
    for section in sections(rows):
        if section.scene is not None:
            facts = tuple(section_facts(section))
            within = [Row("", section.when.onset, section.when.offset, section.scene, tuple(section.events))]
            found.append(Part(unit := Unit("timing", facts, "", within), by_table(unit)))
    return found


# By a language model


def by_model(recording: Recording, asking: Asking, by: str, repair: bool, retries: int, checked: bool) -> Writing:
    """The log written by a model.

    `by`: "whole", in one piece; "section", unit by unit, each yielded as it comes; "auto", whole if the table fits and the model
    is not small, else (or if that answer is bad) by section. `repair`: only what the rows bear out, and everything that they
    hold. `retries`: how often an answer in one piece is asked for again if it is `checked` and has wrong claims.
    """
    log = Log(recording.filename, asking.backend.name, asking.prompt.name)
    part = None
    if _is_whole(asking, by):
        log.rows = list(recording.rows)
        recording.rows = iter(log.rows)
        may_fail = by == "auto" and asking.prompt.name in WRITERS
        part = _whole(log.rows, recording, asking, retries if checked else 0, repair, may_fail) if log.rows else None
    if part is not None:
        log.parts, log.text = [part], part.text
        log.report = check(log.text, table_of(log.rows, recording.duration)) if checked else None
    else:
        yield from _by_section(recording, asking, repair, log)
        log.report = _checked_by_part(log, recording.duration) if checked and log.rows else None
        log.text = log.text.rstrip("\n")
    return log


def _checked_by_part(log: Log, duration: float | None) -> Report:
    """The check of a log, each part against its own rows."""
    claims: list[Claim] = []
    position = 0
    for part in log.parts:
        position = log.text.index(part.text, position)
        if part.unit.rows:
            found = claims_of(part.text, unit_table(part.unit))
            claims += [replace(claim, start=claim.start + position, end=claim.end + position) for claim in found]
        position += len(part.text)
    return covered(claims, table_of(log.rows, duration))


def _is_whole(asking: Asking, by: str) -> bool:
    """Whether the first question is about the whole table. UsageError for a user's own question by section."""
    if asking.prompt.name not in WRITERS:
        if by == "section":
            raise UsageError(
                f"--by section: {', '.join(WRITERS)} are asked section by section, a question of your own only whole"
            )
        return True
    return by == "whole" or (by == "auto" and not asking.is_small)


def planned(recording: Recording, asking: Asking, by: str) -> list[Request]:
    """The requests to a model if all its answers are good."""
    rows = list(recording.rows)
    recording.rows = iter(rows)
    if _is_whole(asking, by):
        for what, table in layouts(rows):
            request = asking.request(compose(asking.note + _start(rows) + table, asking.prompt))
            if what and by == "auto" and asking.prompt.name in WRITERS:
                break
            if asking.fits(request):
                return [request]
    each = units(recording, [], asking.prompt.name, lambda unit: asking.fits(unit_request(unit, asking)))
    return [unit_request(unit, asking) for unit in each if unit.told]


def _by_section(recording: Recording, asking: Asking, repair: bool, log: Log) -> Generator[str, None, None]:
    """The log unit by unit, as they come; LLMError if the model's first answer is empty."""
    rows: list[Row] = []
    has_spoken = False
    log.rows = rows
    asked = units(recording, rows, asking.prompt.name, lambda unit: asking.fits(unit_request(unit, asking)))
    for part, flaw in in_order((partial(_written, unit, asking, repair) for unit in asked), asking.parallel):
        if part.unit.told and not has_spoken and flaw:
            raise LLMError(flaw)
        has_spoken |= bool(part.unit.told)
        heading = "" if log.text else f"Log of {recording.title}\n\n"
        gap = "\n" if log.text and (part.unit.title or part.unit.form == "closing") else ""
        log.parts.append(part)
        log.text += (piece := f"{heading}{gap}{part.text}\n")
        yield piece


def _written(unit: Unit, asking: Asking, repair: bool) -> tuple[Part, str]:
    """A unit on its own, and what is wrong if the answer is empty."""
    if not unit.told:
        return Part(unit, by_table(unit)), ""
    request = unit_request(unit, asking)
    try:
        reply = asking.ask(request)
    except ContextOverflow as error:  # the server's context is smaller than it said
        return Part(unit, by_table(unit)), str(error)
    flaw = "" if reply.text else reply.flaw
    if not repair:
        return Part(unit, [Line(reply.text, "model", ())]), flaw
    return Part(unit, repaired(unit, whole_sentences(reply), _asks_again(request, reply, asking))), flaw


def _asks_again(request: Request, reply: Reply, asking: Asking) -> AskAgain:
    """A function that asks again for wrong sentences, naming their mistakes; it returns "" if that does not fit."""

    def ask(wrong: Sequence[Verdict]) -> str:
        mistakes = "\n".join(f"- {sentence.text} {' '.join(sentence.reasons)}" for sentence in wrong)
        turns = (*request.turns, reply.text, WRONG_SENTENCES.format(mistakes=mistakes))
        again = replace(request, turns=turns)
        try:
            return whole_sentences(asking.ask(again)) if asking.fits(again) else ""
        except ContextOverflow:
            return ""  # the table speaks instead

    return ask


def unit_request(unit: Unit, asking: Asking) -> Request:
    """The request for a unit; a small model gets no room to ramble."""
    limit = 32 + 3 * len(unit.told) // 4 if asking.is_small else None
    return asking.request(*unit.turns(asking.prompt.language), max_tokens=limit)


# In one piece


def _whole(rows: Sequence[Row], recording: Recording, asking: Asking, retries: int, repair: bool, may_fail: bool) -> Part | None:
    """The log in one piece. If that fails: None with `may_fail`, else LLMError."""
    try:
        request, reply = _first_whole(rows, asking, may_fail)
    except ContextOverflow as error:
        if not may_fail:
            raise
        asking.say(f"{error}; asking section by section")
        return None
    if reply.flaw and not may_fail:
        raise LLMError(reply.flaw)
    table = table_of(rows, recording.duration)
    report = check(reply.text, table)
    for _ in range(retries):
        if reply.flaw or not report.wrong:
            break
        again = _without_mistakes(request, reply, report, asking)
        if again is None:
            asking.say("the answer and its mistakes do not fit into the context together; not asking again")
            break
        better = asking.ask(again)
        if better.text and len(wrong_claims(better.text, table)) < len(report.wrong):
            reply, report = better, check(better.text, table)
    if may_fail and (reply.flaw or (repair and not _is_good(reply.text, report, request))):
        asking.say(f"{reply.flaw or _verdict(asking.backend.name, report)}; asking section by section")
        return None
    return _as_part(rows, recording.duration, asking, request, reply, repair)


def _first_whole(rows: Sequence[Row], asking: Asking, exact: bool) -> tuple[Request, Reply]:
    """The question over the whole table, in the most exact layout that fits, and its answer. ContextOverflow if none does."""
    problem = f"{asking.backend.name}: the table is longer than {asking.budget.room} tokens"
    for what, table in layouts(rows):
        if exact and what:
            break
        request = asking.request(compose(asking.note + _start(rows) + table, asking.prompt))
        if not asking.fits(request):
            continue
        if what:
            asking.say(f"{problem}; asking over {what}")
        try:
            return request, asking.ask(request)
        except ContextOverflow as error:
            problem = str(error)
            asking.say(f"{problem}; trying a shorter text of the table")
    raise ContextOverflow(problem)


def _start(rows: Sequence[Row]) -> str:
    """When the table begins, for the reader of the prompt, if known."""
    return next((f"(Second {plain(row.onset)} of this table is {row.time}.)\n" for row in rows[:1] if row.time), "")


def _without_mistakes(request: Request, reply: Reply, report: Report, asking: Asking) -> Request | None:
    """The question again, with the answer and its mistakes; None if that does not fit."""
    mistakes = "\n".join(f"- {claim.text}: {claim.problem}" for claim in report.wrong)
    again = asking.request(f"{request.turns[0]}\n\n{WRONG.format(answer=reply.text, mistakes=mistakes)}")
    return again if asking.fits(again) else None


def _is_good(answer: str, report: Report, request: Request) -> bool:
    """Whether an answer claims something, nothing wrong, and in words of its own."""
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    echoed = sum(line in request.text for line in lines)
    return not report.wrong and is_dense(answer, len(report.claims)) and echoed <= len(lines) / 2


def _verdict(name: str, report: Report) -> str:
    if report.wrong:
        return (
            f"{name}: the answer has {len(report.wrong)} wrong claims, the first {report.wrong[0].text!r}: "
            f"{report.wrong[0].problem}"
        )
    return f"{name}: the answer is no log, or an echo of the table"


def _as_part(rows: Sequence[Row], duration: float | None, asking: Asking, request: Request, reply: Reply, repair: bool) -> Part:
    """A whole answer as the only part of its log; repair removes its wrong sentences and adds what it left out."""
    unit = Unit("whole", tuple(label_facts(rows, asking.prompt.name)), request.turns[0], rows, duration=duration)
    if not repair:
        return Part(unit, [Line(reply.text, "model", ())])
    is_own_question = asking.prompt.name not in WRITERS
    return Part(unit, repaired_whole(unit, reply.text, _asks_again(request, reply, asking), is_own_question))


# The JSON document


def document(log: Log, costs: Costs | None) -> dict[str, Any]:
    """The log as the object that `log.schema.json` describes."""
    spent = costs or Costs()
    return {
        "filename": log.filename,
        "summary": log.text,
        "entries": list(_entry_objects(log)),
        "model": log.model,
        "prompt": log.prompt,
        "sentences": {"model": log.sentences("model"), "table": log.sentences("table")},
        "tokens": {"prompt": spent.prompt_tokens, "answer": spent.answer_tokens, "calls": spent.calls},
        "check": _report_object(log.report),
    }


def _entry_objects(log: Log) -> Iterator[dict[str, Any]]:
    """What is known about each stretch: one entry for the model's words about it and one for the table's."""
    onsets = [row.onset for row in log.rows]
    for part in section_parts(log.rows) if log.in_one_piece else log.parts:
        within = part.unit.rows
        if not within:  # not analysed
            continue
        first, last = bisect_right(onsets, within[0].onset) - 1, bisect_left(onsets, within[-1].offset) - 1
        for by in ("model", "table"):
            lines = [line for line in part.lines if line.by == by]
            if not lines:
                continue
            is_first = lines[0] is part.lines[0]
            labels = dict.fromkeys(
                [part.unit.scene] * bool(is_first and part.unit.scene)
                + [label for line in lines for label in line.labels if label]
            )
            yield {
                "onset": round(within[0].onset, 3),
                "offset": round(within[-1].offset, 3),
                "time": log.rows[first].time,
                "kind": "scene" if labels.keys() & {row.scene for row in log.rows[first : last + 1]} else "event",
                "labels": list(labels),
                "text": "\n".join([part.unit.title] * bool(is_first and part.unit.title) + [line.text for line in lines]),
                "rows": [first, last],
                "by": by,
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
        "wrong": [{name: getattr(claim, name) for name in CLAIM} | {"labels": list(claim.labels)} for claim in report.wrong],
    }
