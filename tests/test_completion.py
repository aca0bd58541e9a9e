"""Shell completion, in the shells themselves: what Tab offers in bash, zsh and fish, and what installing it writes."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.shell import ROOT, sh

IN_BASH = r"""
eval "$(audiolog --show-completion)"
COMP_WORDS=(audiolog {words}); COMP_CWORD={last}; _audiolog_completion audiolog; echo ${{COMPREPLY[*]}}
"""


def needs(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")


def typed(shell: list[str], keys: str, wanted: str, home: Path) -> str:
    """What a terminal with this shell shows after these keys, up to the wanted text (or ten seconds without it)."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ours, theirs = pty.openpty()
    settings = os.environ | {"PATH": path, "HOME": str(home), "TERM": "dumb", "PS1": "% ", "HISTFILE": ""}
    with subprocess.Popen(
        shell, stdin=theirs, stdout=theirs, stderr=theirs, cwd=home, env=settings, start_new_session=True
    ) as run:
        os.close(theirs)
        os.write(ours, keys.encode())
        shown, until = b"", time.monotonic() + 30
        while wanted.encode() not in shown and time.monotonic() < until:
            if select.select([ours], [], [], 0.2)[0]:
                shown += os.read(ours, 4096)
        run.kill()
    os.close(ours)
    return shown.decode(errors="replace")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("ta", "tag table"),
        ("weights ''", "list labels path pull convert check words"),
        ("tag --re", "--recursive --resume"),
        ("tag --pool ''", "max mean"),
        ("tag --weights ''", "everyday"),
        ("tag rec", ""),  # bash goes on with file names: -o default
    ],
)
def test_bash_completes(line: str, offered: str, tmp_path: Path) -> None:
    script = tmp_path / "try.sh"
    script.write_text(IN_BASH.format(words=line, last=len(line.split())))
    assert sh("bash try.sh", tmp_path) == (0, offered + "\n", "")


def test_installing_puts_it_into_the_next_bash(tmp_path: Path) -> None:
    done = sh("bash -c 'audiolog --install-completion; true'", tmp_path, HOME=str(tmp_path))
    assert (done.code, done.stderr) == (0, "") and "bash completion installed in" in done.stdout
    shown = typed(
        ["bash", "--noprofile", "-i"], "audiolog weights conv\t --help | head -n 1\n", "Usage: audiolog weights convert", tmp_path
    )
    assert "Usage: audiolog weights convert" in shown


@pytest.mark.docs
def test_zsh_completes(tmp_path: Path) -> None:
    needs("zsh")
    (tmp_path / ".zshrc").write_text('autoload -Uz compinit; compinit -u\neval "$(audiolog --show-completion)"\n')
    shown = typed(["zsh", "-i"], "audiolog weights conv\t --help | head -n 1\n", "Usage: audiolog weights convert", tmp_path)
    assert "Usage: audiolog weights convert" in shown


@pytest.mark.docs
def test_fish_completes(tmp_path: Path) -> None:
    needs("fish")
    line = "audiolog --show-completion | source; complete -C 'audiolog ta'; complete -C 'audiolog tag --pool '"
    done = sh(f'fish --no-config -c "{line}"', tmp_path, HOME=str(tmp_path))
    assert sorted(each.split("\t")[0] for each in done.stdout.splitlines()) == ["max", "mean", "table", "tag"]


def test_an_unsupported_shell_is_reported(tmp_path: Path) -> None:
    needs("dash")
    done = sh("dash -c 'audiolog --show-completion; exit $?'", ROOT)
    assert done.code == 1 and done.stderr == "Shell dash not supported.\n"


@pytest.mark.parametrize("line", ["audiolog --h", "tag --weights ev"])
def test_completing_imports_nothing_heavy(line: str) -> None:
    program = (
        "import sys; sys.argv[:] = ['audiolog']\nfrom audiolog_cli.cli import main\ntry: main()\nfinally:"
        " print(sorted({name.split('.')[0] for name in sys.modules} & {'torch', 'numpy', 'av', 'httpx', 'safetensors'}), "
        "file=sys.stderr)"
    )
    words = f"audiolog {line}"
    settings = os.environ | {
        "_AUDIOLOG_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=settings, cwd=ROOT)
    assert done.stderr == "[]\n"
