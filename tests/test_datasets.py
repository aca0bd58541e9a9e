"""Data sets in their published layouts: what is read, which problems are reported with file and line, and the summary."""

import csv
import re
from math import ceil
from pathlib import Path

import pytest

from audiolog_cli.datasets.clip_sets import read_esc50, read_folder, read_urbansound8k
from audiolog_cli.datasets.dataset import Dataset, Event, Findings, check_archives, merged, require_valid, summary_lines
from audiolog_cli.datasets.folders import layout_of, read_dataset
from audiolog_cli.datasets.maestro import read_folds, read_maestro
from audiolog_cli.datasets.tut import read_tut
from audiolog_cli.errors import InputError
from audiolog_cli.weights.labels import MAESTRO_SOFT, LabelList
from tests.conftest import write_wav

TUT_HEADER = "path\tscene_label\tevent_start_time\tevent_end_time\tevent_label\n"
STREET = "TUT-sound-events-2017-development/audio/street"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def sound(path: Path, seconds: float = 3.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_wav(path, seconds, rate=8000)


def relative(dataset: Dataset, root: Path) -> list[str]:
    return [problem.replace(f"{root}/", "") for problem in dataset.problems]


# MAESTRO Real


def maestro(root: Path, *lines: str) -> Path:
    """One recording of 2.5 s, annotated with these lines, in one fold."""
    sound(root / "development_audio/cafe_restaurant/cafe_restaurant_00.wav", 2.5)
    write(root / "development_annotation/soft_labels_cafe_restaurant/cafe_restaurant_00.txt", "\n".join(lines) + "\n")
    for part, names in (("train", ""), ("val", ""), ("test", "cafe_restaurant/cafe_restaurant_00\n")):
        write(root / f"development_folds/fold1_{part}.csv", "filename\n" + names)
    return root


def test_maestro_keeps_soft_labels_and_half_is_not_active(tmp_path: Path) -> None:
    root = maestro(tmp_path, "0.0\t1.0\tfootsteps\t0.5", "1.0\t2.0\tfootsteps\t0.51", "2.0\t3.0\tfurniture dragging\t0.9")
    dataset = read_maestro(root)
    assert dataset.problems == ()
    (recording,) = dataset.recordings.values()
    assert recording.events == (Event(0, 1, "footsteps", 0.5), Event(1, 2, "footsteps", 0.51))  # the third is of the other 6
    assert [event.hard for event in recording.events] == [False, True]
    assert recording.scenes[0].label == "cafe_restaurant"
    assert [len(r.events) for r in read_maestro(root, labels=MAESTRO_SOFT).recordings.values()] == [3]


def test_maestro_reports_every_broken_line(tmp_path: Path) -> None:
    root = maestro(
        tmp_path, "0.0\t1.0\tfootsteps", "0.0\t1.0\tunicorn\t0.5", "1.0\t0.0\tcar\t0.5", "0.0\t1.0\tcar\t1.5", "0\t1\tcar\thigh",
        "8.0\t9.0\tcar\t0.7",
    )  # fmt: skip
    place = "development_annotation/soft_labels_cafe_restaurant/cafe_restaurant_00.txt"
    assert relative(read_maestro(root), root) == [
        f"{place}:1: expected 4 columns (onset offset label soft_label), got 3",
        f"{place}:2: unknown label 'unicorn'",
        f"{place}:3: expected 0 <= onset <= offset in seconds, got onset '1.0', offset '0.0'",
        f"{place}:4: expected a soft label from 0 to 1, got 1.5",
        f"{place}:5: expected a number as soft label, got 'high'",
        f"{place}:6: car ends at 9 s, the recording at 2.500 s",
    ]


def test_maestro_reports_missing_and_surplus_files_and_folds(tmp_path: Path) -> None:
    root = maestro(tmp_path, "0.0\t1.0\tcar\t0.7")
    audio = root / "development_audio/cafe_restaurant"
    (audio / "cafe_restaurant_00.wav").rename(audio / "cafe_restaurant_77.wav")
    (root / "development_folds/fold1_val.csv").unlink()
    write(root / "development_folds/fold1_train.csv", "filename\ncafe_restaurant/cafe_restaurant_00\nhome/home_01\n")
    annotation = "development_annotation/soft_labels_cafe_restaurant/cafe_restaurant_00.txt"
    assert relative(read_maestro(root), root) == [
        f"development_audio/cafe_restaurant/cafe_restaurant_00.wav: no such file; {root}/{annotation} names it".replace(
            f"{root}/", ""
        ),
        "development_audio/cafe_restaurant/cafe_restaurant_77.wav: surplus, "
        "no annotation soft_labels_cafe_restaurant/cafe_restaurant_77.txt",
        "development_folds/fold1_val.csv: No such file or directory",
        "fold 1, train: home/home_01 is no recording of the data set",
        "fold 1: cafe_restaurant/cafe_restaurant_00 is in train and in test",
    ]


def test_official_maestro_folds_test_each_of_49_recordings_once(shared: Path) -> None:
    findings = Findings()
    folds = read_folds(shared / "datasets/maestro_real/development_folds", findings)
    tested = [name for fold in folds for name in fold.parts["test"]]
    assert findings.problems == [] and [fold.name for fold in folds] == ["1", "2", "3", "4", "5"]
    assert len(tested) == len(set(tested)) == 49
    assert all(sum(map(len, fold.parts.values())) == len(set().union(*fold.parts.values())) == 49 for fold in folds)
    scenes = [name.split("/")[0] for name in tested]
    counts = [scenes.count(scene) for scene in MAESTRO_SOFT.scenes]
    assert counts == [10, 10, 9, 9, 11]


def test_maestro_lengths_give_11418_seconds(shared: Path) -> None:
    with (shared / "datasets/maestro_real/metadata/development_metadata.csv").open(newline="") as lines:
        assert sum(ceil(float(row["duration"])) for row in csv.DictReader(lines, delimiter="\t")) == 11_418


def test_authentic_excerpt_of_maestro_is_read(shared: Path) -> None:
    dataset = read_maestro(
        shared / "datasets/layouts/dcase23_task4b", shared / "datasets/maestro_real/development_folds", labels=MAESTRO_SOFT
    )
    recording = dataset.recordings["cafe_restaurant/cafe_restaurant_14"]
    assert recording.events[0] == Event(0.0, 1.0, "cutlery and dishes", 0.22607917138849756)
    assert not any("cafe_restaurant_14" in problem for problem in dataset.problems)
    assert all("is no recording of the data set" in problem for problem in dataset.problems)  # the other 48 are not there


# TUT with Imoto's labels


def tut(root: Path, *lines: str) -> Path:
    """The lists with these lines for development and fold 1's test part; files a001 and a002 of 3 s."""
    table = TUT_HEADER + "".join(f"{STREET}/{line}\n" for line in lines)
    write(root / "meta_development.txt", table)
    for number in range(1, 5):
        write(root / f"meta_fold0{number}_development.txt", TUT_HEADER if number == 1 else table)
        write(root / f"meta_fold0{number}_evaluation.txt", table if number == 1 else TUT_HEADER)
    write(root / "meta_evaluation.txt", TUT_HEADER)
    for name in ("a001", "a002"):
        sound(root / STREET / f"{name}.wav")
    return root


def test_tut_merges_synonyms_and_overlaps_and_leaves_out_length_zero(tmp_path: Path) -> None:
    root = tut(
        tmp_path,
        "a001.wav\tcity_center\t0.0\t2.0\tcar passing by",
        "a001.wav\tcity_center\t1.0\t2.5\tcar",
        "a001.wav\tcity_center\t1.5\t1.5\tcar",
        "a001.wav\tcity_center\t0.5\t1.0\twater tap running ",
    )
    dataset = read_tut(root, root)
    assert dataset.problems == ()
    assert dataset.recordings[f"{STREET}/a001.wav"].events == (Event(0, 2.5, "car"), Event(0.5, 1, "water tap running"))
    assert dataset.notes == (
        f"{root}/meta_development.txt:4: car of length zero left out",
        f"{STREET}/a001.wav: 1 events overlap or touch another of their label and were made one with it",
    )


def test_tut_file_without_events_is_a_negative_of_its_scene(tmp_path: Path) -> None:
    root = tut(tmp_path, "a001.wav\tcity_center\t0.0\t2.0\tcar")
    dataset = read_tut(root, root)
    negative = dataset.recordings[f"{STREET}/a002.wav"]
    assert (negative.events, negative.scenes[0].label, negative.duration) == ((), "city_center", 3.0)
    parts = {fold.name: fold.parts for fold in dataset.folds}
    assert parts["1"] == {"train": (f"{STREET}/a002.wav",), "test": (f"{STREET}/a001.wav",)}
    assert parts["official"] == {"train": (f"{STREET}/a001.wav", f"{STREET}/a002.wav"), "test": ()}


def test_tut_negative_stays_with_recordings_of_its_place(tmp_path: Path) -> None:
    archive = "TUT-acoustic-scenes-2016-development"
    table = TUT_HEADER + f"{archive}/audio/a099_0_30.wav\toffice\t0.0\t2.0\tcupboard\n"
    tut(tmp_path)
    write(tmp_path / "meta_development.txt", table)
    write(tmp_path / "meta_fold02_evaluation.txt", table)
    names = ["a099_0_30", "a099_30_60", "b001_0_30", "c001_0_30"]
    for name in names:
        sound(tmp_path / archive / "audio" / f"{name}.wav")
    write(tmp_path / archive / "meta.txt", "audio/a099_30_60.wav\toffice\naudio/b001_0_30.wav\tbeach\n")
    dataset = read_tut(tmp_path, tmp_path)
    assert dataset.folds[2].parts["test"] == (f"{archive}/audio/a099_0_30.wav", f"{archive}/audio/a099_30_60.wav")
    assert f"{archive}/audio/b001_0_30.wav" not in dataset.recordings  # a beach is none of the four scenes
    assert relative(dataset, tmp_path) == [
        f"{archive}/audio/c001_0_30.wav: surplus, in no list, and no meta.txt or evaluate.txt says its scene"
    ]


def test_tut_reports_unknown_labels_scenes_columns_and_late_ends(tmp_path: Path) -> None:
    root = tut(
        tmp_path,
        "a001.wav\tcity_center\t0.0\t2.0\tdragon",
        "a001.wav\tbeach\t0.0\t2.0\tcar",
        "a001.wav\tcity_center\t0.0\t2.0",
        "a001.wav\tcity_center\t0.0\t4.0\tchildren",
        "a009.wav\thome\t0.0\t1.0\tfan",
    )
    assert relative(read_tut(root, root), root)[:5] == [
        "meta_development.txt:2: unknown label 'dragon'",
        "meta_development.txt:3: unknown scene 'beach'",
        "meta_development.txt:4: expected 5 columns, got 4",
        "meta_development.txt:5: children ends at 4 s, the recording at 3.000 s",
        f"{STREET}/a009.wav: no such file; meta_development.txt names it",
    ]


def test_published_tut_lists_have_112_and_136_recordings(shared: Path, tmp_path: Path) -> None:
    dataset = read_tut(shared / "datasets/imoto", tmp_path)
    official, *folds = dataset.folds
    assert (len(official.parts["train"]), len(official.parts["test"])) == (112, 136)
    assert [(len(fold.parts["train"]), len(fold.parts["test"])) for fold in folds] == [(86, 26), (84, 28), (84, 28), (82, 30)]
    assert {event.label for recording in dataset.recordings.values() for event in recording.events} == set(dataset.labels.events)
    (zero,) = [note for note in dataset.notes if "length zero" in note]
    assert re.fullmatch(r".*meta_development.txt:\d+: car of length zero left out", zero)
    assert sum(int(note.split()[1]) for note in dataset.notes if "overlap" in note) == 184
    assert len(dataset.problems) == 248 and all("no such file" in problem for problem in dataset.problems)  # no audio here


# Clips and folders


def test_esc50_clip_is_one_event_in_its_fold(tmp_path: Path) -> None:
    sound(tmp_path / "audio/1-100-A-0.wav")
    sound(tmp_path / "audio/9-1-A-1.wav")
    header = "filename,fold,target,category,esc10,src_file,take\n"
    write(tmp_path / "meta/esc50.csv", header + "1-100-A-0.wav,1,0,dog,True,100,A\n2-7-A-1.wav,2,5,cat,True,7,A\n")
    dataset = read_esc50(tmp_path)
    assert dataset.recordings["audio/1-100-A-0.wav"].events == (Event(0.0, 3.0, "dog"),)
    assert dataset.folds[0].parts == {"train": ("audio/2-7-A-1.wav",), "test": ("audio/1-100-A-0.wav",)}
    assert relative(dataset, tmp_path) == [
        "meta/esc50.csv:3: 2-7-A-1.wav is not of fold 2 and target 5, by its name",
        "audio/2-7-A-1.wav: no such file; meta/esc50.csv:3 names it",
        "audio/9-1-A-1.wav: surplus, no table names it",
    ]


def test_published_tables_of_clips(shared: Path) -> None:
    layouts = shared / "datasets/layouts"
    esc50, urban = read_esc50(layouts / "esc50"), read_urbansound8k(layouts / "urbansound8k")
    assert (len(esc50.recordings), len(esc50.labels.events), len(esc50.folds)) == (2000, 50, 5)
    assert (len(urban.recordings), len(urban.labels.events), len(urban.folds)) == (8732, 10, 10)
    assert (len(esc50.problems), len(urban.problems)) == (1999, 8731)  # one recording of each is there
    assert all("no such file" in problem for problem in (*esc50.problems, *urban.problems))


def test_lists_that_are_not_text_or_not_there_are_named(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    (tmp_path / "scenes.tsv").write_bytes(b"filename\tscene_label\na.wav\tcaf\xe9\n")
    assert relative(read_folder(tmp_path), tmp_path) == [
        "events.tsv: No such file or directory",
        "scenes.tsv: not text in UTF-8",
        "a.wav: surplus, no scene in scenes.tsv",
    ]


def test_a_damaged_recording_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    root = folder(tmp_path, "filename\tscene_label\na.wav\tpark\nb.wav\thome\n")
    write(root / "b.wav", "not a sound")
    (problem,) = relative(read_folder(root), root)
    assert "b.wav" in problem


def folder(root: Path, scenes: str) -> Path:
    sound(root / "a.wav")
    sound(root / "b.wav")
    write(root / "events.tsv", "filename\tonset\toffset\tevent_label\na.wav\t0.5\t2.0\tdog\n")
    write(root / "scenes.tsv", scenes)
    return root


def test_own_folder_with_scenes_for_files_or_stretches(tmp_path: Path) -> None:
    whole = read_folder(folder(tmp_path / "whole", "filename\tscene_label\na.wav\tpark\nb.wav\thome\n"))
    timed = read_folder(
        folder(
            tmp_path / "timed", "filename\tonset\toffset\tscene_label\na.wav\t0\t1\tpark\na.wav\t1\t3\thome\nb.wav\t0\t3\thome\n"
        )
    )
    assert whole.problems == timed.problems == ()
    assert whole.labels == timed.labels == LabelList(("home", "park"), ("dog",))
    assert [scene.label for scene in timed.recordings["a.wav"].scenes] == ["park", "home"]
    assert whole.recordings["b.wav"].events == ()


def test_own_folder_with_annotations_of_editors(tmp_path: Path) -> None:
    """A label track beside its recording, a selection table of recordings in folders, and a text that is neither."""
    for name in ("Vo\u0308gel.wav", "day/b.wav", "day/quiet.wav", "night/b.wav"):
        sound(tmp_path / name)
    write(tmp_path / "V\u00f6gel.txt", "0.500000\t1.500000\tdog\n")
    header = "Selection\tBegin Time (s)\tEnd Time (s)\tBegin Path\tFile Offset (s)\tAnnotation\n"
    write(tmp_path / "day/all.selections.txt", header + "1\t63\t64\tD:\\\\b.wav\t1\tcar\n")
    write(tmp_path / "README.txt", "Recorded in May.\n")
    assert layout_of(tmp_path) == "folder"
    dataset = read_dataset(tmp_path)
    assert dataset.problems == ()
    assert {name: recording.events for name, recording in dataset.recordings.items()} == {
        "Vo\u0308gel.wav": (Event(0.5, 1.5, "dog"),),
        "day/b.wav": (Event(1.0, 2.0, "car"),),
        "day/quiet.wav": (),
        "night/b.wav": (),
    }


def test_own_folder_joins_what_two_lists_say_of_a_recording_however_they_spell_it(tmp_path: Path) -> None:
    """One of them replaced the other where the disk decomposes names and a list does not."""
    sound(tmp_path / "Vo\u0308gel.wav")
    write(tmp_path / "Vo\u0308gel.txt", "0.5\t1.5\tdog\n")
    write(tmp_path / "events.tsv", "filename\tonset\toffset\tevent_label\nV\u00f6gel.wav\t2\t3\tcat\n")
    (recording,) = read_folder(tmp_path).recordings.values()
    assert {event.label for event in recording.events} == {"cat", "dog"}


def test_a_label_may_hold_a_character_that_other_programs_end_lines_with(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    write(tmp_path / "events.tsv", "filename\tonset\toffset\tevent_label\r\na.wav\t0\t1\tdog\u2028bark\r\n")
    dataset = read_folder(tmp_path)
    assert (dataset.problems, dataset.labels.events) == ((), ("dog\u2028bark",))


def test_own_folds_hold_every_recording_once(tmp_path: Path) -> None:
    """The last of two folds counted, and recordings without one were never used; nothing said so."""
    for name in ("Vo\u0308gel.wav", "b.wav", "c.wav"):
        sound(tmp_path / name)
    write(tmp_path / "events.tsv", "filename\tonset\toffset\tevent_label\nb.wav\t0\t1\tdog\n")
    folds = write(tmp_path / "folds.tsv", "filename\tfold\nV\u00f6gel.wav\t1\nb.wav\t1\nb.wav\t2\n")
    dataset = read_folder(tmp_path, folds=folds)
    assert relative(dataset, tmp_path) == ["folds.tsv:4: b.wav is in fold 1 already", "folds.tsv: no fold for c.wav"]
    assert dataset.folds[0].parts["test"] == ("Vo\u0308gel.wav", "b.wav")


def test_own_folder_lists_recordings_without_events_as_desed_does(tmp_path: Path) -> None:
    sound(tmp_path / "Vo\u0308gel.wav")
    sound(tmp_path / "b.wav")
    write(tmp_path / "events.tsv", "filename\tonset\toffset\tevent_label\nV\u00f6gel.wav\t0\t1\tdog\nb.wav\t\t\t\n")
    dataset = read_folder(tmp_path)
    assert dataset.problems == ()
    assert {name: recording.events for name, recording in dataset.recordings.items()} == {
        "Vo\u0308gel.wav": (Event(0.0, 1.0, "dog"),),
        "b.wav": (),
    }


def test_annotations_of_editors_that_do_not_fit_are_problems(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    write(tmp_path / "c.txt", "0\t1\tdog\n")
    write(tmp_path / "a.txt", "0\t9\tdog\n0\t1\tcat\n2\t1\tdog\n")
    assert relative(read_folder(tmp_path, LabelList((), ("dog",))), tmp_path) == [
        "a.txt:3: expected 0 <= onset <= offset in seconds, got onset '2', offset '1'",
        "c.txt: no recording c in " + str(tmp_path),
    ]


def test_own_folder_reports_what_does_not_fit(tmp_path: Path) -> None:
    root = folder(tmp_path, "filename\tscene_label\na.wav\tpark\n")
    write(root / "events.tsv", "filename\tonset\toffset\tevent_label\na.wav\t0.5\t9\tdog\nc.wav\t0\t1\tcat\n")
    dataset = read_folder(root, LabelList(("park",), ("dog",)))
    assert relative(dataset, root) == [
        "events.tsv:3: unknown label 'cat'",
        "events.tsv:2: dog ends at 9 s, the recording at 3.000 s",
        "b.wav: surplus, no scene in scenes.tsv",
    ]
    with pytest.raises(InputError, match=r"events.tsv:3: unknown label 'cat' \(and 2 more problems in "):
        require_valid(dataset)


def test_summary_counts_recordings_events_and_minutes_per_part(tmp_path: Path) -> None:
    root = folder(tmp_path, "filename\tscene_label\na.wav\tpark\nb.wav\thome\n")
    folds = write(tmp_path / "folds.txt", "filename\tfold\na.wav\t1\nb.wav\t2\n")
    text = "".join(summary_lines(read_folder(root, folds=folds)))
    assert text.splitlines()[:9] == [
        "fold\tpart\tkind\tlabel\trecordings\tevents\tminutes",
        "all\tall\trecordings\t\t2\t1\t0.10",
        "all\tall\tscene\thome\t1\t1\t0.05",
        "all\tall\tscene\tpark\t1\t1\t0.05",
        "all\tall\tevent\tdog\t1\t1\t0.03",
        "1\ttrain\trecordings\t\t1\t0\t0.05",
        "1\ttrain\tscene\thome\t1\t1\t0.05",
        "1\ttrain\tscene\tpark\t0\t0\t0.00",
        "1\ttrain\tevent\tdog\t0\t0\t0.00",
    ]


def test_merged_events_of_one_label_never_overlap() -> None:
    events = [Event(0, 5, "a"), Event(1, 2, "a"), Event(5, 6, "a"), Event(7, 8, "a"), Event(3, 9, "b")]
    assert merged(events) == (Event(0, 6, "a"), Event(3, 9, "b"), Event(7, 8, "a"))


def test_damaged_archive_is_named(tmp_path: Path) -> None:
    assert check_archives(tmp_path) == []
    write(tmp_path / "development_annotation.zip", "not the archive")
    (problem,) = check_archives(tmp_path)
    assert "published e6a3f84f8020725d559b38ccb494ef3d; download it again" in problem
