"""What a sentence states: which of its labels are there, when, and which it denies.

A time belongs to the labels of its own clause. A clause with only times belongs to the labels before it, or after it if the
sentence begins with a time; a sentence or bullet with only times belongs to the heading above it.

In: a `Sentence`. Out: `Statement`s.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from audiolog_cli.check.facts import DAY, Table
from audiolog_cli.check.language import compiled
from audiolog_cli.check.sentences import (
    _A,
    AND,
    ASIDE,
    BEGINS_WITH_TIME,
    CLAUSE_END,
    OF_ALL,
    SILENT,
    SUBORDINATE,
    Clause,
    Sentence,
    Statement,
)
from audiolog_cli.check.times import Time
from audiolog_cli.check.words import MISSING, QUIET, Mention

DENIED = compiled(r"-free\b|(?!^\W*no,)<denied|denied_next>(?!\s+<not_denying>)")
RESTRICTED = compiled(
    r"(?<!not )<restricting>(?!\s+(?:the|this)\s+(?:[^\W\d_]+\s+)?<recording>)|<elsewhere>(?!\s+<heard|denied>)"
)  # `no birds are heard there`
REACH = re.compile(r"(?:[^\w:：]*\w+){0,9}?[^\w:：]*")  # how far `without` reaches
DENIED_NEXT = compiled("<denied_next>")
SUPPOSED, FIRMLY = compiled("<supposed>"), compiled("<firmly>")
BESIDE_TIMES = compiled(
    r"<beside_times>|\W|\d|[\x01\x04]"
)  # what a clause of times may hold and still refer to the label before it
PART = re.compile(
    r"(?P<name>[^\x01:：]{0,40})\x01+(?:[\s(]+\x01+)?[\s)\]]*[:：|\u2013\u2014·-]"
)  # a line that begins with a time, or a name and a time
THEN = compiled("<then|next>")
BRACKET = re.compile(r"\s*[(\[]\s*")
BARE = compiled(r"\s*(?:[(\[,:\u2013-]|<at|between|about|filler|located>|\s)*")  # no verb between a label and its time
OPENED = compiled(r"\W*<restricting>")  # `While the waves roll in at the beach, ...`
FRAMED = compiled(r"\W*<framing>")
FRAMING = compiled(r"<framing>\s*(?:<joining|ordinal>\s*)*\Z")
SEQUEL = compiled("<then|next|before|after|restricting>|<ends_at>")
ENTERS, LEAVES, LEFT_FOR = (
    compiled(rf"{verb}{_A}") for verb in ("<enters>", r"(?:<leaves>|<change>(?:[\s\x01,]|<at>)*<from>)", "<to|into_it>")
)
IS_LEFT = compiled(r"(?:\s+<scene_word>)?\s+<is_left>")
EXCEPTED, NO_LONGER = compiled(r"<excepted>[^\w\n]*\Z"), compiled("<no_longer>")
AND_BEFORE = compiled(r"<and>\s*,\s*\Z")
PART_WITHOUT = compiled(
    r"\b(?:an?|another|one|<ordinal>)\s+(?!<recording>)(?:[^\W\d_]+\s+)?(?!<recording>)[^\W\d_]+\s+<without>"
)  # a pause without
FEW_RUNS = 6  # of labels in a sentence, any of which a time may be of
THAN = compiled("<than>")
ANSWER = compiled(r"\W*(?:(?P<no><answer_no>)|<answer_yes>)\W*\Z")
RESPECTIVELY = compiled("<respectively>")
PAUSES = compiled("<pause>")
FOR_A_WHILE = compiled("<for_a_while>")
NOT_BUT = compiled(r"<denied>[^.,;]{0,40}\b<but>\s+<at|located>")  # not at night but at 9:00
COUNTED = compiled("<times|several_times|counts|the_only>")  # `three times between 1:00 and 5:00`
EDGES_AFTER = tuple(
    (edge, compiled(rf"\s*<{kind}>\s*(?:[,.;:()|]|$|<and>)")) for edge, kind in (("onset", "begins_at"), ("offset", "ends_at"))
)


def statements(sentence: Sentence, table: Table) -> Iterator[Statement]:
    """Which labels a sentence states, or denies, and when."""
    if sentence.masked[sentence.end : sentence.end + 1] == "?":
        return
    line = sentence.line
    of_all = OF_ALL.search(line) is not None
    if not sentence.mentions:
        yield from _of_what_was_named(sentence, of_all)
        return
    if sentence.subject:  # `it is heard at 1:00, when the dog barks`
        before = [time for time in sentence.times if time.end <= sentence.mentions[0].start]
        yield from (Statement(tuple(sentence.subject), time, False, False, of_all) for time in before)
    part = PART.match(line)
    is_named = part is not None and re.search(r"[^\W\d_]", part["name"]) is not None
    is_followed = part is not None and sentence.mentions[-1].start > sentence.times[0].start
    in_part = part is not None and (len(sentence.mentions) > 1 or is_named) and is_followed
    n_events = sum(any(mention.concept not in sentence.scenes for mention in run) for run in sentence.runs)
    opens = n_events + len(sentence.times) > 2 and bool(sentence.times) and sentence.times[0].start < sentence.mentions[0].start
    spoken = [clause for clause in sentence.clauses if clause.runs or clause.times]
    changes = list(_changes(sentence))
    yield from changes
    changed = {mention for change in changes for mention in change.mentions}
    front = _fronted(sentence)
    for clause, run, when in _respectively(sentence) or _paired(spoken, sentence.masked, sentence.scenes):
        run = [mention for mention in run if mention not in changed]
        if changed and not run:
            continue
        if when and run and all(each.may_be for each in run) and not clause.start <= when.start < clause.end:
            continue
        until = run[-1].end if run else clause.end
        if NO_LONGER.search(sentence.masked, sentence.start, until) or _is_beside_the_point(when, sentence, table):
            continue
        is_frame = bool(run and SUBORDINATE.search(sentence.masked, sentence.start, run[0].start))
        if when and is_frame and when.end <= run[0].start and (when.onset == when.offset or BEGINS_WITH_TIME.match(line)):
            when = None  # `at 28 s, while the crowd cheers`: of what was named before
        when = _with_edge(when, run, sentence.masked)
        is_inside = front and run and when is None and not SEQUEL.search(sentence.masked, front.end, run[0].start)
        when = front if is_inside else when
        if when and run and part and when is sentence.times[0] and _is_only_heading(when, is_named, run, sentence):
            continue
        if when and run and _is_of_another(when, clause, run, sentence):
            when = None
        if when is not None and when.in_row and len(sentence.mentions) == 1:
            when = replace(when, in_row=False)  # the row's time is that of its only event
        is_counted = when is not None and COUNTED.search(sentence.masked, clause.start, clause.end) is not None
        denied = is_denied(sentence, clause, run)
        supposed = SUPPOSED.search(sentence.masked, sentence.start, clause.end) is not None
        is_partly = FOR_A_WHILE.search(sentence.masked, clause.start, clause.end) if when else _is_restricted(sentence, run)
        if not (denied and (is_partly or NOT_BUT.search(line))):
            instead = _others(sentence, clause, run, when) if when not in (None, front) and not denied else ()
            found = Statement(tuple(run), when, denied, supposed, of_all or (is_frame and not denied), instead=instead)
            may_be_part = opens and when in sentence.times[:1] and not denied
            yield replace(found, in_part=in_part or is_counted or bool(is_inside), may_be_part=may_be_part)


def _of_what_was_named(sentence: Sentence, of_all: bool) -> Iterator[Statement]:
    """The times of a sentence without labels, of what `it` is or of the heading above; not `it pauses from 1:00 to 2:00`."""
    line, follows = sentence.line, sentence.masked[sentence.start - 1 : sentence.start]
    is_own = not (sentence.subject or sentence.is_introduced) and (
        of_all
        or (line.lstrip()[:1] == "\x01" and follows != ";")
        or "\x03" in line
        or speaks_of_something_else(sentence.masked, Clause(sentence.start, sentence.end))
    )
    owners = [] if is_own else sentence.subject or sentence.heading
    times = [] if PAUSES.search(line) else sentence.times
    yield from (Statement(tuple(owners), time, False, SUPPOSED.search(line) is not None) for time in times)


def _is_only_heading(time: Time, is_named: bool, run: Sequence[Mention], sentence: Sentence) -> bool:
    """Whether the time that begins a line is not that of a label in it: `Arrival (17:30): ...`, `1:00: steps began at 1:10`."""
    until = next((each[0].start for each in sentence.runs if each[0].start > run[-1].end), sentence.end)
    has_own = any(run[-1].end <= each.start < until for each in sentence.times)
    return run[0].start > time.end and (has_own or (is_named and time.onset == time.offset))


def _is_beside_the_point(when: Time | None, sentence: Sentence, table: Table) -> bool:
    """Whether a time is an exception, `except between 2:00 and 3:00`, or all of the recording, of which the sentence speaks."""
    if when is None:
        return False
    if EXCEPTED.search(sentence.masked[sentence.start : when.start]):
        return True
    edges = [abs(at - edge) % DAY for edge, at in ((table.onset, when.onset), (table.end, when.offset))]
    if when.of_day and table.clocks:
        start = table.clocks[0][1]
        edges = [
            min(edges[0], abs(when.of_day[0] - start)),
            min(edges[1], abs(when.of_day[1] - start - table.end + table.onset) % DAY),
        ]
    if when.onset == when.offset:  # `the recording begins at 17:20:00 and contains ...`
        return OF_ALL.search(sentence.masked, sentence.start, when.start) is not None and bool(when.edge) and min(edges) <= 60
    return OF_ALL.search(sentence.line) is not None and max(edges) <= min(60, 0.1 * (table.end - table.onset))


def _is_of_another(time: Time, clause: Clause, run: Sequence[Mention], sentence: Sentence) -> bool:
    """Whether words of order part labels from a time of something else: `the second chime at 3:00 precedes the music`."""
    if not clause.start <= time.start < run[0].start or not SEQUEL.search(sentence.masked, time.end, run[0].start):
        return False
    return speaks_of_something_else(sentence.masked, Clause(clause.start, time.start))


def _respectively(sentence: Sentence) -> list[tuple[Clause, list[Mention], Time | None]]:
    """As many times as labels, told to be paired in order: `at 1:00 and 2:00, a dog and a car, respectively`."""
    events = [mention for mention in sentence.mentions if mention.concept not in sentence.scenes]
    if not RESPECTIVELY.search(sentence.line) or len(events) != len(sentence.times):
        return []
    return [(sentence.clause_at(each.start), [each], time) for each, time in zip(events, sentence.times, strict=True)]


def _fronted(sentence: Sentence) -> Time | None:
    """The only time of a sentence, a range before all labels: they are in it: `from 1:00 to 2:00 it rains, with thunder`."""
    time = sentence.times[0] if len(sentence.times) == 1 else None
    is_front = time and time.onset < time.offset and not (time.from_edge or time.side) and time.end <= sentence.mentions[0].start
    return time if is_front and DENIED.search(sentence.line) is None else None


def _changes(sentence: Sentence) -> Iterator[Statement]:
    """At the one point that a sentence names, a scene begins or ends: `at 3:00 the street gives way to a park`."""
    points = [time for time in sentence.times if time.onset == time.offset and not (time.share or time.side or time.edge)]
    if len(points) != 1 or len(sentence.times) > 1 or DENIED.search(sentence.line):
        return
    is_left = False
    for mention in (mention for mention in sentence.mentions if mention.concept in sentence.scenes):
        if CLAUSE_END.search(sentence.masked, mention.end, max(points[0].start, mention.end)):
            continue  # moves to the park, where a dog barks at 3:00
        before, edge = sentence.masked[sentence.start : mention.start], ""
        if ENTERS.search(before) or (is_left and LEFT_FOR.search(before)):
            edge = "onset"
        elif LEAVES.search(before) or IS_LEFT.match(sentence.masked, mention.end):
            edge, is_left = "offset", True
        if edge:
            yield Statement((mention,), replace(points[0], edge=edge), False, False)


def _is_restricted(sentence: Sentence, run: Sequence[Mention]) -> bool:
    """Whether a denial without a time is for a while only, or a condition: `without the waves, it would be silent`."""
    if FIRMLY.search(sentence.line):
        return False
    if run and (any(each.end <= run[0].start for each in sentence.times) or all(each.concept in sentence.scenes for each in run)):
        return True
    part = PART_WITHOUT.search(sentence.line)
    if part and not any(part.start() <= each.start - sentence.start < part.end() for each in sentence.mentions):
        return True
    return SUPPOSED.search(sentence.line) is not None or RESTRICTED.search(sentence.line) is not None


def _others(sentence: Sentence, clause: Clause, run: Sequence[Mention], when: Time) -> tuple[tuple[Mention, ...], ...]:
    """The labels that a time may be of instead of those that it was given to.

    In `cars and a dog at 0:05` it may be the dog's alone. Of more runs than times in a clause, any may be meant, and of those on
    both sides of a clause of its own, unless labels and times take turns throughout the sentence.
    """
    if not run:
        return ()
    if when.from_edge and when.start < run[0].start:
        return ()  # `in the first half, ...`: all that follows
    if len(run) == 1 and BRACKET.fullmatch(sentence.masked, run[-1].end, when.start):
        return ()  # `Park (0:10)`
    last = [tuple(run[-1:])] if len(run) > 1 and BARE.fullmatch(sentence.masked, run[-1].end, when.start) else []
    if len(run) > 1 and when.onset == when.offset and run[-1].end <= when.start:
        last = [(each,) for each in reversed(run)]
    framing = sentence.masked[sentence.start : when.start]
    if FRAMED.match(framing) and "," in framing and when.start < run[0].start:
        last.append(())  # `after the second, at 20:10, ...`
    if clause.start <= when.start < clause.end:
        is_point = when.onset == when.offset
        runs = [[each for each in found if is_point or each.concept not in sentence.scenes] for found in clause.runs]
        return (*last, *(tuple(each) for each in runs if each and len(clause.runs) > len(clause.times)))
    if take_turns(sentence):
        return tuple(last)
    before = [run for run in sentence.runs if run[-1].end <= when.start]
    after = [run for run in sentence.runs if run[0].start >= when.end]
    near = (before + after) if len(sentence.runs) <= FEW_RUNS else (before[-1:] + after[:1])
    return (*last, *(tuple(run) for run in near))


def take_turns(sentence: Sentence) -> bool:
    """Whether every time of a sentence has labels of its own: T L T L, or L T L T."""
    items: list[Mention | Time] = [*(run[0] for run in sentence.runs), *sentence.times]
    items.sort(key=lambda item: item.start)
    kinds = [isinstance(item, Time) for item in items]
    return len(kinds) % 2 == 0 and all(kind != kinds[index - 1] for index, kind in enumerate(kinds) if index)


def _with_edge(when: Time | None, run: Sequence[Mention], masked: str) -> Time | None:
    """A point before its label as the label's beginning or end, if such a verb follows the label: `3:00: the wind stops`."""
    if when is None or not run or when.onset != when.offset or when.edge or when.start > run[-1].start:
        return when
    edge = next((name for name, pattern in EDGES_AFTER if pattern.match(masked, run[-1].end)), "")
    return replace(when, edge=edge)


