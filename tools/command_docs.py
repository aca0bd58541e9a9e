"""Write docs/commands.md: every command as its own --help tells it.

    python tools/command_docs.py > docs/commands.md

A test compares the document with the program: after changing an option, run this again (`make docs`).
"""

import os
import re
import subprocess
import sys
import textwrap

HEAD = """# Commands

Made by `make docs` from the commands' own help. Every option can also be set by its environment variable; the command line takes
precedence. A variable is the same in all commands whose option means the same (`AUDIOLOG_WEIGHTS`, `AUDIOLOG_DEVICE`); where a
name means something else in another command, the variable carries the command's name (`AUDIOLOG_TAG_RESUME`,
`AUDIOLOG_TABLE_FORMAT`). Switches take `1` or `0`; an option that may be repeated takes several values separated by blanks.

Exit codes: {codes}.
"""
EXIT_CODES = {
    0: "all inputs done (also when nothing was heard)",
    1: "nothing succeeded",
    2: "wrong usage or configuration",
    3: "some inputs failed, the others were written",
    4: "the language model failed",
    5: "`--check strict` failed",
    130: "after Ctrl-C",
    141: "the reader of standard output went away",
}


def help_of(*command: str) -> str:
    """What `audiolog COMMAND --help` prints on an 80-column terminal."""
    line = [sys.executable, "-m", "audiolog_cli", *command, "--help"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AUDIOLOG_")} | {"COLUMNS": "80"}
    text = subprocess.run(line, capture_output=True, text=True, check=True, env=environment).stdout
    return text.replace("Usage: python -m audiolog_cli", "Usage: audiolog").strip("\n")


def subcommands(help_text: str) -> list[str]:
    """The commands that a help text lists."""
    _, _, listed = help_text.partition("\nCommands:\n")
    return re.findall(r"^  ([a-z][a-z-]*)", listed, flags=re.MULTILINE)


def sections(*command: str) -> list[str]:
    """A command's section, and those of the commands below it."""
    text = help_of(*command)
    own = f"\n## audiolog {' '.join(command)}".rstrip() + f"\n\n```text\n{text}\n```\n"
    return [own] + [section for name in subcommands(text) for section in sections(*command, name)]


if __name__ == "__main__":
    codes = "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
    print(HEAD.format(codes=textwrap.fill(codes, 120)) + "".join(sections()), end="")
