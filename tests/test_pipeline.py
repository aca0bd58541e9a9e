"""One stream of batches for all recordings: in order, in any batches the same to the bit, and nothing held but what is due."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from audiolog_cli.cells import Scores
from audiolog_cli.errors import AudioError, RecordError
from audiolog_cli.model.htsat import Output
from audiolog_cli.model.precision import has_bf16, has_bf16_kernels, has_one_dnn
from audiolog_cli.records import CELL_COLUMNS, tsv_lines
from audiolog_cli.sound.audio import Window
from audiolog_cli.tagging import bench
from audiolog_cli.tagging.engine import stream
from audiolog_cli.tagging.hearing import resolved
from audiolog_cli.tagging.options import CellOptions, Job, LoadOptions, TagOptions
from audiolog_cli.tagging.pipeline import Recording, pipeline
from audiolog_cli.tagging.tagger import Tagger, load, probabilities
from tests.conftest import write_wav
from tests.shell import ROOT, sh


class Counting(torch.nn.Module):
    """A network that notes its batches; the event score of a window tells which window it is."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def forward(self, wave: torch.Tensor) -> Output:
        self.asked.append(len(wave))
        return Output(latent=wave[:, :1], event_logits=wave[:, :1].unsqueeze(2), scene_logits=wave[:, :2])


@pytest.fixture(scope="module")
def loaded(tiny_weights: Path) -> Tagger:
    return load(LoadOptions(weights=str(tiny_weights), device="cpu", jobs=1, batch_size=8))


def counting(loaded: Tagger, jobs: int = 1, batch_size: int = 8) -> tuple[Tagger, Counting]:
    network = Counting()
    return replace(loaded, network=network, jobs=jobs, batch_size=batch_size), network


def windows(first: int, n: int) -> Iterator[Window]:
    return (Window(i, i * 80, i / 100, 80, np.full(80, (first + i) / 10, np.float32)) for i in range(n))


def results(tagger: Tagger, recordings: Iterator[Recording[str]] | list[Recording[str]]) -> dict[str, list[int]]:
    """By the name of each recording, the windows that its scores are of."""
    found = {}
    for recording, scores in pipeline(tagger, recordings, 0.0025):
        logits = [float(np.log(one.events[0, 0] / (1 - one.events[0, 0]))) for one in scores]
        found[recording.item] = [round(10 * logit) for logit in logits]
    return found


@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_recordings_come_in_order_with_their_own_scores(jobs: int, batch_size: int, loaded: Tagger) -> None:
    tagger, network = counting(loaded, jobs, batch_size)
    lengths = [3, 0, 1, 20, 1, 1, 1, 7]
    found = results(tagger, [Recording(str(i), windows(3 * i, n), is_live=i == 3) for i, n in enumerate(lengths)])
    assert list(found.items()) == [(str(i), list(range(3 * i, 3 * i + n))) for i, n in enumerate(lengths)]
    assert max(network.asked) <= batch_size


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux lists the threads of a process there")
def test_its_threads_are_gone_when_it_ends(loaded: Tagger) -> None:
    """From the system as well: one that still frees MKL's memory holds a lock that a forked worker would wait for for ever."""
    tagger, _ = counting(loaded, jobs=4)
    before = set(os.listdir("/proc/self/task"))
    for _ in range(50):
        results(tagger, [Recording("a", windows(0, 3))])
        assert set(os.listdir("/proc/self/task")) <= before


def test_short_recordings_share_batches_which_grow_so_that_the_first_line_comes_soon(loaded: Tagger) -> None:
    tagger, network = counting(loaded)
    results(tagger, [Recording(str(i), windows(i, 1)) for i in range(40)])
    assert network.asked == [1, 2, 4, 8, 8, 8, 8, 1]


