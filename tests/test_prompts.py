"""What is sent to a language model: the paper's words, the table, prompt files, and how long it is."""

from pathlib import Path

import pytest

from audiolog_cli.errors import UsageError
from audiolog_cli.llm import prompts
from audiolog_cli.llm.budget import Budget, estimate
from audiolog_cli.llm.compact import grouped_text, note, rows_text
from audiolog_cli.llm.prompts import Prompt, compose, find, listed, parse
from audiolog_cli.records import Row
from tests.log_tables import cells_tsv, rows
from tests.shell import audiolog

NOWHERE = Path("/nonexistent")


def test_the_papers_prompts_word_for_word() -> None:
    assert prompts.GENERAL == (
        "The above table provides a description of acoustic events and scenes from an audio clip, along with their start and end "
        "times in seconds."
    )
    assert {prompt.name: prompt.question for prompt in listed(NOWHERE, pytest.fail)} == {
        "overview": "Please provide a concise overview of this audio.",
        "timing": "Please provide a concise overview of this audio, along with the timing information for sound scenes and "
        "events.",
        "brief": "Please provide a concise overview of this audio without timing information.",
    }


def test_a_message_is_table_general_prompt_question_and_language() -> None:
    message = compose("TABLE", Prompt("x", "What happens?", language="German"))
    assert message == f"TABLE\n\n{prompts.GENERAL}\n\nWhat happens? Write the answer in German."


def test_dry_run_prints_the_message_and_sends_nothing(tmp_path: Path) -> None:
    table = cells_tsv({"street": [(0, 2)]}, {"car": [(1, 2)], "dog_bark": [(1, 2)]})
    done = audiolog("summarize --llm http://127.0.0.1:9#m --prompt brief --dry-run --context 4096 --by whole", tmp_path, table)
    assert (done.code, done.stdout) == (
        0,
        "Start(s)\tEnd(s)\tScene\tEvent\n"
        "0\t1\tstreet\t(no event recognised)\n"
        "1\t2\tstreet\tcar; dog_bark\n"
        "\n"
        "The above table provides a description of acoustic events and scenes from an audio clip, along with their start and end "
        "times in seconds.\n"
        "\n"
        "Please provide a concise overview of this audio without timing information.\n",
    )


def test_a_dry_run_needs_no_key(tmp_path: Path) -> None:
    table = cells_tsv({"street": [(0, 2)]}, {"car": [(1, 2)]})
    done = audiolog("summarize --llm openai:gpt-4o --dry-run", tmp_path, table, OPENAI_API_KEY="")
    assert done.code == 0
    assert "1\t2\tstreet\tcar\n" in done.stdout


# Prompt files


def test_a_prompt_file_has_front_matter_or_none() -> None:
    assert parse("---\nname: dogs\ndescription: barking\nlanguage: French\n---\n\nWhen do dogs bark?\n", "x.md") == Prompt(
        "dogs", "When do dogs bark?", "barking", "French"
    )
    assert parse("When do dogs bark?", "folder/dogs.md") == Prompt("dogs", "When do dogs bark?")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\nname: x\nquestion", r"^p\.md:1: the front matter is opened with --- and never closed$"),
        ("---\nmodel: x\n---\nq", r"^p\.md:2: expected `key: value` with a key of name, description, language, got 'model: x'$"),
        ("---\nname: x\n---\n \n", r"^p\.md: the prompt asks nothing; write the question after the front matter$"),
    ],
)
def test_a_broken_prompt_file_is_reported_with_its_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text, "p.md")


def test_prompts_are_found_by_name_and_by_path(tmp_path: Path) -> None:
    (tmp_path / "dogs.md").write_text("---\ndescription: barking\n---\nWhen do dogs bark?")
    assert find("dogs", tmp_path).question == find(str(tmp_path / "dogs.md"), NOWHERE).question == "When do dogs bark?"
    assert find("timing", tmp_path, "German").language == "German"
    with pytest.raises(
        UsageError, match="--prompt cats: no such prompt or file; there is overview, timing, brief, dogs, or write"
    ):
        find("cats", tmp_path)


def test_list_prompts_lists_the_users_own(tmp_path: Path) -> None:
    folder = tmp_path / "audiolog" / "prompts"
    folder.mkdir(parents=True)
    (folder / "dogs.md").write_text("---\ndescription: barking\n---\nWhen do dogs bark?")
    done = audiolog("summarize --list-prompts", tmp_path, XDG_CONFIG_HOME=str(tmp_path))
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == (
        "overview\twhat happens, with the times of sounds (the paper's prompt 1)\n"
        "timing\tscenes and sounds in order, all with their times (the paper's prompt 2)\n"
        "brief\ta few sentences without times (the paper's prompt 3)\n"
        "dogs\tbarking\n"
    )


