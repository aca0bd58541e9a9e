"""A run of `tag`: recordings in, their records on stdout or in the files of `--out` out, and a tally of their outcomes."""

import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from audiolog_cli import parquet, terminal
from audiolog_cli.errors import InputError, UsageError
from audiolog_cli.records import CELL_COLUMNS, Cell, End, Failure, Remark, jsonl_lines, tsv_lines
from audiolog_cli.sound.remote import is_url
from audiolog_cli.tagging import engine
from audiolog_cli.tagging.hearing import Plan, resolved
from audiolog_cli.tagging.journal import open_journal
from audiolog_cli.tagging.options import Job, LoadOptions, OutputOptions, RunOptions
from audiolog_cli.tagging.parameters import Parameters, of_rows, of_windows
from audiolog_cli.tagging.parts import Parts
from audiolog_cli.tagging.scores import score_file
from audiolog_cli.tagging.tagger import Tagger, load
from audiolog_cli.tally import Tally

LONGEST_NAME = 255 - len(".unfinished")  # bytes, of a file of scores


def run(jobs: Iterable[Job | InputError], options: RunOptions, tally: Tally) -> None:
    """Tag recordings, here or on a cluster, and write what is heard; an input that fails is counted, and the others go on."""
    output, cluster = options.output, options.cluster
    # The workers of a cluster load the network themselves; here only its card is read.
    tagger = load(LoadOptions(weights=options.load.weights, device="cpu") if cluster else options.load)
    plan = resolved(tagger.card, options.tag, output.scores_dir)
    if not tagger.card.scenes:
        terminal.say(f"{options.load.weights} knows events only: scene labels stay empty")
    for option, folder in (("--resume", output.resume), ("--scores-dir", output.scores_dir)):
        if folder and is_url(str(folder).replace(":/", "://", 1)):  # as a path it has lost a slash
            raise UsageError(f"{option} {folder}: expected a folder on this machine; --out also takes URLs")
    if output.scores_dir:
        with terminal.refusing(f"--scores-dir {output.scores_dir}", UsageError):
            output.scores_dir.mkdir(parents=True, exist_ok=True)
    if options.tag.times.start_time:
        jobs = _only_one(jobs)
    jobs = _acceptable(jobs, output)
    with ExitStack() as stack:
        decisive: Parameters = {}
        if output.resume or output.out:
            stack.enter_context(_continued_by_the_same_command())
            device = cluster.device(options.load.device).partition(":")[0] if cluster else tagger.device.type
            decisive = of_windows(tagger.path, device, options.load.precision, plan.options)
        if output.resume:
            plan = replace(plan, journal=stack.enter_context(open_journal(output.resume, decisive)))
        if output.out:
            decisive = of_rows(decisive, plan.options, output)
            _write_parts(jobs, tagger, plan, options, decisive, tally)
        else:
            records = engine.stream(jobs, tagger, plan, output.fail_fast, output.split_files)
            _write(tally.passing(records), output.format, plan.clock is not None)


def _write_parts(
    jobs: Iterable[Job | InputError], tagger: Tagger, plan: Plan, options: RunOptions, decisive: Parameters, tally: Tally
) -> None:
    """Write each recording into a file of its own, and count its outcome."""
    folder = Parts(options.output.out, options.output.format, plan.clock is not None, plan.scores_dir)

    def show(text: str) -> None:
        terminal.show_progress(f"{tally.done + tally.there} recordings done, {tally.failed} failed; {text}")

    with folder.opened(decisive) as there:
        if options.cluster:
            from audiolog_cli.tagging import cluster

            usable = tally.usable(jobs)
            outcomes = cluster.outcomes(usable, there, plan, folder, options, show)
        else:
            outcomes = engine.outcomes(jobs, there, tagger, plan, folder, show)
        for outcome in outcomes:
            tally.add(outcome)
            if options.output.fail_fast and outcome.state == "failed":
                return


def _only_one(jobs: Iterable[Job | InputError]) -> Iterator[Job | InputError]:
    """The same jobs; UsageError if there are several recordings: --start-time is for one.

    All are listed before the first is tagged: else the error would come after hours, or never, if the first fails, if a cluster
    takes them in another order, or if a journal is continued.
    """
    waiting: list[Job | InputError] = []
    for job in jobs:
        if isinstance(job, Job) and any(isinstance(other, Job) for other in waiting):
            raise UsageError(
                f"--start-time is for one recording, and there are several ({job.path} is the second); use --name-time or"
                " --header-time"
            )
        waiting.append(job)
    yield from waiting


def _acceptable(jobs: Iterable[Job | InputError], output: OutputOptions) -> Iterator[Job | InputError]:
    """The same jobs; those that cannot be written are replaced by errors."""
    taken: dict[Path, str] = {}  # score files, and the recordings they belong to
    for job in jobs:
        refusal = None if isinstance(job, InputError) else _refused(job, output, taken)
        yield refusal.of(job.path) if refusal else job


def _refused(job: Job, output: OutputOptions, taken: dict[Path, str]) -> InputError | None:
    if output.format == "parquet" and not terminal.is_utf8(job.path):
        return InputError(f"{job.path!r}: not UTF-8, Parquet cannot hold it; rename it, or write tsv")
    if output.scores_dir:
        place = score_file(output.scores_dir, job.path)
        if place in taken:
            return InputError(
                f"{job.path}: its scores would replace those of {taken[place]} in {place}; give it a --scores-dir of its own"
            )
        if len(os.fsencode(place.name)) > LONGEST_NAME:
            return InputError(f"{job.path}: a name too long for a file of scores; rename it, or leave out --scores-dir")
        taken[place] = job.path
    return None


def _write(records: Iterator[Cell | End | Failure | Remark], format: str, with_time: bool) -> None:
    """Write records to stdout."""
    if format == "parquet":
        parquet.write_stdout(records, Cell, with_time)
    elif format == "tsv":
        terminal.write_lines(tsv_lines(records, CELL_COLUMNS, with_time))
    else:
        terminal.write_lines(jsonl_lines(records))


@contextmanager
def _continued_by_the_same_command() -> Iterator[None]:
    """Say after Ctrl-C how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        terminal.complain(f"interrupted; the same command continues: {shlex.join(['audiolog', *sys.argv[1:]])}")
        raise
