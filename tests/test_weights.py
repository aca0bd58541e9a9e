"""`weights`: finding checkpoints by name, and its sub-commands; a server on this machine stands in for the hub."""

import hashlib
import io
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import file_download

from audiolog_cli.commands import weights
from audiolog_cli.errors import WeightsError
from audiolog_cli.host import user_cache
from audiolog_cli.model import checkpoint, efficientat
from audiolog_cli.weights import find as finding
from audiolog_cli.weights import pull as pulling
from audiolog_cli.weights.pull import Published
from tests.conftest import write_wav
from tests.hub import Hub, serving
from tests.layout_files import mini, transformers
from tests.shell import Result, audiolog, sh

NAME = "clap-htsat-unfused"
HUB_PATH = "laion/clap-htsat-unfused/resolve/main/pytorch_model.bin"
HUB_CHUNK = 10 * 2**20  # bytes that the hub's client writes at once, and goes on from


@pytest.fixture(scope="module")
def published() -> bytes:
    """A small sound network as transformers writes its CLAP, beside a text network of 25 MB."""
    tensors = transformers(mini()) | {"text_model.embeddings.word_embeddings.weight": torch.zeros(25 * 2**18)}
    file = io.BytesIO()
    torch.save(tensors, file)
    return file.getvalue()


def pull(folder: Path, hub: Hub, line: str = f"audiolog weights pull {NAME} -q") -> Result:
    """Run a line with its caches in `folder` and this hub."""
    places = {"HF_HOME": str(folder / "hf"), "XDG_CACHE_HOME": str(folder / "cache"), "HF_HUB_DISABLE_XET": "1"}
    return sh(line, folder, HF_ENDPOINT=hub.endpoint, **places)


def target(folder: Path) -> Path:
    """Where a pulled checkpoint is kept."""
    return folder / "cache" / "audiolog" / "weights" / f"{NAME}.safetensors"


# Finding


def test_a_name_is_looked_for_in_the_package_the_checkout_and_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "folders", lambda: (tmp_path / "package", tmp_path / "checkout", tmp_path / "cache"))
    for place, name in (("cache", "small"), ("checkout", "small"), ("cache", "other")):
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / f"{name}.safetensors").touch()
    assert finding.find("small") == tmp_path / "checkout" / "small.safetensors"
    assert finding.find("other") == tmp_path / "cache" / "other.safetensors"
    assert sorted(finding.present()) == ["other", "small"]
    with pytest.raises(WeightsError, match=r"no weights are called 'big'; available here: other, small\."):
        finding.find("big")


def test_what_has_a_slash_or_a_dot_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    assert finding.find(str(tmp_path / "mine")) == tmp_path / "mine"
    with pytest.raises(WeightsError, match=r"^\./everyday: no such file"):
        finding.find("./everyday")


@pytest.mark.parametrize(
    ("set_to", "folder"),
    [("/caches", Path("/caches/audiolog/weights")), ("", Path.home() / ".cache/audiolog/weights")],
)
def test_the_cache_is_where_the_desktop_says(set_to: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", set_to)
    assert user_cache("weights") == folder


# The list


def test_every_published_checkpoint_says_where_it_is_from() -> None:
    for entry in pulling.published().values():
        assert entry.filename and entry.knows and entry.licence and entry.source
        assert bool(entry.repo) == bool(entry.revision)
        assert re.fullmatch(r"|[0-9a-f]{8}|[0-9a-f]{64}", entry.sha256)


def test_the_pinned_sum_is_that_of_the_reference_file(shared: Path) -> None:
    teacher = shared / "data" / "teacher" / "mn04_as_mAP_432.pt"
    assert pulling.sha256_of(teacher) == pulling.published()["mn04"].sha256


def test_list_shows_what_is_here_and_what_can_be_had(tmp_path: Path, tiny_weights: Path) -> None:
    cache = tmp_path / "audiolog" / "weights"
    cache.mkdir(parents=True)
    shutil.copy(tiny_weights, cache / "mn04.safetensors")  # a pulled or converted one hides its line among the published
    (cache / "broken.safetensors").write_bytes(b"half a checkpo")
    done = audiolog("weights list", tmp_path, XDG_CACHE_HOME=str(tmp_path))
    assert (done.code, done.stderr) == (0, "")
    header, *lines = done.stdout.splitlines()
    assert header == "name\there\tbytes\tknows\tlicence\tsource"
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in lines}
    assert rows["mn04"][:3] == ["yes", str(tiny_weights.stat().st_size), "2 scenes, 3 events"]
    assert rows["broken"] == ["damaged", "14", "-", "-", str(cache / "broken.safetensors")]
    assert rows[NAME] == ["pull", "-", "backbone", "Apache-2.0", "hub: laion/clap-htsat-unfused"]
    assert rows["htsat-audioset"][0] == "by hand"


