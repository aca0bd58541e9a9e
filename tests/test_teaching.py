"""A user's own sounds: what a folder holds, what is learned from it, and what is reported."""

from pathlib import Path

import numpy as np
import pytest
import torch

from audiolog_cli.errors import InputError, UsageError, WeightsError
from audiolog_cli.model import checkpoint, crnn
from audiolog_cli.model.baselines import Joint, JointConfig
from audiolog_cli.model.checkpoint import Card
from audiolog_cli.teaching.bank import find_bank, write_bank
from audiolog_cli.teaching.figures import Figure, HeldOut, best_threshold, f1_at, figures_of
from audiolog_cli.teaching.lessons import Hearing, Lesson, Span, _unmarked, make_lessons
from audiolog_cli.teaching.material import Mark, read_material
from audiolog_cli.teaching.regression import fit
from audiolog_cli.teaching.report import report_lines
from audiolog_cli.teaching.sounding import sounding
from audiolog_cli.teaching.targets import Targets, targets
from tests.audio_files import noise, sine, write_wav
from tests.shell import audiolog

RATE = 32000


def tiny(path: Path, **heads: int) -> Path:
    """A small network with random weights and two events, `car` and `dog`, and two scenes."""
    torch.manual_seed(0)
    network = crnn.CRNN(crnn.preset("tiny", n_scenes=2, n_events=2)).eval()
    checkpoint.save(path, network, Card.of(network, ("home", "street"), ("car", "dog"), smooth=3.0, hop=5.0))
    return path