def test_a_live_recording_waits_for_no_batch_and_a_fast_pipe_makes_full_ones(loaded: Tagger) -> None:
    tagger, network = counting(loaded)
    due = threading.Semaphore(0)

    def arriving() -> Iterator[Window]:
        for window in windows(0, 30):
            if window.index < 5:
                due.acquire()  # the sound of the first ones comes when the scores before it are out
            yield window

    for _, scores in pipeline(tagger, [Recording("-", arriving(), is_live=True)], 0.0025):
        for n_scores in range(30):
            due.release()
            next(scores)
            if n_scores == 4:
                time.sleep(0.2)
    assert network.asked[:4] == [1] * 4
    assert sum(network.asked) == 30 and len(network.asked) < 20


def test_memory_does_not_grow_with_the_number_of_recordings(loaded: Tagger) -> None:
    """Whoever reads slowly: no more are listed and no more windows decoded than there is room for."""
    tagger, _ = counting(loaded, jobs=2)
    n_listed = n_decoded = 0

    def listed() -> Iterator[Recording[str]]:
        nonlocal n_listed
        for i in range(200):
            n_listed += 1
            yield Recording(str(i), decoded(i))

    def decoded(first: int) -> Iterator[Window]:
        nonlocal n_decoded
        for window in windows(first, 3):
            n_decoded += 1
            yield window

    room = 2 * 8 * 3
    for i, (_, scores) in enumerate(pipeline(tagger, listed(), 0.0025)):
        list(scores)
        if i in (10, 150):
            time.sleep(0.2)
            assert n_listed <= i + 2 + room and n_decoded <= 3 * (i + 1) + room + 2 * 8
    assert (n_listed, n_decoded) == (200, 600)


def test_a_recording_in_turn_is_listed_when_the_one_before_it_is_decoded(loaded: Tagger) -> None:
    """A recorder's files are joined by what their sound says: the next group is known when this one is read."""
    tagger, _ = counting(loaded, jobs=3)
    seen: list[str] = []

    def noted(name: str) -> Iterator[Window]:
        yield from windows(0, 9)
        seen.append(f"{name} ends")

    def listed() -> Iterator[Recording[str]]:
        for name in "abc":
            seen.append(f"{name} listed")
            yield Recording(name, noted(name))

    assert [len(list(scores)) for _, scores in pipeline(tagger, listed(), 0.0025, in_turn=True)] == [9, 9, 9]
    assert seen == ["a listed", "a ends", "b listed", "b ends", "c listed", "c ends"]


def test_a_failure_comes_in_its_place_and_costs_nothing_else(loaded: Tagger) -> None:
    tagger, _ = counting(loaded, jobs=2)

    def broken() -> Iterator[Window]:
        yield from windows(0, 5)
        raise AudioError("b.wav: breaks off")

    def listed() -> Iterator[Recording[str]]:
        yield from [Recording("a", windows(0, 9)), Recording("b", broken()), Recording("c", windows(0, 2))]
        raise RecordError("list.tsv:4: broken")

    heard: list[tuple[str, int]] = []
    with pytest.raises(RecordError, match=r"list\.tsv:4"):  # noqa: PT012
        for recording, scores in pipeline(tagger, listed(), 0.0025):
            heard.append((recording.item, 0))
            try:
                for n_scores, _ in enumerate(scores, 1):
                    heard[-1] = (recording.item, n_scores)
            except AudioError as error:
                heard.append((str(error), 0))
    assert heard == [("a", 9), ("b", 5), ("b.wav: breaks off", 0), ("c", 2)]


