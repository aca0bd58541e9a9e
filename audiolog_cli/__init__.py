"""Long audio in, a log out: the `audiolog` commands, and the same from Python.

    import audiolog_cli as audiolog

    for cell in audiolog.tag("rec.wav", threshold=0.3):
        print(cell.onset, cell.kind, cell.label, cell.score)
    rows = audiolog.table(audiolog.tag("rec.wav"))
    print(audiolog.summarize(rows, prompt="timing"))

Heavy libraries are imported by the first call that needs them. A command's one-line error is an `errors.AudiologError` here.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Unpack

if TYPE_CHECKING:
    from pathlib import PurePath

    from audiolog_cli.llm.endpoint import AskKeywords
    from audiolog_cli.records import Cell, End, Failure, Record, Row
    from audiolog_cli.tagging.options import TagKeywords
    from audiolog_cli.tagging.tagger import Tagger

__version__ = "0.1.0"


def load(
    weights: "str | PurePath" = "everyday", *, device: str = "auto", precision: str = "fp32", batch_size: int = 0, jobs: int = 0
) -> "Tagger":
    """A loaded network for `tag`; `weights` is a path, or a name that `audiolog weights list` shows.

    The options are those of `audiolog tag`.
    """
    from audiolog_cli.tagging.options import LoadOptions
    from audiolog_cli.tagging.tagger import load as loaded

    return loaded(LoadOptions(weights=str(weights), device=device, precision=precision, batch_size=batch_size, jobs=jobs))


def tag(
    *recordings: "str | PurePath",
    weights: "str | PurePath | Tagger" = "everyday",
    start: float = 0.0,
    end: float | None = None,
    **options: "Unpack[TagKeywords]",
) -> "Iterator[Cell]":
    """The cells of recordings in order: for each second its scene, then every active event. [start, end) are seconds of each.

    The other options are those of `audiolog tag` that affect its rows. Raises InputError at a recording that cannot be read;
    lesser problems are Python warnings.
    """
    import os
    import warnings
    from pathlib import PurePath

    from audiolog_cli.errors import UsageError
    from audiolog_cli.records import Cell
    from audiolog_cli.tagging.engine import stream_or_raise
    from audiolog_cli.tagging.hearing import resolved
    from audiolog_cli.tagging.options import Job, TagOptions, stretch

    tagger = load(weights) if isinstance(weights, str | PurePath) else weights
    plan = resolved(tagger.card, TagOptions.of(**options))
    if options.get("start_time") and len(recordings) > 1:
        raise UsageError("start_time is for one recording; use name_time or header_time")
    jobs = [Job(os.fsdecode(recording), stretch(start, end)) for recording in recordings]
    yield from (record for record in stream_or_raise(jobs, tagger, plan, warnings.warn) if isinstance(record, Cell))


def table(
    cells: "Iterable[Cell | End | Failure]", *, each_cell: bool = False, min_duration: float = 0.0, max_gap: float = 0.0
) -> "Iterator[Row]":
    """Rows from cells: one for each stretch with one scene and one set of events; `each_cell` keeps equal neighbours apart.

    Events shorter than `min_duration` seconds are dropped; pauses in an event of up to `max_gap` seconds are bridged.
    """
    from audiolog_cli.records import Row
    from audiolog_cli.rows import TableOptions
    from audiolog_cli.rows import table as rows_of

    options = TableOptions(each_cell, min_duration, max_gap)
    return (row for row in rows_of(cells, options) if isinstance(row, Row))


def summarize(
    records: "Iterable[Record]",
    prompt: str = "overview",
    *,
    llm: str = "outline",
    language: str = "",
    **options: "Unpack[AskKeywords]",
) -> str:
    """A log of cells or rows, with the prompt overview, timing or brief. One log per recording, an empty line between.

    Without `llm` it is written by rules. With one, named as for `audiolog summarize --llm` (`local`, `gguf:PATH`, `ollama:MODEL`,
    `http://127.0.0.1:8080#MODEL`), the model finds the words, checked and repaired as by the command, and `prompt` may also be
    the path of a question of your own. Keys come from the environment; no answer is kept on disk. `language` and the options
    context, max_tokens, timeout (seconds), keep_alive and parallel are the command's. Raises UsageError for a wrong name and
    LLMError for a model that cannot be reached or says nothing; lesser problems are Python warnings.
    """
    from audiolog_cli.errors import UsageError
    from audiolog_cli.llm.outline import WRITERS, outline
    from audiolog_cli.llm.recording import recordings

    each = recordings(records)
    if llm != "outline":
        from audiolog_cli.llm.writers import logs_by_model

        return "\n\n".join(logs_by_model(each, llm, prompt, language, options))
    if prompt not in WRITERS:
        raise UsageError(f"prompt {prompt!r}: expected {', '.join(WRITERS)}")
    if language or options:
        raise UsageError("language and the options of a model need llm: the outline asks no language model")
    return "\n\n".join("\n".join(outline(recording, prompt)) for recording in each)
