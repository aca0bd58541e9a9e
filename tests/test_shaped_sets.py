"""The experiments of Table 2: data sets mixed in the published layouts, the targets that run them, and the table."""

import json
from pathlib import Path

from audiolog_cli.mixing.composing import write_flac
from audiolog_cli.mixing.windows import Span
from experiments.shaped_sets import MAESTRO, TUT, Shape, soft_lines
from tests.shell import ROOT, audiolog, sh
from tests.sounds import tone

HEADER = "path\tsource_id\tkind\tlabel\tonset\toffset\tduration\tsplit\n"
PROGRAM = f"python {ROOT}/experiments/shaped_sets.py"


def clips_for(shape: Shape, folder: Path, labels: tuple[str, ...]) -> Path:
    """Five sources of tones for each scene of a data set and for these events; every sound has a pitch of its own."""
    folder.mkdir()
    lines = []
    for number, label in enumerate((*shape.counts, *labels)):
        kind = "scene" if label in shape.counts else "event"
        for source in range(5):
            name, hertz = f"{number}_{source}.flac", 200 + 100 * number + 10 * source
            write_flac(tone(hertz, 1.0) * (0.01 if kind == "scene" else 1.0), folder / name)
            lines.append(f"{name}\t{name}\t{kind}\t{label}\t0\t1\t1\ttrain\n")
    (folder / "clips.tsv").write_text(HEADER + "".join(lines))
    return folder


def test_a_second_is_as_active_as_much_of_it_is_covered() -> None:
    spans = [Span(0.25, 2.0, "car"), Span(1.5, 2.5, "footsteps"), Span(1.75, 2.25, "footsteps")]
    assert list(soft_lines(spans)) == [
        "0.0\t1.0\tcar\t0.75\n",
        "1.0\t2.0\tcar\t1.0\n",
        "1.0\t2.0\tfootsteps\t0.75\n",
        "2.0\t3.0\tfootsteps\t0.75\n",
    ]


def test_a_maestro_shaped_set_passes_the_reader_and_comes_again_from_its_seed(tmp_path: Path) -> None:
    clips_for(MAESTRO, tmp_path / "clips", ("car", "people talking", "footsteps", "metro approaching"))
    command = f"{PROGRAM} maestro {{}} clips --seconds 8 --per-scene 5 --cache cache --seed {{}}"
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert sh(command.format(out, seed), tmp_path) == (0, "", "")
    checked = audiolog("train a --check-data", tmp_path)
    assert (checked.code, checked.stderr) == (0, "")
    lines = checked.stdout.splitlines()
    assert lines[1].split("\t")[4] == "25"
    assert [line for line in lines if line.startswith("3\ttest\trecordings")][0].split("\t")[4] == "5"
    name = "development_audio/metro_station/metro_station_04.wav"
    first, again, other = ((tmp_path / out / name).read_bytes() for out in "abc")
    assert first == again != other
    annotation = "development_annotation/soft_labels_metro_station/metro_station_04.txt"
    assert (tmp_path / "a" / annotation).read_text() == (tmp_path / "b" / annotation).read_text() != ""


def test_a_tut_shaped_set_has_negatives_and_an_evaluation_set(tmp_path: Path) -> None:
    clips_for(TUT, tmp_path / "clips", ("car", "dishes", "keyboard typing", "bird singing"))
    assert sh(f"{PROGRAM} tut tut clips --seconds 8 --per-scene 10", tmp_path) == (0, "", "")
    checked = audiolog("train tut --check-data -q", tmp_path)
    assert (checked.code, checked.stderr) == (0, "")
    rows = {tuple(line.split("\t")[:4]): line.split("\t")[4:] for line in checked.stdout.splitlines()}
    assert rows["all", "all", "recordings", ""][0] == "80"
    assert rows["official", "train", "recordings", ""][0] == rows["official", "test", "recordings", ""][0] == "40"
    assert sum(int(rows[fold, "test", "recordings", ""][0]) for fold in "1234") < 40  # no list names a negative's fold
    listed = (tmp_path / "tut/meta_development.txt").read_text()
    assert "office/d" not in listed and "TUT-acoustic-scenes-2016-development/audio/d000_0_30.wav\toffice\t" in listed
    assert "/d009_0_30.wav" not in listed  # the tenth has no event


def test_folders_without_scenes_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    nothing = sh(f"{PROGRAM} tut out clips", tmp_path)
    assert (nothing.code, nothing.stderr) == (1, "audiolog: clips: no clips.tsv there, nor one folder below\n")
    (tmp_path / "clips/clips.tsv").write_text(HEADER)
    empty = sh(f"{PROGRAM} tut out clips", tmp_path)
    assert (empty.code, empty.stderr) == (
        1,
        "audiolog: no scene recording for city_center, home, office, residential_area among the clips\n",
    )


