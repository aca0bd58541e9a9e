"""Where a log says that something is heard: the scene of a sentence, of the heading above it, or of what was said before.

In: sentences in order, with their statements. Out: each statement with the scene that it is made under, and with those that it
may be made under instead.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from audiolog_cli.check.language import compiled
from audiolog_cli.check.sentences import CLAUSE_END, COMMA_AND, FRONTED, JOINING, LOCATED, OF_ALL, Sentence, Statement
from audiolog_cli.check.statements import OPENED, PART, SEQUEL, THEN
from audiolog_cli.check.times import Time
from audiolog_cli.check.words import MISSING, QUIET, Mention

PARAGRAPH = re.compile(r"\n[^\S\n]*\n(?= {0,2}[^\s\-•\d])")  # a blank line without a list or heading after it
LIST_NEXT = re.compile(r"\s*\n\s*(?:[-•*]|\d+[.)])\s")
HEADING_BEFORE = compiled(r"\W*(?:<scene_word>\W*)?(?:\d+\W*)?")
HEADING_AFTER = compiled(r"(?:[\s\x01\[\](),\d]|<scene_word>)*[:：]")
WHILE_IN = compiled(r"<while_in>\s*(?:<joining>)?\s*\Z")
LISTED = compiled(r"\s*(?:,|,?\s*<and|either>)\s+(?:[^\W\d_]+\s+){0,2}")
SUBJECT_ENDS = compiled(rf"[,;:]|<and>|{SEQUEL.pattern}")
SUBJECT = compiled(r"\W*(?:<determiner>\s+)?")
LOCATED_ITSELF = compiled(r"<located>\s")  # at home
NEW_LINE = re.compile(r"\n(?:\s*\n)?[^\s\-•*+]")
WHEREVER = compiled("<where>(?<!with)(?<!avec)(?<!con)(?<!mit)")
WHERE = compiled(r"[\s,]*(?:(?:is|was)\s+)?<where>|\s*\|")
SCENE_WORD = compiled("<scene_word>")


def _list_end(sentence: Sentence, mention: Mention) -> int:
    """Where the list that a label is in ends: `a dog and the steady wind are heard in the park`."""
    end = mention.end
    for each in sentence.mentions:
        if COMMA_AND.match(sentence.masked, end) and end == mention.end:
            break  # `ends with a bell, and a car is heard in the street`
        if (
            each.start >= end
            and not each.may_be
            and LISTED.fullmatch(sentence.masked, end, each.start)
            and not SEQUEL.search(sentence.masked, end, each.start)
            and each.concept not in sentence.scenes
        ):
            end = each.end
    return end


@dataclass(slots=True)
class Place:
    """The scene that the text is about at this point: the last heading's, with the heading's time if it has one."""

    scene: Mention | None = None
    time: Time | None = None
    spoken_of: Mention | None = None  # the last scene named before the sentence
    now: Mention | None = None  # the last one named up to the end of the sentence
    inline_until: int = -1  # where the sentence ended that its heading begins, and may be about alone: `Park: a dog`
    unnamed: bool = False  # in a section whose scene has no name
    here: Time | None = None  # the range that begins a line, for all of the line and the list below it
    reached: int = -1  # where the last sentence below the heading ended; -1 if there was none

    def follow(self, sentence: Sentence, doubles: frozenset[str]) -> None:
        """Move on to a sentence: it may be a heading, or end the last one's section. `doubles` are scenes only in headings."""
        if self.reached >= 0 and PARAGRAPH.search(sentence.masked, self.reached, sentence.start + 3):
            self.scene = self.time = None  # a paragraph of its own
        if (part := PART.match(sentence.line)) and sentence.times[0].onset < sentence.times[0].offset:
            self.here = sentence.times[0]
        elif not part and NEW_LINE.search(sentence.masked, max(0, sentence.start - 2), sentence.start + 4):
            self.here = None
        before, self.scene = self.scene, _scene_of(sentence, self.scene, doubles)
        named = [mention for mention in sentence.mentions if mention.concept in sentence.scenes]
        self.spoken_of = self.now
        self.now = named[-1] if named else self.now
        self.unnamed = "\x03" in sentence.line or (self.unnamed and self.scene is None and not OF_ALL.search(sentence.line))
        is_inline = self.scene is not before and sentence.mentions[1:]
        self.reached = sentence.end if (self.scene or self.time) and (self.scene is before or is_inline) else -1
        if self.scene is not before:
            self.inline_until = sentence.end if len(sentence.mentions) > 1 else -1
            self.time = _time_of(self.scene, sentence)
        elif (
            self.scene is None
            and not sentence.mentions
            and sentence.times
            and sentence.times[0].onset < sentence.times[0].offset
            and (sentence.line.lstrip()[:1] == "\x01" or "\x03" in sentence.line or sentence.line.rstrip().endswith((")", ":")))
        ):
            self.time = sentence.times[0]  # a section whose scene has no name
        elif self.scene is None and OF_ALL.search(sentence.line):
            self.time = None
        elif self.scene and not sentence.mentions and sentence.times:  # `start: 0 s, end: 16 s` below the heading
            self.time = sentence.times[0]

    def placed(self, statement: Statement, sentence: Sentence) -> Iterator[Statement]:
        """A statement with the nearest scene before it; one without a time is split by label, each with its own scene."""
        if statement.time is not None or statement.quality is not None:
            placed = self._with_scene(statement, statement.mentions[0], sentence) if statement.mentions else statement
            if not (self.here and placed.quality and placed.quality.kind == "only" and not placed.times):
                yield replace(placed, here=self.here)
        else:
            for mention in statement.mentions:
                placed = self._with_scene(statement, mention, sentence)
                is_placed = statement.denied or not statement.of_all or placed.in_its_scene
                yield replace(placed if is_placed else statement, mentions=(mention,))

    def _with_scene(self, statement: Statement, mention: Mention, sentence: Sentence) -> Statement:
        own = [each for each in sentence.mentions if each.concept in sentence.scenes]
        before = [scene for scene in own if scene.start < mention.start]
        if before and THEN.search(sentence.masked, before[-1].end, mention.start):
            before = []  # ... and then elsewhere
        is_before = bool(before)
        after = [scene for scene in own if scene.start > mention.start][:1]
        end = _list_end(sentence, mention)
        gap = sentence.masked[end : after[0].start] if after else ""
        if any(end <= each.start < after[0].start for each in sentence.mentions if after and each.concept != QUIET):
            gap = ""  # `horns in dense traffic ... a helicopter in the street`: not the horns
        is_located = LOCATED.search(gap) or (gap and LOCATED_ITSELF.match(sentence.masked, after[0].start))
        is_near = is_located and not CLAUSE_END.search(WHILE_IN.sub("", gap))
        if is_near and not (before and not CLAUSE_END.search(sentence.masked, before[-1].end, mention.start)):
            before, is_before = after, False
        scene = None if mention.concept in sentence.scenes else before[-1] if before else self.scene
        is_on = self.inline_until >= 0 and re.fullmatch(r"[^\n]*[.!?][^\n]*", sentence.masked[self.inline_until : sentence.start])
        others: tuple[Mention | None, ...] = (
            (None,) if scene is self.scene and is_on and sentence.start > self.inline_until else ()
        )
        if scene is not None and is_before and scene is before[-1]:
            others = self._other_scenes(sentence, mention, scene, own)
        return replace(
            statement,
            scene=scene,
            scene_time=self.time if scene is self.scene else None,
            spoken_of=self.spoken_of,
            in_its_scene=is_before and scene in own,
            scenes=others,
        )

    def _other_scenes(
        self, sentence: Sentence, mention: Mention, scene: Mention, named: Sequence[Mention]
    ) -> tuple[Mention | None, ...]:
        """What a label may be heard in instead of the scene named before it: another one, or none that the sentence names.

        It is the scene's beyond doubt in one clause (`in the park birds sing`), and in the clauses after one that begins with it;
        not so in `frogs croak at the river, and a fire burns` or `before reaching the river, frogs croak`.
        """
        if not CLAUSE_END.search(sentence.masked, scene.end, mention.start):
            run = next(run for run in sentence.runs if scene in run)
            found: list[Mention | None] = [each for each in run if each.concept in sentence.scenes]
            is_own = True
        else:
            found = [*named, *([self.scene] if self.scene else [])]
            opened = (
                OPENED.match(sentence.masked, sentence.start)
                and sentence.clause_at(scene.start).start <= sentence.mentions[0].start
            )
            is_attached = any(each.start < scene.start for each in sentence.mentions)
            is_own = (not is_attached and FRONTED.match(sentence.masked, sentence.start) is not None) or opened is not None
            is_own = is_own or any(pattern.match(sentence.masked, scene.end) for pattern in (WHERE, HEADING_AFTER))
            is_own = is_own and WHEREVER.search(sentence.masked, scene.end + 3, mention.start) is None
        before = sentence.masked[sentence.clause_at(scene.start).start : scene.start]
        is_heading = HEADING_BEFORE.fullmatch(JOINING.sub(" ", before)) is not None
        is_place = is_heading or LOCATED.search(before) is not None or WHERE.match(sentence.masked, scene.end) is not None
        is_subject = len(named) == 1 and SUBJECT.fullmatch(sentence.masked, sentence.start, scene.start) is not None
        if is_subject and not SUBJECT_ENDS.search(sentence.masked, scene.end, mention.start):
            is_own = is_place = True  # `The park is filled with birdsong`
        is_journey = any(each.end <= scene.start and each.start >= sentence.clause_at(scene.start).start for each in named)
        if scene.may_be or not is_place or not is_own or is_journey:
            found.append(None)
        return tuple(each for each in found if each is not scene)