def is_denied(sentence: Sentence, clause: Clause, run: Sequence[Mention]) -> bool:
    """Whether a `no` comes before these labels, or a `not` after them with nothing but a scene following."""
    labels = clause.labels
    if any(mention.concept in (QUIET, MISSING) for mention in run):
        return False
    if run and SILENT.match(sentence.masked, run[-1].end):
        return True
    following = next((each for each in sentence.clauses if each.start >= clause.end), clause)
    is_alone = not following.runs and not following.times and len(sentence.masked[following.start : following.end].split()) <= 2
    end = following.end if is_alone else clause.end  # `is heard there, but not`
    for match in DENIED.finditer(sentence.masked, clause.start, sentence.end):
        if match.start() >= end:
            break
        if match.group().lower() == "-free":
            if any(label.end == match.start() and label in run for label in labels):
                return True
            continue  # `a car-free street`
        if any(match.start() < label.end and match.end() > label.start for label in labels):
            continue  # the `no` of "no event recognised"
        before = [label for label in labels if label.end <= match.start()]
        is_verbal = DENIED_NEXT.fullmatch(match.group()) is None or not sentence.masked[match.end() : end].strip()
        after = [label for label in labels if label.start >= match.end()]
        if not is_verbal:
            after = [label for label in after if REACH.fullmatch(sentence.masked, match.end(), label.start)]
        if after and THAN.search(sentence.masked, match.end(), after[0].start):
            continue  # no sound is heard more often than a dog
        if before and is_verbal and all(label.concept in sentence.scenes for label in after):
            if before[-1] in run:
                return True
        elif after and after[0] in run and not (is_verbal and after[0].concept in sentence.scenes):
            return True  # `but not in the park` denies what comes before
    return False


