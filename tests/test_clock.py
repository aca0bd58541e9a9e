"""Where the start of a recording is found, its zone, and the clock times of its seconds."""

import contextlib
import struct
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolog_cli.errors import AudioError, UsageError
from audiolog_cli.moments import at
from audiolog_cli.sound.clock import start_of, time_source
from tests.audio_files import wav_bytes

BERLIN = ZoneInfo("Europe/Berlin")
CET = timezone(timedelta(hours=1))
SIX = datetime(2026, 11, 22, 6)


def start(path: str | Path, **options: str | bool) -> datetime:
    source = time_source(**options)  # type: ignore[arg-type]
    assert source is not None
    return start_of(str(path), source)


# Names


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("audiomoth", "card/20261122_060000.WAV", SIX),
        ("audiomoth", "24F319046055BD8B_20261122_060000T.WAV", SIX),
        ("audiomoth", "5BF1CAEC.WAV", datetime(2018, 11, 18, 20, 26, 20, tzinfo=UTC)),
        ("songmeter", "SMM01234_20261122_060000.wav", SIX),
        ("songmeter", "S4A00123_20261122$060000.wav", SIX),
        ("zoom", "261122-060000.WAV", SIX),
        ("zoom", "261122_060000_Tr1.WAV", SIX),
        ("iso", "garden 2026-11-22T06:00:00.250Z.flac", SIX.replace(microsecond=250_000, tzinfo=UTC)),
        ("iso", "2026-11-22_06-00-00-0330.ogg", SIX.replace(tzinfo=timezone(timedelta(hours=-3, minutes=-30)))),
        ("iso", "20261122T060000+01-00.ogg", SIX.replace(tzinfo=timezone(timedelta(hours=1)))),
        ("unix", "mic2-1795327200.opus", SIX.replace(tzinfo=UTC)),
        ("unix", "1795327200.5.opus", SIX.replace(microsecond=500_000, tzinfo=UTC)),
        ("unix", "1795327200250.opus", SIX.replace(microsecond=250_000, tzinfo=UTC)),
        ("auto", "2026-11-22 06.00.00.m4a", SIX),
        ("auto", "20261122_060000.WAV", SIX),
        ("auto", "261122_060000.WAV", SIX),
        ("auto", "20261122-060000.WAV", SIX),
        ("auto", "20261122-060000_Tr1.WAV", SIX),
        ("auto", "20261122_060000 2.WAV", SIX),
        ("auto", "2026-11-22-birdnet-06:00:00.wav", SIX),
        ("auto", "Common_Blackbird-85-2026-11-22-birdnet-RTSP_1-06:00:00.mp3", SIX),
        ("auto", "20261122T060000.1234567Z.wav", SIX.replace(microsecond=123_456, tzinfo=UTC)),
        ("auto", "20261122_060000.1234567+0100", SIX.replace(microsecond=123_456, tzinfo=CET)),
        ("auto", "20261122_060000+01.wav", SIX.replace(tzinfo=CET)),
        ("auto", "20261122T060000-05.wav", SIX.replace(tzinfo=timezone(timedelta(hours=-5)))),
        ("auto", "20261122_060000 UTC+01.wav", SIX.replace(tzinfo=CET)),
        ("auto", "20261122_060000UTC.wav", SIX.replace(tzinfo=UTC)),
        ("%Y%m%d%H%M%S%z", "20261122060000+01.wav", SIX.replace(tzinfo=CET)),
        ("auto", "1795327200.wav", SIX.replace(tzinfo=UTC)),
        ("rec_%d.%m.%Y-%Hh%M", "rec_22.11.2026-06h00.wav", SIX),
        ("%Y-%m-%d/%H%M%S", "/data/2026-11-22/060000.wav", SIX),
        ("%y%j_%H", "26326_06.wav", SIX),
        ("t%s_", "t1795327200_a.wav", SIX.replace(tzinfo=UTC)),
        ("%Y%m%d%H%M%S%z", "20261122060000+0000.wav", SIX.replace(tzinfo=UTC)),
    ],
)
def test_time_in_a_name(pattern: str, path: str, expected: datetime) -> None:
    found = start(path, name_time=pattern)
    assert (found, found.utcoffset()) == (expected, expected.utcoffset())


