"""A log as sentences, each with the labels, times and durations found in it, and its clauses.

A log is read line by line and clause by clause. `statements.py` says which labels a sentence states and when, `qualities.py` what
it says beyond that; `claims.py` checks it all against the table.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from audiolog_cli.check.facts import Table
from audiolog_cli.check.language import compiled
from audiolog_cli.check.times import DATES, Duration, Time, blanked, durations, times
from audiolog_cli.check.words import MISSING, QUIET, Lexicon, Mention, mentions
from audiolog_cli.wording import UNNAMED

# Placeholders, one for each character: \x01 a time, \x03 a scene without a name, \x04 a duration
NAMES = re.compile(r"^Log of .*$|\b[\w-]+\.(?:wav|flac|mp3|m4a|aac|ogg|opus|webm|mp4)\b", re.MULTILINE)  # of files: not claims
DAYS = compiled(  # in words
    r"(?:\bon\s+)?(?:\d{1,2}(?:st|nd|rd|th)?\s+)?(?-i:<months>)(?:\s+\d{1,2}(?:st|nd|rd|th)?(?![\d:]))?(?:,?\s+\d{4})?"
)
MARKUP = re.compile(r"[*`#>\"“”‘_]")
IDIOMS = compiled(r"<idioms>|,\s*<parenthetical>\s*,")
SENTENCE_END = re.compile(r"[.!?](?=\s|$)|;(?=\s|$)(?!\s+\w+(?:\s\w+){0,2}\s*(?:[;.\n]|$))|[。；！？]|\n")
LONGEST = 2000  # characters of a sentence: longer ones, whose reading takes the square of their length, are read in parts
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
EXCEPT = compiled("<except>")
OF_ALL = compiled(r"(?<!part of the )<recording>")
LOCATED = compiled(r"(?:<located>|\()(?:[^\S\n]*[^\W\d_]+){0,3}[^\S\n]*\Z")  # in the busy street, (street)
SCENE_TIME = re.compile(r"\s*[(\[]\s*\x01")
FRONTED = compiled(r"\W*<located|framing|while_in|fronting|except>[^\S\n]")  # `In the park, ...`
_A = r"(?:\s+<joining|scene_word>)*(?:\s+[^\W\d_]+)?\s*\Z"  # the words between a verb and a scene
OF_THE = re.compile(r"\s+of\s+(?:the|an?|this)\s+", re.IGNORECASE)
BRACKETS, ASIDE = re.compile(r"\([^()\n]*\)"), re.compile(r"\(\s*\Z")
SILENCED, SILENT = compiled(r"\s+<silenced>\s+"), compiled(r"\s+<heard>\s+<quiet|quiet_state>")  # the crickets are silent
BEGINS_WITH_TIME = compiled(r"[^\w\x01]*(?:<at>\s+)?\x01")
SUBORDINATE = compiled(r"[\x01\x04][\s),:]*(?:[^\W\d_]+\s+){0,2}<subordinate>(?:\s+[^\W\d_]+(?:['’]s)?){0,3}\s*\Z")
IT = compiled(
    r"\W*(?:[^\W\d_]+,?\s+){0,2}?(?:(?P<it><subject_pronoun>)|<subject_ordinal>)(?!\s+<moments|scene_word|minutes|hours|scene_kind>)"
)
HEADED = re.compile(r"(?:^|\n)[^\w\n]*\x01+[^\w\n]*\Z")  # 1:00 – 2:00 · Quiet period


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
    subject: list[Mention] = field(default_factory=list)  # what its `it` is: the only event of the sentences just before
    is_introduced: bool = False  # a line of a list below `The baby cries twice:`
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
    text = blanked(DAYS, blanked(DATES, blanked(NAMES, text)))
    text = re.sub(UNNAMED, lambda match: "\x03" * len(match.group()), text, flags=re.IGNORECASE)
    text = blanked(IDIOMS, MARKUP.sub(" ", text))
    found_times = _in_one_way(times(text), table)
    masked = _masked(text, found_times, "\x01")
    masked = EMPTY_CELL.sub(lambda match: match["row"] + " " * len(match["none"]), masked)
    found_durations = [each for each in durations(text) if "\x01" not in masked[each.start : each.end]]
    masked = _masked(masked, found_durations, "\x04")
    found_mentions = _all_mentions(masked, table.known)
    starts = [[item.start for item in items] for items in (found_mentions, found_times, found_durations)]
    heading: list[Mention] = []
    subject: list[Mention] = []
    introduced = False
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
        it = IT.match(sentence.line)
        subject = sentence.subject = (
            subject if it and not sentence.follows_recording and (it["it"] or not sentence.mentions) else []
        )
        if sentence.mentions:
            events = [each for each in sentence.mentions if each.concept not in sentence.scenes]
            subject = events[:1] if len({each.concept for each in events}) == 1 else []
            sentence.clauses = _clauses(sentence)
            heading = _main(sentence) or heading
            introduced = sentence.line.rstrip().endswith(":") and len({each.concept for each in sentence.mentions}) == 1
            introduced = introduced and bool(heading) and heading[0].concept not in table.scenes | table.scene_concepts
        sentence.is_introduced = introduced and not sentence.mentions
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
        is_last = re.match(r"\.\s+[A-Z*]", text[item.end - 1 : item.end + 4]) is not None  # until 5 p.m. The ...
        pieces += [text[reached : item.start], mark * (item.end - item.start - is_last), "." * is_last]
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
    heads = {each.start for before, each in pairwise(named) if each.concept == "music" and each.start - before.end == 1}
    named = [each for each in named if each.start not in heads]  # organ music
    quiet = [each for each in found if not any(SILENCED.fullmatch(masked, other.end, each.start) for other in named)]
    return sorted([*quiet, *named], key=lambda mention: mention.start)


def _bounds(masked: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in (*SENTENCE_END.finditer(masked), None):
        end = match.start() if match else len(masked)
        while end - start > LONGEST:
            cut = masked.rfind(",", start, start + LONGEST) + 1 or start + LONGEST
            yield start, cut
            start = cut
        if end > start:
            yield start, end
        start = match.end() if match else end


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


def _main(sentence: Sentence) -> list[Mention]:
    """The last label that does not only tell when, or with what, something else is heard: `at 28 s, while the crowd cheers`."""
    if not BEGINS_WITH_TIME.match(sentence.line):
        return sentence.mentions[-1:]
    free = [each for each in sentence.mentions if not SUBORDINATE.search(sentence.masked, sentence.start, each.start)]
    return free[-1:]


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
