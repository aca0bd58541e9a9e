"""What a log states: which labels, when, and whether they are denied.

A log is read line by line and clause by clause. Inside a sentence a time belongs to the labels of its own clause; a clause with times
only belongs to the labels before it, or after it where the sentence begins with a time; a sentence or bullet with times only belongs to
the heading above it. `claims.py` holds the statements against the table.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from audiolog_cli.check.times import Time, times
from audiolog_cli.check.words import Lexicon, Mention, mentions
from audiolog_cli.wording import UNNAMED

QUIET = "\x02quiet"  # stands for "no event recognised", a concept of its own
MISSING = "\x02missing"  # stands for "not analysed"
PSEUDO = (
    (
        MISSING,
        re.compile(
            r"\bnot (?:been )?analy[sz]ed\b|\bunanaly[sz]ed\b|\bnicht analysiert\b|\bnon analysée?\b|\bno analizad[oa]\b|未分析",
            re.IGNORECASE,
        ),
    ),
    (
        QUIET,
        re.compile(
            r"\bno (?:sound )?events?\b(?: (?:is|are|was|were))?(?: (?:recogni[sz]ed|heard|detected))?|\bnothing\b(?: (?:is|was|else))*(?: (?:heard|recogni[sz]ed|"
            r"detected))?|\b(?:silence|silent|quiet)\b|\bkeine? Ereignisse?\b|\bnichts\b|\bStille\b|\baucun événement\b|\bsilencio\b|\bningún evento\b|安静|无声|没有事件",
            re.IGNORECASE,
        ),
    ),
)
NAMES = re.compile(r"^Log of .*$|\b[\w-]+\.(?:wav|flac|mp3|m4a|aac|ogg|opus|webm|mp4)\b", re.MULTILINE)  # of files: no claims
DATES = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?)?")
SENTENCE_END = re.compile(r"[.!?;](?=\s|$)|[。；！？]|\n")
CLAUSE_END = re.compile(
    r"[,，、|\t:：]|\b(?:and|while|whereas|then|followed by|but|before|after|und|während|dann|aber|et|puis|mais|y|luego|pero)\b",
    re.IGNORECASE,
)
JOINING = re.compile(
    r"(?:[\s,，、&/+*\"“”]|\b(?:and|or|as well as|plus|the|a|an|some|sounds?|noises?|of|und|oder|ein|eine|der|die|das|et|ou|un|une|le|la|les|des|y|o|el|los|las)\b"
    r"|[和与及或])*",
    re.IGNORECASE,
)
DENIED = re.compile(
    r"\b(?:no|not|never|without|nobody|no one|none|neither|nor|kein|keine|keinen|nicht|ohne|niemals|pas|aucune?|jamais|sans|sin|ningún|ninguna|nunca)\b(?! only\b| longer\b| just\b)"
    r"|n't\b|没有|无",
    re.IGNORECASE,
)
SUPPOSED = re.compile(
    r"\b(?:suggest\w*|possibl[ey]|perhaps|may|might|could|likely|probabl[ey]|such as|typical\w*|e\.g|as if|presumably|resembl\w*|reminiscent|potential\w*|"
    r"vielleicht|wohl|möglicherweise|peut-être|quizás|tal vez)\b|可能|也许",
    re.IGNORECASE,
)
OF_ALL = re.compile(
    r"\b(?:recording|audio|clip|log|table|file|summary|overall|Aufnahme|enregistrement|grabación)\b|录音|音频", re.IGNORECASE
)
HEADING_BEFORE = re.compile(r"\W*(?:(?:scene|location|place|Szene|Ort|scène|lieu|escena|lugar|场景)\W*)?", re.IGNORECASE)
HEADING_AFTER = re.compile(r"(?:[\s\x01\[\](),\d]|scenes?|Szene|scène|escena)*[:：]", re.IGNORECASE)
BESIDE_TIMES = re.compile(  # words that a clause of times may hold and still speak of the label before it
    r"\b(?:at|from|to|until|till|between|and|again|then|also|later|once|more|times?|briefly|about|around|approximately|seconds?|minutes?|the|in|on|of|for|"
    r"which|it|is|was|are|were|heard|occurs?|lasts?|lasting|starts?|starting|begins?|beginning|ends?|ending|with|events?|sounds?|sounding|audible|noted|present|there|continu\w+|specifically|especially|mainly|mostly|intermittently|repeatedly|finally|another|und|um|von|bis|et|de|y|a|desde|hasta)\b|\W|\d|\x01",
    re.IGNORECASE,
)
LATER = re.compile(
    r"\b(?:later|afterwards|throughout|finally|also later|subsequently|später|plus tard|más tarde)\b|之后|随后", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that a log says: these labels, at this time, or anywhere, or not at all."""

    mentions: tuple[Mention, ...]  # each is stated; none for a time without a label
    time: Time | None
    denied: bool
    supposed: bool  # suggests, perhaps: not a claim when it names no time
    of_all: bool = False  # speaks of the whole recording
    scene: Mention | None = None  # the scene that the sentence, or the heading above it, speaks of
    scene_time: Time | None = None  # where that heading names a time

    @property
    def end(self) -> int:
        """Where the words of the statement end in the text."""
        ends = [mention.end for mention in self.mentions] + ([self.time.end] if self.time else [])
        return max(ends)