def _scene_of(sentence: Sentence, current: Mention | None, doubles: frozenset[str]) -> Mention | None:
    """The scene whose heading a sentence belongs to: the one it begins with, else the current one, else None."""
    line, inside = sentence.line, sentence.mentions
    own = [mention for mention in inside if mention.concept in sentence.scenes]
    if inside and inside[0].concept in doubles | sentence.scenes and own in ([], inside[:1]):
        rest = sentence.masked[inside[0].end : sentence.end].strip(" \x01\x04")
        alone = len(inside) == 1 and (line.rstrip().endswith((")", ":")) or not rest)
        begins = HEADING_BEFORE.fullmatch(sentence.masked[sentence.start : inside[0].start].replace("\x01", " "))
        if not own:  # `Rain: birds once` is a heading, `- rain: 0:05` below one is not
            is_item = sentence.masked[: sentence.start].endswith("\n") and line.startswith(("-", "  "))
            is_line = (
                SCENE_WORD.search(sentence.masked, sentence.start, inside[0].start)
                or line.rstrip().endswith((")", ":"))
                or LIST_NEXT.match(sentence.masked, sentence.end)
            )
            is_heading = HEADING_AFTER.match(rest) and len(inside) > 1 or (alone and begins and is_line and not is_item)
            return inside[0] if is_heading else current
        is_sure = not (inside[0].may_be and re.search(r"[^\W\d_]", rest))  # `City sounds:` is about more than a place
        return inside[0] if HEADING_AFTER.match(rest) or (is_sure and (line[-1] in ":：" or (alone and begins))) else None
    if not inside and line[0] == "\x01":  # a heading with a time only: a section whose scene has no name
        return None
    if own or "\x03" in line or OF_ALL.search(line) or MISSING in [mention.concept for mention in inside]:
        return None
    return current


def _time_of(scene: Mention | None, sentence: Sentence) -> Time | None:
    """The range next to the scene in a heading: `Kitchen (0:40-1:10)`."""
    others = [mention.start for mention in sentence.mentions if mention is not scene]
    ranges = [time for time in sentence.times[:1] if time.onset < time.offset and all(time.start < other for other in others)]
    return ranges[0] if scene and ranges else None