def _paired(
    clauses: Sequence[Clause], masked: str, scenes: frozenset[str]
) -> Iterator[tuple[Clause, list[Mention], Time | None]]:
    """Every run of labels with each of its times, or with None."""
    beside = [clause for clause in clauses if clause.is_aside or _is_frame(clause, masked)]
    for clause in beside:
        yield from (
            (clause, run, when) for run, when in (_inside(clause, masked) if clause.times else zip_longest(clause.runs, ()))
        )
    clauses = [clause for clause in clauses if clause not in beside]
    if not any(clause.runs for clause in clauses):
        return
    times_first = not clauses[0].runs
    last_with_runs = max(index for index, clause in enumerate(clauses) if clause.runs)
    pending: list[Time] = []
    last: tuple[Clause, list[Mention]] | None = None
    for index, clause in enumerate(clauses):
        if clause.runs and clause.times:
            yield from ((clause, run, when) for run, when in _inside(clause, masked))
            last, pending = (clause, _last_events(clause, scenes)), []
        elif clause.runs:
            if pending and THEN.search(masked, pending[-1].end, clause.runs[0][0].start):
                pending = []
            follows = clauses[index + 1 : index + 2]
            own = pending or ([] if times_first or not follows or follows[0].runs else follows[0].times)
            if own is pending and pending:
                yield from ((clause, clause.labels, time) for time in pending)
                pending = [time for time in pending if time.onset != time.offset]  # a point belongs only to what follows it
            elif not own:
                yield from ((clause, run, None) for run in clause.runs)
            last = (clause, clause.labels)
        elif times_first and index < last_with_runs:
            pending = clause.times
        elif clause.times and _is_after_and(clause, masked) and _has_labels_only(clauses, index + 1):
            pending = clause.times  # `and, between 1:00 and 2:00, people talk`
        elif last and not speaks_of_something_else(masked, clause):
            yield from ((last[0], last[1], time) for time in clause.times)


