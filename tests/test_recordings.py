"""Labelled recordings as training data: layouts, folds, windows and targets, `train` and `train --check-data`."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from audiolog_cli.datasets import folders
from audiolog_cli.datasets.dataset import Dataset, Event, Fold, LabelledRecording
from audiolog_cli.errors import AudioError, UsageError
from audiolog_cli.mixing.pool import NO_SCENE, open_pool
from audiolog_cli.model import checkpoint
from audiolog_cli.model.baselines import Joint, JointConfig
from audiolog_cli.model.features import FRONT_END, TASK_FRONT_END
from audiolog_cli.sound import audio
from audiolog_cli.training import batches, recordings, validation
from audiolog_cli.training.batches import labels_of, read_batch
from audiolog_cli.weights import labels
from tests.conftest import write_wav
from tests.shell import audiolog, sh
from tests.test_datasets import maestro, sound, write

QUICK = "--device cpu -q --set preset=tiny --set model=crnn --set epochs=1 --set steps=2 --set batch_size=2 --set warmup=1"


def silent(text: str) -> None:
    """Nobody listens."""


def own_folder(root: Path, seconds: float = 12.0) -> Path:
    """Four recordings: cars in the street, a dog at home."""
    lines = {"events": ["filename\tonset\toffset\tevent_label"], "scenes": ["filename\tscene_label"], "folds": ["filename\tfold"]}
    root.mkdir(parents=True)
    for number in range(4):
        name, at_home = f"rec{number}.wav", number % 2
        write_wav(root / name, seconds, rate=8000, seed=number)
        lines["events"].append(f"{name}\t1.0\t4.0\t{'dog' if at_home else 'car'}")
        lines["scenes"].append(f"{name}\t{'home' if at_home else 'street'}")
        lines["folds"].append(f"{name}\t{number // 2 + 1}")
    for name, rows in lines.items():
        write(root / f"{name}.tsv", "\n".join(rows) + "\n")
    return root


# Layouts and folds


def test_a_layout_is_recognised_by_the_contents_of_the_folder(tmp_path: Path) -> None:
    for entry, layout in (
        ("a/pool.json", "pool"), ("b/development_annotation/x", "maestro"), ("c/TUT-sound-events-2017-development/x", "tut"),
        ("d/meta/esc50.csv", "esc50"), ("e/metadata/UrbanSound8K.csv", "urbansound8k"), ("f/events.tsv", "folder"),
    ):  # fmt: skip
        write(tmp_path / entry, "")
        assert folders.layout_of(tmp_path / entry.split("/")[0]) == layout
    with pytest.raises(UsageError, match="neither a pool nor a data set that is known; expected in it one of pool.json, "):
        folders.layout_of(tmp_path)
    with pytest.raises(UsageError, match="nothing: no such folder"):
        folders.layout_of(tmp_path / "nothing")


def dataset(**parts: tuple[str, ...]) -> Dataset:
    """Ten recordings of five places; with parts, a fold of them."""
    names = [f"{place}_{take}" for place in "abcde" for take in (1, 2)]
    found = {name: LabelledRecording(name, Path(name), 10.0, (), ()) for name in names}
    folds = (Fold("1", parts),) if parts else ()
    return Dataset("field", labels.EVERYDAY, found, folds, (), source_of=lambda name: name[0])


def test_a_fold_with_a_validation_part_is_taken_as_it_is() -> None:
    division = folders.divide(dataset(train=("a_1",), val=("b_1",), test=("c_1",)))
    assert division == folders.Division(("a_1",), ("b_1",), ("c_1",))


def test_without_a_validation_part_whole_sources_are_held_out_always_the_same() -> None:
    division = folders.divide(dataset())
    assert division == folders.divide(dataset())
    assert (len(division.train), len(division.validation)) == (8, 2)  # one of five sources, two takes each
    assert {name[0] for name in division.train}.isdisjoint(name[0] for name in division.validation)
    assert division.test == ()


def test_unknown_folds_and_a_single_source_are_refused() -> None:
    with pytest.raises(UsageError, match="--fold 7: field has 1$"):
        folders.divide(dataset(train=("a_1",)), "7")
    with pytest.raises(UsageError, match="--fold 1: field has no folds"):
        folders.divide(dataset(), "1")
    with pytest.raises(UsageError, match="1 source to train on; two are needed"):
        folders.divide(dataset(train=("a_1", "a_2")))


# Windows


@pytest.mark.parametrize(("seconds", "n_windows"), [(0.3, 1), (10.0, 1), (10.04, 1), (10.06, 2), (20.0, 2), (25.0, 3)])
def test_windows_cover_a_recording(seconds: float, n_windows: int) -> None:
    assert recordings.count_windows(LabelledRecording("a", Path("a"), seconds, (), ())) == n_windows


def test_windows_hold_hard_and_soft_labels_side_by_side(tmp_path: Path) -> None:
    root = maestro(tmp_path / "data", "0.0\t1.0\tcar\t0.5", "1.0\t2.0\tcar\t0.75", "1.0\t2.0\tfootsteps\t0.2")
    data = folders.read_dataset(root)
    pool = recordings.make_windows(data, FRONT_END, tmp_path / "pool", silent, silent)
    car, footsteps = (data.labels.events.index(label) for label in ("car", "footsteps"))
    # steps of 0.3125 s: second 0 is steps 0 to 3, second 1 steps 3 to 6
    assert pool.events[0, :8, car].tolist() == [0, 0, 0, 1, 1, 1, 1, 0]
    assert not pool.events[0, :, footsteps].any()
    soft = read_batch(pool, [0], labels_of(pool.facts)).targets.events[0]
    assert soft[:8, car].tolist() == pytest.approx([0.5, 0.5, 0.5, 0.75, 0.75, 0.75, 0.75, 0], abs=0.002)
    assert soft[4, footsteps].item() == pytest.approx(0.2, abs=0.002)
    hard = read_batch(pool, [0], labels_of(pool.facts), soft=False).targets.events[0]
    assert hard[:8, car].tolist() == [0, 0, 0, 1, 1, 1, 1, 0]
    assert pool.scene.tolist() == [data.labels.scenes.index("cafe_restaurant")]
    wave = np.concatenate(list(audio.decode(str(next(iter(data.recordings.values())).path))))
    assert pool.log_mel[0, 10, 30] > -60  # sound
    assert pool.log_mel[0, 2 + 100 * wave.size // 32000, 30] == -100  # silence after its end


def test_the_scene_of_a_window_is_the_one_that_lasts_longest() -> None:
    scenes = (Event(0, 14, "home"), Event(14, 30, "street"))
    assert [recordings.scene_index(scenes, onset, ("home", "street")) for onset in (0, 10, 20, 30)] == [0, 1, 1, NO_SCENE]


def test_a_network_that_hears_magnitudes_gets_its_own_windows(tmp_path: Path) -> None:
    data = folders.read_dataset(maestro(tmp_path / "data", "0.0\t1.0\tcar\t0.5"))
    pool = recordings.make_windows(data, TASK_FRONT_END, tmp_path / "pool", silent, silent)
    assert pool.log_mel.shape == (1, 51, 64)  # every 200 ms
    assert (pool.log_mel >= 0).all()


def test_several_processes_may_ask_for_the_same_windows(tmp_path: Path) -> None:
    data = folders.read_dataset(own_folder(tmp_path / "data"))
    said: list[str] = []
    with ThreadPoolExecutor(2) as two:
        list(two.map(lambda _: recordings.make_windows(data, FRONT_END, tmp_path / "pool", said.append, silent), range(2)))
    assert said == [f"{tmp_path}/pool: 8 windows of 4 recordings"]  # one made them, the other waited and found them
    assert batches.made_windows(open_pool(tmp_path / "pool")).tolist() == list(range(8))


def test_interrupted_windows_are_continued_and_changed_data_is_noticed(tmp_path: Path) -> None:
    root = own_folder(tmp_path / "data")
    data = folders.read_dataset(root)
    pool = recordings.make_windows(data, FRONT_END, tmp_path / "pool", silent, silent)
    pool.state[3] = 0  # as if the second recording had been cut short
    pool.log_mel[3], pool.log_mel[0] = 0, 1
    again = recordings.make_windows(data, FRONT_END, tmp_path / "pool", silent, silent)
    assert again.state.tolist() == [1] * 8
    assert again.log_mel[3].any() and (again.log_mel[0] == 1).all()  # the first recording was not decoded again
    write_wav(root / "rec0.wav", 12.0, rate=8000, seed=99)
    with pytest.raises(UsageError, match="made from other clips or settings; give another folder, or delete this one"):
        recordings.make_windows(folders.read_dataset(root), FRONT_END, tmp_path / "pool", silent, silent)


def test_a_recording_shorter_than_its_header_says_is_not_trained_on(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", 12.0, rate=8000)
    recording = LabelledRecording("a", tmp_path / "a.wav", 40.0, (), ())
    data = Dataset("field", labels.EVERYDAY, {"a": recording}, (), ())
    with pytest.raises(AudioError, match="a.wav: ends within 20 s, expected 40 s"):
        recordings.make_windows(data, FRONT_END, tmp_path / "pool", silent, silent)


# The command


def test_check_data_prints_counts_of_every_part_and_trains_nothing(tmp_path: Path) -> None:
    own_folder(tmp_path / "field")
    result = audiolog("train field --check-data", tmp_path)
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout == (
        "fold\tpart\tkind\tlabel\trecordings\tevents\tminutes\n"
        "all\tall\trecordings\t\t4\t4\t0.80\n"
        "all\tall\tscene\thome\t2\t2\t0.40\n"
        "all\tall\tscene\tstreet\t2\t2\t0.40\n"
        "all\tall\tevent\tcar\t2\t2\t0.10\n"
        "all\tall\tevent\tdog\t2\t2\t0.10\n"
        "1\ttrain\trecordings\t\t2\t2\t0.40\n"
        "1\ttrain\tscene\thome\t1\t1\t0.20\n"
        "1\ttrain\tscene\tstreet\t1\t1\t0.20\n"
        "1\ttrain\tevent\tcar\t1\t1\t0.05\n"
        "1\ttrain\tevent\tdog\t1\t1\t0.05\n"
        "1\ttest\trecordings\t\t2\t2\t0.40\n"
        "1\ttest\tscene\thome\t1\t1\t0.20\n"
        "1\ttest\tscene\tstreet\t1\t1\t0.20\n"
        "1\ttest\tevent\tcar\t1\t1\t0.05\n"
        "1\ttest\tevent\tdog\t1\t1\t0.05\n"
        "2\ttrain\trecordings\t\t2\t2\t0.40\n"
        "2\ttrain\tscene\thome\t1\t1\t0.20\n"
        "2\ttrain\tscene\tstreet\t1\t1\t0.20\n"
        "2\ttrain\tevent\tcar\t1\t1\t0.05\n"
        "2\ttrain\tevent\tdog\t1\t1\t0.05\n"
        "2\ttest\trecordings\t\t2\t2\t0.40\n"
        "2\ttest\tscene\thome\t1\t1\t0.20\n"
        "2\ttest\tscene\tstreet\t1\t1\t0.20\n"
        "2\ttest\tevent\tcar\t1\t1\t0.05\n"
        "2\ttest\tevent\tdog\t1\t1\t0.05\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["field"]


def test_check_data_reports_every_problem_with_file_and_line_and_the_archives(tmp_path: Path) -> None:
    root = maestro(tmp_path / "maestro", "0.0\t1.0\tunicorn\t0.5", "0.0\t1.0\tcar")
    sound(root / "development_audio/city_center/city_center_09.wav")
    write(root / "development_audio.zip", "half a download")
    result = audiolog("train maestro --check-data", tmp_path)
    annotation = "maestro/development_annotation/soft_labels_cafe_restaurant/cafe_restaurant_00.txt"
    assert result.code == 1
    assert result.stdout.splitlines()[1] == "all\tall\trecordings\t\t1\t0\t0.04"
    assert result.stderr.splitlines() == [
        f"audiolog: {annotation}:1: unknown label 'unicorn'",
        f"audiolog: {annotation}:2: expected 4 columns (onset offset label soft_label), got 3",
        "audiolog: maestro/development_audio/city_center/city_center_09.wav: surplus, "
        "no annotation soft_labels_city_center/city_center_09.txt",
        "audiolog: maestro/development_audio.zip: MD5 88e4ae26fa059c587ec405babc037077, "
        "published 3de7cb4f92a115a6f5cc077a41ca07b3; download it again",
    ]
    trained = audiolog("train maestro --out run", tmp_path)
    assert (trained.code, trained.stdout) == (1, "")
    assert trained.stderr == f"audiolog: {annotation}:1: unknown label 'unicorn' (and 2 more problems in MAESTRO Real)\n"


def test_training_on_a_folder_of_ones_own_ends_in_figures_on_its_test_part(tmp_path: Path) -> None:
    own_folder(tmp_path / "field")
    trained = audiolog(f"train field --fold 2 --out run {QUICK}", tmp_path)
    assert (trained.code, trained.stderr) == (0, "")
    assert json.loads(trained.stdout)["step"] == 2
    assert (tmp_path / "run/test/files.txt").read_text() == "field/rec2.wav\nfield/rec3.wav\n"
    assert (tmp_path / "run/test/events.tsv").read_text() == (
        "filename\tonset\toffset\tevent_label\nfield/rec2.wav\t1.000\t4.000\tcar\nfield/rec3.wav\t1.000\t4.000\tdog\n"
    )
    assert (tmp_path / "run/test/scenes.tsv").read_text() == (
        "filename\tonset\toffset\tscene_label\nfield/rec2.wav\t0.000\t12.000\tstreet\nfield/rec3.wav\t0.000\t12.000\thome\n"
    )
    scored = sh(
        "audiolog tag -q --files-from run/test/files.txt --weights run/model.safetensors | audiolog eval -q --labels "
        "run/test/labels.txt"
        " --reference run/test/events.tsv --reference run/test/scenes.tsv --durations run/test/durations.tsv",
        tmp_path,
    )
    assert (scored.code, scored.stderr) == (0, "")
    figures = {line.split("\t")[2]: line.split("\t")[3] for line in scored.stdout.splitlines()[1:]}
    assert figures["segment_n_reference"] == "6"
    assert 0 <= float(figures["scene_accuracy"]) <= 1


def test_a_folder_without_scenes_trains_the_events_alone(tmp_path: Path) -> None:
    (own_folder(tmp_path / "field") / "scenes.tsv").unlink()
    trained = audiolog(f"train field --out run {QUICK}", tmp_path)
    assert (trained.code, trained.stderr) == (0, "")
    record = json.loads(trained.stdout)
    assert record["score"] == record["macro_ap"] and "scene_accuracy" not in record  # undefined, so not there
    tagged = audiolog("tag -q field/rec0.wav --weights run/model.safetensors --threshold 0", tmp_path)
    assert tagged.stdout.splitlines()[1] == "field/rec0.wav\t0.000\t1.000\tscene\t\t0.000"


def test_a_validation_part_without_any_label_is_refused() -> None:
    nothing = np.zeros((10, 2), bool)
    scores = validation.Scores(nothing.astype(np.float32), nothing, ~nothing, np.zeros((1, 0), np.float32), np.array([NO_SCENE]))
    with pytest.raises(UsageError, match="the validation windows have neither an event nor a scene to judge by"):
        validation.summary(scores)


def test_a_network_of_scenes_alone_can_be_tagged_with(tmp_path: Path) -> None:
    network = Joint(JointConfig(n_scenes=2, n_events=0))
    checkpoint.save(tmp_path / "cnn.safetensors", network, checkpoint.Card.of(network, ("home", "street")))
    write_wav(tmp_path / "a.wav", 2.0, rate=8000)
    tagged = audiolog("tag -q a.wav --weights cnn.safetensors", tmp_path)
    assert (tagged.code, tagged.stderr) == (0, "")
    kinds = [line.split("\t")[3:5] for line in tagged.stdout.splitlines()[1:]]
    assert len(kinds) == 2 and all(kind == "scene" and label in ("home", "street") for kind, label in kinds)


def test_runs_share_the_windows_and_a_weight_of_zero_leaves_the_loss_out(tmp_path: Path) -> None:
    own_folder(tmp_path / "field")
    first = audiolog(f"train field --cache windows --out one {QUICK.replace(' -q', '')} --set contrastive_weight=0", tmp_path)
    second = audiolog(
        f"train field --cache windows --out two {QUICK.replace(' -q', '')} --fold 2 --set hard_labels=true", tmp_path
    )
    assert (first.code, second.code) == (0, 0), second.stderr
    assert first.stderr.splitlines()[:2] == [
        "audiolog: windows/log-mel: 8 windows of 4 recordings",
        "audiolog: field: 1 recordings train, 1 validate, 2 test",
    ]
    assert second.stderr.splitlines()[0] == "audiolog: field: 1 recordings train, 1 validate, 2 test"  # no windows made again
    assert "contrastive" not in json.loads(first.stdout)
    assert "contrastive" in json.loads(second.stdout)


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("audiolog train none --out run", 2, "none: no such folder"),
        ("audiolog train field", 2, "train needs --out DIR, where the checkpoint goes"),
        ("audiolog train field --out run --validation x", 2,
         "--validation does nothing here: the folds of field say what validates; leave it out"),
        ("audiolog train pool --out run", 2, "pool is a pool: it needs --validation POOL"),
        ("audiolog train pool --check-data", 2, "--check-data does nothing here: pool is a pool, no data set; leave it out"),
        ("audiolog train field --out run --labels tut", 1,
         "field/events.tsv:3: unknown label 'dog' (and 5 more problems in field)"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused_in_one_line(tmp_path: Path, command: str, code: int, message: str) -> None:
    own_folder(tmp_path / "field", seconds=4.0)
    write(tmp_path / "pool/pool.json", "{}")
    result = audiolog(command.removeprefix("audiolog "), tmp_path)
    assert (result.code, result.stdout, result.stderr) == (code, "", f"audiolog: {message}\n")
