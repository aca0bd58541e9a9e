"""`tag`: what it writes, that every way in gives the same bytes, and how it ends when inputs are bad."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from audiolog_cli.errors import DeviceError
from audiolog_cli.model import checkpoint
from audiolog_cli.model.htsat import Output
from audiolog_cli.sound.audio import Window
from audiolog_cli.tagging.options import LoadOptions
from audiolog_cli.tagging.tagger import find_device, load, probabilities
from tests.conftest import write_wav
from tests.memory import GROWTH, GROWTH_OF_SEVERAL, watched
from tests.shell import audiolog, sh

HEADER = "filename\tonset\toffset\tkind\tlabel\tscore\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    """A folder with the weights, a recording of 23.4 s (two windows and a tail), and every kind of bad file."""
    folder = tmp_path_factory.mktemp("recordings")
    shutil.copy(tiny_weights, folder / "w.safetensors")
    write_wav(folder / "rec.wav", 23.4, rate=44_100, channels=2)
    write_wav(folder / "other.wav", 3.0, seed=1)
    write_wav(folder / "silent.wav", 0.0)
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("this is not audio\n" * 50)
    (folder / "sub").mkdir()
    (folder / "cut.wav").write_bytes((folder / "rec.wav").read_bytes()[: 44 + 44_100 * 4 * 5])
    return folder


@pytest.fixture(scope="module")
def cells(folder: Path) -> str:
    result = audiolog("tag rec.wav --weights w.safetensors", folder)
    assert (result.code, result.stderr) == (0, "")
    return result.stdout


def test_every_second_has_its_scene_first_and_the_tail_is_kept(cells: str) -> None:
    lines = [line.split("\t") for line in cells.splitlines()]
    assert cells.startswith(HEADER)
    scenes = [(float(onset), float(offset)) for _, onset, offset, kind, *_ in lines[1:] if kind == "scene"]
    assert scenes == [*((i, i + 1) for i in range(23)), (23, 23.4)]
    starts = [i for i, line in enumerate(lines) if line[3] == "scene"]
    assert all(lines[i - 1][1] != lines[i][1] for i in starts)  # the scene opens its second
    assert {line[0] for line in lines[1:]} == {"rec.wav"}
    assert {line[4] for line in lines[1:]} <= {"home", "street", "car", "dog", "siren"}


def test_cells_are_what_the_network_says(folder: Path, cells: str) -> None:
    """Against the network applied by hand to the first ten seconds: the maximum over the frames centred in each second."""
    from audiolog_cli.sound.audio import decode, windows

    tagger = load(LoadOptions(weights=str(folder / "w.safetensors"), device="cpu"))
    first = next(windows(decode(folder / "rec.wav"), 10.0, 10.0))
    scenes, events = probabilities(tagger, [first])
    centres = (np.arange(events.shape[1]) + 0.5) * 10 / events.shape[1]
    for second in range(10):
        expected = events[0, (centres >= second) & (centres < second + 1)].max(axis=0)
        lines = [line.split("\t") for line in cells.splitlines() if f"\t{second}.000\t{second + 1}.000\t" in line]
        assert lines[0][4] == ("home", "street")[scenes[0].argmax()]
        active = {
            label: round(float(score), 3) for label, score in zip(("car", "dog", "siren"), expected, strict=True) if score >= 0.5
        }
        assert {line[4]: float(line[5]) for line in lines[1:]} == pytest.approx(active, abs=1.1e-3)


@pytest.mark.parametrize(
    "line",
    [
        "audiolog tag rec.wav --weights w.safetensors --batch-size 3 --jobs 1",
        "audiolog tag --weights w.safetensors --files-from <(echo rec.wav)",
        "AUDIOLOG_WEIGHTS=w.safetensors audiolog tag rec.wav",
        "cat rec.wav | audiolog tag - --weights w.safetensors | sed s/^-/rec.wav/",
        "audiolog tag --weights w.safetensors < rec.wav | sed s/^-/rec.wav/",
        "tail -c +45 rec.wav | audiolog tag --raw 44100,2,s16le --weights w.safetensors | sed s/^-/rec.wav/",
        "audiolog segment rec.wav | audiolog tag --weights w.safetensors",
        "audiolog segment rec.wav --format jsonl > s.jsonl; audiolog tag s.jsonl --weights w.safetensors",
    ],
)
def test_every_way_in_gives_the_same_bytes(line: str, folder: Path, cells: str) -> None:
    result = sh(line, folder)
    assert (result.code, result.stderr, result.stdout) == (0, "", cells)


def test_json_lines_end_with_what_was_done(folder: Path, cells: str) -> None:
    result = audiolog("tag rec.wav --weights w.safetensors --format jsonl", folder)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    n_cells = len(cells.splitlines()) - 1
    assert records[-1] == {
        "kind": "end",
        "filename": "rec.wav",
        "duration": 23.4,
        "cells": n_cells,
        "weights": "w",
        "version": "0.1.0",
    }
    assert len(records) == n_cells + 1
    assert audiolog("table", folder, cells.encode()) == audiolog("table", folder, result.stdout.encode())


def test_several_recordings_are_written_one_after_the_other(folder: Path, cells: str) -> None:
    result = audiolog("tag rec.wav other.wav --weights w.safetensors", folder)
    assert result.code == 0
    assert re.fullmatch(r"audiolog: 2 recordings tagged, 0 failed, 0\.01 hours of sound, \d+ times real time\n", result.stderr)
    assert result.stdout.startswith(cells)
    other = audiolog("tag other.wav --weights w.safetensors", folder).stdout
    assert other.removeprefix(HEADER) == result.stdout[len(cells) :]


def test_clock_times_from_the_name_across_the_change_to_winter_time(folder: Path) -> None:
    shutil.copy(folder / "other.wav", folder / "20261025_025958.wav")
    tag = "tag 20261025_025958.wav --weights w.safetensors --threshold 1"

    def times(options: str) -> list[str]:
        return [line.split("\t")[6] for line in audiolog(f"{tag} {options}", folder).stdout.splitlines()]

    assert times("--name-time audiomoth --tz UTC") == [
        "time", "2026-10-25T02:59:58.000+00:00", "2026-10-25T02:59:59.000+00:00", "2026-10-25T03:00:00.000+00:00",
    ]  # fmt: skip
    assert times("--start-time 2026-10-25T02:59:58+02:00 --tz Europe/Berlin")[2:] == [
        "2026-10-25T02:59:59.000+02:00", "2026-10-25T02:00:00.000+01:00",
    ]  # fmt: skip
    assert times("--name-time iso --tz +01:00")[1] == "2026-10-25T02:59:58.000+01:00"
    unknown = audiolog("tag other.wav --weights w.safetensors --name-time audiomoth", folder)
    assert (unknown.code, unknown.stdout, unknown.stderr.count("\n")) == (1, "", 1)
    assert unknown.stderr.startswith("audiolog: other.wav: ")


def test_a_start_time_is_for_one_recording(folder: Path) -> None:
    result = audiolog("tag other.wav rec.wav --weights w.safetensors --start-time 2026-11-22T06:00:00Z", folder)
    assert result == (
        2,
        "",
        "audiolog: --start-time is for one recording, and there are several (rec.wav is the second); use --name-time or"
        " --header-time\n",
    )


def test_a_folder_means_its_recordings_and_the_first_failure_can_stop_the_run(folder: Path) -> None:
    (folder / "night" / "b").mkdir(parents=True)
    shutil.copy(folder / "other.wav", folder / "night" / "b" / "two.wav")
    shutil.copy(folder / "other.wav", folder / "night" / "one.WAV")
    (folder / "night" / "notes.txt").write_text("cloudy")
    (folder / "night" / "b" / "loop").symlink_to("..")
    tag = "tag --weights w.safetensors --quiet"

    def names(options: str) -> list[str]:
        lines = audiolog(f"{tag} night --recursive {options}", folder).stdout.splitlines()[1:]
        return list(dict.fromkeys(line.partition("\t")[0] for line in lines))

    assert names("") == ["night/one.WAV", "night/b/two.wav"]
    assert names("--match 't*'") == ["night/b/two.wav"]
    assert audiolog(f"{tag} missing.wav other.wav --fail-fast", folder) == (1, "", "audiolog: missing.wav: no such file\n")


@pytest.fixture(scope="module")
def cautious(folder: Path) -> str:
    """Weights that name neither of the two scenes but their group, and have thresholds for --sure."""
    network, card = checkpoint.load(folder / "w.safetensors")
    careful = replace(card, groups={"inhabited": card.scenes}, scene_bar=0.999, group_bar=0.9, sure_thresholds=(1.0, 1.0, 1.0))
    checkpoint.save(folder / "cautious.safetensors", network, careful)
    return "tag rec.wav --weights cautious.safetensors"


def test_groups_of_scenes_are_named_as_the_card_says_and_the_best_scene_where_asked(
    folder: Path, cells: str, cautious: str
) -> None:
    named = {tuple(line.split("\t")[4:]) for line in audiolog(cautious, folder).stdout.splitlines() if "\tscene\t" in line}
    assert named == {("inhabited", "1.000")}
    assert audiolog(f"{cautious} --scenes best", folder).stdout == cells


def test_sure_takes_the_cards_higher_thresholds(folder: Path, cautious: str) -> None:
    assert "event" in audiolog(cautious, folder).stdout
    assert "event" not in audiolog(f"{cautious} --sure", folder).stdout
    both = audiolog(f"{cautious} --sure --threshold 0.1", folder)
    assert both == (2, "", "audiolog: --sure does not go with --threshold; see `audiolog tag --help`\n")
    without = audiolog("tag rec.wav --weights w.safetensors --sure", folder)
    assert without == (2, "", "audiolog: --sure: these weights have no thresholds for it; --threshold sets one for all events\n")


def test_a_quiet_night_is_an_empty_table_and_no_error(folder: Path) -> None:
    (folder / "quiet.raw").write_bytes(bytes(32_000 * 2 * 15))
    segments = audiolog("segment quiet.raw --raw 32000,1,s16le --skip-quiet -60", folder).stdout
    cells = audiolog("tag --weights w.safetensors", folder, segments.encode()).stdout
    assert audiolog("table", folder, cells.encode()) == (0, "filename\tonset\toffset\tscene\tevents\n", "")


def test_segments_are_analysed_and_nothing_else(folder: Path) -> None:
    segments = b"filename\tonset\toffset\nrec.wav\t3.500\t5.000\nrec.wav\t20.000\t30.000\nother.wav\t0\t1\n"
    result = audiolog("tag --weights w.safetensors", folder, segments)
    assert [line.partition("\tscene")[0] for line in result.stdout.splitlines() if "\tscene\t" in line] == [
        "rec.wav\t3.500\t4.000",
        "rec.wav\t4.000\t5.000",
        "rec.wav\t20.000\t21.000",
        "rec.wav\t21.000\t22.000",
        "rec.wav\t22.000\t23.000",
        "rec.wav\t23.000\t23.400",
        "other.wav\t0.000\t1.000",
    ]


def test_only_some_labels_are_written(folder: Path) -> None:
    tag = "tag other.wav --weights w.safetensors --threshold 0"
    every, chosen = audiolog(tag, folder).stdout, audiolog(f"{tag} --labels siren,car", folder).stdout
    assert {line.split("\t")[4] for line in every.splitlines() if "\tevent\t" in line} == {"car", "dog", "siren"}
    assert chosen.splitlines() == [line for line in every.splitlines() if "\tdog\t" not in line]
    wrong = audiolog(f"{tag} --labels siren,bird", folder)
    message = "audiolog: --labels: unknown label 'bird'; this model's events are car, dog, siren, ...\n"
    assert (wrong.code, wrong.stderr) == (2, message)
    for near in ("sirn", "Siren", "sir"):
        assert audiolog(f"{tag} --labels {near}", folder).stderr.endswith(" siren, ...; did you mean siren?\n")


def test_a_stretch_of_each_recording(folder: Path) -> None:
    tag = "tag rec.wav --weights w.safetensors"
    cut = audiolog(f"{tag} --start 5 --end 8", folder).stdout.splitlines()
    assert [line.split("\t")[1:3] for line in cut if "\tscene\t" in line] == [
        ["5.000", "6.000"],
        ["6.000", "7.000"],
        ["7.000", "8.000"],
    ]
    rest = audiolog(f"{tag} --start 22", folder).stdout.splitlines()
    assert rest[-1].split("\t")[1:3] == ["23.000", "23.400"]
    assert audiolog(f"{tag} --start 5 --end 5", folder).stderr == "audiolog: --end 5: expected more than --start 5\n"
    segments = b"filename\tonset\toffset\nrec.wav\t3.500\t5.000\n"
    assert audiolog("tag --weights w.safetensors --start 5", folder, segments) == (
        2,
        "",
        "audiolog: --start does nothing here: stdin is a list of segments, which say what to hear; leave it out\n",
    )


@pytest.mark.parametrize("form", ["tsv", "jsonl"])
def test_segments_of_raw_sound(form: str, folder: Path) -> None:
    (folder / "rec.raw").write_bytes((folder / "rec.wav").read_bytes()[44:])
    listed = audiolog(f"segment rec.raw --raw 32000,1,s16le --format {form}", folder).stdout.encode()
    tag = "tag --weights w.safetensors --raw 32000,1,s16le"
    assert audiolog(tag, folder, listed) == audiolog(f"{tag} rec.raw", folder)


def test_raw_sound_may_begin_with_a_brace(folder: Path) -> None:
    sound = b"{" + bytes(range(256)) * 250 + b"}"
    done = audiolog("tag --weights w.safetensors --raw 32000,1,s16le", folder, sound)
    assert (done.code, done.stderr) == (0, "")
    assert [line.split("\t")[2] for line in done.stdout.splitlines() if "\tscene\t" in line] == ["1.000"]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("missing.wav", "missing.wav: no such file"),
        ("sub", "sub: is a folder; --recursive takes all recordings in it and below"),
        ("empty.wav", "empty.wav: empty file"),
        ("silent.wav", "silent.wav: no sound in it, 0 samples"),
    ],
)
def test_a_bad_input_is_one_line_and_the_others_are_written(file: str, message: str, folder: Path, cells: str) -> None:
    alone = audiolog(f"tag {file} --weights w.safetensors", folder)
    assert alone == (1, "", f"audiolog: {message}\n")
    beside = audiolog(f"tag {file} rec.wav --weights w.safetensors", folder)
    assert (beside.code, beside.stdout) == (3, cells)
    assert beside.stderr.startswith(f"audiolog: {message}\naudiolog: 1 recording tagged, 1 failed, ")
    as_json = audiolog(f"tag {file} --weights w.safetensors --format jsonl", folder)
    assert as_json == (
        1,
        json.dumps({"kind": "error", "filename": file, "message": message}, separators=(",", ":")) + "\n",
        alone.stderr,
    )


def test_text_named_wav_is_not_audio(folder: Path) -> None:
    result = audiolog("tag text.wav --weights w.safetensors", folder)
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr.startswith("audiolog: text.wav: ") and result.stderr.count("\n") == 1


def test_a_truncated_recording_is_analysed_as_far_as_it_goes_and_reported(folder: Path) -> None:
    result = audiolog("tag cut.wav --weights w.safetensors", folder)
    assert result.code == 0
    assert result.stdout.splitlines()[-1].split("\t")[2] == "5.000"
    assert result.stderr.startswith("audiolog: cut.wav: 5.000-23.400 s: ") and result.stderr.count("\n") == 1
    assert audiolog("tag cut.wav --weights w.safetensors --quiet", folder).stderr == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--weights none.safetensors", "none.safetensors: no such file"),
        ("--weights w.safetensors --device cuda:x", "--device cuda:x: expected auto, cpu, cuda, cuda:N or mps"),
        ("--weights w.safetensors --device cpu:", "--device cpu:: expected auto, cpu, cuda, cuda:N or mps"),
        (
            "--weights w.safetensors --hop 11",
            "--hop 11: the windows of these weights are 10 s long, sound between them would be lost",
        ),
        ("--weights w.safetensors --channel middle", "--channel middle: expected mix, left, right or a number from 1"),
        (
            "--weights w.safetensors --thresholds t.tsv",
            "--thresholds: unknown label 'cat'; this model's events are car, dog, siren",
        ),
        ("--weights w.safetensors --hop 0.00001", "--hop 1e-05: expected 0.001 or more"),
        (
            "--weights w.safetensors --resume s3://b/j",
            "--resume s3:/b/j: expected a folder on this machine; --out also takes URLs",
        ),
        ("--weights text.wav", None),
    ],
)
def test_wrong_options_end_with_two_before_anything_is_read(options: str, message: str | None, folder: Path) -> None:
    (folder / "t.tsv").write_text("label\tthreshold\ncat\t0.5\n")
    result = audiolog(f"tag rec.wav {options}", folder)
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert message is None or message in result.stderr


def test_an_empty_list_of_thresholds_is_none(folder: Path) -> None:
    (folder / "t0.tsv").touch()
    done = audiolog("tag rec.wav --weights w.safetensors --thresholds t0.tsv", folder)
    assert done == (1, "", "audiolog: t0.tsv:1: empty; expected the columns label threshold\n")


def test_a_pipe_in_a_folder_is_skipped(folder: Path) -> None:
    (folder / "tree").mkdir()
    shutil.copy(folder / "other.wav", folder / "tree")
    os.mkfifo(folder / "tree" / "pipe.wav")
    done = sh("timeout 100 audiolog tag --recursive tree --weights w.safetensors | cut -f 1 | uniq", folder)
    assert done == (0, "filename\ntree/other.wav\n", "")


def test_thresholds_decide_which_events_are_active(folder: Path) -> None:
    all_events = audiolog("tag other.wav --weights w.safetensors --threshold 0", folder).stdout
    assert all_events.count("\tevent\t") == 9  # 3 seconds, 3 events
    (folder / "dog.tsv").write_text("label\tthreshold\ndog\t0\n")
    only_dog = audiolog("tag other.wav --weights w.safetensors --threshold 1 --thresholds dog.tsv", folder).stdout
    assert {line.split("\t")[4] for line in only_dog.splitlines() if "\tevent\t" in line} == {"dog"}


def test_a_checkpoint_may_ask_for_smoothing_and_a_hop(folder: Path, cells: str) -> None:
    """Its own values apply unless others are asked for."""
    network, card = checkpoint.load(folder / "w.safetensors")
    checkpoint.save(folder / "own.safetensors", network, replace(card, smooth=3.0, smooth_scene=7.0, hop=5.0))
    own = audiolog("tag rec.wav --weights own.safetensors", folder).stdout
    assert own != cells
    assert own == audiolog("tag rec.wav --weights w.safetensors --smooth 3 --smooth-scene 7 --hop 5", folder).stdout
    assert audiolog("tag rec.wav --weights own.safetensors --smooth 0 --smooth-scene 0 --hop 10", folder).stdout == cells


def test_scores_of_two_recordings_never_go_into_one_file(folder: Path) -> None:
    (folder / "card2").mkdir()
    (folder / "card2" / "other.wav").write_bytes((folder / "other.wav").read_bytes())
    done = audiolog("tag other.wav card2/other.wav --weights w.safetensors --scores-dir twice", folder)
    first, last = done.stderr.splitlines()
    assert (done.code, done.stdout) == (3, audiolog("tag other.wav --weights w.safetensors", folder).stdout)
    assert first == (
        "audiolog: card2/other.wav: its scores would replace those of other.wav in twice/other.tsv; give it a --scores-dir of "
        "its own"
    )
    assert last.startswith("audiolog: 1 recording tagged, 1 failed, ")


def test_a_name_too_long_for_scores_costs_only_itself(folder: Path) -> None:
    name = f"{'x' * 251}.wav"  # as long as names may be; the scores have a longer one until they are complete
    shutil.copy(folder / "other.wav", folder / name)
    done = audiolog(f"tag {name} other.wav --weights w.safetensors --scores-dir long", folder)
    assert (done.code, [path.name for path in (folder / "long").iterdir()]) == (3, ["other.tsv"])
    assert f"audiolog: {name}: a name too long for a file of scores; rename it, or leave out --scores-dir\n" in done.stderr


def test_a_folder_or_a_list_without_recordings(tmp_path: Path, tiny_weights: Path) -> None:
    header = "filename\tonset\toffset\tkind\tlabel\tscore\n"
    (tmp_path / "empty").mkdir()
    (tmp_path / "list").write_text("")
    said = audiolog(f"tag empty --recursive --weights {tiny_weights}", tmp_path)
    assert said == (0, header, "audiolog: empty: no recordings in it\n")
    assert audiolog(f"tag --files-from list --weights {tiny_weights}", tmp_path) == (0, header, "")
    (tmp_path / "list").write_bytes(b"a.wav\0b.wav\0")
    assert audiolog(f"tag --files-from list --weights {tiny_weights}", tmp_path) == (
        1,
        "",
        "audiolog: list: names between NULs; expected one a line, as `find` prints them without -print0\n",
    )


def test_scores_are_written_for_every_cell_and_event(folder: Path) -> None:
    result = audiolog("tag other.wav rec.wav --weights w.safetensors --scores-dir scores --cell 0.5 --threshold 0.5", folder)
    lines = (folder / "scores" / "other.tsv").read_text().splitlines()
    assert lines[0] == "onset\toffset\tcar\tdog\tsiren"
    assert len(lines) == 1 + 6
    assert len((folder / "scores" / "rec.tsv").read_text().splitlines()) == 1 + 47
    written = {
        tuple(line.split("\t")[:2]): dict(zip(("car", "dog", "siren"), line.split("\t")[2:], strict=True)) for line in lines[1:]
    }
    events = [line.split("\t") for line in result.stdout.splitlines() if line.startswith("other.wav") and "\tevent\t" in line]
    assert all(f"{float(written[onset, offset][label]):.3f}" == score for _, onset, offset, _, label, score in events)
    assert not list((folder / "scores").glob("*.unfinished"))


def test_a_closed_pipe_is_silent(folder: Path) -> None:
    result = sh("audiolog tag rec.wav --weights w.safetensors | head -n 1; echo ${PIPESTATUS[0]}", folder)
    assert result == (0, HEADER + "141\n", "")


def test_interrupt_leaves_whole_lines_and_ends_with_130(folder: Path) -> None:
    """Ctrl-C while the recording is still coming in: what was heard so far is there, line by line."""
    audio = (folder / "rec.wav").read_bytes()
    command = [sys.executable, "-m", "audiolog_cli", "tag", "--weights", "w.safetensors", "--raw", "44100,2,s16le"]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(audio[44:])
        process.stdin.flush()
        lines = [process.stdout.readline() for _ in range(12)]  # two windows are complete, the third waits for more sound
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(timeout=60) == 130
        assert b"Traceback" not in process.stderr.read()
    assert all(line.count(b"\t") == 5 for line in [*lines, *rest.splitlines()])
    assert not rest or rest.endswith(b"\n")


def test_live_sound_is_heard_as_it_comes(folder: Path) -> None:
    """Cells of a window are out before the sound after it exists."""
    audio = (folder / "rec.wav").read_bytes()[44:]
    command = [sys.executable, "-m", "audiolog_cli", "tag", "--weights", "w.safetensors", "--raw", "44100,2,s16le"]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        process.stdin.write(audio[: round(10.5 * 44_100) * 4])
        process.stdin.flush()
        heard = b""
        while b"\t9.000\t10.000\tscene" not in heard:
            heard += process.stdout.readline()
        process.stdin.close()
        process.wait(timeout=60)


def test_a_start_past_the_end_is_reported(folder: Path) -> None:
    done = audiolog("tag other.wav --weights w.safetensors --start 60", folder)
    header = "filename\tonset\toffset\tkind\tlabel\tscore\n"
    assert done == (0, header, "audiolog: other.wav: ends at 3.000 s, nothing to hear from 60.000 s on\n")


def test_segments_past_the_end_are_reported(folder: Path) -> None:
    lines = "filename\tonset\toffset\nother.wav\t0\t2\nother.wav\t3\t4\nother.wav\t100\t110\n"
    done = audiolog("tag --weights w.safetensors", folder, lines.encode())
    assert done.stderr == "audiolog: other.wav: ends at 3.000 s; 2 of 3 segments lie past that, from 3.000 s on\n"
    assert {line.split("\t")[1] for line in done.stdout.splitlines()[1:]} == {"0.000", "1.000"}
    inside = audiolog(
        "tag --weights w.safetensors", folder, lines.replace("\t3\t4", "\t2\t4").split("other.wav\t100")[0].encode()
    )
    assert (inside.code, inside.stderr) == (0, "")


@pytest.mark.parametrize("segments", ["", " --window 7", " --window 10 --hop 5", " --window 0.5"])
def test_segments_that_leave_nothing_out_give_the_same_bytes_with_any_hop(segments: str, folder: Path) -> None:
    whole = audiolog("tag rec.wav --weights w.safetensors --hop 4", folder)
    listed = audiolog(f"segment rec.wav{segments}", folder).stdout
    assert audiolog("tag --weights w.safetensors --hop 4", folder, listed.encode()) == whole


def test_segments_of_standard_input_cannot_be_read_again(folder: Path) -> None:
    sound = (folder / "other.wav").read_bytes()
    listed = audiolog("segment -", folder, sound).stdout
    done = audiolog("tag --weights w.safetensors", folder, listed.encode())
    assert done == (1, "", "audiolog: stdin: segments of -, which cannot be read again\n")
    (folder / "list.tsv").write_text(listed)
    of_the_list = audiolog("tag list.tsv --weights w.safetensors", folder, sound)
    assert of_the_list == audiolog("tag - --weights w.safetensors", folder, sound)


def test_standard_input_is_read_once(folder: Path) -> None:
    sound = (folder / "other.wav").read_bytes()
    done = audiolog("tag - - --weights w.safetensors --quiet", folder, sound)
    assert (done.code, done.stderr) == (3, "audiolog: -: named twice, but standard input can be read only once\n")
    assert done.stdout == audiolog("tag - --weights w.safetensors", folder, sound).stdout


def test_a_file_name_that_is_not_utf8_passes_through(folder: Path) -> None:
    name = b"caf\xe9.wav"
    shutil.copy(folder / "other.wav", os.fsdecode(bytes(folder) + b"/" + name))
    result = sh("audiolog tag caf*.wav --weights w.safetensors | audiolog table | tail -n 1 | cut -f 1", folder)
    assert result == (0, os.fsdecode(name) + "\n", "")


@pytest.mark.parametrize(("jobs", "growth"), [(1, GROWTH), (2, GROWTH_OF_SEVERAL)])
def test_memory_does_not_grow_with_the_recording(jobs: int, growth: float, folder: Path) -> None:
    """Ten minutes and an hour through a pipe: holding the hour would double the memory. Equal runs differ by 2 %."""
    tagging = [sys.executable, "-m", "audiolog_cli", "tag", "-q", "--raw", "16000,1,s16le", "--weights", "w.safetensors"]
    tagging += ["--jobs", str(jobs)]
    runs = []
    for seconds in (600, 3600):
        with (folder / "silence").open("wb") as file:
            file.truncate(seconds * 32_000)
        with subprocess.Popen(["cat", "silence"], cwd=folder, stdout=subprocess.PIPE) as sound:
            runs.append(watched(tagging, 0.02, cwd=folder, stdin=sound.stdout, stdout=subprocess.DEVNULL))
    short, long = runs
    assert long.growth_over(short) <= growth, f"{long}; before: {short}"


def test_only_auto_chooses_a_device() -> None:
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type in ("cpu", "cuda", "mps")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match=r"^--device cuda: there is none here; --device auto takes what there is$"):
            find_device("cuda")


class Cramped(torch.nn.Module):
    """A network with memory for two windows: real allocations beyond what the system has for more."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []  # batches that it was given

    def forward(self, wave: torch.Tensor) -> Output:
        self.asked.append(len(wave))
        if len(wave) > 2:
            torch.empty(2**60)  # no computer has it
        return Output(latent=wave[:, :1], event_logits=wave[:, :6].reshape(-1, 2, 3), scene_logits=wave[:, :2])


