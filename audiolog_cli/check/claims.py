"""The check of a finished log: every claim in it, against the table.

Deterministic, no model. In: a text and the table. Out: its claims, each with a verdict: labels at times, denials, counts and
durations, `throughout`, `only`, `mostly`, and order. `check` adds how much of the table the log covers. A time may be TOLERANCE
off; `about` and whole minutes may be off by more. The running time grows with the text, not with text times table.

It cannot see loudness, distance, causes, moods or anything else that is not a label at a time; a claim whose label it cannot read
(unknown words, `it` across lines) is not counted.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from audiolog_cli.check import holding
from audiolog_cli.check.facts import Spans, Table, holds, spans_of, table_of
from audiolog_cli.check.holding import TOLERANCE, Position, labels_of, place_of, positions_of
from audiolog_cli.check.language import compiled
from audiolog_cli.check.places import Place
from audiolog_cli.check.qualities import qualities
from audiolog_cli.check.sentences import EXCEPT, Quality, Sentence, Statement, sentences
from audiolog_cli.check.statements import BARE, PART, Denial, statements, take_turns
from audiolog_cli.check.times import FOR, WINDOW, Time
from audiolog_cli.check.words import MISSING, QUIET, Mention, places
from audiolog_cli.wording import clock

__all__ = ["TOLERANCE", "Claim", "Report", "Table", "check", "claims_of", "covered", "marked", "table_of", "wrong_claims"]

MINUTE = 60.0  # seconds that an hour and minutes may be off
NOT_THEN = "not at that time"
PARTLY = compiled("<partly>")
KIND_OF = compiled(r"[\s-]+<recording>")  # a harbour recording


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of a log, with its verdict."""

    start: int  # in the log's text
    end: int
    text: str  # the words
    onset: float | None
    offset: float | None
    labels: tuple[str, ...]
    problem: str = ""  # "" if the table bears it out
    denied: bool = False  # the log says that the labels are absent
    named: tuple[
        str, ...
    ] = ()  # the labels that its words name by themselves; `vehicles` names a label only if it is the only one


@dataclass(frozen=True, slots=True)
class Report:
    """A checked log."""

    claims: list[Claim]
    rows_covered: float  # share of the table's rows with a correct claim at one of their times, 0..1
    labels_covered: float  # share of its labels that the log names, 0..1
    labels_missing: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[Claim]:
        """The claims that the table does not bear out."""
        return [claim for claim in self.claims if claim.problem]

    @property
    def precision(self) -> float | None:
        """The share of claims that the table bears out; None for a log without claims."""
        return 1 - len(self.wrong) / len(self.claims) if self.claims else None


def check(text: str, table: Table) -> Report:
    """Check every claim of a log against its table, and measure how much of the table it covers."""
    return covered(claims_of(text, table), table)


def wrong_claims(text: str, table: Table) -> list[Claim]:
    """The claims that the table does not bear out, in a time that does not depend on the size of the table."""
    return [claim for claim in claims_of(text, table) if claim.problem]


def claims_of(text: str, table: Table) -> list[Claim]:
    """Every claim of a log, in order, with its verdict."""
    claims: dict[tuple[int, int, str], Claim] = {}
    place, denial = Place(), Denial()
    before: tuple[Mention, ...] = ()  # what was stated last
    for sentence in sentences(text, table):
        place.follow(sentence, table.doubles)
        plain = list(statements(sentence, table))
        plain = list(denial.applied(plain, sentence))
        if match := EXCEPT.search(sentence.masked, sentence.start, sentence.end):
            excepted = [mention for mention in sentence.mentions if mention.start >= match.end()][:1]
            plain = [_without_silence(each) for each in plain if not (each.denied and _has_any(each, excepted, table))]
        said = (
            [] if place.unnamed and place.time is None else qualities(sentence, before)
        )  # how often in a section without a known scene
        for statement in [*plain, *said]:
            for placed in place.placed(statement, sentence):
                for claim in _plausible(placed, text, table):
                    if claim.problem and _is_of_another(claim, placed, sentence, table):
                        continue
                    claims.setdefault((claim.start, claim.end, claim.problem), claim)
        stated = [each.mentions for each in plain if each.mentions and not each.denied]
        before = stated[-1] if stated else before if not sentence.mentions else ()
    return list(claims.values())