def test_labels_are_those_that_tag_writes_and_its_thresholds(tmp_path: Path, tiny_weights: Path) -> None:
    done = audiolog(f"weights labels {tiny_weights}", tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == (
        "kind\tlabel\tthreshold\tsure\tscenes\n"
        "scene\thome\t0.0\t0.0\t\n"
        "scene\tstreet\t0.0\t0.0\t\n"
        "event\tcar\t0.5\t0.5\t\n"
        "event\tdog\t0.5\t0.5\t\n"
        "event\tsiren\t0.5\t0.5\t\n"
    )
    write_wav(tmp_path / "a.wav", 4)
    (tmp_path / "all.awk").write_text('BEGIN { FS = OFS = "\\t" } NR > 1 { $3 = 0 } NR == 1 || $1 == "event"\n')
    edited = sh(
        "audiolog weights labels everyday | awk -f all.awk > all.tsv; audiolog tag a.wav --thresholds all.tsv -q | grep -c event",
        tmp_path,
    )
    assert edited.stdout == "240\n"  # 60 events in each of four seconds: a score of 0 is always reached


def test_list_and_path_never_import_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from audiolog_cli.cli import main; sys.argv = ['audiolog', 'weights', 'list']; main();"
        "assert not {'torch', 'numpy', 'huggingface_hub'} & set(sys.modules)"
    )
    assert sh(f'python -c "{program}"', tmp_path).code == 0


# Pulling


def test_pull_makes_a_published_checkpoint_available_by_its_name(tmp_path: Path, published: bytes) -> None:
    with serving(Hub(HUB_PATH, published)) as hub:
        first = pull(tmp_path, hub, f"audiolog weights pull {NAME}")
        again = pull(tmp_path, hub, f"audiolog weights pull {NAME} --offline -q && audiolog weights path {NAME}")
    assert (first.code, first.stdout) == (0, f"{target(tmp_path)}\n")
    assert first.stderr == (
        f"audiolog: {NAME}: nobody has pinned this file; its bytes are those that the hub states (SHA-256 {hub.etag})\n"
    )
    assert (again.code, again.stdout, again.stderr) == (0, 2 * f"{target(tmp_path)}\n", "")
    assert hub.ranges == [0]  # what is here is not fetched again
    assert list((tmp_path / "cache" / "audiolog" / "downloads").iterdir()) == []  # the published file is not kept
    provenance = json.loads(finding.read_header(target(tmp_path)).metadata["provenance"])
    assert provenance["sha256"] == hub.etag
    assert provenance["licence"] == "Apache-2.0"


def test_a_download_that_was_cut_off_goes_on_where_it_stopped(tmp_path: Path, published: bytes) -> None:
    with serving(Hub(HUB_PATH, published, cuts=[HUB_CHUNK + 1000, *[0] * 20])) as hub:
        stopped = pull(tmp_path, hub)
        assert (hub.ranges[0], set(hub.ranges[1:])) == (0, {HUB_CHUNK})  # it tried again by itself, then gave up
        assert not target(tmp_path).exists()
        hub.cuts.clear()
        hub.ranges.clear()
        resumed = pull(tmp_path, hub)
    assert (stopped.code, stopped.stdout) == (2, "")
    assert re.fullmatch(
        rf"audiolog: {NAME}: the download stopped in the middle \(.*\); pull again, it goes on from there\n", stopped.stderr
    )
    assert (resumed.code, resumed.stderr) == (0, "")
    assert hub.ranges == [HUB_CHUNK]


def test_a_download_that_did_not_begin_did_not_stop_in_the_middle(tmp_path: Path) -> None:
    done = sh("audiolog weights pull mn04", tmp_path, XDG_CACHE_HOME=str(tmp_path), HTTPS_PROXY="http://127.0.0.1:9")
    assert (done.code, done.stdout) == (2, "")
    assert re.fullmatch(
        r"audiolog: mn04: the download did not begin \(.*refused\); check the network and its proxies, and pull again\n",
        done.stderr,
    )


def test_what_the_hubs_own_cache_holds_is_not_fetched_again(tmp_path: Path, published: bytes) -> None:
    with serving(Hub(HUB_PATH, published)) as hub:
        fetch = "from huggingface_hub import hf_hub_download; hf_hub_download('laion/clap-htsat-unfused', 'pytorch_model.bin')"
        done = pull(tmp_path, hub, f'python -c "{fetch}" >fetched 2>&1 && audiolog weights pull {NAME} -q')
    assert (done.code, done.stdout, done.stderr) == (0, f"{target(tmp_path)}\n", "")
    assert hub.ranges == [0]