@dataclass(slots=True)
class Clause:
    """A piece of a sentence, with what was found in it."""

    start: int
    end: int
    runs: list[list[Mention]] = field(default_factory=list)  # labels that are joined by nothing but `and` and commas
    times: list[Time] = field(default_factory=list)


def statements(text: str, known: Lexicon, scenes: frozenset[str]) -> list[Statement]:
    """All statements of a log, in its order. `scenes` are the concepts that are scenes in the table."""
    for pattern in (NAMES, DATES):
        text = pattern.sub(lambda match: " " * len(match.group()), text)
    text = re.sub(UNNAMED, lambda match: "\x03" * len(match.group()), text, flags=re.IGNORECASE)
    text = re.sub(r"[*`#>\"“”‘_]", " ", text)
    found_times = times(text)
    masked = text
    for time in found_times:
        masked = masked[: time.start] + "\x01" * (time.end - time.start) + masked[time.end :]
    found_mentions = _all_mentions(masked, known)
    stated: list[Statement] = []
    heading: list[Mention] = []
    scene: Mention | None = None
    scene_time: Time | None = None
    for start, end in _sentences(masked):
        inside_times = [time for time in found_times if start <= time.start < end]
        inside = [mention for mention in found_mentions if start <= mention.start < end]
        before, scene = scene, _scene_of(masked, start, end, inside, scenes, scene)
        if scene is not before:
            scene_time = _time_of(scene, inside, inside_times)
        elif scene and not inside and inside_times:  # `start: 0 s, end: 16 s` below the heading
            scene_time = inside_times[0]
        for statement in _sentence(masked, start, end, inside, inside_times, heading, scenes):
            stated += _in_scene(statement, masked, inside, scenes, (scene, scene_time))
        if inside:
            heading = inside[-1:]
    return stated


def _all_mentions(masked: str, known: Lexicon) -> list[Mention]:
    """Mentions of labels and of the two pseudo-labels, which are blanked out so that their `no` denies nothing."""
    found: list[Mention] = []
    for concept, pattern in PSEUDO:
        for match in pattern.finditer(masked):
            if not any(match.start() < mention.end and match.end() > mention.start for mention in found):
                found.append(Mention(match.start(), match.end(), concept))
    found += [
        mention
        for mention in mentions(masked, known)
        if not any(mention.start < other.end and mention.end > other.start for other in found)
    ]
    return sorted(found, key=lambda mention: mention.start)