# The targets


def test_make_trains_each_fold_and_seed_and_scores_the_folds_of_a_seed_together(tmp_path: Path) -> None:
    settings = f"DATA=/data/maestro BUILD={tmp_path} FOLDS='1 2' SEEDS=7 maestro_SYSTEMS=cnn BIN=bin"
    result = sh(f"make -n -f Makefile maestro {settings}", ROOT)
    assert result.code == 0, result.stderr
    commands = [line.split()[0:2] for line in result.stdout.splitlines() if line.startswith("bin/")]
    assert commands == [
        ["bin/audiolog", "train"], ["bin/audiolog", "tag"], ["bin/audiolog", "train"], ["bin/audiolog", "tag"],
        ["bin/audiolog", "eval"], ["bin/python", "experiments/table2.py"],
    ]  # fmt: skip
    runs = tmp_path / "table2/maestro/runs/cnn"
    assert f"--fold 2 --out {runs}/2.7 " in result.stdout and "--set seed=7" in result.stdout
    assert f"{runs}/1.7/cells.tsv {runs}/2.7/cells.tsv --reference {runs}/1.7/test/events.tsv" in result.stdout
    assert "--resume" not in result.stdout


def test_make_resumes_where_it_was_interrupted(tmp_path: Path) -> None:
    runs = tmp_path / "table2/maestro/runs/cnn"
    for path in (runs / "1.7/model.safetensors", runs / "2.7/last.pt"):
        path.parent.mkdir(parents=True)
        path.touch()
    settings = f"DATA=/data/maestro BUILD={tmp_path} FOLDS='1 2' SEEDS=7 maestro_SYSTEMS=cnn BIN=bin"
    result = sh(f"make -n -f Makefile maestro {settings}", ROOT)
    trained = [line for line in result.stdout.splitlines() if line.startswith("bin/audiolog train")]
    assert len(trained) == 1 and f"--out {runs}/2.7 " in trained[0]
    assert "--resume" in result.stdout


def test_the_table_gives_mean_and_spread_beside_the_published_figures(tmp_path: Path) -> None:
    """Two seeds, scored by `eval`: the car is found in 1 second of 2, then in both; the home is never recognised."""
    header = "filename\tonset\toffset\t"
    (tmp_path / "events.tsv").write_text(f"{header}event_label\na.wav\t0\t2\tcar\n")
    (tmp_path / "scenes.tsv").write_text(f"{header}scene_label\na.wav\t0\t2\tstreet\nb.wav\t0\t2\thome\n")
    for system, seed, seconds in (("htsat-small", 1, 1), ("htsat-small", 2, 2), ("cnn", 1, 0)):
        rows = [f"{name}.wav\t{s}\t{s + 1}\tscene\tstreet\t0.9\n" for name in "ab" for s in range(2)]
        rows += [f"a.wav\t{s}\t{s + 1}\tevent\tcar\t0.9\n" for s in range(seconds)]
        (tmp_path / "cells.tsv").write_text(f"{header}kind\tlabel\tscore\n{''.join(sorted(rows))}")
        references = "--reference events.tsv --reference scenes.tsv"
        scored = audiolog(f"eval -q cells.tsv {references} --format json", tmp_path)
        (tmp_path / f"{system}.{seed}.json").write_text(scored.stdout)
    result = sh(f"python {ROOT}/experiments/table2.py tut . htsat-small cnn", tmp_path)
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout == (
        "| system | seeds | ACC | ER | F1_m | published ACC | ER | F1_m |\n|---|---|---|---|---|---|---|---|\n"
        "| AudioLog, HTS-AT small | 2 | 0.500 ± 0.000 | 0.250 ± 0.354 | 0.833 ± 0.236 | 0.947 | 0.727 | 0.505 |\n"
        "| CNN | 1 | 0.500 |  |  | 0.843 |  |  |\n"
    )


def test_a_system_that_names_nothing_has_no_f1(tmp_path: Path) -> None:
    pooled = {"scene": {"accuracy": 0.5}, "segment": {"error_rate": 1.0, "f1": None}}  # as `eval --format json` writes it
    (tmp_path / "joint.1.json").write_text(json.dumps({"pooled": pooled}))
    row = sh(f"python {ROOT}/experiments/table2.py maestro {tmp_path} joint", tmp_path).stdout.splitlines()[-1]
    assert row == "| joint CNN-BiGRU (Imoto et al.) | 1 | 0.500 | 1.000 | nan |  |  |  |"