def _is_of_another(claim: Claim, statement: Statement, sentence: Sentence, table: Table) -> bool:
    """Whether what seems wrong is right of another label of the sentence: `babble in the two hours in the pub`."""
    others = [each for each in sentence.mentions if labels_of(each, table) and labels_of(each, table).isdisjoint(claim.labels)]
    if (quality := statement.quality) and quality.kind == "lasts" and not FOR.search(sentence.masked[: quality.start][-WINDOW:]):
        return any(abs(table.when(labels_of(each, table)).seconds - quality.value) <= TOLERANCE for each in others)
    time = statement.time
    if claim.problem != NOT_THEN or time is None or claim.onset is None or claim.offset is None:
        return False
    part, n_scenes = PART.match(sentence.line), sum(bool(labels_of(each, table) & table.scenes) for each in sentence.mentions)
    is_name = (
        part is not None
        and re.search(r"[^\W\d_]", part["name"])
        and all(part.end("name") + sentence.start < each.start for each in sentence.mentions)
    )
    if set(claim.labels) & table.scenes and (n_scenes > 1 or is_name or PARTLY.search(sentence.line)):
        return _is_inside(table.when(frozenset(claim.labels)), claim.onset - TOLERANCE, claim.offset + TOLERANCE)
    if time.in_row or statement.in_part:
        return False
    if any(BARE.fullmatch(sentence.masked, each.end, time.start) for each in statement.mentions):  # `cars, a dog (0:05)`
        others = [each for each in others if any(each in run for run in sentence.runs if statement.mentions[-1] in run)]
    elif take_turns(sentence):
        return False
    for each in others:
        spans = table.when(labels_of(each, table))
        is_at = BARE.fullmatch(sentence.masked, each.end, time.start) or each.concept not in sentence.scenes
        edges = ("onset", "offset") if claim.onset == claim.offset else ("",)
        exact = spans.begins_and_ends(claim.onset, claim.offset, TOLERANCE)
        if is_at and (exact or any(edge and holds(spans, claim.onset, claim.onset, TOLERANCE, edge) for edge in edges)):
            return True
    return False


def _has_any(statement: Statement, excepted: list[Mention], table: Table) -> bool:
    """Whether a denial goes for labels that it excepts: `apart from one car, no traffic`."""
    said = frozenset().union(*(labels_of(mention, table) for mention in statement.mentions))
    return any(not said.isdisjoint(labels_of(mention, table)) for mention in excepted)


def _without_silence(statement: Statement) -> Statement:
    """For `Apart from a cough, nothing is heard until 1:00`, which says that there is a cough."""
    others = tuple(mention for mention in statement.mentions if mention.concept != QUIET)
    return statement if len(others) == len(statement.mentions) else replace(statement, mentions=others, time=None)


def _plausible(statement: Statement, text: str, table: Table) -> list[Claim]:
    """The claims of a statement, in the first reading that the table bears out; else in the first of all."""
    found = list(_claims(statement, text, table))
    if not any(claim.problem for claim in found):
        return found
    if _share_a_range(found, table):
        return [replace(claim, problem="") for claim in found]
    if statement.may_be_part:
        return _plausible(replace(statement, in_part=True, may_be_part=False), text, table)
    if statement.time and statement.time.amount and not holding.problem(*_as_length(statement, table), table):
        return list(_claims(replace(statement, time=None), text, table))
    if statement.quality and statement.quality.may_be_point and statement.mentions:
        at = statement.quality.value
        time = Time(statement.quality.start, statement.quality.end, at, at, statement.quality.slack, amount=True)
        if not any(claim.problem for claim in _claims(replace(statement, quality=None, time=time), text, table)):
            return []
    for scene in statement.scenes:
        other = list(_claims(replace(statement, scene=scene), text, table))
        if not any(claim.problem for claim in other):
            return other
    for mentions in statement.instead:
        other = list(_claims(replace(statement, mentions=mentions), text, table))
        if (other or not mentions) and not any(claim.problem for claim in other):
            rest = tuple(mention for mention in statement.mentions if mention not in mentions)
            untimed = replace(statement, mentions=rest, time=None, quality=None)
            return [*other, *(_claims(untimed, text, table) if rest else ())]
    return found


