"""The Python interface: what the commands do, without a shell."""

import json
import subprocess
import sys
from dataclasses import fields
from inspect import signature
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

import audiolog_cli as audiolog
from audiolog_cli.errors import AudioError, LLMError, UsageError
from audiolog_cli.records import Cell, Row
from audiolog_cli.tagging.options import LoadOptions, TagKeywords, TagOptions
from tests.conftest import write_wav
from tests.replay_server import Answer, Asked, answering
from tests.shell import audiolog as command

CELLS = [
    Cell("a.wav", 0.0, 1.0, "scene", "park", 0.9),
    Cell("a.wav", 0.0, 1.0, "event", "bird", 0.8),
    Cell("a.wav", 1.0, 2.0, "scene", "park", 0.9),
    Cell("a.wav", 1.0, 2.0, "event", "bird", 0.7),
    Cell("a.wav", 2.0, 2.5, "scene", "street", 0.6),
]


def test_importing_it_is_light() -> None:
    program = "import sys, audiolog_cli; print(sorted(set(sys.modules) & {'torch', 'numpy', 'typer', 'av'}))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"


def test_tag_gives_what_the_command_writes(tmp_path: Path, tiny_weights: Path) -> None:
    recording = write_wav(tmp_path / "rec.wav", 12.5)
    tagger = audiolog.load(tiny_weights, device="cpu", jobs=1)
    cells = list(audiolog.tag(recording, weights=tagger, threshold=0.2, labels="dog"))
    written = command(f"tag rec.wav --weights {tiny_weights} --threshold 0.2 --labels dog", tmp_path).stdout.splitlines()[1:]
    assert [f"{c.onset:.3f}\t{c.offset:.3f}\t{c.kind}\t{c.label}\t{c.score:.3f}" for c in cells] == [
        line.partition("\t")[2] for line in written
    ]
    assert [
        cell.onset for cell in audiolog.tag(str(recording), weights=tiny_weights, start=5, end=7) if cell.kind == "scene"
    ] == [5, 6]


def test_a_table_and_a_log_of_cells() -> None:
    rows = [Row("a.wav", 0.0, 2.0, "park", ("bird",)), Row("a.wav", 2.0, 2.5, "street", ())]
    assert list(audiolog.table(CELLS)) == rows
    assert len(list(audiolog.table(CELLS, each_cell=True))) == 3
    assert (
        audiolog.summarize(rows, prompt="timing") + "\n"
        == command(
            "summarize --prompt timing -q",
            stdin=b"filename\tonset\toffset\tscene\tevents\na.wav\t0\t2\tpark\tbird\na.wav\t2\t2.5\tstreet\t\n",
        ).stdout
    )


def test_errors_are_the_commands_own(tiny_weights: Path) -> None:
    with pytest.raises(AudioError, match=r"^missing.wav: no such file$"):
        list(audiolog.tag("missing.wav", weights=tiny_weights))
    with pytest.raises(UsageError, match="--labels: unknown label 'unicorn'"):
        list(audiolog.tag("missing.wav", weights=tiny_weights, labels="unicorn"))
    with pytest.raises(UsageError, match="start_time is for one recording"):
        list(audiolog.tag("a.wav", "b.wav", weights=tiny_weights, start_time="2026-11-22T06:00:00Z"))
    with pytest.raises(UsageError, match="prompt 'haiku': expected overview, timing, brief"):
        audiolog.summarize([], prompt="haiku")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hop": 1e-5}, "--hop 1e-05: expected 0.001 or more"),
        ({"cell": -1.0}, "--cell -1: expected 0.001 or more"),
        ({"smooth_scene": -3.0}, "--smooth-scene -3: expected 0 or more"),
        ({"threshold": float("nan")}, "--threshold nan: expected 0 to 1"),
        ({"pool": "sum"}, "--pool sum: expected max or mean"),
        ({"scenes": "all"}, "--scenes all: expected sure or best"),
        ({"start": -1.0}, "--start -1: expected 0 to 1e\\+08"),
        ({"end": float("nan")}, "--end nan: expected more than --start 0"),
        ({"track": -1}, "--track -1: expected a number from 1, or 0 for the default track"),
    ],
)
def test_values_out_of_bounds_are_refused_as_by_the_command(options: Any, message: str, tiny_weights: Path) -> None:
    with pytest.raises(UsageError, match=f"^{message}$"):
        list(audiolog.tag("missing.wav", weights=tiny_weights, **options))


def test_a_network_cannot_be_loaded_with_values_out_of_bounds(tiny_weights: Path) -> None:
    with pytest.raises(UsageError, match="^--jobs -2: expected 0 or more$"):
        audiolog.load(tiny_weights, jobs=-2)
    with pytest.raises(UsageError, match="^--precision fp8: expected fp32, bf16, fp16, int8$"):
        audiolog.load(tiny_weights, precision="fp8")


def test_keywords_are_the_fields_of_the_options() -> None:
    groups = [group.default.__class__ for group in fields(TagOptions)]
    assert list(TagKeywords.__annotations__) == [option.name for group in groups for option in fields(group)]
    assert list(signature(audiolog.load).parameters) == [option.name for option in fields(LoadOptions)]


def test_a_language_model_writes_the_log_as_for_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOLOG_API_KEY", "k")
    said = chain(["A bird sings from 0:00 to 0:02. A dog barks at 0:01."], repeat("A bird is heard from 0:00 to 0:02."))

    def answer(asked: Asked) -> Answer:
        if asked.path != "/v1/chat/completions":
            return Answer("{}", 404)
        message = {"message": {"content": next(said)}, "finish_reason": "stop"}
        return Answer(json.dumps({"choices": [message], "usage": {"prompt_tokens": 100, "completion_tokens": 7}}))

    with answering(answer) as (url, asked):
        log = audiolog.summarize(CELLS[:4], "timing", llm=f"{url}#m-135m", language="German", context=4096, parallel=1)
        questions = [one.body for one in asked if one.path == "/v1/chat/completions"]
    assert log.startswith("Log of a.wav\n\n0:00–0:02, park (2 s)\nA bird sings from 0:00 to 0:02.\n\nIn summary:")
    assert "dog" not in log
    assert "Write in German." in questions[0]["messages"][0]["content"]


def test_options_of_a_model_without_one_and_a_model_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="^language and the options of a model need llm"):
        audiolog.summarize([], language="German")
    with pytest.raises(UsageError, match="^--llm llama3.2: expected outline, local, .*; did you mean ollama:llama3.2"):
        audiolog.summarize([], llm="llama3.2")
    with pytest.raises(LLMError, match="no server answers at http://127.0.0.1:9/v1"):
        audiolog.summarize(CELLS, llm="http://127.0.0.1:9#m", timeout=1.0)
