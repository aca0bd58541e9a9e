"""Run the commands in a document's ```console blocks and compare, or write, what they print.

    python tools/console_blocks.py README.md docs/*.md           compare: a diff and exit code 1 where they differ
    python tools/console_blocks.py --write README.md             write what they print now

A line that starts with `$ ` is a command, run by bash in the checkout with the virtual environment's programs first on the path;
what follows, up to the next command, is its output (stdout and stderr as a terminal shows them). A command continues after a
backslash, and after `<<'SQL'` up to the line `SQL`. A line `...` matches any lines: such an output is compared, never written.
Other blocks (```sh, indented) are not run, nor those of a document with the comment <!-- console blocks are run by
tests/test_eval.py -->. A block below the comment <!-- needs mlr /usr/share/sounds --> is left alone where such a program or path
is missing; stderr says so.
"""

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
ELSEWHERE = "<!-- console blocks are run by "
BLOCK = re.compile(r"^(?:<!-- needs (?P<needs>[^>]*) -->\n+)?```console\n(?P<lines>.*?)^```$", re.MULTILINE | re.DOTALL)
HERE_DOCUMENT = re.compile(r"<<-?'?(\w+)'?")


def run(command: str) -> str:
    """What a command prints, standard error included, in order."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("AUDIOLOG_")}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        env=settings | {"PATH": PATH, "COLUMNS": "80"},
        check=False,
    )
    return done.stdout.decode()


def commands_in(block: str) -> list[tuple[str, str]]:
    """The commands of a block, each with the output written below it."""
    pieces = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    found = []
    for piece in pieces:
        lines = piece.splitlines(keepends=True)
        n_command = next(i for i, line in enumerate(lines) if not line.endswith("\\\n")) + 1
        if here := HERE_DOCUMENT.search(lines[n_command - 1]):
            n_command = lines.index(here[1] + "\n") + 1
        found.append(("".join(lines[:n_command]).rstrip("\n"), "".join(lines[n_command:])))
    return found


def fits(expected: str, printed: str) -> bool:
    """Whether an output is the expected one, in which a line `...` matches any lines."""
    pattern = "".join("(?:.*\n)*?" if line == "...\n" else re.escape(line) for line in expected.splitlines(keepends=True))
    return re.fullmatch(pattern, printed) is not None


def is_there(needed: str) -> bool:
    """Whether a program can be run, or a path exists."""
    return os.path.exists(needed) if "/" in needed else shutil.which(needed, path=PATH) is not None


def refreshed(text: str, name: str) -> str:
    """The document with the outputs that its commands print now."""

    def block(match: re.Match[str]) -> str:
        missing = [needed for needed in (match["needs"] or "").split() if not is_there(needed)]
        if missing:
            print(f"{name}: a block was not run, there is no {', '.join(missing)} on this machine", file=sys.stderr)
            return match[0]
        parts = []
        for command, expected in commands_in(match["lines"]):
            printed = run(command)
            parts.append(f"$ {command}\n{expected if fits(expected, printed) else printed}")
        return match[0].replace(match["lines"], "".join(parts))

    return text if ELSEWHERE in text else BLOCK.sub(block, text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="put in what the commands print now")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    code = 0
    for path in options.files:
        text = path.read_text(encoding="utf-8")
        now = refreshed(text, str(path))
        if options.write:
            path.write_text(now, encoding="utf-8")
        elif now != text:
            code = 1
            sys.stdout.writelines(
                difflib.unified_diff(text.splitlines(True), now.splitlines(True), str(path), f"{path} as its commands print it")
            )
    return code


if __name__ == "__main__":
    sys.exit(main())