def _as_length(statement: Statement, table: Table) -> tuple[frozenset[str], Statement, Quality]:
    """A statement whose time is an amount, `at nearly six minutes`, read as how long its labels are heard."""
    assert statement.time is not None
    time, labels = statement.time, frozenset().union(*(labels_of(mention, table) for mention in statement.mentions))
    quality = Quality("lasts", time.start, time.end, time.onset, time.slack + 0.05 * time.onset)
    return labels, replace(statement, time=None, quality=quality), quality


def _share_a_range(claims: Sequence[Claim], table: Table) -> bool:
    """Whether several labels with one range are each heard in it, and the range is one of theirs, of all together, or a scene's.

    Three labels or more may be what is heard in any stretch that the log likes to speak of.
    """
    onset, offset = claims[0].onset, claims[0].offset
    if len(claims) < 2 or onset is None or offset is None or onset == offset:
        return False
    if any(claim.problem not in ("", NOT_THEN) or not set(claim.labels) & table.events or claim.denied for claim in claims):
        return False
    each = [table.when(frozenset(claim.labels)) for claim in claims]
    together = spans_of(pair for spans in each for pair in spans.pairs())
    edges = (table.onset, *table.changes, table.end)
    of_scene = all(any(abs(edge - time) <= TOLERANCE for edge in edges) for time in (onset, offset))
    is_filled = any(not claim.problem for claim in claims) or together.begins_and_ends(onset, offset, TOLERANCE)
    return (is_filled or of_scene or len(claims) > 2) and all(
        spans.meets(onset - TOLERANCE, offset + TOLERANCE) for spans in each
    )


def _claims(statement: Statement, text: str, table: Table) -> Iterator[Claim]:
    """The claims of one statement: one per label, or one for a bare time or a quality."""
    if statement.quality:
        yield from _quality_claims(statement, text, table)
        return
    positions = positions_of(statement.time, statement, table)
    if not statement.mentions:
        if statement.time and positions:
            problem, position = _best((_outside(statement.time, each, table), each) for each in positions)
            yield _claim(text, statement.time.start, statement.time.end, position, frozenset(), problem, False)
        return
    for mention in statement.mentions:
        is_pseudo = mention.concept in (QUIET, MISSING)
        labels = labels_of(mention, table)
        if statement.denied and not is_pseudo:
            labels &= table.known.firm.get(mention.concept, frozenset())
        if statement.time is None and (is_pseudo or (not labels and statement.supposed)):
            continue
        is_place = not labels and (statement.time is None or statement.time.from_edge) and mention.concept in places()
        if is_place and (table.known.strange & table.scenes or KIND_OF.match(text, mention.end)):
            continue  # `a library` may be said of a reading room, `a harbour recording` of a beach
        start = min(mention.start, statement.time.start) if statement.time else mention.start
        end = max(mention.end, statement.time.end) if statement.time else mention.end
        if statement.time is None:
            problem, position = _untimed_problem(statement, labels, table), None
        elif positions:
            verdicts = [(_problem(statement, mention, labels, each, table), each) for each in positions]
            problem, position = _best(verdicts)
        else:
            continue
        if problem and mention.may_be and not statement.denied and not (labels and statement.time):
            continue
        claim = _claim(text, start, end, position, labels, problem, statement.denied)
        named = table.known.named.get(mention.concept, frozenset()) if len(labels) > 1 else labels
        yield replace(claim, named=tuple(sorted(named)))


