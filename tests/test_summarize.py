"""`audiolog summarize`: what it prints for the outline and for a language model, and every way it can end."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from audiolog_cli.records import End, Failure, jsonl_lines
from tests.log_tables import FARM_EVENTS, FARM_SCENES, cells, cells_tsv
from tests.replay_server import Answer, Asked, answering
from tests.shell import Result, audiolog, sh

HINT = (
    "audiolog: this log is an outline, written by rule; for a language model add --llm local, ollama:MODEL, openai:MODEL or "
    "URL#MODEL\n"
)
SHORT = cells_tsv({"farm": [(0, 4)]}, {"dog_bark": [(1, 3)]})
SHORT_LOG = (
    "Log of farm.wav\n"
    "\n"
    "0:00–0:04, farm (4 s)\n"
    "  dog bark: 0:01–0:03 (2 s)\n"
    "  no event recognised for 2 s in all, at most 0:00–0:01 (1 s) at a time\n"
    "\n"
    "In summary: all 4 s analysed: farm for 4 s.\n"
    "Heard most: dog bark (2 s).\n"
    "Longest sound: dog bark, 0:01–0:03 (2 s).\n"
    "Recognised with the highest score: dog bark at 0:02 (0.51).\n"
    "No event recognised for 2 s in all, the longest stretch 0:00–0:01 (1 s).\n"
)


def asked_of(texts: list[str], tmp_path: Path, options: str, table: bytes = SHORT) -> tuple[Result, list[dict[str, Any]]]:
    """A run against a service that answers with `texts`, one after the other; and the bodies it was sent.

    The question is asked in one piece and nothing is repaired; `test_sections.py` has the rest.
    """
    options = f"--by whole {'' if '--check' in options else '--check warn'} {options}"
    left = list(texts)

    def answer(asked: Asked) -> Answer:
        if asked.path != "/v1/chat/completions":
            return Answer("{}", 404)
        message = {"message": {"content": left.pop(0)}, "finish_reason": "stop"}
        return Answer(json.dumps({"choices": [message], "usage": {"prompt_tokens": 100, "completion_tokens": 7}}))

    with answering(answer) as (url, asked):
        done = audiolog(f"summarize --llm '{url}#m' --context 4096 --cache off {options}", tmp_path, table)
    return done, [one.body for one in asked if one.path == "/v1/chat/completions"]


@pytest.fixture
def valid() -> Callable[[str], dict[str, Any]]:
    """A line of JSON as an object, after the shipped schema has found it valid."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = json.loads(files("audiolog_cli.llm").joinpath("log.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)

    def check(line: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(line)
        jsonschema.validate(document, schema)
        return document

    return check


# The outline


def test_cells_become_a_log(tmp_path: Path) -> None:
    assert audiolog("summarize --prompt timing", tmp_path, SHORT) == Result(0, SHORT_LOG, HINT)


def test_quiet_says_nothing_on_stderr(tmp_path: Path) -> None:
    assert audiolog("summarize --prompt timing -q", tmp_path, SHORT) == Result(0, SHORT_LOG, "")


def test_a_table_in_between_changes_nothing_but_the_scores(tmp_path: Path) -> None:
    direct = audiolog("summarize --prompt timing -q", tmp_path, SHORT).stdout
    for format in ("tsv", "jsonl"):
        piped = sh(f"audiolog table --format {format} | audiolog summarize --prompt timing -q", tmp_path, SHORT).stdout
        assert piped == "".join(line for line in direct.splitlines(keepends=True) if not line.startswith("Recognised with"))


def test_options_come_from_the_environment(tmp_path: Path) -> None:
    done = audiolog("summarize", tmp_path, SHORT, AUDIOLOG_PROMPT="timing", AUDIOLOG_QUIET="1")
    assert (done.code, done.stdout) == (0, SHORT_LOG)


def test_several_recordings_get_one_log_each(tmp_path: Path) -> None:
    both = SHORT + cells_tsv({"farm": [(0, 4)]}, {"dog_bark": [(1, 3)]}, "barn.wav")
    done = audiolog("summarize --prompt timing -q", tmp_path, both)
    assert done.stdout == SHORT_LOG + "\n" + SHORT_LOG.replace("farm.wav", "barn.wav")


def test_together_they_get_one(tmp_path: Path) -> None:
    both = SHORT + cells_tsv({"kitchen": [(0, 4)]}, {}, "barn.wav")
    done = audiolog("summarize --prompt brief --together -q", tmp_path, both)
    assert done.stdout == (
        "Log of farm.wav + barn.wav\n\n"
        "The recording starts in the scene farm, then comes kitchen.\n"
        "Farm: dog bark much of the time; in between, no event was recognised.\n"
        "Kitchen: no event was recognised.\n"
    )


def test_the_outline_imports_neither_torch_nor_http(tmp_path: Path) -> None:
    (tmp_path / "cells.tsv").write_bytes(SHORT)
    code = (
        "import sys; sys.argv = ['audiolog', 'summarize', 'cells.tsv', '--prompt', 'timing']\n"
        "from audiolog_cli.cli import main\nassert main() == 0\n"
        "print(sorted({'torch', 'torchaudio', 'numpy', 'httpx', 'ollama', 'pydantic'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == SHORT_LOG + "[]\n"


def test_a_closed_pipe_is_silent(tmp_path: Path) -> None:
    done = sh("set +o pipefail; audiolog summarize --prompt timing -q | head -n 1", tmp_path, cells_tsv(FARM_SCENES, FARM_EVENTS))
    assert done == Result(0, "Log of farm.wav\n", "")


def test_an_outline_can_be_checked_like_any_log(tmp_path: Path) -> None:
    done = audiolog("summarize --prompt timing --check strict", tmp_path, cells_tsv(FARM_SCENES, FARM_EVENTS))
    assert done.code == 0
    assert "(100%), 100% of the rows and 100% of the labels spoken of\n" in done.stderr


# JSON


def test_json_of_an_outline(tmp_path: Path, valid: Callable[[str], dict[str, Any]]) -> None:
    done = audiolog("summarize --prompt timing --format json -q", tmp_path, SHORT)
    document = valid(done.stdout)
    assert document == {
        "filename": "farm.wav",
        "summary": SHORT_LOG.rstrip("\n"),
        "entries": [
            {
                "onset": 0.0,
                "offset": 4.0,
                "time": None,
                "kind": "scene",
                "labels": ["farm", "dog_bark"],
                "text": "\n".join(SHORT_LOG.splitlines()[2:5]),
                "rows": [0, 2],
                "by": "table",
            }
        ],
        "model": "outline",
        "prompt": "timing",
        "sentences": {"model": 0, "table": 3},
        "tokens": {"prompt": 0, "answer": 0, "calls": 0},
        "check": None,
    }


def test_json_of_a_model_with_its_check_and_costs(tmp_path: Path, valid: Callable[[str], dict[str, Any]]) -> None:
    done, _ = asked_of(["A dog barks from 0:01 to 0:03. A cat meows."], tmp_path, "--format json")
    document = valid(done.stdout)
    assert document["tokens"] == {"prompt": 100, "answer": 7, "calls": 1}
    assert document["check"]["precision"] == 0.5
    assert [claim["problem"] for claim in document["check"]["wrong"]] == ["not in the table"]
    assert document["check"]["labels_missing"] == ["farm"]


# The check


def test_a_wrong_claim_is_marked_and_reported(tmp_path: Path) -> None:
    done, _ = asked_of(["A dog barks at 0:02. A cat meows."], tmp_path, "")
    assert (done.code, done.stdout) == (0, "A dog barks at 0:02. A cat meows [not in the table].\n")
    assert (
        "audiolog: check of farm.wav: 1 of 2 claims are in the table (50%), 33% of the rows and 50% of the labels spoken of\n"
        in done.stderr
    )
    assert "audiolog: check of farm.wav: 'cat meows': not in the table\n" in done.stderr


def test_strict_is_exit_5(tmp_path: Path) -> None:
    done, _ = asked_of(["A cat meows."], tmp_path, "--check strict")
    assert (done.code, done.stdout) == (5, "A cat meows [not in the table].\n")
    assert done.stderr.splitlines()[-1] == (
        "audiolog: the log of farm.wav claims what the table does not say; the claims are marked, --retry asks again"
    )


def test_retry_asks_again_with_the_mistakes(tmp_path: Path) -> None:
    done, asked = asked_of(["A cat meows.", "A dog barks."], tmp_path, "--check strict --retry 2")
    assert (done.code, done.stdout, len(asked)) == (0, "A dog barks.\n", 2)
    assert asked[1]["messages"][0]["content"].endswith(
        "Your last answer was:\nA cat meows.\n\nIt claims what the table does not say:\n- cat meows: not in the table\n\n"
        "Answer again without these mistakes."
    )


def test_retry_keeps_the_better_answer(tmp_path: Path) -> None:
    done, asked = asked_of(["A cat meows.", "A cat meows, a siren wails.", "A cow moos, a cat meows."], tmp_path, "--retry 2")
    assert (done.stdout, len(asked)) == ("A cat meows [not in the table].\n", 3)


def test_check_only_checks_a_log_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("From 0:01 to 0:03 a dog barks.\nAt 0:09 a car passes.\n")
    done = audiolog("summarize --check-only log.txt --check strict -q", tmp_path, SHORT)
    assert done.stdout == "From 0:01 to 0:03 a dog barks.\nAt 0:09 a car passes [past the end of the recording, 0:04].\n"
    assert done.code == 5


def test_check_only_takes_text_and_one_thing_from_stdin(tmp_path: Path) -> None:
    """A log in UTF-16 had no claims, and passed."""
    (tmp_path / "log.txt").write_text("A dog barks at 0:05.", "utf-16")
    message = "audiolog: log.txt: expected text in UTF-8, got other bytes; `iconv -t UTF-8` makes it so\n"
    assert audiolog("summarize --check-only log.txt", tmp_path, SHORT) == (1, "", message)
    message = "audiolog: -: two inputs are to come from stdin, which can be read only once; give one as a file\n"
    assert audiolog("summarize --check-only -", tmp_path, SHORT) == (2, "", message)


def test_check_only_of_nothing_is_no_success(tmp_path: Path) -> None:
    """`... > log.txt` of a program that failed leaves an empty file, which claims nothing wrong."""
    (tmp_path / "log.txt").write_text("\n")
    done = audiolog("summarize --check-only log.txt --check strict", tmp_path, SHORT)
    assert done == (1, "", "audiolog: log.txt: empty, expected a log\n")


def test_check_only_needs_one_recording(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("A dog barks.")
    both = SHORT + cells_tsv({"farm": [(0, 4)]}, {}, "barn.wav")
    done = audiolog("summarize --check-only log.txt", tmp_path, both)
    assert (done.code, done.stdout) == (2, "")
    assert (
        done.stderr
        == "audiolog: --check-only: one log, and a table of several recordings; pick one recording, or add --together\n"
    )
    assert audiolog("summarize --check-only log.txt --together -q", tmp_path, both).code == 0


# Language models


def test_words_pass_straight_through_without_a_check(tmp_path: Path) -> None:
    done, _ = asked_of(["Anything at 9:99."], tmp_path, "--check off")
    assert (done.code, done.stdout) == (0, "Anything at 9:99.\n")


def test_several_logs_of_a_model_have_headings(tmp_path: Path) -> None:
    both = SHORT + cells_tsv({"farm": [(0, 4)]}, {}, "barn.wav")
    done, asked = asked_of(["A dog barks.", "A farm."], tmp_path, "-q", both)
    assert done.stdout == "Log of farm.wav\n\nA dog barks.\n\nLog of barn.wav\n\nA farm.\n"
    assert [body["messages"][0]["content"].count("dog_bark") for body in asked] == [1, 0]


def test_the_language_is_asked_for(tmp_path: Path) -> None:
    _, (asked,) = asked_of(["Ein Hund bellt."], tmp_path, "--language German")
    assert asked["messages"][0]["content"].endswith("overview of this audio. Write the answer in German.")


def test_the_model_is_sent_the_start_of_the_recording(tmp_path: Path) -> None:
    timed = "".join(
        jsonl_lines(cell._replace(time=f"2026-05-01T06:00:0{cell.onset:.0f}+02:00") for cell in cells({"farm": [(0, 4)]}, {}))
    )
    _, (asked,) = asked_of(["A farm."], tmp_path, "", timed.encode())
    assert asked["messages"][0]["content"].startswith("(Second 0 of this table is 2026-05-01T06:00:00+02:00.)\nStart(s)\t")


def test_a_dry_run_says_how_many_calls_and_tokens(tmp_path: Path) -> None:
    done, asked = asked_of([], tmp_path, "--dry-run")
    said = done.stderr.splitlines()[-1]
    assert (done.code, asked) == (0, [])
    found = re.fullmatch(
        r"audiolog: farm.wav: 1 call of at most (\d+) tokens together, answers included, with a context of 4096; repairs can "
        r"double that",
        said,
    )
    assert found is not None and 1024 < int(found[1]) < 1400, said


def test_dry_run_as_json_is_the_request(tmp_path: Path) -> None:
    done, asked = asked_of([], tmp_path, "--dry-run --format json")
    request = json.loads(done.stdout)
    assert asked == []
    assert (request["context"], request["max_tokens"]) == (4096, 1024)
    sent = asked_of(["A dog barks."], tmp_path, "")[1][0]["messages"][0]["content"]
    assert request["turns"] == [sent]


# Ways to end


def test_a_failed_recording_is_exit_3_beside_others_and_1_alone(tmp_path: Path) -> None:
    failed = Failure("bad.wav", "bad.wav: not audio")
    both = "".join(jsonl_lines([*cells({"farm": [(0, 2)]}, {}), End("farm.wav", 2.0, 2, "w", "0"), failed])).encode()
    done = audiolog("summarize --prompt brief -q", tmp_path, both)
    assert done.code == 3
    assert done.stdout == (
        "Log of farm.wav\n\nThe recording is one scene, farm.\nFarm: no event was recognised.\n"
        "\nLog of bad.wav\n\nNothing of this recording was analysed.\nThe analysis broke off: bad.wav: not audio\n"
    )
    assert done.stderr == "audiolog: the log is of an unfinished table: bad.wav: not audio\n"
    alone = audiolog("summarize -q", tmp_path, "".join(jsonl_lines([failed])).encode())
    assert alone.code == 1
    assert alone.stderr.endswith("audiolog: no recording could be summarised\n")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"", "stdin: empty, expected a table with a header line or JSON Lines"),
        (b"filename\tonset\toffset\tscene\tevents\na\t0\t1\tx\n", "stdin:2: expected 5 columns, got 4"),
        (
            b"filename\tonset\toffset\na\t0\t1\n",
            "a: expected cells or rows, got segments; `audiolog tag` turns segments into cells",
        ),
    ],
)
def test_a_broken_table_is_exit_1(table: bytes, message: str, tmp_path: Path) -> None:
    done = audiolog("summarize -q", tmp_path, table)
    assert (done.code, done.stderr) == (1, f"audiolog: {message}\n")


def test_a_table_without_rows_is_not_an_error(tmp_path: Path) -> None:
    done = audiolog("summarize", tmp_path, b"filename\tonset\toffset\tscene\tevents\n")
    assert done == Result(0, "", HINT + "audiolog: the table has no rows: there is nothing to summarise\n")


def test_a_missing_file_is_exit_1(tmp_path: Path) -> None:
    assert audiolog("summarize nothing.tsv -q", tmp_path) == Result(1, "", "audiolog: nothing.tsv: no such file\n")