def test_a_batch_that_does_not_fit_into_memory_is_halved_and_so_are_those_after_it(tiny_weights: Path) -> None:
    batch = [Window(i, 0, 0.0, 8, np.full(8, i / 10, np.float32)) for i in range(7)]
    network = Cramped()
    tagger = replace(load(LoadOptions(weights=str(tiny_weights), device="cpu", batch_size=7)), network=network)
    scenes, events = probabilities(tagger, batch)
    assert network.asked == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    probabilities(tagger, batch)
    assert network.asked[9:] == [1] * 7
    assert (scenes.shape, events.shape) == ((7, 2), (7, 2, 3))
    assert events[:, 0, 0] == pytest.approx([1 / (1 + np.exp(-i / 10)) for i in range(7)])


def test_one_window_that_does_not_fit_is_an_error(tiny_weights: Path) -> None:
    class Full(torch.nn.Module):
        def forward(self, wave: torch.Tensor) -> Output:
            raise torch.OutOfMemoryError(str(wave.shape))

    with pytest.raises(DeviceError, match="^not enough memory on cpu for one window; try --jobs 1, or a smaller model$"):
        probabilities(
            replace(load(LoadOptions(weights=str(tiny_weights), device="cpu")), network=Full()),
            [Window(0, 0, 0.0, 8, np.zeros(8, np.float32))],
        )