def _best(verdicts: Iterable[tuple[str, Position]]) -> tuple[str, Position | None]:
    """The first reading that holds, else the first of all."""
    return min(verdicts, key=lambda verdict: verdict[0] != "")


def _claim(text: str, start: int, end: int, at: Position | None, labels: frozenset[str], problem: str, denied: bool) -> Claim:
    onset, offset = at or (None, None)
    return Claim(start, end, " ".join(text[start:end].split()), onset, offset, tuple(sorted(labels)), problem, denied)


# Times


def _tolerance(time: Time, position: Position, table: Table) -> float:
    in_minutes = time.day_slack if table.clocks and time.of_day else MINUTE if position != (time.onset, time.offset) else 0.0
    return TOLERANCE + time.slack + (in_minutes if not time.from_edge and time.onset >= 0 and not time.side else 0.0)


def _outside(time: Time, position: Position, table: Table) -> str:
    tolerance = _tolerance(time, position, table)
    if position[0] > position[1]:
        return "ends before it begins"
    if position[1] > table.end + tolerance:
        return f"past the end of the {'section' if table.onset else 'recording'}, {clock(table.end)}"
    if position[0] < table.onset - tolerance:
        return f"before the beginning of the section, {clock(table.onset)}"
    return ""


def _problem(statement: Statement, mention: Mention, labels: frozenset[str], position: Position, table: Table) -> str:
    """What is wrong with the claim that one of `labels` is there at a position; "" if nothing."""
    time, (onset, offset) = statement.time, position
    assert time is not None
    if outside := _outside(time, position, table):
        return outside
    if not labels:
        return "" if statement.denied else "not in the table"
    spans, tolerance = table.when(labels), _tolerance(time, position, table)
    if statement.denied:
        return "heard then, says the table" if spans.meets(onset + tolerance, offset - tolerance) else ""
    if time.share:  # a sound that only touches the middle is not in that half
        first, last = (
            onset + (tolerance if time.share[0] else -tolerance),
            offset + (tolerance if time.share[1] == 1 else -tolerance),
        )
        return "" if spans.meets(first, last) else NOT_THEN
    if _is_loose(statement, mention, position, table):
        return "" if spans.meets(onset - tolerance, offset + tolerance) else NOT_THEN
    alternatives = [spans, *(table.heard[name] for label in labels for name in table.variants(label)), table.when_cut(labels)]
    edge = "" if labels & table.known.labels["vehicle"] else time.edge  # a train that stops is not silent
    return "" if any(holds(each, onset, offset, tolerance, edge) for each in alternatives) else NOT_THEN


def _is_inside(spans: Spans, onset: float, offset: float) -> bool:
    """Whether a stretch lies in a range, or half of the range in one."""
    parts = spans.meeting(onset, offset)
    return any(onset <= on and off <= offset or min(off, offset) - max(on, onset) > (offset - onset) / 2 for on, off in parts)


def _is_loose(statement: Statement, mention: Mention, position: Position, table: Table) -> bool:
    """Whether a label need only be heard somewhere within the time of its statement.

    `From 0 to 16 s in the city center cars are heard`: the time is the scene's, the cars are somewhere in it. `Cars pass in the
    street from 0:05`: the time is the cars', the street is around it. In a row of a table the time is the scene's.
    """
    assert statement.time is not None
    is_scene = [bool(labels_of(each, table)) and labels_of(each, table) <= table.scenes for each in statement.mentions]
    own = is_scene[statement.mentions.index(mention)]
    if statement.time.side:
        return True
    if statement.time.from_edge or statement.time.in_row or statement.in_part:
        return (
            statement.time.from_edge
            or not own
            or len({each.concept for each, scene in zip(statement.mentions, is_scene, strict=True) if scene}) > 1
        )
    if all(is_scene) or not any(is_scene):
        return False
    spans = table.when(
        frozenset().union(*(labels_of(m, table) for m, scene in zip(statement.mentions, is_scene, strict=True) if scene))
    )
    tolerance = TOLERANCE + statement.time.slack
    is_of_scene = position[0] < position[1] and holds(spans, *position, tolerance)
    if is_of_scene and not is_scene[0]:  # `dishes in the kitchen` from 5:20: it is the scene's only if it is all of it
        is_of_scene = spans.begins_and_ends(*position, tolerance)
    return own != is_of_scene


