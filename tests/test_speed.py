"""Speed does not get lost unnoticed: ratios of processor time within one run, to something that every machine can do.

Never absolute times: machines differ and are shared. What is measured and what it is measured against run in turn, several times,
and the quickest of each counts; the bounds leave a third and more above what was seen on a machine that others kept busy.
"""

import gc
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch

from audiolog_cli.llm.outline import outline
from audiolog_cli.llm.recording import recordings
from audiolog_cli.model import bench
from audiolog_cli.model.tagger import load
from audiolog_cli.records import CELL_COLUMNS, ROW_COLUMNS, Cell, jsonl_lines, read, read_cells, tsv_lines
from audiolog_cli.table import TableOptions, table
from tests.shell import ROOT

ROUNDS = 5
N_SECONDS = 4_000


def cells() -> list[Cell]:
    """An hour of cells: scores that differ, events that come and go."""
    made = []
    for second in range(N_SECONDS):
        scene = "street" if second // 600 % 2 else "park"
        made.append(Cell("20261122_000000.WAV", float(second), second + 1.0, "scene", scene, second * 37 % 1000 / 1000))
        for i, event in enumerate(("bird", "car", "dog_bark", "speech")):
            if second // (5 + 2 * i) % 3 == 0:
                made.append(Cell("20261122_000000.WAV", float(second), second + 1.0, "event", event, second * 53 % 1000 / 1000))
    return made


CELLS = cells()
TSV, JSONL = list(tsv_lines(CELLS, CELL_COLUMNS)), list(jsonl_lines(CELLS))


def drain(items: Iterable[object]) -> None:
    deque(items, maxlen=0)


def plain_pass() -> None:
    """What anyone's script does with such a table: take lines apart, make numbers of three fields."""
    for line in TSV[1:]:
        filename, onset, offset, kind, label, score = line.split("\t")
        (filename, float(onset), float(offset), kind, label, float(score))


def table_pass() -> None:
    drain(tsv_lines(table(read_cells(TSV, "t"), TableOptions()), ROW_COLUMNS))


def outline_pass() -> None:
    for recording in recordings(read(TSV, "t")):
        drain(outline(recording, "overview"))


def quickest(**passes: Callable[[], object]) -> dict[str, float]:
    """The least processor time of each, in seconds, over rounds in which all take their turn."""
    best = dict.fromkeys(passes, float("inf"))
    gc.disable()
    try:
        for _ in range(ROUNDS):
            for name, run in passes.items():
                start = time.process_time()
                run()
                best[name] = min(best[name], time.process_time() - start)
    finally:
        gc.enable()
    return best


@pytest.mark.parametrize(
    ("run", "bound"),
    [
        (lambda: drain(read(TSV, "t")), 1.7),  # 1.2 seen; 2.0 before cells in the usual order had a way of their own
        (lambda: drain(read(JSONL, "t")), 3.2),  # 2.1; 5.1 by the JSON parser
        (lambda: drain(tsv_lines(CELLS, CELL_COLUMNS)), 1.5),  # 1.2; 1.6
        (lambda: drain(jsonl_lines(CELLS)), 2.8),  # 1.9; 3.4
        (table_pass, 3.4),  # 2.4; 4.1
        (outline_pass, 4.6),  # 3.4; 5.0
    ],
    ids=["read TSV", "read JSON Lines", "write TSV", "write JSON Lines", "table", "outline"],
)
def test_streams_against_a_plain_pass_over_the_same_lines(run: Callable[[], object], bound: float) -> None:
    best = quickest(plain=plain_pass, stream=run)
    assert best["stream"] <= bound * best["plain"]


@pytest.mark.parametrize(("weights", "bound"), [("everyday", 0.18), ("htsat:base", 0.4)])  # 0.28 and 0.61 seen
def test_networks_against_a_product_of_matrices(weights: str, bound: float, tmp_path: Path) -> None:
    """The share of the processor's own fp32 GEMM rate that a window reaches, spectrogram and all."""
    path = bench.untrained(weights, tmp_path) if ":" in weights else ROOT / "weights" / f"{weights}.safetensors"
    tagger = load(path, "cpu", jobs=1)
    gflop = bench.network_gflop(path, tagger.card)
    torch.set_num_threads(1)
    wave, matrix = torch.rand(1, 320_000) - 0.5, torch.rand(1024, 1024)
    with torch.inference_mode():
        tagger.network(wave)
        best = quickest(gemm=lambda: matrix @ matrix, network=lambda: tagger.network(wave))
    share = gflop / best["network"] / (2 * 1024**3 / 1e9 / best["gemm"])
    assert share >= bound
