"""Run the commands in a document's ```console blocks and compare, or write, what they print.

    python tools/console_blocks.py README.md docs/*.md           compare; exit code 1 and a diff where they differ
    python tools/console_blocks.py --write README.md             put in what they print now

A line that starts with `$ ` is a command, run by bash in the checkout with the virtual environment's programs first on the path;
what follows, up to the next command, is its output (stdout and stderr as a terminal shows them). A line `...` stands for any
lines: such an output is compared, never written. Blocks of other kinds (```sh, indented) are not run, nor those of a document that
says in a comment who runs them: <!-- console blocks are run by tests/test_eval.py -->.
"""

import argparse
import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = "<!-- console blocks are run by "
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(command: str) -> str:
    """What a command prints, standard error included, in the order in which it came."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    settings = {name: value for name, value in os.environ.items() if not name.startswith("AUDIOLOG_")}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        env=settings | {"PATH": path, "COLUMNS": "80"},
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
        found.append(("".join(lines[:n_command]).rstrip("\n"), "".join(lines[n_command:])))
    return found


def fits(expected: str, printed: str) -> bool:
    """Whether an output is the one written down; a line `...` in that stands for any lines."""
    pattern = "".join("(?:.*\n)*?" if line == "...\n" else re.escape(line) for line in expected.splitlines(keepends=True))
    return re.fullmatch(pattern, printed) is not None


def refreshed(text: str) -> str:
    """The document with the outputs that its commands print now."""

    def block(match: re.Match[str]) -> str:
        parts = []
        for command, expected in commands_in(match[1]):
            printed = run(command)
            parts.append(f"$ {command}\n{expected if fits(expected, printed) else printed}")
        return f"```console\n{''.join(parts)}```"

    return text if ELSEWHERE in text else BLOCK.sub(block, text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="put in what the commands print now")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    code = 0
    for path in options.files:
        text = path.read_text(encoding="utf-8")
        now = refreshed(text)
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
