"""Soundscapes: exact times, exact levels, and the same from the same seed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolog_cli.errors import AudioError, InputError, RecordError
from audiolog_cli.mixing import augment, cache, clips, composing, windows
from audiolog_cli.mixing.augment import SAMPLE_RATE, Wave
from audiolog_cli.mixing.windows import PLAIN, Bank, MixStyle, Span
from tests.sounds import from_arrays, made_clips, tone

BANK = windows.make_bank(*made_clips())
TABLE = "path\tsource_id\tkind\tlabel\tonset\toffset\tduration\tsplit\n"


@pytest.fixture
def bank() -> Bank:
    return BANK


# Levels and times


def test_event_lies_where_the_span_says_and_as_loud_as_asked_for() -> None:
    background = np.full(4 * SAMPLE_RATE, 0.01, np.float32)
    wave = background.copy()
    span = windows.add_event(wave, tone(1000, 1.0), 2 * SAMPLE_RATE, 20.0, "beep")
    assert span == Span(2.0, 3.0, "beep")
    added = wave - background
    assert not added[: 2 * SAMPLE_RATE].any()
    assert not added[3 * SAMPLE_RATE :].any()
    assert augment.rms(added[2 * SAMPLE_RATE : 3 * SAMPLE_RATE]) == pytest.approx(0.1, rel=1e-3)  # 20 dB over 0.01


def test_event_over_digital_silence_has_an_absolute_level() -> None:
    wave = np.zeros(2 * SAMPLE_RATE, np.float32)
    windows.add_event(wave, tone(1000, 2.0), 0, 15.0, "beep")
    assert 20 * np.log10(augment.rms(wave)) == pytest.approx(-20.0, abs=0.1)  # -35 dBFS + 15 dB


def test_event_that_begins_before_the_window_is_cut_to_it() -> None:
    wave = np.zeros(SAMPLE_RATE, np.float32)
    assert windows.add_event(wave, tone(500, 1.0), -SAMPLE_RATE // 2, 10.0, "x") == Span(0.0, 0.5, "x")
    assert windows.add_event(wave, tone(500, 1.0), SAMPLE_RATE // 4, 10.0, "x") == Span(0.25, 1.0, "x")


def test_a_silent_event_or_one_outside_the_window_is_not_listed() -> None:
    wave = np.zeros(100, np.float32)
    assert windows.add_event(wave, np.zeros(50, np.float32), 0, 10.0, "x") is None
    assert windows.add_event(wave, np.ones(50, np.float32), 100, 10.0, "x") is None


def test_cross_fade_keeps_the_power_of_unrelated_sounds() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.standard_normal(SAMPLE_RATE).astype(np.float32) for _ in range(2))
    faded = windows.cross_fade(first, second, SAMPLE_RATE // 2)
    assert faded.size == 1.5 * SAMPLE_RATE
    assert augment.rms(faded[SAMPLE_RATE // 2 : SAMPLE_RATE]) == pytest.approx(1.0, abs=0.05)


@given(n_wave=st.integers(0, 5000), n_samples=st.integers(1, 20000))
@settings(deadline=None)
def test_loop_is_as_long_as_asked_for(n_wave: int, n_samples: int) -> None:
    assert windows.loop(np.ones(n_wave, np.float32), n_samples).shape == (n_samples,)


# Windows


def test_window_is_the_same_for_the_same_seed_and_index_only(bank: Bank) -> None:
    style = MixStyle(alone_share=0.5)
    for index in range(6):
        first, again = (windows.mix_window(bank, style, 3, index) for _ in range(2))
        assert np.array_equal(first.wave, again.wave)
        assert (first.events, first.scenes) == (again.events, again.scenes)
    one, two = windows.mix_window(bank, PLAIN, 3, 0), windows.mix_window(bank, PLAIN, 4, 0)
    assert not np.array_equal(one.wave, two.wave)


def test_steady_windows_hold_nothing_but_noise_hum_or_silence(bank: Bank) -> None:
    drawn = [windows.mix_window(bank, MixStyle(seconds=1.0, steady_share=1.0), 4, i) for i in range(20)]
    assert all(not sound.events and not sound.scenes for sound in drawn)
    assert any(not sound.wave.any() for sound in drawn) and any(sound.wave.any() for sound in drawn)
    loud = next(sound.wave for sound in drawn if sound.wave.any())
    halves = [augment.rms(half) for half in np.split(loud, 2)]
    assert halves[0] == pytest.approx(halves[1], rel=0.5)


def test_hum_has_the_mains_harmonics_and_nothing_between() -> None:
    spectrum = np.abs(np.fft.rfft(windows.hum(SAMPLE_RATE, np.random.default_rng(1))))  # 1 Hz apart
    base = 50 if spectrum[45:56].sum() > spectrum[57:63].sum() else 60
    near = np.zeros(len(spectrum), bool)
    for harmonic in range(1, 14):
        near[harmonic * base - 10 : harmonic * base + 11] = True
    assert np.square(spectrum[near]).sum() > 0.99 * np.square(spectrum).sum()


def test_scenes_outside_the_vocabulary_are_places_without_a_label() -> None:
    bank = windows.make_bank(*made_clips(), known=["hiss"])
    assert list(bank.scenes) == ["hiss"] and len(bank.places) == 1
    scenes = {sound.scenes for sound in (windows.mix_window(bank, MixStyle(place_share=1.0), 0, i) for i in range(5))}
    assert scenes == {(Span(0.0, 10.0, windows.PLACE),)}


def test_joined_labels_go_by_the_first_rule_that_fits(tmp_path: Path) -> None:
    (tmp_path / "joined.tsv").write_text(
        "kind\tlabel\traw_label\tbecomes\nevent\tother|car\t(?i)\\bbus\tbus\nevent\tother\t.*hen\then\n", encoding="utf-8"
    )
    made = [
        replace(clip, label=label, raw_label=raw)
        for clip, (label, raw) in zip(
            made_clips()[0], [("car", "Bus 7"), ("other", "hen cluck"), ("other", "buzz"), ("train", "bus")], strict=False
        )
    ]
    found = clips.joined(made, clips.read_joinings(tmp_path / "joined.tsv"))
    assert [clip.label for clip in found[:4]] == ["bus", "hen", "other", "train"]
    (tmp_path / "joined.tsv").write_text("kind\tlabel\traw_label\tbecomes\nevent\tother\t(\tbus\n", encoding="utf-8")
    with pytest.raises(RecordError, match="joined.tsv:2: expected regular expressions as label and raw_label"):
        clips.read_joinings(tmp_path / "joined.tsv")


@given(index=st.integers(0, 10**6), alone=st.sampled_from([0.0, 1.0]))
@settings(max_examples=40, deadline=None)
def test_every_window_is_finite_within_full_scale_and_labelled_inside_itself(index: int, alone: float) -> None:
    style = MixStyle(seconds=4.0, alone_share=alone, overdrive_share=0.5, codec_share=0.5)
    soundscape = windows.mix_window(BANK, style, 1, index)
    assert soundscape.wave.shape == (4 * SAMPLE_RATE,)
    assert soundscape.wave.dtype == np.float32
    assert np.isfinite(soundscape.wave).all()
    assert np.abs(soundscape.wave).max() <= 1.0
    assert all(0 <= onset < offset <= 4.0 and label in ("low", "high") for onset, offset, label in soundscape.events)


def test_an_event_is_heard_in_its_span(bank: Bank) -> None:
    style = MixStyle(scene_share=0, noise_share=0, max_events=1, room_share=0, speed_share=0, tone_share=0, narrow_share=0)
    heard = 0
    for index in range(20):
        soundscape = windows.mix_window(bank, style, 0, index)
        for onset, offset, _ in soundscape.events:
            inside = soundscape.wave[round(onset * SAMPLE_RATE) : round(offset * SAMPLE_RATE)]
            assert np.dot(inside, inside) == pytest.approx(np.dot(soundscape.wave, soundscape.wave), rel=1e-6)
            heard += 1
    assert heard > 3


def test_a_sound_alone_lasts_from_end_to_end(bank: Bank) -> None:
    heard = set()
    for index in range(20):
        soundscape = windows.mix_window(bank, MixStyle(alone_share=1.0), 0, index)
        (label,) = {event.label for event in soundscape.events}
        heard.add(label)
        assert soundscape.scenes == ()
        pauses = [later.onset - earlier.offset for earlier, later in zip(soundscape.events, soundscape.events[1:], strict=False)]
        assert soundscape.events[0].onset < 1.0 < 9.0 < soundscape.events[-1].offset
        assert all(0 <= pause < 1.0 for pause in pauses)
    assert heard == {"low", "high"}


def test_weights_change_how_often_a_label_is_drawn() -> None:
    bank = windows.make_bank(*made_clips(), weights={"low": 9.0})
    style = MixStyle(seconds=2.0, scene_share=0, noise_share=0)
    labels = [event.label for index in range(100) for event in windows.mix_window(bank, style, 0, index).events]
    assert labels.count("low") > 4 * labels.count("high")


def test_a_bank_without_events_and_scenes_is_refused() -> None:
    with pytest.raises(InputError, match="no clip to mix"):
        windows.make_bank([], from_arrays({}))


# Recordings


def test_recording_has_scenes_without_gaps_and_no_more_than_two_events_at_once(bank: Bank) -> None:
    plan = composing.Plan(seconds=30.0, n_scenes=(2, 2), events_per_minute=(40, 40), event_seconds=1.5)
    soundscape = composing.compose(bank, plan, seed=1)
    assert soundscape.wave.size == 30 * SAMPLE_RATE
    (start, border, first), (again, end, second) = soundscape.scenes
    assert (start, border, end) == (0.0, again, 30.0)
    assert {first, second} == {"hiss", "rumble"}
    assert len(soundscape.events) > 10
    times = np.arange(0, 30, 0.01)
    active = sum(((times >= onset) & (times < offset)).astype(int) for onset, offset, _ in soundscape.events)
    assert active.max() == 2


def test_recordings_without_scenes_are_refused() -> None:
    made, decoded = made_clips()
    events_only = windows.make_bank([clip for clip in made if clip.kind == "event"], decoded)
    with pytest.raises(InputError, match="no scene recording"):
        composing.compose(events_only, composing.Plan(), seed=0)


def test_written_recording_reads_back_sample_for_sample(tmp_path: Path) -> None:
    from audiolog_cli.sound import audio

    wave = tone(440, 1.3)
    composing.write_flac(wave, tmp_path / "a.flac")
    back = np.concatenate(list(audio.decode(str(tmp_path / "a.flac"))))
    assert back.size == wave.size
    assert np.abs(back - wave).max() < 1 / 32000  # 16 bit


# Changes of sound


@pytest.mark.parametrize(("colour", "decibels_per_octave"), [("white", 0.0), ("pink", -3.0), ("brown", -6.0)])
def test_noise_colours_fall_as_they_should(colour: augment.NoiseColour, decibels_per_octave: float) -> None:
    sound = augment.noise(10 * SAMPLE_RATE, colour, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(sound)) ** 2
    octaves = [power[round(f * 10) : round(f * 20)].mean() for f in (100, 200, 400, 800)]
    falls = 10 * np.diff(np.log10(octaves))
    assert falls == pytest.approx([decibels_per_octave] * 3, abs=0.6)


def test_speed_changes_pitch_and_length_together() -> None:
    faster = augment.change_speed(tone(1000, 1.0), 1.25)
    assert faster.size == SAMPLE_RATE / 1.25
    assert np.argmax(np.abs(np.fft.rfft(faster))) * SAMPLE_RATE / faster.size == pytest.approx(1250, abs=2)


def test_band_limits_pass_the_middle_and_stop_the_rest() -> None:
    def kept(hertz: float) -> float:
        sound = tone(hertz, 1.0)
        return 20 * np.log10(augment.rms(augment.equalise(sound, augment.band_limits(300, 3400))) / augment.rms(sound))

    assert kept(1000) == pytest.approx(0, abs=0.5)
    assert kept(60) < -30
    assert kept(8000) < -30


@pytest.mark.parametrize("n_response", [1, 700, 4096, 4097, 9000])
@pytest.mark.parametrize("n_wave", [1, 5000, 20000])
def test_convolution_in_blocks_is_convolution(n_wave: int, n_response: int) -> None:
    rng = np.random.default_rng(1)
    wave, response = (rng.standard_normal(n).astype(np.float32) for n in (n_wave, n_response))
    found = augment.convolve(wave, augment.filter_of(response))
    np.testing.assert_allclose(found, np.convolve(wave, response)[:n_wave], atol=1e-3)


def test_an_equaliser_moves_nothing_and_curves_add_up() -> None:
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[12345] = 1.0
    louder, softer = (np.array([100.0, 8000.0]), np.array([6.0, 6.0])), (np.array([100.0, 8000.0]), np.array([-12.0, -12.0]))
    changed = augment.equalise(click, louder, softer)
    assert np.argmax(np.abs(changed)) == 12345
    assert changed[12345] == pytest.approx(augment.amplitude(-6.0), abs=1e-3)


def test_a_codec_leaves_as_many_levels_as_it_has_bits() -> None:
    coded = augment.quantise(tone(440, 0.5), 5)
    assert len(np.unique(coded)) <= 2**5 + 1
    assert np.abs(coded).max() == pytest.approx(0.3, rel=0.01)


def test_room_adds_a_tail_of_the_asked_for_energy() -> None:
    response = augment.room(0.5, 6.0, np.random.default_rng(0))
    assert response[0] == 1.0
    assert 10 * np.log10(np.dot(response[1:], response[1:])) == pytest.approx(-6.0, abs=0.01)
    unchanged = augment.convolve(tone(100, 0.1), augment.filter_of(np.array([1.0, 0.0], np.float32)))
    assert np.allclose(unchanged, tone(100, 0.1), atol=1e-6)


# Clips and their cache


def decode_made(path: Path) -> Wave:
    if path.name == "broken.wav":
        raise AudioError("broken.wav: not audio")
    return tone(100, int(path.stem) / 10)


def test_cache_decodes_each_clip_once_and_grows(tmp_path: Path) -> None:
    decoded: list[str] = []

    def decode(path: Path) -> Wave:
        decoded.append(path.name)
        return decode_made(path)

    cache.open_cache(tmp_path, [Path("3.wav"), Path("5.wav")], decode)
    both = cache.open_cache(tmp_path, [Path("5.wav"), Path("7.wav")], decode)
    assert decoded == ["3.wav", "5.wav", "7.wav"]
    assert [both.n_samples(Path(f"{n}.wav")) for n in (3, 5, 7)] == [9600, 16000, 22400]
    assert np.abs(both.read(Path("5.wav"), 100, 200) - tone(100, 0.5)[100:200]).max() < 1 / 32000
    assert both.read(Path("3.wav"), 9000, 99999).size == 600


def test_an_interrupted_cache_keeps_what_it_had_and_can_grow(tmp_path: Path) -> None:
    cache.open_cache(tmp_path, [Path("3.wav")], decode_made)
    with pytest.raises(AudioError, match="not audio"):
        cache.open_cache(tmp_path, [Path("9.wav"), Path("broken.wav")], decode_made)
    after = cache.open_cache(tmp_path, [Path("4.wav")], decode_made)
    assert sorted(after.spans) == ["3.wav", "4.wav"]
    assert np.abs(after.read(Path("4.wav")) - tone(100, 0.4)).max() < 1 / 32000


def test_table_of_clips_is_read_by_column_name(tmp_path: Path) -> None:
    (tmp_path / "clips.tsv").write_text(
        "label\tpath\tsplit\tkind\tonset\toffset\tduration\tsource_id\ndog\ta.ogg\tval\tevent\t0.5\t2\t3\ts1\n"
    )
    assert clips.read_clips(tmp_path) == [clips.Clip(tmp_path / "a.ogg", "s1", "event", "dog", 0.5, 2.0, 3.0, "val")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.ogg\ts\tevent\tdog\tx\t2\t3\ttrain\n", "clips.tsv:2: expected a number as onset, got 'x'"),
        ("a.ogg\ts\tevent\tdog\t2\t1\t3\ttrain\n", r"clips.tsv:2: the sounding part 2.0..1.0 s is not inside a clip of 3.0 s"),
        ("a.ogg\ts\tnoise\tdog\t0\t1\t3\ttrain\n", "clips.tsv:2: kind 'noise' is none of event, scene, background"),
        ("a.ogg\ts\tevent\tdog\t0\t1\t3\tdev\n", "clips.tsv:2: split 'dev' is none of train, val, test"),
    ],
)
def test_broken_line_of_a_table_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "clips.tsv").write_text(TABLE + line)
    with pytest.raises(RecordError, match=message):
        clips.read_clips(tmp_path)


def test_missing_table_and_missing_column_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"clips.tsv: no such file; a folder of clips needs one"):
        clips.read_clips(tmp_path)
    (tmp_path / "clips.tsv").write_text("path\tlabel\n")
    with pytest.raises(RecordError, match="no column source_id, kind, onset"):
        clips.read_clips(tmp_path)


def test_a_source_in_two_splits_is_refused() -> None:
    made, _ = made_clips()
    leaking = clips.Clip(Path("copy.wav"), made[0].source_id, "event", "low", 0.0, 1.0, 1.0, "val")
    with pytest.raises(RecordError, match=r"source low:0 is in two splits: low_0.wav \(train\) and copy.wav \(val\)"):
        clips.check_splits([*made, leaking])


def test_splits_of_the_shared_clips_share_no_source(shared: Path) -> None:
    clips.check_splits(clips.read_clips(shared / "data" / "everyday") + clips.read_clips(shared / "data" / "extra"))