def _sentences(masked: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in SENTENCE_END.finditer(masked):
        if match.start() > start:
            yield start, match.start()
        start = match.end()
    if start < len(masked):
        yield start, len(masked)


def _scene_of(
    masked: str, start: int, end: int, inside: Sequence[Mention], scenes: frozenset[str], current: Mention | None
) -> Mention | None:
    """The scene whose heading a sentence stands under: the one it begins with, else the current one, else none."""
    line = masked[start:end]
    own = [mention for mention in inside if mention.concept in scenes]
    if own and len(own) == 1 and inside[0] is own[0]:
        rest = masked[own[0].end : end].strip(" \x01")
        alone = len(inside) == 1 and (line.rstrip().endswith((")", ":")) or not rest)
        begins = HEADING_BEFORE.fullmatch(masked[start : own[0].start].replace("\x01", " "))
        return own[0] if HEADING_AFTER.match(rest) or line[-1] in ":：" or (alone and begins) else None
    if not inside and line[0] == "\x01":  # a heading with a time only: a section whose scene has no name
        return None
    if own or "\x03" in line or OF_ALL.search(line) or MISSING in [mention.concept for mention in inside]:
        return None
    return current


def _time_of(scene: Mention | None, inside: Sequence[Mention], inside_times: Sequence[Time]) -> Time | None:
    """The range beside the scene of a heading: `Kitchen (0:40-1:10)`."""
    others = [mention.start for mention in inside if mention is not scene]
    ranges = [time for time in inside_times[:1] if time.onset < time.offset and all(time.start < other for other in others)]
    return ranges[0] if scene and ranges else None


def _in_scene(
    statement: Statement,
    masked: str,
    inside: Sequence[Mention],
    scenes: frozenset[str],
    heading: tuple[Mention | None, Time | None],
) -> Iterator[Statement]:
    """A statement with the nearest scene before it; one that names no time is split into its labels, each with its own."""
    own = [mention for mention in inside if mention.concept in scenes]

    def placed(mention: Mention) -> Statement:
        before = [scene for scene in own if scene.start < mention.start]
        before = before or [scene for scene in own[:1] if not CLAUSE_END.search(masked, mention.end, scene.start)]
        scene = None if mention.concept in scenes else before[-1] if before else heading[0]
        return replace(statement, scene=scene, scene_time=heading[1] if scene and scene is heading[0] else None)

    if statement.time is not None:
        yield placed(statement.mentions[0]) if statement.mentions else statement
    elif statement.of_all and not statement.denied:
        yield from (replace(statement, mentions=(mention,)) for mention in statement.mentions)
    else:
        yield from (replace(placed(mention), mentions=(mention,)) for mention in statement.mentions)


def _sentence(
    masked: str,
    start: int,
    end: int,
    inside: Sequence[Mention],
    inside_times: Sequence[Time],
    heading: Sequence[Mention],
    scenes: frozenset[str],
) -> Iterator[Statement]:
    """The statements of one sentence; `heading` is what it speaks of if it names no label itself."""
    line = masked[start:end]
    supposed = SUPPOSED.search(line) is not None
    if not inside:
        owners = [] if OF_ALL.search(line) or line[0] == "\x01" else heading
        for time in inside_times:
            yield Statement(tuple(owners), time, False, supposed)
        return
    pairs = _paired(_clauses(masked, start, end, inside, inside_times), masked)
    for clause, run, when in pairs:
        yield Statement(tuple(run), when, _is_denied(masked, clause, run, scenes), supposed, OF_ALL.search(line) is not None)


def _is_denied(masked: str, clause: Clause, run: Sequence[Mention], scenes: frozenset[str]) -> bool:
    """Whether a `no` stands before these labels, or a `not` behind them, with nothing but a scene following."""
    labels = _labels(clause)
    if any(mention.concept in (QUIET, MISSING) for mention in run):
        return False
    for match in DENIED.finditer(masked, clause.start, clause.end):
        if any(match.start() < label.end and match.end() > label.start for label in labels):
            continue  # the `no` of "no event recognised"
        before = [label for label in labels if label.end <= match.start()]
        after = [label for label in labels if label.start >= match.end()]
        is_verbal = re.fullmatch(r"no|without|kein\w*|ohne|sans|sin", match.group(), re.IGNORECASE) is None
        if before and is_verbal and all(label.concept in scenes for label in after):
            if before[-1] in run:
                return True
        elif after and after[0] in run:
            return True
    return False


def _clauses(masked: str, start: int, end: int, inside: Sequence[Mention], inside_times: Sequence[Time]) -> list[Clause]:
    """A sentence cut into clauses; not between labels, or between times, that only `and` and commas join."""
    items: list[Mention | Time] = [*inside, *inside_times]
    items.sort(key=lambda item: item.start)
    cuts = []
    for match in CLAUSE_END.finditer(masked, start, end):
        before = [item for item in items if item.end <= match.start()]
        after = [item for item in items if item.start >= match.end()]
        if any(item.start < match.end() and item.end > match.start() for item in items):
            continue  # inside a phrase
        alike = bool(before and after) and type(before[-1]) is type(after[0])
        if match.group() in ":：" and not (alike and isinstance(before[-1], Mention)):
            continue  # `rooster: 0:05` is one clause, `farm: rooster` is two
        if (
            alike
            and not _has_own_times(before, after, items)
            and JOINING.fullmatch(masked[before[-1].end : after[0].start])
            and "|" not in match.group()
        ):
            continue
        cuts.append((match.start(), match.end()))
    bounds = [start, *(position for cut in cuts for position in cut), end]
    clauses = [Clause(first, last) for first, last in zip(bounds[::2], bounds[1::2], strict=True)]
    for clause in clauses:
        clause.times = [time for time in inside_times if clause.start <= time.start < clause.end]
        for mention in (mention for mention in inside if clause.start <= mention.start < clause.end):
            joined = clause.runs and JOINING.fullmatch(masked[clause.runs[-1][-1].end : mention.start])
            if joined:
                clause.runs[-1].append(mention)
            else:
                clause.runs.append([mention])
    return [clause for clause in clauses if clause.runs or clause.times]


def _has_own_times(before: Sequence[Mention | Time], after: Sequence[Mention | Time], items: Sequence[Mention | Time]) -> bool:
    """Whether, in a sentence that begins with a time, the labels before and the labels after each stand beside a time: T L, and L T."""
    if not isinstance(items[0], Time) or isinstance(before[-1], Time):
        return False
    follows = next((item for item in after if isinstance(item, Time)), None)
    return follows is not None and isinstance(next((item for item in reversed(before) if item is not before[-1]), None), Time)


def _paired(clauses: Sequence[Clause], masked: str) -> Iterator[tuple[Clause, list[Mention], Time | None]]:
    """Every run of labels with its times, or with none."""
    times_first = not clauses[0].runs
    pending: list[Time] = []
    last: tuple[Clause, list[Mention]] | None = None
    for index, clause in enumerate(clauses):
        if clause.runs and clause.times:
            yield from ((clause, run, when) for run, when in _inside(clause))
            last, pending = (clause, _labels(clause)), []
        elif clause.runs:
            if LATER.search(masked[clause.start : clause.end]):
                pending = []
            follows = clauses[index + 1 : index + 2]
            own = pending or ([] if times_first or not follows or follows[0].runs else follows[0].times)
            labels = _labels(clause)
            if own is pending and pending:
                yield from ((clause, labels, time) for time in pending)
            elif not own:
                yield from ((clause, run, None) for run in clause.runs)
            last = (clause, labels)
        elif times_first and any(later.runs for later in clauses[index + 1 :]):
            pending = clause.times
        elif last and not _speaks_of_something_else(masked, clause):
            yield from ((last[0], last[1], time) for time in clause.times)


def _speaks_of_something_else(masked: str, clause: Clause) -> bool:
    """Whether a clause with times and no label has words of its own: `one approaches at 30 s`."""
    return len(BESIDE_TIMES.sub(" ", masked[clause.start : clause.end]).split()) > 0


def _labels(clause: Clause) -> list[Mention]:
    return [mention for run in clause.runs for mention in run]


def _inside(clause: Clause) -> Iterator[tuple[list[Mention], Time | None]]:
    """Runs and times of one clause: each time with the labels since the time before it, or up to the next where a time comes first."""
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