def _untimed_problem(statement: Statement, labels: frozenset[str], table: Table) -> str:
    """What is wrong with a claim without a time: denied wrongly, or not heard in the scene that it is stated under."""
    if not labels:
        return "" if statement.denied else "not in the table"
    if statement.denied and (statement.here or labels <= table.scenes):
        return ""  # in a line with a time, or a place: `at home, no dog is heard`
    place = place_of(statement, table)
    if not place or statement.scene in statement.mentions:
        return "heard, says the table" if statement.denied and not place else ""
    if labels & table.scenes and not statement.denied:
        return ""
    there = bool(table.when_within(labels, *place))
    if statement.denied:
        return "heard in that scene, says the table" if there else ""
    return "" if there else "not in that scene" if statement.scene else NOT_THEN


# Qualities


def _quality_claims(statement: Statement, text: str, table: Table) -> Iterator[Claim]:
    quality = statement.quality
    assert quality is not None
    if not statement.mentions:
        problem = holding.problem(frozenset(), statement, quality, table)
        yield _claim(text, quality.start, quality.end, None, frozenset(), problem, False)
        return
    kept = tuple(each for each in statement.mentions if not each.may_be or len(labels_of(each, table)) == 1)  # without `someone`
    if not kept or not all(labels_of(mention, table) for mention in kept):
        return  # an invented label is a claim of its own
    statement = replace(statement, mentions=kept)
    labels = frozenset().union(*(labels_of(mention, table) for mention in kept))
    problem = holding.problem(labels, statement, quality, table)
    ends = [
        mention.end
        for mention in (*statement.mentions, *(quality.others if quality.kind in ("comes_before", "all_before") else ()))
    ]
    start = min(quality.start, *(mention.start for mention in statement.mentions))
    yield _claim(text, start, max(quality.end, *ends), None, labels, problem, False)


# Coverage


def covered(claims: list[Claim], table: Table) -> Report:
    """How much of the table the claims cover: its rows by correct claims with times, its labels by any mention."""
    pairs: dict[str, list[Position]] = {}
    named: set[str] = set()
    for claim in claims:
        named |= set(claim.labels)
        if not claim.problem and claim.onset is not None and claim.offset is not None:
            for label in claim.labels:
                pairs.setdefault(label, []).append((claim.onset - 0.001, claim.offset + 0.001))
    spans = {label: spans_of(each) for label, each in pairs.items()}
    nothing = Spans((), (), 0.0)
    n_covered = sum(
        any(
            spans.get(label, nothing).meets(row.onset, row.offset)
            for label in (row.scene, *row.events, *([] if row.events else [QUIET]))
        )
        for row in table.rows
    )
    labels = table.labels
    missing = [label for label in labels if label not in named]
    return Report(
        claims, n_covered / len(table.rows) if table.rows else 1.0, 1 - len(missing) / len(labels) if labels else 1.0, missing
    )


# Marking


def marked(text: str, report: Report) -> str:
    """The log with a mark after the words of every wrong claim.

    >>> marked("A dog at 0:45.", Report([Claim(2, 13, "dog at 0:45", 45.0, 45.0, ("dog",), "not at that time")], 0.0, 1.0))
    'A dog at 0:45 [dog: not at that time].'
    """
    pieces, reached = [], 0
    for end, marking in sorted({(claim.end, _marking(claim)) for claim in report.wrong}):
        pieces += [text[reached:end], f" [{marking}]"]
        reached = end
    return "".join([*pieces, text[reached:]])


def _marking(claim: Claim) -> str:
    label = ", ".join(label for label in claim.labels if label not in (QUIET, MISSING))
    return f"{label}: {claim.problem}" if label and claim.problem != "not in the table" else claim.problem