@pytest.mark.parametrize(
    "name", ["20261122.wav", "interview.wav", "ZOOM0001.WAV", "12345_1234567.wav", "5551234567.wav", "9120261122_060000.wav"]
)
def test_a_name_without_a_time_is_an_error_not_a_guess(name: str) -> None:
    with pytest.raises(AudioError) as error:
        start(name, name_time="auto")
    assert str(error.value) == f"{name}: no time found in its name (--name-time auto)"


@pytest.mark.parametrize(
    "name",
    [
        "20261122_060000-2.wav",  # a number, or an offset?
        "20261122_060000-01.wav",
        "20261122_060000UTC+1.wav",
        "20261122-060000-20261122-070000.wav",
        "20261122_060000CET.wav",
        "2026-11-22 06.00.00 PM.m4a",
        "2026-11-22T06-00-00+1.wav",
        "261122_060000:30.wav",
    ],
)
def test_what_follows_a_time_is_understood_or_refused(name: str) -> None:
    with pytest.raises(
        AudioError, match="is followed by '.+', which is not understood; expected nothing, a fraction of a second"
    ):
        start(name, name_time="auto")


@given(fraction=st.text("0123456789", max_size=12), minutes=st.integers(-14 * 60, 14 * 60), is_short=st.booleans())
def test_no_fraction_and_no_offset_is_lost(fraction: str, minutes: int, is_short: bool) -> None:
    zone = timezone(timedelta(minutes=minutes))
    offset = f"{SIX.replace(tzinfo=zone):%z}"
    offset = offset[:3] if is_short and minutes % 60 == 0 else offset
    found = start(f"a_20261122T060000{'.' * bool(fraction)}{fraction}{offset}.wav", name_time="auto")
    assert found == SIX.replace(microsecond=int(fraction[:6].ljust(6, "0")), tzinfo=zone)
    assert found.utcoffset() == timedelta(minutes=minutes)


def test_an_offset_that_no_place_has() -> None:
    with pytest.raises(
        AudioError, match=r"^20261122T060000\+1530\.wav: not a time: an offset of \+15:30 from UTC, expected at most 14"
    ):
        start("20261122T060000+1530.wav", name_time="auto")


