"""What a sentence says about its labels beyond their presence: how often, how long, how much of the time, alone, in which order.

In: a `Sentence`. Out: statements with a `Quality`. The words are those of `languages/`; a quality whose label is in doubt is
skipped, as is every quality of a sentence that denies or supposes something: a correct sentence must never be called wrong.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from audiolog_cli.check.forms import formed
from audiolog_cli.check.language import compiled, value
from audiolog_cli.check.sentences import JOINING, LOCATED, OF_ALL, SUBORDINATE, Clause, Quality, Sentence, Statement
from audiolog_cli.check.statements import DENIED, SUPPOSED, speaks_of_something_else
from audiolog_cli.check.times import IN_ALL, NUMBER, VAGUELY_BEFORE, Time, bound_of
from audiolog_cli.check.words import MISSING, QUIET, Mention

COUNT = compiled(
    rf"(?P<several><several_times>)|(?<![A-Za-z])(?=\w)(?P<number>{NUMBER})"
    r"\s*(?:<times>(?!\s+<no_count>)|(?:(?!<seconds|minutes|hours>)(?P<kind>[^\W\d_]+)\s+)?<occurrences>"
    r"(?=\s+(?:of|with|and|in|over|during|throughout|lasting|adding|that|which|at|between|during|totalling)\b|\s*(?:[,.;)\n|]|$)))"
    r"|(?<=[(:,\u2013\u2014-] )(?P<listed>\d+)\s+<occurrences>"
    r"|(?P<crossed>\d+)\s*[\u00d7x](?!\w)|[\u00d7x]\s?(?P<times>\d+)(?!\w)"
    r"|(?P<count><counts>)(?!\s+<no_count>)"
)
RELATIVE_NEXT = compiled(r"\s*(?:<relative>|[^\W\d_]+ing\b)")  # which lasts, lasting
VERB_FIRST = compiled(r"(?<=and)\s+[a-z]+(?:s|ed)\s+<for>")  # ... and runs for a minute
RELATIVE = re.compile(r"\b(?:that|which|who)\s*\Z", re.IGNORECASE)
STRICTLY = compiled("<strictly>")
LAST_TIME = compiled(r"<last>\s+<single_time>")
FIRST_TIME = compiled(r"[^.;:\n]{0,30}<first>\s+<single_time>")
FIRST = compiled(r"(?:\s+\w+){0,3}\s+<at_first>")
PARTLY = compiled(r"(?:\s+[^\W\d_]+){0,2}\s+<before|after|restricting|in_part>")
NARRATIVE = compiled("<then|next|narrative>")
SEVERAL = compiled(rf"(?<![A-Za-z])(?=\w)(?P<number>{NUMBER})(?=\s)(?!\s+<times|occurrences>)")
ADJECTIVE = compiled("<adjective>")
COUNTED_NEXT = compiled(r"(?:\s|<adjective>)*")
BETWEEN_COMMAS = compiled(r",\s*(?:<for|about>\s*)*\Z")
SINGLE = compiled("<single>")
THROUGHOUT = compiled(
    r"(?P<entire><entire>)(?!\s+<of_it>)(?:\s+(?:the|this)\s+<recording>)?|(?<!\bin )(?<!\bof )<throughout>(?!\s+<part_of>)"
)
MOSTLY = compiled("<mostly>")
ONLY = compiled("(?P<sole><the_only>)|(?P<only><only>)")
THEN, BEFORE, AFTER = compiled("<then>"), compiled("<before>"), compiled("<after>")
_EARLIER = r"<earlier>(?!\s+(?:<than>|of))"
NEXT, EARLIER = compiled(r"<next>(?!\s+<than>)"), compiled(_EARLIER)
PART_OF_NEXT = compiled("<part_of>")  # most of the first minute
COMES = compiled(r"\s*<comes>")
LEFT, ARRIVING = compiled(r"<from>(?:\s+[^\W\d_]+){0,2}\s*\Z"), compiled(r"\s*,?\s*<to|into_it>\b")  # from a street to a park
BEYOND, OVERLAPPED = compiled(r"\s+<after>\s[^.,;]{0,40}<stops>"), compiled("<overlapped>")
ENDED = compiled(r"\s+(?:[^\W\d_]+\s+){0,2}?<stops>(?![^\W\d_])")
FOLLOWS = compiled(r"\s*<follows>\s*(?:,|\Z)")
OPENS_NEXT = compiled(r"[\s\-–•,]*<next>")
OPENED = compiled(r"\W*(?P<only><only>\s+)?(?:(?P<before><before>)|(?P<after><after>))([^\x01\x04,.:;()]{0,30})")
TIME_NEXT = compiled(r"\s*(?:<at|between|filler|about>\s*)*\x01")
IN_BRACKET = compiled(r"\(\s*(?:<about|more_than|less_than>\s*)*\Z")
AND_THEN = compiled(r"<and>\s+<before|after|next|restricting>")
ONLY_BEFORE = compiled(r"<only>\s*\Z")
BEFORE_THAT = compiled(rf"[^,.;:]{{0,24}}{_EARLIER}")
BREAK = compiled(r"[,;:](?!\s*(?:<and>\s*)?<all_of_it|pronoun>)")
FEW_WORDS = compiled(r"[^\x01\x04,.:;()]{0,40}\Z")


def qualities(sentence: Sentence, before: Sequence[Mention]) -> Iterator[Statement]:
    """The statements of qualities that a sentence makes; `before` is what was last stated to be there before it."""
    line = sentence.line
    if SUPPOSED.search(line) or sentence.masked[sentence.end : sentence.end + 1] == "?":
        return
    if not sentence.mentions:
        yield from () if DENIED.search(line) else (*_of_what_was_named(sentence), *formed(sentence))
        return
    of_clauses = [*_amounts(sentence), *_shares(sentence), *formed(sentence)]
    yield from (statement for statement in of_clauses if not _is_in_denial(statement, sentence))
    if not DENIED.search(line):
        yield from _orders(sentence, before)


def _is_in_denial(statement: Statement, sentence: Sentence) -> bool:
    assert statement.quality is not None
    quality, clause = statement.quality, sentence.clause_at(statement.quality.start)
    found = DENIED.finditer(sentence.masked, clause.start, clause.end)
    return any(match.end() <= quality.start or match.start() >= quality.end for match in found)  # not the `no` of `no sound but`


def _statement(mentions: Sequence[Mention], quality: Quality, times: Sequence[Time] = ()) -> Statement:
    return Statement(tuple(mentions), None, denied=False, supposed=False, quality=quality, times=tuple(times))


def _of_what_was_named(sentence: Sentence) -> Iterator[Statement]:
    """A sentence without labels: `It lasts for two minutes` under a heading."""
    clause, of_all = Clause(sentence.start, sentence.end, times=sentence.times), OF_ALL.search(sentence.line) is not None
    if "\x03" in sentence.line:
        return  # a scene without a name
    is_own = of_all or speaks_of_something_else(_without_cues(sentence.masked, clause), clause)
    if owner := sentence.subject or ([] if is_own else sentence.heading):
        for quality in [*_durations(sentence), *_counts(sentence)]:
            yield _statement(owner, quality, sentence.times)


def _without_cues(masked: str, clause: Clause) -> str:
    for pattern in (COUNT, THROUGHOUT):
        for match in pattern.finditer(masked, clause.start):
            if match.end() > clause.end:
                break
            masked = masked[: match.start()] + " " * len(match.group()) + masked[match.end() :]
    return masked


# How often, how long


def _durations(sentence: Sentence) -> Iterator[Quality]:
    for each in sentence.durations:
        if BEYOND.match(sentence.masked, each.end) or OVERLAPPED.search(sentence.masked, sentence.start, each.start):
            continue  # `for 5 s after the music ends`
        kind = "lasts_in_all" if each.in_all else "lasts"
        yield Quality(kind, each.start, each.end, each.seconds, each.slack, each.bound, each.is_bare)


def _counts(sentence: Sentence) -> Iterator[Quality]:
    for match in COUNT.finditer(sentence.masked, sentence.start, sentence.end):
        before = sentence.masked[max(sentence.start, match.start() - 24) : match.start()]
        clause = sentence.clause_at(match.start()) if sentence.clauses else Clause(sentence.start, sentence.end)
        is_conjunction = not before.strip() and not re.match(r"\s*,", sentence.masked[match.end() : match.end() + 4])
        if match["count"] and value(match["count"]) == 1 and is_conjunction:
            continue  # as in `once outside, cars pass`
        if match["several"]:
            yield Quality("counts", match.start(), match.end(), 2, 0, "least")
            continue
        number = value(match["number"] or match["listed"] or match["crossed"] or match["times"] or match["count"])
        if number != int(number) or (match["number"] or "").lower() in ("a", "an"):
            continue
        is_part = bool(
            NARRATIVE.search(sentence.masked, clause.start, clause.end)
            or any(time.onset == time.offset for time in sentence.times)
            or PARTLY.match(sentence.masked, match.end())  # `then a dog barks twice`: perhaps again, later
        ) and not IN_ALL.match(sentence.masked, match.end())
        is_part = is_part or bool(match["kind"] and not ADJECTIVE.fullmatch(match["kind"]))  # three longer stretches
        bound = bound_of(before) or ("least" if is_part else "")
        slack = max(1.0, 0.2 * number) if VAGUELY_BEFORE.search(before) else 0.0
        yield Quality("counts", match.start(), match.end(), number, slack, bound)


def _amounts(sentence: Sentence) -> Iterator[Statement]:
    """Counts and durations, each with its label."""
    counts = list(_counts(sentence))
    for quality in [*counts, *_durations(sentence)]:
        owner = _owner(sentence, quality.start)
        if owner and SUBORDINATE.search(sentence.masked, quality.start, max(owner[1][0].start, quality.start)):
            continue  # `12 seconds, followed by speech`
        if quality in counts and any(
            each.value > quality.value and each.start < quality.start and _owner(sentence, each.start) == owner for each in counts
        ):
            quality = replace(quality, bound="least")  # `three times, twice before the rain`
        if owner:
            times = sentence.clause_at(quality.start).times or owner[0].times
            if len(sentence.times) == 1 and owner[1][0].concept in sentence.scenes:
                times = sentence.times  # `1:28:05–2:22:45, metro station (54 min 40 s)`
            yield replace(_statement(owner[1], quality, times), instead=_others(sentence, owner[1], quality))
    is_all = OF_ALL.search(sentence.line) is not None and NARRATIVE.search(sentence.line) is None
    for match in SEVERAL.finditer(sentence.masked, sentence.start, sentence.end):
        run = _run_after(sentence, match.end(), COUNTED_NEXT)
        number = value(match["number"])
        is_plural = sentence.masked[run[0].start : run[0].end].rstrip().endswith("s") if run else False
        if (
            run
            and number >= 2
            and (is_plural or not match["number"].isdecimal())
            and number == int(number)
            and not run[0].is_of_many
            and run[0].concept not in sentence.scenes
        ):
            yield _statement(
                run[:1],
                Quality("counts", match.start(), match.end(), number, bound="" if is_all else "least"),
                sentence.clause_at(match.start()).times,
            )
    for match in SINGLE.finditer(sentence.masked, sentence.start, sentence.end):
        run = _run_after(sentence, match.end())
        if run and run[0].concept not in sentence.scenes:
            yield _statement(run[:1], Quality("counts", match.start(), match.end(), 1), sentence.clause_at(match.start()).times)


def _owner(sentence: Sentence, position: int) -> tuple[Clause, list[Mention]] | None:
    """The labels that an amount at `position` refers to: before it in its clause, else after it, else those of a neighbour."""
    clause = sentence.clause_at(position)
    index = sentence.clauses.index(clause)
    if any(_events(run, sentence) or not _is_place(run, sentence) for run in clause.runs):
        own = [events for run in clause.runs if (events := _events(run, sentence))] or clause.runs
        before = [run for run in own if run[-1].end <= position]
        if not before and IN_BRACKET.search(sentence.masked[sentence.start : position]):
            return None  # `the longest one (two minutes) at home`
        if before or ":" not in sentence.masked[position : own[0][0].start]:
            return clause, (before[-1] if before else own[0])
        return None
    if OF_ALL.search(sentence.masked, clause.start, position):
        return None
    is_relative = RELATIVE_NEXT.match(sentence.masked, clause.start) or (
        VERB_FIRST.match(sentence.masked, clause.start) and not OF_ALL.search(sentence.masked, sentence.start, clause.start)
    )
    if not is_relative and speaks_of_something_else(_without_cues(sentence.masked, clause), clause):
        return None
    earlier = [each for each in sentence.clauses[:index] if any(not _is_place(run, sentence) for run in each.runs)]
    if earlier:
        runs = [run for run in earlier[-1].runs if not _is_place(run, sentence)]
        runs = [events for run in runs if (events := _events(run, sentence))] or runs
        return earlier[-1], runs[-1]
    later = [each for each in sentence.clauses[index + 1 :] if each.runs]
    return (later[0], later[0].runs[0]) if later and len(later[0].runs) == 1 else None


def _others(sentence: Sentence, owner: Sequence[Mention], quality: Quality) -> tuple[tuple[Mention, ...], ...]:
    """The labels that an amount may be of instead of its owner: others of its clause, and the last ones before it.

    `A tractor starts and runs for 70 seconds until it rains`, `people talk over the frying for a minute`.
    """
    own = sentence.clause_at(quality.start).runs
    if owner[-1].end > quality.start:
        own = [*own, *[run for run in sentence.runs if run[-1].end <= quality.start][-1:]]
    elif (
        BETWEEN_COMMAS.search(sentence.masked[: quality.start])
        and sentence.masked[quality.end : quality.end + 2].lstrip()[:1] == ","
    ):
        own = [*own, *[run for run in sentence.runs if run[0].start >= quality.end][:1]]  # `snoring and, for an hour, a fan`
    return tuple(tuple(events) for run in own if (events := _events(run, sentence)) and events != owner)


def _is_place(run: Sequence[Mention], sentence: Sentence) -> bool:
    """Whether a run only tells where something is heard: `in the street`."""
    return not _events(run, sentence) and LOCATED.search(sentence.masked[sentence.start : run[0].start]) is not None


def _events(run: Sequence[Mention], sentence: Sentence) -> list[Mention]:
    """The labels of a run that are not scenes."""
    return [mention for mention in run if mention.concept not in sentence.scenes]


def _run_after(sentence: Sentence, position: int, between: re.Pattern[str] = JOINING) -> list[Mention] | None:
    """The labels that follow a position with only articles between."""
    for run in sentence.runs:
        if run[0].start >= position:
            return run if between.fullmatch(sentence.masked, position, run[0].start) else None
    return None


# How much of the time


def _shares(sentence: Sentence) -> Iterator[Statement]:
    for match in THROUGHOUT.finditer(sentence.masked, sentence.start, sentence.end):
        owner = _owner(sentence, match.start())
        if any(owner and owner[0].start <= each.start < owner[0].end for each in sentence.durations):
            continue  # as in `for 5 s without a break`
        if owner and not sentence.times and not sentence.clause_at(match.start()).times and owner[1][0].start < match.end() + 80:
            quality = Quality("goes_on" if match["entire"] else "throughout", match.start(), match.end())
            yield from (_statement((mention,), quality) for mention in owner[1])
    for match in MOSTLY.finditer(sentence.masked, sentence.start, sentence.end):
        if TIME_NEXT.match(sentence.masked, match.end()) and not PART_OF_NEXT.match(sentence.masked, match.start()):
            before = [run for run in sentence.runs if run[-1].end <= match.start()]
            before = [events for run in before if (events := _events(run, sentence))] or before
            times = sentence.clause_at(match.start()).times or sentence.times
            if before:
                yield _statement(before[-1], Quality("mostly_then", match.start(), match.end()), times)
    for match in ONLY.finditer(sentence.masked, sentence.start, sentence.end):  # `only at 0:05`, `the only alarm`
        run = _run_after(sentence, match.end())
        times, events = sentence.clause_at(match.start()).times, _events(sentence.mentions, sentence)
        earlier = [mention for mention in events if mention.end <= match.start()]
        if match["sole"] and run and len(run) == 1 and run[0] in events:
            yield _statement(run, Quality("counts", match.start(), match.end(), value=1), times)
        elif match["only"] and earlier and TIME_NEXT.match(sentence.masked, match.end()):
            own = [each for each in sentence.runs if earlier[-1] in each]
            if len({mention.concept for mention in events}) == 1:
                yield _statement(own[0], Quality("only_then", match.start(), match.end()), sentence.times)


# In which order


def _orders(sentence: Sentence, last: Sequence[Mention]) -> Iterator[Statement]:
    """A before B: from the words between two neighbouring labels, or before the first."""
    runs = [run for run in sentence.runs if not any(mention.concept in (QUIET, MISSING) for mention in run)]
    runs = [_events(run, sentence) or run for run in runs]
    runs = [[mention for mention in run if not mention.may_be] for run in runs]
    runs = [run for run in runs if run]
    if not runs:
        return
    opening = sentence.masked[sentence.start : runs[0][0].start]
    if last and (last[-1].concept in sentence.scenes) != (runs[0][-1].concept in sentence.scenes):
        last = ()
    if last and (match := OPENS_NEXT.match(opening)) and not BEFORE.search(opening):
        yield _order(last, runs[0], sentence.start, match, "any")
    if last and (match := FOLLOWS.match(sentence.masked[runs[0][-1].end : sentence.end])):
        yield _order(last, runs[0], runs[0][-1].end, match)
    until = runs[1][0].start if len(runs) > 1 else sentence.end
    if last and (match := EARLIER.match(opening.lstrip()) or BEFORE_THAT.match(sentence.masked, runs[0][-1].end, until)):
        yield _order(runs[0], last, sentence.start, match)
    for (first, second), gap in _gaps(sentence, runs):
        base = first[-1].end
        if ENDED.match(gap) or ENDED.match(sentence.masked, second[-1].end):
            continue  # `the wind stops first, then the rain`
        is_journey = LEFT.search(sentence.masked[sentence.start : first[0].start]) and ARRIVING.match(gap)
        if is_journey and all(each.concept in sentence.scenes for each in (*first, *second)):
            yield _order(first, second, base, is_journey)
        elif match := EARLIER.search(gap):
            yield _order(second, first, base, match)
        elif match := FIRST.match(gap) if BREAK.search(gap) else None:
            yield _order(first, second, base, match, "all")  # `music is played first, and a drill follows`
        elif match := _near(BEFORE, gap) or THEN.search(gap) or NEXT.search(gap):
            is_strict = STRICTLY.search(gap) if BEFORE.match(match.group()) else FIRST.match(gap) or FIRST_TIME.match(gap)
            is_strict = is_strict or FIRST_TIME.match(sentence.masked, second[-1].end)
            yield _order(
                first, second, base, match, "last" if LAST_TIME.search(gap[: match.start()]) else "all" if is_strict else ""
            )
        elif match := _near(AFTER, gap):
            yield _order(second, first, base, match, "all" if ONLY_BEFORE.search(gap[: match.start()]) else "")
    if len(runs) > 1:
        opened = OPENED.fullmatch(opening)
        gap = sentence.masked[runs[0][-1].end : runs[1][0].start]
        if opened and ("," in gap or COMES.match(gap) or opened["only"]):
            first, second = (runs[1], runs[0]) if opened["before"] else (runs[0], runs[1])
            yield _order(first, second, sentence.start, opened, "all" if opened["only"] else "")


def _near(pattern: re.Pattern[str], gap: str) -> re.Match[str] | None:
    """The match, if it comes right before the label that follows."""
    match = pattern.search(gap)
    if match is None or RELATIVE.search(gap[: match.start()]) or BREAK.search(gap[: match.start()].rstrip(" ,")):
        return None  # `the street that follows` says nothing of what comes next in the sentence
    return match if FEW_WORDS.match(gap, match.end()) and not AND_THEN.search(gap, match.end()) else None


def _gaps(sentence: Sentence, runs: Sequence[list[Mention]]) -> Iterator[tuple[tuple[list[Mention], list[Mention]], str]]:
    """Neighbouring runs, with the text between them."""
    for first, second in zip(runs, runs[1:], strict=False):
        yield (first, second), sentence.masked[first[-1].end : second[0].start]


def _order(first: Sequence[Mention], second: Sequence[Mention], base: int, match: re.Match[str], bound: str = "") -> Statement:
    return _statement(
        first, Quality("comes_before", base + match.start(), base + match.end(), bound=bound, others=tuple(second[:1]))
    )
