"""Annotations in the formats of the data sets: small tables in, events and scenes out."""

import math
from pathlib import Path

import numpy as np
import pytest

from audiolog_cli.errors import InputError, RecordError
from audiolog_cli.evaluation.material import Side
from audiolog_cli.evaluation.references import Annotations, read_annotations, read_lines
from audiolog_cli.evaluation.tables import read_durations, read_folds, read_frame_scores, read_labels, score_files


def read(text: str) -> Annotations:
    annotations = Annotations()
    read_lines(text.splitlines(keepends=True), "x.tsv", annotations)
    return annotations


def events(annotations: Annotations) -> list[tuple[str, float, float, str]]:
    labels = list(annotations.event_labels)
    return [
        (name, onset, offset, labels[label])
        for name, track in annotations.events.items()
        for onset, offset, label in zip(track.onset, track.offset, track.label, strict=True)
    ]


def scenes(annotations: Annotations) -> list[tuple[str, float, float, str]]:
    labels = list(annotations.scene_labels)
    return [
        (name, onset, offset, labels[label])
        for name, track in annotations.scenes.items()
        for onset, offset, label in zip(track.onset, track.offset, track.label, strict=True)
    ]


def test_dcase_list() -> None:
    found = read("filename\tonset\toffset\tevent_label\na.wav\t0.5\t2.0\tdog\n")
    assert events(found) == [("a.wav", 0.5, 2.0, "dog")]
    assert not found.events["a.wav"].in_cells


def test_cells_keep_their_scenes_as_stretches() -> None:
    found = read(
        "filename\tonset\toffset\tkind\tlabel\tscore\n"
        "a.wav\t0.000\t1.000\tscene\tpark\t0.9\na.wav\t0.000\t1.000\tevent\tdog\t0.8\n"
        "a.wav\t1.000\t2.000\tscene\tpark\t0.9\na.wav\t2.000\t3.000\tscene\tstreet\t0.9\n"
    )
    assert scenes(found) == [("a.wav", 0.0, 2.0, "park"), ("a.wav", 2.0, 3.0, "street")]
    assert events(found) == [("a.wav", 0.0, 1.0, "dog")]
    assert found.events["a.wav"].in_cells


def test_a_table_of_scenes_beside_a_list_joins_no_events_of_the_list(tmp_path: Path) -> None:
    """Two barks that touch are two events of a list, whatever other files say; seconds of a table are one bark."""
    (tmp_path / "list.tsv").write_text("filename\tonset\toffset\tevent_label\na.wav\t0\t1\tdog\na.wav\t1\t2\tdog\n")
    (tmp_path / "rows.tsv").write_text("filename\tonset\toffset\tscene\tevents\na.wav\t0\t3\tpark\t\n")
    for order in ("list.tsv rows.tsv", "rows.tsv list.tsv"):
        found = read_annotations([str(tmp_path / name) for name in order.split()])
        assert not found.events["a.wav"].in_cells
        estimate = Side(found, {"a": "a.wav"}, np.array([0]))
        assert estimate.events("a").onset.tolist() == [0.0, 1.0]


def test_rows() -> None:
    found = read("filename\tonset\toffset\tscene\tevents\na.wav\t0\t3\tpark\tcar, horn;dog\n")
    assert events(found) == [("a.wav", 0.0, 3.0, "car, horn"), ("a.wav", 0.0, 3.0, "dog")]
    assert scenes(found) == [("a.wav", 0.0, 3.0, "park")]


def test_json_lines_tell_of_recordings_without_events_and_of_failures() -> None:
    found = read(
        '{"kind":"end","filename":"a.wav","duration":3.0,"cells":0,"weights":"w","version":"1"}\n'
        '{"kind":"error","filename":"b.wav","message":"b.wav: not audio"}\n'
    )
    assert list(found.events) == ["a.wav"]
    assert found.failures == ["b.wav: not audio"]


def test_soft_labels_are_events_strictly_above_one_half() -> None:
    found = read("filename\tonset\toffset\tevent_label\tsoft_label\na\t0\t1\tcar\t0.5\na\t1\t2\tcar\t0.51\n")
    assert events(found) == [("a", 1.0, 2.0, "car")]


def test_imoto() -> None:
    header = "path\tscene_label\tevent_start_time\tevent_end_time\tevent_label\n"
    found = read(header + "x/a.wav\thome\t0.5\t2.0\tdishes\nx/a.wav\thome\t1.0\t1.0\t(object) impact\n")
    assert events(found) == [("x/a.wav", 0.5, 2.0, "dishes"), ("x/a.wav", 1.0, 1.0, "(object) impact")]
    assert scenes(found) == [("x/a.wav", 0.0, math.inf, "home")]


def test_scene_lists() -> None:
    assert scenes(read("filename\tscene_label\na.wav\thome\n")) == [("a.wav", 0.0, math.inf, "home")]
    timed = read("filename\tonset\toffset\tscene_label\na.wav\t0\t4\thome\na.wav\t4\t9\tcity\n")
    assert scenes(timed) == [("a.wav", 0.0, 4.0, "home"), ("a.wav", 4.0, 9.0, "city")]


def test_maestro_folder_names_scene_and_recording(tmp_path: Path) -> None:
    folder = tmp_path / "soft_labels_grocery_store"
    folder.mkdir()
    (folder / "grocery_store_01.txt").write_text("0.0\t1.0\tfootsteps\t0.8\n1.0\t2.0\tfootsteps\t0.2\n")
    (folder / "grocery_store_02.txt").write_text("")  # a recording in which nothing was annotated
    found = read_annotations([str(tmp_path)])
    assert events(found) == [("grocery_store_01", 0.0, 1.0, "footsteps")]
    assert list(found.events) == ["grocery_store_01", "grocery_store_02"]
    assert scenes(found)[0] == ("grocery_store_01", 0.0, math.inf, "grocery_store")


