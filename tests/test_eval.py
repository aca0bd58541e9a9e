"""`audiolog eval`: what it prints, what it refuses, and what its options change."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from audiolog_cli.evaluation.formats import _confusion_table
from tests.shell import ROOT, Result, audiolog, sh

# Two recordings. rec1: a car for 3 s, a dog from 2 s to 4 s. rec2: a dog in the second second.
REFERENCE = "filename\tonset\toffset\tevent_label\nrec1.wav\t0.0\t3.0\tcar\nrec1.wav\t2.0\t4.0\tdog\nrec2.wav\t1.0\t2.0\tdog\n"
SCENES = "filename\tscene_label\nrec1.wav\tstreet\nrec2.wav\tpark\n"
CELLS = """filename	onset	offset	kind	label	score
data/rec1.wav	0.000	1.000	scene	street	0.900
data/rec1.wav	0.000	1.000	event	car	0.900
data/rec1.wav	1.000	2.000	scene	street	0.900
data/rec1.wav	1.000	2.000	event	car	0.800
data/rec1.wav	2.000	3.000	scene	street	0.900
data/rec1.wav	2.000	3.000	event	car	0.700
data/rec1.wav	3.000	4.000	scene	park	0.500
data/rec1.wav	3.000	4.000	event	car	0.600
data/rec2.wav	0.000	1.000	scene	park	0.900
data/rec2.wav	1.000	2.000	scene	park	0.900
data/rec2.wav	1.000	2.000	event	dog	0.700
"""
SCORES = {
    "rec1": "onset\toffset\tcar\tdog\n0.0\t1.0\t0.9\t0.1\n1.0\t2.0\t0.8\t0.1\n2.0\t3.0\t0.7\t0.4\n3.0\t4.0\t0.6\t0.3\n",
    "rec2": "onset\toffset\tcar\tdog\n0.0\t1.0\t0.1\t0.2\n1.0\t2.0\t0.2\t0.7\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ref.tsv").write_text(REFERENCE)
    (tmp_path / "scenes.tsv").write_text(SCENES)
    (tmp_path / "cells.tsv").write_text(CELLS)
    (tmp_path / "scores").mkdir()
    for name, text in SCORES.items():
        (tmp_path / f"scores/{name}.tsv").write_text(text)
    return tmp_path


def report(done: Result) -> Any:
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


def test_cells_from_a_pipe_against_lists(folder: Path) -> None:
    done = audiolog("eval --reference ref.tsv --reference scenes.tsv --format github --by-class", folder, CELLS.encode())
    # Second 2 of rec1 misses the dog, second 3 takes it for a car: 2 errors in 6 references. Of 4 s of street 3 are recognised.
    assert done.stdout == (
        "| metric                 | value | rule                                  |\n"
        "| ---------------------- | ----- | ------------------------------------- |\n"
        "| segment error rate     | 0.333 | 1-s segments, any overlap             |\n"
        "| segment f1             | 0.727 | 1-s segments, any overlap             |\n"
        "| segment precision      | 0.800 | 1-s segments, any overlap             |\n"
        "| segment recall         | 0.667 | 1-s segments, any overlap             |\n"
        "| segment macro f1       | 0.679 | 1-s segments, any overlap             |\n"
        "| event f1               | 0.800 | collar 0.2 s, offset max(0.2 s, 50 %) |\n"
        "| event macro f1         | 0.833 | collar 0.2 s, offset max(0.2 s, 50 %) |\n"
        "| event error rate       | 0.333 | collar 0.2 s, offset max(0.2 s, 50 %) |\n"
        "| scene accuracy         | 0.875 | per second                            |\n"
        "| scene overall accuracy | 0.833 | per second                            |\n"
        "\n"
        "| label | segment f1 | segment precision | segment recall | segment error rate | segment n reference | "
        "segment n estimated | event f1 |\n"
        "| ----- | ---------- | ----------------- | -------------- | ------------------ | ------------------- | "
        "------------------- | -------- |\n"
        "| car   | 0.857      | 0.750             | 1.000          | 0.333              | 3                   | "
        "4                   | 1.000    |\n"
        "| dog   | 0.500      | 1.000             | 0.333          | 0.667              | 3                   | "
        "1                   | 0.667    |\n"
        "\n"
        "| scene  | scene accuracy | scene n reference |\n"
        "| ------ | -------------- | ----------------- |\n"
        "| park   | 1.000          | 2                 |\n"
        "| street | 0.750          | 4                 |\n"
        "\n"
        "| reference \\ estimate | park | street | (none) |\n"
        "| -------------------- | ---- | ------ | ------ |\n"
        "| park                 | 2    | 0      | 0      |\n"
        "| street               | 1    | 3      | 0      |\n"
        "| (none)               | 0    | 0      | 0      |\n"
    )
    assert done.stderr == (
        "audiolog: compared 2 files, 6 s (6 segments), 2 event labels, 2 scenes: "
        "2 in both, 0 not estimated, 0 without reference events, 0 ignored\n"
    )
    assert done.code == 0


def test_tsv_has_one_figure_a_line_for_grep(folder: Path) -> None:
    done = sh(
        "audiolog eval cells.tsv --reference ref.tsv --by-file -q | grep -P "
        "'^(scope|file)\\t.*segment_(f1|error_rate)\\t|^scope'",
        folder,
    )
    assert done.stdout == (
        "scope\tname\tmetric\tvalue\trule\n"
        "file\trec1\tsegment_error_rate\t0.4\t1-s segments, any overlap\n"
        "file\trec1\tsegment_f1\t0.6666666666666666\t1-s segments, any overlap\n"
        "file\trec2\tsegment_error_rate\t0.0\t1-s segments, any overlap\n"
        "file\trec2\tsegment_f1\t1.0\t1-s segments, any overlap\n"
    )
    assert done.stderr == ""


def test_rows_score_like_the_cells_they_were_made_of(folder: Path) -> None:
    arguments = "--reference ref.tsv --reference scenes.tsv --by-class"
    cells = audiolog(f"eval cells.tsv {arguments}", folder)
    rows = audiolog(f"eval {arguments}", folder, audiolog("table cells.tsv", folder).stdout.encode())
    assert rows == cells
    assert rows.code == 0


def test_a_list_against_itself_is_perfect(folder: Path) -> None:
    figures = report(audiolog("eval ref.tsv --reference ref.tsv --format json", folder))["pooled"]
    assert figures["segment"]["f1"] == figures["segment"]["macro_f1"] == figures["event"]["f1"] == 1
    assert figures["segment"]["error_rate"] == figures["event"]["error_rate"] == 0


@pytest.mark.parametrize(("decode", "f1"), [("any", 2 / 3), ("mean", 1.0), ("baseline", 0.0)])
def test_the_decoding_rule_changes_the_figure_and_is_printed_beside_it(tmp_path: Path, decode: str, f1: float) -> None:
    (tmp_path / "ref.tsv").write_text("filename\tonset\toffset\tevent_label\na\t0\t1\tdog\n")
    (tmp_path / "est.tsv").write_text("filename\tonset\toffset\tevent_label\na\t0.1\t0.9\tdog\na\t1.6\t1.9\tdog\n")
    found = report(audiolog(f"eval est.tsv --reference ref.tsv --decode {decode} --format json", tmp_path))
    assert found["pooled"]["segment"]["f1"] == (pytest.approx(f1) if f1 else None)
    rules = {"any": "any overlap", "mean": "more than half covered", "baseline": "ends floored"}
    assert found["rules"]["segment"] == f"1-s segments, {rules[decode]}"


def test_the_length_of_segments(folder: Path) -> None:
    counts = [
        report(audiolog(f"eval cells.tsv --reference ref.tsv --segment {length} --format json", folder))["pooled"]["segment"]
        for length in (1, 0.5, 2)
    ]
    assert [count["n_reference"] for count in counts] == [6, 12, 4]


@pytest.mark.parametrize("decode", ["any", "mean", "baseline"])
def test_scores_on_segments_that_floating_point_cannot_hold(tmp_path: Path, decode: str) -> None:
    """In floating point 0.3 / 0.1 is below 3, as sed_eval counts; scores, and their reference, use rounded borders."""
    (tmp_path / "ref.tsv").write_text("filename\tonset\toffset\tevent_label\na.wav\t0.3\t0.6\tdog\n")
    (tmp_path / "scores").mkdir()
    rows = [f"{i / 10:.1f}\t{(i + 1) / 10:.1f}\t{0.9 if 3 <= i < 6 else 0.1}\n" for i in range(10)]
    (tmp_path / "scores" / "a.tsv").write_text("onset\toffset\tdog\n" + "".join(rows))
    line = f"eval --reference ref.tsv --scores-dir scores --segment 0.1 --decode {decode} --format json"
    segment = report(audiolog(line, tmp_path))["pooled"]["segment"]
    assert (segment["error_rate"], segment["f1"], segment["n_reference"]) == (0, 1, 3)


def test_a_list_names_recordings_without_events_as_desed_does(tmp_path: Path) -> None:
    (tmp_path / "ref.tsv").write_text("filename\tonset\toffset\tevent_label\na.wav\t0\t1\tdog\nb.wav\t\t\t\n")
    (tmp_path / "est.tsv").write_text("filename\tonset\toffset\tevent_label\na.wav\t0\t1\tdog\nb.wav\t1\t2\tdog\n")
    done = audiolog("eval est.tsv --reference ref.tsv --format json", tmp_path)
    assert report(done)["pooled"]["segment"]["insertions"] == 1
    assert "compared 2 files, 3 s (3 segments), 1 event label: 2 in both" in done.stderr


def test_names_and_labels_are_compared_as_they_look(tmp_path: Path) -> None:
    """`ö` in one character, and as `o` with two dots, as macOS writes names."""
    (tmp_path / "ref.tsv").write_text("filename\tonset\toffset\tevent_label\nV\u00f6gel.wav\t0\t1\tH\u00e4her\n")
    (tmp_path / "est.tsv").write_text("filename\tonset\toffset\tevent_label\nVo\u0308gel.flac\t0\t1\tHa\u0308her\n")
    (tmp_path / "durations.tsv").write_text("filename\tduration\nVo\u0308gel.wav\t1\n")
    done = audiolog("eval est.tsv --reference ref.tsv --durations durations.tsv --format json", tmp_path)
    assert report(done)["pooled"]["segment"]["f1"] == 1


def test_a_name_with_dots_matches_its_label_track(tmp_path: Path) -> None:
    (tmp_path / "site.2024.txt").write_text("0\t1\tdog\n")
    (tmp_path / "est.tsv").write_text("filename\tonset\toffset\tevent_label\nsite.2024.wav\t0\t1\tdog\n")
    assert report(audiolog("eval est.tsv --reference site.2024.txt --format json", tmp_path))["pooled"]["event"]["f1"] == 1


@pytest.mark.parametrize("format", ["audacity", "raven"])
def test_annotations_of_editors_are_references_and_estimates(format: str, folder: Path) -> None:
    """What `table` writes for an editor scores like the cells it was made from; a label track has no scenes."""
    cells = CELLS.split("data/rec2")[0] if format == "audacity" else CELLS
    events = "".join(line for line in cells.splitlines(keepends=True) if "scene" not in line)
    (folder / "rec1.txt").write_text(audiolog(f"table -q --format {format}", folder, events.encode()).stdout)
    (folder / "ref.tsv").write_text(
        "".join(line for line in REFERENCE.splitlines(keepends=True) if "rec2" not in line or format == "raven")
    )
    of_cells = report(audiolog("eval --reference ref.tsv --format json", folder, events.encode()))
    assert report(audiolog("eval rec1.txt --reference ref.tsv --format json", folder))["pooled"] == of_cells["pooled"]
    same = report(audiolog("eval rec1.txt --reference rec1.txt --format json", folder))["pooled"]
    assert same["segment"]["f1"] == same["event"]["f1"] == 1


def test_a_reference_of_scenes_alone_gives_no_event_figures(folder: Path) -> None:
    """Estimated events are ignored, and reported as such."""
    done = audiolog("eval cells.tsv --reference scenes.tsv --by-class", folder)
    assert [line.split("\t")[:4] for line in done.stdout.splitlines()[1:]] == [
        ["pooled", "", "scene_accuracy", "0.875"],
        ["pooled", "", "scene_overall_accuracy", repr(5 / 6)],
        ["scene", "park", "scene_accuracy", "1.0"],
        ["scene", "park", "scene_n_reference", "2.0"],
        ["scene", "street", "scene_accuracy", "0.75"],
        ["scene", "street", "scene_n_reference", "4.0"],
    ]
    assert "ignored in the estimate: car (4), dog (1)" in done.stderr
    assert "undefined" not in done.stderr


def test_what_is_named_twice_is_refused(folder: Path) -> None:
    assert audiolog("eval ref.tsv ref.tsv --reference ref.tsv", folder) == (
        2,
        "",
        "audiolog: ref.tsv: named twice; give each file once\n",
    )
    twice = CELLS + CELLS.split("score\n")[1]
    assert audiolog("eval --reference ref.tsv", folder, twice.encode()).stderr == (
        "audiolog: data/rec1.wav: begins again at 0.000 s: it was named twice, or two tables of it are given; give one\n"
    )


def test_cells_that_meet_to_the_millisecond_are_one_event(tmp_path: Path) -> None:
    """0.1 + 0.2 s, as a program that adds floats writes it, is 0.3 s."""
    reference = "filename\tonset\toffset\tevent_label\na.wav\t0.1\t0.6\tdog\n"
    (tmp_path / "ref.tsv").write_text(reference)
    cells = "filename\tonset\toffset\tkind\tlabel\tscore\na.wav\t0.1\t0.3\tevent\tdog\t0.9\n"
    cells += f"a.wav\t{0.1 + 0.2!r}\t0.6\tevent\tdog\t0.9\n"
    assert report(audiolog("eval --reference ref.tsv --format json", tmp_path, cells.encode()))["pooled"]["event"]["f1"] == 1


def test_a_recording_has_a_longest_possible_duration(tmp_path: Path) -> None:
    """Otherwise samples or milliseconds in place of seconds would take terabytes."""
    (tmp_path / "ref.tsv").write_text("filename\tonset\toffset\tevent_label\na.wav\t0\t9e9\tdog\n")
    message = "audiolog: a: ends at 9e+09 s, too many segments of 1 s; onsets and offsets are in seconds\n"
    assert audiolog("eval ref.tsv --reference ref.tsv", tmp_path) == (1, "", message)


def test_durations_cut_events_off_and_name_quiet_recordings(folder: Path) -> None:
    (folder / "durations.tsv").write_text("filename\tduration\nrec1.wav\t2.0\nrec2.wav\t2.0\nquiet.wav\t10.0\n")
    done = audiolog("eval cells.tsv --reference ref.tsv --durations durations.tsv --format json", folder)
    found = report(done)
    assert found["pooled"]["segment"]["n_reference"] == 3  # two seconds of car, one of dog
    assert (found["compared"]["seconds"], found["compared"]["segments"]) == (14.0, 14)
    assert done.stderr == (
        "audiolog: compared 3 files, 14 s (14 segments), 2 event labels: 2 in both, 1 not estimated, 0 without reference events, "
        "0 ignored\n"
        "audiolog: not estimated, their events count as deletions: quiet\n"
    )


def test_a_recording_that_was_not_estimated_is_all_deletions(folder: Path) -> None:
    done = audiolog("eval --reference ref.tsv --format json", folder, CELLS.split("data/rec2")[0].encode())
    assert report(done)["pooled"]["segment"]["deletions"] == 2  # one in rec1, all of rec2
    assert "not estimated, their events count as deletions: rec2" in done.stderr


def test_a_scene_of_unknown_length_that_was_not_estimated_is_reported(folder: Path) -> None:
    """The length of quiet.wav is unknown: with --durations its seconds count, without them a message says that they do not."""
    (folder / "scenes.tsv").write_text(SCENES + "quiet.wav\tpark\n")
    line = "eval cells.tsv --reference ref.tsv --reference scenes.tsv --scene-unit second --format json"
    done = audiolog(line, folder)
    assert report(done)["pooled"]["scene"]["overall_accuracy"] == pytest.approx(5 / 6)
    said = (
        "audiolog: no scene estimated and no length known, so in scene accuracy only as far as they have events: quiet; "
        "--durations gives lengths\n"
    )
    assert said in done.stderr
    (folder / "durations.tsv").write_text("filename\tduration\nrec1.wav\t4.0\nrec2.wav\t2.0\nquiet.wav\t10.0\n")
    done = audiolog(f"{line} --durations durations.tsv", folder)
    assert report(done)["pooled"]["scene"]["overall_accuracy"] == pytest.approx(5 / 16)
    assert said not in done.stderr


def test_an_unknown_label_is_refused_or_left_out_on_request(folder: Path) -> None:
    done = audiolog("eval --reference ref.tsv", folder, CELLS.replace("dog", "wolf").encode())
    assert done == Result(
        1,
        "",
        "audiolog: the label 'wolf' is estimated, but not in the reference (which has car, dog, ...); "
        "add it with --labels, or leave it out with --allow-unknown-labels\n",
    )
    done = audiolog(
        "eval --reference ref.tsv --allow-unknown-labels --format json", folder, CELLS.replace("dog", "wolf").encode()
    )
    assert report(done)["compared"]["labels_ignored_in_estimate"] == {"wolf": 1}
    assert "audiolog: ignored in the estimate: wolf (1)\n" in done.stderr


def test_labels_choose_what_is_scored(folder: Path) -> None:
    (folder / "labels.txt").write_text("dog\ncat\n")
    done = audiolog("eval cells.tsv --reference ref.tsv --labels labels.txt --format json", folder)
    found = report(done)
    assert found["compared"]["labels"] == ["dog", "cat"]
    assert found["pooled"]["segment"]["macro_f1"] == 0.25  # dog 0.5; the cat, undefined, counts 0
    assert "ignored in the reference: car (1)" in done.stderr
    assert "ignored in the estimate: car (4)" in done.stderr


def test_an_unknown_recording_is_refused_or_left_out_on_request(folder: Path) -> None:
    done = audiolog("eval --reference ref.tsv", folder, CELLS.replace("rec2", "rec3").encode())
    assert done.code == 1
    assert done.stderr == (
        "audiolog: rec3: estimated, but not in the reference (which names rec1, ...); list it in --durations "
        "if nothing happens in it, or leave it out with --allow-unknown-files\n"
    )
    done = audiolog(
        "eval --reference ref.tsv --allow-unknown-files --format json", folder, CELLS.replace("rec2", "rec3").encode()
    )
    assert report(done)["compared"]["files_ignored"] == ["rec3"]


def test_an_empty_reference_has_no_error_rate(folder: Path) -> None:
    (folder / "empty.tsv").write_text(REFERENCE.splitlines(keepends=True)[0])
    (folder / "labels.txt").write_text("car\ndog\n")
    done = audiolog("eval cells.tsv --reference empty.tsv --reference scenes.tsv --labels labels.txt", folder)
    assert done.stdout.splitlines()[1].split("\t")[2:4] == ["segment_error_rate", "nan"]
    assert "the reference has no events of these labels: error rate, recall and F1 are undefined" in done.stderr


def test_names_that_share_a_stem_are_compared_whole(tmp_path: Path) -> None:
    table = "filename\tonset\toffset\tevent_label\nx/a.wav\t0\t1\tdog\ny/a.wav\t0\t2\tdog\n"
    (tmp_path / "ref.tsv").write_text(table)
    found = report(audiolog("eval ref.tsv --reference ref.tsv --by-file --format json", tmp_path))
    assert list(found["by_file"]) == ["x/a.wav", "y/a.wav"]


def test_a_failed_recording_is_named_and_ends_with_code_3(folder: Path) -> None:
    failure = '{"kind":"error","filename":"rec2.wav","message":"rec2.wav: not audio"}'
    cell = '{"filename":"rec1.wav","onset":0,"offset":3,"kind":"event","label":"car","score":0.9}'
    done = audiolog("eval --reference ref.tsv --format json", folder, f"{cell}\n{failure}\n".encode())
    assert done.code == 3
    assert json.loads(done.stdout)["pooled"]["segment"]["deletions"] == 3
    assert "audiolog: not estimated, the recording failed: rec2.wav: not audio\n" in done.stderr


def test_scenes_by_second_or_by_file(folder: Path) -> None:
    line = "eval cells.tsv --reference ref.tsv --reference scenes.tsv --scene-unit {} --format json"
    by_second, by_file = (report(audiolog(line.format(unit), folder)) for unit in ("second", "file"))
    assert (by_second["rules"]["scene"], by_second["pooled"]["scene"]["accuracy"]) == ("per second", 0.875)
    assert (by_file["rules"]["scene"], by_file["pooled"]["scene"]["accuracy"]) == ("per file", 1.0)


@pytest.mark.parametrize("lists", [("other.tsv",), ("scenes.tsv", "times.tsv")])
def test_scenes_that_overlap_are_refused(lists: tuple[str, ...], folder: Path) -> None:
    """Their seconds would count twice: 21 seconds of a recording of 15."""
    (folder / "times.tsv").write_text("filename\tonset\toffset\tscene_label\nrec1.wav\t1\t3\tpark\n")
    (folder / "other.tsv").write_text("filename\tonset\toffset\tscene_label\nrec1.wav\t0\t4\tstreet\nrec1.wav\t1\t3\tpark\n")
    references = " ".join(f"--reference {path}" for path in lists)
    message = "audiolog: rec1: two scenes at 1.000 s, street and park; a moment has one scene\n"
    assert audiolog(f"eval cells.tsv --allow-unknown-files {references}", folder) == (1, "", message)


def test_scores_alone_are_the_estimate(folder: Path) -> None:
    done = audiolog("eval --reference ref.tsv --scores-dir scores --format json --by-class", folder)
    found = report(done)
    assert found["pooled"]["segment"]["error_rate"] == pytest.approx(2 / 6)  # above 0.5 as in the cells
    assert found["rules"]["segment"] == "1-s segments, any frame > 0.5"
    # dog: 0.7 right, 0.4 right, 0.3 right, the rest below: perfect above 0.25
    assert found["by_class"]["dog"]["score"]["best_threshold"] == 0.25
    assert found["by_class"]["dog"]["score"]["average_precision"] == 1.0


def test_figures_are_printed_even_if_the_thresholds_cannot_be_written(folder: Path) -> None:
    done = audiolog("eval --reference ref.tsv --scores-dir scores --tune nowhere/t.tsv -q", folder)
    assert (done.code, done.stderr) == (1, "audiolog: nowhere/t.tsv: no such file\n")
    assert "segment_f1" in done.stdout


def test_tuned_thresholds_are_read_back_and_reach_the_best_f1(folder: Path) -> None:
    done = audiolog("eval --reference ref.tsv --scores-dir scores --tune thresholds.tsv --format json", folder)
    best = report(done)["pooled"]["score"]["best_f1"]
    assert (folder / "thresholds.tsv").read_text() == "label\tthreshold\ncar\t0.6499999999999999\ndog\t0.25\n"
    line = "eval --reference ref.tsv --scores-dir scores --thresholds thresholds.tsv --format json"
    tuned = report(audiolog(line, folder))
    assert tuned["pooled"]["segment"]["f1"] == best == 1.0
    assert tuned["rules"]["segment"] == "1-s segments, any frame > its label's threshold"


def test_a_label_without_reference_gets_no_threshold(folder: Path) -> None:
    (folder / "labels.txt").write_text("dog\ncar\n")
    (folder / "ref.tsv").write_text("".join(line for line in REFERENCE.splitlines(keepends=True) if "dog" not in line))
    done = audiolog("eval --reference ref.tsv --scores-dir scores --labels labels.txt --tune t.tsv --allow-unknown-files", folder)
    assert (folder / "t.tsv").read_text() == "label\tthreshold\ncar\t0.6499999999999999\n"
    assert "t.tsv: no threshold for labels without reference events: dog" in done.stderr


def test_folds_are_given_apart_pooled_and_as_a_mean(folder: Path) -> None:
    (folder / "folds.tsv").write_text("filename\tfold\nrec1.wav\tone\nrec2.wav\ttwo\n")
    found = report(audiolog("eval cells.tsv --reference ref.tsv --folds folds.tsv --format json", folder))
    rates = {name: figures["segment"]["error_rate"] for name, figures in found["folds"].items()}
    assert rates == {"one": 0.4, "two": 0.0}
    assert found["mean_of_folds"]["segment"]["error_rate"] == 0.2
    assert found["pooled"]["segment"]["error_rate"] == pytest.approx(2 / 6)
    table = audiolog("eval cells.tsv --reference ref.tsv --folds folds.tsv -q", folder).stdout
    scopes = [line.partition("\t")[0] for line in table.splitlines()]
    assert list(dict.fromkeys(scopes)) == ["scope", "pooled", "mean_of_folds", "fold"]


def test_confidence_intervals_enclose_the_figure_and_repeat(folder: Path) -> None:
    line = "eval cells.tsv --reference ref.tsv --reference scenes.tsv --confidence"
    first, second = audiolog(line, folder), audiolog(line, folder)
    assert first == second
    rows = [row.split("\t") for row in first.stdout.splitlines()]
    assert rows[0][-2:] == ["low", "high"]
    bounded = [row for row in rows[1:] if row[-1]]
    assert {row[2] for row in bounded} == {
        *(f"{group}_{name}" for group in ("segment", "event") for name in ("error_rate", "f1", "macro_f1")),
        "scene_accuracy",
        "scene_overall_accuracy",
    }
    for row in bounded:
        value, low, high = (float(row[i]) for i in (3, 5, 6))
        assert low <= value <= high
    assert [row[5:] for row in bounded if row[2] == "segment_error_rate"] == [["0.0", "0.4"]]  # rec2 twice, rec1 twice


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("eval cells.tsv", 2, "eval needs the truth: --reference PATH"),
        ("eval cells.tsv --reference none.tsv", 1, "none.tsv: no such file"),
        ("eval cells.tsv --reference ref.tsv --plot x.svg", 2, "--plot: nothing to draw"),
        ("eval --reference ref.tsv --scores-dir bad", 1, "rec1.tsv:1: expected the columns onset"),
        ("eval cells.tsv --reference scores", 1, "scores: no annotations"),
        ("eval cells.tsv --reference ref.tsv --durations d.tsv", 1, "rec2: in the reference, but --durations does not list it"),
        ("eval cells.tsv --reference ref.tsv --segment 0", 2, "0 is not in the range"),
    ],
)
def test_mistakes_are_one_line_that_names_the_place(folder: Path, line: str, code: int, message: str) -> None:
    (folder / "d.tsv").write_text("filename\tduration\nrec1.wav\t4\n")
    (folder / "bad").mkdir()
    (folder / "bad" / "rec1.tsv").write_text(REFERENCE)
    if "--plot" in line:
        pytest.importorskip("matplotlib", reason="the extra `metrics` is not installed")
    done = audiolog(line, folder)
    assert (done.code, done.stdout) == (code, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_plot_takes_labels_as_they_are(folder: Path) -> None:
    """Two dollar signs were mathematics, and Chinese a Python warning."""
    pytest.importorskip("matplotlib", reason="the extra `metrics` is not installed")
    (folder / "odd").mkdir()
    for source, target in (("ref.tsv", "odd.tsv"), ("scores/rec1.tsv", "odd/rec1.tsv"), ("scores/rec2.tsv", "odd/rec2.tsv")):
        text = (folder / source).read_text()
        (folder / target).write_text(text.replace("car", "$\\x$").replace("dog", "\u72d7"))
    assert audiolog("eval --reference odd.tsv --scores-dir odd -q --plot odd.svg", folder)[::2] == (0, "")


def test_plots(folder: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra `metrics` is not installed")
    line = "eval cells.tsv --reference ref.tsv --reference scenes.tsv --scores-dir scores -q --plot out.svg"
    assert audiolog(line, folder).code == 0
    drawn = (folder / "out.svg").read_text()
    assert all(text in drawn for text in ("dog (1.00)", "recall", "precision", "street", "0.75"))
    assert "<svg" in drawn
    done = audiolog(line.replace("out.svg", "out.doc"), folder)
    assert (done.code, done.stderr) == (2, "audiolog: --plot out.doc: expected a name that ends in .svg, .pdf, .png\n")


def test_psds_is_asked_of_its_library(folder: Path) -> None:
    pytest.importorskip("sed_scores_eval", reason="the extra `metrics` is not installed")
    found = report(audiolog("eval --reference ref.tsv --scores-dir scores --psds --format json", folder))["pooled"]["library"]
    assert list(found) == ["psds1", "psds2", "event_best_macro_f1"] and 0 <= found["psds1"] <= 1


def test_what_a_library_cannot_compute_is_undefined_and_reported(folder: Path) -> None:
    pytest.importorskip("sed_scores_eval", reason="the extra `metrics` is not installed")
    (folder / "labels.txt").write_text("dog\n")  # PSDS2 is about confusing one label with another
    done = audiolog("eval --reference ref.tsv --scores-dir scores --labels labels.txt --psds --format json", folder)
    assert report(done)["pooled"]["library"]["psds2"] is None
    assert "audiolog: sed_scores_eval could not compute PSDS2 (" in done.stderr


def test_without_the_extra_the_options_that_need_it_say_so(folder: Path) -> None:
    program = (
        "import sys; sys.modules['sed_scores_eval'] = sys.modules['matplotlib'] = None;"
        "from audiolog_cli.cli import main; sys.exit(main())"
    )
    (folder / "bare.py").write_text(program)
    for option, name in (("--scores-dir scores --psds", "sed_scores_eval"), ("--plot x.svg", "matplotlib")):
        done = sh(f"{sys.executable} bare.py eval cells.tsv --reference ref.tsv --reference scenes.tsv {option}", folder)
        assert done.code == 2
        assert f"{name} is not installed; pip install 'audiolog[metrics]' brings it" in done.stderr
    assert sh(f"{sys.executable} bare.py eval cells.tsv --reference ref.tsv", folder).code == 0


def test_the_examples_of_the_manual(folder: Path) -> None:
    """docs/evaluation.md: each console block is run where the files of this test lie; stderr is not shown there."""
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "docs/evaluation.md").read_text(), re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = example.partition("\n")
            assert sh(line, folder).stdout == output, line


def test_a_confusion_of_weeks_shows_all_its_seconds() -> None:
    """As 1.23457e+06, before."""
    matrix = {"labels": ["park", "(none)"], "rows_are_reference": [[1234567.5, 0.0], [0.0, 0.0]]}
    assert "| park                 | 1234567.5 | 0      |\n" in "".join(_confusion_table(matrix))