def test_wrong_bytes_are_deleted_and_never_used(tmp_path: Path, published: bytes) -> None:
    with serving(Hub(HUB_PATH, published, sent=bytes(len(published)))) as hub:
        wrong = pull(tmp_path, hub)
        assert not target(tmp_path).exists()
        hub.sent = None
        right = pull(tmp_path, hub)
    assert (wrong.code, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith(
        f"audiolog: {NAME}: the hub sent other bytes than the published ones: expected SHA-256 {hub.etag[:12]}..., found "
    )
    assert right.code == 0
    assert hub.ranges == [0, 0]


def test_other_bytes_than_the_pinned_ones_are_deleted(tmp_path: Path) -> None:
    file = tmp_path / ("b" * 64)  # the hub itself states this sum
    file.write_bytes(b"something else")
    pinned = Published("small", "a/b", "small.pt", "main", "c" * 64, "HTS-AT", "", "", "")
    with pytest.raises(WeightsError, match="expected SHA-256 cccccccccccc..., found "):
        pulling.check_sum(pinned, file, stated=file.name)
    assert not file.exists()


def test_a_file_whose_sum_nobody_states_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "etag").write_bytes(b"something")
    with pytest.raises(WeightsError, match="neither the list nor the hub states a SHA-256 of small.pt; not used"):
        pulling.check_sum(Published("small", "a/b", "small.pt", "main", "", "HTS-AT", "", "", ""), tmp_path / "etag", stated="")


def test_pull_from_a_hub_that_does_not_have_it(tmp_path: Path) -> None:
    with serving(Hub("elsewhere", b"")) as hub:
        done = pull(tmp_path, hub)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"audiolog: {NAME}: the hub has no laion/clap-htsat-unfused/pytorch_model.bin (any more)")


def test_pull_with_the_hub_gone(tmp_path: Path) -> None:
    with serving(Hub(HUB_PATH, b"")) as hub:
        pass
    done = pull(tmp_path, hub)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == (
        f"audiolog: {NAME}: the hub cannot be reached ([Errno 111] Connection refused);"
        " check the network or HF_ENDPOINT, and pull again\n"
    )


def test_pull_with_a_full_disk(tmp_path: Path, published: bytes) -> None:
    with serving(Hub(HUB_PATH, published)) as hub:
        done = pull(tmp_path, hub, f"ulimit -f 5000 && audiolog weights pull {NAME}")
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == (
        f"audiolog: {NAME}: the download cannot be written: file too large; make room or set XDG_CACHE_HOME, and pull again\n"
    )
    assert not target(tmp_path).exists()


def test_offline_pulls_only_what_is_there(tmp_path: Path) -> None:
    done = pull(tmp_path, Hub(HUB_PATH, b"", endpoint="http://127.0.0.1:9"), f"audiolog weights pull {NAME} --offline")
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == (
        f"audiolog: {NAME}: laion/clap-htsat-unfused/pytorch_model.bin is not in the hub's cache, and --offline forbids to fetch "
        f"it\n"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "htsat-audioset",
            "htsat-audioset cannot be downloaded from here: get HTSAT_AudioSet_Saved_1.ckpt from https://github.com/RetroCirce/",
        ),
        ("nothing", "no published weights are called 'nothing'; these can be pulled: mn04, mn10, clap-htsat-unfused, "),
    ],
)
def test_what_cannot_be_pulled_says_how_to_get_it(tmp_path: Path, name: str, message: str) -> None:
    done = audiolog(f"weights pull {name}", tmp_path)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"audiolog: {message}")


@pytest.mark.parametrize("pinned", [64, 8])
def test_pull_from_a_site_checks_the_sum_and_sends_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pinned: int
) -> None:
    network = efficientat.EfficientAT(efficientat.Config(0.1))
    torch.save(network.state_dict(), tmp_path / "mn01.pt")
    content = (tmp_path / "mn01.pt").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()[:pinned]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch, sent = file_download.http_get, []
    monkeypatch.setattr(file_download, "http_get", lambda *args, **more: sent.append(more["headers"]) or fetch(*args, **more))
    hub = Hub("releases/v1/mn01.pt", content)
    with serving(hub):
        entry = Published(
            "mn01", f"{hub.endpoint}/releases", "mn01.pt", "v1", sha256, "EfficientAT", "527 events", "MIT", "a site"
        )
        monkeypatch.setattr(pulling, "published", lambda: {"mn01": entry})
        weights.pull("mn01", False, "", True)
    assert (hub.ranges, sent) == ([0], [{}])
    path = tmp_path / "cache" / "audiolog" / "weights" / "mn01.safetensors"
    assert capsys.readouterr().out == f"{path}\n"
    assert checkpoint.load(path)[1].provenance["licence"] == "MIT"


