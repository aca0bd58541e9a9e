"""`tag` from and to S3, and from the web, over real servers on this machine: what is written, what is skipped, what fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import write_wav
from tests.shell import Result, sh
from tests.stores import Bucket, Site, s3_server, serving

TAG = "audiolog tag --weights w.safetensors"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def folder(tmp_path: Path, tiny_weights: Path) -> Path:
    (tmp_path / "w.safetensors").write_bytes(tiny_weights.read_bytes())
    for number, name in enumerate("ab"):
        write_wav(tmp_path / f"{name}.wav", 12.5 + number, seed=number)
    return tmp_path


def own_name(key: str) -> str:
    """tags/a-0123456789ab-01234567.tsv: a"""
    return key.removeprefix("tags/").split("-")[0]


def test_a_season_in_a_bucket(endpoint: str, folder: Path) -> None:
    bucket = Bucket(endpoint, "season")

    def tag(options: str = "") -> Result:
        return sh(f"{TAG} --files-from list --out s3://season/tags {options}", folder, **bucket.settings)

    for name in "ab":
        bucket.put(f"nights/{name}.wav", (folder / f"{name}.wav").read_bytes())
    bucket.put("nights/broken.wav", b"RIFF but no sound")
    (folder / "list").write_text("".join(f"s3://season/nights/{name}.wav\n" for name in ("a", "b", "broken", "none")))

    first = tag()
    assert (first.code, first.stdout) == (3, "")
    said = first.stderr.splitlines()
    assert said[:2] == [
        "audiolog: s3://season/nights/broken.wav: not a readable audio file",
        "audiolog: s3://season/nights/none.wav: no such file",
    ]
    assert said[2].startswith("audiolog: 2 recordings tagged, 2 failed, 0.01 hours of sound, ")
    keys = list(bucket.objects("tags/"))
    assert [own_name(key) for key in keys] == ["a", "b", "failed/broken", "failed/none", "parameters.json"]
    for key, name in zip(keys, "ab", strict=False):
        here = sh(f"{TAG} {name}.wav", folder).stdout
        assert bucket.get(key).decode() == here.replace(f"{name}.wav", f"s3://season/nights/{name}.wav") != ""
    assert bucket.get(keys[3]).decode() == (
        "filename\tmessage\ns3://season/nights/none.wav\ts3://season/nights/none.wav: no such file\n"
    )

    made = bucket.objects("tags/")
    again = tag()
    assert again.stderr.splitlines()[-1].startswith("audiolog: 0 recordings tagged, 2 already there, 2 failed")
    assert [bucket.objects("tags/")[key] for key in keys[:2]] == [made[key] for key in keys[:2]]

    bucket.put("nights/b.wav", (folder / "a.wav").read_bytes())
    changed = tag()
    assert changed.stderr.splitlines()[-1].startswith("audiolog: 1 recording tagged, 1 already there, 2 failed")
    now = list(bucket.objects("tags/"))
    assert [own_name(key) for key in now] == [own_name(key) for key in keys]
    assert (now[0], now[1] == keys[1]) == (keys[0], False)  # a's part is the old one, b's has another name, its old one is gone
    assert len(bucket.get(now[1]).splitlines()) < len(bucket.get(now[0]).splitlines()) * 2

    refused = tag("--threshold 0.9")
    assert refused.code == 2 and refused.stderr.startswith("audiolog: --out s3://season/tags: made with other parameters: ")


def test_workers_of_a_cluster_read_and_write_a_bucket(endpoint: str, folder: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'audiolog[scale]'")
    bucket = Bucket(endpoint, "cluster")
    for name in "ab":
        bucket.put(f"nights/{name}.wav", (folder / f"{name}.wav").read_bytes())
    line = f"{TAG} --recursive s3://cluster/nights --format parquet"
    settings = bucket.settings | {"RAY_memory_monitor_refresh_ms": "0", "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1"}
    done = sh(f"{line} --engine ray --jobs 1 --out s3://cluster/tags", folder, timeout=400, **settings)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (0, "", 1), done.stderr
    assert sh(f"{line} --out here", folder, **settings).code == 0
    assert {key.removeprefix("tags/"): bucket.get(key) for key in bucket.objects("tags/")} == {
        path.name: path.read_bytes() for path in (folder / "here").iterdir() if path.is_file()
    }


def test_parts_in_a_bucket_are_read_by_name_or_copied(endpoint: str, folder: Path) -> None:
    """A folder of the bucket is tagged; its part in Parquet is that of `--out` into a folder here."""
    bucket = Bucket(endpoint, "parquet")
    bucket.put("nights/deep/a.wav", (folder / "a.wav").read_bytes())
    line = f"{TAG} --recursive s3://parquet/nights --format parquet"
    assert sh(f"{line} --out s3://parquet/tags", folder, **bucket.settings)[:2] == (0, "")
    (key,) = [key for key in bucket.objects("tags/") if key.endswith(".parquet")]
    (folder / "copy.parquet").write_bytes(bucket.get(key))
    assert sh(f"{line} --out here", folder, **bucket.settings).code == 0
    assert (folder / "here" / Path(key).name).read_bytes() == bucket.get(key)
    assert "s3://parquet/nights/deep/a.wav" in sh("audiolog table copy.parquet", folder).stdout


def test_what_is_wrong_with_a_bucket_is_one_line(endpoint: str, folder: Path) -> None:
    bucket = Bucket(endpoint, "mistakes")
    none = sh(f"{TAG} s3://nowhere/a.wav", folder, **bucket.settings)
    assert none == (1, "", "audiolog: s3://nowhere/a.wav: no such file\n")
    nobody = bucket.settings | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    away = sh(f"{TAG} a.wav --out s3://mistakes/tags", folder, **nobody)
    assert (away.code, away.stdout, away.stderr.count("\n")) == (2, "", 1), away.stderr
    assert away.stderr.startswith("audiolog: --out s3://mistakes/tags: cannot be written to: Could not connect to the endpoint")


def test_a_recording_on_the_web_is_read_as_far_as_it_is_needed(folder: Path) -> None:
    pytest.importorskip("aiohttp", reason="pip install aiohttp")
    long = write_wav(folder / "long.wav", 200.0)  # 12.8 MB
    with serving(Site({"a.wav": (folder / "a.wav").read_bytes(), "long.wav": long.read_bytes()})) as site:
        here = sh(f"{TAG} a.wav", folder).stdout
        assert sh(f"{TAG} {site.url}/a.wav", folder) == (0, here.replace("a.wav", f"{site.url}/a.wav"), "")
        assert sh(f"{TAG} {site.url}/none.wav", folder) == (1, "", f"audiolog: {site.url}/none.wav: no such file\n")
        site.ranges.clear()
        some = sh(f"printf 'filename\\tonset\\toffset\\n{site.url}/long.wav\\t150\\t155\\n' | {TAG}", folder)
        assert some.code == 0 and "\t150.000\t151.000\tscene\t" in some.stdout
        assert site.ranges  # pieces of the file, not the whole of it at once
        site.breaks_at = 8_000_000
        broken = sh(f"{TAG} {site.url}/long.wav", folder)
        assert broken.code == 1 and broken.stderr.startswith(f"audiolog: {site.url}/long.wav: reading it broke off: ")
        assert "\t60.000\t61.000\tscene\t" in broken.stdout  # what came is not lost
        refused = sh(f"{TAG} a.wav --out {site.url}/tags", folder)
        assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1), refused.stderr
        assert refused.stderr.startswith(f"audiolog: --out {site.url}/tags: cannot be written to: ")
