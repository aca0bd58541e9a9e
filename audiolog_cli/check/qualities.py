"""What a sentence says about its labels beyond their presence: how often, how long, how much of the time, alone, in which order.

In: a `Sentence`. Out: statements with a `Quality`. The words are those of `languages/`; a quality whose label is in doubt is
skipped, as is every quality of a sentence that denies or supposes something: a correct sentence must never be called wrong.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile

from audiolog_cli.check.language import compiled, value
from audiolog_cli.check.sentences import (
    BESIDE_TIMES,
    DENIED,
    EXCEPT,
    JOINING,
    LOCATED,
    OF_ALL,
    SUPPOSED,
    Clause,
    Quality,
    Sentence,
    Statement,
    speaks_of_something_else,
)
from audiolog_cli.check.times import FOR, IN_ALL, NUMBER, VAGUELY_BEFORE, WINDOW, Time, bound_of
from audiolog_cli.check.words import MISSING, QUIET, Mention

COUNT = compiled(
    rf"(?P<several><several_times>)|(?<![A-Za-z])(?=\w)(?P<number>{NUMBER})"
    r"\s*(?:<times>(?!\s+<no_count>)|(?:(?!<seconds|minutes|hours>)(?P<kind>[^\W\d_]+)\s+)?<occurrences>"
    r"(?=\s+(?:of|with)\b|\s*(?:[,.;)\n|]|$)))"
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
PARTLY = compiled(r"(?:\s+[^\W\d_]+){0,2}\s+<before|after|restricting>")
NARRATIVE = compiled("<then|next|narrative>")
SEVERAL = compiled(rf"(?<![A-Za-z])(?=\w)(?P<number>{NUMBER})(?=\s)(?!\s+<times|occurrences>)")
ADJECTIVE = compiled("<adjective>")
COUNTED_NEXT = compiled(r"(?:\s|<adjective>)*")
SINGLE = compiled("<single>")
THROUGHOUT = compiled(r"(?P<entire><entire>)(?:\s+(?:the|this)\s+<recording>)?|(?<!\bin )(?<!\bof )<throughout>(?!\s+<part_of>)")
ALONE = compiled(
    r"(?P<sound><only_sound>)|(?P<sole><the_only>)|(?P<there><nowhere_else>)|(?P<only><only>)|(?P<all><all_of_it>)|(?P<rest><and_nothing>)"
)
MOSTLY = compiled(r"(?P<longest><superlative>\s+(?:[^\W\d_]+\s+)?<sound_word>)|(?P<follows><mostly>)|(?P<precedes><dominates>)")
THEN, BEFORE, AFTER = compiled("<then>"), compiled("<before>"), compiled("<after>")
_EARLIER = r"<earlier>(?!\s+<than>)"
NEXT, EARLIER = compiled("<next>"), compiled(_EARLIER)
NOT_BEFORE = compiled(r"<denied>\s*\Z")
BESIDE_SOUNDS = compiled("<heard|elsewhere|recording|joining|scene_word>")
ONLY_IN = compiled(rf"(?:\s*<heard>)*\s*{LOCATED.pattern}")
LOCATED_ITSELF = compiled(r"(?:\s*<heard>)*\s*at home")  # a phrase of the scene's own
FOR_NOW = compiled("<restricting|for_now>")
IS = compiled(r"\s*(?:is|are|was|were|being)\s*")
PART_OF_NEXT = compiled("<part_of>")  # most of the first minute
MOSTLY_NEXT = compiled(rf"(?:{JOINING.pattern}|\s*(?:<filled_by|recording>|this|:))*")
COMES = compiled(r"\s*<comes>")
LEFT, ARRIVING = compiled(r"<from>(?:\s+[^\W\d_]+){0,2}\s*\Z"), compiled(r"\s*,?\s*<to|into_it>\b")  # from a street to a park
FOLLOWS = compiled(r"\s*<follows>\s*(?:,|\Z)")
OPENS_NEXT = compiled(r"[\s\-–•,]*<next>")
_SOUND = (
    r"<sound_word|moments|scene_word>(?:\s+(?:of|in)\s+(?:the|this)\s+<recording>)?(?:\s+(?:to\s+be|that\s+is))?(?:\s+<heard>)*"
)
_WITH = r"(?:\s+(?:off|out|up))?\s+(?:<with_it>|(?!<during>)<located>)"
BEGINS = compiled(rf"<begins_with>|<begins_verb>{_WITH}|\b<scene_word>\s*1\b(?=\W)|<the_one>\s+<first>\s+{_SOUND}")
ENDS = compiled(rf"<ends_with>|<ends_verb>{_WITH}|<the_one>\s+<last>\s+{_SOUND}")
QUALIFIED = compiled("<before|after|restricting|relative>")
OPENS_IT, CLOSES_IT = (
    compiled(
        rf"<{verb}>\s+(?:the|this)\s+<recording>|<{phrase}>(?!\s+of\b)|(?:is|are)\s+<the_one>\s+<{which}>\s+<sound_word|scene_word>"
    )
    for verb, phrase, which in (("opens_verb", "opens_it", "first"), ("closes_verb", "closes_it", "last"))
)
COMPARED = compiled("(?P<longer><longer>)|(?P<shorter><shorter>)|(?P<oftener><oftener>)|(?P<rarer><rarer>)")
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
        yield from () if DENIED.search(line) else _of_what_was_named(sentence)
        return
    of_clauses = [*_amounts(sentence), *_shares(sentence), *_alone(sentence), *_ends(sentence), *_comparisons(sentence)]
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
    """A sentence without labels: `It lasts for two minutes` under a heading, or `The recording lasts 60 s`."""
    clause = Clause(sentence.start, sentence.end, times=sentence.times)
    if "\x03" in sentence.line:
        return  # a scene without a name
    of_all = OF_ALL.search(sentence.line) is not None
    if not of_all and (not sentence.heading or speaks_of_something_else(_without_cues(sentence.masked, clause), clause)):
        return
    for quality in [*_durations(sentence), *_counts(sentence)]:
        is_length = FOR.search(sentence.masked[max(sentence.start, quality.start - WINDOW) : quality.start])
        if of_all and quality.kind == "lasts" and is_length and not sentence.times:
            yield _statement((), quality)
        elif not of_all:
            yield _statement(sentence.heading, quality, sentence.times)


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
        if quality in counts and any(
            each.value > quality.value and each.start < quality.start and _owner(sentence, each.start) == owner for each in counts
        ):
            quality = replace(quality, bound="least")  # `three times, twice before the rain`
        if owner:
            times = sentence.clause_at(quality.start).times or owner[0].times
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
        clause = sentence.clause_at(match.start())
        quality = Quality("mostly", match.start(), match.end())
        if match["precedes"]:
            before = [run for run in clause.runs if run[-1].end <= match.start()]
            after = [run for run in clause.runs if run[0].start >= match.end()]
            if before and not clause.times and not any(_events(run, sentence) for run in after):
                yield _statement(_events(before[-1], sentence) or before[-1], quality)
        elif match["longest"]:
            before = [run for run in sentence.runs if run[-1].end <= match.start() and not sentence.times][-1:]
            if before and IS.fullmatch(sentence.masked, before[0][-1].end, match.start()):
                yield _statement(_events(before[0], sentence) or before[0], quality)
            elif run := _run_after(sentence, match.end(), MOSTLY_NEXT):
                yield _statement(run[:1], quality)
        elif TIME_NEXT.match(sentence.masked, match.end()) and not PART_OF_NEXT.match(sentence.masked, match.start()):
            before = [run for run in sentence.runs if run[-1].end <= match.start()]
            before = [events for run in before if (events := _events(run, sentence))] or before
            if before:
                yield _statement(before[-1], Quality("mostly_then", match.start(), match.end()), clause.times or sentence.times)
        elif run := _run_after(sentence, match.end(), MOSTLY_NEXT):
            yield _statement(run, quality, clause.times)


def _alone(sentence: Sentence) -> Iterator[Statement]:
    """`only rain`, `the only sounds are rain and wind`, `the only alarm`, `only at 0:05`."""
    events = [mention for mention in sentence.mentions if mention.concept not in sentence.scenes]
    silence = [mention for mention in sentence.mentions if mention.concept == QUIET]
    is_silent = silence and not sentence.times and not FOR_NOW.search(sentence.line)
    if is_silent and (match := EXCEPT.search(sentence.masked, sentence.start, sentence.end)):
        run = _run_after(sentence, match.end())  # `apart from rain, nothing is heard`
        if run and not set(events) - {*run, *silence}:
            yield _statement(run, Quality("only", match.start(), match.end(), others=tuple(events)))
    for match in ALONE.finditer(sentence.masked, sentence.start, sentence.end):
        after = tuple(mention for mention in events if mention.start >= match.end())
        where = match.start(), match.end()
        if NOT_BEFORE.search(sentence.masked[max(0, match.start() - 12) : match.start()]):
            continue  # not only
        excepted = EXCEPT.search(sentence.masked, sentence.start, sentence.end)
        if excepted and not match.start() <= excepted.start() < match.end():
            continue  # but `nothing except`
        if FOR_NOW.search(sentence.masked, max(sentence.start, match.start() - WINDOW // 2), match.start()):
            continue  # `from then on only`
        run = _run_after(sentence, match.end())
        if run and re.search(r"[,;]", sentence.masked[match.end() : run[0].start]):
            run = None  # as in `on the street only, and ...`
        subject = [run for run in sentence.runs if run[-1].end <= match.start() and run[0] in events]
        if match["sound"] and subject and IS.fullmatch(sentence.masked[subject[-1][-1].end : match.start()]):
            yield _statement(subject[-1], Quality("only", *where, others=tuple(events)), sentence.times)
        elif match["sound"] and after and not _is_qualified(sentence, match.end(), after[0].start):
            yield _statement(after, Quality("only", *where, others=tuple(events)), sentence.times)
        elif match["sole"] and run and len(run) == 1 and run[0] in events:
            yield _statement(run, Quality("counts", *where, value=1), sentence.clause_at(match.start()).times)
        elif match["rest"]:
            if before := _before(sentence, match):
                yield _statement(before, Quality("only", *where, others=tuple(events)))
        elif match["there"]:
            between = JOINING if run and run[0].concept in sentence.scenes else LOCATED
            scenes = _scenes_after(sentence, match.end(), between)
            yield from _only_there(_before(sentence, match)[-1:], where, scenes) if scenes else ()
        elif match["only"] and TIME_NEXT.match(sentence.masked, match.end()):
            before = [mention for mention in events if mention.end <= match.start()]
            own = [each for each in sentence.runs if before and before[-1] in each]
            if own and len({mention.concept for mention in events}) == 1:
                yield _statement(own[0], Quality("only_then", *where), sentence.times)
        elif match["only"] and (scenes := _scenes_before(sentence, match)):
            yield from _only_there([each for each in events if each.end <= scenes[0].start][-1:], where, scenes)
        elif (match["only"] or match["all"]) and (scenes := _scenes_after(sentence, match.end())):
            nearest = [each for each in events if each.end <= match.start()][-1:] or list(after[:1])
            yield from _only_there(nearest, where, scenes)
        elif match["only"] and run and run[0] in events and not SINGLE.match(sentence.masked, match.start()):
            yield _statement(run, Quality("only", *where, others=tuple(events)), sentence.times)


def _only_there(labels: Sequence[Mention], where: tuple[int, int], scenes: tuple[Mention, ...]) -> Iterator[Statement]:
    if labels:
        yield _statement(labels, Quality("only_there", *where, others=scenes))


def _scenes_after(sentence: Sentence, position: int, between: re.Pattern[str] = ONLY_IN) -> tuple[Mention, ...]:
    """The scenes in which, after a position, something is said to be: `in the street and on the bus`."""
    run = next((run for run in sentence.runs if run[0].start >= position), None)
    if run is None or not (
        between.fullmatch(sentence.masked, position, run[0].start) or LOCATED_ITSELF.match(sentence.masked, position)
    ):
        return ()
    return tuple(takewhile(lambda mention: mention.concept in sentence.scenes, run))


def _scenes_before(sentence: Sentence, match: re.Match[str]) -> tuple[Mention, ...]:
    """The scene that `in the street only,` restricts something to."""
    before = [each for each in sentence.mentions if each.end <= match.start()][-1:]
    is_end = re.match(r"\s*(?:[,.;]|$)", sentence.masked[match.end() : sentence.end])
    if (
        not before
        or not is_end
        or sentence.masked[before[0].end : match.start()].strip()
        or before[0].concept not in sentence.scenes
    ):
        return ()
    return tuple(before) if LOCATED.search(sentence.masked[sentence.start : before[0].start]) else ()


def _is_qualified(sentence: Sentence, start: int, end: int) -> bool:
    """Whether words of their own stand between `the only sounds` and the labels: `of human origin are`."""
    words = list(sentence.masked[start:end])
    for mention in sentence.mentions:
        if start <= mention.start < end:
            words[mention.start - start : mention.end - start] = " " * (mention.end - mention.start)
    return BESIDE_TIMES.sub(" ", BESIDE_SOUNDS.sub(" ", "".join(words))).strip() != ""


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
        yield _order(last, runs[0], sentence.start, match)
    if last and (match := FOLLOWS.match(sentence.masked[runs[0][-1].end : sentence.end])):
        yield _order(last, runs[0], runs[0][-1].end, match)
    until = runs[1][0].start if len(runs) > 1 else sentence.end
    if last and (match := EARLIER.match(opening.lstrip()) or BEFORE_THAT.match(sentence.masked, runs[0][-1].end, until)):
        yield _order(runs[0], last, sentence.start, match)
    for (first, second), gap in _gaps(sentence, runs):
        base = first[-1].end
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


def _ends(sentence: Sentence) -> Iterator[Statement]:
    """What the recording, or a scene of it, begins or ends with: named after the words that say so, or before them."""
    for kind, follows, precedes in (("opens", BEGINS, OPENS_IT), ("closes", ENDS, CLOSES_IT)):
        for match in follows.finditer(sentence.masked, sentence.start, sentence.end):
            after = [run for run in sentence.runs if run[0].end > match.end()]  # also `starts [at home]`
            is_placed = LOCATED.search(match.group()) is not None  # starts in
            run = next((run for run in after if is_placed or len(after) == 1 or not _is_place(run, sentence)), None)
            is_told = OF_ALL.search(sentence.masked, sentence.start, match.start()) or match.start() - sentence.start < 3
            if match.group().split()[0].endswith("ing") and not is_told:
                continue  # as in `a conversation, ending in laughter`
            gap = sentence.masked[match.end() : max(run[0].start, match.end())] if run else ""
            if run and not _before(sentence, match) and FEW_WORDS.match(gap) and not QUALIFIED.search(gap):
                yield _statement(run[:1], Quality(kind, match.start(), match.end()))
        for match in precedes.finditer(sentence.masked, sentence.start, sentence.end):
            if run := _before(sentence, match):
                yield _statement(run, Quality(kind, match.start(), match.end()))


def _before(sentence: Sentence, match: re.Match[str]) -> list[Mention]:
    """The labels before a match in its clause."""
    before = [run for run in sentence.clause_at(match.start()).runs if run[-1].end <= match.start()]
    return _events(before[-1], sentence) or before[-1] if before else []


# Of two, which more


def _comparisons(sentence: Sentence) -> Iterator[Statement]:
    """A longer, or more often, than B."""
    for match in COMPARED.finditer(sentence.masked, sentence.start, sentence.end):
        first, second = _before(sentence, match), _run_after(sentence, match.end())
        if first and second:
            if match["shorter"] or match["rarer"]:
                first, second = second, first
            kind = "longer" if match["longer"] or match["shorter"] else "oftener"
            yield _statement(first[:1], Quality(kind, match.start(), match.end(), others=tuple(second[:1])))
