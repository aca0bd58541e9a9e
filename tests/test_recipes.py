"""The scripts and unit files of docs/recipes.md, taken out of the document and run, or checked by the program that reads them.

tests/test_documents.py checks the console blocks.
"""

import re
import shutil
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.conftest import write_wav
from tests.shell import ROOT, Result, sh

RECIPES = (ROOT / "docs" / "recipes.md").read_text("utf-8")


def block(name: str) -> str:
    """The file of that name: the first fenced block below the line that names it."""
    return re.search(rf"`{re.escape(name)}`.*?\n```[a-z]+\n(.*?)^```$", RECIPES, re.DOTALL | re.MULTILINE)[1]  # type: ignore[index]


def needs(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} on this machine")


class Place:
    """A folder with the recipe's file in it and recordings of two seconds, and an untrained network to tag them."""

    def __init__(self, folder: Path, weights: Path) -> None:
        self.folder = folder
        self.settings = {"AUDIOLOG_WEIGHTS": str(weights), "AUDIOLOG_JOBS": "1"}

    def file(self, name: str) -> Path:
        path = self.folder / name
        path.write_text(block(name))
        path.chmod(0o755)
        return path

    def recording(self, name: str, seed: int = 0) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        return write_wav(path, 2, seed=seed)

    def run(self, line: str, **environment: str) -> Result:
        return sh(line, self.folder, **(self.settings | environment))


@pytest.fixture
def place(tmp_path: Path, tiny_weights: Path) -> Place:
    return Place(tmp_path, tiny_weights)


def scenes(table: Path) -> list[str]:
    """The recordings of a table, one for each second that was analysed."""
    lines = [line.split("\t") for line in table.read_text().splitlines()]
    return [fields[0] for fields in lines if fields[3] == "scene"]


def test_overnight(place: Place) -> None:
    place.recording("recordings/a.wav")
    (place.folder / "recordings" / "b.wav").write_bytes(b"no sound")
    place.file("overnight.sh")
    done = place.run("./overnight.sh")
    assert (done.code, done.stdout) == (0, "some recordings failed, the others are in tags.tsv\n")
    assert "recordings/b.wav" in done.stderr and scenes(place.folder / "tags.tsv") == ["recordings/a.wav"] * 2
    before = (place.folder / "tags.tsv").read_bytes()
    place.recording("recordings/b.wav")
    assert place.run("./overnight.sh").stdout == "all recordings are in tags.tsv\n"
    assert (place.folder / "tags.tsv").read_bytes().startswith(before)
    (place.folder / "journal").rename(place.folder / "elsewhere")
    (place.folder / "journal").write_text("no folder")
    assert place.run("./overnight.sh").stdout == "stopped; the same command goes on where it was\n"


@pytest.mark.docs
def test_gnu_parallel(place: Place) -> None:
    needs("parallel")
    place.recording("recordings/a b.wav")
    (place.folder / "recordings" / "c.wav").write_bytes(b"no sound")
    place.file("parallel.sh")
    assert place.run("./parallel.sh").code == 1  # one of the jobs failed
    tags = place.folder / "tags"
    assert sorted(path.name for path in tags.iterdir()) == ["a b.tsv", "c.unfinished", "joblog"]
    made = (tags / "a b.tsv").stat().st_mtime_ns
    place.recording("recordings/c.wav")
    assert place.run("./parallel.sh").code == 0
    assert sorted(path.name for path in tags.iterdir()) == ["a b.tsv", "c.tsv", "joblog"]
    assert (tags / "a b.tsv").stat().st_mtime_ns == made
    assert scenes(tags / "c.tsv") == ["recordings/c.wav"] * 2


def test_slurm_array(place: Place) -> None:
    names = [str(place.recording(f"recordings/{name}.wav", seed).relative_to(place.folder)) for seed, name in enumerate("abc")]
    (place.folder / "list.txt").write_text("".join(f"{name}\n" for name in names))
    place.file("tag.sbatch")
    assert "--array=0-9" in block("tag.sbatch")
    place.run("mkdir -p logs lists journals tags")
    for task in "01":
        set_by_slurm = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_CPUS_PER_TASK": "1"}
        assert place.run("bash tag.sbatch", **set_by_slurm).code == 0
    assert scenes(place.folder / "tags" / "0.tsv") == [names[1]] * 2
    assert scenes(place.folder / "tags" / "1.tsv") == [names[0]] * 2 + [names[2]] * 2
    assert place.run("cat tags/*.tsv | audiolog table --cells | tail -n +2 | wc -l").stdout == "6\n"


def test_make(place: Place) -> None:
    place.recording("recordings/a.wav", 1)
    place.recording("recordings/b.wav", 2)
    place.file("Makefile")
    assert place.run("make -j 2 -k").code == 0
    out = place.folder / "out"
    assert sorted(path.name for path in out.iterdir()) == ["a.html", "a.tsv", "a.txt", "b.html", "b.tsv", "b.txt"]
    assert (out / "a.txt").read_text().startswith("Log of a.wav")
    assert "Nothing to be done" in place.run("make").stdout
    place.run("touch -d '+1 minute' recordings/a.wav")
    commands = place.run("make -n").stdout
    assert "recordings/a.wav > out/a.tsv" in commands and "recordings/b.wav" not in commands
    (place.folder / "recordings" / "b.wav").write_bytes(b"no sound")
    place.run("touch -d '+1 minute' recordings/b.wav; make -k out/b.tsv")
    assert not (out / "b.tsv").exists()