def clip(path: Path, hertz: float, seconds: float = 1.5, rate: int = RATE, seed: int = 0) -> Path:
    """A beep between two pauses, over faint noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pause = np.zeros(rate // 2, np.float32)
    beep = np.concatenate([pause, sine(seconds, rate, hertz), pause])
    return write_wav(path, beep + noise(len(beep) / rate, rate, 0.0005, seed), rate)


def beeps(folder: Path, n_clips: int = 5) -> Path:
    """Two labels that are easy to tell apart: low and high beeps."""
    for index in range(n_clips):
        clip(folder / "high beep" / f"h{index}.wav", 3000 + 40 * index, seed=index)
        clip(folder / "low" / f"l{index}.wav", 300 + 4 * index, seed=10 + index)
    return folder


# What a folder holds


def is_wav(name: str) -> bool:
    return name.endswith(".wav")


def test_folders_are_labels_and_lists_mark_recordings(tmp_path: Path) -> None:
    folder = beeps(tmp_path / "mine", 3)
    clip(folder / "background" / "quiet.wav", 50)
    clip(folder / "scene:kitchen" / "k.wav", 100)
    for index in range(2):
        clip(folder / "scene:kitchen" / f"k{index}.wav", 100)
    clip(folder / "night.wav", 300)
    (folder / "night.txt").write_text("0.500000\t2.000000\tlow\n")
    material = read_material(folder, is_wav)
    assert (material.events, material.scenes) == (("high beep", "low"), ("kitchen",))
    (night,) = [one for one in material.recordings if one.path.name == "night.wav"]
    assert night.marks == (Mark(0.5, 2.0, "low", True),) and not night.is_partial


def test_a_folder_and_a_list_name_one_label_however_they_spell_it(tmp_path: Path) -> None:
    for index in range(3):
        clip(tmp_path / "mine" / "Vo\u0308gel" / f"{index}.wav", 300)
    clip(tmp_path / "mine" / "night.wav", 300)
    (tmp_path / "mine" / "night.txt").write_text("0.5\t2.0\tV\u00f6gel\n")
    material = read_material(tmp_path / "mine", is_wav)
    assert material.events == ("V\u00f6gel",) and len(material.clips("V\u00f6gel")) == 3


def test_a_list_from_suggest_says_nothing_of_what_it_does_not_mark(tmp_path: Path) -> None:
    folder = beeps(tmp_path / "mine", 3)
    clip(folder / "night.wav", 300)
    (folder / "night.txt").write_text("0.5\t2.0\tlow\n3.0\t4.0\tnot low\n5.0\t6.0\tlow?\n")
    (night,) = [one for one in read_material(folder, is_wav).recordings if one.path.name == "night.wav"]
    assert night.is_partial and night.marks == (Mark(0.5, 2.0, "low", True), Mark(3.0, 4.0, "low", False))


@pytest.mark.parametrize("label", ["a;b", "really?", "not a cat", "bell\x07"])
def test_names_that_cannot_be_labels(tmp_path: Path, label: str) -> None:
    for index in range(3):
        clip(tmp_path / label / f"{index}.wav", 300)
    with pytest.raises(UsageError, match="cannot be a label"):
        read_material(tmp_path, is_wav)


def test_one_clip_is_not_enough(tmp_path: Path) -> None:
    clip(tmp_path / "kettle" / "a.wav", 300)
    with pytest.raises(InputError, match=r"kettle: 1 clip, expected 3 or more \(20 are good\)"):
        read_material(tmp_path, is_wav)


def test_a_folder_without_sounds_and_a_recording_without_a_label(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sound to learn; expected folders named after labels"):
        read_material(tmp_path, is_wav)
    clip(tmp_path / "lost.wav", 300)
    with pytest.raises(InputError, match=r"lost.wav: in no label's folder and without a list lost.txt beside it"):
        read_material(tmp_path, is_wav)
    with pytest.raises(UsageError, match="no such folder"):
        read_material(tmp_path / "nowhere", is_wav)


def test_what_lies_within_an_overlapping_mark_is_no_background() -> None:
    """Rain all the time, in which a dog barks: what follows the bark was learned as a place without rain."""
    rain, bark, bell = Mark(2.0, 20.0, "rain", True), Mark(5.0, 6.0, "bark", True), Mark(23.0, 24.0, "bell", True)
    wave = np.arange(30, dtype=np.float32)  # one sample a second
    found = _unmarked(wave, [bell, rain, bark], Hearing(1, 10.0))
    assert [(part[0], part[-1] + 1) for part in found] == [(0, 2), (20, 23), (24, 30)]


def test_moments_and_empty_folders_teach_nothing_and_are_named(tmp_path: Path) -> None:
    """Audacity's point labels gave an F1 of 1.00, and a linked folder was passed over in silence."""
    folder = beeps(tmp_path / "mine", 3)
    (folder / "whistle").symlink_to(tmp_path)
    clip(folder / "night.wav", 300)
    (folder / "night.txt").write_text("0.5\t0.5\tlow\n")
    lessons = make_lessons(read_material(folder, is_wav), Hearing(RATE, 10.0))
    assert lessons.remarks == [
        f"{folder / 'whistle'}: no sound files in it; left out",
        f"{folder / 'night.wav'}: low at 0.5 s: a moment, expected a stretch; left out",
    ]
    (folder / "night.txt").write_text("0.5\t0.5\tknock\n1\t1\tknock\n2\t2\tknock\n")
    with pytest.raises(InputError, match="knock: 0 of its clips can be used, expected 3 or more: .*a moment"):
        make_lessons(read_material(folder, is_wav), Hearing(RATE, 10.0))


# What sounds, and what is heard when


def test_the_part_of_a_clip_that_sounds() -> None:
    wave = np.concatenate([noise(1.0, RATE, 0.001), sine(0.5, RATE), noise(1.0, RATE, 0.001, seed=1)])
    assert np.flatnonzero(sounding(wave, RATE)).tolist() == list(range(20, 30))  # blocks of 50 ms
    assert sounding(sine(1.0, RATE), RATE).all()  # from end to end: there is no quiet in it
    assert not sounding(np.zeros(RATE, np.float32), RATE).any()


