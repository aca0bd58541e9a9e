"""Recordings in, parts out, tagged by the nodes of a Ray cluster.

Ray Data hands the list of recordings to a pool of actors (worker.py), as many as the cluster's cores or GPUs allow. A recording
is the unit of work: one actor streams it and writes its part, so that only names and outcomes pass through here, and memory
depends on neither the length of recordings nor their number. An actor gets the next recording when it has finished the last
(back-pressure); when a node is lost, an actor that Ray starts elsewhere tags its recordings again.
"""

import os
import pickle
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from math import floor
from typing import Any

from audiolog_cli.errors import AudiologError, UsageError
from audiolog_cli.host import extra
from audiolog_cli.tagging.hearing import Plan
from audiolog_cli.tagging.options import Job, RunOptions
from audiolog_cli.tagging.parts import Parts, key_of
from audiolog_cli.tagging.worker import Ledger, Order, Task, Worker
from audiolog_cli.tally import Outcome
from audiolog_cli.terminal import first_line
from audiolog_cli.weights.find import find

LOCAL_STORE = 256 << 20  # bytes of shared memory of a cluster started here: the weights and a few blocks of sound
QUIET = {"RAY_DATA_DISABLE_PROGRESS_BARS": "1", "RAY_DATA_LOG_LEVEL": "ERROR"}
MODE_HINT = "; a cluster with RAY_AUTH_MODE token or disabled needs the same here"  # Ray's own messages do not say so
MAX_BLOCKS = 10_000  # of the list of recordings; Ray keeps track of each


def outcomes(
    jobs: Iterable[Job],
    there: Mapping[str, tuple[str, ...]],
    plan: Plan,
    out: Parts,
    options: RunOptions,
    show: Callable[[str], None],
) -> Iterator[Outcome]:
    """The outcome of each recording, in any order, as from `engine.outcomes`. `show` gets the run's progress now and then.

    UsageError if Ray or the cluster is missing, or if the cluster has no room for a worker; AudiologError if Ray stops the run.
    """
    tasks = [Task(number, job, there.get(key_of(*job), ())) for number, job in enumerate(jobs)]
    if not tasks:
        return
    cluster, load, weights = options.cluster, options.load, find(options.load.weights)
    assert cluster is not None
    ray = _ray()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    with _connected(ray, cluster.address):
        n_workers = load.jobs or _room(ray, cluster.gpus)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)  # only this node ends it
        ledger = ray.remote(Ledger).options(num_cpus=0, scheduling_strategy=here).remote()
        own = replace(load, weights=weights.name, device=cluster.device(load.device), jobs=1)
        order = Order(plan, out, ray.put(weights.read_bytes()), own, os.getcwd(), decodes=not cluster.gpus, ledger=ledger)
        rows = (
            ray.data.from_items([{"task": pickle.dumps(task)} for task in tasks], override_num_blocks=min(len(tasks), MAX_BLOCKS))
            .map(
                Worker,
                fn_constructor_args=(order,),
                compute=ray.data.ActorPoolStrategy(size=min(n_workers, len(tasks)), max_tasks_in_flight_per_actor=1),
                num_cpus=0 if cluster.gpus else 1,
                num_gpus=cluster.gpus,
            )
            .iter_rows()
        )
        with _shown(lambda: show(f"{ray.get(ledger.seconds.remote()) / 3600:.2f} hours tagged by {n_workers} workers")):
            for row in _followed(ray, rows):
                outcome = pickle.loads(row["outcome"])
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome


def _followed(ray: Any, outcomes: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows of Ray Data; an error that stops it becomes one line. A recording that cannot be tagged is an outcome."""
    try:
        yield from outcomes
    except ray.exceptions.RayError as error:
        raise AudiologError(
            f"--engine ray: Ray stopped the run: {first_line(error)} (its log files say more{MODE_HINT}); "
            "what is done stays in --out, the same command goes on"
        ) from None


def _ray() -> Any:
    """Ray with its data library, both logging errors only; UsageError if it is not installed."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with extra("scale", "--engine ray"):
        import ray
        import ray.data
    return ray


@contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    """A connection to the cluster at `address` (or RAY_ADDRESS), or to one started on this machine and stopped afterwards."""
    address = address or os.environ.get("RAY_ADDRESS", "")
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if not address:
        settings |= {"address": "local", "object_store_memory": LOCAL_STORE, "include_dashboard": False}
    with _ray_silenced():
        try:
            ray.init(**({"address": address} | settings))
        except Exception as error:  # Ray raises a plain Exception if its processes do not start in time
            if not address:
                raise UsageError(f"--engine ray: Ray did not start here: {first_line(error)}") from None
            raise UsageError(f"--engine ray:{address}: no Ray cluster there: {first_line(error)}{MODE_HINT}") from None
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _ray_silenced() -> Iterator[None]:
    """Keep Ray off stdout, where it reports on its nodes, and off file descriptor 2, where its native code writes.

    All of that is in Ray's log files as well, and whatever stops a run is raised; our own messages still go to stderr.
    """
    with (
        open(os.devnull, "w") as nowhere,
        os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="surrogateescape") as stderr,
        redirect_stdout(nowhere),
        redirect_stderr(stderr),
    ):
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr.fileno(), 2)


def _room(ray: Any, gpus: float) -> int:
    """How many workers the living nodes have room for; UsageError if none has."""
    what, each = ("GPU", gpus) if gpus else ("CPU", 1.0)
    n_workers: int = sum(floor(node["Resources"].get(what, 0) / each + 1e-9) for node in ray.nodes() if node["Alive"])
    if not n_workers:
        raise UsageError(f"--engine ray: no node of the cluster has {each:g} {what}")
    return n_workers


@contextmanager
def _shown(show: Callable[[], None], every: float = 2.0) -> Iterator[None]:
    """Call `show` every few seconds, in a thread, while the body runs."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(every):
            show()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