def test_a_folder_of_label_tracks(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0.5\t1.5\tdog\n")
    (tmp_path / "b.Table.1.selections.txt").write_text("Selection\tBegin Time (s)\tEnd Time (s)\tAnnotation\n1\t2\t3\tcar\n")
    assert events(read_annotations([str(tmp_path)])) == [("a", 0.5, 1.5, "dog"), ("b", 2.0, 3.0, "car")]


def test_real_files_of_both_data_sets(shared: Path) -> None:
    imoto = read_annotations([str(shared / "datasets/imoto/meta_development.txt")])
    assert (len(imoto.events), len(imoto.event_labels), len(imoto.scene_labels)) == (112, 25, 4)
    maestro = read_annotations([str(shared / "datasets/maestro_real/metadata/gt_dev.csv")])
    assert (len(maestro.events), len(maestro.event_labels)) == (49, 11)
    folds = read_folds(str(shared / "datasets/maestro_real/development_folds"))
    assert (len(folds), sorted(set(folds.values()))) == (49, ["1", "2", "3", "4", "5"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.tsv: empty"),
        ("filename\tscene_label\na.wav\n", "x.tsv:2: expected 2 columns, got 1"),
        ("filename\tscene_label\na\thome\na\tcity\n", "x.tsv:3: a has a scene already"),
        ("filename\tonset\toffset\tscene_label\na\t3\t2\thome\n", "x.tsv:2: expected 0 <= onset <= offset"),
        ("filename\tonset\toffset\tevent_label\tsoft_label\na\t0\t1\tcar\tloud\n", "x.tsv:2: expected a number as soft_label"),
        (
            "filename\tonset\toffset\na\t0\t1\n",
            r"segments say nothing about scenes or events; .* \(filename onset offset event_label\)",
        ),
        ("name\twhat\n", "expected a header with the columns"),
    ],
)
def test_a_broken_table_names_its_line(text: str, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        read(text)


def test_scores(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("onset\toffset\tcar\tdog, big\n0.0\t0.5\t0.25\t1e-3\n0.5\t1.0\t0.5\t0.75\n")
    found = read_frame_scores(score_files(str(tmp_path))["a"])
    assert found.labels == ["car", "dog, big"]
    assert found.edges.tolist() == [0.0, 0.5, 1.0]
    assert found.scores.tolist() == [[0.25, 0.001], [0.5, 0.75]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\tc\n", "a.tsv:1: expected the columns onset, offset and one per label"),
        ("onset\toffset\tcar\tdog\tcar\n", "a.tsv:1: two columns 'car'; expected one per label"),
        ("onset\toffset\tcar\n", "a.tsv:2: expected frames that follow each other"),
        ("onset\toffset\tcar\n0\t1\t0.5\n2\t3\t0.5\n", "a.tsv:3: expected frames that follow each other"),
        ("onset\toffset\tcar\n0\t1\n", "expected 3 finite numbers a line"),
        ("onset\toffset\tcar\n0\t1\tnan\n", "expected 3 finite numbers a line"),
        ("onset\toffset\tcar\n0\t1\tx\n", "expected 3 numbers a line"),
    ],
)
def test_a_broken_score_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(RecordError, match=message):
        read_frame_scores(tmp_path / "a.tsv")


def test_small_lists(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("filename\tduration\na.wav\t9.5\n")
    (tmp_path / "f").write_text("filename\tfold\na.wav\tone\n")
    (tmp_path / "l").write_text("dog, big\ncar\n\n")
    assert read_durations(str(tmp_path / "d")) == {"a.wav": 9.5}
    assert read_folds(str(tmp_path / "f")) == {"a.wav": "one"}
    assert read_labels(str(tmp_path / "l")) == ["dog, big", "car"]
    (tmp_path / "l").write_text("car\ncar\n")
    with pytest.raises(RecordError, match="the label 'car' comes twice"):
        read_labels(str(tmp_path / "l"))
    (tmp_path / "d").write_text("filename\tduration\na.wav\t0\n")
    with pytest.raises(RecordError, match="d:2: expected a duration above 0 s"):
        read_durations(str(tmp_path / "d"))
    with pytest.raises(InputError, match="no score files"):
        score_files(str(tmp_path))


def test_a_recording_has_one_duration_and_one_fold(tmp_path: Path) -> None:
    """The last line won, and figures were of another length or fold than the first line says; a repeated line is harmless."""
    (tmp_path / "d").write_text("filename\tduration\na.wav\t5\na.wav\t5.0\na.wav\t7\n")
    with pytest.raises(RecordError, match=r"d:4: a\.wav comes twice, with 5\.0 and with 7\.0; expected one line a recording"):
        read_durations(str(tmp_path / "d"))
    (tmp_path / "f").write_text("filename\tfold\na.wav\t1\na.wav\t2\n")
    with pytest.raises(RecordError, match=r"f:3: a\.wav comes twice, with 1 and with 2"):
        read_folds(str(tmp_path / "f"))
    for fold in (1, 2):
        (tmp_path / f"fold{fold}_test.csv").write_text("filename\na.wav\n")
    with pytest.raises(RecordError, match=r"fold2_test\.csv:2: a\.wav comes twice, with 1 and with 2"):
        read_folds(str(tmp_path))