def test_steps_in_which_a_sound_is_heard_and_what_is_known_of_the_others() -> None:
    lesson = Lesson(np.zeros(0, np.float32), (Span(1.0, 2.8, 0, clip=7),), fold=0)
    found = targets([lesson], n_parts=4, n_labels=2, window=4.0)
    assert found.heard[0].tolist() == [[0, 0], [1, 0], [1, 0], [0, 0]]
    assert found.known.all() and found.clip[0].tolist() == [-1, 7, 7, -1]
    half = Lesson(np.zeros(0, np.float32), (Span(1.0, 2.5, 0, clip=7),), fold=0)
    assert targets([half], 4, 2, 4.0).known[0].tolist() == [[1, 1], [1, 1], [0, 1], [1, 1]]  # half a step is neither
    short = Lesson(np.zeros(0, np.float32), (Span(1.9, 2.2, 0, clip=7),), fold=0)
    assert targets([short], 4, 2, 4.0).heard[0].tolist() == [[0, 0], [0, 0], [1, 0], [0, 0]]  # shorter than a step, and yet heard
    unsure = Lesson(np.zeros(0, np.float32), (Span(0.0, 1.0, 0, 7), Span(2.0, 3.0, 1, -1, False)), 0, is_partial=True)
    assert targets([unsure], 4, 2, 4.0).known[0].tolist() == [[1, 0], [0, 0], [0, 1], [0, 0]]


# Learning


def test_regression_finds_the_feature_that_tells() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((400, 5)).astype(np.float32)
    heard = (features[:, 2:3] > 0.5).astype(np.float32)
    linear = fit(features, heard, np.ones_like(heard))
    assert linear.weight[0].argmax() == 2 and linear.weight[0, 2] > 5 * abs(np.delete(linear.weight[0], 2)).max()
    scores, is_heard = linear.scores(features)[:, 0], heard[:, 0] > 0
    assert (scores[is_heard] > np.quantile(scores[~is_heard], 0.95)).mean() > 0.85


def test_what_nobody_knows_teaches_nothing() -> None:
    features = np.eye(3, dtype=np.float32)[[0, 1, 2, 2]]
    heard = np.array([[1], [0], [1], [0]], np.float32)
    known = np.array([[1], [1], [0], [0]], np.float32)
    a = fit(features, heard, known)
    b = fit(features, np.array([[1], [0], [0], [0]], np.float32), known)
    assert np.array_equal(a.weight, b.weight)


def test_the_threshold_weighs_false_alarms_as_the_sound_is_rare() -> None:
    heard, unheard, none = np.array([0.9, 0.6], np.float32), np.array([0.2, 0.1], np.float32), np.zeros(0, np.float32)
    assert best_threshold(heard, unheard, none, 0.02) == pytest.approx(0.6)
    others = np.array([0.7, 0.1, 0.1, 0.1], np.float32)  # one other sound in four scores 0.7: with 0.6 it would be named all day
    # at 0.9: recall 1/2, no false alarm, F1 2 x 0.01 / (0.02 + 0.01) = 0.667; at 0.6: 2 x 0.02 / (0.02 + 0.02 + 0.98 / 8) = 0.246
    assert best_threshold(heard, unheard, others, 0.02) == pytest.approx(0.9)
    assert f1_at(heard[0], heard, unheard, others, 0.02) == pytest.approx(0.02 / 0.03)


