"""Damage and notes in JSON Lines: what programs learn of a recording beside its cells, and which commands pass it on."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from audiolog_cli.evaluation.references import Annotations, read_lines
from audiolog_cli.reading import read_records
from audiolog_cli.records import CELL_COLUMNS, Cell, End, Failure, Record, Remark, jsonl_lines, tsv_lines
from tests.audio_files import noise, wav_bytes, write_wav
from tests.shell import audiolog

CELLS = [Cell("a.wav", float(k), k + 1.0, "scene", "street", 0.5) for k in range(3)]
CUT = Remark("a.wav", 3.0, 9.5, "damage", "broken_off", "the file breaks off before the end that its header declares")
QUIET = Remark("a.wav", 0.0, 3.0, "note", "digital_silence", "digital silence throughout, nothing was recorded")
ALL: list[Record] = [CELLS[0], QUIET, CELLS[1], CUT, CELLS[2], End("a.wav", 3.0, 3, "w", "0")]


def test_json_lines_say_what_and_when() -> None:
    line = (
        '{"filename":"a.wav","onset":3.0,"offset":9.5,"kind":"damage","cause":"broken_off",'
        '"message":"the file breaks off before the end that its header declares"}\n'
    )
    assert list(jsonl_lines([CUT])) == [line]
    assert list(read_records(jsonl_lines(ALL), "-")) == ALL


def test_a_table_has_no_place_for_them() -> None:
    assert list(tsv_lines(ALL, CELL_COLUMNS)) == list(tsv_lines(CELLS, CELL_COLUMNS))
    assert list(tsv_lines([CUT, Failure("a.wav", "gone")], CELL_COLUMNS)) == []


def test_rows_run_on_over_them_and_json_lines_keep_them(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(jsonl_lines(ALL)))
    rows = "filename\tonset\toffset\tscene\tevents\na.wav\t0.000\t3.000\tstreet\t\n"
    said = (
        "audiolog: a.wav: 0.000-3.000 s: digital silence throughout, nothing was recorded\n"
        "audiolog: a.wav: 3.000-9.500 s: the file breaks off before the end that its header declares\n"
    )
    assert audiolog("table a.jsonl", tmp_path) == (0, rows, said)
    code, out, err = audiolog("table --format jsonl a.jsonl", tmp_path)
    assert (code, err) == (0, "")
    kinds = [json.loads(line).get("cause") or json.loads(line).get("kind", "row") for line in out.splitlines()]
    assert sorted(kinds) == ["broken_off", "digital_silence", "end", "row"]


def test_a_log_is_written_and_they_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(jsonl_lines(ALL)))
    code, out, err = audiolog("summarize a.jsonl", tmp_path)
    assert code == 0
    assert out.startswith("Log of a.wav")
    assert "a.wav: 3.000-9.500 s: the file breaks off before the end that its header declares\n" in err


def test_a_person_is_told_of_ten_places_and_a_program_of_all(tmp_path: Path, tiny_weights: Path) -> None:
    """A scale that is wrong at every call of a bird would fill the log of a night."""
    sound = np.tile(np.repeat([0.1, 9.0, 0.1], [15_000, 2000, 15_000]).astype("<f4"), 24)
    (tmp_path / "a.wav").write_bytes(wav_bytes(sound.tobytes(), 16_000, 1, 32, code=3))
    done = audiolog(f"tag a.wav --weights {tiny_weights} --format jsonl", tmp_path)
    said = done.stderr.splitlines()
    assert len(said) == 10
    assert said[0] == "audiolog: a.wav: 0.938-1.062 s: samples far beyond full scale, clipped"
    assert said[9] == "audiolog: a.wav: 18.938-19.062 s: samples far beyond full scale, clipped; further places are not listed"
    assert done.stdout.count('"kind":"damage"') == 24
    assert audiolog("segment a.wav --skip-quiet -90", tmp_path).stderr == done.stderr


def test_an_evaluation_ignores_them() -> None:
    annotations = Annotations()
    read_lines(jsonl_lines(ALL), "a.jsonl", annotations)
    assert annotations.failures == []


def test_parquet_keeps_them(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from audiolog_cli.parquet import read_parquet, write_parquet

    buffer = io.BytesIO()
    write_parquet(ALL, buffer, Cell)
    (tmp_path / "a.parquet").write_bytes(buffer.getvalue())
    assert list(read_parquet(str(tmp_path / "a.parquet"))) == ALL


# What `tag` finds


@pytest.fixture
def folder(tmp_path: Path, tiny_weights: Path) -> Path:
    """A recording that breaks off after 1 of 2 s, and one of 2 s of zeros."""
    shutil.copy(tiny_weights, tmp_path / "w.safetensors")
    sound = (noise(1, 32_000) * 32767).astype("<i2").tobytes()
    (tmp_path / "cut.wav").write_bytes(wav_bytes(sound, 32_000, 1, 16, data_size=128_000))
    write_wav(tmp_path / "zeros.wav", np.zeros(64_000, np.float32), 32_000)
    return tmp_path


CUT_LINE = {
    "filename": "cut.wav",
    "onset": 1.0,
    "offset": 2.0,
    "kind": "damage",
    "cause": "broken_off",
    "message": "the file breaks off before the end that its header declares",
}


def test_json_lines_of_tag_tell_a_broken_off_file_from_a_whole_one(folder: Path) -> None:
    code, out, err = audiolog("tag --weights w.safetensors --format jsonl cut.wav zeros.wav", folder)
    assert code == 0
    remarks = [record for line in out.splitlines() if "cause" in (record := json.loads(line))]
    assert remarks[0] == CUT_LINE
    assert (remarks[1]["kind"], remarks[1]["cause"], remarks[1]["offset"], len(remarks)) == ("note", "digital_silence", 2.0, 2)
    first, second, summary = err.splitlines()
    assert first == "audiolog: cut.wav: 1.000-2.000 s: the file breaks off before the end that its header declares"
    assert second == "audiolog: zeros.wav: 0.000-2.000 s: digital silence throughout, nothing was recorded"
    assert summary.startswith("audiolog: 2 recordings tagged, 1 damaged, 0 failed, ")


def test_a_run_that_continues_tells_it_again(folder: Path) -> None:
    """Though it does not decode the recording again."""
    line = "tag --weights w.safetensors --format jsonl cut.wav zeros.wav --start 0.5 --end 9 --resume j"
    first = audiolog(line, folder)
    (folder / "cut.wav").chmod(0)
    again = audiolog(line, folder)
    assert CUT_LINE in map(json.loads, again.stdout.splitlines())
    assert sorted(again.stdout.splitlines()) == sorted(first.stdout.splitlines())  # remarks may come earlier
    assert again.stderr.splitlines()[:-1] == first.stderr.splitlines()[:-1]


def test_tag_to_a_folder_tells_it_as_well(folder: Path) -> None:
    code, _, err = audiolog("tag --weights w.safetensors --format jsonl cut.wav zeros.wav --out o", folder)
    assert code == 0
    assert err.splitlines()[-1].startswith("audiolog: 2 recordings tagged, 1 damaged, 0 failed, ")
    (part,) = (folder / "o").glob("cut-*.jsonl")
    assert CUT_LINE in [json.loads(line) for line in part.read_text().splitlines()]


def test_of_joined_files_damage_is_at_its_time_in_the_whole(folder: Path) -> None:
    write_wav(folder / "20261122_060000.wav", noise(3, 32_000), 32_000)
    (folder / "cut.wav").rename(folder / "20261122_060003.wav")
    line = (
        "tag --weights w.safetensors --format jsonl 20261122_060000.wav 20261122_060003.wav --name-time auto --tz UTC "
        "--split-files"
    )
    code, out, err = audiolog(line, folder)
    assert code == 0
    assert "audiolog: 20261122_060003.wav: 1.000-2.000 s: the file breaks off" in err
    (remark,) = [record for line in out.splitlines() if "cause" in (record := json.loads(line))]
    assert remark == CUT_LINE | {"filename": "20261122_060000.wav", "onset": 4.0, "offset": 5.0}


def test_ultrasound_is_reported_once_and_noted_for_each(folder: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write_wav(folder / name, noise(1, 192_000), 192_000)
    _, out, err = audiolog("tag --weights w.safetensors --format jsonl a.wav b.wav", folder)
    assert [line for line in err.splitlines() if "sampled" in line] == [
        "audiolog: a.wav: sampled at 192000 Hz: what lies above 16000 Hz is not heard; not repeated for other recordings"
    ]
    assert out.count('"cause":"ultrasound"') == 2