def test_a_site_that_sends_another_file_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    hub = Hub("releases/v1/mn01.pt", b"something else")
    with serving(hub):
        entry = Published("mn01", f"{hub.endpoint}/releases", "mn01.pt", "v1", "c" * 8, "EfficientAT", "", "MIT", "")
        with pytest.raises(
            WeightsError, match="mn01: the site sent other bytes than the published ones: expected SHA-256 cccccccc"
        ):
            pulling.download(entry)
    assert not list((tmp_path / "audiolog" / "downloads").iterdir())


# Converting and checking


def test_convert_then_tag_then_check(tmp_path: Path, shared: Path) -> None:
    """A published AudioSet tagger hears the dog of a recording."""
    (tmp_path / "mn04.pt").symlink_to(shared / "data" / "teacher" / "mn04_as_mAP_432.pt")
    (tmp_path / "town.opus").symlink_to(shared / "data" / "samples" / "sample_town.opus")
    converted = sh("audiolog weights convert mn04.pt --out mn04.safetensors && audiolog weights check mn04.safetensors", tmp_path)
    summary = "efficientat, 0.98 million parameters, 32000 Hz, 0 scenes, 527 events\n"
    assert converted.code == 0
    assert converted.stdout == f"mn04.safetensors: valid; {summary}"
    assert converted.stderr == f"audiolog: mn04.safetensors: {summary}"
    provenance = json.loads(finding.read_header(tmp_path / "mn04.safetensors").metadata["provenance"])
    assert provenance["licence"] == "MIT"  # its bytes are known
    tagged = sh("audiolog tag town.opus --weights ./mn04.safetensors -q | awk '$2 == 9 && $4 == \"event\"' | cut -f 5", tmp_path)
    assert tagged.code == 0
    assert "Dog" in tagged.stdout.splitlines()


def test_a_backbone_without_labels_says_what_it_is_for(tmp_path: Path, published: bytes) -> None:
    (tmp_path / "clap.bin").write_bytes(published)
    done = sh("audiolog weights convert clap.bin --out clap.safetensors && audiolog weights check clap.safetensors", tmp_path)
    assert done.code == 0
    assert done.stdout == "clap.safetensors: valid; htsat, 0.08 million parameters, 48000 Hz, 0 scenes, 0 events\n"
    assert done.stderr.splitlines()[1] == "audiolog: it has no labels: it can start a training (`audiolog train --init`), not tag"


def test_check_names_every_file_that_is_not_valid(tmp_path: Path, tiny_weights: Path) -> None:
    whole = tiny_weights.read_bytes()
    (tmp_path / "good.safetensors").write_bytes(whole)
    (tmp_path / "short.safetensors").write_bytes(whole[:-1000])
    (tmp_path / "text.safetensors").write_text("no checkpoint\n")
    done = audiolog("weights check short.safetensors text.safetensors good.safetensors", tmp_path)
    assert done.code == 3
    assert done.stdout == "good.safetensors: valid; htsat, 1.54 million parameters, 32000 Hz, 2 scenes, 3 events\n"
    assert done.stderr == (
        f"audiolog: short.safetensors: the file is damaged: expected {len(whole)} bytes, found {len(whole) - 1000};"
        " get or convert it again\n"
        "audiolog: text.safetensors: not a checkpoint: expected a safetensors file\n"
    )


def test_convert_on_a_full_disk_leaves_what_was_there(tmp_path: Path, published: bytes) -> None:
    (tmp_path / "clap.bin").write_bytes(published)
    (tmp_path / "out.safetensors").write_text("what was there")
    done = sh("ulimit -f 100 && audiolog weights convert clap.bin --out out.safetensors", tmp_path)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == "audiolog: out.safetensors: cannot be written: file too large; nothing was changed\n"
    assert (tmp_path / "out.safetensors").read_text() == "what was there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clap.bin", "out.safetensors"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("none.tsv", "--labels none.tsv: no such file"),
        ("tut", "mn04.pt: expected labels for 0 scenes and 527 events, found 4 and 25 in the list given"),
    ],
)
def test_labels_that_do_not_fit(tmp_path: Path, shared: Path, labels: str, message: str) -> None:
    (tmp_path / "mn04.pt").symlink_to(shared / "data" / "teacher" / "mn04_as_mAP_432.pt")
    done = audiolog(f"weights convert mn04.pt --out out.safetensors --labels {labels}", tmp_path)
    assert (done.code, done.stdout, done.stderr) == (2, "", f"audiolog: {message}\n")