def test_an_own_question_replaces_the_question_not_the_table(tmp_path: Path) -> None:
    table = cells_tsv({"street": [(0, 2)]}, {})
    done = audiolog("summarize --llm http://127.0.0.1:9#m --ask 'Is it loud?' --language French --dry-run -q", tmp_path, table)
    assert done.stdout.endswith(f"{prompts.GENERAL}\n\nIs it loud? Write the answer in French.\n")
    assert done.stdout.startswith("Start(s)\tEnd(s)\tScene\tEvent\n")


def test_the_outline_answers_no_question_of_ones_own(tmp_path: Path) -> None:
    done = audiolog("summarize --ask 'Is it loud?'", tmp_path, cells_tsv())
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == "audiolog: --ask needs --llm: the outline asks no language model; see `audiolog summarize --help`\n"
    (tmp_path / "loud.md").write_text("Is it loud?")
    done = audiolog("summarize --prompt loud.md", tmp_path, cells_tsv())
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == (
        "audiolog: the outline answers only the prompts overview, timing, brief; for a question of your own name an LLM with "
        "--llm\n"
    )


# The table


def test_rows_say_what_was_quiet_and_what_was_not_analysed() -> None:
    heard = [Row("a", 0.0, 2.5, "", ("car", "dog, small")), Row("a", 4.0, 5.0, "street", ())]
    assert rows_text(heard).splitlines()[1:] == [
        "0\t2.5\t(scene not named)\tcar; dog, small",
        "2.5\t4\t(not analysed)",
        "4\t5\tstreet\t(no event recognised)",
    ]


def test_grouping_by_label_keeps_every_time() -> None:
    assert grouped_text(rows()).splitlines()[1:] == [
        "0-40 farm",
        " rooster: 5-7, 12-14, 30-32",
        " dog_bark: 20-25",
        "40-70 city_center",
        " wind: 40-65",
        " dog_bark: 44-45, 50-51, 55-56, 58-59, 61-62",
        "70-80 (not analysed)",
        "80-95 city_center",
        " (no event recognised)",
    ]


def test_grouping_is_shorter() -> None:
    many = rows(
        {"street": [(0, 600)]},
        {
            "car": [(second, second + 2) for second in range(0, 600, 7)],
            "dog_bark": [(second, second + 1) for second in range(3, 600, 11)],
        },
    )
    assert estimate(grouped_text(many)) < estimate(rows_text(many)) / 2


def test_what_was_left_out_is_printed(tmp_path: Path) -> None:
    assert note(0.0, 0.0) == ""
    table = cells_tsv({"street": [(0, 9)]}, {"car": [(0, 3), (4, 6)], "dog_bark": [(8, 9)]})
    done = audiolog("summarize --llm http://127.0.0.1:9#m --max-gap 1 --min-duration 2 --dry-run", tmp_path, table)
    assert done.stdout.startswith(
        "(In this table pauses of up to 1 s inside an event are closed and events shorter than 2 s are left out.)\n"
        "Start(s)\tEnd(s)\tScene\tEvent\n"
        "0\t6\tstreet\tcar\n"
        "6\t9\tstreet\t(no event recognised)\n"
    )


# Lengths


def test_digits_marks_and_breaks_are_tokens_and_words_a_fourth_of_their_letters() -> None:
    assert estimate("") == 0
    assert estimate("12") == 3  # 2 digits x 1.25
    assert estimate("residential") == 4  # ceil(11 / 4) x 1.25
    assert estimate("城市") == 5  # 2 a character x 1.25
    assert estimate("0\t16\n") == 7


def test_an_hour_of_rows_is_counted_as_the_servers_count_it() -> None:
    """Measured elsewhere: an hour of 1-s rows is 50 000-77 000 tokens as CSV; four characters a token would give half."""
    table = "\n".join(f"{second},{second + 1},residential_area,car; dog_bark" for second in range(3600))
    assert 50_000 < estimate(table) < 110_000
    assert len(table) / 4 < 45_000


def test_a_budget_without_room_is_refused() -> None:
    Budget(4096, 1024).check()
    assert Budget(4096, 1024).room == 4096 - 1024 - 48
    with pytest.raises(
        UsageError, match="--context 1200 with --max-tokens 1024 leaves 128 tokens for the table, at least 256 are needed"
    ):
        Budget(1200, 1024).check()


def test_one_broken_prompt_costs_no_other(tmp_path: Path) -> None:
    """It hid the list, and every message about a prompt that is not there."""
    (tmp_path / "bad.md").write_bytes(b"\xff\xfe")
    (tmp_path / "walk.md").write_text("---\nname: dogs\n---\nWhen?\n")
    told: list[str] = []
    assert [prompt.name for prompt in listed(tmp_path, told.append)] == ["overview", "timing", "brief", "dogs"]
    assert told == [f"{tmp_path / 'bad.md'}: a prompt is a text file in UTF-8, this is not"]
    assert find("dogs", tmp_path).question == "When?"  # by its own name, which the list shows
    with pytest.raises(
        UsageError, match="--prompt cats: no such prompt or file; there is overview, timing, brief, dogs, or write"
    ):
        find("cats", tmp_path)
