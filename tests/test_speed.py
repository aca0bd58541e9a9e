"""Speed regressions: ratios of processor time, within one run, to something that every machine can do.

Never absolute times: machines differ and are shared. What is measured and its reference take turns, and the fastest round of each
counts, as other work only ever adds time. The number of rounds is fixed: none is added because a ratio is above its bound. The
bounds are at least a tenth above what was seen, with Python 3.11 and 3.13.
"""

import gc
import json
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch

from audiolog_cli.llm.outline import outline
from audiolog_cli.llm.recording import recordings
from audiolog_cli.reading import cells_of, read_records
from audiolog_cli.records import CELL_COLUMNS, ROW_COLUMNS, Cell, jsonl_lines, tsv_lines
from audiolog_cli.rows import TableOptions, table
from audiolog_cli.sound.audio import decode
from audiolog_cli.sound.containers import open_track
from audiolog_cli.tagging import bench
from audiolog_cli.tagging.options import LoadOptions
from audiolog_cli.tagging.tagger import load
from benchmarks.start_up import tag_and_imports
from tests.audio_files import sine, write_wav
from tests.shell import ROOT, sh

ROUNDS = 20  # on a busy machine the fastest of five is still a third too slow
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
    """What anyone's script does with such a table: take lines apart, make numbers of three fields, and a record of all."""
    for line in TSV[1:]:
        filename, onset, offset, kind, label, score = line.rstrip("\n").split("\t")
        Cell(filename, float(onset), float(offset), kind, label, float(score))


def formatted_pass() -> None:
    """The way back: three numbers with three decimals, and tabs."""
    for cell in CELLS:
        "\t".join((cell.filename, f"{cell.onset:.3f}", f"{cell.offset:.3f}", cell.kind, cell.label, f"{cell.score:.3f}")) + "\n"


def reading_pass() -> None:
    drain(read_records(TSV, "t"))


def parsed_pass() -> None:
    """The same of JSON Lines, by Python's own parser."""
    for line in JSONL:
        fields = json.loads(line)
        (
            fields["filename"],
            float(fields["onset"]),
            float(fields["offset"]),
            fields["kind"],
            fields["label"],
            float(fields["score"]),
        )


def dumped_pass() -> None:
    for cell in CELLS:
        json.dumps(cell._asdict())


def table_pass() -> None:
    drain(tsv_lines(table(cells_of(read_records(TSV, "t"), "t"), TableOptions()), ROW_COLUMNS))


def outline_pass() -> None:
    for recording in recordings(read_records(TSV, "t")):
        drain(outline(recording, "overview"))


def ratio(run: Callable[[], object], reference: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The least processor time of `run` as a multiple of the reference's, in rounds that both take their turn in."""
    best = [float("inf")] * 2
    gc.disable()
    try:
        for _ in range(rounds):
            for i, one in enumerate((run, reference)):
                start = time.process_time()
                one()
                best[i] = min(best[i], time.process_time() - start)
    finally:
        gc.enable()
    return best[0] / best[1]


@pytest.mark.parametrize(
    ("run", "reference", "bound"),
    [
        (reading_pass, plain_pass, 1.2),  # 0.86 and 1.08 by Python; 1.4 without the quick way for cells in the usual order
        (lambda: drain(read_records(JSONL, "t")), parsed_pass, 0.9),  # 0.7 and 0.78; 1.4 by the JSON parser
        (lambda: drain(tsv_lines(CELLS, CELL_COLUMNS)), formatted_pass, 1.6),  # 1.35 and 1.25
        (lambda: drain(jsonl_lines(CELLS)), dumped_pass, 0.85),  # 0.63 and 0.69; 1.4 by the JSON encoder
        (table_pass, reading_pass, 2.9),  # 2.15 and 2.44; 3.8
        (outline_pass, reading_pass, 3.7),  # 2.7 and 3.3; 4.1
    ],
    ids=["read TSV", "read JSON Lines", "write TSV", "write JSON Lines", "table", "outline"],
)
def test_streams_against_a_plain_pass_over_the_same_lines(
    run: Callable[[], object], reference: Callable[[], object], bound: float
) -> None:
    assert ratio(run, reference) <= bound


def test_what_became_slow_stays_above_its_bound() -> None:
    """Three passes are never as fast as two."""
    thrice = ratio(lambda: [plain_pass() for _ in range(3)], plain_pass)
    assert thrice > 2.0


@pytest.mark.parametrize(("weights", "bound"), [("everyday", 0.1), ("htsat:base", 0.4)])  # 0.17 and 0.61 seen
def test_networks_against_a_product_of_matrices(weights: str, bound: float, tmp_path: Path) -> None:
    """The share of the processor's own fp32 GEMM rate that a window reaches, spectrogram and all."""
    path = bench.untrained(weights, tmp_path) if ":" in weights else ROOT / "weights" / f"{weights}.safetensors"
    tagger = load(LoadOptions(weights=str(path), device="cpu", jobs=1))
    gflop = bench.network_gflop(path, tagger.card)
    torch.set_num_threads(1)
    wave, matrix = torch.rand(1, 320_000) - 0.5, torch.rand(1024, 1024)
    with torch.inference_mode():
        tagger.network(wave)
        products = gflop / (2 * 1024**3 / 1e9)  # as much work as a window's, in products
        times = ratio(lambda: tagger.network(wave), lambda: matrix @ matrix, rounds=10)
    assert products / times >= bound


def open_and_close(path: Path) -> None:
    with open_track(path):
        pass


def test_opening_a_recording_is_little_beside_decoding_ten_seconds_of_it(tmp_path: Path) -> None:
    """A folder of short clips is opened as often as it is decoded: opening a WAV once took ten times as long as decoding it."""
    write_wav(tmp_path / "a.wav", sine(10, 32_000), 32_000)
    bound = 0.3  # 0.1 seen; 0.9 with libavformat
    assert ratio(lambda: open_and_close(tmp_path / "a.wav"), lambda: drain(decode(tmp_path / "a.wav"))) <= bound


def test_tag_starts_without_torchaudio(tmp_path: Path) -> None:
    """It alone would make every start 5 % slower."""
    bench.write_noise(tmp_path / "a.wav", 1)
    done = sh("python -X importtime -m audiolog_cli tag a.wav", tmp_path)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.code == 0
    assert {"torch", "av"} <= imported and not {"torchaudio", "torch._dynamo", "scipy", "ray"} & imported


@pytest.mark.slow
def test_tag_ends_soon_after_its_imports(tmp_path: Path) -> None:
    """Ten seconds of sound, from the start of Python to the end, the network's work included."""
    ratio = min(tag / imports for tag, imports in tag_and_imports(tmp_path, 5))
    assert ratio <= 1.15  # 0.93 seen; 1.19 with garbage collected all the while
