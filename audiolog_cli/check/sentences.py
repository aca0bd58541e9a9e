"""What a log states: which labels, when, how often, how long, in which order, and whether it denies them.

A log is read line by line and clause by clause. Inside a sentence a time belongs to the labels of its own clause. A clause with
only times belongs to the labels before it, or after it if the sentence begins with a time; a sentence or bullet with only times
belongs to the heading above it. `qualities.py` adds what a sentence says beyond labels and times; `claims.py` checks it against
the table.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, zip_longest

from audiolog_cli.check.facts import DAY, Table
from audiolog_cli.check.language import compiled
from audiolog_cli.check.times import Duration, Time, durations, times
from audiolog_cli.check.words import MISSING, QUIET, Lexicon, Mention, mentions
from audiolog_cli.wording import UNNAMED

# Placeholders, one for each character: \x01 a time, \x03 a scene without a name, \x04 a duration
NAMES = re.compile(r"^Log of .*$|\b[\w-]+\.(?:wav|flac|mp3|m4a|aac|ogg|opus|webm|mp4)\b", re.MULTILINE)  # of files: not claims
DATES = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?)?")
MARKUP = re.compile(r"[*`#>\"“”‘_]")
IDIOMS = compiled(r"<idioms>|,\s*<parenthetical>\s*,")
SENTENCE_END = re.compile(r"[.!?](?=\s|$)|;(?=\s|$)(?!\s+\w+(?:\s\w+){0,2}\s*(?:[;.\n]|$))|[。；！？]|\n")
PSEUDO = (
    (MISSING, compiled("<missing>")),
    (
        QUIET,
        compiled(
            r"<quiet>(?:\s+<heard>)*"
            r"|<quiet_state>(?=\s+<quiet_noun>)|(?<!\ba )(?<!\ban "
            r")<quiet_state>(?=\s*(?:[,.:;|)\x01]|$))"
        ),
    ),
)
EMPTY_CELL = compiled(
    r"(?P<row>\x01[^\n]*\|\s*)(?P<none><denied|denied_next|answer_no>)(?=\s*(?:\||\n|\Z))"
)  # 0-28 s | park | none
RATHER = compiled(r"<rather>\s+\Z")
CLAUSE_END = compiled(r"[,，、|\t:：]|(?<=[)\w] )→|(?<!\ba )<clause>")
AND = compiled("<and>")
COMMA_AND = compiled(r"\s*,\s*<and>")
JOINING = compiled(r"(?:[\s,，、&/+*\"“”]|<joining>)*")
DENIED = compiled(r"-free\b|(?!^\W*no,)<denied|denied_next>(?!\s+<not_denying>)")
RESTRICTED = compiled(
    r"(?<!not )<restricting>(?!\s+(?:the|this)\s+(?:[^\W\d_]+\s+)?<recording>)|<elsewhere>(?!\s+<heard|denied>)"
)  # `no birds are heard there`
REACH = re.compile(r"(?:[^\w:：]*\w+){0,9}?[^\w:：]*")  # how far `without` reaches
DENIED_NEXT = compiled("<denied_next>")
SUPPOSED = compiled("<supposed>")
EXCEPT = compiled("<except>")
OF_ALL = compiled(r"(?<!part of the )<recording>")
BESIDE_TIMES = compiled(
    r"<beside_times>|\W|\d|[\x01\x04]"
)  # what a clause of times may hold and still refer to the label before it
PART = re.compile(
    r"(?P<name>[^\x01:：]{0,40})\x01+[\s)\]]*[:：|\u2013\u2014·-]"
)  # a line that begins with a time, or a name and a time
THEN = compiled("<then|next>")
LOCATED = compiled(r"(?:<located>|\()(?:[^\S\n]*[^\W\d_]+){0,3}[^\S\n]*\Z")  # in the busy street, (street)
SCENE_TIME = re.compile(r"\s*[(\[]\s*\x01")
BRACKET = re.compile(r"\s*[(\[]\s*")
BARE = compiled(r"\s*(?:[(\[,:\u2013-]|<at|between|about|filler|located>|\s)*")  # no verb between a label and its time
FRONTED = compiled(r"\W*<located|framing|while_in|fronting|except>[^\S\n]")  # `In the park, ...`
OPENED = compiled(r"\W*<restricting>")  # `While the waves roll in at the beach, ...`
FRAMED = compiled(r"\W*<framing>")
FRAMING = compiled(r"<framing>\s*(?:<joining|ordinal>\s*)*\Z")
SEQUEL = compiled("<then|next|before|after|restricting>|<ends_at>")
_A = r"(?:\s+<joining|scene_word>)*(?:\s+[^\W\d_]+)?\s*\Z"  # the words between a verb and a scene
ENTERS, LEAVES, LEFT_FOR = (
    compiled(rf"{verb}{_A}") for verb in ("<enters>", r"(?:<leaves>|<change>(?:[\s\x01,]|<at>)*<from>)", "<to|into_it>")
)
IS_LEFT = compiled(r"(?:\s+<scene_word>)?\s+<is_left>")
EXCEPTED, NO_LONGER = compiled(r"<excepted>[^\w\n]*\Z"), compiled("<no_longer>")
OF_THE = re.compile(r"\s+of\s+(?:the|an?|this)\s+", re.IGNORECASE)
BRACKETS, ASIDE = re.compile(r"\([^()\n]*\)"), re.compile(r"\(\s*\Z")
AND_BEFORE = compiled(r"<and>\s*,\s*\Z")
PART_WITHOUT = compiled(
    r"\b(?:an?|another|one|<ordinal>)\s+(?!<recording>)(?:[^\W\d_]+\s+)?(?!<recording>)[^\W\d_]+\s+<without>"
)  # a pause without
THAN = compiled("<than>")
ANSWER = compiled(r"\W*(?:(?P<no><answer_no>)|<answer_yes>)\W*\Z")
RESPECTIVELY = compiled("<respectively>")
SILENCED, SILENT = compiled(r"\s+<silenced>\s+"), compiled(r"\s+<heard>\s+<quiet|quiet_state>")  # the crickets are silent
FOR_A_WHILE = compiled("<for_a_while>")
HEADED = re.compile(r"(?:^|\n)[^\w\n]*\x01+[^\w\n]*\Z")  # 1:00 – 2:00 · Quiet period
COUNTED = compiled("<times|several_times|counts>")  # `three times between 1:00 and 5:00`
EDGES_AFTER = tuple(
    (edge, compiled(rf"\s*<{kind}>\s*(?:[,.;:()|]|$|<and>)")) for edge, kind in (("onset", "begins_at"), ("offset", "ends_at"))
)


@dataclass(frozen=True, slots=True)
class Quality:
    """What a log says about labels beyond their presence: `kind` names a function of `holding.py`."""

    kind: str
    start: int  # of its words in the text
    end: int
    value: float = 0.0  # a count, or seconds
    slack: float = 0.0  # how far the value may be off
    bound: str = ""  # "least" or "most" for a value; "all" for an order that holds every time
    may_be_point: bool = False  # a length that may be a position instead: `a dog (40 s)`
    others: tuple[Mention, ...] = ()  # for an order, the labels that come later; for `only`, those not excluded


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that a log says: these labels are there at this time, or anywhere, or not at all."""

    mentions: tuple[Mention, ...]  # each is stated; empty for a time without a label
    time: Time | None
    denied: bool
    supposed: bool  # `suggests`, `perhaps`: not a claim unless it names a time
    of_all: bool = False  # about the whole recording
    scene: Mention | None = None  # the scene of the sentence, or of the heading above it
    scene_time: Time | None = None  # if that heading names a time
    here: Time | None = None  # the range that its line or list begins with
    in_part: bool = False  # `16:40–19:40: the phone rings, and someone talks`: the events are somewhere in the time
    may_be_part: bool = False  # `from 16:40 to 19:40 the phone rings, and someone talks`: perhaps
    scenes: tuple[Mention | None, ...] = ()  # others that it may be made under
    spoken_of: Mention | None = None  # the last scene named before the sentence, in a heading or not
    in_its_scene: bool = False  # the sentence itself names the scene before the labels
    quality: Quality | None = None  # what is stated about the labels beyond their presence
    times: tuple[Time, ...] = ()  # for a quality: those that its clause names
    instead: tuple[tuple[Mention, ...], ...] = ()  # other labels that its time or quality may be of, as the words allow