def _last_events(clause: Clause, scenes: frozenset[str]) -> list[Mention]:
    """The labels of a clause that a time in a later one may be of: not those of its heading, `Park (1:00-2:00): dogs`."""
    return [mention for mention in clause.labels if mention.concept not in scenes] or clause.labels


def _is_after_and(clause: Clause, masked: str) -> bool:
    """Whether a clause is a time between `and` and a comma."""
    return AND_BEFORE.search(masked[max(0, clause.start - 8) : clause.start]) is not None and not speaks_of_something_else(
        masked, clause
    )


def _has_labels_only(clauses: Sequence[Clause], index: int) -> bool:
    return index < len(clauses) and bool(clauses[index].runs) and not clauses[index].times


def _is_frame(clause: Clause, masked: str) -> bool:
    """Whether labels only tell when something else happens: `after the conversation, at 3:20, ...`."""
    start = clause.start - 12
    is_timed = any(not ASIDE.search(masked[clause.start : time.start]) for time in clause.times)
    return bool(clause.runs) and not is_timed and FRAMING.search(masked[max(0, start) : clause.runs[0][0].start]) is not None


def speaks_of_something_else(masked: str, clause: Clause) -> bool:
    """Whether a clause without a label has words of its own: `one approaches at 30 s`."""
    return len(BESIDE_TIMES.sub(" ", masked[clause.start : clause.end]).split()) > 0