def test_what_is_not_taken_is_dropped_and_what_no_recording_can_help_ends_it_all(loaded: Tagger) -> None:
    tagger, _ = counting(loaded)
    taken = [next(scores).start for _, scores in pipeline(tagger, [Recording(str(i), windows(0, 50)) for i in range(5)], 0.0025)]
    assert taken == [0] * 5

    class Broken(torch.nn.Module):
        def forward(self, wave: torch.Tensor) -> Output:
            raise RuntimeError("a bug")

    for broken in (Recording("a", windows(0, 5)), Recording("a", (1 // 0 for _ in "a"))):  # type: ignore[misc]
        with pytest.raises((RuntimeError, ZeroDivisionError)):
            results(replace(tagger, network=Broken()), [broken])
    n_threads = threading.active_count()
    next(pipeline(tagger, [Recording("a", windows(0, 10**6))], 0.0025))
    time.sleep(0.3)
    assert threading.active_count() <= n_threads + 1  # the lister ends when it is next asked for a recording


NETWORKS = ["everyday", "crnn:small", "htsat:tiny", "mobilenet:tiny"]
LOWER = ["int8", "bf16"] if has_bf16() and has_bf16_kernels() else ["int8"]


@pytest.mark.skipif(not has_one_dnn(), reason="elsewhere the batch may change a score's last bits")
@pytest.mark.parametrize(("name", "precision"), [*((name, "fp32") for name in NETWORKS), *(("htsat:tiny", one) for one in LOWER)])
def test_a_window_has_the_same_scores_to_the_bit_in_any_batch(name: str, precision: str, tmp_path: Path) -> None:
    path = bench.untrained(name, tmp_path) if ":" in name else ROOT / "weights" / f"{name}.safetensors"
    tagger = load(LoadOptions(weights=str(path), device="cpu", precision=precision))
    rng = np.random.default_rng(0)
    waves = (rng.standard_normal((9, 320_000)) * rng.uniform(0.001, 0.3, (9, 1))).astype(np.float32)
    waves[3], waves[5, 160_000:] = 0, 0
    heard = [Window(i, 0, 0.0, 320_000, wave) for i, wave in enumerate(waves)]

    def scores(batch: list[Window]) -> list[tuple[Scores, Scores]]:
        return list(zip(*probabilities(tagger, batch), strict=True))

    alone = [scores([window])[0] for window in heard]
    for size in (2, 3, 8, 9):
        for window, together in zip(heard, scores(heard[:size]), strict=False):
            for one, other in zip(alone[window.index], together, strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX512", reason="to be told to do without AVX-512, it must be there"
)
def test_the_same_holds_with_avx2() -> None:
    flags = "ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 ATEN_CPU_CAPABILITY=avx2"
    done = sh(f'{flags} python -m pytest -q -p no:cacheprovider {ROOT}/tests/test_pipeline.py -k "to_the_bit and not crnn"', ROOT)
    assert done.code == 0, done.stdout


def test_neither_jobs_nor_batches_nor_neighbours_nor_a_pipe_change_a_byte(tmp_path: Path) -> None:
    paths = [str(write_wav(tmp_path / f"{i}.wav", 3.0 + 9 * i, seed=i)) for i in range(5)]
    everyday = load(LoadOptions(weights=str(ROOT / "weights" / "everyday.safetensors"), device="cpu"))
    plan = resolved(everyday.card, TagOptions(cells=CellOptions(threshold=0.05)))

    def lines(*recordings: str, jobs: int = 1, batch_size: int = 8) -> list[str]:
        tagger = replace(everyday, jobs=jobs, batch_size=batch_size)
        records = stream([Job(path) for path in recordings], tagger, plan, fail_fast=False, are_joined=False)
        return list(tsv_lines(records, CELL_COLUMNS))[1:]

    alone = [line for path in paths for line in lines(path, batch_size=1)]
    assert sum("\tscene\t" in line for line in alone) == sum(3 + 9 * i for i in range(5))
    for jobs, batch_size in ((1, 8), (2, 8), (3, 2)):
        assert lines(*paths, jobs=jobs, batch_size=batch_size) == alone
    piped = sh("cat 4.wav | audiolog tag --threshold 0.05 --format tsv | tail -n +2", tmp_path).stdout
    assert piped.splitlines() == [line.replace(paths[4], "-").rstrip() for line in alone if line.startswith(paths[4])]