@dataclass(slots=True)
class Clause:
    """A piece of a sentence, with what was found in it."""

    start: int
    end: int
    is_aside: bool = False  # in brackets
    runs: list[list[Mention]] = field(default_factory=list)  # labels joined only by `and` and commas
    times: list[Time] = field(default_factory=list)

    @property
    def labels(self) -> list[Mention]:
        """The labels of all runs."""
        return [mention for run in self.runs for mention in run]


@dataclass(slots=True)
class Sentence:
    """A sentence with what was found in it, and its context."""

    masked: str  # the whole text, with placeholders
    start: int
    end: int
    mentions: list[Mention]
    times: list[Time]
    durations: list[Duration]
    scenes: frozenset[str]  # concepts
    heading: list[Mention]  # what it is about if it names no label itself
    follows_recording: bool = False  # the sentence before speaks of the recording
    clauses: list[Clause] = field(default_factory=list)

    @property
    def line(self) -> str:
        """Its own text."""
        return self.masked[self.start : self.end]

    @property
    def runs(self) -> list[list[Mention]]:
        """The runs of all clauses."""
        return [run for clause in self.clauses for run in clause.runs]

    def clause_at(self, position: int) -> Clause:
        """The clause that a position lies in, or the last before it."""
        return next(clause for clause in reversed(self.clauses) if clause.start <= position)


