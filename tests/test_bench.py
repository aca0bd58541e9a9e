"""`audiolog bench`: its figures worked by hand, its exact columns, the comparison with a saved run, and invalid saved runs."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from audiolog_cli.commands.bench import add_ratios
from audiolog_cli.errors import UsageError
from audiolog_cli.model import checkpoint, networks
from audiolog_cli.tagging import bench
from audiolog_cli.tagging.options import LoadOptions
from audiolog_cli.tagging.tagger import load
from tests.conftest import write_wav
from tests.shell import audiolog, sh
from tests.test_speed import ratio

COLUMNS = [
    "stage",
    "seconds",
    "low",
    "high",
    "processor",
    "audio",
    "times_real_time",
    "clips_per_s",
    "processor_per_hour",
    "gflop_per_s",
    "share",
]
STAGES = ["gemm", "decode", "features", "network", "post", "whole"]
QUICK = "audiolog bench --untrained crnn:tiny --device cpu --seconds 12 --repeats 2 --jobs 1 --quiet"


def test_a_run_as_json_as_a_table_and_compared_with_itself_made_twice_as_slow(tmp_path: Path) -> None:
    saved = sh(f"{QUICK} --format json > run.json", tmp_path)
    assert saved == (0, "", "")
    run = json.loads((tmp_path / "run.json").read_text())
    assert [stage["stage"] for stage in run["stages"]] == STAGES
    assert all(set(stage) == set(COLUMNS) for stage in run["stages"])
    assert all(0 < stage["low"] <= stage["seconds"] <= stage["high"] for stage in run["stages"])
    assert all(stage["processor"] > 0 for stage in run["stages"])
    assert run["peak_memory_mb"] > 100
    names = ("weights", "device", "batch_size", "jobs", "window", "recording", "repeats")
    assert {name: run["settings"][name] for name in names} == {
        "weights": "crnn-tiny", "device": "cpu", "batch_size": 8, "jobs": 1, "window": 10.0, "recording": "noise", "repeats": 2,
    }  # fmt: skip
    assert {"processor", "cores", "memory_gb", "torch", "python", "load"} <= set(run["machine"])
    audio = {stage["stage"]: stage["audio"] for stage in run["stages"]}
    assert audio == {"gemm": 0.0, "decode": 12.0, "features": 80.0, "network": 80.0, "post": 600.0, "whole": 12.0}
    shares = {stage["stage"]: stage["share"] for stage in run["stages"]}
    assert shares["gemm"] == 1.0
    assert shares["decode"] is shares["features"] is shares["post"] is None
    assert 0 < shares["whole"] < shares["network"] < 2

    for stage in run["stages"]:
        stage["seconds"] *= 1000
        stage["processor"] *= 1000
    run["settings"]["jobs"] = 7
    (tmp_path / "slow.json").write_text(json.dumps(run))
    compared = sh(f"{QUICK} --format tsv --compare slow.json".replace("--quiet", ""), tmp_path)
    assert (compared.code, compared.stderr) == (0, "audiolog: compared with another jobs: 7, now 1\n")
    header, *rows = [line.split("\t") for line in compared.stdout.splitlines()]
    assert header == [*COLUMNS, "ratio", "processor_ratio"]
    assert [row[0] for row in rows] == STAGES
    for row, stage in zip(rows, run["stages"], strict=True):
        assert float(row[-2]) == pytest.approx(stage["seconds"] / float(row[1]), rel=1e-3)
        assert float(row[-1]) == pytest.approx(stage["processor"] / float(row[4]), rel=1e-3)
        assert float(row[-1]) > 100


def test_a_ratio_is_of_work_per_second() -> None:
    """Twice the sound in twice the time is the same speed; a stage that the saved run does not have has no ratio."""
    run = {
        "settings": {},
        "machine": {},
        "version": "0.1.0",
        "stages": [
            {"stage": "gemm", "audio": 0.0, "seconds": 1.0, "processor": 1.0},
            {"stage": "decode", "audio": 60.0, "seconds": 2.0, "processor": 1.0},
            {"stage": "new", "audio": 60.0, "seconds": 2.0, "processor": 1.0},
        ],
    }
    saved = {
        "settings": {},
        "machine": {},
        "version": "0.1.0",
        "stages": [
            {"stage": "gemm", "audio": 0.0, "seconds": 1.5, "processor": 0.5},
            {"stage": "decode", "audio": 30.0, "seconds": 1.0, "processor": 1.0},
        ],
    }
    add_ratios(run, saved)
    assert [(stage["ratio"], stage["processor_ratio"]) for stage in run["stages"]] == [(1.5, 0.5), (1.0, 2.0), (None, None)]


def test_figures_are_medians_and_rates_are_of_processor_time() -> None:
    network = bench.Measured("network", audio=60.0, gflop=6.0, wall=[4.0, 2.0, 30.0], processor=[1.0, 2.0, 3.0])
    assert bench.stage_report(network, window=10.0, gemm_rate=12.0, on_gpu=False) == {
        "stage": "network",
        "seconds": 4.0,
        "low": 2.0,
        "high": 30.0,
        "processor": 2.0,
        "audio": 60.0,
        "times_real_time": 15.0,
        "clips_per_s": 1.5,
        "processor_per_hour": 120.0,
        "gflop_per_s": 3.0,
        "share": 0.25,
    }
    assert bench.stage_report(network, window=10.0, gemm_rate=12.0, on_gpu=True)["share"] == 0.125


def test_the_papers_network_takes_twelve_gigaflop(tmp_path: Path) -> None:
    """12.0 for a 10-s clip with an FFT, of which attention is 0.48 and the mel bands are 0.07."""
    network = networks.new_network("htsat", "base", 8, 30).eval()
    card = checkpoint.Card.of(network, map(str, range(8)), map(str, range(30)))
    assert bench.network_gflop(Path("base"), card) == pytest.approx(11.88, abs=0.01)


def test_a_larger_batch_than_the_recording_has_windows_is_filled(tmp_path: Path) -> None:
    path = bench.untrained("crnn:tiny", tmp_path)
    bench.write_noise(tmp_path / "noise.wav", 12)
    tagger = load(LoadOptions(weights=str(path), device="cpu", batch_size=5, jobs=1))
    batches = bench.stage_batches(tagger, str(tmp_path / "noise.wav"), bench.DecodeOptions())
    assert [tuple(batch.shape) for batch in batches] == [(5, 320_000)]
    assert batches[0][0].equal(batches[0][2])  # two windows, over and over


def test_the_advice_is_true_when_it_is_measured_again(tmp_path: Path) -> None:
    """Ratios of processor time in one run: what it calls faster is faster, and by about as much, on other sound."""
    bench.write_noise(tmp_path / "noise.wav", 12)
    options = LoadOptions(weights=str(bench.untrained("htsat:small", tmp_path)), device="cpu", jobs=1)
    compared = bench.precisions(options, str(tmp_path / "noise.wav"), repeats=7)
    if not compared:
        pytest.skip("this processor has no precision but fp32")
    plain, waves = load(options), torch.rand(bench.COMPARED_WINDOWS, 320_000) - 0.5
    for one in compared:
        other = load(replace(options, precision=one.precision))
        with torch.inference_mode():
            again = 1 / ratio(partial(other.network, waves), partial(plain.network, waves), rounds=7)
        assert again == pytest.approx(one.speed, rel=0.3)
        assert 0 < one.difference < 0.05
    fastest = max(compared, key=lambda one: one.speed)
    is_advised = bench.advice(compared).startswith(f"--precision {fastest.precision}: the network {fastest.speed:.1f} times")
    assert is_advised == (fastest.speed >= bench.WORTH_IT)


def test_the_page_ends_with_the_advice_and_the_object_holds_what_it_comes_from(tmp_path: Path) -> None:
    page, saved = sh(QUICK, tmp_path), sh(f"{QUICK} --format json", tmp_path)
    assert page.stdout.splitlines()[-1].startswith(("--precision ", "leave --precision at fp32: "))
    run = json.loads(saved.stdout)
    assert run["advice"] == bench.advice([bench.Compared(**one) for one in run["precisions"]])
    assert all(one["speed"] > 0 and 0 <= one["difference"] < 0.05 for one in run["precisions"])


def test_only_networks_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--untrained htsat:huge: expected htsat:base, htsat:small, htsat:tiny, crnn:base, "):
        bench.untrained("htsat:huge", tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        "stage\tseconds\n",
        '{"audiolog_bench": 1, "stages": []}',
        '{"audiolog_bench": 2}',
        '{"audiolog_bench": 1, "settings": null, "machine": {}, "stages": [{"stage": "gemm", "seconds": 1, "processor": 1}]}',
        '{"audiolog_bench": 1, "settings": {"a": 1}, "machine": {}, "stages": [{"stage": "gemm", "seconds": NaN, "processor": '
        "1}]}",
        "[" * 100_000,
    ],
)
def test_an_invalid_saved_run_is_reported_before_anything_is_measured(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    assert audiolog("bench --compare run.json", tmp_path) == (
        1,
        "",
        "audiolog: run.json: expected a run saved by `audiolog bench --format json`, got something else\n",
    )


def test_damage_is_for_tag_to_report(tmp_path: Path) -> None:
    whole = write_wav(tmp_path / "a.wav", 2.0).read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[: len(whole) // 2])
    done = audiolog("bench a.wav --untrained crnn:tiny --device cpu --repeats 1 --jobs 1", tmp_path)
    assert (done.code, done.stderr) == (0, "")  # a warning of Python's fails the test


def test_a_recording_that_cannot_be_read_and_a_file_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    failed = audiolog("bench a.wav --untrained crnn:tiny", tmp_path)
    assert (failed.code, failed.stdout) == (1, "")
    assert failed.stderr.startswith("audiolog: a.wav: ")
    twice = "audiolog: -: standard input cannot be read again, bench needs files\n"
    assert audiolog("bench - --untrained crnn:tiny", tmp_path, b"RIFF") == (1, "", twice)
    assert audiolog("bench --compare none.json", tmp_path) == (1, "", "audiolog: none.json: no such file\n")