def test_a_recording_that_is_there_twice_is_held_out_at_once(tmp_path: Path) -> None:
    folder = beeps(tmp_path / "mine", 4)
    again = noise(2.0, RATE, 0.1, seed=5)
    write_wav(folder / "low" / "a.wav", again, RATE)
    write_wav(folder / "low" / "z.wav", 0.3 * again[RATE // 4 :] + noise(1.75, RATE, 0.0003), RATE)  # quieter, cut, over noise
    lessons = make_lessons(read_material(folder, is_wav), Hearing(RATE, 10.0))
    (pair,) = lessons.alike
    assert [lessons.names[number] for number in pair] == ["a.wav", "z.wav"]
    of_fold = {span.clip: lesson.fold for lesson in lessons.windows for span in lesson.spans}
    assert of_fold[pair[0]] == of_fold[pair[1]]


def test_figures_of_two_labels() -> None:
    scores = np.array([[[0.9, 0.1], [0.6, 0.1], [0.1, 0.8], [0.8, 0.3]]], np.float32)  # one window, four seconds, labels a and b
    heard = np.array([[[1, 0], [1, 0], [0, 1], [0, 1]]], np.float32)
    found = Targets(heard, np.ones_like(heard), np.array([[0, 0, 1, 2]]))
    others = np.array([[0.7, 0.0]] + 99 * [[0.0, 0.0]], np.float32)  # the bank: one sound in a hundred is like a
    tested = HeldOut(("a", "b"), scores, found, others, ("a.wav", "b.wav", "odd.wav"), ((0,), (1, 2)))
    free, bounded = (figures_of(tested, (), share=0.5, most_false=most) for most in (0.01, 0.0))
    assert free[0].threshold == pytest.approx(0.6) and 0.7 < bounded[0].threshold < 0.7001  # just above that sound
    assert free[0].taken_for == () and free[1].taken_for == (("a", 0.5),)
    # odd.wav is over the threshold of a by logit(0.8) - logit(0.6) = 0.98, and at that of its own label
    assert free[1].threshold == pytest.approx(0.3) and free[1].own[1] == pytest.approx(0.0, abs=1e-6)
    assert free[1].rival[1] == ("a", pytest.approx(0.98, abs=0.01))


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with base.safetensors, mine.safetensors that knows the beeps as well, and long.wav with one of each."""
    folder = tmp_path_factory.mktemp("taught")
    tiny(folder / "base.safetensors")
    beeps(folder / "mine")
    long = noise(40.0, RATE, 0.001)
    long[5 * RATE : 7 * RATE] += sine(2.0, RATE, 3050)
    long[25 * RATE : 27 * RATE] += sine(2.0, RATE, 305)
    write_wav(folder / "long.wav", long, RATE)
    done = audiolog("train mine --extend base.safetensors --out mine.safetensors", folder)
    assert done.code == 0, done.stderr
    assert done.stdout.splitlines()[0].split() == ["label", "clips", "AP", "F1", "taken", "for"]
    assert "high beep: 5 clips are few; record 10 to 20" in done.stdout
    assert "no bank of other sounds beside it" in done.stderr
    return folder


def test_what_was_learned_is_heard_where_it_is(taught: Path) -> None:
    done = audiolog("tag long.wav --weights mine.safetensors", taught)
    seconds: dict[str, list[float]] = {label: [] for label in ("high beep", "low")}
    for line in done.stdout.splitlines()[1:]:
        _, onset, _, kind, label, _ = line.split("\t")
        if kind == "event" and label in seconds:
            seconds[label].append(float(onset))
    assert seconds["high beep"] and all(3 <= onset <= 9 for onset in seconds["high beep"])
    assert seconds["low"] and all(23 <= onset <= 29 for onset in seconds["low"])


def test_old_labels_keep_their_scores_to_the_bit(taught: Path) -> None:
    old, card = checkpoint.load(taught / "base.safetensors")
    new, new_card = checkpoint.load(taught / "mine.safetensors")
    wave = torch.from_numpy(noise(10.0, RATE, 0.1))[None].repeat(3, 1)
    with torch.inference_mode():
        before, after = old(wave), new(wave)
    assert torch.equal(before.event_logits, after.event_logits[..., :2])
    assert torch.equal(before.scene_logits, after.scene_logits)
    assert new_card.events == (*card.events, "high beep", "low") and new_card.thresholds[:2] == card.thresholds
    for weights in ("base", "mine"):
        audiolog(f"tag long.wav --weights {weights}.safetensors --scores-dir {weights}.scores", taught)
    rows = {name: (taught / f"{name}.scores" / "long.tsv").read_text().splitlines() for name in ("base", "mine")}
    assert [line.split("\t")[:4] for line in rows["base"]] == [line.split("\t")[:4] for line in rows["mine"]]


def test_only_leaves_the_old_labels_out_and_replace_takes_a_place(taught: Path) -> None:
    audiolog("train mine --extend base.safetensors --only --out only.safetensors", taught)
    network, card = checkpoint.load(taught / "only.safetensors")
    assert (card.scenes, card.events) == ((), ("high beep", "low"))
    assert network(torch.zeros(1, 320000)).event_logits.shape[-1] == 2
    for index in range(3):
        clip(taught / "again" / "low" / f"{index}.wav", 320 + index, seed=index)
    done = audiolog("train again --extend mine.safetensors --out two.safetensors", taught)
    assert done.code == 2 and "low: a label of these weights already (event)" in done.stderr
    assert audiolog("train again --extend mine.safetensors --replace --out two.safetensors", taught).code == 0
    assert checkpoint.load(taught / "two.safetensors")[1].events == ("car", "dog", "high beep", "low")
    assert "52" not in audiolog("weights check two.safetensors", taught).stderr


def test_places_are_learned_too(taught: Path) -> None:
    for index in range(3):
        write_wav(make(taught / "places" / "scene:hall") / f"{index}.wav", noise(25.0, RATE, 0.2, seed=index), RATE)
        write_wav(make(taught / "places" / "scene:cellar") / f"{index}.wav", sine(25.0, RATE, 100 + index), RATE)
    done = audiolog("train places --extend base.safetensors --out places.safetensors", taught)
    assert done.code == 0, done.stderr
    assert "scene:cellar" in done.stdout
    write_wav(taught / "there.wav", sine(20.0, RATE, 101), RATE)
    found = audiolog("tag there.wav --weights places.safetensors --smooth-scene 0", taught).stdout
    assert "\tscene\tcellar\t" in found and "\tscene\thall\t" not in found
    elsewhere = audiolog("tag long.wav --weights places.safetensors", taught).stdout
    assert elsewhere.count("\tscene\tcellar\t") < 20


def make(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_suggestions_are_a_label_track_that_goes_back_in(taught: Path) -> None:
    done = audiolog("train mine long.wav --extend base.safetensors --suggest 4", taught)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert done.code == 0 and len(lines) == 4
    assert [float(line[0]) for line in lines] == sorted(float(line[0]) for line in lines)
    assert {line[2] for line in lines} == {"high beep?", "low?"}
    corrected = make(taught / "corrected")
    beeps(corrected)
    (corrected / "long.wav").symlink_to(taught / "long.wav")
    (corrected / "long.txt").write_text("5.0\t7.0\thigh beep\n15.0\t17.0\tnot low\n30.0\t31.0\tlow?\n")
    assert audiolog("train corrected --extend base.safetensors --out again.safetensors", taught).code == 0


def test_a_bank_belongs_to_one_network(taught: Path) -> None:
    network, card = checkpoint.load(taught / "base.safetensors")
    assert find_bank(network, taught / "base.safetensors") is None
    rng = np.random.default_rng(0)
    steps = rng.uniform(-1, 1, (50, 64)).astype(np.float32)
    write_bank(taught / "base.else.npz", network, steps, steps[:5])
    try:
        bank = find_bank(network, taught / "base.safetensors")
        assert bank is not None and np.abs(bank.steps - steps).max() < 0.005 and bank.windows.shape == (5, 64)
        assert find_bank(checkpoint.load(taught / "mine.safetensors")[0], taught / "mine.safetensors") is not None
        torch.manual_seed(1)
        assert find_bank(crnn.CRNN(crnn.preset("tiny", n_events=2)), taught / "base.safetensors") is None
        (taught / "base.else.npz").write_bytes(b"PK\x03\x04 cut off")
        with pytest.raises(WeightsError, match="cannot be read as a bank of features"):
            find_bank(network, taught / "base.safetensors")
    finally:
        (taught / "base.else.npz").unlink()


# What has to be said


def refusal(folder: Path, arguments: str) -> str:
    done = audiolog(f"train {arguments}", folder)
    assert done.code in (1, 2) and done.stderr.count("\n") == 1 + done.stderr.count("no bank"), done.stderr
    return done.stderr


def test_clips_that_teach_nothing_are_reported(taught: Path) -> None:
    folder = make(taught / "odd")
    beeps(folder, 4)
    (folder / "low" / "twin.wav").write_bytes((folder / "low" / "l0.wav").read_bytes())
    write_wav(folder / "low" / "silent.wav", np.zeros(RATE, np.float32), RATE)
    (folder / "low" / "broken.wav").write_bytes(b"no sound at all")
    clip(folder / "low" / "phone.wav", 310, rate=8000, seed=99)
    done = audiolog("train odd --extend base.safetensors --out odd.safetensors", taught)
    assert done.code == 0, done.stderr
    assert "odd/low/twin.wav: the same sound as odd/low/l0.wav; used once" in done.stderr
    assert "odd/low/silent.wav: silent; left out" in done.stderr
    assert "broken.wav" in done.stderr and "; left out" in done.stderr
    assert "odd/low/phone.wav: recorded at 8 kHz, nothing above 4 kHz is in it" in done.stderr


def test_too_few_are_left(taught: Path) -> None:
    folder = make(taught / "silent")
    beeps(folder, 3)
    write_wav(folder / "low" / "l0.wav", np.zeros(RATE, np.float32), RATE)
    assert "low: 2 of its clips can be used, expected 3 or more: silent/low/l0.wav: silent" in refusal(
        taught, "silent --extend base.safetensors --out x.safetensors"
    )


def test_a_two_hour_clip_is_refused(taught: Path) -> None:
    folder = make(taught / "endless")
    beeps(folder, 3)
    write_wav(folder / "low" / "l0.wav", np.zeros(7200 * 8000, np.float32), 8000)
    said = refusal(taught, "endless --extend base.safetensors --out x.safetensors")
    assert (
        "l0.wav: lasts 7200 s, expected a clip of one sound, at most 300 s; mark the sounds in a list beside it (l0.txt" in said
    )


def test_options_that_do_not_go_together(taught: Path) -> None:
    assert "needs --out FILE" in refusal(taught, "mine --extend base.safetensors")
    assert "--suggest 3: needs a recording to look into" in refusal(taught, "mine --extend base.safetensors --suggest 3")
    assert "RECORDING does nothing here: only --suggest looks into one" in refusal(
        taught, "mine long.wav --extend base.safetensors"
    )
    assert "expected a file to write" in refusal(taught, "mine --extend base.safetensors --out mine")


def test_a_network_without_features_over_time(taught: Path) -> None:
    network = Joint(JointConfig(n_scenes=2, n_events=0)).eval()
    checkpoint.save(taught / "places_only.safetensors", network, Card.of(network, ("home", "street")))
    said = refusal(taught, "mine --extend places_only.safetensors --out x.safetensors")
    assert "places_only.safetensors: this network has no features over time" in said


def test_the_table_and_what_to_record_next() -> None:
    figure = Figure(
        "kettle",
        ("a.wav", "b.wav", "c.wav"),
        0.812,
        0.7,
        0.4,
        0.6,
        (("tap", 0.25),),
        (0.5, 1.5, -3.0),
        (("tap", -4.0), ("tap", 0.0), ("tap", 1.0)),
        (("a.wav", "b.wav"),),
    )
    assert "".join(report_lines([figure])) == (
        "label      clips    AP    F1  taken for\n"
        "-------  -------  ----  ----  -----------\n"
        "kettle         3  0.81  0.70  tap (25%)\n"
        "\n"
        "kettle: 3 clips are few; record 10 to 20, of other days and distances\n"
        "kettle: a.wav and b.wav hold the same recording; one of them teaches nothing\n"
        "kettle: c.wav is not like the others and more like tap; is it in the right folder?\n"
    )