def sentences(text: str, table: Table) -> Iterator[Sentence]:
    """The sentences of a log with their labels, times and clauses."""
    for pattern in (NAMES, DATES):
        text = pattern.sub(lambda match: " " * len(match.group()), text)
    text = re.sub(UNNAMED, lambda match: "\x03" * len(match.group()), text, flags=re.IGNORECASE)
    text = IDIOMS.sub(lambda match: " " * len(match.group()), MARKUP.sub(" ", text))
    found_times = _in_one_way(times(text), table)
    masked = _masked(text, found_times, "\x01")
    masked = EMPTY_CELL.sub(lambda match: match["row"] + " " * len(match["none"]), masked)
    found_durations = [each for each in durations(text) if "\x01" not in masked[each.start : each.end]]
    masked = _masked(masked, found_durations, "\x04")
    found_mentions = _all_mentions(masked, table.known)
    starts = [[item.start for item in items] for items in (found_mentions, found_times, found_durations)]
    heading: list[Mention] = []
    of_all = True  # whether the last one speaks of the recording
    asked = -1  # where a question began that names no label: it is one sentence with its answer
    for start, end in _bounds(masked):
        start, asked = (asked, -1) if asked >= 0 else (start, -1)
        bounds = [(bisect_left(each, start), bisect_left(each, end)) for each in starts]
        (m0, m1), (t0, t1), (d0, d1) = bounds
        sentence = Sentence(
            masked, start, end, found_mentions[m0:m1], found_times[t0:t1], found_durations[d0:d1], table.scene_concepts, heading
        )
        sentence.follows_recording, of_all = of_all, OF_ALL.search(sentence.line) is not None
        if masked[end : end + 1] == "?" and not sentence.mentions and not sentence.times:
            asked = start
            continue
        if sentence.mentions:
            sentence.clauses = _clauses(sentence)
            heading = sentence.mentions[-1:]
        yield sentence


def _in_one_way(found: list[Time], table: Table) -> list[Time]:
    """Times that may be of the day or of the recording, read as those of the log that can only be one of the two."""
    if any(time.in_hours and max(time.onset, time.offset) * 60 > table.end + 60 for time in found):
        found = [replace(time, in_hours=False) for time in found]  # minutes and seconds
    if any(time.only_of_day and not time.half_day for time in found):  # 2:30 and 3:12 pm
        found = [replace(time, half_day=time.half_day or not time.only_of_day) for time in found]
    both = [time for time in found if time.of_day and table.clocks]
    of_day = {time: any(each <= table.end for each in table.positions(time.of_day[0])) for time in both if time.of_day}
    inside = {time: not time.only_of_day and table.onset <= time.onset <= time.offset <= table.end for time in both}
    only_of_day = any(of_day[time] and not inside[time] for time in both)
    if only_of_day == any(inside[time] and not of_day[time] for time in both):
        return found
    return [
        replace(time, only_of_day=only_of_day, of_day=time.of_day if only_of_day else None) if time in inside else time
        for time in found
    ]


def _masked(text: str, items: Sequence[Time] | Sequence[Duration], mark: str) -> str:
    pieces, reached = [], 0
    for item in items:
        pieces += [text[reached : item.start], mark * (item.end - item.start)]
        reached = item.end
    return "".join([*pieces, text[reached:]])