def _inside(clause: Clause, masked: str) -> Iterator[tuple[list[Mention], Time | None]]:
    """Runs and times of one clause: each time with the labels since the last time, or up to the next if a time comes first."""
    if len(clause.runs) == 1 and len(clause.times) == 1 and _is_of_last(clause.runs[0], clause.times[0], masked):
        yield clause.runs[0][-1:], clause.times[0]
        yield clause.runs[0][:-1], None
        return
    if len(clause.runs) == 1:
        yield from ((clause.runs[0], time) for time in clause.times)
        return
    times_first = clause.times[0].start < clause.runs[0][0].start
    claimed: set[int] = set()
    for index, time in enumerate(clause.times):
        if times_first:
            until = clause.times[index + 1].start if index + 1 < len(clause.times) else clause.end
            own = [number for number, run in enumerate(clause.runs) if time.end <= run[0].start < until]
        else:
            since = clause.times[index - 1].end if index else clause.start
            own = [number for number, run in enumerate(clause.runs) if since <= run[0].start < time.start]
        own = own or sorted(claimed)[-1:]
        claimed |= set(own)
        yield [mention for number in own for mention in clause.runs[number]], time
    yield from ((run, None) for number, run in enumerate(clause.runs) if number not in claimed)


def _is_of_last(run: Sequence[Mention], time: Time, masked: str) -> bool:
    """Whether a time is only that of the last label of a list: `cars and a dog (0:05)`, `cars, a dog at 0:05`."""
    if len(run) < 2 or time.start < run[-1].start:
        return False
    is_bare = masked[run[-2].end : run[-1].start].lstrip()[:1] == "," and not AND.search(masked, run[0].end, run[-1].start)
    return is_bare or BRACKET.fullmatch(masked, run[-1].end, time.start) is not None