def test_a_name_with_a_day_that_does_not_exist() -> None:
    with pytest.raises(AudioError, match=r"^00010101T000000\+10\.wav: not a time: date value out of range$"):
        start("00010101T000000+10.wav", name_time="auto", tz="UTC")
    with pytest.raises(AudioError, match=r"^20260230_060000\.WAV: not a time: day "):
        start("20260230_060000.WAV", name_time="audiomoth")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"name_time": "recorder"},
            "--name-time recorder: expected one of auto audiomoth songmeter zoom iso unix, or a pattern such as",
        ),
        ({"name_time": "%Y%q"}, "--name-time %Y%q: unknown code %q; known are %Y %y"),
        ({"name_time": "%H%M"}, "--name-time %H%M: expected each part of a date once: %Y %m %d, %Y %j, or %s for Unix time"),
        ({"name_time": "%Y%m%d%Y"}, "--name-time %Y%m%d%Y: expected each part of a date once"),
        ({"start_time": "6 o'clock"}, "--start-time 6 o'clock: expected ISO 8601, such as 2026-11-22T06:00:00+01:00"),
        ({"start_time": "2026-11-22"}, "--start-time 2026-11-22: expected ISO 8601, such as"),
        (
            {"start_time": "2026-11-22T06:00", "name_time": "iso"},
            "--start-time: the start is given already; leave out --name-time",
        ),
        (
            {"name_time": "iso", "tz": "Europe/Berln"},
            "--tz Europe/Berln: unknown zone; expected a name such as Europe/Berlin, or an offset",
        ),
        ({"name_time": "iso", "tz": "../etc"}, "--tz ../etc: unknown zone"),
        ({"name_time": "iso", "tz": "+25:00"}, "--tz +25:00: unknown zone"),
        ({"tz": "UTC"}, "--tz UTC: no time to apply it to; give --start-time, --name-time or --header-time as well"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        time_source(**options)  # type: ignore[arg-type]
    assert str(error.value).startswith(message)


def test_without_options_there_is_no_time() -> None:
    assert time_source() is None


# Headers


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def recorder_wav(path: Path, *chunks: bytes) -> Path:
    """A WAV with chunks before and after the sound; sizes as a recorder writes them."""
    wav = wav_bytes(bytes(801), 8000, 1, 8)
    path.write_bytes(wav[:36] + b"".join(chunks[:1]) + wav[36:] + b"\0" + b"".join(chunks[1:]))
    return path


AUDIOMOTH = b"Recorded at 06:00:00 22/11/2026 (UTC%s) by AudioMoth 24F319046055BD8B at medium gain while battery was 4.2V."


def test_audiomoth_s_first_firmware_names_no_zone_and_knows_only_utc(tmp_path: Path) -> None:
    comment = b"Recorded at 06:00:00 22/11/2026 by AudioMoth 0FE081F80FE081F0 at gain setting 2 while battery state was 4.5V"
    path = recorder_wav(tmp_path / "a.wav", chunk(b"LIST", b"INFO" + chunk(b"ICMT", comment + bytes(20))))
    assert start(path, header_time=True).isoformat() == "2026-11-22T06:00:00+00:00"
    assert start(path, header_time=True, tz="Europe/Berlin").isoformat() == "2026-11-22T07:00:00+01:00"


def test_a_z_after_an_underscore_is_not_ignored() -> None:
    with pytest.raises(AudioError, match=r"followed by '_Z', which is not understood"):
        start("20261122_060000_Z.wav", name_time="auto", tz="Europe/Berlin")
    assert start("20261122_060000_zoo.wav", name_time="auto", tz="UTC").isoformat() == "2026-11-22T06:00:00+00:00"


def test_audiomoth_s_comment_names_the_deployment_where_one_is_set(tmp_path: Path) -> None:
    comment = b"Recorded at 06:00:00 22/11/2026 (UTC+2) during deployment 24F319046055BD8B at medium gain while battery was 4.2V."
    path = recorder_wav(tmp_path / "a.wav", chunk(b"LIST", b"INFO" + chunk(b"ICMT", comment)))
    assert start(path, header_time=True).isoformat() == "2026-11-22T06:00:00+02:00"


@pytest.mark.parametrize(("zone", "hours"), [(b"", 0.0), (b"+2", 2.0), (b"-3:30", -3.5), (b"+10", 10.0)])
def test_audiomoth_s_comment_carries_its_zone(zone: bytes, hours: float, tmp_path: Path) -> None:
    comment = chunk(b"LIST", b"INFO" + chunk(b"ICMT", AUDIOMOTH % zone + b"\0") + chunk(b"IART", b"AudioMoth\0"))
    found = start(recorder_wav(tmp_path / "a.wav", comment), header_time=True)
    assert found.isoformat() == SIX.replace(tzinfo=timezone(timedelta(hours=hours))).isoformat()


def bext(date: bytes, time: bytes) -> bytes:
    return chunk(b"bext", bytes(320) + date + time + bytes(264))


@pytest.mark.parametrize("separators", [(b"-", b":"), (b"_", b"-"), (b".", b" ")])
def test_bext_origination_has_no_zone(separators: tuple[bytes, bytes], tmp_path: Path) -> None:
    date, time = separators[0].join((b"2026", b"11", b"22")), separators[1].join((b"06", b"00", b"00"))
    path = recorder_wav(tmp_path / "a.wav", chunk(b"JUNK", bytes(3)), bext(date, time))  # after the sound
    assert start(path, header_time=True) == SIX
    assert start(path, header_time=True, tz="Europe/Berlin") == SIX.replace(tzinfo=BERLIN)


TIMESTAMPS = [
    ("2026-11-22T06:00:00.5+01:00", "2026-11-22T06:00:00.500000+01:00"),
    ("2026-11-22T06:00:00.1234567+01:00", "2026-11-22T06:00:00.123456+01:00"),  # Elekon
    ("2026-11-22 06:00:00+0100", "2026-11-22T06:00:00+01:00"),  # Wildlife Acoustics
    ("2026-11-22 06:00:00-05", "2026-11-22T06:00:00-05:00"),
    ("2026-11-22T06:00:00,25 +01", "2026-11-22T06:00:00.250000+01:00"),
    ("2026-11-22T06:00:00Z", "2026-11-22T06:00:00+00:00"),
    ("2026-11-22 06:00:00.000", "2026-11-22T06:00:00"),
]


@pytest.mark.parametrize(("text", "expected"), TIMESTAMPS)
def test_guano_timestamp(text: str, expected: str, tmp_path: Path) -> None:
    guano = chunk(b"guan", f"GUANO|Version: 1.0\nMake: Someone\nTimestamp: {text}\r\nNote: 2020-01-01T00:00:00Z\n".encode())
    assert start(recorder_wav(tmp_path / "a.wav", guano), header_time=True).isoformat() == expected


@pytest.mark.parametrize(("text", "expected"), TIMESTAMPS)
def test_wamd_timestamp(text: str, expected: str, tmp_path: Path) -> None:
    entries = [(0, b"\1\0"), (1, b"SM4"), (5, text.encode()), (6, b"WGS84,2026-11-22 06:00:00")]
    wamd = chunk(b"wamd", b"".join(struct.pack("<HI", number, len(body)) + body for number, body in entries))
    path = recorder_wav(tmp_path / "a.wav", chunk(b"LIST", b"INFO"), wamd)  # after the sound
    assert start(path, header_time=True).isoformat() == expected


@pytest.mark.parametrize(
    "text", ["2026-11-22T06:00:00 CET", "2026-11-22T06:00:00+1", "22.11.2026 06:00", "2026-11-22T06:00:00.12.5Z"]
)
def test_a_header_s_time_is_understood_to_its_end_or_refused(text: str, tmp_path: Path) -> None:
    path = recorder_wav(tmp_path / "a.wav", chunk(b"guan", f"GUANO|Version: 1.0\nTimestamp: {text}\n".encode()))
    with pytest.raises(
        AudioError, match=r"a\.wav: not a time: '.+' in its header, expected a time such as 2026-11-22T06:00:00\+01:00$"
    ):
        start(path, header_time=True)


def test_a_header_goes_before_a_name_and_a_name_helps_where_there_is_none(tmp_path: Path) -> None:
    options = {"header_time": True, "name_time": "audiomoth"}
    with_header = recorder_wav(tmp_path / "20200101_000000.wav", bext(b"2026-11-22", b"06:00:00"))
    without = recorder_wav(tmp_path / "20261122_070000.wav", bext(bytes(10), bytes(8)))
    assert start(with_header, **options) == SIX
    assert start(without, **options) == SIX + timedelta(hours=1)


def test_a_header_without_a_time(tmp_path: Path) -> None:
    path = recorder_wav(tmp_path / "rec.wav")
    with pytest.raises(AudioError, match=r"rec\.wav: no time found in its header \(--header-time\)$"):
        start(path, header_time=True)
    with pytest.raises(AudioError, match=r"in its header \(--header-time\) nor in its name \(--name-time iso\)$"):
        start(path, header_time=True, name_time="iso")
    with pytest.raises(AudioError, match="^-: no time found in its header"):
        start("-", header_time=True)
    with pytest.raises(AudioError, match="gone.wav: no such file$"):
        start(tmp_path / "gone.wav", header_time=True)


@given(data=st.binary(max_size=400), place=st.integers(12, 200))
def test_no_header_is_worse_than_no_time(data: bytes, place: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.wav"
    wav = (
        wav_bytes(bytes(100), 8000, 1, 8)
        + chunk(b"LIST", b"INFO" + chunk(b"ICMT", AUDIOMOTH % b""))
        + bext(b"2026-11-22", b"06:00:00")
    )
    path.write_bytes(wav[:place] + data + wav[place + len(data) :])
    with contextlib.suppress(AudioError):
        assert start(path, header_time=True).year > 0


# Zones


def test_a_zone_is_applied_where_the_source_has_none() -> None:
    assert at(start("20261122_060000.WAV", name_time="audiomoth"), 0) == "2026-11-22T06:00:00.000"
    assert at(start("20261122_060000.WAV", name_time="audiomoth", tz="UTC"), 0) == "2026-11-22T06:00:00.000+00:00"
    assert at(start("20260722_060000.WAV", name_time="audiomoth", tz="Europe/Berlin"), 0) == "2026-07-22T06:00:00.000+02:00"


def test_a_time_with_a_zone_is_shown_in_the_one_asked_for() -> None:
    assert at(start("-", start_time="2026-11-22T06:00:00Z", tz="Asia/Kolkata"), 0) == "2026-11-22T11:30:00.000+05:30"


def test_clocks_go_back_within_a_recording() -> None:
    begin = start("-", start_time="2026-10-25T02:30:00", tz="Europe/Berlin")  # the first half past two
    assert [at(begin, seconds) for seconds in (0, 1799.999, 1800, 3600)] == [
        "2026-10-25T02:30:00.000+02:00",
        "2026-10-25T02:59:59.999+02:00",
        "2026-10-25T02:00:00.000+01:00",
        "2026-10-25T02:30:00.000+01:00",
    ]


def test_a_time_in_the_hour_that_comes_twice_is_reported() -> None:
    said: list[str] = []
    source = time_source(name_time="auto", tz="Europe/Berlin")
    assert source is not None
    assert at(start_of("20261025_023000.WAV", source, said.append), 0) == "2026-10-25T02:30:00.000+02:00"
    assert said == [
        "20261025_023000.WAV: 2026-10-25 02:30:00 comes twice in Europe/Berlin, clocks go back there; taken as +0200; "
        "if it is the second, give --tz +01:00"
    ]
    for name in ("20261025_013000.WAV", "20261025_030000.WAV", "20261025_003000Z.WAV", "20261025_013000Z.WAV"):
        start_of(name, source, said.append)  # once only, or said with its offset
    assert len(said) == 1


def test_clocks_go_forward_within_a_recording() -> None:
    begin = start("20260329_013000.WAV", name_time="audiomoth", tz="Europe/Berlin")
    assert at(begin, 1800) == "2026-03-29T03:00:00.000+02:00"


def test_a_time_that_the_zone_leaves_out_is_an_error() -> None:
    with pytest.raises(AudioError) as error:
        start("20260329_023000.WAV", name_time="audiomoth", tz="Europe/Berlin")
    assert str(error.value) == (
        "20260329_023000.WAV: 2026-03-29 02:30:00 does not exist in Europe/Berlin, clocks go forward there; "
        "if the recorder does not, give --tz an offset such as +01:00"
    )
    assert at(start("20260329_023000.WAV", name_time="audiomoth", tz="+01:00"), 0) == "2026-03-29T02:30:00.000+01:00"


@given(seconds=st.floats(0, 1e6), begin=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)))
def test_clock_times_are_as_far_apart_as_the_seconds(seconds: float, begin: datetime) -> None:
    first = begin.replace(tzinfo=UTC).astimezone(BERLIN).replace(microsecond=0)
    passed = datetime.fromisoformat(at(first, seconds)) - datetime.fromisoformat(at(first, 0))
    assert abs(passed.total_seconds() - seconds) <= 0.0005001


def test_the_calendar_ends() -> None:
    with pytest.raises(AudioError, match=r"^1\.000 s after 9999-12-31T23:59:59 the calendar ends; is the start right\?$"):
        at(datetime(9999, 12, 31, 23, 59, 59), 1.0)
