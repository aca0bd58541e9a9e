"""Windows of many recordings in one stream of batches: recordings in, each with its scores out, in the order they came in.

    recordings -> listed ahead -> windows -> waiting -> batches -> network -> scores of the first recording, of the second, ...

`jobs` threads, each on one core, do whatever comes next: score a batch if enough windows are waiting, else decode more windows of
the first recording that nobody is decoding. So a long recording is decoded beside its own network, short ones beside each other,
their windows share batches, and no window passes from thread to thread but in batches. The work is in native code that releases
the GIL: threads share the weights, and nothing is copied between processes. (Where short recordings are many, each of several
processes has a pipeline of its own: `processes.py`.)

How large a batch is depends on how much sound is waiting. A file always has more: batches grow from 1 window, so that the first
line comes soon, by powers of two to the device's best size. What comes through a pipe is decoded by a thread of its own, as fast
as it comes, and whatever is waiting is scored at once: a live recording window by window, a fast pipe in batches like a file.

At most `limit` recordings and `limit` windows of them are held; the recording whose turn it is has as much room of its own. So
memory depends neither on how long recordings are nor on how many.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from math import ceil
from threading import Condition, Lock, Thread
from time import sleep
from typing import Any, Generic, TypeVar

import torch

from audiolog_cli.cells import WindowScores
from audiolog_cli.errors import InputError
from audiolog_cli.sound.audio import Window
from audiolog_cli.tagging.tagger import Tagger, probabilities

Item = TypeVar("Item")

PATIENCE = 0.25  # seconds that windows wait for another recording to be listed before their batch goes as it is


@dataclass(eq=False, slots=True)
class Entry:
    """A window on its way through; when its scores are there, its samples are gone."""

    window: Window | None
    scores: WindowScores | None = None


@dataclass(eq=False, slots=True)
class Recording(Generic[Item]):
    """A recording on its way through."""

    item: Item  # what the caller knows it by
    windows: Iterator[Window]  # used by one thread at a time
    is_live: bool = False  # decoding it may wait for sound
    error: InputError | None = None  # raised after its scores
    entries: deque[Entry] = field(default_factory=deque)  # decoded and not yet handed out
    is_read: bool = False  # there are no more windows
    is_busy: bool = False  # a worker is decoding it
    is_dropped: bool = False  # nobody wants its scores


@dataclass(eq=False, slots=True)
class State:
    """What the threads of a pipeline share, all of it under one lock; who waits is woken only for what it waits for."""

    tagger: Tagger
    n_hop: int  # samples from window to window
    limit: int
    lock: Lock = field(default_factory=Lock)
    work: Condition = field(init=False)  # windows to score or room to decode more; who does that waits for it
    room: Condition = field(init=False)  # for recordings; who lists them waits for it
    results: Condition = field(init=False)  # the first recording's; the caller waits for them
    recordings: deque[Recording[Any]] = field(default_factory=deque)  # the first is the one whose turn it is
    waiting: deque[Entry] = field(default_factory=deque)
    n_held: int = 0  # entries of all recordings
    n_scored: int = 0  # windows
    is_listed: bool = False  # no more recordings come
    ending: BaseException | None = None  # raised after the last recording
    failure: BaseException | None = None  # raised at once
    is_stopped: bool = False

    def __post_init__(self) -> None:
        self.work, self.room, self.results = (Condition(self.lock) for _ in range(3))

    def wake_all(self) -> None:
        """For what all must know: the end, a failure."""
        for condition in (self.work, self.room, self.results):
            condition.notify_all()

    def make_room(self) -> None:
        """For who may now decode more; further recordings are listed several at a time, when half of those listed are done."""
        self.work.notify_all()
        if len(self.recordings) <= self.limit // 2:
            self.room.notify()

    def has_room(self, recording: Recording[Any]) -> bool:
        """Whether more windows of a recording may be decoded."""
        is_first = bool(self.recordings) and recording is self.recordings[0]
        return (len(recording.entries) if is_first else self.n_held) < self.limit


def pipeline(
    tagger: Tagger, recordings: Iterable[Recording[Item]], hop: float, in_turn: bool = False
) -> Generator[tuple[Recording[Item], Iterator[WindowScores]]]:
    """Each recording with the scores of its windows in order; those not taken before the next recording are dropped.

    `hop` are the seconds from window to window. With `in_turn`, a recording is taken from `recordings` only when all of the one
    before it has been decoded. Raises what `recordings` raises after the recordings before it, and any failure but an InputError
    of a recording, which its scores raise, at once.
    """
    n_hop = round(hop * tagger.card.front_end.sample_rate)
    state = State(tagger, n_hop, limit=tagger.batch_size * (tagger.jobs + 1))
    workers = [Thread(target=_work, args=(state,), daemon=True) for _ in range(tagger.jobs)]
    lister = Thread(target=_list, args=(state, recordings, in_turn), daemon=True)
    for thread in (*workers, lister):
        thread.start()
    try:
        while (recording := _first(state)) is not None:
            yield recording, _scores_of(state, recording)
            _drop(state, recording)
    finally:
        with state.lock:
            state.is_stopped = True
            state.wake_all()
        for thread in (*workers, lister) if state.is_listed else workers:  # else it may be waiting for a name
            _await_end(thread)


def _await_end(thread: Thread) -> None:
    """Wait until a thread is gone, for the system as well.

    One that Python has done with may still be freeing MKL's memory, under a lock. A copy of this process (`processes.py`) made
    at that moment would wait for the lock for ever.
    """
    thread.join()
    while os.path.exists(f"/proc/self/task/{thread.native_id}"):
        sleep(0.0005)


# The caller's side


def _first(state: State) -> Recording[Any] | None:
    with state.results:
        state.results.wait_for(lambda: state.failure or state.recordings or state.is_listed)
        if state.failure:
            raise state.failure
        if state.recordings:
            return state.recordings[0]
        if state.ending:
            raise state.ending
        return None


def _scores_of(state: State, recording: Recording[Any]) -> Iterator[WindowScores]:
    entries = recording.entries
    while True:
        with state.results:
            state.results.wait_for(lambda: state.failure or (entries[0].scores if entries else recording.is_read))
            if state.failure:
                raise state.failure
            ready = []
            while entries and (scores := entries[0].scores):
                ready.append(scores)
                entries.popleft()
            state.n_held -= len(ready)
            state.make_room()
        if not ready:
            break
        yield from ready
    if recording.error:
        raise recording.error


def _drop(state: State, recording: Recording[Any]) -> None:
    """Forget the first recording and whatever of it was not taken."""
    with state.lock:
        recording.is_read = recording.is_dropped = True
        state.waiting = deque(entry for entry in state.waiting if entry not in recording.entries)
        state.n_held -= len(recording.entries)
        state.recordings.popleft()
        state.make_room()


# The threads


def _list(state: State, recordings: Iterable[Recording[Any]], in_turn: bool) -> None:
    """Take recordings as long as there is room."""

    def is_due(recording: Recording[Any]) -> bool:
        is_over = not in_turn or (recording.is_read and not recording.is_busy)
        return state.is_stopped or (is_over and len(state.recordings) < state.limit)

    try:
        for recording in recordings:
            with state.room:
                state.recordings.append(recording)
                state.work.notify_all()
                if len(state.recordings) == 1:
                    state.results.notify()
                if recording.is_live and not recording.is_read:
                    Thread(target=_receive, args=(state, recording), daemon=True).start()
                state.room.wait_for(partial(is_due, recording))
                if state.is_stopped:
                    return
    except BaseException as error:  # passed to the caller, in its turn
        state.ending = error
    with state.lock:
        state.is_listed = True
        state.wake_all()


def _work(state: State) -> None:
    """Do what comes next until the pipeline is stopped; one core per thread."""
    try:
        _begin_thread(state.tagger.device)
        while (task := _awaited_task(state)) is not None:
            task()
    except BaseException as error:  # passed to the caller
        _fail(state, error)


def _begin_thread(device: torch.device) -> None:
    """One core per thread; on a GPU a stream of its own, so that one thread's copies overlap another's computation."""
    torch.set_num_threads(1)
    if device.type == "cuda":
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.default_stream(device))  # where the weights were prepared
        torch.cuda.set_stream(stream)


def _receive(state: State, recording: Recording[Any]) -> None:
    """Decode a live recording as its sound comes."""
    try:
        while not recording.is_read:
            with state.work:
                state.work.wait_for(lambda: state.is_stopped or recording.is_read or state.has_room(recording))
                if state.is_stopped:
                    return
            _decode(state, recording, 1)
    except BaseException as error:  # passed to the caller
        _fail(state, error)


def _fail(state: State, error: BaseException) -> None:
    with state.lock:
        state.failure = state.failure or error
        state.wake_all()


def _awaited_task(state: State) -> Callable[[], None] | None:
    """The next thing to do, once there is one; None when the pipeline is stopped."""
    with state.work:
        has_waited = False
        while not (state.is_stopped or state.failure):
            if (task := _next_task(state)) is not None:
                return task
            if not state.waiting or any(recording.is_busy for recording in state.recordings):
                state.work.wait()
            elif state.is_listed or has_waited:
                return partial(_score, state, _taken(state, ceil(len(state.waiting) / state.tagger.jobs)))
            else:
                has_waited = not state.work.wait(PATIENCE)
    return None


def _next_task(state: State) -> Callable[[], None] | None:
    """Score a batch if it is full; else decode what it lacks. None if there is nothing to decode, or others do it."""
    size, n_waiting = min(state.tagger.batch_size, 1 + state.n_scored), len(state.waiting)
    if n_waiting >= size:
        return partial(_score, state, _taken(state, n_waiting))
    for recording in state.recordings:
        if not (recording.is_read or recording.is_busy or recording.is_live) and state.has_room(recording):
            recording.is_busy = True
            return partial(_decode, state, recording, size - n_waiting)
    return None


def _taken(state: State, n: int) -> list[Entry]:
    """The next batch from `n` waiting windows: the device's best size, else a power of two. Each size has buffers of its own."""
    size = state.tagger.batch_size if n >= state.tagger.batch_size else 1 << (n.bit_length() - 1)
    return [state.waiting.popleft() for _ in range(size)]