@dataclass(slots=True)
class Denial:
    """What denies the labels after it, `Not heard:` and a list, or before it: `Is there any music? No.`"""

    reached: int = -1  # where it or the last line of its list ended; -1 if there is none
    asked: Sequence[Mention] = ()  # the labels of a question just before

    def applied(self, stated: Iterable[Statement], sentence: Sentence) -> Iterator[Statement]:
        """The statements of the next sentence, denied where it stands under a denial."""
        between = sentence.masked[self.reached : sentence.start + 2] if self.reached >= 0 else ""
        is_under = (
            self.reached >= 0
            and bool(sentence.mentions)
            and (between.count("\n") == 0 or re.search(r"\n\s*[-\u2022]|\n ", between))
        )
        for statement in stated:
            yield replace(statement, denied=True) if is_under and statement.time is None else statement
        line = sentence.line.rstrip()
        if self.asked and not sentence.mentions and (match := ANSWER.match(line)):
            yield Statement(tuple(self.asked), None, match["no"] is not None, False)
        self.asked = sentence.mentions if sentence.masked[sentence.end : sentence.end + 1] == "?" else ()
        opens = not sentence.mentions and DENIED.search(line) and line.endswith(":")
        goes_on = is_under and "\n" in between
        self.reached = sentence.end if opens or goes_on else -1