@pytest.mark.docs
def test_recording_and_tagging_over_the_cuts(place: Place) -> None:
    needs("ffmpeg")
    place.file("record.sh")
    done = place.run("./record.sh '-re -f lavfi -t 3 -i sine=440'", SECONDS_EACH="1")
    assert (done.code, done.stderr) == (0, "")
    files = sorted(path.name for path in (place.folder / "recordings").iterdir())
    assert len(files) >= 3 and all(re.fullmatch(r"\d{8}_\d{6}\.flac", name) for name in files)
    done = place.run("audiolog tag recordings/ --recursive --name-time auto --tz Europe/Berlin | head -n 2")
    assert (
        done.stdout.startswith("filename\tonset\toffset\tkind\tlabel\tscore\ttime\n") and f"recordings/{files[0]}" in done.stdout
    )


@contextmanager
def mail_server() -> Iterator[tuple[int, list[bytes]]]:
    """A server with just enough SMTP to receive a mail; its port, and the mails received."""
    mails: list[bytes] = []

    class Talk(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    mails.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1], mails
        finally:
            server.shutdown()


@pytest.mark.docs
def test_a_log_by_mail(place: Place) -> None:
    needs("msmtp")
    place.recording("recordings/20260504_060000.wav")
    place.recording("recordings/20260505_060000.wav")
    place.file("daily.sh")
    with mail_server() as (port, mails):
        (place.folder / "sendmail").write_text(
            f'#!/bin/sh\nexec msmtp --host 127.0.0.1 --port {port} --from garden@example.org "$@"\n'
        )
        (place.folder / "sendmail").chmod(0o755)
        done = place.run('PATH="$PWD:$PATH" ./daily.sh 2026-05-04', MAIL_TO="you@example.org")
        assert done.code == 0, done.stderr
    (mail,) = [message_from_bytes(mail) for mail in mails]
    assert (mail["To"], mail["Subject"]) == ("you@example.org", "The garden on 2026-05-04")
    text = mail.get_payload(decode=True)
    assert isinstance(text, bytes)
    log = (place.folder / "days" / "2026-05-04.txt").read_text()
    assert text.decode("utf-8").replace("\r\n", "\n").strip() == log.strip()
    assert log.startswith("Log of 20260504_060000.wav") and "20260505" not in log and "06:00" in log


@pytest.mark.docs
def test_cron_understands_its_lines(place: Place) -> None:
    needs("crontab")
    done = place.run(f"crontab -n {place.file('crontab')}")
    assert (done.code, "syntax" in done.stdout + done.stderr) == (0, True) or done == (0, "", "")
    place.file("crontab").write_text(block("crontab").replace("30 6", "30 66"))
    assert place.run("crontab -n crontab").code != 0


def test_the_command_of_the_cron_line(place: Place) -> None:
    """As cron gives it to sh: what follows the five fields, without the backslashes before percent signs."""
    line = block("crontab").splitlines()[-1]
    command = line.split(maxsplit=5)[5].replace("\\%", "%").replace("/srv/garden", str(place.folder))
    (place.folder / "daily.sh").write_text('#!/bin/sh\necho "$1"\n')
    (place.folder / "daily.sh").chmod(0o755)
    (place.folder / "line.sh").write_text(command)
    yesterday = place.run("date --date yesterday +%F").stdout
    assert place.run("sh line.sh") == (0, yesterday, "")


@pytest.mark.docs
def test_systemd_understands_the_units(place: Place) -> None:
    needs("systemd-analyze")
    place.file("garden.service").chmod(0o644)
    place.file("garden.timer").chmod(0o644)
    done = place.run("systemd-analyze verify ./garden.service ./garden.timer", SYSTEMD_LOG_LEVEL="warning")
    assert (done.code, done.stdout, done.stderr) == (0, "", "")
    moment = re.search("OnCalendar=(.*)", block("garden.timer"))[1]  # type: ignore[index]
    assert "Normalized form: *-*-* 06:30:00" in place.run(f"systemd-analyze calendar '{moment}'").stdout
    place.file("garden.timer").write_text(block("garden.timer").replace("06:30", "06:90"))
    assert "Failed to parse calendar" in place.run("systemd-analyze verify ./garden.timer").stderr


def test_the_command_of_the_unit(place: Place) -> None:
    """As systemd runs it: two dollar or percent signs are one."""
    command = re.search("ExecStart=(.*)", block("garden.service"))[1]  # type: ignore[index]
    (place.folder / "daily.sh").write_text('#!/bin/sh\necho "$1"\n')
    (place.folder / "daily.sh").chmod(0o755)
    yesterday = place.run("date --date yesterday +%F").stdout
    assert place.run(command.replace("$$", "$").replace("%%", "%")) == (0, yesterday, "")
