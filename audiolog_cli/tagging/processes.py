"""Short recordings, many in a row, in worker processes of this machine: the recordings of a run in, what becomes of each out.

Threads share one Python, which they hand over at every call into native code. Within a long recording that costs little, but a
short one is mostly such calls. Worker processes share nothing: each is a copy of this one, the loaded network included, which
`fork` makes in milliseconds; it gets lists of recordings and gives back what came of them. Results come in the order of the
recordings. A recording that kills its worker costs only itself.
"""

import os
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import groupby, islice
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from typing import Any, TypeAlias, TypeVar

from audiolog_cli.errors import AudiologError, InputError
from audiolog_cli.tagging.options import Job
from audiolog_cli.terminal import reason

Item = TypeVar("Item")
Jobs: TypeAlias = Iterable[Job | InputError]
Say: TypeAlias = Callable[[str], None]
Work: TypeAlias = Callable[[Jobs, Say], Generator[Item]]  # recordings and who says messages in, results out

FEW = 8  # recordings before the first that go to workers
SHORT = 8 << 20  # bytes of a file, at most: a minute of mono 16-bit sound at 48 kHz has 5.8 MB
LIST_SIZE = 16  # recordings of a list, at most
LIST_BYTES = 32 << 20  # files of a list, about
LISTS_AHEAD = 2  # for each worker: the one it has and the next


def spread(jobs: Jobs, n_workers: int, here: Work[Item], there: Work[Item], say: Say) -> Generator[Item]:
    """What becomes of recordings, in order: after FEW short ones in a row more such are for `there`, all others for `here`.

    `here` is called in this process with recordings as they are listed, `there` in a worker with lists of them. What either says
    is passed to `say`, an error that `there` raises is raised, each in its turn.
    """
    n_short = 0

    def is_one_of_many(job: Job | InputError) -> bool:
        nonlocal n_short
        n_short = n_short + 1 if _size(job) <= SHORT else 0
        return n_short > FEW

    def found(are_many: bool, some: Jobs) -> Iterator[Item]:
        return _by_workers(_lists(some), n_workers, there, say) if are_many else here(some, say)

    for are_many, some in groupby(jobs, is_one_of_many):
        yield from found(are_many, some)


def can_fork() -> bool:
    """Whether a process that has run native threads may be copied here, and copies can share locks (in /dev/shm)."""
    if sys.platform != "linux":
        return False
    try:
        get_context("fork").Lock()
    except OSError:
        return False
    return True


def _size(job: Job | InputError) -> int:
    """Bytes of a recording, 0 if there is nothing to hear; one that may keep us waiting, or comes from far, counts as large."""
    if isinstance(job, InputError):
        return 0
    if job.spans is None and job.path != "-" and os.path.isfile(job.path):
        with suppress(OSError):  # moved away meanwhile
            return os.path.getsize(job.path)
    return SHORT + 1


def _lists(jobs: Jobs) -> Iterator[list[Job | InputError]]:
    """The recordings in lists that take about as long as each other."""
    held: list[Job | InputError] = []
    n_bytes = 0
    for job in jobs:
        held.append(job)
        n_bytes += _size(job)
        if len(held) == LIST_SIZE or n_bytes >= LIST_BYTES:
            yield held
            held, n_bytes = [], 0
    if held:
        yield held


# In this process


def _by_workers(lists: Iterator[list[Job | InputError]], n_workers: int, work: Work[Item], say: Say) -> Iterator[Item]:
    """What `work` makes of each list, in order; LISTS_AHEAD lists a worker are under way, so that memory does not grow."""
    waiting: deque[list[Job | InputError]] = deque()
    while True:  # until no worker dies
        with _workers(n_workers, work) as pool:
            results = deque(_submitted(pool, jobs) for jobs in waiting)
            while True:
                for jobs in islice(lists, n_workers * LISTS_AHEAD - len(waiting)):
                    waiting.append(jobs)
                    results.append(_submitted(pool, jobs))
                if not results:
                    return
                try:
                    found = results.popleft().result()
                except BrokenProcessPool:
                    break
                waiting.popleft()
                yield from _told(found, say)
        for job in waiting.popleft():  # it was this list that killed a worker, or one after it
            yield from _told(_in_its_own_worker(job, work), say)


def _in_its_own_worker(job: Job | InputError, work: Work[Item]) -> list[Any]:
    """What becomes of a recording that gets a worker of its own, which it may kill."""
    with _workers(1, work) as pool:
        try:
            return _submitted(pool, [job]).result()
        except BrokenProcessPool:
            path = job.path
    error = InputError(f"{path}: the process that tagged it died; too little memory, or a file that crashes its decoder")
    return _collected(work, [error.of(path)])


def _told(found: list[Any], say: Say) -> Iterator[Any]:
    """The results of a list, messages said and an error raised in their turn."""
    for item in found:
        if isinstance(item, Exception):
            raise item
        if isinstance(item, str):
            say(item)
        else:
            yield item


@contextmanager
def _workers(n: int, work: Work[Any]) -> Iterator[ProcessPoolExecutor]:
    """Copies of this process that do `work`; they end with the context and with this process, however it ends."""
    others = set(active_children())
    pool = ProcessPoolExecutor(n, get_context("fork"), _begin, (work,))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C reaches the whole group, and is for this process
    try:
        with warnings.catch_warnings():  # Python 3.12 warns of copies of a process with threads; here none of them is at work
            warnings.simplefilter("ignore", DeprecationWarning)
            pool.submit(int)  # makes them
    except OSError as error:
        raise AudiologError(f"no further process can be started: {reason(error)}; --jobs 1 needs none") from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    workers = set(active_children()) - others
    try:
        yield pool
    finally:
        for worker in workers:
            worker.terminate()  # what it does now is no longer wanted
        pool.shutdown()


def _submitted(pool: ProcessPoolExecutor, jobs: list[Job | InputError]) -> "Future[list[Any]]":
    try:
        return pool.submit(_do, jobs)
    except BrokenProcessPool as error:
        future: Future[list[Any]] = Future()
        future.set_exception(error)
        return future


# In a worker

_work: Work[Any]


def _begin(work: Work[Any]) -> None:
    global _work
    _work = work
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as `_workers` ends it
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # who reads stdout must not wait for us when the run has ended
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
    os._exit(1)


def _do(jobs: list[Job | InputError]) -> list[Any]:
    return _collected(_work, jobs)


def _collected(work: Work[Any], jobs: list[Job | InputError]) -> list[Any]:
    """What comes of a list: results, messages among them, and last the error that ended it."""
    found: list[Any] = []
    try:
        for item in work(jobs, found.append):
            found.append(item)
    except (AudiologError, OSError) as error:
        found.append(error)
    return found