def _decode(state: State, recording: Recording[Any], n: int) -> None:
    """Put the next `n` windows of a recording among those that wait."""
    found: list[Entry] = []
    error: InputError | None = None
    try:
        for window in islice(recording.windows, n):
            found.append(Entry(window))  # noqa: PERF401  # those before an error count
    except InputError as failure:
        error = failure
    with state.lock:
        recording.is_busy = False
        if not recording.is_dropped:
            recording.is_read = error is not None or len(found) < n
            recording.error = error
            recording.entries.extend(found)
            state.waiting.extend(found)
            state.n_held += len(found)
        state.work.notify_all()
        if recording.is_read and state.recordings:
            if recording is state.recordings[0]:  # there may be no scores to come
                state.results.notify()
            if recording is state.recordings[-1]:  # the next one in turn may be listed
                state.room.notify()


def _score(state: State, batch: list[Entry]) -> None:
    windows = [entry.window for entry in batch if entry.window]
    for entry, window, scene, events in zip(batch, windows, *probabilities(state.tagger, windows), strict=True):
        settled = window.start + min(state.n_hop, window.n_samples)
        entry.scores = WindowScores(window.start, window.n_samples, len(window.samples), settled, scene, events)
        entry.window = None
    with state.results:
        state.n_scored += len(batch)
        state.results.notify()