def _all_mentions(masked: str, known: Lexicon) -> list[Mention]:
    """Mentions of labels and of the two pseudo-labels; the latter are blanked out so that their `no` denies nothing."""
    found: list[Mention] = []
    for concept, pattern in PSEUDO:
        for match in pattern.finditer(masked):
            before = masked[max(0, match.start() - 40) : match.start()]
            after = masked[match.end() : match.end() + 12]
            is_title = HEADED.search(before) is not None and compiled("<quiet_noun>").match(after.lstrip()) is not None
            if (
                not is_title
                and not RATHER.search(before)
                and not re.match(r"\s+(?:but|other than|except|of|else|more|in the way)\b", after)
            ):
                found.append(Mention(match.start(), match.end(), concept))
    blanked = list(masked)
    for mention in found:
        blanked[mention.start : mention.end] = "\x05" * (mention.end - mention.start)
    named = mentions("".join(blanked), known)
    quiet = [each for each in found if not any(SILENCED.fullmatch(masked, other.end, each.start) for other in named)]
    return sorted([*quiet, *named], key=lambda mention: mention.start)


def _bounds(masked: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in SENTENCE_END.finditer(masked):
        if match.start() > start:
            yield start, match.start()
        start = match.end()
    if start < len(masked):
        yield start, len(masked)


def _clauses(sentence: Sentence) -> list[Clause]:
    """A sentence split into clauses, but not between labels, or times, joined only by `and` and commas."""
    items: list[Mention | Time] = [*sentence.mentions, *sentence.times]
    items.sort(key=lambda item: item.start)
    starts, ends = [item.start for item in items], [item.end for item in items]
    masked, front = sentence.masked, _front_end(sentence)
    cuts = []
    for match in CLAUSE_END.finditer(masked, sentence.start, sentence.end):
        n_before, n_after = bisect_left(ends, match.start() + 1), bisect_left(starts, match.end())
        if n_before != n_after:
            continue  # inside a phrase
        before, after = (items[n_before - 1] if n_before else None), (items[n_after] if n_after < len(items) else None)
        alike = before is not None and after is not None and type(before) is type(after)
        if match.group() in ":：" and not (alike and isinstance(before, Mention)):
            continue  # `rooster: 0:05` is one clause, `farm: rooster` is two
        if (
            before is not None
            and after is not None
            and alike
            and "|" not in match.group()
            and match.start() != front
            and JOINING.fullmatch(masked[before.end : after.start])
            and not (isinstance(before, Mention) and _is_second_of_two(masked, items, n_before))
            and not (
                isinstance(before, Mention) and before.has_verb and any(item.start >= match.end() for item in sentence.times)
            )
        ):
            continue
        cuts.append((match.start(), match.end()))
    asides = [match.span() for match in BRACKETS.finditer(masked, sentence.start, sentence.end)]
    asides = [
        span for span in asides if {True, False} == {isinstance(item, Time) for item in items if span[0] < item.start < span[1]}
    ]
    cuts = [cut for cut in cuts if not any(first <= cut[0] < last for first, last in asides)]
    cuts = sorted([*cuts, *((at, at + 1) for first, last in asides for at in (first, last - 1))])
    bounds = [sentence.start, *(position for cut in cuts for position in cut), sentence.end]
    clauses = [Clause(first, last) for first, last in zip(bounds[::2], bounds[1::2], strict=True)]
    for clause in clauses:
        clause.is_aside = any(first < clause.start < last for first, last in asides)
        clause.times = [time for time in sentence.times if clause.start <= time.start < clause.end]
        for mention in (mention for mention in sentence.mentions if clause.start <= mention.start < clause.end):
            joined = clause.runs and JOINING.fullmatch(masked[clause.runs[-1][-1].end : mention.start])
            is_heading = mention.concept in sentence.scenes and SCENE_TIME.match(
                masked, mention.end
            )  # as in `birds and the street (1:00)`
            if joined and mention.concept in sentence.scenes and OF_THE.fullmatch(masked, clause.runs[-1][-1].end, mention.start):
                continue  # the hubbub of the market
            if joined and not is_heading:
                clause.runs[-1].append(mention)
            else:
                clause.runs.append([mention])
    return clauses


def _front_end(sentence: Sentence) -> int:
    """Where the comma is that ends a phrase before the sentence proper: `In the park, ...`, `After a dog, rain and wind, ...`."""
    front, is_listed = -1, False
    if not sentence.mentions or not FRONTED.match(sentence.masked, sentence.start, sentence.mentions[0].end):
        return front
    for mention, after in pairwise(sentence.mentions):
        between = sentence.masked[mention.end : after.start]
        is_and = AND.search(between) is not None
        if "," in between and (front < 0 or (is_listed and not is_and)):
            front = mention.end + between.index(",")
            if is_listed or (mention.concept in sentence.scenes) != (after.concept in sentence.scenes):
                break
        elif front >= 0 and not JOINING.fullmatch(between):
            break
        is_listed = is_listed or (front >= 0 and is_and)
    return front


def _is_second_of_two(masked: str, items: Sequence[Mention | Time], n_before: int) -> bool:
    """Whether `, and` with no list before it begins a clause of its own: `with thunder, and birds sing from 5:00`."""
    if not COMMA_AND.match(masked, items[n_before - 1].end):
        return False
    is_first = n_before < 2 or isinstance(items[n_before - 2], Time)
    return is_first or not JOINING.fullmatch(masked[items[n_before - 2].end : items[n_before - 1].start])


# Statements of labels and times


def statements(sentence: Sentence, table: Table) -> Iterator[Statement]:
    """Which labels a sentence states, or denies, and when."""
    if sentence.masked[sentence.end : sentence.end + 1] == "?":
        return
    line = sentence.line
    of_all = OF_ALL.search(line) is not None
    if not sentence.mentions:
        clause = Clause(sentence.start, sentence.end)
        is_own = of_all or line.lstrip()[:1] == "\x01" or "\x03" in line or speaks_of_something_else(sentence.masked, clause)
        owners = [] if is_own else sentence.heading
        supposed = SUPPOSED.search(line) is not None
        yield from (Statement(tuple(owners), time, False, supposed) for time in sentence.times)
        return
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
        if NO_LONGER.search(sentence.masked, sentence.start, run[-1].end if run else clause.end) or _is_beside_the_point(
            when, sentence, table
        ):
            continue
        when = _with_edge(when, run, sentence.masked)
        is_inside = front and run and when is None and not SEQUEL.search(sentence.masked, front.end, run[0].start)
        when = front if is_inside else when
        if when and run and _is_of_another(when, clause, run, sentence):
            when = None
        if when is not None and when.in_row and len(sentence.mentions) == 1:
            when = replace(when, in_row=False)  # the row's time is that of its only event
        is_counted = when is not None and COUNTED.search(sentence.masked, clause.start, clause.end) is not None
        denied = is_denied(sentence, clause, run)
        supposed = SUPPOSED.search(sentence.masked, sentence.start, clause.end) is not None
        is_partly = FOR_A_WHILE.search(sentence.masked, clause.start, clause.end) if when else _is_restricted(sentence, clause)
        if not (denied and is_partly):
            instead = _others(sentence, clause, run, when) if when not in (None, front) and not denied else ()
            found = Statement(
                tuple(run), when, denied, supposed, of_all, in_part=in_part or is_counted or bool(is_inside), instead=instead
            )
            yield replace(found, may_be_part=opens and when in sentence.times[:1] and not denied)


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
    return OF_ALL.search(sentence.line) is not None and max(edges) <= 60 and when.onset != when.offset


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


def _is_restricted(sentence: Sentence, clause: Clause) -> bool:
    """Whether a clause denies for a while only, or as a condition: `without the waves, it would be silent`."""
    end = next((each.end for each in sentence.clauses if each.start > clause.start), sentence.end)
    found = [pattern.search(sentence.masked, clause.start, end) for pattern in (SUPPOSED, RESTRICTED)]
    part = PART_WITHOUT.search(sentence.masked, clause.start, end)
    if part and not any(part.start() <= each.start < part.end() for each in sentence.mentions):
        return True
    return any(found) or OPENED.match(sentence.masked, sentence.start) is not None


def _others(sentence: Sentence, clause: Clause, run: Sequence[Mention], when: Time) -> tuple[tuple[Mention, ...], ...]:
    """The labels that a time may be of instead of those that it was given to.

    In `cars and a dog at 0:05` it may be the dog's alone. Of more runs than times in a clause, any may be meant, and of those on
    both sides of a clause of its own, unless labels and times take turns throughout the sentence.
    """
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
    if _take_turns(sentence):
        return tuple(last)
    beside = [next((each for each in reversed(sentence.runs) if each[-1].end <= when.start), None)]
    beside.append(next((each for each in sentence.runs if each[0].start >= when.end), None))
    return (*last, *(tuple(each) for each in beside if each))


def _take_turns(sentence: Sentence) -> bool:
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
