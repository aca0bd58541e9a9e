"""Tables longer than the context: where they are cut, what becomes of a model's entries, and a day on a real server with 4k."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from audiolog_cli.check.claims import table_of
from audiolog_cli.errors import LLMError
from audiolog_cli.llm.backend import Broken, ContextOverflow, Request, Stream, Usage
from audiolog_cli.llm.budget import Budget, estimate
from audiolog_cli.llm.entries import Entry, Mistakes, entries_text, folded, merged, read_answer, schema, validated
from audiolog_cli.llm.log import collected, prose
from audiolog_cli.llm.long_tables import Asking, cut, halves, plan, reduced
from audiolog_cli.llm.prompts import Prompt
from audiolog_cli.records import CELL_COLUMNS, Cell, Row, tsv_lines
from tests.language_models import llama_server, serving, write_model
from tests.log_tables import rows
from tests.replay_server import Answer, Asked, answering
from tests.shell import sh

EVENTS = ("bird", "car", "dog_bark", "footsteps", "music", "rain", "siren", "speech", "train", "wind")


def day(hours: float, seed: int = 1) -> Iterator[Cell]:
    """Cells of a long recording: a scene for ten minutes or so, ten kinds of event that come and go."""
    rng = random.Random(seed)
    scene, active = "home", set[str]()
    for second in range(int(hours * 3600)):
        if rng.random() < 1 / 600:
            scene = rng.choice(("home", "street", "park", "office", "metro_station"))
        active = {event for event in EVENTS if rng.random() < (0.85 if event in active else 0.03)}
        yield Cell("day.flac", float(second), second + 1.0, "scene", scene, 0.9)
        yield from (Cell("day.flac", float(second), second + 1.0, "event", event, 0.7) for event in sorted(active))


def hour_rows() -> list[Row]:
    from audiolog_cli.rows import TableOptions, table

    return [row for row in table(day(1), TableOptions()) if isinstance(row, Row)]


class Model:
    """A back end in this process, for what no server can be made to do on demand; it keeps the budget itself."""

    name = "test:model"

    def __init__(self, answer: Callable[[str], str], holds: int = 4096) -> None:
        self.answer, self.holds, self.asked = answer, holds, list[Request]()

    def stream(self, request: Request) -> Stream:
        self.asked.append(request)
        if estimate(request.prompt) > self.holds - request.max_tokens:
            raise ContextOverflow(f"{self.name}: too long")
        text = self.answer(request.prompt)
        yield text
        return Usage(estimate(request.prompt), estimate(text))

    def count_tokens(self, prompt: str) -> int | None:
        return None

    def max_context(self) -> int | None:
        return self.holds


def asking(model: Model, context: int = 4096, folder: Path | None = None) -> Asking:
    return Asking(
        model, Budget(context, 512), Prompt("x", "What happens?"), 2, folder, lambda done, total: None, lambda message: None
    )


def entries_json(*entries: tuple[float, float, list[str], str]) -> str:
    return json.dumps({"entries": [dict(zip(("onset", "offset", "labels", "text"), entry, strict=True)) for entry in entries]})


# Cutting


def test_parts_fit_hold_every_row_once_and_end_at_scene_changes() -> None:
    table = hour_rows()
    ask = asking(Model(lambda _: ""))
    parts = cut(table, ask)
    assert [row for part in parts for row in part] == table
    assert len(parts) > 3
    assert all(estimate(request.prompt) <= ask.budget.room for request in plan(table, ask).requests)
    ends = [(part[-1].scene, following[0].scene) for part, following in zip(parts, parts[1:], strict=False)]
    assert sum(before != after for before, after in ends) >= len(ends) // 2


def test_a_part_without_a_scene_change_is_cut_where_it_is_full() -> None:
    table = [replace_scene(row) for row in hour_rows()]
    parts = cut(table, asking(Model(lambda _: "")))
    assert [row for part in parts for row in part] == table


def replace_scene(row: Row) -> Row:
    return row._replace(scene="home")


def test_halves_meet_at_the_scene_change_nearest_to_the_middle() -> None:
    table = [Row("a", float(n), n + 1.0, scene, ()) for n, scene in enumerate("aabbbbbc")]
    assert [len(half) for half in halves(table)] == [2, 6]


def test_a_single_row_that_does_not_fit_is_told() -> None:
    row = Row("a", 3.0, 4.0, "home", tuple(f"event {number} of very many" for number in range(2000)))
    with pytest.raises(LLMError, match=r"a single row of the table \(at 3 s\) does not fit into 3536 tokens; raise --context"):
        cut([row], asking(Model(lambda _: "")))


# Entries


def test_entries_are_read_from_an_answer_with_words_around_them() -> None:
    assert read_answer(f"Here:\n```json\n{entries_json((0, 5, ['home'], ' Quiet. '))}\n```", "m") == [
        Entry(0.0, 5.0, ("home",), "Quiet.")
    ]


@pytest.mark.parametrize(
    "answer", ["I cannot.", '{"entries": 3}', '{"items": []}', '{"entries": [{"onset": "soon"}]}', '{"entries": [']
)
def test_an_answer_without_entries_is_an_error(answer: str) -> None:
    with pytest.raises(Broken, match="m: expected entries as JSON, got"):
        read_answer(answer, "m")


def test_what_a_model_makes_up_is_taken_out_and_what_it_leaves_out_is_put_in() -> None:
    table = rows({"home": [(0, 20)], "street": [(20, 40)]}, {"dog_bark": [(2, 5)], "car": [(30, 35)]})
    mistakes = Mistakes()
    answer = [
        Entry(0.0, 10.0, ("home", "siren"), "A dog barks from 2 to 5 s."),  # siren: not in the table
        Entry(30.0, 35.0, ("car",), "A car at 0:10."),  # wrong sentence
        Entry(500.0, 600.0, ("street",), "Later."),  # past the end
        Entry(12.0, 11.0, ("home",), ""),  # backwards
        Entry(float("nan"), 5.0, ("home",), ""),
    ]
    kept = validated(answer, table, lambda text: "0:10" not in text, mistakes)
    assert kept == [
        Entry(0.0, 10.0, ("home", "dog_bark"), "A dog barks from 2 to 5 s."),
        Entry(10.0, 20.0, ("home",)),
        Entry(20.0, 30.0, ("street",)),
        Entry(30.0, 35.0, ("car", "street")),
        Entry(35.0, 40.0, ("street",)),
    ]
    assert (mistakes.rejected, mistakes.texts, mistakes.filled) == (3, 1, 3)


def test_entries_cover_every_second_whatever_the_model_says() -> None:
    table = hour_rows()
    for answer in ([], [Entry(0.0, 3600.0, ("home",))], [Entry(float(n), n + 7.0, ("home", "car")) for n in range(0, 3600, 50)]):
        kept = validated(answer, table, lambda text: True, Mistakes())
        covered = {second for entry in kept for second in range(int(entry.onset), int(entry.offset))}
        assert covered == set(range(3600))
        assert all(entry.labels for entry in kept)


def test_neighbours_with_the_same_labels_become_one() -> None:
    halves_of_one = [Entry(5.0, 9.0, ("home",)), Entry(0.0, 5.0, ("home",), "Quiet.")]
    assert merged(halves_of_one) == [Entry(0.0, 9.0, ("home",), "Quiet.")]
    assert folded([Entry(0.0, 5.0, ("home",), "a"), Entry(5.0, 9.0, ("car",)), Entry(9.0, 10.0, ("bus",), "b")]) == [
        Entry(0.0, 9.0, ("home", "car")),
        Entry(9.0, 10.0, ("bus",)),
    ]


def test_the_schema_rules_out_labels_that_the_table_does_not_have() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    wanted = schema(["home", "car"], 2)
    jsonschema.validate(json.loads(entries_json((0, 5, ["home"], "x"))), wanted)
    for bad in (entries_json((0, 5, ["siren"], "x")), entries_json(*[(0, 5, ["home"], "x")] * 3), '{"entries": [{"onset": 1}]}'):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(bad), wanted)


# Parts to prose


def answer_all(prompt: str) -> str:
    """Entries for a part, prose for the last question."""
    return entries_json((0, 0, [], "")) if "as JSON" in prompt else "The log."


def test_a_table_that_fits_is_one_question() -> None:
    model = Model(answer_all)
    table = rows()
    assert collected(prose(table, asking(model), table_of(table))) == ("The log.", None)
    assert len(model.asked) == 1


def test_a_long_table_becomes_entries_and_then_prose_within_the_budget() -> None:
    model = Model(answer_all)
    table = hour_rows()
    ask = asking(model)
    text, entries = collected(prose(table, ask, table_of(table)))
    assert text == "The log."
    assert entries is not None
    assert all(estimate(request.prompt) <= ask.budget.room for request in model.asked)
    assert ask.costs.calls == len(model.asked) <= plan(table, ask).calls
    assert entries_text(entries) in model.asked[-1].prompt


def test_a_part_that_the_server_finds_too_long_is_halved() -> None:
    model = Model(answer_all, holds=2048)  # the server holds half of what we were told
    table = hour_rows()
    entries = reduced(table, asking(model), lambda text: True)
    assert entries[0].onset == 0.0
    assert entries[-1].offset == 3600.0


def test_a_model_that_never_answers_with_entries_fails_after_a_few_calls() -> None:
    model = Model(lambda _: "I cannot do that.")
    with pytest.raises(Broken, match="expected entries as JSON"):
        reduced(hour_rows(), asking(model), lambda text: True)
    assert len(model.asked) < 40


def test_finished_parts_are_not_asked_for_again(tmp_path: Path) -> None:
    table = hour_rows()
    left = [3]

    def fails_at_the_fourth(prompt: str) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise LLMError("the server went away")
        return answer_all(prompt)

    with pytest.raises(LLMError, match="went away"):
        reduced(table, replace(asking(Model(fails_at_the_fourth), folder=tmp_path), parallel=1), lambda text: True)
    kept = len(list(tmp_path.glob("*.json")))
    assert kept == 3
    again = asking(Model(answer_all), folder=tmp_path)
    reduced(table, again, lambda text: True)
    assert again.costs.kept == kept


def test_a_failure_half_way_says_how_to_go_on(tmp_path: Path) -> None:
    left = [2]

    def answer(asked: Asked) -> Answer:
        if asked.path != "/v1/chat/completions":
            return Answer("{}", 404)
        left[0] -= 1
        if left[0] < 0:
            return Answer('{"error": {"message": "out of memory"}}', 400)
        return Answer(json.dumps({"choices": [{"message": {"content": '{"entries": []}'}, "finish_reason": "stop"}]}))

    table = "".join(tsv_lines(day(1), CELL_COLUMNS)).encode()
    with answering(answer) as (url, _):
        done = sh(f"audiolog summarize --llm {url}#m --context 4096 --cache kept --parallel 1", tmp_path, table)
    assert (done.code, done.stdout) == (4, "")
    assert done.stderr.endswith(
        "audiolog: finished parts are kept in kept; the same command goes on from there\n"
        f"audiolog: {url}/v1#m: the service refused (400: out of memory)\n"
    )
    assert len(list((tmp_path / "kept").iterdir())) == 2


# Real servers


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = llama_server()
    if program is None:
        pytest.skip("no llama.cpp server; install it with `make llama-server`")
    model = tmp_path_factory.mktemp("model") / "scripted.gguf"
    write_model(model, ["In the farm a rooster crows at 0:05 and\na dog barks from 0:20 to 0:25.", '{"entries": []}'])
    with serving(program, model, "-c", "8192", "-np", "2") as url:  # two slots of 4096 tokens
        yield url


FARM = "".join(tsv_lines((cell for cell in day(0.02)), CELL_COLUMNS)).encode()


def test_a_real_server_is_asked_how_much_it_holds(server: str, tmp_path: Path) -> None:
    done = sh(f"audiolog summarize --llm {server}#m --estimate", tmp_path, FARM)
    assert (done.code, done.stderr) == (0, "")
    header, line = done.stdout.splitlines()
    assert header == "filename\tcalls\ttokens\tcontext"
    assert line.split("\t")[0::1][:2] == ["day.flac", "1"]
    assert line.endswith("\t4096")


def test_a_real_server_writes_the_log(server: str, tmp_path: Path) -> None:
    done = sh(f"audiolog summarize --llm {server}#m --check off -q", tmp_path, FARM)
    assert (done.code, done.stdout, done.stderr) == (
        0,
        "In the farm a rooster crows at 0:05 and\na dog barks from 0:20 to 0:25.\n",
        "",
    )


def test_a_real_server_with_more_context_than_it_has(server: str, tmp_path: Path) -> None:
    done = sh(f"audiolog summarize --llm {server}#m --context 100000", tmp_path, FARM)
    assert done.code == 4
    assert done.stderr == f"audiolog: {server}/v1#m: --context 100000 is more than the 4096 tokens that the model holds\n"


def test_an_hour_in_parts_on_a_real_server(server: str, tmp_path: Path) -> None:
    table = "".join(tsv_lines(day(1), CELL_COLUMNS)).encode()
    done = sh(f"audiolog summarize --llm {server}#m --check strict --cache cache --max-tokens 512", tmp_path, table)
    assert done.code == 5  # there is no farm in this day
    assert "[not in the table]" in done.stdout
    assert "parts summarised" in done.stderr
    again = sh(f"audiolog summarize --llm {server}#m --check off --cache cache --max-tokens 512", tmp_path, table)
    assert again.code == 0
    assert ": 1 calls, " in again.stderr
    assert "answers from disk" in again.stderr


def test_a_random_model_is_an_error_with_a_cause(tmp_path: Path) -> None:
    program = llama_server()
    if program is None:
        pytest.skip("no llama.cpp server; install it with `make llama-server`")
    model = tmp_path / "random.gguf"
    write_model(model, ["x"], seed=3)
    with serving(program, model, "-c", "4096", "-np", "1") as url:
        done = sh(f"audiolog summarize --llm {url}#m --max-tokens 300", tmp_path, FARM)
    assert (done.code, done.stdout) == (4, "")
    assert any(cause in done.stderr for cause in ("cut off at 300 tokens", "repeats itself", "is empty", "does not speak"))


MEASURED = """
import resource, subprocess, sys
code = subprocess.run([sys.executable, "-m", "audiolog_cli", *sys.argv[1:]]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""  # runs the command, then prints its peak memory in kilobytes


def test_a_day_with_4k_of_context_stays_within_budget_and_150_megabytes(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.path != "/v1/chat/completions":
            return Answer("{}", 404)
        text = entries_json((0, 1, ["home"], "Quiet.")) if "response_format" in asked.body else "A day."
        return Answer(json.dumps({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}))

    (tmp_path / "day.tsv").write_text("".join(tsv_lines(day(24), CELL_COLUMNS)))
    with answering(answer) as (url, asked):
        command = [
            sys.executable,
            "-c",
            MEASURED,
            "summarize",
            "day.tsv",
            "--llm",
            f"{url}#m",
            "--context",
            "4096",
            "--cache",
            "off",
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    text, peak = done.stdout.splitlines()
    assert (done.returncode, text) == (0, "A day."), done.stderr
    sent = [one for one in asked if one.path == "/v1/chat/completions"]
    room = Budget(4096, 1024).room
    assert max(estimate(one.body["messages"][0]["content"]) for one in sent) <= room
    assert int(peak) < 150 * 1024
    assert f": {len(sent)} calls, " in done.stderr
