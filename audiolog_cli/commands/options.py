"""Options that several commands share: one name and one meaning everywhere."""

from typing import Annotated

import typer

from audiolog_cli import terminal

Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No messages or progress on stderr; errors are still printed.", callback=terminal.be_quiet)
]
