"""`benchmarks/gpu.py` in its small form on the processor: it works from end to end, and its figures fit together."""

import json
from pathlib import Path

import pytest

from tests.shell import ROOT, sh


def test_the_script_that_a_gpu_is_measured_with_works_on_a_processor(tmp_path: Path) -> None:
    done = sh(f"python {ROOT}/benchmarks/gpu.py --device cpu --small", tmp_path)
    assert (done.code, done.stderr) == (0, "")
    run = json.loads(done.stdout)
    assert run["device"] == "cpu"
    assert set(run["products"]) == {row["precision"] for row in run["networks"]} >= {"fp32"}
    exact = [row for row in run["networks"] if row["precision"] == "fp32"]
    assert [row["batch"] for row in exact] == [1, 2]
    assert all(row["difference"] == 0 for row in exact)  # the same processor
    assert all(row["clips_per_s"] > 0 and row["share"] > 0 and row["difference"] < 0.05 for row in run["networks"])
    assert [(row["recordings"], row["files"], row["sound"]) for row in run["tag"]] == [("hour", 1, 20.0), ("clips", 3, 30.0)]
    assert all(row["processor"] > row["decoding"] > 0 for row in run["tag"])
    assert [row["precision"] for row in run["train"]] == ["fp32", "bf16"]
    assert all(row["epoch_seconds"] == pytest.approx(10_000 / row["windows_per_s"], rel=0.01) for row in run["train"])
